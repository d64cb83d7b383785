"""analog: plain neurons of the float reference through many steps at once.

:func:`nirdeploy.semantics.neuron.step`, compiled: the same operations in the same order, so that not a
bit differs. Other neurons step there.
"""

from __future__ import annotations

import numpy as np

from nirdeploy.semantics import neuron
from nirdeploy.sim.engine import cores
from nirdeploy.sim.engine.loops import loop

_WORTH = 1 << 15  # numbers that are worth another core
_TILE = 512  # neurons that go through all steps together


def run(
    rules: neuron.Rules, coefficients: np.ndarray, v: np.ndarray, current: np.ndarray, *, keep: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """All steps of plain neurons from a membrane (B, size), which is written over, and a current (T, B, size).

    Args:
        coefficients: float64 (5, size): decay, gain, offset, threshold, reset.

    Returns:
        spikes uint8 (T, B, size) and, where they are kept, membranes; None if some membrane was no finite number.
    """
    fired = np.empty(current.shape, dtype=np.uint8)
    trace = np.empty(current.shape if keep else (0, *current.shape[1:]))
    resets = ("none", "zero", "subtract").index(rules.reset)
    touching = rules.threshold == ">="

    def job(first: int, last: int) -> bool:
        return bool(_steps(first, last, v, current, coefficients, touching, resets, fired, trace))

    most = max(_WORTH // (len(current) * len(v)), _TILE)
    finite = cores.share(v.shape[1], most, job)
    return (fired, trace) if all(finite) else None


@loop(error_model="numpy")
def _steps(
    begin: int,
    end: int,
    v: np.ndarray,
    current: np.ndarray,
    coefficients: np.ndarray,
    touching: bool,
    resets: int,
    fired: np.ndarray,
    trace: np.ndarray,
) -> bool:  # pragma: no cover
    lost = 0
    for b in range(v.shape[0]):
        for first in range(begin, end, _TILE):
            last = min(first + _TILE, end)
            decay, gain, offset = coefficients[0, first:last], coefficients[1, first:last], coefficients[2, first:last]
            threshold, v_reset, own = coefficients[3, first:last], coefficients[4, first:last], v[b, first:last]
            for t in range(current.shape[0]):
                entering, out = current[t, b, first:last], fired[t, b, first:last]
                for n in range(own.size):
                    value = decay[n] * own[n] + gain[n] * entering[n] + offset[n]
                    above = value - threshold[n]
                    spike = above >= 0 if touching else above > 0
                    out[n] = spike
                    z = 1.0 if spike else 0.0
                    if resets == 1:
                        value = value * (1.0 - z) + z * v_reset[n]
                    elif resets == 2:
                        value = value - z * (threshold[n] - v_reset[n])
                    own[n] = value
                    lost += not abs(value) < np.inf
                if trace.shape[0]:
                    kept = trace[t, b, first:last]
                    for n in range(own.size):
                        kept[n] = own[n]
    return lost == 0
