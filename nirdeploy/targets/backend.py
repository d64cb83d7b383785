"""What a backend does; every hook has a default that the target's TOML file drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np
from pydantic import BaseModel

from nirdeploy.errors import DoesNotFit, TargetFileError, UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import Dynamics, IntegerNetwork
from nirdeploy.integers.quantize import quantize, unsupported
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.image import Image, Section
from nirdeploy.targets.placement import ChipUse, Placement, validate
from nirdeploy.targets.tables import Formats, Target


class VirtualBoard(Protocol):
    """A simulated board that runs: ``port`` is what to open as a serial port."""

    port: str

    def stop(self) -> None:
        """End it; harmless if it has ended."""


class Backend:
    """Hooks of one family of targets.

    ``Formats`` and ``Hardware`` are the schemas of a target file's tables; ``dynamics`` is how a population steps
    (None: the neuron of :mod:`nirdeploy.sim.integer`), of networks that name the backend as theirs.
    """

    Formats: ClassVar[type[BaseModel]] = Formats
    Hardware: ClassVar[type[BaseModel]]
    dynamics: Dynamics | None = None

    def misfits(self, target: Target) -> list[str]:
        """What in a target file does not go together, beyond what the schemas say."""
        return []

    def fit(self, graph: CheckedGraph, target: Target) -> Fit:
        """The graph in the target's integers on its cores, or everything that keeps it from there."""
        if found := self.problems(graph, target):
            return Fit(tuple(Problem("", sentence) for sentence in found))
        try:
            network = self.quantize(graph, target)
        except DoesNotFit as error:
            return Fit((Problem("", error.message),))
        try:
            placement = self.place(network, target)
        except DoesNotFit as error:
            return Fit((Problem("", error.message),), network)
        self.validate(placement, network, target)
        return Fit((), network, placement)

    def problems(self, graph: CheckedGraph, target: Target) -> list[str]:
        """Everything of a graph that the target cannot do: one sentence each, with node, limit and remedy."""
        return unsupported(graph, target)

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        """The graph, free of problems, in the target's integers."""
        network = quantize(graph, target)
        return network if self.dynamics is None else replace(network, dynamics=target.backend)

    def cores(self, target: Target) -> int:
        """How many cores a network may take: ``cores`` in [hardware], else one."""
        return int(getattr(target.hardware, "cores", 1))

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        """Which neurons stand on which core. Raises :class:`nirdeploy.errors.DoesNotFit`, all violations at once."""
        raise TargetFileError(f"the backend {target.backend!r} places nothing", where=target.name)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        """Re-check what :meth:`place` guarantees. Raises :class:`nirdeploy.errors.InternalError`."""
        validate(placement, network)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> Any:
        """What the chip's own tools load, as JSON holds it. None: nothing."""
        return None

    def context(
        self, target: Target, network: IntegerNetwork | None = None, placement: Placement | None = None
    ) -> Mapping[str, Any]:
        """Variables of the templates; ``configuration``: of a placed network, else None."""
        placed = None if network is None or placement is None else self.configuration(network, placement, target)
        return {
            "target": target,
            "configuration": placed,
            "formats": target.formats,
            "hardware": target.hardware,
            "board": target.board,
            "network": network,
            "placement": placement,
        }

    def pack(
        self,
        network: IntegerNetwork,
        placement: Placement,
        artifacts: Mapping[str, bytes],
        target: Target,
        provenance: Mapping[str, Any],
    ) -> Image:
        """The image: here the rendered files, each a section, padded to words with line ends."""
        sections = tuple(
            Section(name, index, np.frombuffer(data + b"\n" * (-len(data) % 4), dtype="<u4"))
            for index, (name, data) in enumerate(sorted(artifacts.items()))
        )
        return Image(
            target=target.name,
            signature=target.signature.hex(),
            sections=sections,
            inputs=(),
            input_words=0,
            readouts=(),
            outputs=dict(network.outputs),
            dt=network.dt,
            provenance=dict(provenance),
        )

    def estimate(
        self, network: IntegerNetwork, placement: Placement, target: Target, activity: float
    ) -> dict[str, float | str]:
        """What a step costs, as far as there are figures to derive it from.

        Keys that several targets have: ``synaptic_events`` and ``cycles`` per step, ``step_us`` (the shortest step),
        ``energy_nj`` per step, ``latency_us`` (from a step's first input to its last output, when nothing else goes on)
        or ``latency_steps`` (from input to output, where connections take steps).

        Args:
            activity: spikes per neuron and input, and step.
        """
        return {}

    def chip(self, target: Target) -> tuple[ChipUse, ...]:
        """What the hardware takes, by estimate, of the chip that it is configured on. Nothing: there is none."""
        return ()

    def virtual_board(self, target: Target, baud: int) -> VirtualBoard:
        """Start the target's simulated board. Raises :class:`UsageProblem` where the target has none."""
        raise UsageProblem(
            "this target has no virtual board",
            where=f"target {target.name}",
            hint="run its integer model (--port sim), or name the port of the hardware",
        )
