"""modelled: the energy of a run, as a range over published models. Nothing of it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from nirdeploy.device.encoding import encode_samples
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.energy.events import Counts, count
from nirdeploy.proof.energy.models import Estimate, of_boards, of_chips, of_tables
from nirdeploy.records.brief import brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets import registry
from nirdeploy.targets.image import Image, stimulus_of
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target

LABEL = "modelled, not measured"


class Built(Protocol):
    """What holds a network and, as far as it was built, where it stands on its target: a Build."""

    @property
    def target(self) -> Target: ...
    @property
    def products(self) -> Mapping[str, Any]: ...
    @property
    def network(self) -> IntegerNetwork: ...
    @property
    def placement(self) -> Placement: ...
    @property
    def plan(self) -> Any: ...
    @property
    def image(self) -> Image: ...


@dataclass(frozen=True)
class OnBoard:
    """What a board does for a sample, where it is known.

    ``seconds``: by the cycles in which it was busy, or else by its backend's estimate at the activity that was counted;
    ``bus_words``: of all bitmaps, which are read whether they hold a spike or not; ``link_bytes``: of the stimulus.
    """

    seconds: float
    bus_words: float | None = None
    link_bytes: float | None = None


@dataclass(frozen=True, repr=False)
class Energy:
    """Of a sample, in joules: what each model says of ``counts``, never one figure."""

    counts: Counts
    estimates: tuple[Estimate, ...]
    on_board: OnBoard | None = None

    def __repr__(self) -> str:
        return brief(self, f"{1e6 * self.low:.3g} to {1e6 * self.high:.3g} uJ for a sample, {LABEL}")

    @property
    def low(self) -> float:
        return min(one.low for one in self.estimates)

    @property
    def high(self) -> float:
        return max(one.high for one in self.estimates)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the range say little."""
        if not self.counts.total.operations:
            return ("no spike and no number was taken by any synapse: the energy is that of updates alone",)
        if not self.counts.total.spikes:
            return ("nothing spiked: the energy is that of inputs and updates alone",)
        return ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": LABEL,
            "low_joules": self.low,
            "high_joules": self.high,
            "models": [one.as_dict() for one in self.estimates],
            "on_board": None if self.on_board is None else asdict(self.on_board),
            "events": self.counts.as_dict(),
            "warnings": list(self.warnings),
        }


def energy(what: Built | IntegerNetwork | CheckedGraph, record: SpikeRecord, x: Any) -> Energy:
    """The energy of a sample of a record, modelled: a range over four published models and more (docs/energy.md).

    Args:
        what: a Build; or an IntegerNetwork or a CheckedGraph, or a build that is not placed, of which only tables per
            operation speak.
        record: of all its populations.
        x: the stimulus that was run, (T, B, *input shape).

    Raises:
        UsageProblem: the record does not hold what is counted.
    """
    network = what if isinstance(what, IntegerNetwork | CheckedGraph) else what.network
    image = None
    if not isinstance(what, IntegerNetwork | CheckedGraph) and what.target.board is not None:
        image = what.products.get("image")
    return priced(what, Ran.of(network, record, x, image))


@dataclass(frozen=True)
class Ran:
    """What is priced of a run. ``busy_cycles``: of all samples; ``sent_bytes``: of their stimuli, where they are sent
    whole."""

    counts: Counts
    busy_cycles: int = 0
    sent_bytes: int | None = None

    @classmethod
    def of(cls, network: IntegerNetwork | CheckedGraph, record: SpikeRecord, x: Any, image: Image | None = None) -> Ran:
        """``image``: of a board, which the stimulus is sent to. Raises as :func:`energy`."""
        sent = None
        if image is not None and not image.passes:
            sent = sum(map(len, encode_samples(image, stimulus_of(image, x))))
        return cls(count(network, record, x), round(record.stats.get("busy_cycles", 0)), sent)

    @classmethod
    def joined(cls, parts: Sequence[Ran]) -> Ran:
        """Of all samples of several runs."""
        sent = [part.sent_bytes for part in parts if part.sent_bytes is not None]
        return cls(
            Counts.joined([part.counts for part in parts]),
            sum(part.busy_cycles for part in parts),
            sum(sent) if len(sent) == len(parts) else None,
        )


def priced(what: Built | IntegerNetwork | CheckedGraph, ran: Ran) -> Energy:
    """As :func:`energy`, of what has been counted."""
    counts = ran.counts
    loads = list(counts.loads.values())
    prices = [(model, model.joules(loads)) for model in of_tables()]
    estimates = [Estimate(model.name, model.year, model.source, joules, joules) for model, joules in prices]
    if isinstance(what, IntegerNetwork | CheckedGraph) or "place" not in what.products:
        return Energy(counts, tuple(estimates))
    board = _on_board(what, ran)
    estimates.append(of_chips(counts.total.operations) if board is None else of_boards(board.seconds))
    own = registry.backend_of(what.target).published_energy(what.target)
    if own is not None:
        joules = 1e-12 * (own.operation_pj * counts.total.operations + own.update_pj * counts.total.updates)
        estimates.append(Estimate(own.name, own.year, own.source, joules, joules))
    return Energy(counts, tuple(estimates), board)


def _on_board(built: Built, ran: Ran) -> OnBoard | None:
    """None where the target has no board whose clock is known."""
    board, counts = built.target.board, ran.counts
    if board is None:
        return None
    steps, sizes = counts.steps, sum(load.size for load in counts.loads.values())
    activity = min(1.0, counts.total.sent / (sizes * steps))
    backend = registry.backend_of(built.target)
    figures = backend.estimate(built.network, built.placement, built.plan, built.target, activity)
    busy = ran.busy_cycles / counts.samples / board.clock_hz
    if not busy and "step_us" not in figures:
        return None
    words = float(figures["bus_words"]) * steps if "bus_words" in figures else None
    sent = None if ran.sent_bytes is None else ran.sent_bytes / counts.samples
    return OnBoard(busy or float(figures["step_us"]) * 1e-6 * steps, words, sent)
