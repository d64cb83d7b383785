"""The rendered device in a second simulator, Icarus Verilog: by its UART pins alone, with X at power-up.

Verilator knows no X and starts memories and registers with zeros; what only works by that shows here.
"""

from __future__ import annotations

import select
import shutil
import subprocess
from pathlib import Path

from nirdeploy.backends.fpga.external import memory_of
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.targets.emit import emit
from tests import sdram

FOLDER = Path(__file__).parent
CLOCK_HZ = 100_000_000
_HANGS = 120.0  # seconds without a word from the simulator


def is_there() -> bool:
    """Whether Icarus Verilog is installed."""
    return shutil.which("iverilog") is not None and shutil.which("vvp") is not None


class IcarusPort:
    """The device behind its pins as a port, with memories that are as unkind as a chip's may be."""

    def __init__(self, target: FpgaTarget, folder: Path) -> None:
        written = emit(target)
        written.save(folder)
        files = [name for name in written if name.startswith("rtl/") and not name.startswith("rtl/ram")]
        own = [str(FOLDER / name) for name in ("bench.v", "memories.v")]
        if (chip := memory_of(target)) is not None:  # at the 100 MHz of the bench
            macros = sdram.Chip(chip, CLOCK_HZ).macros()
            (folder / "parameters.vh").write_text(sdram.defined(macros))
            own = ["parameters.vh", *own, str(FOLDER / "sdram.v")]
        subprocess.run(["iverilog", "-g2005", "-s", "bench", "-o", "bench.vvp", *files, *own], cwd=folder, check=True)
        self._process = subprocess.Popen(
            ["vvp", "-n", "bench.vvp"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), 0xFFFF):
            piece = data[at : at + 0xFFFF]
            self._say(b"W" + len(piece).to_bytes(2, "little") + piece)

    def read(self, timeout: float) -> bytes:
        """What came, by the simulator's clock: the host's does not count."""
        del timeout
        self._say(b"R")
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _HANGS)
        assert ready, "the simulation does not answer"
        line = self._process.stdout.readline().decode()
        assert not line.startswith("FAULT"), line
        return bytes.fromhex(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, command: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command)
        self._process.stdin.flush()
