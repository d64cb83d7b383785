"""The frameworks' witnesses, asked from here."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import witnesses

_HERE = Path(__file__).parent
#: Those that have an environment of their own.
WITNESSES = ("lava", "rockpool", "spyx")


def ask(witness: str, *arguments: str | Path) -> str:
    """Run a witness (``torch``: in this Python) and give what it printed. Fails the test where it fails."""
    python = sys.executable if witness == "torch" else witnesses.python_of(witness, "make test-frameworks")
    return witnesses.run(_HERE / f"{witness}_nets.py", *arguments, python=python)
