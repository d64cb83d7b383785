"""board: the virtual board, a process that runs the device's RTL behind a pseudo-terminal.

The host opens the pseudo-terminal as it opens any serial port. Simulated time passes while the board
works, and for a moment after; a board that nobody talks to sleeps.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import time
import tty
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nirdeploy import processes
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.errors import DeviceSilent, PortError, ToolMissing
from nirdeploy.records import store
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import emit

_CHUNK_CYCLES = 8192  # simulated between two looks at the line
_REST_CYCLES = 2000  # without anything moving, the board is at rest
_AWAKE_S = 0.05  # and sleeps after this long
_BACKLOG = 1 << 20  # bytes nobody reads are lost beyond this, as on any line
_TCGETS2 = 0x802C542A  # Linux: struct termios2, which knows any rate


@dataclass(frozen=True)
class BoardInfo:
    """A board that runs in the background: ``baud`` is the device's."""

    name: str
    pid: int
    port: str
    target: str
    baud: int


class Board:
    """A running virtual board. ``port`` is what to open; :meth:`stop` ends the process."""

    def __init__(self, process: subprocess.Popen[bytes], port: str) -> None:
        self._process = process
        self.port = port

    def stop(self) -> None:
        """End the board; harmless if it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def prepare(target: FpgaTarget) -> None:
    """Compile the board's RTL unless that has been done (under a minute, once per hardware).

    Raises :class:`ToolMissing` without Verilator or a C++ compiler.
    """
    verilate.library(emit(target), "device", "sim/device.cpp")


def is_prepared(target: FpgaTarget) -> bool:
    """Whether :func:`prepare` has nothing left to do."""
    return verilate.is_cached(emit(target), "device", "sim/device.cpp")


def start(target: FpgaTarget | str | None = None, *, baud: int | None = None) -> Board:
    """Start a board that lives as long as this process (or until :meth:`Board.stop`).

    Args:
        target: whose hardware, at whose clock.
        baud: the device's rate, if not the target's own.
    """
    target = targets.load(target)
    process = _spawn(target, baud, detached=False)
    return Board(process, _port_of(process, target))


def start_background(name: str, target: FpgaTarget | str | None = None, *, baud: int | None = None) -> BoardInfo:
    """Start a board that keeps running after this process. Raises :class:`PortError` if the name is taken."""
    target = targets.load(target)
    taken = next((b for b in running() if b.name == name), None)
    if taken:
        raise PortError(
            f"a board named {name!r} runs already on {taken.port}",
            hint=f"stop it with 'nirdeploy board stop {name}' or choose another name",
        )
    process = _spawn(target, baud, detached=True)
    info = BoardInfo(name, process.pid, _port_of(process, target), target.name, baud or target.serial_board.baud)
    store.write_atomic(_registry() / f"{name}.json", json.dumps(asdict(info)).encode())
    return info


def running() -> list[BoardInfo]:
    """The boards that run in the background, by name; forgets those that have ended."""
    boards = []
    for path in sorted(_registry().glob("*.json")):
        try:
            info = BoardInfo(**json.loads(path.read_text()))
        except (OSError, TypeError, ValueError):
            continue
        if _is_board(info.pid):
            boards.append(info)
        else:
            path.unlink(missing_ok=True)
    return boards


def stop(name: str) -> BoardInfo:
    """End a background board. Raises :class:`PortError` naming those that run."""
    boards = {board.name: board for board in running()}
    if name not in boards:
        raise PortError(
            f"no board named {name!r} runs", hint=f"running: {', '.join(boards)}" if boards else "none is running"
        )
    board = boards[name]
    os.kill(board.pid, signal.SIGTERM)
    deadline = time.monotonic() + 5
    while _is_board(board.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    (_registry() / f"{name}.json").unlink(missing_ok=True)
    return board


def _registry() -> Path:
    return verilate.cache_dir() / "boards"


def _is_board(pid: int) -> bool:
    """Whether the process lives and is a board (a process number may be another's by now)."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"nirdeploy.backends.fpga.simulated.board" in command and state != "Z"


def _spawn(target: FpgaTarget, baud: int | None, *, detached: bool) -> subprocess.Popen[bytes]:
    prepare(target)
    rate = baud or target.serial_board.baud
    if target.serial_board.clock_hz < 4 * rate:
        raise PortError(
            f"a clock of {target.serial_board.clock_hz} Hz cannot serve {rate} baud",
            hint=f"at most {target.serial_board.clock_hz // 4}",
        )
    job = json.dumps({"target": target.model_dump(mode="json", by_alias=True), "baud": rate, "detached": detached})
    return subprocess.Popen(
        processes.command("-m", "nirdeploy.backends.fpga.simulated.board", job),
        stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if detached else None,
        start_new_session=True,
        env=processes.environment(),
    )


def _port_of(process: subprocess.Popen[bytes], target: FpgaTarget) -> str:
    """The port's path, which the board prints once it listens; a board that ends instead closes its output."""
    stdout: Any = process.stdout
    line = stdout.readline()
    if not line:
        process.kill()
        raise DeviceSilent("the virtual board did not start", where=f"target {target.name}")
    return str(line.decode().strip())


# --- the board's own process ----------------------------------------------------------


class _Device:
    """The compiled device with a UART on its pins."""

    def __init__(self, target: FpgaTarget, baud: int) -> None:
        lib = verilate.library(emit(target), "device", "sim/device.cpp")
        lib.board_create.restype = ctypes.c_void_p
        lib.board_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]
        lib.board_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64),
            *(ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)),
        ]
        self._lib = lib
        self._handle = lib.board_create(round(target.serial_board.clock_hz / baud))
        self._out = ctypes.create_string_buffer(4096)
        self.clock_hz = target.serial_board.clock_hz

    def send(self, data: bytes, host_baud: int) -> None:
        self._lib.board_send(self._handle, data, len(data), max(1, round(self.clock_hz / host_baud)))

    def run(self) -> tuple[bytes, bool]:
        """Simulate a while; what the device sent, and whether it still works."""
        active = ctypes.c_uint32()
        count = self._lib.board_run(
            self._handle, _CHUNK_CYCLES, _REST_CYCLES, self._out, len(self._out), ctypes.byref(active)
        )
        return self._out.raw[:count], bool(active.value)


