"""Witnesses: what others wrote, run as a program by the Python of an environment of its own, with files between.

``NIRDEPLOY_WITNESS_<NAME>`` names that Python; the makefile sets it. ``<NAME>.txt`` lists what the environment holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import examples

_REPOSITORY = Path(__file__).parents[1]


def python_of(witness: str, setup: str) -> str:
    """The Python of a witness. Fails the test where it is not set up; ``setup``: what does that."""
    variable = f"NIRDEPLOY_WITNESS_{witness.upper()}"
    python = os.environ.get(variable, "")
    if not Path(python).is_file():
        pytest.fail(f"the witness {witness} is not set up ({variable}): run {setup}", pytrace=False)
    return python


def run(program: Path, *arguments: str | Path, python: str = sys.executable) -> str:
    """Run a witness's program and give what it printed. Fails the test where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(_REPOSITORY)
    command = [python, str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def seeds(count: int) -> list[int]:
    """As many seeds of random networks, other ones in every run: witnesses take them all at once, to start only once.

    What differs is told by its seed.
    """
    found: list[int] = []

    @settings(max_examples=2 * examples(count), phases=(Phase.generate,), database=None)
    @given(st.integers(0, 2**32 - 1))
    def collect(seed: int) -> None:
        if seed not in found and len(found) < examples(count):
            found.append(seed)

    collect()
    assert len(found) == examples(count)
    return found
