"""agreement: whether two records are of one network and one run at all, and whether what they hold can be judged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally

Record = SpikeRecord | Tally


def disagreements(expected: Record, measured: Record, *, same_network: bool = True) -> tuple[str, ...]:
    """What two records of one run would agree on and these do not: seconds per step, outputs, the network's digest.

    Args:
        same_network: of one network; a golden may be of an earlier one. Digests are compared where both records have
            one of the same kind: of integer networks, or of the graph where neither is of integers.
    """
    return tuple(_disagreements(expected, measured, same_network))


def _disagreements(expected: Record, measured: Record, same_network: bool) -> Iterator[str]:
    if not math.isclose(expected.dt, measured.dt, rel_tol=1e-9):
        yield f"a step takes {expected.dt:g} s in the expected record and {measured.dt:g} s in the measured one"
    if dict(expected.outputs) != dict(measured.outputs):
        one, other = (_listed(record) for record in (expected, measured))
        yield f"the expected record's outputs are {one}, the measured one's {other}"
    key = "network" if any("network" in record.manifest for record in (expected, measured)) else "graph"
    a, b = (str(record.manifest.get(key, "")) for record in (expected, measured))
    if same_network and a and b and a != b:
        what = "integer network" if key == "network" else "graph"
        yield f"the measured record is of another {what} than the expected one ({b[:16]}, not {a[:16]})"


def _listed(record: Record) -> str:
    return ", ".join(f"{name} ({population})" for name, population in record.outputs.items()) or "none"


def flaw(expected: np.ndarray, measured: np.ndarray, *, counts: bool) -> str:
    """Why values of a population cannot be judged, or nothing.

    Args:
        counts: they are spike counts, or steps, and no membranes.
    """
    if not expected.size:
        return f"there are no cells in {expected.shape}"
    for who, values in (("expected", expected), ("measured", measured)):
        if values.dtype.kind not in "buif":
            return f"the {who} values are of type {values.dtype}, which are no numbers"
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return f"the {who} values are not all finite ({_first(values, ~np.isfinite(values))})"
        if counts and values.dtype.kind in "if":
            wrong = (values < 0) | (values != np.rint(values))
            if wrong.any():
                return f"the {who} counts are not all whole numbers from 0 on ({_first(values, wrong)})"
    return ""


def _first(values: np.ndarray, wrong: np.ndarray) -> str:
    at = tuple(np.argwhere(wrong)[0].tolist())
    return f"{values[at]} at {at}"
