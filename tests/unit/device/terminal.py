"""A device model behind a pseudo-terminal that can fall silent or hang up."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty

from nirdeploy.device.ports import SerialPort
from tests.doubles.device import DeviceModel


class Terminal:
    """As ServedModel, with a device that dies.

    Args:
        silent_after: stop answering (and reading) after that many bytes from the host.
        gone_after: hang up after that many bytes from the host, as when a cable is pulled.
    """

    def __init__(self, model: DeviceModel, *, silent_after: int | None = None, gone_after: int | None = None) -> None:
        self._model, self._silent_after, self._gone_after = model, silent_after, gone_after
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._ends = [self._master, slave]
        self.silent = threading.Event()
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Terminal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._wake)
        self._thread.join()
        os.close(self._stop)
        self._hang_up()

    def line(self) -> Line:
        """The port, opened by a host with as much patience as this machine needs while the device lives."""
        return Line(self)

    def _hang_up(self) -> None:
        while self._ends:
            os.close(self._ends.pop())

    def _serve(self) -> None:
        received = 0
        while True:
            readable, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in readable:
                return
            data = os.read(self._master, 4096)
            received += len(data)
            if self._gone_after is not None and received >= self._gone_after:
                self._hang_up()
                return
            if self._silent_after is not None and received >= self._silent_after:
                self.silent.set()
                return
            answer = self._model.feed(data)
            while answer:
                answer = answer[os.write(self._master, answer) :]


class Line(SerialPort):
    """Waits for an answer until one comes or the device has fallen silent, however slow the machine is."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal.port, 115_200)
        self._silent = terminal.silent

    def read(self, timeout: float) -> bytes:
        while not self._silent.is_set():
            if data := super().read(timeout):
                return data
        return super().read(timeout)
