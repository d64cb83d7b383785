"""What a step costs on the serial line, or a sample: bytes of its input and outputs, framed as docs/link.md says."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nirdeploy.backends.fpga import packing
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.plan import Plan
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.targets.sending import changed
from nirdeploy.targets.slots import Readout, Section

BITS = 10  #: of a byte on the line: with start and stop bit
_MOST_EVENTS, _MOST_OUTPUT_EVENTS = 251, 253
_OF_A_MASK = 8  # bytes of a packed bitmap
_STEPS_PAYLOAD, _STEPS_WIRE, _STEPS_REPLY = 506, 516, 9  # bytes: of a full STEPS frame, and of what answers it
_OUTPUT_PAYLOAD, _OUTPUT_WIRE = 480, 489  # of a full OUTPUT frame
_OVERHEAD = 7  # bytes of a short frame beside its payload and delimiter
_SAMPLE_WORDS = 3  # of the input stream: a new sample, and for how many steps its input is held


@dataclass(frozen=True)
class Traffic:
    """Bytes of a step, or a sample, on the line, frames included: to the device, and from it."""

    sent: float
    received: float

    def microseconds(self, baud: int) -> float:
        """The line carries both ways at once."""
        return 1e6 * BITS * max(self.sent, self.received) / baud


def load(plans: Iterable[Plan], target: FpgaTarget) -> dict[str, float]:
    """``image_bytes`` of the images of passes, one after the other, and ``image_s``, what they take on the line.

    What the pass before has left there is not sent again.
    """
    there, sent = list[Section](), 0
    for number, plan in enumerate(plans):
        sections = packing.sections(plan, target, number)
        sent += sum(len(part.data) for part in changed(sections, there))
        there = sections
    return {"image_bytes": sent, "image_s": sent * BITS / target.serial_board.baud}


def traffic(plan: Floorplan, target: FpgaTarget, activity: float) -> Traffic:
    """Of a step whose inputs and output populations spike with probability ``activity``; no others come back.

    Each is sent as events where these are shorter than the bitmap, as device and host do.
    """
    stream = _input(plan, target, activity)
    outputs = set(plan.network.outputs.values())
    events = target.synthesis is None or target.synthesis.events
    back = sum(
        _back(readout, activity, events) for readout in packing.readouts(plan, target) if readout.population in outputs
    )
    frames = stream / _STEPS_PAYLOAD
    return Traffic(frames * _STEPS_WIRE, back / _OUTPUT_PAYLOAD * _OUTPUT_WIRE + frames * _STEPS_REPLY)


def alone(plan: Floorplan, target: FpgaTarget, activity: float, cores_us: float) -> dict[str, float]:
    """A step of a stream in a frame of its own, and its outputs in another: ``stream_latency_us`` from the first byte
    of the one to the last of the other, where nothing else is under way; ``stream_step_us``: how soon the
    next may come.

    ``cores_us``: from a step's input to its last output. Outputs are those of the output populations.
    """
    step, full = traffic(plan, target, activity), _input(plan, target, activity)
    back = (step.received - full / _STEPS_PAYLOAD * _STEPS_REPLY) * _OUTPUT_PAYLOAD / _OUTPUT_WIRE
    sent, output = (1 + (_OVERHEAD + size) for size in (full, back))
    us = 1e6 * BITS / target.serial_board.baud
    latency = us * sent + max(us * _STEPS_REPLY, cores_us) + us * output
    return {"stream_latency_us": latency, "stream_step_us": us * max(sent, _STEPS_REPLY + output)}


def sample(plan: Floorplan, target: FpgaTarget, activity: float) -> Traffic | None:
    """Of a sample as a whole: its input held for all of its steps, and how often the outputs' neurons spiked (or their
    last membranes) sent once. None where the hardware holds or counts nothing."""
    if not (target.hardware.held and target.hardware.counters):
        return None
    outputs = set(plan.network.outputs.values())
    read = [one for one in packing.readouts(plan, target) if one.population in outputs]
    back = sum(part.bits if one.kind == "spikes" else 4 * part.count for one in read for part in one.parts)
    frames = (_SAMPLE_WORDS + _input(plan, target, activity)) / _STEPS_PAYLOAD
    return Traffic(frames * _STEPS_WIRE, back + frames * (_OUTPUT_WIRE - _OUTPUT_PAYLOAD + _STEPS_REPLY))


def _input(plan: Floorplan, target: FpgaTarget, activity: float) -> float:
    """Of a step's input in the input stream."""
    events = activity * sum(math.prod(shape) * plan.planes(name) for name, shape in plan.network.inputs)
    bitmap = 4 * plan.input_words
    if not target.hardware.held:
        return _shorter(events, bitmap, _MOST_EVENTS)
    bits = 32 * plan.input_words
    packed = -(-bitmap // _OF_A_MASK) + bitmap * (1 - (1 - events / bits) ** 8)
    return min(_shorter(events, bitmap, _MOST_EVENTS), 1 + packed)


def _back(readout: Readout, activity: float, events: bool) -> float:
    spikes = events and readout.kind == "spikes"
    sizes = [(part, readout.part_bytes(part)) for part in readout.parts]
    most = _MOST_OUTPUT_EVENTS
    return sum(
        _shorter(activity * part.count * part.planes, size, most) if spikes else 1 + size for part, size in sizes
    )


def _shorter(events: float, bitmap: int, most: int) -> float:
    return 1 + (2 * events if events <= most and 2 * events < bitmap else bitmap)
