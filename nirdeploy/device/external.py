"""external: the memory beside the chip: words written there, checked by the device, and not sent twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nirdeploy.device.client import Device
from nirdeploy.device.flash import blocks
from nirdeploy.device.protocol import EXTERNAL
from nirdeploy.errors import TransferError
from nirdeploy.targets.slots import Section

_ROUNDS = 3  # words that differ after writing are written again this often
_CHUNK = 1 << 14  # words that one digest says are there, or not


def section(name: str, at: int, words: np.ndarray) -> Section:
    """Words from a word address of external memory on."""
    return Section(name, EXTERNAL | at, words)


def ensure(device: Device, sections: list[Section]) -> int:
    """Have the words there: what the device says is there is not sent. The bytes that were.

    Where it does not hold the first of them, it holds something else, and is not asked for the rest.

    Raises:
        TransferError: the device read back something else than was written, or refused.
    """
    pending, sent = [piece for one in sections for piece in _pieces(one)], 0
    if not _differing(device, pending[:1]):
        pending = _differing(device, pending)
    for _ in range(_ROUNDS):
        if not pending:
            return sent
        device.write(blocks(pending, device.max_body))
        sent += sum(len(one.data) for one in pending)
        pending = _differing(device, pending)
    if pending:
        raise TransferError(
            f"the external memory did not keep {pending[0].name}, written {_ROUNDS} times",
            where=f"port {device.name}" if device.name else "",
            hint="the memory chip, its clock or its wires may be faulty: check the board",
        )
    return sent


def _differing(device: Device, pieces: list[Section]) -> list[Section]:
    found = device.digests((one.address, len(one.words)) for one in pieces)
    return [one for one, crc in zip(pieces, found, strict=True) if crc != one.crc32]


def _pieces(one: Section) -> Iterator[Section]:
    for at in range(0, len(one.words), _CHUNK):
        yield Section(one.name, one.address + at, one.words[at : at + _CHUNK])
