"""The witnesses, asked from here: each is a program run by the Python of its framework's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[2]

#: Which variable names the Python of a witness.
PYTHONS = {
    "spyx": "NIRDEPLOY_WITNESS_SPYX",
    "rockpool": "NIRDEPLOY_WITNESS_ROCKPOOL",
    "lava": "NIRDEPLOY_WITNESS_LAVA",
}


def ask(witness: str, *arguments: str | Path) -> str:
    """Run a witness (``torch``: in this Python) and give what it printed. Fails the test where it fails."""
    python = os.environ.get(PYTHONS[witness], "") if witness in PYTHONS else sys.executable
    if not Path(python).is_file():
        pytest.fail(f"the witness {witness} is not set up: run make test-frameworks", pytrace=False)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(_REPOSITORY)
    program = [python, str(_HERE / f"{witness}_nets.py"), *map(str, arguments)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
