"""nirdeploy run: a stimulus on a device."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from nirdeploy.cli import options, ui


@click.command("run")
@click.argument("build", type=click.Path(path_type=Path))
@click.argument("stimulus", type=click.Path(path_type=Path))
@options.target_again
@options.port
@options.probe
@click.option(
    "--tally",
    metavar="READS",
    help="Not every step, but what each sample comes to: 'count' and 'first' of spikes, 'last', 'largest' and 'sum' of "
    "membranes, with commas. A device that counts itself sends far less.",
)
@options.out(required=True, text="The record to write (.nird).")
@options.as_json
def command(
    build: Path,
    stimulus: Path,
    target: str | None,
    port: str | None,
    baud: int | None,
    probe: str,
    tally: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Run STIMULUS (.npy, or .npz with x and maybe labels; (T, B, ...)) on the flashed BUILD.

    The stimulus holds what the inputs of BUILD take: 0 and 1, or numbers of the range or bits that it was built with.

    A virtual board that was started for this command is flashed first. A network of several passes is flashed pass by
    pass; what they give is kept beside the record until that is written, so that a run which was broken off goes on.
    """
    import shutil

    from nirdeploy import Tally, flash, pipeline, run, simulate
    from nirdeploy import tally as counted

    reads = None if tally is None else [read.strip() for read in tally.split(",")]
    built = pipeline.Build.load(build, target)
    x, labels = options.stimulus(stimulus)
    port = options.port_of(port, built.target)
    if port == options.SIM:
        with ui.spinner("simulating", as_json):
            record: Any = simulate(built, x, options.probes(probe))
        record = record if reads is None else Tally.of(record, reads)
        options.write_record("run", record, out, labels, as_json, by=record.source)
        return
    store = out.with_name(f"{out.name}.passes") if built.image.passes else None
    how = run if reads is None else partial(counted, reads=reads)
    with options.connect(port, built.target, baud, as_json) as device:
        if port.endswith("virtual"):
            flash(built.image, device)
        with ui.progress("running", as_json) as bar:
            record = how(device, x, probe=options.probes(probe), progress=bar, image=built.image, store=store)
    options.write_record("run", record, out, labels, as_json)
    if store is not None:
        shutil.rmtree(store, ignore_errors=True)
