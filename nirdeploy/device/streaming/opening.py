"""opening: a stream of whatever holds a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nirdeploy.device.holding import image_held
from nirdeploy.device.streaming.engine import Engine, OnDevice, OnModel
from nirdeploy.device.streaming.session import DEPTH, WAIT, StepStream
from nirdeploy.errors import UnknownPopulation
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import spikes
from nirdeploy.sim.simulate import Quantized
from nirdeploy.targets.image import Image

if TYPE_CHECKING:
    from nirdeploy.device.client import Device

REMEMBERED = 64 << 20  #: bytes


def stream(
    what: Device | Quantized | IntegerNetwork,
    probe: str | Sequence[str] = "outputs",
    *,
    image: Image | None = None,
    depth: int = DEPTH,
    when_full: str = WAIT,
    keep: Path | str | None = None,
    remember: int = REMEMBERED,
) -> StepStream:
    """Step a network on and on, its state kept from step to step: a context manager, see :class:`StepStream`.

    Args:
        what: a device that holds the network; or a build or its integer network, which the integer model steps then.
        probe: "all", "outputs" or names of populations.
        image: the image the device holds, if it was not flashed through ``what``.
        depth, when_full, keep: as of :class:`StepStream`.
        remember: bytes of memory for steps that a device may have to play again, as its line may lose what comes of
            them. Beyond, such a loss is an error.

    Raises:
        DeviceMismatch: the device holds another image, or none. DoesNotFit: it plays the network in passes.
        UnknownPopulation: the probe. UsageProblem: an argument.
    """
    if isinstance(what, (IntegerNetwork, Quantized)):
        network = what if isinstance(what, IntegerNetwork) else what.network
        names, outputs = [population.name for population in network.populations], network.outputs
        engine: Engine = OnModel(network, _probed(probe, names, outputs))
    else:
        image = image_held(what, image)
        probed = _probed(probe, [readout.population for readout in image.readouts], image.outputs)
        engine = OnDevice(what, image, probed, remember)
    return StepStream(engine, depth=depth, when_full=when_full, keep=keep)


def _probed(probe: str | Sequence[str], names: Sequence[str], outputs: Any) -> tuple[str, ...]:
    probed = spikes.select(probe, names, outputs)
    if not probed:
        raise UnknownPopulation("nothing to probe", hint=f"populations: {', '.join(names)}")
    return probed
