"""The pages, and the code blocks that stand in them.

What a block is says its fence: the language, a title where it is a file, and a first line ``# not run: REASON`` where
it cannot run here. CONTRIBUTING.md says how pages are written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]

#: Pages whose blocks run.
RUN = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
#: Pages of which the commands are looked at alone: what they are about is run by tests of its own.
READ = ["CONTRIBUTING.md", "CHANGELOG.md"]
READ += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/**/*.md"))
#: Pages that a test of their own holds to files, block by block.
HELD = {"docs/adding-a-target.md": "tests/contract/test_adding_a_target.py"}

RUNS = ("bash", "python")
DATA = ("toml", "json", "yaml")
#: Languages that a fence may have. ``text`` is what a program says, an equation or a sketch.
LANGUAGES = (*RUNS, *DATA, "text", "jinja")
#: Titles of text blocks: what the block before it prints, word by word or with other numbers; ``...`` is anything.
PRINTS, NUMBERS = "prints", "prints, but for numbers"

_MARK = re.compile(r"# not run: (?P<reason>.+)")
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')


@dataclass(frozen=True)
class Block:
    """A code block: ``line`` is that of its first line of code, from 1."""

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def unrun(self) -> str | None:
        """Why it does not run here, if it says so."""
        found = _MARK.match(self.text)
        return found["reason"] if found else None

    def commands(self) -> Iterator[list[str]]:
        """The command lines of nirdeploy in it, as words."""
        if self.language == "bash":
            for line in self.text.replace("\\\n", " ").splitlines():
                yield from commands(line)


@cache
def blocks(page: str) -> list[Block]:
    """All blocks of a page, those that are indented among them (their language is ``indented``)."""
    found = []
    for token in MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type not in ("fence", "code_block"):
            continue
        assert token.map is not None
        words = token.info.split(maxsplit=1)
        title = _TITLE.search(token.info)
        language = "indented" if token.type == "code_block" else words[0] if words else ""
        line = token.map[0] + (2 if token.type == "fence" else 1)
        found.append(Block(page, line, language, title["title"] if title else "", token.content))
    return found


def inline(page: str) -> Iterator[list[str]]:
    """The command lines of nirdeploy that stand in sentences, as words."""
    for token in MarkdownIt().enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        for child in token.children or []:
            if child.type == "code_inline":
                yield from commands(child.content)


def commands(line: str) -> Iterator[list[str]]:
    """``nirdeploy ...`` in a line of shell: its words, without what is piped, redirected or remarked."""
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quotation that goes on in the next line
        return
    simple: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>()"):
            while simple and (re.fullmatch(r"\w+=.*", simple[0]) or simple[:2] == ["python", "-m"]):
                simple = simple[2 if simple[0] == "python" else 1 :]
            if simple[:1] == ["nirdeploy"]:
                yield simple
            simple = []
        else:
            simple.append(word)
