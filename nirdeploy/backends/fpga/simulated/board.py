"""board: the virtual board, a process that runs the device's RTL behind a pseudo-terminal.

The host opens the pseudo-terminal as it opens any serial port. Simulated time passes while the board
works, and for a moment after; a board that nobody talks to sleeps.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from typing import Any

from nirdeploy import processes
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.errors import DeviceSilent, InternalError, PortError, ToolMissing, meant
from nirdeploy.records import boards
from nirdeploy.records.boards import BoardRecord
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import emit

_CHUNK_CYCLES = 8192  # simulated between two looks at the line
_REST_CYCLES = 2000  # without anything moving, the board is at rest
_AWAKE_S = 0.05  # and sleeps after this long
_BACKLOG = 1 << 20  # bytes nobody reads are lost beyond this, as on any line
_TCGETS2 = 0x802C542A  # Linux: struct termios2, which knows any rate


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

    Raises :class:`ToolMissing` without Verilator or a C++ compiler, or on a system without pseudo-terminals.
    """
    _needs_terminals()
    verilate.library(emit(target), "serial_device", "sim/serial_device.cpp")


def _needs_terminals() -> None:
    try:
        import fcntl  # noqa: F401
        import pty  # noqa: F401
    except ImportError as error:
        raise ToolMissing(
            f"the virtual board needs pseudo-terminals, which this system ({sys.platform}) does not have",
            hint="run the integer model (--port sim), name the port of a real board, or use Linux, such as WSL",
        ) from error


def is_prepared(target: FpgaTarget) -> bool:
    """Whether :func:`prepare` has nothing left to do."""
    return verilate.is_cached(emit(target), "serial_device", "sim/serial_device.cpp")


def start(target: FpgaTarget | str | None = None, *, baud: int | None = None) -> Board:
    """Start a board that lives as long as this process (or until :meth:`Board.stop`).

    Args:
        target: whose hardware, at whose clock.
        baud: the device's rate, if not the target's own.
    """
    target = targets.load(target)
    process = _spawn(target, baud)
    return Board(process, _port_of(process, target))


def start_background(name: str, target: FpgaTarget | str | None = None, *, baud: int | None = None) -> BoardRecord:
    """Start a board that keeps running after this process. Raises :class:`PortError` if the name is taken."""
    target = targets.load(target)
    taken = next((b for b in running() if b.name == name), None)
    if taken:
        raise PortError(
            f"a board named {name!r} runs already on {taken.port}",
            hint=f"stop it with 'nirdeploy board stop {name}' or choose another name",
        )
    process = _spawn(target, baud, name)
    _port_of(process, target)
    record = next((b for b in running() if b.pid == process.pid), None)
    if record is None:
        process.kill()
        raise PortError(
            f"the board {name!r} could leave no record of itself",
            where=str(boards.folder()),
            hint="make the folder writable, or name another cache with NIRDEPLOY_CACHE",
        )
    return record


def running() -> list[BoardRecord]:
    """The boards that run in the background, by name."""
    named = [board for board in boards.running() if board.name is not None]
    return sorted(named, key=lambda board: (str(board.name), board.started))


def stop(name: str) -> BoardRecord:
    """End a background board. Raises :class:`PortError` naming those that run."""
    there = running()
    board = next((board for board in there if board.name == name), None)
    if board is None:
        raise PortError(
            f"no board named {name!r} runs",
            hint=meant(name, [str(board.name) for board in there], "running:") if there else "none is running",
        )
    _end(board, signal.SIGTERM)
    _end(board, signal.SIGKILL)  # one that does not end by itself
    return board


def _end(board: BoardRecord, by: signal.Signals) -> None:
    """Send a board that runs a signal, and wait for its end, a few seconds at most."""
    if not boards.is_running(board):
        return
    try:
        os.kill(board.pid, by)
    except ProcessLookupError:  # it has ended by itself
        return
    except PermissionError as error:
        raise PortError(
            f"the board {board.name!r} is another user's (process {board.pid})", hint="ask them to stop it"
        ) from error
    deadline = time.monotonic() + 5
    while boards.is_running(board) and time.monotonic() < deadline:
        time.sleep(0.02)


