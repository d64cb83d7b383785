"""Numba obeys no file of the current folder, and what it imports it imports in the thread that imports the engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nirdeploy import processes

RUN = """
import os, sys
import numpy as np
from nirdeploy.sim.engine import compiler, run, scatter, settle
from nirdeploy.sim.engine.loops import loop
there = set(sys.modules)

def add(a, b):
    return a + b

sum_of = compiler.numba.njit(add)
assert sum_of(np.ones(3), 1.0).sum() == 6
total = np.zeros(2)
settle.settle(np.ones(2), 2, total, 2, 0, 1, 1, (np.zeros(0, np.int64), np.zeros(0, np.int64)), 0)
assert total.sum() == 2
assert bool(getattr(sum_of, "signatures", ())) == (os.environ.get("NUMBA_DISABLE_JIT") != "1")
print([name for name in set(sys.modules) - there if name.startswith("numba")])
"""


def said(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What stdout and stderr have where the engine runs in a folder."""
    environment = processes.environment({"NIRDEPLOY_CACHE": str(folder / "cache"), **variables})
    return subprocess.run(
        processes.command("-c", RUN), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("text", ["disable_jit: 1", "dump_optimized: 1", "{", "", "opt: 9"])
def test_a_file_of_settings_is_not_obeyed(text: str, tmp_path: Path) -> None:
    (tmp_path / ".numba_config.yaml").write_text(text)
    found = said(tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (0, "[]\n", "")


def test_variables_are(tmp_path: Path) -> None:
    assert said(tmp_path, NUMBA_DISABLE_JIT="1").returncode == 0
    assert "NUMBA_OPT" in said(tmp_path, NUMBA_OPT="9").stderr
