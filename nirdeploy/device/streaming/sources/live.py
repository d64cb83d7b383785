"""live: what comes when it comes: a thread that reads, and a queue that is never longer than it may be."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from nirdeploy.device.streaming.sources.source import Ended
from nirdeploy.errors import NirdeployError

_LOOK_S = 0.1  # between two looks whether anybody still wants it


class Bounded:
    """Reads in a thread of its own.

    Args:
        read: the next thing; None where nothing has come for some time; raises :class:`Ended`.
        most: things in the queue.
        drops: what comes while it is full is dropped and counted; else ``read`` waits.
    """

    def __init__(self, read: Callable[[], Any], most: int, *, drops: bool) -> None:
        self._read, self._drops = read, drops
        self._queue: queue.Queue[Any] = queue.Queue(most)
        self._closed = threading.Event()
        self.dropped = 0
        self._ended: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="source of a stream")
        self._thread.start()

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                found = self._read()
            except (Ended, NirdeployError, OSError) as error:
                self._ended = error
                return
            if found is not None:
                self._put(found)

    def _put(self, found: Any) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put(found, timeout=0 if self._drops else _LOOK_S)
                return
            except queue.Full:
                if self._drops:
                    self.dropped += 1
                    return

    def take(self, wait: float) -> Any:
        """The next thing; None where none has come within ``wait`` seconds. Raises what ``read`` did, last."""
        over = self._ended is not None
        try:
            return self._queue.get(timeout=wait) if wait and not over else self._queue.get_nowait()
        except queue.Empty:
            if over and self._ended is not None:
                raise self._ended from None
            return None

    def close(self) -> None:
        """Stop reading. A thread that waits for a line ends with the process."""
        self._closed.set()
        self._thread.join(timeout=2 * _LOOK_S)
