"""work: many items, each a function of one blob and the item, done by processes or machines that get the blob once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nirdeploy.errors import DeviceMismatch, DeviceSilent, PortError, TransferError

#: How often an item is tried that ends the process that does it.
ATTEMPTS = 3
#: Gives what came of each item, in any order, as they come. Items are taken when there is somebody to do them.
Measure = Callable[[Iterable[Any]], Iterator[Any]]
#: What keeps a board from being one: another board may still do what it did not.
OF_A_BOARD = (PortError, DeviceSilent, DeviceMismatch, TransferError)


@dataclass(frozen=True)
class Work:
    """``answer(blob, item)``: a function of a module; it returns a result, or the NirdeployError that keeps there from
    being one, and raises nothing.

    ``noun``: what an item is called, ``name``: which one it is. ``needs``: resources that a worker has, and how many of
    each an item takes; a worker whose board is lost has them no longer. ``after``: called by every machine when all is
    done.
    """

    answer: Callable[[bytes, Any], Any]
    blob: bytes
    noun: str
    name: Callable[[Any], str]
    needs: Mapping[str, float] = field(default_factory=dict)
    after: Callable[[], None] | None = None
