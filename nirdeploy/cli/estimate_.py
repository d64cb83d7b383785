"""nirdeploy estimate: where a network fits and how fast it would be, without any toolchain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import costs, inputs, options, ui
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.targets.estimate import Estimate


@click.command("estimate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-t", "--target", "targets", multiple=True, shell_complete=options.complete_targets,
    help="Target name or path of a .toml file; may be repeated. By default all that come with nirdeploy.",
)  # fmt: skip
@click.option("--activity", type=click.FloatRange(0, 1), default=0.1, show_default=True,
              help="Spikes per neuron and input, and step.")  # fmt: skip
@click.option("--lanes", type=click.IntRange(min=1), help="What if the cores had so many lanes.")
@click.option("--cores", type=click.IntRange(min=1), help="What if there were so many cores.")
@click.option("--clock", type=click.FloatRange(min=0, min_open=True), help="What if the clock had so many MHz.")
@options.dialect
@inputs.asked
@options.bits()
@options.as_json
def command(
    model: Path,
    targets: tuple[str, ...],
    activity: float,
    lanes: int | None,
    cores: int | None,
    clock: float | None,
    dialect: str | None,
    dt: float | None,
    bits: str | None,
    as_json: bool,
    **said: str | None,
) -> None:
    """Say where MODEL.NIR fits, and what a step costs there.

    Cycles and us are those of the cores, 'link us' what the inputs and outputs of the same step take on the serial
    line; the longer of the two sets the pace. What is larger than a chip is cut into passes, all of which a step goes
    through; 's to load' is what their images take on the line, once for a batch (docs/passes.md). 'us played' is a step
    of all passes where the board plays them itself (docs/external-memory.md).
    """
    from nirdeploy import check
    from nirdeploy.graph import precision
    from nirdeploy.proof.report import tables
    from nirdeploy.targets import registry as target_files
    from nirdeploy.targets.estimate import estimate, survey

    changes = {"lanes": lanes, "cores": cores, "clock_hz": None if clock is None else round(clock * 1e6)}
    asked = {name: value for name, value in changes.items() if value is not None}
    if asked and not targets:
        raise UsageProblem(
            "what if of which target? --lanes, --cores and --clock change one", hint="name it with --target"
        )
    widths = None if bits is None else precision.parse(bits)
    graph = precision.with_bits(check(model, dialect=dialect, dt=dt, **inputs.held(**said)), widths)
    with ui.spinner("estimating", as_json):
        if targets:
            chosen = [target_files.load(name).with_hardware(**asked) for name in targets]
            found = [estimate(graph, target, activity) for target in chosen]
        else:
            found = survey(graph, activity)
    if as_json:
        ui.result("estimate", {"activity": activity, "targets": [_data(one) for one in found]})
        return
    ui.show(tables.rows_table(f"per step, at {activity:g} spikes per neuron", _filled([_row(one) for one in found])))
    for one in found:
        ui.warn(f"{one.target}: {warning}" for warning in one.warnings)
        if one.chip and len(found) == 1:
            ui.show(tables.rows_table("chip, estimated", [use.row() for use in one.chip]))
        if one.fits and len(found) == 1:
            ui.show(tables.rows_table("cores", [core.row() for core in one.cores if any(core.used.values())]))
            ui.show(tables.facts_table(one.figures))
            for line in costs.lines(one.figures, activity):
                ui.say(line)
        elif not one.fits:
            for problem in one.problems:
                ui.say(f"{one.target}: {problem}")


def _data(one: Estimate) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(one), "fits": one.fits, "why": one.why}


#: Figures that most targets have, and their columns.
_SHARED = {
    "passes": "passes",
    "cycles": "cycles",
    "step_us": "us",
    "link_us": "link us",
    "latency_us": "us to output",
    "image_s": "s to load",
    "play_us": "us played",
    "synaptic_events": "synaptic events",
    "energy_nj": "nJ",
    "latency_steps": "steps to output",
}


def _row(one: Estimate) -> dict[str, str | float]:
    row: dict[str, str | float] = {"target": one.target, "fits": "yes" if one.fits else "no"}
    name, share = one.fullest() if one.fits else ("", 0.0)
    row["cores"] = f"{one.cores_used} of {one.cores_there}" if one.fits else ""
    row["fullest memory"] = f"{name.replace('_', ' ')} {share:.0%}" if one.fits else ""
    part, taken = one.fullest_of_chip()
    row["of the chip"] = f"{part.partition(' (')[0]} {taken:.0%}" if part else ""
    for key, title in _SHARED.items():
        kept = key == "image_s" and "passes" not in one.figures  # loaded once and for all: of little interest
        value = "" if kept else one.figures.get(key, "")
        row[title] = f"{value:,.4g}" if isinstance(value, float | int) else value
    return row


def _filled(rows: list[dict[str, str | float]]) -> list[dict[str, str | float]]:
    """Without the columns in which nothing stands."""
    return [{key: value for key, value in row.items() if any(one[key] != "" for one in rows)} for row in rows]
