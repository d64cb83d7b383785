"""cutting: writes and reads of memory in pieces as large as the line carries well, cut anew where one is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from nirdeploy.device.frame import OVERHEAD
from nirdeploy.device.protocol import MOST_READ, Kind
from nirdeploy.device.talk import Request

_ADDRESS = 4  # bytes of a request's
_OVERHEAD = OVERHEAD + _ADDRESS + 2  # with COBS and the delimiter
_COUNT = 2  # bytes of a READ's
_TOO_LONG = 1.5  # times the best size


class Writing:
    """Blocks of words to be written.

    Args:
        blocks: (address, data), none longer than a frame takes.
    """

    def __init__(self, blocks: Iterable[tuple[int, bytes]]) -> None:
        self._blocks = iter(blocks)
        self._pending: deque[tuple[int, bytes]] = deque()

    def take(self, most: Callable[[int], int]) -> tuple[int, Request] | None:
        if not self._pending:
            if (block := next(self._blocks, None)) is None:
                return None
            self._pending.append(block)
        address, data = self._pending.popleft()
        size = _evenly(len(data) // 4, most(_OVERHEAD) // 4) * 4
        if size < len(data):
            self._pending.appendleft((address + size // 4, data[size:]))
        return address, (Kind.WRITE, address.to_bytes(_ADDRESS, "little") + data[:size])

    def back(self, index: int, request: Request, most: Callable[[int], int]) -> bool:
        data = request[1][_ADDRESS:]
        if len(data) <= max(_TOO_LONG * most(_OVERHEAD), 4):
            return False
        self._pending.appendleft((index, data))
        return True


class Reading:
    """Ranges (address, words) of external memory to be read, numbered. The answers are what is long."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._pending = deque((number, address, count) for number, (address, count) in enumerate(ranges) if count)

    def take(self, most: Callable[[int], int]) -> tuple[int, Request] | None:
        if not self._pending:
            return None
        number, address, count = self._pending.popleft()
        size = _evenly(count, min(MOST_READ, most(_OVERHEAD) // 4))
        if size < count:
            self._pending.appendleft((number, address + size, count - size))
        payload = address.to_bytes(_ADDRESS, "little") + size.to_bytes(_COUNT, "little")
        return number, (Kind.READ, payload)

    def back(self, index: int, request: Request, most: Callable[[int], int]) -> bool:
        address, count = (int.from_bytes(part, "little") for part in (request[1][:_ADDRESS], request[1][_ADDRESS:]))
        if 4 * count <= max(_TOO_LONG * most(_OVERHEAD), 4):
            return False
        self._pending.appendleft((index, address, count))
        return True


def _evenly(count: int, most: int) -> int:
    """The first of as few pieces of ``count`` as there can be, about as large as each other."""
    most = max(most, 1)
    return -(-count // -(-count // most)) if count > most else count
