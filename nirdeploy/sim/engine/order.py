"""order: spikes that lie as the engine has them, put in C order."""

from __future__ import annotations

import numpy as np

from nirdeploy.sim.engine import cores, scatter

_WORTH = 1 << 15  # numbers that are worth another core


def in_order(values: np.ndarray, origin: np.ndarray, size: int) -> np.ndarray:
    """Spikes uint8 (T, B, width), of which most are 0, as (T, B, size); ``origin``: where each belongs (width,)."""
    time, batch, width = values.shape
    out, flat = np.zeros((time, batch, size), dtype=np.uint8), values.reshape(-1)

    def job(first: int, last: int) -> None:
        events = np.empty(width, dtype=np.uint32)
        scatter.place(flat, width, first, last, origin, events, out.reshape(-1), size)

    cores.share(time * batch, max(_WORTH // width, 1), job)
    return out
