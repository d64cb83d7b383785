"""Adapters that are said to be plugged in."""

from __future__ import annotations

from typing import Protocol

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from nirdeploy.device.lab import choose, listing


class Plug(Protocol):
    def __call__(self, *adapters: ListPortInfo) -> None: ...


def adapter(device: str, usb: str = "0403:6015", serial: str | None = "D00137") -> ListPortInfo:
    """A port as pyserial lists it, by default an ULX3S's."""
    made = ListPortInfo(device, skip_link_detection=True)
    made.vid, made.pid = (int(part, 16) for part in usb.split(":"))
    made.serial_number = serial
    return made


def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """``plug(adapter, ...)``: what the system lists from now on."""

    def call(*adapters: ListPortInfo) -> None:
        for module in (list_ports, choose, listing):
            monkeypatch.setattr(module, "comports", lambda: list(adapters))

    call()
    return call
