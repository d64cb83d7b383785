"""convolve: convolutions of floats of which most are 0: each of the others adds its taps."""

from __future__ import annotations

import math

import numpy as np

from nirdeploy.semantics.operators import Convolution, Pool
from nirdeploy.sim.engine import cores, scatter
from nirdeploy.sim.engine.kept import kept
from nirdeploy.sim.engine.layout import Layout, aligned
from nirdeploy.sim.engine.links import Runs, runs_of

_WORTH = 1 << 15  # numbers that are worth another core


def convolved(operator: Convolution | Pool, signal: np.ndarray) -> np.ndarray:
    """As the operator's ``apply``, but for the order of the sums: (T, B, inputs) to float64 (T, B, outputs).

    A sample's sums do not depend on the others'.
    """
    landing, tables = kept(operator, "tables", lambda: _tables(operator))
    time, batch, size = signal.shape
    flat, rows = np.ascontiguousarray(signal).reshape(-1), time * batch
    out = np.empty((time, batch, landing.size))

    def job(first: int, last: int) -> None:
        sums = aligned(((last - first) * landing.width,), np.float64)
        events = np.empty(size, dtype=np.uint32)
        own = (flat[first * size : last * size], size, last - first, (0, 0, last - first), 0, last - first, True, True)
        scatter.runs(*own, tables.tables, tables.weight, events, sums, landing.width)
        into = out.reshape(-1)[first * landing.size : last * landing.size]
        scatter.by_channel(sums, last - first, landing.channels, landing.positions, landing.lanes, into)

    cores.share(rows, max(_WORTH // landing.size, 1), job)
    return out


def _tables(operator: Convolution | Pool) -> tuple[Layout, Runs]:
    convolution = operator.as_convolution() if isinstance(operator, Pool) else operator
    channels, *space = convolution.out_shape
    landing = Layout.of(channels, math.prod(space))
    return landing, runs_of(convolution, None, Layout.as_it_is(convolution.inputs), landing, np.float64)
