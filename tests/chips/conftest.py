"""What other folders' tests share with the chips': the command line in this process, the NIR paper's recordings."""

from __future__ import annotations

from tests.recordings.conftest import paper
from tests.unit.cli.conftest import cli

__all__ = ["cli", "paper"]
