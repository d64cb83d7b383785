"""One self-contained HTML page: verdicts, rasters, causes, resources, manifest. No network, no script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nirdeploy.proof.explain import Explanation
from nirdeploy.proof.report import pages, raster
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records import store
from nirdeploy.records.spikes import SpikeRecord

_SAMPLES = 2  # rasters per population


@dataclass(frozen=True)
class Report:
    """What to show; every part but the title may be missing.

    ``facts``: headline figures by name. ``tables``: title to rows (dicts with the same keys).
    ``records``: (expected, measured), for rasters.
    """

    title: str
    verdicts: Sequence[Verdict] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    records: tuple[SpikeRecord, SpikeRecord] | None = None
    explanation: Explanation | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)


def write(path: Path, report: Report) -> None:
    """Write the page, whole or not at all."""
    store.write_atomic(path, render(report).encode())


def render(report: Report) -> str:
    return pages.rendered(
        "report.html.j2",
        report=report,
        rasters=_rasters(report),
        manifest=json.dumps(dict(report.manifest), indent=1, sort_keys=True) if report.manifest else "",
    )


def _rasters(report: Report) -> list[Markup]:
    if report.records is None:
        return []
    expected, measured = report.records
    if not expected.steps or not expected.samples:
        return []
    figures = []
    for name in expected.spikes:
        if name not in measured.spikes:
            continue
        a = expected.spikes[name].reshape(expected.steps, expected.samples, -1)
        b = measured.spikes[name].reshape(measured.steps, measured.samples, -1)
        for sample in _interesting(a, b):
            figures.append(raster.raster(a[:, sample], b[:, sample], f"{name}, sample {sample}"))
    for name in expected.membrane:
        if name in measured.membrane:
            va, vb = (r.volts(name).reshape(r.steps, r.samples, -1) for r in (expected, measured))
            figures.append(raster.trace(va[:, 0, 0], vb[:, 0, 0], None, f"{name}, membrane of neuron 0, sample 0"))
    return figures


def _interesting(a: Any, b: Any) -> list[int]:
    """The samples that differ first, then the first ones."""
    differs = (a != b).any(axis=(0, 2))
    order = sorted(range(a.shape[1]), key=lambda sample: (not differs[sample], sample))
    return order[:_SAMPLES]
