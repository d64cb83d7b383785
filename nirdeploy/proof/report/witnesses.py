"""witnesses: the page of a build whose float model, integers and device were run on one stimulus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.errors import NirdeployError
from nirdeploy.proof.energy.modelled import Energy, energy
from nirdeploy.proof.evaluate import Evaluation, evaluate
from nirdeploy.proof.report import membranes
from nirdeploy.proof.report.built import board
from nirdeploy.proof.report.html import Report
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records.spikes import SpikeRecord

_BUSY = "busy_cycles"


def told(report: Report, x: Any, labels: np.ndarray | None, port: str | None = None) -> Report:
    """The report with what the records of its verdicts say besides: accuracy, membranes, energy, hardware.

    Args:
        report: with its build and verdicts; those that hold no records add nothing.
        x: what was run, (T, B, *input shape). port: where the device was.
    """
    built, verdicts = report.built, report.verdicts
    assert built is not None
    records = _distinct(verdicts)
    last = next((record for record in records[::-1] if record.source != "float"), None)
    found = {
        at: one
        for at, verdict in enumerate(verdicts)
        if verdict.records and (one := membranes.of_first(built.graph, built.network, x, verdict))
    }
    busy = (
        {}
        if last is None or _BUSY not in last.stats
        else {"cycles in which cores worked": f"{int(last.stats[_BUSY]):,}"}
    )
    return replace(
        report,
        evaluations=() if labels is None else _evaluations(records, labels),
        membranes=found,
        energy=None if last is None else _energy(built, last, x),
        board=board(built, {} if last is None else last.manifest, port) | busy,
    )


def _distinct(verdicts: Sequence[Verdict]) -> list[SpikeRecord]:
    """Float first, then the integers, then what was measured: one of each source."""
    found: dict[str, SpikeRecord] = {}
    for verdict in reversed(verdicts):
        for record in verdict.records or ():
            found.setdefault(record.source, record)
    return sorted(
        found.values(),
        key=lambda record: ("float", "integer").index(record.source) if record.source in ("float", "integer") else 2,
    )


def _evaluations(records: Sequence[SpikeRecord], labels: np.ndarray) -> list[Evaluation]:
    """Of those that hold what a class is read from."""
    found = []
    for record in records:
        output = next(iter(record.outputs.values()), "")
        if record.steps and (output in record.spikes or output in record.membrane):
            found.append(evaluate(record, labels))
    return found


def _energy(built: Any, record: SpikeRecord, x: Any) -> Energy | None:
    """None where the record does not hold what is counted."""
    try:
        return energy(built, record, x)
    except NirdeployError:
        return None


def facts_of(record: SpikeRecord) -> Mapping[str, Any]:
    """Headline figures of one record."""
    spikes = {name: int(values.sum(dtype=np.int64)) for name, values in record.spikes.items()}
    return {
        "source": record.source,
        "steps": record.steps,
        "samples": record.samples,
        "seconds per step": record.dt,
        **{f"spikes of {name}": count for name, count in spikes.items()},
        **{name.replace("_", " "): value for name, value in record.stats.items()},
    }
