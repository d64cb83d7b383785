"""device: requests and replies with whatever answers on a port."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nirdeploy.device import faults
from nirdeploy.device.frame import Decoder, Frame, encode, encoded_size
from nirdeploy.device.lab import choose
from nirdeploy.device.ports import AUTO, ClaimedPort, Port, SerialPort, find, serial_of
from nirdeploy.device.protocol import MOST_READ, PLAYING, PLAYS, REPLY, STOP, DeviceStatus, Hello, Kind, Status
from nirdeploy.errors import DeviceMismatch, DeviceSilent, PortError, TransferError
from nirdeploy.records import boards
from nirdeploy.records.claims import Say
from nirdeploy.targets import registry as targets
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target

Progress = Callable[[int, int], None]  # called with how many are done, of how many

VIRTUAL = "virtual"
_SIMULATED_ATTEMPTS = 60
_WORDS_PER_SECOND = 200_000  # a slow simulated device checking its memories


@dataclass
class _Flight:
    """A request under way. ``sent``: how often."""

    index: int
    frame: Frame
    wire: bytes
    patience: float
    sent: int = 1


class Device:
    """The request layer. Opening says HELLO; use as a context manager.

    Args:
        port: the open line.
        timeout: seconds of silence after which a request is repeated.
        attempts: how often a request is sent before the device counts as silent.

    Raises:
        DeviceSilent: nobody answers.
    """

    def __init__(
        self,
        port: Port,
        *,
        name: str = "",
        timeout: float = 1.0,
        attempts: int = 5,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.image: Image | None = None
        self.committed: Image | None = None  # the last that was written through here, and checked by the device
        self.retransmitted = 0
        self._port, self._timeout, self._attempts, self._on_close = port, timeout, attempts, on_close
        self._decoder = Decoder()
        self._seq = os.urandom(1)[0]
        self._arrived: deque[Frame] = deque()
        self._window, self.max_body = encoded_size(64), 512  # enough to say HELLO
        self._port.write(b"\x00")
        hello = self.hello()
        self._window, self.max_body = hello.window, hello.max_body
        self.counters, self.held_words = hello.counters, hello.held_words
        self.plays = hello.protocol == PLAYS
        if hello.state == PLAYING:  # for a host that has gone; it would refuse all else
            self.stop()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the port; stops a virtual board that was started for it."""
        self._port.close()
        if self._on_close:
            self._on_close()
            self._on_close = None

    # --- requests -----------------------------------------------------------------------

    def hello(self) -> Hello:
        return Hello.parse(self.request(Kind.HELLO))

    def status(self) -> DeviceStatus:
        return DeviceStatus.parse(self.request(Kind.STATUS))

    def write(self, blocks: Iterable[tuple[int, bytes]], sent: Callable[[int], None] | None = None) -> None:
        """Write (address, data) blocks, several in flight. Raises :class:`TransferError` if one is refused."""
        requests = [(Kind.WRITE, address.to_bytes(4, "little") + data) for address, data in blocks]
        for index, reply in self.pipeline(requests):
            self._check(reply, f"writing at {blocks_address(requests[index][1]):#x}")
            if sent:
                sent(len(requests[index][1]) - 4)

    def digests(self, ranges: Iterable[tuple[int, int]]) -> list[int | None]:
        """CRC-32 of each (address, words) as the device reads it back; None where it refuses."""
        listed = list(ranges)
        requests = [(Kind.DIGEST, a.to_bytes(4, "little") + n.to_bytes(4, "little")) for a, n in listed]
        found: list[int | None] = [None] * len(listed)
        patience = sum(n for _, n in listed) / _WORDS_PER_SECOND
        for index, reply in self.pipeline(requests, patience=patience):
            if reply and reply[0] == Status.OK:
                found[index] = int.from_bytes(reply[1:5], "little")
        return found

    def commit(self, image: Image) -> tuple[Status, int]:
        """Let the device check every section; status and the index of the first that differs."""
        payload = image.digest_bytes + b"".join(
            s.address.to_bytes(4, "little") + len(s.words).to_bytes(4, "little") + s.crc32.to_bytes(4, "little")
            for s in image.sections
        )
        reply = self.request(Kind.COMMIT, payload, patience=image.total_bytes / 4 / _WORDS_PER_SECOND)
        if len(reply) != 2 or reply[0] not in Status._value2member_map_:
            raise TransferError(f"the device answered COMMIT with {reply.hex() or 'nothing'}, not status and index")
        return Status(reply[0]), reply[1]

    def begin(self, probes: Iterable[tuple[int, int, int, int]]) -> int:
        """Start a run with probes (group, kind, address, bytes); the sequence number of the first STEPS."""
        table = b"".join(
            bytes([group, kind]) + address.to_bytes(2, "little") + size.to_bytes(2, "little")
            for group, kind, address, size in probes
        )
        self._check(self.request(Kind.BEGIN, table), "starting a run")
        return self._seq

    def play(self, at: int) -> None:
        """Have the program at a word address of external memory played; :meth:`status` says how far it is.

        Where the answer is lost it is asked for again: the device is busy with it then, or plays it once more.
        """
        reply = self.request(Kind.PLAY, at.to_bytes(4, "little"))
        if reply != bytes([Status.BUSY]):
            self._check(reply, "playing from external memory")

    def stop(self) -> None:
        """End what is played from external memory, if anything is."""
        self._check(self.request(Kind.PLAY, STOP.to_bytes(4, "little")), "stopping a play")

    def read(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """The words of external memory in each (address, words), as little-endian bytes; any number of words."""
        pieces = [
            (number, first, min(MOST_READ, at + count - first))
            for number, (at, count) in enumerate(ranges)
            for first in range(at, at + count, MOST_READ)
        ]
        requests = [(Kind.READ, at.to_bytes(4, "little") + n.to_bytes(2, "little")) for _, at, n in pieces]
        found: list[list[bytes]] = [[] for _ in range(pieces[-1][0] + 1)] if pieces else []
        answers = [b""] * len(pieces)
        for index, reply in self.pipeline(requests):
            self._check(reply, "reading external memory")
            answers[index] = reply[1:]
        for (number, _, _), answer in zip(pieces, answers, strict=True):
            found[number].append(answer)
        return [b"".join(own) for own in found]

    def request(self, kind: Kind, payload: bytes = b"", *, patience: float = 0.0) -> bytes:
        """One request, repeated until answered; the reply's payload."""
        [(_, reply)] = self.pipeline([(kind, payload)], patience=patience)
        return reply

    def pipeline(self, requests: Iterable[tuple[Kind, bytes]], *, patience: float = 0.0) -> Iterator[tuple[int, bytes]]:
        """Send idempotent requests, as many in flight as the window allows; (index, reply) as they come.

        Replies come in order, so an answer to a later request means that an earlier one was lost:
        it is sent again at once. Silence is waited out for ``timeout`` + ``patience`` seconds.
        """
        waiting = deque(enumerate(requests))
        flights: deque[_Flight] = deque()
        while waiting or flights:
            while waiting and len(flights) < 64:
                index, (kind, payload) = waiting[0]
                if flights and self._in_flight(flights) + encoded_size(len(payload)) > self._window:
                    break
                waiting.popleft()
                frame = Frame(int(kind), self.next_seq(), payload)
                flights.append(_Flight(index, frame, encode(frame), patience))
                self._port.write(flights[-1].wire)
            reply = self.receive(self._timeout + patience)
            if reply is None:
                # Everything under way was lost, or its answers were: again, from the first.
                for flight in flights:
                    self._resend(flight)
                continue
            answered = next(
                (f for f in flights if f.frame.seq == reply.seq and f.frame.kind | REPLY == reply.kind), None
            )
            if answered is None:
                continue  # stale, from before this host spoke
            while flights[0] is not answered:
                lost = flights.popleft()
                flights.append(lost)
                self._resend(lost)
            flights.popleft()
            yield answered.index, reply.payload

    # --- frames ---------------------------------------------------------------------------

    def next_seq(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    @property
    def window(self) -> int:
        """Encoded bytes that may be unanswered."""
        return self._window

    def send(self, wire: bytes) -> None:
        """Put an encoded frame on the line."""
        self._port.write(wire)

    def receive(self, timeout: float) -> Frame | None:
        """The next frame that checks; None after that many seconds without a byte, or twice as many of noise."""
        deadline = time.monotonic() + 2 * timeout
        while not self._arrived:
            data = self._port.read(timeout)
            self._arrived.extend(self._decoder.feed(data))  # what has come is taken, however late it is
            if not self._arrived and (not data or time.monotonic() > deadline):
                return None
        return self._arrived.popleft()

    @property
    def timeout(self) -> float:
        return self._timeout

    def _resend(self, flight: _Flight) -> None:
        if flight.sent >= self._attempts:
            raise DeviceSilent(
                f"the device did not answer {Kind(flight.frame.kind).name} after {flight.sent} attempts",
                where=f"port {self.name}" if self.name else "",
                hint="check power, cable and baud rate, and that the bitstream is loaded",
            )
        flight.sent += 1
        self.retransmitted += 1
        self._port.write(b"\x00" + flight.wire)

    @staticmethod
    def _in_flight(flights: Iterable[_Flight]) -> int:
        return sum(len(flight.wire) for flight in flights)

    def _check(self, reply: bytes, doing: str) -> None:
        status = Status(reply[0]) if reply and reply[0] in Status._value2member_map_ else None
        if status is Status.NO_IMAGE:
            raise TransferError("the device holds no valid image", where=doing, hint="flash one first")
        if status is not Status.OK:
            name = status.name.lower().replace("_", " ") if status is not None else f"unknown status {reply[:1].hex()}"
            raise TransferError(f"the device refused: {name}", where=doing)


def blocks_address(payload: bytes) -> int:
    """The address a WRITE or DIGEST payload begins with."""
    return int.from_bytes(payload[:4], "little")


def open_port(
    spec: str, target: Target, baud: int, *, wait: float | None = None, say: Say | None = None
) -> tuple[Port, Callable[[], None] | None]:
    """Open what ``spec`` says: a board's name, a device path, a pyserial URL, ``virtual``, ``fault:...:SPEC``, ``auto``
    or ``auto:SERIAL``.

    Args:
        wait, say: as of :func:`open_device`.

    Returns the port and what to call when it has been closed.
    """
    if spec.startswith(faults.PREFIX):
        settings, inner = faults.parse(spec)
        port, on_close = open_port(inner, target, baud, wait=wait, say=say)
        return faults.FaultyPort(port, settings), on_close
    if (named := choose.board(spec)) is not None:
        label, spec = f"board {spec!r}", named.port
        if spec.startswith(faults.PREFIX):
            return open_port(spec, target, baud, wait=wait, say=say)
    else:
        label = f"port {spec}"
    if spec == VIRTUAL:
        running = targets.backend_of(target).virtual_board(target, baud)
        try:
            return SerialPort(running.port, baud), running.stop
        except PortError:
            running.stop()
            raise
    if spec == AUTO or serial_of(spec) is not None:
        spec = find(target.serial_board, spec)
    return ClaimedPort(spec, baud, label, choose.wait() if wait is None else wait, say), None


def open_device(
    port: str = VIRTUAL,
    target: str | Target | None = None,
    baud: int | None = None,
    *,
    wait: float | None = None,
    say: Say | None = None,
    **options: Any,
) -> Device:
    """Open a port and check that the hardware there is the target's.

    Args:
        port: "virtual", the name of a board (of boards.toml, or one that ``nirdeploy board start`` started),
            "/dev/ttyUSB1", a pyserial URL, "auto" (by the board's USB id), "auto:SERIAL" (by its adapter's serial
            number too), or "fault:seed=1,drop=1e-4:PORT".
        target: by default the named board's, or the default target.
        baud: the line's rate, if not the board's, or the target file's.
        wait: seconds to wait while another process has the board; by default what NIRDEPLOY_WAIT says, else none.
        say: is told for whom, and which file the board is of.

    Raises:
        PortError, PortBusy: no such port or board, or held by another process.
        DeviceSilent: nobody answers.
        DeviceMismatch: other hardware; says both signatures.
    """
    named = choose.board(port)
    target = named.target() if named is not None and target is None else targets.load(target)
    if named is not None:
        choose.agree(named, target)
        if say is not None:
            say(named.said)
    rate = baud or (named.baud if named is not None else None) or target.serial_board.baud
    line, on_close = open_port(port, target, rate, wait=wait, say=say)
    try:
        if on_close is not None or _is_simulated(line):
            # as slow as the machine is busy; one that ended says so
            options = {"attempts": _SIMULATED_ATTEMPTS, **options}
        device = Device(line, name=port, on_close=on_close, **options)
        found = device.hello().signature
        if found != target.signature:
            raise DeviceMismatch(
                f"the device is hardware {found.hex()}, target {target.name!r} is {target.signature.hex()}",
                where=f"port {port}",
                hint="choose the target whose bitstream is loaded, or load the target's bitstream",
            )
    except BaseException:
        line.close()
        if on_close:
            on_close()
        raise
    return device


def _is_simulated(line: Port) -> bool:
    """Whether a board in the background is behind it."""
    name = getattr(line, "name", None)
    return name is not None and any(board.port == name for board in boards.running())
