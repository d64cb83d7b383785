"""nirdeploy build: a NIR file to an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import completing, costs, events, inputs, options, ui

if TYPE_CHECKING:
    from nirdeploy.pipeline import Build

_ACTIVITY = 0.1  # spikes per neuron and input, and step, at which costs are said


@click.command("build")
@click.argument("model", type=click.Path(path_type=Path), required=False)
@options.target
@options.out(default="build", text="Folder of the products.", folder=True)
@options.dialect
@inputs.asked
@options.bits("auto:60% (or 40KB), what loses least in so much memory")
@click.option(
    "--calibrate",
    "samples",
    type=click.Path(path_type=Path),
    metavar="SAMPLES",
    help="Choose the integers by what these samples do: .npz with 'x' (T, B, ...) and, if there are any, 'labels'.",
)
@events.asked
@click.option(
    "--from",
    "start",
    default="check",
    shell_complete=completing.stages,
    help="Resume from this stage, with what is in the folder.",
)
@click.option(
    "--to",
    "stop",
    default="image",
    shell_complete=completing.stages,
    help="Stop after this stage: check, quantize, place, emit, image.",
)
@options.as_json
def command(
    model: Path | None,
    target: str | None,
    out: Path,
    dialect: str | None,
    dt: float | None,
    bits: str | None,
    samples: Path | None,
    start: str,
    stop: str,
    as_json: bool,
    **said: str | None,
) -> None:
    """Check, quantize, place and pack MODEL.NIR for a target."""
    from nirdeploy import check, pipeline

    held = inputs.held(**said)

    def entered() -> Any:
        """The network's inputs, for samples that are recordings."""
        return inputs.of_build(out) if model is None else inputs.of_graph(check(model, dialect=dialect, dt=dt, **held))

    x: Any
    x, labels = (None, None) if samples is None else options.stimulus(samples, entered)
    way: dict[str, Any] = {"dialect": dialect, "dt": dt, "bits": bits, "calibrate": x, "labels": labels, **held}
    with ui.doing("building" if samples is None else "calibrating and building"):
        built = pipeline.build(model, target, out, start=start, stop=stop, **way)
    done = pipeline.STAGES[: pipeline.STAGES.index(stop) + 1]
    if as_json:
        ui.result("build", {"out": str(out), "stages": list(done), **_data(built, done)})
    else:
        _show(built, done, out)


def _data(built: Build, done: tuple[str, ...]) -> dict[str, Any]:
    from dataclasses import asdict

    data: dict[str, Any] = {**built.manifest(), "warnings": list(built.warnings)}
    if "quantize" in done:
        data["quantization"] = [dict(row) for row in built.network.report]
        data["weight_bytes"] = built.network.weight_memory
        data["calibration"] = built.calibration and built.calibration.as_dict()
    if "place" in done:
        data["cores"] = [asdict(core) for core in built.placement.cores]
        data["passes"] = len(built.placement.passes) or 1
        data["costs"] = built.costs(_ACTIVITY)
    if "image" in done:
        data["image_bytes"] = built.image.total_bytes
    return data


def _show(built: Build, done: tuple[str, ...], out: Path) -> None:
    from nirdeploy.proof.report import tables, terms

    ui.warn(built.warnings)
    inputs.tell(built.graph)
    if "quantize" in done:
        ui.show(tables.rows_table("quantization", built.network.report))
        ui.say(f"weights: {built.network.weight_memory:,} bytes")
        if built.calibration:
            ui.show(tables.rows_table("calibration", [row.as_dict() for row in built.calibration.rows]))
            ui.say(str(built.calibration))
    if "place" in done:
        passes = len(built.placement.passes)
        title = f"cores, each as in its fullest of {passes} passes" if passes else "cores"
        ui.show(tables.rows_table(title, [core.row() for core in built.placement.cores if any(core.used.values())]))
        for line in costs.lines(built.costs(_ACTIVITY), _ACTIVITY):
            ui.say(line)
        if "cycles_per_step" in built.placement.layout:
            cycles, activity = (built.placement.layout[name] for name in ("cycles_per_step", "activity"))
            ui.say(f"predicted: {cycles:,} cycles per step where {activity:.0%} of all neurons and inputs spike")
    size = f"; {built.image.total_bytes:,} bytes, {built.image.digest()[:16]}" if "image" in done else ""
    ui.say(f"built for {built.target.name} in {out}: {', '.join(done)}{size}")
    known = terms.of("populations", built.network.report[0]) if "quantize" in done and built.network.report else {}
    known |= terms.of("cores", built.placement.cores[0].row()) if "place" in done and built.placement.cores else {}
    ui.terms(known)
