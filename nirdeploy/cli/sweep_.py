"""nirdeploy sweep: what bits cost, measured on data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from nirdeploy.cli import events, inputs, options, ui


@click.command("sweep")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-x", "--data", required=True, type=click.Path(path_type=Path), help="What is measured on: (T, B, ...), 'labels'."
)
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(path_type=Path),
    help="Classes of the samples, .npy or 'labels' of an .npz.",
)
@options.target
@click.option(
    "--calibrate",
    "samples",
    type=click.Path(path_type=Path),
    metavar="SAMPLES",
    help="Choose the integers of each trial by these samples, as build does; other samples than the data.",
)
@events.asked
@options.workers("measure", "by default one per processor")
@options.out(required=True, text="Folder of the results; one that was cut off goes on from there.", folder=True)
@options.dialect
@inputs.asked
@options.as_json
def command(
    model: Path,
    data: Path,
    labels_file: Path | None,
    target: str | None,
    samples: Path | None,
    scheduler: str | None,
    workers: int | None,
    out: Path,
    dialect: str | None,
    dt: float | None,
    as_json: bool,
    **said: str | None,
) -> None:
    """Accuracy against bits and memory of MODEL.NIR, measured on data.

    Every width that the target has is tried for all populations and for each alone; then, for several memories, the
    bits of each population that lose least within them. Without labels the loss against the float network is told in
    the place of accuracy. The folder holds every trial (trials.jsonl), all figures (sweep.json) and a page
    (sweep.html).
    """
    from nirdeploy import check, sweep
    from nirdeploy.proof.report.sweep import argument, tables

    graph = check(model, dialect=dialect, dt=dt, **inputs.held(**said))
    entered = partial(inputs.of_graph, graph)
    x, labels = options.stimulus(data, entered)
    if labels_file is not None:
        labels = options.labels_of(labels_file)
    calibrate, calibrate_labels = (None, None) if samples is None else options.stimulus(samples, entered)
    with ui.doing("trials") as bar:
        found = sweep(
            graph, x, labels, target, out=out, scheduler=scheduler, workers=workers, on_trial=bar,
            calibrate=calibrate, calibrate_labels=calibrate_labels,
        )  # fmt: skip
    told, warnings = found.as_dict(), [*graph.warnings, *found.warnings]
    if as_json:
        ui.result("sweep", {"out": str(out), **told, "warnings": warnings})
        return
    ui.warn(warnings)
    inputs.tell(graph)
    for table in tables(told):
        ui.show(table)
    for one in (*told["uniform"], *told["alone"]):
        if one["reason"]:
            ui.say(f"--bits {argument(one['bits'])}: no figure, {one['reason']}")
    ui.say(f"{told['samples']:,} samples; the page: {out / found.PAGE}")
