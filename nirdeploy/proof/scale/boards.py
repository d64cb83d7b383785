"""boards: the devices that a worker holds from chunk to chunk, and opens again where one is lost."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nirdeploy.device.client import Device
from nirdeploy.device.flash import flash
from nirdeploy.device.opened import open_device
from nirdeploy.device.ports import AUTO
from nirdeploy.processes.work import ATTEMPTS, OF_A_BOARD
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target

#: The port of the board that stands beside a worker, in its environment; by default the one that is the target's.
PORT = "NIRDEPLOY_PORT"

Found = TypeVar("Found")


@dataclass(frozen=True)
class _Line:
    """A port, and what is expected there."""

    port: str
    signature: bytes
    baud: int | None


_idle: list[tuple[_Line, Device]] = []
_taking = threading.Lock()


def on_board(port: str | None, target: Target, baud: int | None, image: Image, do: Callable[[Device], Found]) -> Found:
    """``do`` with a board that holds the image. One that is lost is opened again, some times.

    Args:
        port: as of :func:`nirdeploy.open_device`; None: the worker's own.

    Raises: as ``do`` and :func:`nirdeploy.open_device`, where the board does not come back.
    """
    line = _Line(port or os.environ.get(PORT, AUTO), target.signature, baud)
    tries = 0
    while True:
        device = None
        try:
            device = _taken(line, target)
            if not image.passes and (device.image is None or device.image.digest() != image.digest()):
                flash(image, device)
            found = do(device)
        except BaseException as error:
            if device is not None:
                _close(device)
            tries += 1
            if not isinstance(error, OF_A_BOARD) or tries >= ATTEMPTS:
                raise
            continue
        with _taking:
            _idle.append((line, device))
        return found


def _taken(line: _Line, target: Target) -> Device:
    """A device that is open and idle, or one that is opened now; those for other hardware leave its port first."""
    with _taking:
        for at, (held, device) in enumerate(_idle):
            if held == line:
                del _idle[at]
                return device
        others = [device for held, device in _idle if held.port == line.port]
        _idle[:] = [(held, device) for held, device in _idle if held.port != line.port]
    for device in others:
        _close(device)
    return open_device(line.port, target, line.baud)


def release() -> None:
    """Close all that are idle."""
    with _taking:
        left = [device for _, device in _idle]
        _idle.clear()
    for device in left:
        _close(device)


def _close(device: Device) -> None:
    with contextlib.suppress(*OF_A_BOARD, OSError):
        device.close()
