"""``nirdeploy run``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal
from nirdeploy.errors import UsageProblem


@click.command()
@click.argument("build", type=click.Path(path_type=Path))
@click.argument("stimulus", type=click.Path(path_type=Path), metavar="STIMULUS.npy|npz")
@click.option(
    "-p",
    "--port",
    envvar="NIRDEPLOY_PORT",
    show_envvar=True,
    help="Serial port of the device: /dev/ttyUSB1, a pyserial URL, 'auto', or 'virtual' for a virtual board.",
)
@options.target
@options.baud
@click.option("--flash", "flash_first", is_flag=True, help="Flash the build first; needed for 'virtual', which starts empty.")
@click.option("--simulate", type=click.Choice(["float", "integer"]), help="Simulate BUILD instead of running a device.")
@options.probe
@options.out("record.nird", "the record")
@options.reporting
def command(
    build: Path,
    stimulus: Path,
    port: str | None,
    target: str,
    baud: int | None,
    flash_first: bool,
    simulate: str | None,
    probe: str | list[str],
    out: Path,
    ui: Terminal,
) -> None:
    """Run a stimulus on a device, or simulate it.

    BUILD is the build that the device was flashed with. The stimulus holds 0 and 1 in the shape
    (steps, samples, *input shape); several inputs are arrays of one .npz, named as the inputs. The
    spikes of all probed populations go to --out, a NIRData file.
    """
    from nirdeploy.cli import files, witness
    from nirdeploy.cli.connect import connect
    from nirdeploy.report.tables import rows_table

    if (port is None) == (simulate is None):
        raise UsageProblem("give either --port or --simulate", hint="'nirdeploy board start' starts a virtual board")
    x = files.stimulus(stimulus)
    if simulate is not None:
        with ui.busy(f"simulating ({simulate})"):
            record = witness.simulated(build, x, simulate, probe)
    else:
        image = files.image(build)
        with connect(ui, str(port), target, baud) as device:
            record = witness.measured(ui, device, image, x, probe, flash_first=flash_first)
    record.save(out)
    spikes = {name: int(values.sum(dtype="int64")) for name, values in record.spikes.items()}
    rows = [{"population": name, "neurons": record.spikes[name][0, 0].size, "spikes": n} for name, n in spikes.items()]
    ui.result(
        "run",
        {
            "out": str(out),
            "source": record.source,
            "steps": record.steps,
            "samples": record.samples,
            "spikes": spikes,
            "membrane": list(record.membrane),
            "stats": dict(record.stats),
        },
        rows_table(f"{record.source}, {record.samples} samples of {record.steps} steps", rows),
        f"wrote {out}",
    )
