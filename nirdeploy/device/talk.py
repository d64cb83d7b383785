"""talk: requests and answers over a line that may lose any of them, in bounded time whatever the other end sends."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from nirdeploy.device.endurance import Endurance
from nirdeploy.device.frame import Decoder, Frame, encode, encoded_size
from nirdeploy.device.ports import Port
from nirdeploy.device.protocol import REPLY, Kind
from nirdeploy.device.quality import Quality, Silences, tries
from nirdeploy.errors import DeviceSilent, TransferError

_LONGEST = 1.0  # s of silence after which a request is repeated, however slow its answers have been
_MOST_FLIGHTS = 64
_ANSWER = 24  # bytes on the line, about
_BITS = 10  # of a byte on the line
_SLOWEST = 115_200  # baud, where nobody says

Request = tuple[Kind, bytes]


class Work(Protocol):
    """Requests to be made, cut while they are."""

    def take(self, most: Callable[[int], int]) -> tuple[int, Request] | None:
        """The next one and its number; ``most(overhead)`` payload bytes are best. None: there is none left."""

    def back(self, index: int, request: Request, most: Callable[[int], int]) -> bool:
        """A request was lost; whether it is too long for this line, and will be taken again in pieces."""


class Listed:
    """Requests as they are, numbered as they come."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = enumerate(requests)

    def take(self, most: Callable[[int], int]) -> tuple[int, Request] | None:
        return next(self._requests, None)

    def back(self, index: int, request: Request, most: Callable[[int], int]) -> bool:
        return False


@dataclass
class _Flight:
    """A request under way. ``sent``: how often."""

    index: int
    frame: Frame
    wire: bytes
    sent: int = 1


