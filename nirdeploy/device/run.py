"""run: a stimulus through a device, and its spikes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.passes import Played
from nirdeploy.device.stream import Stream
from nirdeploy.errors import DeviceMismatch, UnknownPopulation
from nirdeploy.records import spikes
from nirdeploy.targets.image import Image, stimulus_of


def run(
    device: Device,
    x: Any,
    probe: str | Sequence[str] = "all",
    progress: Progress | None = None,
    *,
    image: Image | None = None,
    store: Path | str | None = None,
    on_pass: Progress | None = None,
) -> spikes.SpikeRecord:
    """Run the flashed network on ``x`` (T, B, *input shape). A network of several passes is flashed pass by pass.

    Args:
        probe: "all", "outputs" or names of populations.
        progress: called with (samples done, samples in all); of several passes, every tile of every pass counts.
        image: the image the device holds, if it was not flashed through ``device``.
        store: of several passes, the folder in which to keep what they give; a run that was broken off goes on from
            there. By default it is kept in memory, or in a file of its own where it is large. The record's stats are
            those of what is played now, but for its saturations.
        on_pass: of several passes, called with (a pass that is played now, all of them), counted from 1.

    Raises:
        DeviceMismatch: the device holds another image, or none.
        InputShapeError, UnknownPopulation: ``x`` or ``probe`` does not fit the network.
        TransferError: frames are lost more often than restarts mend.
        UsageProblem: the store is another run's.
    """
    image = image or device.image
    if image is None:
        raise DeviceMismatch("this device was not flashed here", hint="flash it, or pass image=")
    if not image.passes:
        held = device.hello().image_hash
        if held != image.digest_bytes:
            raise DeviceMismatch(
                f"the device holds {'image ' + held.hex()[:16] if held else 'no image'}, expected "
                f"{image.digest()[:16]}",
                where=f"port {device.name}" if device.name else "",
                hint="flash it first",
            )
    names = [readout.population for readout in image.readouts]
    probed = spikes.select(probe, names, image.outputs)
    if not probed:
        raise UnknownPopulation("nothing to probe", hint=f"populations: {', '.join(names)}")
    stimulus = stimulus_of(image, x)
    if image.passes:
        return Played(device, image, stimulus, probed, progress, on_pass, store).record()
    return Stream(device, image, stimulus, probed, progress).record()
