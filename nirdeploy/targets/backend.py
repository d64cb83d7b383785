"""What a backend does; every hook has a default that the target's TOML file drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol

import numpy as np
from pydantic import BaseModel

from nirdeploy.errors import TargetFileError, UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.dynamics import Dynamics
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.fit import Fit, refusal
from nirdeploy.targets.image import Image
from nirdeploy.targets.placement import ChipUse, Placement, validate
from nirdeploy.targets.slots import Section
from nirdeploy.targets.tables import Formats, FormatsT, HardwareT, Target


@dataclass(frozen=True)
class PublishedEnergy:
    """pJ that a chip takes for a synaptic operation and for an update of a neuron, by its maker's word."""

    name: str
    year: int
    source: str
    operation_pj: float
    update_pj: float


class VirtualBoard(Protocol):
    """A simulated board that runs: ``port`` is what to open as a serial port."""

    port: str

    def stop(self) -> None:
        """End it; harmless if it has ended."""


class Backend(Generic[FormatsT, HardwareT]):
    """Hooks of one family of targets, ``Target[Formats, Hardware]``.

    ``Formats`` and ``Hardware`` are the schemas of a target file's tables; ``dynamics`` is how a population steps
    (None: the neuron of :mod:`nirdeploy.sim.integer`), of networks that name the backend as theirs; ``encodings``:
    whether inputs may hold numbers of a scale and a zero point, each of bits of its own.
    """

    Formats: ClassVar[type[BaseModel]] = Formats
    Hardware: ClassVar[type[BaseModel]]
    dynamics: Dynamics | None = None
    encodings: ClassVar[bool] = False

    def misfits(self, target: Target[FormatsT, HardwareT]) -> list[str]:
        """What in a target file does not go together, beyond what the schemas say."""
        return []

    def maxima(self, target: Target[FormatsT, HardwareT]) -> bool:
        """Whether a projection may end in a maximum over windows."""
        return False

    def widths(self, target: Target[FormatsT, HardwareT]) -> tuple[int, ...]:
        """Bits that the weights into a population may have, fewest first."""
        return (int(getattr(target.formats, "weight_bits")),)  # noqa: B009 - a schema of the target's own

    def fit(self, graph: CheckedGraph, target: Target[FormatsT, HardwareT]) -> Fit:
        """The graph in the target's integers on its cores, or everything that keeps it from there, in one pass."""
        raise TargetFileError(f"the backend {target.backend!r} fits nothing", where=target.name)

    def rounded(self, graph: CheckedGraph, target: Target[FormatsT, HardwareT]) -> IntegerNetwork:
        """The graph in the target's integers, whether it finds room on the cores or not: what :meth:`fit` rounds.

        Raises:
            DoesNotFit: all that the target cannot do of it.
        """
        found = self.fit(graph, target)
        if found.network is None:
            raise refusal(found.problems, target.name)
        return found.network

    def plan(self, network: IntegerNetwork, placement: Placement, target: Target[FormatsT, HardwareT]) -> Any:
        """What :meth:`fit` derived from the placement, derived again, where a build is loaded. None: nothing."""
        return None

    def cores(self, target: Target[FormatsT, HardwareT]) -> int:
        """How many cores a network may take: ``cores`` in [hardware], else one."""
        return int(getattr(target.hardware, "cores", 1))

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target[FormatsT, HardwareT]) -> None:
        """Re-check what :meth:`fit` guarantees of a placement. Raises :class:`nirdeploy.errors.InternalError`."""
        validate(placement, network)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target[FormatsT, HardwareT]) -> Any:
        """What the chip's own tools load, as JSON holds it. None: nothing."""
        return None

    def context(
        self,
        target: Target[FormatsT, HardwareT],
        network: IntegerNetwork | None = None,
        placement: Placement | None = None,
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
        plan: Any,
        artifacts: Mapping[str, bytes],
        target: Target[FormatsT, HardwareT],
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
        self,
        network: IntegerNetwork,
        placement: Placement,
        plan: Any,
        target: Target[FormatsT, HardwareT],
        activity: float,
    ) -> dict[str, float | str]:
        """What a step costs, as far as there are figures to derive it from.

        Keys that several targets have: ``synaptic_events`` and ``cycles`` per step, ``step_us`` (the shortest step),
        ``link_us`` (what a step's input and outputs take on the serial line, both ways at once),
        ``image_bytes`` and ``image_s`` (of what is loaded before a batch, in bytes and seconds on the line), ``passes``
        (in how many the network is played, where it is more than one; figures of a step are of all together),
        ``external_bytes``, ``external_s``, ``external_steps``, ``external_step_bytes``, ``external_step_us``,
        ``play_us`` and ``play_load_us`` (where the board plays passes itself, docs/external-memory.md: what goes over
        the line once, the steps of samples that the memory holds, what each of them takes on the line and on the board,
        and what loading all passes takes there), ``bus_words`` and ``energy_nj`` per step, ``latency_us`` (from a
        step's first input to its last output, when nothing else goes on), ``stream_latency_us`` and ``stream_step_us``
        (the same with the frames of a step that is streamed by itself, and how soon the next may follow) or
        ``latency_steps`` (from input to output, where connections take steps).

        Args:
            activity: spikes per neuron and input, and step.
        """
        return {}

    def published_energy(self, target: Target[FormatsT, HardwareT]) -> PublishedEnergy | None:
        """What the chip's maker published of its energy, for :func:`nirdeploy.energy`. None: nothing."""
        return None

    def chip(self, target: Target[FormatsT, HardwareT]) -> tuple[ChipUse, ...]:
        """What the hardware takes, by estimate, of the chip that it is configured on. Nothing: there is none."""
        return ()

    def virtual_board(self, target: Target[FormatsT, HardwareT], baud: int) -> VirtualBoard:
        """Start the target's simulated board. Raises :class:`UsageProblem` where the target has none."""
        raise UsageProblem(
            "this target has no virtual board",
            where=f"target {target.name}",
            hint="run its integer model (--port sim), or name the port of the hardware",
        )
