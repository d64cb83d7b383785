"""Every code block of README.md and docs/ runs, as it stands, or says in its first line why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import counted, data
from tests.docs.conftest import FILES
from tests.docs.pages import DATA, HELD, LANGUAGES, ROOT, RUN, RUNS, Block, blocks
from tests.docs.reader import Failed, Reader, Warm, copied, prints, reading

TUTORIAL = "docs/tutorial.md"  # has a folder of its own, and a test: test_tutorial.py
ELSEWHERE = (FILES, TUTORIAL, *HELD)
PAGES = [page for page in RUN if page not in ELSEWHERE and any(one.language in RUNS for one in blocks(page))]

#: Docs pages begin with what docs/files.md ends with; README.md says all of it itself.
PRELUDE = next(one for one in reversed(blocks(FILES)) if one.language == "python")

pytestmark = pytest.mark.xdist_group("docs")


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: str, files: Path, warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "keeps").mkdir()
    with reading(copied(files, tmp_path / "page"), tmp_path / "keeps", warm) as reader:
        if page != "README.md" and any(one.language == "python" and not one.title for one in blocks(page)):
            reader.python(PRELUDE.text, PRELUDE.where, PRELUDE.line)
        for block in blocks(page):
            if not block.unrun:
                reader.does(block)


@pytest.mark.parametrize("page", RUN)
def test_every_block_is_of_a_kind_that_is_looked_at(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.where}: {block.language or 'no language'}; fence it, and name one"
        assert block.language != "text" or not block.unrun, f"{block.where}: text does not run in any case"


@pytest.mark.parametrize("page", RUN)
def test_data_are_what_they_say(page: str) -> None:
    for block in blocks(page):
        if block.language in DATA and page not in HELD:
            data.judge(block)


def test_what_cannot_run_is_counted(record_property: Callable[[str, object], None]) -> None:
    """The count is said at the end of the run (tests/conftest.py)."""
    run, left = counted.runnable()
    record_property(counted.KEY, counted.lines())
    assert len(run) > len(left)
    assert not [block for block in left if block.page == "README.md"]
    assert all((ROOT / test).read_text().count(Path(page).name) for page, test in HELD.items())


def test_a_page_that_is_wrong_is_noticed(files: Path, warm: Warm, tmp_path: Path) -> None:
    """The collector can fail: in a command, in Python, in what is printed, and in what a command is given."""
    (tmp_path / "keeps").mkdir()
    with reading(copied(files, tmp_path / "page"), tmp_path / "keeps", warm) as reader:
        for language, text in {
            "bash": "nirdeploy check nothing.nir\n",
            "python": "assert 1 == 2\n",
        }.items():
            with pytest.raises(Failed, match=r"made\.md:7"):
                reader.does(Block("made.md", 7, language, "", text))
        reader.does(Block("made.md", 1, "bash", "", "cd data; export A=12; echo one two; echo three\n"))
        reader.does(Block("made.md", 5, "text", "prints", "one ...\nthree\n"))
        with pytest.raises(Failed):
            reader.does(Block("made.md", 5, "text", "prints", "one\nthree\n"))
        reader.does(Block("made.md", 9, "bash", "", '[ "$A" = 12 ] && test -e first.npz\n'))
        assert_folder(reader, tmp_path / "page" / "data")


def assert_folder(reader: Reader, folder: Path) -> None:
    reader.python(f"import os; assert os.getcwd() == {str(folder)!r}", "made.md:1")


def test_what_is_printed_is_compared() -> None:
    assert prints("a  b\n12 ms\nend", "a b\n... ms")
    assert prints("x\ny\nz\n", "x\n...\nz")
    assert not prints("a b\nc", "a c")
    assert not prints("x\nz\n", "x\ny")