class Talk:
    """One end of the line.

    Args:
        port: the open line.
        timeout: seconds of silence after which a request is repeated; on a line that has shown faults, sooner. By
            default as late as the device's answers so far tell, at most a second.
        attempts: how many times ``timeout`` (or a second) the device may be silent.
        baud: of the line.
    """

    def __init__(
        self, port: Port, *, name: str = "", timeout: float | None = None, attempts: int = 5, baud: int = _SLOWEST
    ) -> None:
        self.name = name
        self.retransmitted = 0
        self.quality, self._silences = Quality(), Silences()
        self._longest, self._waits = (_LONGEST, False) if timeout is None else (timeout, True)
        self._attempts = attempts
        self._borne, self._rate = self.endurance(), 0.0  # faults per byte, when something last came of it
        self._port, self._baud = port, baud
        self._decoder = Decoder()
        self._seq = os.urandom(1)[0]
        self._arrived: deque[Frame] = deque()
        self._window, self.max_body = encoded_size(64), 512  # enough to say HELLO
        self._repeated: dict[tuple[int, int], int] = {}  # (kind, seq) of answers: how often more they may come
        self._resent = False  # anything, since something last came
        self._spoke = False  # the device, ever
        self._damaged = self._flooded = False  # what came before the last silence; whether it was one

    def request(
        self,
        kind: Kind,
        payload: bytes = b"",
        *,
        patience: float = 0.0,
        aside: Callable[[Frame], None] | None = None,
    ) -> bytes:
        """One request, repeated until answered; the reply's payload. ``aside`` is given what else comes."""
        [(_, _, reply)] = self.exchange(Listed([(kind, payload)]), patience=patience, aside=aside)
        return reply

    def pipeline(self, requests: Iterable[Request], *, patience: float = 0.0) -> Iterator[tuple[int, bytes]]:
        """Send idempotent requests; (index, reply) as they come."""
        for index, _, reply in self.exchange(Listed(requests), patience=patience):
            yield index, reply

    def exchange(
        self, work: Work, *, patience: float = 0.0, aside: Callable[[Frame], None] | None = None
    ) -> Iterator[tuple[int, bytes, bytes]]:
        """Send idempotent requests, as many in flight as the window allows; (index, payload, reply) as they come.

        Replies come in order, so an answer to a later request means that an earlier one was lost: it is sent again at
        once. Silence is waited out for :attr:`wait` + ``patience`` seconds.

        Raises:
            DeviceSilent: nothing comes. TransferError: what comes is no answer.
        """
        flights: deque[_Flight] = deque()
        self.progressed()
        upcoming = work.take(self.best)
        while upcoming is not None or flights:
            while upcoming is not None and len(flights) < _MOST_FLIGHTS:
                index, (kind, payload) = upcoming
                if flights and self._line(flights) + encoded_size(len(payload)) > self._window:
                    break
                frame = Frame(int(kind), self.next_seq(), payload)
                flights.append(_Flight(index, frame, encode(frame)))
                self.send(flights[-1].wire)
                upcoming = work.take(self.best)
            reply = self.receive(self.wait + self.seconds(self._line(flights)), patience=patience)
            answered = reply and next(
                (f for f in flights if f.frame.seq == reply.seq and f.frame.kind | REPLY == reply.kind), None
            )
            if reply is None:
                # What is under way was lost, or the answers were: the last again, whose answer tells of the others.
                last = flights[-1]
                self.silent(f"{Kind(last.frame.kind).name} after {last.sent} attempts", len(last.wire) + _ANSWER)
                self._again(work, flights, flights.pop())
            elif answered is None:  # stale, from before this host spoke; or no answer
                self._stray(reply, aside, patience)
            else:
                while flights[0] is not answered:
                    self.quality.faulted()
                    self._again(work, flights, flights.popleft())
                self._settled(flights.popleft())
                yield answered.index, answered.frame.payload, reply.payload
            upcoming = upcoming or work.take(self.best)

    def _again(self, work: Work, flights: deque[_Flight], lost: _Flight) -> None:
        """Send a request once more, as the last; in pieces, where it is too long for this line."""
        if work.back(lost.index, (Kind(lost.frame.kind), lost.frame.payload), self.best):
            self.retransmitted += 1
            return
        lost.sent += 1
        flights.append(lost)
        self.resend(lost.wire)

    def _settled(self, flight: _Flight) -> None:
        self._spoke = True
        self.progressed()
        answer = flight.frame.kind | REPLY, flight.frame.seq
        self._repeated.pop(answer, None)
        if flight.sent > 1:
            self._repeated[answer] = flight.sent - 1

    def _stray(self, frame: Frame, aside: Callable[[Frame], None] | None, patience: float) -> None:
        """A frame that answers nothing, or something once more, which was not lost then but late."""
        answer = frame.kind, frame.seq
        if self._repeated.get(answer):
            self._repeated[answer] -= 1
            self.quality.forgive()
            self._silences.cut()
        if aside:
            aside(frame)
        self.idle(patience)

    @staticmethod
    def _line(flights: Iterable[_Flight]) -> int:
        return sum(len(flight.wire) for flight in flights)

    # --- frames ---------------------------------------------------------------------------

    def next_seq(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    @property
    def window(self) -> int:
        """Encoded bytes that may be unanswered."""
        return self._window

    def seconds(self, count: int) -> float:
        """How long so many bytes take on the line."""
        return count * _BITS / self._baud

    def send(self, wire: bytes) -> None:
        """Put an encoded frame on the line."""
        self.quality.carried(len(wire))
        self._port.write(wire)

    def resend(self, wire: bytes) -> None:
        """Once more."""
        self.retransmitted += 1
        self._resent = True
        self.send(b"\x00" + wire)  # ends what a fault may have left open

    def receive(self, timeout: float, *, patience: float = 0.0) -> Frame | None:
        """The next frame that checks; None after that many seconds without a byte, or a long time of noise.

        ``patience``: seconds more, for what the device has to do first.

        Raises :class:`TransferError` where there is no end of what comes, and no frame in it.
        """
        timeout += patience
        began = time.monotonic()
        deadline = began + 2 * max(timeout, self._longest)
        damaged, self._flooded = self._decoder.bad_frames, False
        while not self._arrived:
            data = self._port.read(timeout)
            self.quality.carried(len(data))
            self._arrived.extend(self._decoder.feed(data))  # what has come is taken, however late it is
            self._damaged = self._decoder.bad_frames > damaged
            self.quality.seen |= self._damaged
            if self._arrived:
                if not (self._resent or patience):
                    self._silences.lasted(time.monotonic() - began)
                self._resent = False
                break
            if self._borne.heard(len(data)):
                self._give_up("anything")
            if not data or time.monotonic() > deadline:
                self._flooded = bool(data)
                return None
        self._borne.framed()
        return self._arrived.popleft()

    def come(self) -> Frame | None:
        """A frame that has come already; waits for none. Raises :class:`TransferError` as :meth:`receive`."""
        if not self._arrived and (data := self._port.read(0.0)):
            damaged = self._decoder.bad_frames
            self.quality.carried(len(data))
            self._arrived.extend(self._decoder.feed(data))
            self.quality.seen |= self._decoder.bad_frames > damaged
            if not self._arrived and self._borne.heard(len(data)):
                self._give_up("anything")
        if not self._arrived:
            return None
        self._borne.framed()
        return self._arrived.popleft()

    def best(self, overhead: int) -> int:
        """The bytes of a payload with which frames carry best that need so many more."""
        return self.quality.payload(overhead, self.max_body)

    # --- what does not come ----------------------------------------------------------------

    @property
    def wait(self) -> float:
        """Seconds of silence after which what was sent is taken for lost."""
        if self._waits and not self.quality.seen:
            return self._longest
        lossy = self.quality.seen
        return min(self._longest, self._silences.wait(lossy=lossy) * float(1 << min(self._borne.rounds, 16)))

    def progressed(self) -> None:
        """Something came of what was received."""
        self._borne.progressed()
        self._rate = self.quality.rate

    def endurance(self, patience: float = 0.0) -> Endurance:
        """For something else that this device may be late with, by so many seconds more in all."""
        return Endurance(self._longest + patience / self._attempts, self._attempts)

    def silent(self, what: str, count: int) -> None:
        """Nothing was received, of so many bytes there and back.

        Raises :class:`DeviceSilent` or :class:`TransferError` if that was once too often, for the line as it was when
        something last came of it.
        """
        if self.quality.seen or not self._waits:
            self.quality.faulted()
        waited = 2 * self._longest if self._flooded else self.wait
        damaged = self._damaged and not self._flooded
        if self._borne.silent(waited, damaged=damaged, tries=tries(self._rate, count)):
            self._give_up(what)

    def idle(self, patience: float = 0.0) -> None:
        """Nothing came of what was received. Raises :class:`TransferError` if that has gone on for too long."""
        if self._borne.idle(patience):
            raise TransferError(
                "the device sends frames without end that nobody has asked for",
                where=self.where,
                hint="reset the board, and check that its bitstream is the target's",
            )

    @property
    def where(self) -> str:
        return f"port {self.name}" if self.name else ""

    def _give_up(self, what: str) -> None:
        if self._spoke and self._borne.noisy:
            raise TransferError(
                f"the device did not answer {what}: what came was damaged, or no answer at all",
                where=self.where,
                hint="check the cable or lower the baud rate; reset the board if it goes on",
            )
        raise DeviceSilent(
            f"the device did not answer {what}{', though something talks there' if self._borne.noisy else ''}",
            where=self.where,
            hint="check power, cable and baud rate, and that the bitstream is loaded",
        )
