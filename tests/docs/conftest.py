"""A warm nirdeploy, and the files that the pages' examples take, made as docs/files.md says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.apart import apart
from tests.docs.pages import blocks
from tests.docs.reader import Warm, reading

FILES = "docs/files.md"


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    folder = tmp_path_factory.mktemp("warm")
    with apart(folder / "cache") as variables:
        made = Warm(folder, variables)
        yield made
        made.close()


@pytest.fixture(scope="session")
def files(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the examples."""
    folder, keeps = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("keeps")
    with reading(folder, keeps, warm) as reader:
        for block in blocks(FILES):
            reader.does(block)
    return folder
