"""Passes as an image: the image of each pass, and what the whole network takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nirdeploy.backends.fpga import packing
from nirdeploy.backends.fpga.passes.cut import Pass, Passes
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.image import Image
from nirdeploy.targets.slots import InputSlot, Readout, Section


def image_of(passes: Passes, network: IntegerNetwork, target: FpgaTarget, provenance: Mapping[str, Any]) -> Image:
    """The image of a network in passes."""
    known: dict[str, Section] = {}  # passes that have words in common hold them once in memory, too
    whole = Image(
        target=target.name,
        signature=target.signature.hex(),
        sections=(),
        inputs=tuple(_inputs(network)),
        input_words=0,
        readouts=tuple(_readouts(network)),
        outputs=dict(network.outputs),
        dt=network.dt,
        provenance=dict(provenance),
    )
    made = tuple(_image(one, number, whole, target, known) for number, one in enumerate(passes.passes))
    return replace(whole, passes=made, external=target.hardware.external)


def _image(one: Pass, number: int, whole: Image, target: FpgaTarget, known: dict[str, Section]) -> Image:
    inputs, input_words = packing.inputs(one.plan.floorplan)
    own = packing.sections(one.plan, target, number)
    sections = [replace(s, words=known.setdefault(s.sha256, s).words) for s in own]
    return replace(
        whole,
        sections=tuple(sections),
        inputs=inputs,
        input_words=input_words,
        readouts=packing.readouts(one.plan.floorplan, target),
        outputs=dict(one.network.outputs),
        provenance={"network": one.placement.network},
        wiring=one.wiring,
    )


def _inputs(network: IntegerNetwork) -> Iterator[InputSlot]:
    for name, shape in network.inputs:
        held = network.takes[name]
        yield InputSlot(name, shape, 0, (), held.bits, 0, held.scale, held.zero, held.border)


def _readouts(network: IntegerNetwork) -> Iterator[Readout]:
    for p in network.populations:
        scale = () if p.spiking else tuple(float(s) for s in p.scale)
        yield Readout(p.name, p.shape, "spikes" if p.spiking else "membrane", (), scale)
