"""How fast the virtual board is: cycles of the compiled Verilog per second, images per second over its serial port.

    python benchmarks/virtual_board.py [--target fpga] [--images 300] [--perf] [--data mnist10k.npz]

784-128-10 on MNIST digits: the gather cores without the link, and the whole device behind a pseudo-terminal. Every
byte on the line takes 10 bits of clock / baud cycles, which the compiled Verilog has to go through one by one; bytes
are counted at the host's end. With ``--perf`` Linux's perf says where the board's process spends its time.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mnist
import numpy as np
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board, rtl
from nirdeploy.device.client import Device
from nirdeploy.device.ports import SerialPort
from nirdeploy.errors import ToolMissing
from nirdeploy.pipeline import Build
from nirdeploy.records.boards import BoardRecord

_SYMBOL = re.compile(r"^\s*(\d+\.\d+)%\s+\S+\s+(\S+)\s+\[.\]\s+(\S+)", re.MULTILINE)


class Counted:
    """A serial port that counts the bytes of both directions."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self.sent = self.received = 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self._port.write(data)

    def read(self, timeout: float) -> bytes:
        data = self._port.read(timeout)
        self.received += len(data)
        return data

    def close(self) -> None:
        self._port.close()


@dataclass(frozen=True)
class Speed:
    """Of one run. ``busy``: cycles in which cores worked; ``sent``, ``received``: bytes, seen from the host."""

    seconds: float
    cycles: int
    busy: int
    sent: int = 0
    received: int = 0
    board_seconds: float = 0.0


def without_link(built: Build, x: np.ndarray) -> Speed:
    """The cores alone, their bus read by the host."""
    with rtl.Fabric(built.target, built.artifacts) as fabric:
        fabric.load(built.image)
        started = time.perf_counter()
        fabric.run(built.image, x)
        return Speed(time.perf_counter() - started, fabric.timing.cycles, fabric.timing.cycles)


@contextmanager
def running(built: Build) -> Iterator[tuple[BoardRecord, Counted, Device]]:
    """A virtual board of its own with the network in it."""
    name = f"benchmark-{os.getpid()}"
    info = board.start_background(name, built.target)
    try:
        port = Counted(SerialPort(info.port, info.baud))
        with Device(port, name=info.port) as device:
            nd.flash(built, device)
            yield info, port, device
    finally:
        board.stop(name)


def over_the_line(info: BoardRecord, port: Counted, device: Device, x: np.ndarray) -> Speed:
    """The same through the serial port, every population probed."""
    before, cpu = (port.sent, port.received), _cpu_seconds(info.pid)
    cycles, started = device.status().cycles, time.perf_counter()
    record = nd.run(device, x)
    seconds = time.perf_counter() - started
    return Speed(
        seconds,
        device.status().cycles - cycles,
        int(record.stats["busy_cycles"]),
        port.sent - before[0],
        port.received - before[1],
        _cpu_seconds(info.pid) - cpu,
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def profile(info: BoardRecord, device: Device, x: np.ndarray) -> dict[str, float]:
    """Shares of the board's process while it runs ``x``, in percent. Raises :class:`ToolMissing` without perf."""
    if shutil.which("perf") is None:
        raise ToolMissing("perf is not installed", hint="apt-get install linux-perf")
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as folder:
        data = str(Path(folder) / "perf.data")
        record = ["perf", "record", "-o", data, "-p", str(info.pid)]
        with subprocess.Popen(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as recorder:
            nd.run(device, x)
            recorder.terminate()
        report = ["perf", "report", "-i", data, "--stdio", "--percent-limit", "0"]
        said = subprocess.run(report, capture_output=True, text=True, check=False).stdout
    shares: dict[str, float] = {}
    for percent, library, symbol in _SYMBOL.findall(said):
        design = "_sequent_" in symbol or "_comb_" in symbol
        if library.startswith("device-"):
            kind = "the design's Verilog" if design else "the UART's far end" if "board_" in symbol else "Verilator"
        else:
            kind = "all else (Python, C library, kernel)"
        shares[kind] = shares.get(kind, 0.0) + float(percent)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="fpga")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    built = nd.build(mnist.trained(digits), options.target)
    x = digits.stimulus()[:, : options.images]
    clock, images = built.target.serial_board.clock_hz, x.shape[1]
    speeds = {"cores alone": without_link(built, x)}
    board.prepare(built.target)
    with running(built) as (info, port, device):
        speeds["over the serial port"] = over_the_line(info, port, device, x)
        shares = profile(info, device, x) if options.perf else {}
    hardware = f"{built.target.hardware.cores} cores of {built.target.hardware.lanes} lanes"
    table = Table(title=f"virtual board of {options.target}: {hardware}, 784-128-10, {images} images")
    for column in ("", "images per second", "million cycles per second", "cycles per image", "of them cores at work"):
        table.add_column(column, justify="left" if not column else "right")
    for name, speed in speeds.items():
        table.add_row(
            *(name, f"{images / speed.seconds:,.0f}", f"{speed.cycles / speed.seconds / 1e6:.2f}"),
            *(f"{speed.cycles / images:,.0f}", f"{speed.busy / images:,.0f}"),
        )
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    byte = 10 * round(clock / info.baud)
    console.print(
        f"per image {speed.sent / images:.0f} bytes to the board, {speed.received / images:.0f} back; {byte} cycles a "
        f"byte: the line to the board is in use {100 * speed.sent * byte / speed.cycles:.0f} % of all cycles, the line "
        f"back {100 * speed.received * byte / speed.cycles:.0f} %; the board's process computes "
        f"{100 * speed.board_seconds / speed.seconds:.0f} % of the time",
        soft_wrap=True,
    )
    for kind, share in shares.items():
        console.print(f"{share:5.1f} %  {kind}", markup=False)


if __name__ == "__main__":
    main()
