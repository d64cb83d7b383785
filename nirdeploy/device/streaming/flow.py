"""flow: steps into a device and their outputs back, whole and in order, for as long as anybody feeds it.

State is kept for as long as no sample begins anew. What the line loses of the input is sent again in place. Output that
is lost is gone, and nothing reads a device's state back: all steps since the network was last at rest are played again,
and those whose output is known already are held to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nirdeploy.device.decoding import MORE, NotBelieved, StepDecoder
from nirdeploy.device.feeding import Refused, TooLong
from nirdeploy.device.resting import MOST_PIECE, TURN, Resting
from nirdeploy.device.running import Rest, Run
from nirdeploy.device.streaming.history import History, stream_of
from nirdeploy.errors import TransferError

if TYPE_CHECKING:
    from nirdeploy.device.client import Device

_FRAMES = 2  # of input under way: one that is taken in, and one behind it; steps that come meanwhile share the next
_FRUITLESS = 20  # plays in a row that gain nothing
_NONSENSE = 3  # times that the device sent what cannot be


class _Lost(Exception):
    """A piece of the output is missing."""


_MENDED = (_Lost, Rest, Refused, TooLong, NotBelieved)


class Flow:
    """One endless run.

    Args:
        probes: the probe table, (group, kind, address, size), all of it sent in every step.
        bits: of each of its entries.
        held: the device takes an input that stays the same once.
        most: bytes of memory that may be kept to play steps again; beyond, a loss is an error.
    """

    def __init__(
        self,
        device: Device,
        probes: Sequence[tuple[int, int, int, int]],
        bits: Sequence[int],
        *,
        held: bool,
        most: int,
    ) -> None:
        self._device, self._probes, self._held, self._most = device, probes, held, most
        self._bits = bits
        self._per_step = sum(size for *_, size in probes) + len(probes)
        self._history = History(most)
        self.replays = self.replayed = 0  #: how often steps were played again, and how many in all
        self._since = time.monotonic()  # when something last came, or was asked for first
        self._run, self._decoder = self._begun(), StepDecoder(self._bits, 1)

    def _begun(self) -> Run:
        return Run(self._device, self._probes, narrow=self._device.quality.seen, frames=_FRAMES)

    @property
    def under_way(self) -> int:
        """Steps whose output has not come."""
        return self._history.steps - self._history.known

    def feed(self, steps: Sequence[bytes], *, rest: bool) -> None:
        """More steps, each as the input stream has it; the first ones ever, and those before which the network is to be
        at ``rest``, for which nothing may be under way."""
        if not self.under_way:
            self._since = time.monotonic()
        if rest:
            self._history = History(self._most)
        self._history.add(steps)
        self._run.feed(stream_of(steps, rest=rest, held=self._held), len(steps))
        self._run.feeder.send()

    def come(self, *, wait: bool) -> list[np.ndarray]:
        """The outputs of the next steps, uint8 (bytes of a step); with ``wait`` of one at least, if one is under way.

        Raises:
            TransferError: the line loses more than plays mend, or than is remembered. DeviceSilent: nobody answers.
        """
        found: list[np.ndarray] = []
        try:
            while self.under_way and (piece := self._piece(wait and not found)) is not None:
                missing, payload = piece
                if missing:
                    raise _Lost("a frame is missing")
                found += self._took(self._decoder.feed(payload))
                if not self.under_way and not self._decoder.clean:
                    raise NotBelieved(MORE)
                self._since = time.monotonic()
        except _MENDED as lost:
            found += self._mended(lost)
        return found

    def _piece(self, wait: bool) -> tuple[int, bytes] | None:
        """A piece of the output stream; None: none is here, and none is late."""
        piece = self._run.come()
        if piece is not None:
            return piece
        late = self._device.wait + self._device.seconds(self._run.feeder.under_way)
        return self._run.next() if wait or time.monotonic() - self._since > late else None

    def _took(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs that came in their turn."""
        if len(outputs) > self.under_way:
            raise NotBelieved(MORE)
        for output in outputs:
            self._history.came(output.tobytes())
        return [output.ravel() for output in outputs]

    # --- what is lost -----------------------------------------------------------------------

    def _mended(self, lost: Exception) -> list[np.ndarray]:
        """The outputs of all steps under way, played again as often as it takes."""
        found: list[np.ndarray] = []
        if not self.under_way:  # there is nothing to play again: it is those that came that are not to be believed
            raise self._nonsense(lost) from lost
        fruitless = nonsense = 0
        while self.under_way:
            nonsense, had = nonsense + isinstance(lost, NotBelieved), self.under_way
            self._worth(lost, fruitless, nonsense)
            try:
                self._again(found)
            except _MENDED as error:
                lost = error
            fruitless = 0 if self.under_way < had else fruitless + 1
        self._since = time.monotonic()
        return found

    def _worth(self, lost: Exception, fruitless: int, nonsense: int) -> None:
        """Raises :class:`TransferError` where playing again cannot help."""
        where, steps = self._device.where, self._history.steps
        if nonsense > _NONSENSE:
            raise self._nonsense(lost) from lost
        if fruitless > _FRUITLESS:
            raise TransferError(
                f"outputs were lost, and playing all {steps:,} steps since the network was last at rest did not bring "
                f"them back in {fruitless} tries",
                where=where,
                hint="check the cable or lower the baud rate",
            ) from lost
        if self._history.forgotten:
            raise TransferError(
                f"outputs were lost, and the {steps:,} steps since the network was last at rest, which had to be "
                f"played again for them, need more than the {self._most:,} bytes that are remembered",
                where=where,
                hint="check the cable or lower the baud rate; or remember more, or let the network rest now and then",
            ) from lost

    def _nonsense(self, lost: Exception) -> TransferError:
        return TransferError(
            f"the device sends what cannot be: {lost}",
            where=self._device.where,
            hint="reset the board, flash and stream again; check that its bitstream is the target's",
        )

    def _again(self, found: list[np.ndarray]) -> None:
        """Play all steps from the first that is remembered; outputs that come at last go into ``found``."""
        history, at = self._history, 0
        resting = Resting(self._begun(), self._bits)
        self.replays += 1
        while at < history.steps:
            end = self._end(at)
            outputs = resting.played(history.piece(at, end, held=self._held), end - at)
            self.replayed += end - at
            for t, output in enumerate(outputs, at):
                if t == history.known:
                    history.came(output.tobytes())
                    found.append(output.ravel())
                elif history.differs(t, output.tobytes()):
                    raise NotBelieved("a step came out otherwise when it was played again")
            if history.known < end:
                raise _Lost("steps are missing")
            at = end
        self._run, self._decoder = resting.run, StepDecoder(self._bits, 1)

    def _end(self, at: int) -> int:
        """Of the next piece: many of the steps whose output is known, but few of those for which all is played."""
        history, known = self._history, at < self._history.known
        best = MOST_PIECE if known else self._device.quality.payload(TURN, MOST_PIECE)
        return min(at + max(int(best / self._per_step), 1), history.known if known else history.steps)
