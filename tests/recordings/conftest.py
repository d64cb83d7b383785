"""The NIR paper's graphs and recordings (``nir_paper`` in $NIRDEPLOY_DATA, default ../shared/data)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def paper() -> Path:
    folder = Path(os.environ.get("NIRDEPLOY_DATA", _DEFAULT)) / "nir_paper"
    if not folder.is_dir():
        pytest.skip(f"the NIR paper's recordings are not at {folder}: set NIRDEPLOY_DATA to the folder that holds them")
    return folder
