"""The witnesses of one network on one stimulus, as commands call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nirdeploy.cli.ui import Terminal
from nirdeploy.device import Device
from nirdeploy.flash import flash
from nirdeploy.image import Image
from nirdeploy.pipeline import Build
from nirdeploy.run import run
from nirdeploy.sim import float_, integer
from nirdeploy.spikes import SpikeRecord


def simulated(build: Path, x: Any, kind: str, probe: str | list[str]) -> SpikeRecord:
    """A build's network, simulated: ``kind`` "float" or "integer"."""
    built = Build.load(build)
    if kind == "float":
        return float_.simulate(built.graph, x, probe)
    return integer.simulate(built.network, x, probe)


def measured(
    ui: Terminal, device: Device, image: Image, x: Any, probe: str | list[str], *, flash_first: bool
) -> SpikeRecord:
    """The network on a device."""
    if flash_first:
        with ui.progress("flashing") as progress:
            flash(image, device, progress)
    with ui.progress("running") as progress:
        return run(device, x, probe, progress, image=image)
