"""running: one run on the device, from its BEGIN on: what goes in, all of it and in order, and what comes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nirdeploy.device.decoding import MORE, NotBelieved
from nirdeploy.device.feeding import Feeder
from nirdeploy.device.frame import Frame
from nirdeploy.device.protocol import COUNTED, DeviceStatus, Kind
from nirdeploy.errors import TransferError

if TYPE_CHECKING:
    from nirdeploy.device.client import Device


class Rest(Exception):
    """The device has done all that it was fed, and nothing more will come of it."""


class Run:
    """A run with these probes, entries (group, kind, address, size).

    Args:
        patience: seconds that the device may be at work before it answers or sends anything.
        narrow: a fault costs what came after it, so keep little under way.
        frames: of input under way at most; by default as many as the device takes.
    """

    def __init__(
        self,
        device: Device,
        probes: Iterable[tuple[int, int, int, int]],
        *,
        patience: float = 0.0,
        narrow: bool = False,
        frames: int | None = None,
    ) -> None:
        self._device, self.patience = device, patience
        self.feeder = Feeder(device, (device.begin(probes) + 1) % 256, narrow=narrow, frames=frames)
        self._arrived: deque[Frame] = deque()
        self._next_output = self.fed = 0  # fed: steps
        self._rests = False
        self._stuck, self._steps = device.endurance(), 0

    def feed(self, data: bytes, steps: int) -> None:
        """A piece of the input stream, of so many steps."""
        self.feeder.feed(data)
        self.fed += steps
        self._rests = False

    def next(self) -> tuple[int, bytes]:
        """The next piece of the output stream, and how many frames before it are missing.

        Raises:
            Rest: there is none. Refused, TooLong: as :class:`Feeder`.
            NotBelieved, DeviceSilent, TransferError: as :meth:`settle`.
        """
        while True:
            self.feeder.send()
            if not self._arrived and self._rests:
                raise Rest
            frame = self._arrived.popleft() if self._arrived else self._received()
            if frame is not None and (piece := self._output(frame)) is not None:
                return piece

    def come(self) -> tuple[int, bytes] | None:
        """The same of what has come already, without waiting for more; None where nothing has.

        Raises: Refused, TooLong, TransferError: as :meth:`next`.
        """
        self.feeder.send()
        while (frame := self._arrived.popleft() if self._arrived else self._device.come()) is not None:
            if (piece := self._output(frame)) is not None:
                return piece
            self.feeder.send()
        return None

    def _output(self, frame: Frame) -> tuple[int, bytes] | None:
        """Take a frame: a piece of the output stream, and how many frames before it are missing; None: it is none."""
        device = self._device
        if frame.kind == Kind.OUTPUT:
            missing = (frame.seq - self._next_output) % 256
            self._next_output = (frame.seq + 1) % 256
            if missing:
                device.quality.faulted()
            if missing or frame.payload:
                device.progressed()
                return missing, frame.payload
            # Empty, as a reply was due when it was begun: it counts, and brings nothing forward.
        if self.feeder.answered(frame):
            device.progressed()
        else:
            device.idle(self.patience)
        return None

    def settle(self) -> None:
        """Ask how far the device is: once it has done all that it was fed, :meth:`next` waits for nothing more.

        Raises:
            NotBelieved: it has done more. DeviceSilent, TransferError: it does not come forward.
        """
        status = self._status()
        left = (self.fed - status.steps) % COUNTED
        if left > COUNTED // 2:
            raise NotBelieved(f"{status.steps:,} steps are done, and {self.fed:,} were asked for")
        if left == 0:
            self._rests = True
        elif 0 < (status.steps - self._steps) % COUNTED <= COUNTED // 2:  # not those that go back and forth
            self._steps = status.steps
            self._stuck.progressed()
        elif self._stuck.silent(self._device.wait + self.patience):
            raise TransferError(
                f"the device does not come forward: {status.steps} of {self.fed} steps",
                where=self._device.where,
                hint="reset the board, flash and run again",
            )

    def ended(self) -> DeviceStatus:
        """How far the device is once everything has come. Raises :class:`NotBelieved` where more comes."""
        status = self._status()
        if any(frame.kind == Kind.OUTPUT and frame.payload for frame in self._arrived):
            raise NotBelieved(MORE)
        return status

    def _status(self) -> DeviceStatus:
        return self._device.status(patience=self.patience, aside=self._arrived.append)

    def _received(self) -> Frame | None:
        device = self._device
        frame = device.receive(device.wait + device.seconds(self.feeder.under_way))
        if frame is None:
            # At work, or all of it lost? Answers come in order: what was not answered before this one was not taken.
            self.settle()
            if self.feeder.under_way and not self._arrived:
                self.feeder.resend()
        return frame
