"""What the pages lead to is there: README's links, files that are named in sentences, public names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

import nirdeploy as nd
from tests.docs.pages import READ, ROOT, RUN

FOLDERS = ("nirdeploy", "tests", "tools", "benchmarks", "examples", "targets", "templates", "docs")
_A_NAME = re.compile(r"\b(?:NAME|FOLDER)\b")  # stands for one
_PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+")


def tokens(page: str) -> list[Token]:
    parsed = MarkdownIt().enable("table").parse((ROOT / page).read_text(encoding="utf-8"))
    return [token for block in parsed for token in (block, *(block.children or []))]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", *READ])
def test_its_links_lead_somewhere(page: str) -> None:
    """Those of docs/ are looked at by mkdocs (test_site.py)."""
    for token in tokens(page):
        if token.type == "link_open" and not str(token.attrs["href"]).startswith("http"):
            path, _, anchor = str(token.attrs["href"]).partition("#")
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), f"{page}: {path}"
            assert not anchor or anchor in anchors(there), f"{page}: {path}#{anchor}"


@pytest.mark.parametrize("page", [*RUN, *READ])
def test_files_that_it_names_are_there(page: str) -> None:
    named = [token.content for token in tokens(page) if token.type == "code_inline"]
    paths = [word for text in named for word in text.split() if _PATH.fullmatch(word) and not _A_NAME.search(word)]
    bases = (ROOT, ROOT / "nirdeploy", (ROOT / page).parent)
    assert not [path for path in paths if not any((base / path).exists() for base in bases)]


def test_every_public_name_has_its_place_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    assert sorted(re.findall(r"^::: nirdeploy\.(\w+)$", page, re.M)) == sorted(nd.__all__)
