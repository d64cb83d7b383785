"""nirdeploy check: a NIR file's normal form, and whether a target takes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import completing, inputs, options, ui

if TYPE_CHECKING:
    from nirdeploy.graph.check import CheckedGraph
    from nirdeploy.semantics.dialect import Dialect


@click.command("check")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-t", "--target", shell_complete=completing.targets, help="Also check that this target takes it.")
@options.dialect
@inputs.asked
@options.bits()
@options.as_json
def command(
    model: Path,
    target: str | None,
    dialect: str | None,
    dt: float | None,
    bits: str | None,
    as_json: bool,
    **said: str | None,
) -> None:
    """Validate MODEL.NIR; with a target, quantize and place it as well."""
    from nirdeploy import check as check_verb
    from nirdeploy import pipeline
    from nirdeploy.graph import precision
    from nirdeploy.proof.report import tables
    from nirdeploy.records.inputs import encodings_to

    widths = None if bits is None else precision.parse(bits)
    graph = precision.with_bits(check_verb(model, dialect=dialect, dt=dt, **inputs.held(**said)), widths)
    if target is not None:
        pipeline.build(graph, target, stop="place")
    populations, projections = _populations(graph), _projections(graph)
    own = {p.name: str(p.dialect) for p in graph.populations if p.dialect is not None}
    if as_json:
        ui.result(
            "check",
            {
                "populations": populations,
                "projections": projections,
                "outputs": dict(graph.outputs),
                "dialect": graph.dialect.as_dict(),
                "dialect_source": graph.dialect_source,
                "own_dialects": own,
                "repairs": list(graph.repairs),
                "warnings": list(graph.warnings),
                "checksum": graph.checksum,
                "target": target,
                "digest": graph.digest(),
                **encodings_to(graph.encodings),
            },
        )
        return
    ui.show(tables.rows_table("populations", populations))
    ui.show(tables.rows_table("projections", projections))
    ui.say(f"dialect: {graph.dialect} ({graph.dialect_source}): {_in_words(graph.dialect)}")
    for name, text in own.items():
        ui.say(f"dialect of {name}: {text}")
    inputs.tell(graph)
    for repair in graph.repairs:
        ui.say(f"repaired: {repair}")
    ui.warn(graph.warnings)
    checked = "the file is as nirdeploy wrote it" if graph.checksum else "none in this file: nirdeploy did not write it"
    ui.say(f"checksum: {checked}")
    ui.say(f"fits target {target}" if target else "valid")


def _in_words(dialect: Dialect) -> str:
    """The main fields, and every other that is not as in NIR's own dialect."""
    from nirdeploy.semantics.dialect import PRESETS

    values, plain = dialect.as_dict(), PRESETS["nir"].as_dict()
    said = [f"dt = {dialect.dt:g} s", dialect.discretization, f"threshold {dialect.threshold}"]
    said.append(f"reset {dialect.reset}")
    rest = [key for key in values if key not in ("preset", "dt", "discretization", "threshold", "reset")]
    said += [f"{key} {str(values[key]).lower()}" for key in rest if values[key] != plain.get(key)]
    return ", ".join(said)


def _populations(graph: CheckedGraph) -> list[dict[str, object]]:
    return [
        {"name": p.name, "model": p.model, "shape": "x".join(map(str, p.shape)), "neurons": p.size}
        for p in graph.populations
    ]


def _projections(graph: CheckedGraph) -> list[dict[str, object]]:
    return [
        {
            "source": p.source,
            "target": p.target,
            "operator": ("pool, " if p.pool else "") + type(p.operator).__name__.lower(),
            "weights": p.weight.size,
            "delay": p.delay,
            "nodes": ", ".join(p.nodes),
        }
        for p in graph.projections
    ]
