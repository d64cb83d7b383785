"""The gather-core FPGA: the signature in its Verilog, placement on its cores, images of its memories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nirdeploy.backends.common.support import unsupported
from nirdeploy.backends.fpga import dialects, external, packing, placement
from nirdeploy.backends.fpga.cost import cycles, held, line, logic
from nirdeploy.backends.fpga.lowering import lower, walks
from nirdeploy.backends.fpga.passes import estimating, imaging, placing
from nirdeploy.backends.fpga.passes.cut import Passes, cut
from nirdeploy.backends.fpga.placement import in_order
from nirdeploy.backends.fpga.plan import Plan, planned
from nirdeploy.backends.fpga.schema import FpgaTarget, Hardware
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.targets.backend import Backend, VirtualBoard
from nirdeploy.targets.fit import Fit, refuse
from nirdeploy.targets.image import Image
from nirdeploy.targets.placement import ChipUse, Placement
from nirdeploy.targets.tables import Formats


class FpgaBackend(Backend[Formats, Hardware]):
    """Packs jobs, weights and neuron parameters of every core."""

    Hardware = Hardware
    encodings = True

    def maxima(self, target: FpgaTarget) -> bool:
        return bool(target.hardware.maxima)

    def widths(self, target: FpgaTarget) -> tuple[int, ...]:
        return tuple(bits for bits in (2, 4, 8, 16) if bits <= target.formats.weight_bits)

    def misfits(self, target: FpgaTarget) -> list[str]:
        problems = []
        if target.hardware.lanes * target.formats.weight_bits % 32:
            problems.append("lanes x weight_bits must fill whole 32-bit words")
        if target.hardware.update > target.hardware.lanes:
            problems.append("update must not exceed lanes")
        synaptic = sorted({"CubaLIF", "CubaLI"} & set(target.models))
        if synaptic and not target.hardware.synapse:
            problems.append(f"models {', '.join(synaptic)} need hardware.synapse = 1")
        if target.board is None:
            problems.append("board: field required")
        return [*problems, *external.problems(target)]

    def fit(self, graph: CheckedGraph, target: FpgaTarget) -> Fit:
        """Lowered, rounded and placed, each once: as a whole where there is room for it, else in passes."""
        network = None
        try:
            network = self.rounded(graph, target)
            return Fit((), network, *_placed(network, target))
        except DoesNotFit as error:
            if not error.problems:
                raise
            return Fit(error.problems, network)

    def rounded(self, graph: CheckedGraph, target: FpgaTarget) -> IntegerNetwork:
        """Lowered and rounded, without a placement."""
        hardware = target.hardware
        beyond, late = partial(dialects.beyond, hardware=hardware), partial(dialects.late, hardware=hardware)
        refuse([*unsupported(graph, target, beyond, late), *dialects.late_zeros(graph, hardware)], target.name)
        lowered, problems = lower(graph, target)
        refuse(problems, target.name)
        named = replace(quantize(lowered, target.formats.of_network()), target=target.name)
        refuse(dialects.odd(named, target), target.name)
        return named

    def plan(self, network: IntegerNetwork, placement: Placement, target: FpgaTarget) -> Plan | Passes:
        if placement.passes:
            return placing.passes_of(placement, network, target)
        return planned(network, target, placement.slices)

    def validate(self, placement: Placement, network: IntegerNetwork, target: FpgaTarget) -> None:
        if placement.passes:
            placing.check(placement, network, target)
        else:
            in_order(placement, network, target)

    def context(
        self, target: FpgaTarget, network: IntegerNetwork | None = None, placement: Placement | None = None
    ) -> Mapping[str, Any]:
        """The defaults, the signature as the Verilog literal whose lowest byte goes out first, and the memory."""
        return {
            **super().context(target, network, placement),
            "signature": target.signature.hex(),
            "signature_reversed": target.signature[::-1].hex(),
            "memory": external.context(target),
        }

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Plan | Passes, target: FpgaTarget, activity: float
    ) -> dict[str, float | str]:
        """The line, and the schedule at ``activity``: of inputs as fast as they are taken, and of one alone."""
        if isinstance(plan, Passes):
            return estimating.estimate(plan, network, target, activity)
        period = cycles.predict(plan.floorplan, target.hardware, plan.jobs, activity).period
        alone = cycles.latency(plan.floorplan, target.hardware, plan.jobs, activity)
        clock_mhz = target.serial_board.clock_hz / 1e6
        step = line.traffic(plan.floorplan, target, activity)
        sample = line.sample(plan.floorplan, target, activity)
        whole = {} if sample is None else {"held_sample_bytes": sample.sent, "counted_sample_bytes": sample.received}
        return {
            "cycles": period,
            "step_us": period / clock_mhz,
            "link_us": step.microseconds(target.serial_board.baud),
            "link_bytes_sent": step.sent,
            "link_bytes_received": step.received,
            **whole,
            "latency_cycles": alone,
            "latency_us": alone / clock_mhz,
            **line.alone(plan.floorplan, target, activity, alone / clock_mhz),
            **line.load([plan], target),
            **held.rows([plan]),
            "synaptic_events": activity * sum(p.synapses() for p in network.projections),
            "bus_words": plan.floorplan.spike_words,
        }

    def chip(self, target: FpgaTarget) -> tuple[ChipUse, ...]:
        return logic.chip_use(target)

    def virtual_board(self, target: FpgaTarget, baud: int) -> VirtualBoard:
        from nirdeploy.backends.fpga.simulated import board  # compiles hardware; a real port needs none of it

        return board.start(target, baud=baud)

    def pack(
        self,
        network: IntegerNetwork,
        placement: Placement,
        plan: Plan | Passes,
        artifacts: Mapping[str, bytes],
        target: FpgaTarget,
        provenance: Mapping[str, Any],
    ) -> Image:
        if isinstance(plan, Passes):
            return imaging.image_of(plan, network, target, provenance)
        inputs, input_words = packing.inputs(plan.floorplan)
        return Image(
            target=target.name,
            signature=target.signature.hex(),
            sections=tuple(packing.sections(plan, target)),
            inputs=inputs,
            input_words=input_words,
            readouts=packing.readouts(plan.floorplan, target),
            outputs=dict(network.outputs),
            dt=network.dt,
            provenance=dict(provenance),
        )


def _placed(network: IntegerNetwork, target: FpgaTarget) -> tuple[Placement, Plan | Passes]:
    try:
        if walks(network.projections, bool(target.hardware.spatial)):
            return placement.place(network, target)
    except DoesNotFit:
        pass
    passes = cut(network, target)
    return placing.placement_of(passes, network, target), passes


BACKEND = FpgaBackend
