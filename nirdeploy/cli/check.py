"""``nirdeploy check``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.nir")
@click.option("-t", "--target", type=options.TargetName(), help="Also say whether the network fits this target.")
@options.dialect
@options.dt
@options.reporting
def command(model: Path, target: str | None, dialect: str | None, dt: float | None, ui: Terminal) -> None:
    """Check a .nir file, and whether it fits a target.

    Prints the populations, the projections between them, and which dialect applies and why.
    """
    from nirdeploy import place, quantize, target as targets
    from nirdeploy.check import check
    from nirdeploy.report.tables import rows_table

    graph = check(model, dialect=dialect, dt=dt)
    populations = [
        {"name": p.name, "model": p.model, "shape": list(p.shape), "neurons": p.size} for p in graph.populations
    ]
    projections = [
        {"source": p.source, "target": p.target, "synapses": int(p.weight.size), "nodes": list(p.nodes)}
        for p in graph.projections
    ]
    text = [
        rows_table("populations", populations),
        rows_table("projections", [{**p, "nodes": " -> ".join(p["nodes"])} for p in projections]),
        f"dialect {graph.dialect}, dt = {graph.dialect.dt:g} s (from {_ORIGIN[graph.dialect_source]})",
    ]
    data = {
        "model": str(model),
        "digest": graph.digest(),
        "populations": populations,
        "projections": projections,
        "outputs": dict(graph.outputs),
        "dialect": {**graph.dialect.as_dict(), "from": graph.dialect_source},
    }
    if target is not None:
        chosen = targets.load(target)
        place.place(quantize.quantize(graph, chosen), chosen)
        data["fits"] = chosen.name
        text.append(f"fits target {chosen.name}")
    ui.result("check", data, *text)


_ORIGIN = {"argument": "the command line", "metadata": "the file's metadata", "default": "the default"}