def serve(target: FpgaTarget, baud: int, *, until_eof: int | None = None) -> None:
    """Run a board on a new pseudo-terminal, whose path goes to stdout, until SIGTERM.

    ``until_eof``: a file descriptor whose end (the parent's) ends the board as well.
    """
    device = _Device(target, baud)
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    sys.stdout.write(os.ttyname(slave) + "\n")
    sys.stdout.flush()
    watched = [master] if until_eof is None else [master, until_eof]
    backlog = bytearray()
    last_work = time.monotonic()
    while True:
        awake = time.monotonic() - last_work < _AWAKE_S
        readable, _, _ = select.select(watched, [master] if backlog else [], [], 0 if awake else 1.0)
        if until_eof in readable and not os.read(until_eof, 1):
            return
        if master in readable:
            device.send(os.read(master, 65536), _line_rate(slave))
            last_work = time.monotonic()
        elif not awake and not backlog:
            continue
        sent, active = device.run()
        if active or sent:
            last_work = time.monotonic()
        backlog += sent
        del backlog[: max(0, len(backlog) - _BACKLOG)]
        if backlog:
            with contextlib.suppress(BlockingIOError):
                del backlog[: os.write(master, backlog)]


def _line_rate(fd: int) -> int:
    """The rate to which the host has set the line."""
    raw = fcntl.ioctl(fd, _TCGETS2, bytes(44))
    rate: int = struct.unpack("4I20s2I", raw)[-1]
    return rate or 9600


def _main() -> None:
    job = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's
    target = targets.validate(job["target"], where=f"target {job['target']['name']}")
    try:
        serve(target, job["baud"], until_eof=None if job["detached"] else sys.stdin.fileno())
    except ToolMissing as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    _main()
