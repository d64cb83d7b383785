"""A small build with a data set of its own, and what one process says of all of it at once."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nirdeploy as nd
from nirdeploy import processes
from tests import networks


@dataclass(frozen=True)
class Case:
    """``data`` has labels; ``arguments``: of verify and evaluate."""

    folder: Path
    build: Path
    data: Path

    @property
    def arguments(self) -> list[str]:
        return [str(self.build), "-x", str(self.data), "--json"]

    def start(self, command: str, *more: str) -> subprocess.Popen[bytes]:
        """A command line of its own."""
        return subprocess.Popen(
            processes.command("-m", "nirdeploy", command, *self.arguments, *more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=processes.environment(),
        )

    def said(self, command: str, *more: str) -> bytes:
        """What it prints."""
        out, err = self.start(command, *more).communicate()
        assert out, err.decode()
        return out


def case(folder: Path, samples: int) -> Case:
    nd.build(networks.two_layers(sizes=(12, 10, 4)), out=folder / "build")
    x = networks.spikes(5, (6, samples, 12), 0.6)
    np.savez(folder / "x.npz", x=x, labels=np.arange(samples) % 4)
    return Case(folder, folder / "build", folder / "x.npz")
