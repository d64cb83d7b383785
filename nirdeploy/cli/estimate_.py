"""nirdeploy estimate: where a network fits and how fast it would be, without any toolchain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import completing, costs, inputs, options, ui, units
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.targets.estimate import Estimate
    from nirdeploy.targets.tables import Target


@click.command("estimate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-t", "--target", "targets", multiple=True, shell_complete=completing.targets,
    help="Target name or path of a .toml file, in detail; may be repeated. By default all that come with nirdeploy.",
)  # fmt: skip
@click.option("--why", "reasons", is_flag=True, help="Also say why targets do not hold it, each reason once.")
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
    reasons: bool,
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
    """Say where MODEL.NIR fits, and what a step costs there: a line for each target; --target tells more of one.

    \b
    fits     in how many passes, where the network is larger than the chip (docs/passes.md)
    step     from one step to the next: the longer of what the cores need, and what inputs and
             outputs take on the serial line
    energy   of a step, modelled: a range over published figures (docs/energy.md)
    cores    so many of those that there are
    memory   the one that is closest to full
    """
    from nirdeploy import check
    from nirdeploy.graph import precision
    from nirdeploy.targets import registry as target_files
    from nirdeploy.targets.estimate import estimate

    changes = {"lanes": lanes, "cores": cores, "clock_hz": None if clock is None else round(clock * 1e6)}
    asked = {name: value for name, value in changes.items() if value is not None}
    if asked and not targets:
        raise UsageProblem(
            "what if of which target? --lanes, --cores and --clock change one", hint="name it with --target"
        )
    widths = None if bits is None else precision.parse(bits)
    chosen = [target_files.load(name).with_hardware(**asked) for name in targets or target_files.names()]
    found = []
    with ui.doing("estimating") as work:
        graph = precision.with_bits(check(model, dialect=dialect, dt=dt, **inputs.held(**said)), widths)
        for number, target in enumerate(chosen):
            work.on(target.name)
            work(number, len(chosen))
            found.append(estimate(graph, target, activity))
    if as_json:
        told = [_data(target, one) for target, one in zip(chosen, found, strict=True)]
        ui.result("estimate", {"activity": activity, "targets": told})
        return
    _show(list(zip(chosen, found, strict=True)), activity)
    if targets:
        for target, one in zip(chosen, found, strict=True):
            _detail(target, one, activity)
    elif reasons:
        _why(found)
    elif refused := sum(not one.fits for one in found):
        ui.say(f"why {_targets(refused)} not hold it: nirdeploy estimate {model} --why")


def _targets(count: int) -> str:
    return "a target does" if count == 1 else f"{count} targets do"


def _data(target: Target, one: Estimate) -> dict[str, Any]:
    from dataclasses import asdict

    from nirdeploy.proof.report import figures

    spent = figures.energy(one.figures, target.board is not None)
    told = {"pace_us": figures.pace_us(one.figures), "energy_joules": None if spent is None else list(spent)}
    return {**asdict(one), "fits": one.fits, "why": one.why, **told}


def _show(found: Sequence[tuple[Target, Estimate]], activity: float) -> None:
    from nirdeploy.proof.report import tables

    title = f"per step, at {activity:g} spikes per neuron and input; blank: not known"
    ui.show(tables.rows_table(title, [_row(target, one) for target, one in found]))


def _row(target: Target, one: Estimate) -> dict[str, str]:
    from nirdeploy.proof.report import figures

    row = {"target": one.target, "fits": "no", "step": "", "energy": "", "cores": "", "fullest memory": ""}
    if not one.fits:
        return row
    passes, name, share = one.figures.get("passes"), *one.fullest()
    pace, spent = figures.pace_us(one.figures), figures.energy(one.figures, target.board is not None)
    return {
        **row,
        "fits": "yes" if passes is None else f"{passes} passes",
        "step": "" if pace is None else units.seconds(1e-6 * pace),
        "energy": "" if spent is None else units.joules(*spent),
        "cores": f"{one.cores_used}/{one.cores_there}",
        "fullest memory": f"{name.replace('_', ' ')} {share:.0%}",
    }


def _detail(target: Target, one: Estimate, activity: float) -> None:
    """All that is known of a network on a target."""
    from nirdeploy.proof.report import figures, tables, terms

    ui.say("")
    ui.say(f"{one.target}: {one.title}")
    ui.warn(f"{one.target}: {warning}" for warning in one.warnings)
    if one.chip:
        ui.show(tables.rows_table("chip, estimated", [use.row() for use in one.chip]))
    for problem in one.problems:
        ui.say(f"{one.target}: {problem}")
    if not one.fits:
        return
    rows = [core.row() for core in one.cores if any(core.used.values())]
    ui.show(tables.rows_table("cores", rows))
    ui.show(tables.rows_table("figures of a step", figures.rows(one.figures)))
    for line in costs.lines(one.figures, activity):
        ui.say(line)
    ui.terms(terms.of("cores", rows[0]))


def _why(found: Sequence[Estimate]) -> None:
    """What keeps the network from targets, each reason once: for the targets and nodes that it is said of."""
    for said, places in _reasons(found).items():
        nodes = list(dict.fromkeys(node for _, node in places if node))
        ui.say("")
        ui.say(f"{', '.join(dict.fromkeys(target for target, _ in places))}:")
        ui.say(f"  {said}{f' (so too {_and(nodes[1:])})' if len(nodes) > 1 else ''}")
    warned: dict[str, list[str]] = {}
    for one in found:
        for warning in one.warnings:
            warned.setdefault(warning, []).append(one.target)
    ui.warn(f"{', '.join(names)}: {warning}" for warning, names in warned.items())


def _reasons(found: Sequence[Estimate]) -> dict[str, list[tuple[str, str]]]:
    """The sentence about the first node, and (target, node) of all that it is said of."""
    kinds: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    first: dict[tuple[str, str, str], str] = {}
    for one in found:
        for problem in one.problems:
            apart = problem.found.replace(repr(problem.node), "") if problem.node else problem.found
            kind = (apart, problem.allowed, problem.remedy)
            first.setdefault(kind, str(problem))
            kinds.setdefault(kind, []).append((one.target, problem.node))
    return {first[kind]: places for kind, places in kinds.items()}


def _and(nodes: Sequence[str]) -> str:
    shown = ", ".join(map(repr, nodes[:8]))
    return shown if len(nodes) <= 8 else f"{shown} and {len(nodes) - 8:,} more"
