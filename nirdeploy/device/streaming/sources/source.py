"""source: steps for a stream, as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np


class Ended(Exception):
    """No step comes any more."""


class Rest:
    """In the place of steps: the network is at rest before the next ones."""


REST = Rest()
Steps = Any  #: (T, *input shape), or a dict of such by input


class Source(Protocol):
    """Some steps at a time."""

    def take(self, wait: float) -> Steps | Rest | None:
        """The next steps; None where none has come within ``wait`` seconds. Raises :class:`Ended`, and the errors
        of what it reads."""

    def close(self) -> None:
        """Let go of file, port or process."""

    def said(self) -> dict[str, int]:
        """What was counted, by what it is: of events, or of what came too fast."""


class FromBlocks:
    """Steps of an iterator that is never late.

    Args:
        blocks: (T, *input shape), or dicts of such, or :data:`REST`.
        counts: what was counted so far.
    """

    def __init__(self, blocks: Iterable[Steps | Rest]) -> None:
        self._blocks: Iterator[Steps | Rest] = iter(blocks)

    def take(self, wait: float) -> Steps | Rest | None:
        for block in self._blocks:
            return block
        raise Ended

    def close(self) -> None:
        if hasattr(self._blocks, "close"):
            self._blocks.close()

    def said(self) -> dict[str, int]:
        return {}


def samples(x: Any, most: int) -> Iterator[Steps | Rest]:
    """A stimulus (T, B, *input shape), or a dict of such: its samples one after the other, each from rest.

    ``most``: steps of a block.
    """
    arrays = x if isinstance(x, dict) else {"": x}
    first: np.ndarray = next(iter(arrays.values()))
    for b in range(first.shape[1]):
        if b:
            yield REST
        for at in range(0, len(first), most):
            some = {name: values[at : at + most, b] for name, values in arrays.items()}
            yield some if isinstance(x, dict) else some[""]
