"""parts: what verify and evaluate come to on some samples of a build's, and on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof import evaluate as scoring
from nirdeploy.proof.coverage.judge import Ledger, run
from nirdeploy.proof.energy.modelled import Ran
from nirdeploy.proof.evaluate import Evaluation
from nirdeploy.proof.explain import Explanation, explain
from nirdeploy.proof.scale import joined
from nirdeploy.proof.verdict import Verdict
from nirdeploy.proof.verify import unmeasured, verify
from nirdeploy.records.brief import Brief
from nirdeploy.records.spikes import SpikeRecord, select
from nirdeploy.records.tally import Tally
from nirdeploy.sim.simulate import simulate
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target

NOTHING_MEASURED = (
    "nothing was measured: port 'sim' is the integer simulator, which would be compared with itself; name a device "
    "(-p PORT, or -p virtual where the target has a board of ours), or compare records of the chip's own run "
    "(nirdeploy verify EXPECTED.nird MEASURED.nird)"
)

#: Runs some samples (T, B, ...) on the device.
Measured = Callable[[Any], SpikeRecord]


class Built(Protocol):
    """What holds a network in all its forms: a Build that came to its end."""

    @property
    def graph(self) -> CheckedGraph: ...
    @property
    def network(self) -> IntegerNetwork: ...
    @property
    def image(self) -> Image: ...
    @property
    def target(self) -> Target: ...


@dataclass(frozen=True, repr=False)
class Verified(Brief):
    """``verdict``: of integer simulator and device; ``rounding``: of float model and integer simulator.

    ``read``: what each witness says of the samples' classes, by its source, where there are labels. ``exercised``: what
    a ledger of coverage found in the first samples, where it looked.
    """

    verdict: Verdict
    rounding: Verdict
    explanation: Explanation
    read: Mapping[str, Evaluation]
    saturations: int | None
    exercised: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def accuracies(self) -> dict[str, float]:
        return {source: one.accuracy for source, one in self.read.items()}

    @property
    def doubts(self) -> list[str]:
        """Of which witnesses samples decide nothing."""
        return [f"{source}: {one.doubt}" for source, one in self.read.items() if one.doubt]

    @classmethod
    def joined(cls, parts: Sequence[Verified]) -> Verified:
        """Of samples one after the other."""
        return cls(
            verdict=joined.verdict([part.verdict for part in parts]),
            rounding=joined.verdict([part.rounding for part in parts]),
            explanation=joined.explanation([part.explanation for part in parts]),
            read={source: joined.evaluation([part.read[source] for part in parts]) for source in parts[0].read},
            saturations=sum(part.saturations or 0 for part in parts),
        )


def verified(
    built: Built,
    x: Any,
    labels: np.ndarray | None,
    measured: Measured | None,
    probe: str | Sequence[str] = "all",
    *,
    allow_silent: bool = False,
    looked: int = 0,
    bits: int | None = None,
) -> Verified:
    """Every witness of a build on some samples.

    Args:
        measured: None: the device is the integer simulator itself.
        looked: of so many of the samples, what they exercised; ``bits``: as :func:`nirdeploy.coverage`.
    """
    reference, quantized = simulate(built.graph, x, probe), simulate(built.network, x, probe)
    explanation = explain(built.graph, built.network, x, labels)
    if measured is None:
        judged, pair = unmeasured(quantized, NOTHING_MEASURED), (reference, quantized)
    else:
        pair = (quantized, measured(x))
        judged = verify(*pair, allow_silent=allow_silent)
    read = {}
    if labels is not None:
        shown = {record.source: record for record in (reference, quantized, *pair)}
        read = {source: scoring.evaluate(record, labels) for source, record in shown.items()}
    exercised: dict[str, np.ndarray] = {}
    if looked:
        ledger = Ledger(built.network, compared(built.network, probe), bits=bits)
        signals = run(built.network, x, quantized)
        ledger.exercise({name: values[:, :looked] for name, values in signals.items()})
        exercised = ledger.state()
    saturations = int(pair[1].stats["saturations"])
    return Verified(judged, verify(reference, quantized), explanation, read, saturations, exercised)


def compared(network: IntegerNetwork, probe: str | Sequence[str]) -> tuple[str, ...]:
    return select(probe, [p.name for p in network.populations], network.outputs)


@dataclass(frozen=True, repr=False)
class Evaluated(Brief):
    """``evaluations``: of each witness; ``ran``: what is priced of its run, if anything is."""

    evaluations: tuple[Evaluation, ...]
    ran: tuple[Ran | None, ...]

    @classmethod
    def joined(cls, parts: Sequence[Evaluated]) -> Evaluated:
        """Of samples one after the other."""
        runs = [[one for one in column if one] for column in zip(*(part.ran for part in parts), strict=True)]
        return cls(
            tuple(joined.evaluation(own) for own in zip(*(part.evaluations for part in parts), strict=True)),
            tuple(Ran.joined(own) if own else None for own in runs),
        )


def evaluated(
    built: Built,
    x: Any,
    labels: np.ndarray,
    measured: Callable[[Any], SpikeRecord | Tally],
    reader: str | None = None,
    output: str | None = None,
) -> Evaluated:
    """Every witness of a build read on some samples."""
    records: list[Any] = [simulate(built.graph, x), simulate(built.network, x), measured(x)]
    image = built.image if built.target.board is not None else None
    found: list[Evaluation] = []
    ran: list[Ran | None] = []
    for record in records:
        rounded: dict[str, Any] = {} if record.source == "float" else {"network": built.network, "x": x}
        found.append(scoring.evaluate(record, labels, reader, output, **rounded))
        priced = isinstance(record, SpikeRecord) and record.source != "float"
        ran.append(Ran.of(built.network, record, x, image) if priced else None)
    return Evaluated(tuple(found), tuple(ran))
