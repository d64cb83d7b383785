"""A user's project, tested as a user does: pytest in a process of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import nir
import numpy as np

from nirdeploy import processes

_PLUGIN = "nirdeploy.cli.hil.plugin"
_INSTALLED = any(entry.value == _PLUGIN for entry in entry_points(group="pytest11"))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str

    def counts(self) -> str:
        """The last line without its time."""
        return self.out.strip().splitlines()[-1].rpartition(" in ")[0].strip("= ")


def pytest_in(folder: Path, *arguments: str, **environment: str) -> Ran:
    """``pytest ARGUMENTS`` in ``folder``, with the plug-in, be it installed or not."""
    loaded = () if _INSTALLED else ("-p", _PLUGIN)
    command = processes.command("-m", "pytest", *loaded, "-q", "--color=no", *arguments)
    added = {"COLUMNS": "200", "PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": "", **environment}
    given = {
        name: value for name, value in processes.environment(added).items() if not name.startswith("PYTEST_") or value
    }
    done = subprocess.run(
        command, cwd=folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Ran(done.returncode, done.stdout)


def net(threshold: float = 1.0) -> nir.NIRGraph:
    """6 inputs, 5 neurons."""
    ones, weight = np.ones(5), np.random.default_rng(1).uniform(0, 1, (5, 6))
    lif = nir.LIF(tau=1e-3 * ones, r=10.0 * ones, v_leak=0.0 * ones, v_threshold=threshold * ones)
    ends = {"input": nir.Input({"input": np.array([6])}), "output": nir.Output({"output": np.array([5])})}
    nodes = {**ends, "fc": nir.Affine(weight, 0.0 * ones), "lif": lif}
    return nir.NIRGraph(nodes=nodes, edges=[("input", "fc"), ("fc", "lif"), ("lif", "output")])
