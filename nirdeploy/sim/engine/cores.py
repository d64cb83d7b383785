"""cores: work shared out over the cores of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

Found = TypeVar("Found")


def count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The other cores; of this process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads)


def share(size: int, step: int, job: Callable[[int, int], Found]) -> list[Found]:
    """``job(first, last)`` of parts of ``range(size)`` that begin at multiples of ``step``, one for each core.

    A job calls this no further.
    """
    steps = -(-size // step)
    parts = min(count(), steps)
    ends = [min(steps * part // parts * step, size) for part in range(parts + 1)] if parts else [0, 0]
    others = [_pool(os.getpid(), count() - 1).submit(job, a, b) for a, b in pairwise(ends[1:])]
    return [job(*ends[:2]), *(other.result() for other in others)]
