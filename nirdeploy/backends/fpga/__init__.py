"""The gather-core FPGA: the signature in its Verilog, placement on its cores, images of its memories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nirdeploy.backends.fpga import packing, placement
from nirdeploy.backends.fpga.cost import cycles, logic
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.lowering import lower
from nirdeploy.backends.fpga.program import Program
from nirdeploy.backends.fpga.schema import Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.backend import Backend, VirtualBoard
from nirdeploy.targets.image import Image
from nirdeploy.targets.placement import ChipUse, Placement
from nirdeploy.targets.tables import Target


class FpgaBackend(Backend):
    """Packs jobs, weights and neuron parameters of every core."""

    Hardware = Hardware

    def misfits(self, target: Target) -> list[str]:
        problems = []
        if target.hardware.lanes * target.formats.weight_bits % 32:
            problems.append("lanes x weight_bits must fill whole 32-bit words")
        if target.hardware.update > 32 // target.formats.weight_bits:
            problems.append("update must not exceed the lanes of one 32-bit word of weights")
        synaptic = sorted({"CubaLIF", "CubaLI"} & set(target.models))
        if synaptic and not target.hardware.synapse:
            problems.append(f"models {', '.join(synaptic)} need hardware.synapse = 1")
        if target.board is None:
            problems.append("board: field required")
        return problems

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        return super().quantize(lower(graph, target), target)

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        return placement.place(network, target)

    def context(
        self, target: Target, network: IntegerNetwork | None = None, placement: Placement | None = None
    ) -> Mapping[str, Any]:
        """The defaults, and the signature as the Verilog literal whose lowest byte goes out first."""
        return {
            **super().context(target, network, placement),
            "signature": target.signature.hex(),
            "signature_reversed": target.signature[::-1].hex(),
        }

    def estimate(
        self, network: IntegerNetwork, placement: Placement, target: Target, activity: float
    ) -> dict[str, float | str]:
        """The schedule for spikes drawn at ``activity``: inputs sent as fast as they are taken, and one alone."""
        plan = Floorplan(network, target, placement.slices)
        own = {core.core: [s for s in placement.slices if s.core == core.core] for core in placement.cores}
        programs = {core: Program(plan, target, slices).jobs for core, slices in own.items()}
        period = cycles.predict(plan, target.hardware, programs, activity).period
        alone = cycles.latency(plan, target.hardware, programs, activity)
        clock_mhz = target.serial_board.clock_hz / 1e6
        return {
            "cycles": period,
            "step_us": period / clock_mhz,
            "latency_cycles": alone,
            "latency_us": alone / clock_mhz,
            "synaptic_events": activity * sum(p.synapses() for p in network.projections),
        }

    def chip(self, target: Target) -> tuple[ChipUse, ...]:
        return logic.chip_use(target)

    def virtual_board(self, target: Target, baud: int) -> VirtualBoard:
        from nirdeploy.backends.fpga.simulated import board  # compiles hardware; a real port needs none of it

        return board.start(target, baud=baud)

    def pack(
        self,
        network: IntegerNetwork,
        placement: Placement,
        artifacts: Mapping[str, bytes],
        target: Target,
        provenance: Mapping[str, Any],
    ) -> Image:
        inputs, input_words = packing.inputs(network, placement, target)
        return Image(
            target=target.name,
            signature=target.signature.hex(),
            sections=tuple(packing.sections(network, placement, target)),
            inputs=inputs,
            input_words=input_words,
            readouts=packing.readouts(network, placement, target),
            outputs=dict(network.outputs),
            dt=network.dt,
            provenance=dict(provenance),
        )


BACKEND = FpgaBackend
