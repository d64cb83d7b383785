"""The chips' witnesses, asked from here."""

from __future__ import annotations

from pathlib import Path

from tests import witnesses

_HERE = Path(__file__).parent


def ask(witness: str, *arguments: str | Path, program: str = "") -> str:
    """Run ``<witness>_peer.py`` (or another program of this folder) there and give what it printed.

    Fails the test where the environment is not set up or the program fails.
    """
    python = witnesses.python_of(witness, "make test-chips")
    return witnesses.run(_HERE / (program or f"{witness}_peer.py"), *arguments, python=python)
