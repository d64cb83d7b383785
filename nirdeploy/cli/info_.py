"""nirdeploy info: what a device, image, record or build says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from nirdeploy.cli import completing, options, ui
from nirdeploy.errors import UsageProblem


@click.command("info")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option(
    "-p", "--port", shell_complete=completing.ports, help="Ask the device on this port, or the board of this name."
)
@click.option("--baud", type=click.IntRange(min=1), help="Line rate, if not the target's own.")
@options.lab
@options.target
@options.as_json
def command(path: Path | None, port: str | None, baud: int | None, target: str | None, as_json: bool) -> None:
    """Describe PATH (image, record or build folder), or the device on --port."""
    from nirdeploy.proof.report import tables

    if (path is None) == (port is None):
        raise UsageProblem("name either a file or a --port", hint="nirdeploy info BUILD, or nirdeploy info -p PORT")
    say = None if as_json else ui.note
    facts = _device(port, target, baud, say) if port is not None else _path(path)  # type: ignore[arg-type]
    if as_json:
        ui.result("info", facts)
    else:
        several = {key: value for key, value in facts.items() if isinstance(value, Mapping) and value}
        ui.show(tables.facts_table({key.replace("_", " "): facts[key] for key in facts if key not in several}))
        for key, value in several.items():
            ui.say(f"{key.replace('_', ' ')}:")
            ui.show(tables.facts_table({f"  {name}": own for name, own in value.items()}))


def _device(port: str, target: str | None, baud: int | None, say: Callable[[str], None] | None) -> dict[str, Any]:
    from nirdeploy.device import opened
    from nirdeploy.device.client import Device
    from nirdeploy.device.lab import choose
    from nirdeploy.device.protocol import STATE_NAMES
    from nirdeploy.targets import registry as targets

    named = choose.board(port)
    chosen = targets.load(target) if named is None or target is not None else named.target()
    rate = baud or (named.baud if named is not None else None) or chosen.serial_board.baud
    line, on_close = opened.open_port(port, chosen, rate, say=say)
    with Device(line, name=port, on_close=on_close) as device:
        hello, status = device.hello(), device.status()
    return {
        "port": port,
        "state": STATE_NAMES[hello.state],
        "protocol": hello.protocol,
        "signature": hello.signature.hex(),
        "is_target": hello.signature == chosen.signature,
        "image": hello.image_hash.hex(),
        "cores": hello.cores,
        "lanes": hello.lanes,
        "weight_rows_per_core": hello.weight_rows,
        "neurons_per_core": hello.neurons,
        "groups": hello.groups,
        "window_bytes": hello.window,
        "counters": hello.counters,
        "held_input_words": hello.held_words,
        "bad_frames": status.bad_frames,
        "cycles": status.cycles,
    }


def _path(path: Path) -> dict[str, Any]:
    from nirdeploy import Tally, pipeline
    from nirdeploy.records import files, tally
    from nirdeploy.targets.image import MAGIC, Image

    if path.is_dir():
        built = pipeline.Build.load(path)
        return {"kind": "build", **built.manifest()}
    if not path.is_file():
        raise files.absent(path)
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
    if head == MAGIC:
        image = Image.load(path)
        return {
            "kind": "image",
            "target": image.target,
            "signature": image.signature,
            "hash": image.digest(),
            "bytes": image.total_bytes,
            "passes": len(image.passes) or 1,
            "sections": {section.name: len(section.data) for section in image.sections},
            "populations": [readout.population for readout in image.readouts],
            "provenance": dict(image.provenance),
        }
    record = tally.load(path)
    if isinstance(record, Tally):
        counts = {name: int(values.sum()) for name, values in record.values.get("count", {}).items()}
        held: dict[str, Any] = {"reads": list(record.values), "populations": list(record.populations), "spikes": counts}
    else:
        spikes = {name: int(values.sum()) for name, values in record.spikes.items()}
        held = {"spikes": spikes, "membranes": list(record.membrane)}
    return {
        "kind": "tally" if isinstance(record, Tally) else "record",
        "source": record.source,
        "steps": record.steps,
        "samples": record.samples,
        "dt": record.dt,
        **held,
        "stats": dict(record.stats),
        "manifest": dict(record.manifest),
    }
