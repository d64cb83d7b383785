"""agreement: whether two records are of one network and one run at all, and whether what they hold can be judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nirdeploy.device.protocol import COUNTED
from nirdeploy.records.spikes import STIMULUS, SpikeRecord, lag
from nirdeploy.records.tally import Tally

Record = SpikeRecord | Tally

#: Digests that a record's manifest may hold of its network, and what each is of.
_DIGESTS = {"network": "integer network", "graph": "graph"}


def disagreements(expected: Record, measured: Record, *, same_network: bool = True) -> tuple[str, ...]:
    """What two records of one run would agree on and these do not: seconds per step, outputs, steps and samples of all
    populations, steps by which populations lag (integers and devices do so alike), the network's digests.

    Args:
        same_network: of one network; a golden may be of an earlier one. Digests are compared where both records have
            one of the same kind.
    """
    return tuple(_disagreements(expected, measured, same_network))


def _disagreements(expected: Record, measured: Record, same_network: bool) -> Iterator[str]:
    if not math.isclose(expected.dt, measured.dt, rel_tol=1e-9):
        yield f"a step takes {expected.dt:g} s in the expected record and {measured.dt:g} s in the measured one"
    if dict(expected.outputs) != dict(measured.outputs):
        one, other = (_listed(record) for record in (expected, measured))
        yield f"the expected record's outputs are {one}, the measured one's {other}"
    for by, record in (("expected", expected), ("measured", measured)):
        runs = {shape: name for name, shape in _runs(record)}
        if len(runs) > 1:
            said = ", ".join(f"{name!r} {' x '.join(map(str, shape))}" for shape, name in list(runs.items())[:2])
            yield f"the {by} record is of several runs: {said} (steps x samples)"
    if isinstance(expected, SpikeRecord) and isinstance(measured, SpikeRecord):
        yield from _lags(expected, measured)
    for key, what in _DIGESTS.items() if same_network else ():
        a, b = (str(record.manifest.get(key, "")) for record in (expected, measured))
        if a and b and a != b:
            yield f"the measured record is of another {what} than the expected one ({b[:16]}, not {a[:16]})"
    yield from _stimuli(expected, measured)


def _stimuli(expected: Record, measured: Record) -> Iterator[str]:
    """That they are of other stimuli, which only records of the same integers show: others encode them otherwise."""
    said = [(str(r.manifest.get(STIMULUS, "")), r.manifest.get("network")) for r in (expected, measured)]
    (a, of), (b, also) = said
    if a and b and a != b and of == also:
        yield f"the measured record is of another stimulus than the expected one ({b[:16]}, not {a[:16]})"


def saturations(expected: Record, measured: Record) -> tuple[str, ...]:
    """That other numbers of updates saturated, which shows a fault that no value shows; for records whose values agree.

    Said of integers and devices that ran one network on one stimulus, each step once: what a line loses, and what a
    network of several passes plays again, counts again.
    """
    said = [(r.manifest.get(STIMULUS), r.manifest.get("network")) for r in (expected, measured)]
    counts = [_saturated(record) for record in (expected, measured)]
    if said[0] != said[1] or None in (*said[0], *counts) or counts[0] == counts[1]:
        return ()
    return (f"{counts[0]:,} updates saturated in the expected record and {counts[1]:,} in the measured one",)


def _saturated(record: Record) -> int | None:
    """How many updates saturated, as a device counts them; None where that is not known of each step once."""
    count, steps = record.stats.get("saturations", math.nan), record.steps * record.samples
    once = record.stats.get("steps", 0 if record.source == "device" else steps) == steps
    return int(count) % COUNTED if math.isfinite(count) and once and "bytes_flashed" not in record.stats else None


def _runs(record: Record) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(steps, samples) of each population; of a tally's, (samples,)."""
    if isinstance(record, Tally):
        yield from ((name, values.shape[:1]) for held in record.values.values() for name, values in held.items())
    else:
        yield from (
            (name, values.shape[:2]) for held in (record.spikes, record.membrane) for name, values in held.items()
        )


def _lags(expected: SpikeRecord, measured: SpikeRecord) -> Iterator[str]:
    """Populations that lag by other numbers of steps; the float reference, which keeps to the graph, lags in none."""
    for by, record in (("expected", expected), ("measured", measured)):
        try:
            for name, steps in record.latency.items():
                lag(name, steps)
        except ValueError as error:
            yield f"in the {by} record {error}"
            return
    if expected.in_floats or measured.in_floats:
        return
    for name in dict.fromkeys([*expected.spikes, *expected.membrane]):
        a, b = (record.latency.get(name, 0) for record in (expected, measured))
        if a != b and (name in measured.spikes or name in measured.membrane):
            yield f"{name!r} lags behind the graph by {a} steps in the expected record, by {b} in the measured one"


def manifests(expected: Record, measured: Record) -> dict[str, dict[str, Any]]:
    """What the records say of themselves, each under its source, or under its part where they are of one source."""
    same = expected.source == measured.source
    named = ("expected", "measured") if same else (expected.source, measured.source)
    return {name: dict(record.manifest) for name, record in zip(named, (expected, measured), strict=True)}


def remarks(expected: Record, measured: Record, *, same_network: bool = True) -> tuple[str, ...]:
    """What is to be known of two records that may be compared: that one does not say of which network it is, that what
    the network gives is in neither."""
    return tuple(_remarks(expected, measured, same_network))


def _remarks(expected: Record, measured: Record, same_network: bool) -> Iterator[str]:
    named = [any(record.manifest.get(key) for key in _DIGESTS) for record in (expected, measured)]
    if same_network and named == [True, False]:
        yield "the measured record does not say of which network it is"
    names = {name for record in (expected, measured) for name, _ in _runs(record)}
    lacking = {name: where for name, where in _outputs(expected, measured).items() if where not in names}
    if lacking:
        yield f"no record holds what the network gives: {', '.join(map(repr, lacking.values()))}"
    elif not _outputs(expected, measured):
        yield "no record says which populations the network gives"


def _outputs(expected: Record, measured: Record) -> Mapping[str, str]:
    return {**expected.outputs, **measured.outputs}


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
        if counts and (values.dtype.kind in "if" or values.dtype.itemsize > 4):
            wrong = (values < 0) | (values != np.rint(values)) | (values >= 1 << 32)
            if wrong.any():
                return f"the {who} counts are not all whole numbers from 0 to 2^32 - 1 ({_first(values, wrong)})"
    return ""


def _first(values: np.ndarray, wrong: np.ndarray) -> str:
    at = tuple(np.argwhere(wrong)[0].tolist())
    return f"{values[at]} at {at}"
