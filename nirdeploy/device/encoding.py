"""encoding: a stimulus as the input stream of docs/link.md, sample by sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nirdeploy.device.protocol import HELD, MAX_EVENTS, NEW_SAMPLE, PACKED, RAW
from nirdeploy.targets.image import Image, input_bitmap

_MOST_HELD = 256  # steps that one word holds an input for
_GROUP = 8  # bytes of a packed bitmap that a mask says of


class Encoder:
    """The input stream of a stimulus: per step the shortest of events, packed bitmap and bitmap.

    Args:
        stimulus: what the image's inputs take, whole numbers, (T, B, *shape of the input).
        held: the device takes packed bitmaps, and an input that stays the same once.
    """

    def __init__(self, image: Image, stimulus: dict[str, np.ndarray], *, held: bool = False) -> None:
        bits = input_bitmap(image, stimulus)
        bitmaps = np.packbits(bits, axis=2, bitorder="little")
        self.batch, self.time = bits.shape[:2]
        self._held, self._forms = held, _Forms(bits, bitmaps, held)
        self._stays = (bitmaps[:, 1:] == bitmaps[:, :-1]).all(axis=2)

    def piece(self, b: int, first: int, end: int) -> bytes:
        """Steps ``first`` to ``end`` of a sample, which starts anew with its first."""
        stream = bytearray([NEW_SAMPLE] if first == 0 else [])
        changes = [first, *(np.flatnonzero(~self._stays[b, first : end - 1]) + first + 1).tolist(), end]
        for at, until in pairwise(changes):
            stream += repeated(self._forms.shortest(b, at), until - at, self._held)
        return bytes(stream)

    def steps(self, b: int) -> list[bytes]:
        """Each step of a sample by itself, as the shortest form has it."""
        return [self._forms.shortest(b, t) for t in range(self.time)]


def encode_samples(image: Image, stimulus: dict[str, np.ndarray], *, held: bool = False) -> list[bytes]:
    """The input stream of each sample; arguments as of :class:`Encoder`."""
    encoder = Encoder(image, stimulus, held=held)
    return [encoder.piece(b, 0, encoder.time) for b in range(encoder.batch)]


def repeated(step: bytes, count: int, held: bool) -> bytes:
    """A step's input for so many steps."""
    stream = bytearray()
    while count:
        now = min(count, _MOST_HELD)
        once = bytes([HELD, now - 1]) + step
        stream += once if held and len(once) < now * len(step) else now * step
        count -= now
    return bytes(stream)


class _Forms:
    """The ways to write each step: bits (B, T, input bits) and the bitmaps that they make up (B, T, bytes)."""

    def __init__(self, bits: np.ndarray, bitmaps: np.ndarray, packs: bool) -> None:
        self._bits, self._bitmaps = bits, bitmaps
        self._events = 1 + 2 * bits.sum(axis=2, dtype=np.int64)
        self._events[self._events > 1 + 2 * MAX_EVENTS] = np.iinfo(np.int64).max
        self._raw = 1 + bitmaps.shape[2]
        groups = -(-bitmaps.shape[2] // _GROUP)
        self._packed = 1 + groups + (bitmaps != 0).sum(axis=2, dtype=np.int64) if packs else None

    def shortest(self, b: int, t: int) -> bytes:
        events, packed = int(self._events[b, t]), self._raw if self._packed is None else int(self._packed[b, t])
        if events < min(packed, self._raw):
            return bytes([events // 2]) + np.flatnonzero(self._bits[b, t]).astype("<u2").tobytes()
        if packed < self._raw:
            return bytes([PACKED]) + _packed(self._bitmaps[b, t])
        return bytes([RAW, *self._bitmaps[b, t].tobytes()])


def _packed(bitmap: np.ndarray) -> bytes:
    """A mask for each eight bytes, lowest bit first, then those of them that are not zero."""
    groups = np.zeros((-(-len(bitmap) // _GROUP), _GROUP), dtype=np.uint8)
    groups.reshape(-1)[: len(bitmap)] = bitmap
    masks = np.packbits(groups != 0, axis=1, bitorder="little")
    kept = np.concatenate([np.ones_like(masks, dtype=bool), groups != 0], axis=1)
    return bytes(np.concatenate([masks, groups], axis=1)[kept].tobytes())
