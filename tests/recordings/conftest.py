"""Others' data: the NIR paper's graphs and recordings (``nir_paper``), NeuroBench's checkpoints (``neurobench``).

Both in $NIRDEPLOY_DATA, default ../shared/data.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def paper() -> Path:
    return _folder("nir_paper", "the NIR paper's recordings")


@pytest.fixture(scope="session")
def neurobench() -> Path:
    return _folder("neurobench", "NeuroBench's checkpoints")


def _folder(name: str, what: str) -> Path:
    folder = Path(os.environ.get("NIRDEPLOY_DATA", _DEFAULT)) / name
    if not folder.is_dir():
        pytest.skip(f"{what} are not at {folder}: set NIRDEPLOY_DATA to the folder that holds them")
    return folder
