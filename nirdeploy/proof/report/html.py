"""One self-contained HTML page of all that is known: verdicts, rasters, membranes, causes, accuracy, a build, costs.

Nothing is fetched: the library that draws is in the page (:mod:`nirdeploy.proof.report.library`), if anything is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nirdeploy.proof.energy.modelled import Energy
from nirdeploy.proof.evaluate import Evaluation
from nirdeploy.proof.explain import Explanation
from nirdeploy.proof.report import built as builds
from nirdeploy.proof.report import differences, pages, scores, terms
from nirdeploy.proof.report.built import Built
from nirdeploy.proof.report.charts import Charts
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records import store
from nirdeploy.records.pictures.traces import Membrane
from nirdeploy.records.spikes import SpikeRecord


@dataclass(frozen=True)
class Report:
    """What to show; every part but the title may be missing.

    ``facts``: headline figures by name. ``tables``: title to rows (dicts with the same keys). ``evaluations``: records
    against labels, the device's last. ``membranes``: by the place of a verdict, of the neuron that differs first.
    ``built``: whose network, populations, cores and costs are shown. ``board``: what it ran on. ``record``: one that is
    compared with nothing. ``network``: a picture, where there is no build.
    """

    title: str
    verdicts: Sequence[Verdict] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    explanation: Explanation | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    evaluations: Sequence[Evaluation] = ()
    membranes: Mapping[int, Membrane] = field(default_factory=dict)
    built: Built | None = None
    energy: Energy | None = None
    board: Mapping[str, str] = field(default_factory=dict)
    record: SpikeRecord | None = None
    network: Any = ""


def write(path: Path, report: Report) -> None:
    """Write the page, whole or not at all. Raises :class:`~nirdeploy.errors.ToolMissing` where Plotly is missing."""
    store.write_atomic(path, render(report).encode())


def render(report: Report) -> str:
    charts = Charts()
    drawn = [
        differences.drawn(verdict, charts, [report.membranes[at]] if at in report.membranes else ())
        for at, verdict in enumerate(report.verdicts)
    ]
    return pages.rendered(
        "report.html.j2",
        charts,
        report=report,
        drawn=drawn,
        record=[] if report.record is None else differences.of_record(report.record, charts),
        left=charts.left if report.record is not None else (),
        scores=scores.drawn(report.evaluations, charts) if report.evaluations else (),
        build=None if report.built is None else _build(report),
        terms=terms.of,
        manifest=json.dumps(dict(report.manifest), indent=1, sort_keys=True) if report.manifest else "",
    )


def _build(report: Report) -> dict[str, Any]:
    """What the template shows of the build, as far as it came."""
    built = report.built
    assert built is not None
    placed = "place" in built.products
    activity = builds.ACTIVITY if report.energy is None else _activity(report.energy)
    return {
        "network": builds.network_picture(built) if "check" in built.products else "",
        "populations": builds.populations(built.network) if "quantize" in built.products else (),
        "cores": builds.cores(built.placement) if placed else None,
        "costs": builds.costs(built, activity) if placed else (),
        "activity": activity,
        "counted": report.energy is not None,
        "energy": () if report.energy is None else builds.energy_rows(report.energy),
        "energy_summary": "" if report.energy is None else builds.energy_summary(report.energy),
    }


def _activity(energy: Energy) -> float:
    """Spikes (or numbers) per neuron and input, and step, as they were counted."""
    sizes = sum(load.size for load in energy.counts.loads.values()) * energy.counts.steps
    return min(1.0, energy.counts.total.sent / sizes) if sizes else builds.ACTIVITY
