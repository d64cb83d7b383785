"""A user's project: a network, and the settings that it is tested with."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.graph import file as nirfile
from tests.unit.cli.hil.project import net


@pytest.fixture
def project(tmp_path: Path) -> Path:
    nirfile.write(tmp_path / "net.nir", net())
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return tmp_path