def _spawn(target: FpgaTarget, baud: int | None, name: str | None = None) -> subprocess.Popen[bytes]:
    """A board's process: it ends with this one, unless it has a name."""
    prepare(target)
    rate = baud or target.serial_board.baud
    if target.serial_board.clock_hz < 4 * rate:
        raise PortError(
            f"a clock of {target.serial_board.clock_hz} Hz cannot serve {rate} baud",
            hint=f"at most {target.serial_board.clock_hz // 4}",
        )
    detached = name is not None
    job = json.dumps({"target": target.model_dump(mode="json", by_alias=True), "baud": rate, "name": name})
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
        raise DeviceSilent(
            "the virtual board did not start",
            where=f"target {target.name}",
            hint="nirdeploy doctor looks at what it needs",
        )
    return str(line.decode().strip())


# --- the board's own process ----------------------------------------------------------


class _Device:
    """The compiled device with a UART on its pins."""

    def __init__(self, target: FpgaTarget, baud: int) -> None:
        lib = verilate.library(emit(target), "serial_device", "sim/serial_device.cpp")
        lib.board_create.restype = ctypes.c_void_p
        lib.board_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]
        lib.board_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64),
            *(ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)),
        ]
        self._may_fault = bool(target.hardware.external)
        if self._may_fault:
            lib.board_fault.restype = ctypes.c_char_p
            lib.board_fault.argtypes = [ctypes.c_void_p]
        self._lib = lib
        self._handle = lib.board_create(round(target.serial_board.clock_hz / baud))
        self._out = ctypes.create_string_buffer(4096)
        self.clock_hz = target.serial_board.clock_hz

    def send(self, data: bytes, host_baud: int) -> None:
        self._lib.board_send(self._handle, data, len(data), max(1, round(self.clock_hz / host_baud)))

    def run(self) -> tuple[bytes, bool]:
        """Simulate a while; what the device sent, and whether it still works.

        Raises :class:`InternalError` where the device did to its memory what the chip forbids.
        """
        active = ctypes.c_uint32()
        count = self._lib.board_run(
            self._handle, _CHUNK_CYCLES, _REST_CYCLES, self._out, len(self._out), ctypes.byref(active)
        )
        if self._may_fault and (fault := self._lib.board_fault(self._handle)):
            raise InternalError(f"the virtual board's memory was used against its data sheet: {fault.decode()}")
        return self._out.raw[:count], bool(active.value)


def serve(target: FpgaTarget, baud: int, name: str | None = None) -> None:
    """Run a board on a new pseudo-terminal, whose path goes to stdout, until SIGTERM.

    ``name``: of a board in the background; one without ends with its parent too, when stdin does.
    """
    import pty  # not on every system, and only a board's own process needs them
    import tty

    device = _Device(target, baud)
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    port = os.ttyname(slave)
    with boards.announced(port, name, target.name, baud):
        sys.stdout.write(port + "\n")
        sys.stdout.flush()
        _simulate(device, master, slave, sys.stdin.fileno() if name is None else None)


def _simulate(device: _Device, master: int, slave: int, until_eof: int | None) -> None:
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
    import fcntl
    import termios

    if sys.platform != "linux":  # where rates are plain numbers, any that the driver takes
        return int(termios.tcgetattr(fd)[5]) or 9600
    raw = fcntl.ioctl(fd, _TCGETS2, bytes(44))
    rate: int = struct.unpack("4I20s2I", raw)[-1]
    return rate or 9600


def _main() -> None:
    job = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's
    target = targets.validate(job["target"], where=f"target {job['target']['name']}")
    try:
        serve(target, job["baud"], job["name"])
    except (InternalError, ToolMissing) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    _main()
