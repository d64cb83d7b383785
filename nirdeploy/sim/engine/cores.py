"""cores: work shared out over the cores of the machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

Found = TypeVar("Found")
_busy = threading.local()  # whether a thread is at a part of a job


def count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The other cores; of this process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads)


def share(size: int, step: int, job: Callable[[int, int], Found]) -> list[Found]:
    """``job(first, last)`` of parts of ``range(size)`` that begin at multiples of ``step``, one for each core.

    What a part of a job shares in turn it does alone.
    """
    steps = -(-size // step)
    parts = 1 if getattr(_busy, "now", False) else min(count(), steps)
    if parts <= 1:
        return [job(0, size)]
    ends = [min(steps * part // parts * step, size) for part in range(parts + 1)]
    others = [_pool(os.getpid(), count() - 1).submit(_alone, job, a, b) for a, b in pairwise(ends[1:])]
    return [_alone(job, *ends[:2]), *(other.result() for other in others)]


def _alone(job: Callable[[int, int], Found], first: int, last: int) -> Found:
    _busy.now = True
    try:
        return job(first, last)
    finally:
        _busy.now = False
