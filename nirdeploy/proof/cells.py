"""cells: one population of two records compared value by value."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nirdeploy.errors import InputShapeError
from nirdeploy.proof.agreement import flaw
from nirdeploy.proof.verdict import Divergence, PopulationVerdict
from nirdeploy.records.spikes import SpikeRecord


def of_spikes(name: str, expected: SpikeRecord, measured: SpikeRecord) -> PopulationVerdict:
    """Spike counts that both records hold. Raises :class:`InputShapeError` where the shapes differ."""
    return _compare(name, "spikes", expected, measured)


def of_membranes(name: str, expected: SpikeRecord, measured: SpikeRecord) -> PopulationVerdict:
    """Membranes that both records hold: equal in value and form, or a reference's floats against integers, which are
    measured and not judged. Raises :class:`InputShapeError` where the shapes differ."""
    found = _compare(name, "membrane", expected, measured)
    if found.unlike:
        return found
    unlike = _unlike(name, expected, measured)
    if not _is_rounding(name, expected, measured):
        return replace(found, unlike=unlike)
    error = measured.volts(name) - expected.volts(name)
    squares = np.square(np.ascontiguousarray(error.swapaxes(0, 1)).reshape(error.shape[1], -1)).sum(axis=1)
    return replace(
        found,
        mismatches=0,
        neurons=0,
        worst_neuron=None,
        first=None,
        decides=False,
        max_error=float(np.abs(error).max()),
        rms_error=root_mean(squares, found.cells),
        unlike=unlike,
        by_neuron=None,
        squares=squares,
    )


def root_mean(squares: np.ndarray, cells: int) -> float:
    """Of so many cells, the root of the mean of squares, given as sums: the same however they are cut up."""
    return math.sqrt(math.fsum(squares.tolist()) / cells)


def worst(by_neuron: np.ndarray) -> tuple[int, ...] | None:
    """The neuron with the most differences, if there is any."""
    if not by_neuron.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(by_neuron.argmax()), by_neuron.shape))


#: Forms of a membrane, (whole numbers, in units of a scale): the float reference's, and integers of a scale.
_EXACT, _SCALED = (False, False), (True, True)


def _form(name: str, record: SpikeRecord) -> tuple[bool, bool]:
    return record.membrane[name].dtype.kind in "biu", name in record.scale


def _is_rounding(name: str, expected: SpikeRecord, measured: SpikeRecord) -> bool:
    """A reference's floats against integers of a scale. A device gives no floats: those are expected, or simulated."""
    forms = _form(name, expected), _form(name, measured)
    return forms == (_EXACT, _SCALED) or (forms == (_SCALED, _EXACT) and measured.in_floats)


def _unlike(name: str, expected: SpikeRecord, measured: SpikeRecord) -> str:
    """What of two membranes' form does not agree, or nothing."""
    forms = [_form(name, record) for record in (expected, measured)]
    if forms[0] != forms[1]:
        a, b = (
            f"{record.membrane[name].dtype} {'in units of a scale' if scaled else 'without a scale'}"
            for record, (_, scaled) in zip((expected, measured), forms, strict=True)
        )
        return f"{a} is expected, {b} is measured"
    if not forms[0][1]:
        return ""
    scale, other = expected.scale[name], measured.scale[name]
    if scale.shape != other.shape:
        return f"a scale of shape {scale.shape} is expected, one of {other.shape} is measured"
    differs = np.argwhere(scale != other)
    if not len(differs):
        return ""
    at = tuple(differs[0].tolist())
    return (
        f"the scale of {len(differs):,} of {scale.size:,} neurons differs, "
        f"that of neuron {at[0] if len(at) == 1 else at} is {float(scale[at])!r}, measured {float(other[at])!r}"
    )


def _count(spikes: np.ndarray) -> int:
    """All spikes; none where they are no whole numbers, which is said."""
    return int(spikes.sum(dtype=np.int64)) if spikes.dtype.kind in "bui" else 0


def _compare(name: str, kind: str, a: SpikeRecord, b: SpikeRecord) -> PopulationVerdict:
    """Spikes or membranes that both records hold."""
    expected, measured = (np.asarray(r.spikes[name] if kind == "spikes" else r.membrane[name]) for r in (a, b))
    if expected.shape != measured.shape:
        one, other = (
            f"shape {values.shape[2:]} in {values.shape[0]} steps x {values.shape[1]} samples in {source}"
            for values, source in ((expected, a.source), (measured, b.source))
        )
        raise InputShapeError(f"population {name!r} has {one}, {other}", hint="compare records of one network")
    spikes = kind == "spikes"
    unlike = flaw(expected, measured, counts=spikes)
    numbers = all(values.dtype.kind in "buif" for values in (expected, measured))
    differs = expected != measured if numbers else np.ones(expected.shape, dtype=bool)
    first = None
    per_neuron = differs.sum(axis=(0, 1))
    if numbers and differs.any():
        step, sample, *neuron = np.argwhere(differs)[0].tolist()
        where = (step, sample, *neuron)
        first = Divergence(name, tuple(neuron), step, sample, float(expected[where]), float(measured[where]))
    return PopulationVerdict(
        population=name,
        kind=kind,
        cells=int(expected.size),
        spikes_expected=_count(expected) if spikes else 0,
        spikes_measured=_count(measured) if spikes else 0,
        mismatches=int(differs.sum()),
        neurons=int((per_neuron > 0).sum()),
        worst_neuron=worst(per_neuron),
        first=first,
        unlike=unlike,
        silent=not expected.any() and not measured.any(),
        by_neuron=per_neuron,
    )
