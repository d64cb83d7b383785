"""``nirdeploy info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal
from nirdeploy.errors import UsageProblem


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("-p", "--port", help="Ask the device at this serial port.")
@options.target
@options.baud
@options.reporting
def command(file: Path | None, port: str | None, target: str, baud: int | None, ui: Terminal) -> None:
    """Describe a device, or a file that nirdeploy wrote.

    FILE is a build folder, an image or a record.
    """
    from nirdeploy.report.tables import facts_table

    if (file is None) == (port is None):
        raise UsageProblem("give either a file or --port")
    if port is not None:
        facts = _device(ui, port, target, baud)
    else:
        facts = _file(Path(str(file)))
    ui.result("info", facts, facts_table(facts))


def _device(ui: Terminal, port: str, target: str, baud: int | None) -> dict[str, Any]:
    from nirdeploy.cli.connect import connect
    from nirdeploy.link.protocol import STATE_NAMES

    with connect(ui, port, target, baud) as device:
        hello, status = device.hello(), device.status()
    facts = asdict(hello) | asdict(status)
    return facts | {
        "port": port,
        "state": STATE_NAMES[hello.state],
        "signature": hello.signature.hex(),
        "image_hash": hello.image_hash.hex(),
    }


def _file(path: Path) -> dict[str, Any]:
    from nirdeploy.image import MAGIC, Image
    from nirdeploy.pipeline import Build
    from nirdeploy.spikes import SpikeRecord

    if path.is_dir():
        built = Build.load(path)
        return {"kind": "build", "target": built.target.name, **built.manifest()}
    if not path.is_file():
        raise UsageProblem(f"there is no file {path}")
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
    if head == MAGIC:
        return _image(Image.load(path))
    return _record(SpikeRecord.load(path))


def _image(image: Any) -> dict[str, Any]:
    return {
        "kind": "image",
        "image": image.digest(),
        "target": image.target,
        "signature": image.signature,
        "bytes": image.total_bytes,
        "sections": {section.name: len(section.data) for section in image.sections},
        "inputs": {slot.name: list(slot.shape) for slot in image.inputs},
        "populations": {readout.population: list(readout.shape) for readout in image.readouts},
        "outputs": dict(image.outputs),
        "dt": image.dt,
        "provenance": dict(image.provenance),
    }


def _record(record: Any) -> dict[str, Any]:
    return {
        "kind": "record",
        "source": record.source,
        "steps": record.steps,
        "samples": record.samples,
        "dt": record.dt,
        "spikes": {name: int(values.sum(dtype="int64")) for name, values in record.spikes.items()},
        "membrane": list(record.membrane),
        "outputs": dict(record.outputs),
        "stats": dict(record.stats),
        "manifest": dict(record.manifest),
    }
