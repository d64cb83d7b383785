"""The chips' witnesses, asked from here: each is a program run by the Python of an environment of its own.

``NIRDEPLOY_WITNESS_<NAME>`` names that Python; ``<name>.txt`` lists what the environment holds.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[2]


def ask(witness: str, *arguments: str | Path, program: str = "") -> str:
    """Run ``<witness>_peer.py`` (or another program of this folder) there and give what it printed.

    Fails the test where the environment is not set up or the program fails.
    """
    variable = f"NIRDEPLOY_WITNESS_{witness.upper()}"
    python = os.environ.get(variable, "")
    if not Path(python).is_file():
        pytest.fail(f"the witness {witness} is not set up ({variable}): run make test-chips", pytrace=False)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(_REPOSITORY)
    command = [python, str(_HERE / (program or f"{witness}_peer.py")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
