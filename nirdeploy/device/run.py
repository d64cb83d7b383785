"""run: a stimulus through a device, and its spikes back, or what its samples came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.holding import image_held
from nirdeploy.device.onboard import OnBoard, prepared
from nirdeploy.device.passes import Played
from nirdeploy.device.stream import Stream
from nirdeploy.errors import UnknownPopulation
from nirdeploy.records import inputs, spikes
from nirdeploy.records import tally as tallies
from nirdeploy.records.tally import OF_MEMBRANES, OF_SPIKES, Tally
from nirdeploy.targets.image import Image, stimulus_of
from nirdeploy.targets.player.compiling import Compiled

Seen = TypeVar("Seen", spikes.SpikeRecord, Tally)


def run(
    device: Device,
    x: Any,
    probe: str | Sequence[str] = "all",
    progress: Progress | None = None,
    *,
    image: Image | None = None,
    store: Path | str | None = None,
    on_pass: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> spikes.SpikeRecord:
    """Run the flashed network on ``x`` (T, B, *input shape). A network of several passes is played by the board where
    its external memory holds all of it for one sample, else flashed pass by pass.

    Args:
        probe: "all", "outputs" or names of populations.
        progress: called with (samples done, samples in all); of several passes, every tile of every pass counts.
        image: the image the device holds, if it was not flashed through ``device``.
        store: of several passes, the folder in which to keep what they give; a run that was broken off goes on from
            there. By default it is kept in memory, or in a file of its own where it is large. The record's stats are
            those of what is played now, but for its saturations.
        on_pass: of several passes, called with (a pass that is played now, all of them), counted from 1.
        say: called with the reason, where a target has external memory and the host plays the passes all the same.

    Raises:
        DeviceMismatch: the device holds another image, or none.
        InputShapeError, UnknownPopulation: ``x`` or ``probe`` does not fit the network.
        TransferError: frames are lost more often than restarts mend.
        UsageProblem: the store is another run's.
    """
    image = image_held(device, image)
    names = [readout.population for readout in image.readouts]
    probed = spikes.select(probe, names, image.outputs)
    if not probed:
        raise UnknownPopulation("nothing to probe", hint=f"populations: {', '.join(names)}")
    stimulus = stimulus_of(image, x)
    playing: Stream | OnBoard | Played
    if not image.passes:
        playing = Stream(device, image, stimulus, probed, progress)
    elif isinstance(made := prepared(image, stimulus, probed), Compiled):
        playing = OnBoard(device, image, made, stimulus, probed, progress, on_pass, store)
    else:
        if say and image.external:
            say(made)
        playing = Played(device, image, stimulus, probed, progress, on_pass, store)
    return _of(stimulus, playing.record())


def tally(
    device: Device,
    x: Any,
    reads: Sequence[str] = ("count",),
    probe: str | Sequence[str] = "outputs",
    progress: Progress | None = None,
    *,
    image: Image | None = None,
    store: Path | str | None = None,
    on_pass: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Tally:
    """Run the flashed network on ``x`` (T, B, *input shape) for what each sample comes to, and not for its steps.

    Where the device has counters for it, it sends nothing else: far fewer bytes. Else it is counted here.

    Args:
        reads: of :data:`nirdeploy.records.tally.READS`: ``count`` and ``first`` of spikes, ``last``, ``largest`` and
            ``sum`` of membranes; a population is asked for those that it has.
        probe, progress, image, store, on_pass, say: as of :func:`run`.

    Raises:
        UsageProblem: there is no such read.
        UnknownPopulation: none of the probed populations has what is read.
        NirdeployError: else as of :func:`run`.
    """
    tallies.check(reads)
    image = image_held(device, image)
    having = {"spikes" if read in OF_SPIKES else "membrane" for read in reads}
    names = [readout.population for readout in image.readouts]
    kinds = {readout.population: readout.kind for readout in image.readouts}
    probed = tuple(name for name in spikes.select(probe, names, image.outputs) if kinds[name] in having)
    if not probed:
        has = ", ".join(
            f"{name} has {', '.join(OF_SPIKES if kinds[name] == 'spikes' else OF_MEMBRANES)}" for name in names
        )
        raise UnknownPopulation(f"no population that is probed has {' or '.join(reads)}", hint=has)
    if image.passes or not len(x):
        how: dict[str, Any] = {"image": image, "store": store, "on_pass": on_pass, "say": say}
        return Tally.of(run(device, x, probed, progress, **how), reads)
    stimulus = stimulus_of(image, x)
    return _of(stimulus, Stream(device, image, stimulus, probed, progress).tally(reads))


def _of(stimulus: Mapping[str, np.ndarray], seen: Seen) -> Seen:
    """What was recorded, which says of which stimulus it is."""
    return replace(seen, manifest={**seen.manifest, spikes.STIMULUS: inputs.digest(stimulus)})
