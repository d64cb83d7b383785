"""nirdeploy run: a stimulus on a device."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from nirdeploy.cli import devices, options, ready, ui
from nirdeploy.errors import UsageProblem


@click.command("run")
@click.argument("build", type=click.Path(path_type=Path))
@options.stimulus_given("nirdeploy run BUILD")
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
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Of a network of several passes: the folder that keeps what they give until the record is written. If the run "
    "is broken off, the same command goes on after the last pass that was done; where the board plays them, after the "
    "last batch of samples.  [default: OUT.passes]",
)  # fmt: skip
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
    store: Path | None,
    as_json: bool,
) -> None:
    """Run STIMULUS (.npy, or .npz with x and maybe labels; (T, B, ...); or a recording of events) on the flashed BUILD.

    The stimulus holds what the inputs of BUILD take: 0 and 1, or numbers of the range or bits that it was built with.

    A virtual board that was started for this command is flashed first. A network of several passes is flashed pass by
    pass, or played by the board where its external memory holds it (docs/external-memory.md); a run of it that was
    broken off goes on where it was when it is started again (--store).
    """
    from nirdeploy import Tally, flash, pipeline, run, simulate
    from nirdeploy import tally as counted
    from nirdeploy.device.lab import choose
    from nirdeploy.records import trains

    reads = None if tally is None else [read.strip() for read in tally.split(",")]
    built = pipeline.Build.load(build, target)
    port = options.port_of(port, built.target)
    ready.to_open(port, built.target)
    x, labels = options.stimulus(stimulus, lambda: built.network.inputs)
    if store is not None and (port == options.SIM or not built.image.passes):
        raise UsageProblem(
            "--store keeps what passes give, and there are none: "
            + ("the integer model runs the network as a whole" if port == options.SIM else "the network fits the chip"),
            hint="leave it out",
        )
    if port == options.SIM:
        with ui.doing("simulating"):
            record: Any = simulate(built, x, options.probes(probe))
        record = record if reads is None else Tally.of(record, reads)
        options.write_record("run", record, out, labels, as_json, by=record.source)
        return
    if built.image.passes and store is None:
        store = out.with_name(f"{out.name}.passes")
    if store is not None and trains.is_begun(store) and not as_json:
        ui.note(f"going on with the run that was broken off, from what {store} keeps")
    how = run if reads is None else partial(counted, reads=reads)
    with devices.connect(port, built.target, baud, as_json) as device:
        if choose.is_virtual(port) and not built.image.passes:
            flash(built.image, device)
        with ui.doing("running") as bar:
            told: dict[str, Any] = {
                "progress": bar,
                "on_pass": ui.passes(bar, as_json),
                "say": devices.by_host(as_json),
            }
            record = how(device, x, probe=options.probes(probe), image=built.image, store=store, **told)
    options.write_record("run", record, out, labels, as_json)
    if store is not None:
        trains.discard(store)
