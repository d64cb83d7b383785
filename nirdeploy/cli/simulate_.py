"""nirdeploy simulate: a NIR file or a build on a stimulus, without a device."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import inputs, options, ui
from nirdeploy.errors import UsageProblem


@click.command("simulate")
@click.argument("what", type=click.Path(path_type=Path))
@options.stimulus_given("nirdeploy simulate WHAT")
@click.option(
    "--integer",
    metavar="BITS",
    help="Integers instead of float64: 8 (weight bits), or 8,24,24,12 (also accumulator, state and decay bits).",
)
@click.option("--exact", is_flag=True, help="Solve the equations exactly, spikes within steps (LIF, IF, LI, I).")
@options.dialect
@inputs.asked
@options.probe
@click.option("--membrane", help="Populations whose membrane to record too, with commas.")
@options.out(required=True, text="The record to write (.nird).")
@options.as_json
def command(
    what: Path,
    stimulus: Path,
    integer: str | None,
    exact: bool,
    dialect: str | None,
    dt: float | None,
    probe: str,
    membrane: str | None,
    out: Path,
    as_json: bool,
    **said: str | None,
) -> None:
    """Simulate WHAT on STIMULUS (.npy, or .npz with x and maybe labels; (T, B, ...); or a recording of events) and
    record it.

    \b
    MODEL.NIR    the float reference in the file's dialect; with --integer quantized, whatever a target takes
    BUILD        the integer network of a build folder, bit for bit as the device
    """
    from nirdeploy import check, simulate
    from nirdeploy.sim import exact as solution

    if what.is_dir() and (integer or exact or dialect or dt is not None):
        raise UsageProblem("a build has its integers and its dialect already", hint="simulate the .nir file instead")
    if integer and exact:
        raise UsageProblem("--integer and --exact exclude each other", hint="leave one of them out")
    held = inputs.held(**said)
    if any(value is not None for value in held.values()) and not integer:
        raise UsageProblem(
            "the inputs of a build are as it was built, and a float network takes any number",
            hint="--input-range and the like go with --integer",
        )
    names = [] if membrane is None else [name.strip() for name in membrane.split(",")]
    chosen = options.probes(probe)
    graph = None if what.is_dir() else check(what, dialect=dialect, dt=dt, **held)
    x, labels = options.stimulus(stimulus, lambda: inputs.of_graph(graph) if graph else inputs.of_build(what))
    with ui.doing("simulating"):
        if exact and graph is not None:
            record = solution.simulate(graph, x, chosen, membrane=names)
        else:
            formats = None if integer is None else options.formats(integer)
            record = simulate(graph or what, x, chosen, membrane=names, formats=formats)
    told = () if graph is None else graph.warnings
    options.write_record("simulate", record, out, labels, as_json, by=record.source, warnings=told)
