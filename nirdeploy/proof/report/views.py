"""views: pages of one thing that is compared with nothing: a graph, a build, a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.picture import picture
from nirdeploy.proof.report.built import Built, board
from nirdeploy.proof.report.html import Report
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally


class Manifested(Built, Protocol):
    """A build, and what it was built from."""

    @property
    def warnings(self) -> tuple[str, ...]: ...
    def manifest(self) -> dict[str, Any]: ...


def of_graph(graph: CheckedGraph, title: str) -> Report:
    """Its network as a picture, its populations, and what was repaired or can hardly be meant."""
    return Report(
        title,
        facts=_of_graph(graph),
        tables={
            "Warnings": _lines("warning", graph.warnings),
            "Repairs": _lines("repair", graph.repairs),
            "Populations": _populations(graph),
        },
        network=picture(graph),
        manifest={"graph": graph.digest(), "dialect": graph.dialect.as_dict()},
    )


def of_build(built: Manifested, title: str) -> Report:
    """As far as it came: its network, what rounding lost, the memories of the cores, what a step costs."""
    known = "check" in built.products
    return Report(
        title,
        facts=_of_graph(built.graph) if known else {},
        tables={"Warnings": _lines("warning", built.warnings if known else ())},
        built=built,
        board=board(built, {}, None),
        manifest=built.manifest(),
    )


def of_record(record: SpikeRecord | Tally, title: str) -> Report:
    """Its rasters and membranes; of a tally, which has no steps, how often was spiked."""
    size = {"source": record.source, "steps": record.steps, "samples": record.samples, "seconds per step": record.dt}
    facts = {**size, **{name.replace("_", " "): value for name, value in record.stats.items()}}
    counts = record.values.get("count", {}) if isinstance(record, Tally) else _counted(record)
    rows = [_rates(name, values, record.steps) for name, values in counts.items()]
    shown = None if isinstance(record, Tally) else record
    return Report(title, facts=facts, tables={"Spikes counted": rows}, record=shown, manifest=record.manifest)


def _of_graph(graph: CheckedGraph) -> dict[str, Any]:
    return {
        "neurons": sum(p.size for p in graph.populations if p.model != "Input"),
        "weights": sum(p.weight.size for p in graph.projections),
        "dialect": str(graph.dialect),
        "seconds per step": graph.dialect.dt,
        "outputs": ", ".join(f"{name} reads {read}" for name, read in graph.outputs.items()),
    }


def _populations(graph: CheckedGraph) -> list[dict[str, Any]]:
    """Every population, with its parameters as ranges."""
    return [
        {
            "population": p.name,
            "model": p.model,
            "shape": str(p.shape),
            "neurons": p.size,
            "weights": sum(one.weight.size for one in graph.into(p.name)),
            "parameters": ", ".join(f"{name} {_range(values)}" for name, values in p.params.items()),
        }
        for p in graph.populations
    ]


def _range(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _counted(record: SpikeRecord) -> dict[str, np.ndarray]:
    """Spikes of each neuron in each sample."""
    return {name: values.sum(axis=0, dtype=np.int64) for name, values in record.spikes.items()}


def _rates(name: str, counts: np.ndarray, steps: int) -> dict[str, Any]:
    """Of counts (samples, *shape)."""
    flat = counts.reshape(len(counts), -1)
    spikes = int(flat.sum(dtype=np.int64))
    return {
        "population": name,
        "neurons": flat.shape[1],
        "spikes": spikes,
        "per neuron and step": spikes / (flat.size * steps) if flat.size and steps else 0.0,
        "never spiked": int((~flat.any(axis=0)).sum()),
    }


def _lines(what: str, told: Iterable[str]) -> list[dict[str, str]]:
    return [{what: one} for one in told]
