"""engine: what steps a network on and on: a device behind its line, or the integer model."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nirdeploy.device.decoding import bits_of
from nirdeploy.device.encoding import Encoder
from nirdeploy.device.protocol import Probe
from nirdeploy.device.streaming.flow import Flow
from nirdeploy.errors import DoesNotFit
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import inputs
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim.stepwise import Stepwise
from nirdeploy.targets.image import Image, record_of, stimulus_of
from nirdeploy.targets.slots import Readout

if TYPE_CHECKING:
    from nirdeploy.device.client import Device

Values = Mapping[str, np.ndarray]  #: (steps, *shape) by population


class Engine(Protocol):
    """``inputs``: name and shape of each; ``head``: a record of no steps, with all that a record of them has beside."""

    inputs: inputs.Inputs
    head: SpikeRecord

    @property
    def under_way(self) -> int:
        """Steps whose output has not been taken."""

    def feed(self, x: Any, *, rest: bool) -> None:
        """Steps (n, 1, *shape), by input; ``rest``: the network is at rest before the first.

        Raises :class:`nirdeploy.errors.InputShapeError` where the inputs do not take them: nothing was fed then.
        """

    def come(self, *, wait: bool) -> Values:
        """Spikes and membranes of the next steps; with ``wait`` of one at least, if one is under way."""

    def stats(self) -> dict[str, float]:
        """What it took."""


def check(image: Image) -> None:
    """Raises :class:`DoesNotFit` where a device cannot stream it."""
    if image.passes:
        raise DoesNotFit(
            f"the network is played in {len(image.passes)} passes, each of which takes all steps of a sample before "
            "the next one begins: no step is done before the last one has come",
            where=f"target {image.target}",
            hint="build it for a target that holds all of it (see estimate), or stream its integer model (-p sim)",
        )
    if not image.readouts or not image.inputs:
        raise DoesNotFit(
            "nothing of its network can be sent to this target, or read from it, over a port",
            where=f"target {image.target}",
            hint="stream its integer model (-p sim)",
        )


class OnDevice:
    """A device that holds the image.

    Raises:
        DoesNotFit: the network is played in passes.
    """

    def __init__(self, device: Device, image: Image, probed: tuple[str, ...], most: int) -> None:
        check(image)
        self._image = image
        self._held = 0 < image.input_words <= device.held_words
        self._readouts = [readout for readout in image.readouts if readout.population in probed]
        parts = [(readout, part) for readout in self._readouts for part in readout.parts]
        self._sizes = [readout.part_bytes(part) for readout, part in parts]
        kinds = [Probe.VALUES if readout.kind == "membrane" else Probe.BITS for readout, _ in parts]
        probes = [(p.group, int(k), p.address, n) for (_, p), k, n in zip(parts, kinds, self._sizes, strict=True)]
        bits = [bits_of(readout, part) for readout, part in parts]
        self._flow = Flow(device, probes, bits, held=self._held, most=most)
        self.inputs: inputs.Inputs = [(slot.name, slot.shape) for slot in image.inputs]
        self.head: SpikeRecord = record_of(
            image, self._split(np.zeros((0, 1, sum(self._sizes)), np.uint8)), "device", {}
        )
        self._late: dict[str, np.ndarray] = {}
        self._rest()

    def _rest(self) -> None:
        """What populations that say their spikes later than the device does have not said yet."""
        self._late = {one.population: np.zeros((one.late, *one.shape), np.uint8) for one in self._readouts if one.late}

    @property
    def under_way(self) -> int:
        return self._flow.under_way

    def feed(self, x: Any, *, rest: bool) -> None:
        encoder = Encoder(self._image, stimulus_of(self._image, x), held=self._held)
        if rest:
            self._rest()
        self._flow.feed(encoder.steps(0), rest=rest)

    def come(self, *, wait: bool) -> Values:
        outputs = self._flow.come(wait=wait)
        if not outputs:
            return {}
        read = self._split(np.stack(outputs)[:, None])
        return {one.population: self._said(one, one.values(read[one.population])[:, 0]) for one in self._readouts}

    def stats(self) -> dict[str, float]:
        return {"replays": float(self._flow.replays), "replayed": float(self._flow.replayed)}

    def _split(self, outputs: np.ndarray) -> dict[str, list[np.ndarray]]:
        """By population, of each of its parts, the bytes (T, 1, bytes)."""
        pieces = iter(np.split(outputs, np.cumsum(self._sizes)[:-1], axis=2))
        return {one.population: [next(pieces) for _ in one.parts] for one in self._readouts}

    def _said(self, readout: Readout, values: np.ndarray) -> np.ndarray:
        """What a population says in these steps, who may say later what it did in them."""
        if readout.population not in self._late:
            return values
        every = np.concatenate([self._late[readout.population], values])
        self._late[readout.population] = every[len(values) :]
        return every[: len(values)]


class OnModel:
    """The integer network, stepped by its definition. What is fed is done at once."""

    def __init__(self, network: IntegerNetwork, probed: tuple[str, ...]) -> None:
        self._model = Stepwise(network, probed)
        self.inputs: inputs.Inputs = network.inputs
        self.head = self._model.head
        self._ready: deque[Values] = deque()
        self.under_way = 0

    def feed(self, x: Any, *, rest: bool) -> None:
        if rest:
            self._model.rest()
        done = self._model.advance(x)
        self.under_way += len(next(iter(done.values())))
        self._ready.append(done)

    def come(self, *, wait: bool) -> Values:
        if not self._ready:
            return {}
        self.under_way -= len(next(iter(self._ready[0].values())))
        return self._ready.popleft()

    def stats(self) -> dict[str, float]:
        return {"saturations": float(self._model.saturations)}
