"""nirdeploy stimulus: a stimulus that exercises a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import options, ui

if TYPE_CHECKING:
    from nirdeploy.proof.coverage.report import Coverage


@click.command("stimulus")
@click.argument("build", type=click.Path(path_type=Path))
@options.out(required=True, text="The .npz file to write.")
@click.option("--steps", type=click.IntRange(min=1), default=64, show_default=True, help="Steps of a sample.")
@click.option("--samples", type=click.IntRange(min=1), default=64, show_default=True, help="Samples at most.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is drawn.")
@options.cover("Enough of the build's parameters, in percent.", default=100.0)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=1000, show_default=True, help="Rounds of the search at most."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="After these the search ends with the round under way.",
)
@options.target_again
@options.as_json
def command(
    build: Path,
    out: Path,
    steps: int,
    samples: int,
    seed: int,
    cover: float,
    cover_bits: int | None,
    rounds: int,
    seconds: float,
    target: str | None,
    as_json: bool,
) -> None:
    """Make a stimulus that exercises what can be exercised of a build, and write it.

    Samples are drawn, first at random, then like those that were good, and each that makes more faults of one step show
    in the integer simulator is kept. What is left, and why, is said. The same seed and number of rounds give the same
    stimulus.
    """
    from nirdeploy.pipeline import Build
    from nirdeploy.proof.coverage.search import stimulus_for
    from nirdeploy.proof.report import tables
    from nirdeploy.records import archive, store

    built = Build.load(build, target)
    if len(built.network.inputs) > 1:
        archive.check_names(name for name, _ in built.network.inputs)
    with ui.doing("exercising") as bar:

        def told(_: int, found: Coverage) -> None:
            if bar is not None:
                bar(int(found.percent or 0), 100)

        made = stimulus_for(
            built,
            steps=steps,
            samples=samples,
            seed=seed,
            cover=cover,
            rounds=rounds,
            seconds=seconds,
            bits=cover_bits,
            told=told,
        )
    store.write_atomic(out, archive.packed(made.x if isinstance(made.x, dict) else {archive.ALONE: made.x}))
    found = made.coverage
    if as_json:
        facts = {"stimulus": str(out), "steps": steps, "samples": found.samples, "rounds": made.rounds}
        ui.result("stimulus", {**facts, "ended": made.ended, "coverage": found.as_dict(), "left": found.missing()})
        return
    ui.show(tables.rows_table("coverage", found.rows()))
    for line in found.missing():
        ui.say(line)
    ui.say(f"wrote {out}: {found.samples:,} samples x {steps:,} steps; {found.summary()}; ended as {made.ended}")
