"""verify: two records of one network on one stimulus, compared spike for spike, or sample by sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UnknownPopulation, meant
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.agreement import disagreements, flaw
from nirdeploy.proof.causes import search
from nirdeploy.proof.verdict import Divergence, PopulationVerdict, Verdict
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import OF_SPIKES, Tally
from nirdeploy.sim.simulate import Quantized


def verify(
    expected: SpikeRecord | Tally,
    measured: SpikeRecord | Tally,
    *,
    populations: Sequence[str] | None = None,
    allow_silent: bool = False,
    same_network: bool = True,
    built: IntegerNetwork | Quantized | None = None,
    x: Any = None,
) -> Verdict:
    """Compare two records cell by cell. Where one is a tally, what the samples of both came to is compared.

    Where populations of one lag behind the graph (its ``latency``) and those of the other do not, they are compared
    step by step of the graph. Spikes must be equal, and so must membranes that both records hold, in value and in
    form: whole numbers or not, and the scale. Only the float reference's membranes (floats, without a scale) against
    integers of a scale are measured and decide nothing. The records must be of one network and one run: seconds per
    step, outputs and, where both have it, the network's digest agree, or the verdict says which does not. Records in
    which no population spikes show nothing, however equal they are; that no output spikes, or some population never,
    is said.

    Args:
        populations: only these; by default all that either record holds.
        allow_silent: call such records equal all the same.
        same_network: they are of one network; a golden may be of an earlier one.
        built, x: the network in integers (or a Build) and the stimulus (T, B, *input shape). Where the measured record
            differs, what would make a device do so is looked for and said (:mod:`nirdeploy.proof.causes`).

    Raises:
        InputShapeError: the records are of different stimuli (steps, samples, shapes), or ``x`` is of another.
        UnknownPopulation: they have no population in common, or there is none to compare.
    """
    if isinstance(expected, Tally) or isinstance(measured, Tally):
        return _sample_by_sample(expected, measured, populations, allow_silent, same_network)
    verdict = _step_for_step(expected, measured, populations, allow_silent, same_network)
    if built is None or x is None or not verdict.mismatches:
        return verdict
    return replace(verdict, cause=search.cause(built, x, measured))


def _step_for_step(
    expected: SpikeRecord,
    measured: SpikeRecord,
    populations: Sequence[str] | None,
    allow_silent: bool,
    same_network: bool,
) -> Verdict:
    """As :func:`verify`, of two records."""
    names = _chosen(expected, measured, populations)
    apart = disagreements(expected, measured, same_network=same_network)
    expected, measured = _step_by_step(expected, measured)
    compared: list[PopulationVerdict] = []
    missing, left_out = [], {}
    for name in names:
        spikes = _holder(name, expected.spikes, measured.spikes)
        membrane = _holder(name, expected.membrane, measured.membrane)
        if spikes == _BOTH:
            compared.append(_compare(name, "spikes", expected, measured))
        if membrane == _BOTH:
            compared.append(_compare_membranes(name, expected, measured))
        held = (("spikes", spikes), ("a membrane", membrane))
        if lacking := [f"only the {by} record has {what} of {name!r}" for what, by in held if by not in ("", _BOTH)]:
            left_out[name] = ", ".join(lacking)
        if spikes not in ("", _BOTH) or _BOTH not in (spikes, membrane):
            missing.append(name)
    return Verdict(
        expected=expected.source,
        measured=measured.source,
        steps=expected.steps,
        samples=expected.samples,
        populations=tuple(compared),
        missing=tuple(missing),
        manifests={expected.source: dict(expected.manifest), measured.source: dict(measured.manifest)},
        left_out=left_out,
        outputs=tuple(dict.fromkeys([*expected.outputs.values(), *measured.outputs.values()])),
        allow_silent=allow_silent,
        apart=apart,
        records=(expected, measured),
    )


def unmeasured(expected: SpikeRecord, why: str) -> Verdict:
    """The verdict where there is no record to compare with: not equal, and ``why``."""
    manifests = {expected.source: dict(expected.manifest)}
    return Verdict(expected.source, "nothing", expected.steps, expected.samples, (), manifests=manifests, apart=(why,))


def _sample_by_sample(
    expected: SpikeRecord | Tally,
    measured: SpikeRecord | Tally,
    populations: Sequence[str] | None,
    allow_silent: bool,
    same_network: bool,
) -> Verdict:
    """As :func:`verify`, of what the tally holds, or both do."""
    asked = [[*one.values] for one in (expected, measured) if isinstance(one, Tally)]
    reads = [read for read in asked[0] if read in asked[-1]]
    if not reads:
        raise UnknownPopulation(
            "nothing to compare: the records have no read of samples in common",
            hint=f"{expected.source}: {', '.join(asked[0])}; {measured.source}: {', '.join(asked[-1])}",
        )
    a, b = (one if isinstance(one, Tally) else Tally.of(one.aligned(), reads) for one in (expected, measured))
    if (a.steps, a.samples) != (b.steps, b.samples):
        raise InputShapeError(
            f"the records are of different runs: {a.source} has {a.steps} steps x {a.samples} samples, "
            f"{b.source} {b.steps} x {b.samples}",
            hint="compare records of one stimulus",
        )
    _chosen(_whole(a, reads), _whole(b, reads), populations)
    compared: list[PopulationVerdict] = []
    missing: dict[str, str] = {}
    for read in reads:
        one, other = (_whole(tally, [read]) for tally in (a, b))
        for name in _names(one) + [name for name in _names(other) if name not in _names(one)]:
            if populations is not None and name not in populations:
                continue
            if name in _names(one) and name in _names(other):
                compared.append(_of_samples(name, read, a.steps, one, other))
            else:
                by = "expected" if name in _names(one) else "measured"
                missing[name] = f"only the {by} record has {read!r} of {name!r}"
    return Verdict(
        expected=a.source,
        measured=b.source,
        steps=a.steps,
        samples=a.samples,
        populations=tuple(compared),
        missing=tuple(missing),
        manifests={a.source: dict(a.manifest), b.source: dict(b.manifest)},
        left_out=missing,
        outputs=tuple(dict.fromkeys([*a.outputs.values(), *b.outputs.values()])),
        allow_silent=allow_silent,
        reads=tuple(reads),
        apart=disagreements(a, b, same_network=same_network),
    )


def _whole(tally: Tally, reads: Sequence[str]) -> SpikeRecord:
    """Some reads as a record of a single step, in which who never spiked has 0."""
    of_spikes = {
        name: (tally.steps - values if read == "first" else values)[None]
        for read in reads
        if read in OF_SPIKES
        for name, values in tally.values[read].items()
    }
    rest = [tally.values[read] for read in reads if read not in OF_SPIKES]
    membrane = {name: values[None] for values_of in rest for name, values in values_of.items()}
    return SpikeRecord(of_spikes, membrane, tally.scale, tally.source, tally.dt, tally.outputs)


def _of_samples(name: str, read: str, steps: int, a: SpikeRecord, b: SpikeRecord) -> PopulationVerdict:
    found = _compare(name, "spikes", a, b) if name in a.spikes else _compare_membranes(name, a, b)
    first = found.first and replace(found.first, step=None)
    if read == "first":
        first = first and replace(first, expected=steps - first.expected, measured=steps - first.measured)
        found = replace(found, spikes_expected=0, spikes_measured=0)
    return replace(found, kind=read, first=first)


_BOTH = "both"


def _holder(name: str, expected: Mapping[str, np.ndarray], measured: Mapping[str, np.ndarray]) -> str:
    """Which record holds a population: "both", "expected", "measured", or "" for neither."""
    if name in expected:
        return _BOTH if name in measured else "expected"
    return "measured" if name in measured else ""


def _names(record: SpikeRecord) -> list[str]:
    return [*record.spikes, *(name for name in record.membrane if name not in record.spikes)]


def _chosen(expected: SpikeRecord, measured: SpikeRecord, populations: Sequence[str] | None) -> list[str]:
    """The populations to compare, of those that either record holds. Raises :class:`UnknownPopulation`."""
    theirs, ours = _names(expected), _names(measured)
    names = list(dict.fromkeys([*theirs, *ours]))
    if populations is not None:
        unknown = sorted(set(populations) - set(names))
        if unknown:
            hint = meant(unknown, names, "populations:")
            raise UnknownPopulation(f"no record holds {', '.join(unknown)}", hint=hint)
        if not populations:
            raise UnknownPopulation(
                "nothing to compare: no population is asked for", hint=f"there are {', '.join(names)}"
            )
        names = [name for name in names if name in populations]
    if not set(theirs) & set(ours) & set(names):
        raise UnknownPopulation(
            "nothing to compare: the records have no population in common",
            hint=f"{expected.source}: {', '.join(theirs) or 'none'}; {measured.source}: {', '.join(ours) or 'none'}",
        )
    return names


def _step_by_step(expected: SpikeRecord, measured: SpikeRecord) -> tuple[SpikeRecord, SpikeRecord]:
    """Two records of one run, as the graph counts steps where they lag behind it differently.

    Raises:
        InputShapeError: they are of different runs, or too short for what lags.
    """
    if dict(expected.latency) != dict(measured.latency) and expected.steps == measured.steps:
        steps = min(expected.aligned().steps, measured.aligned().steps)
        if not steps:
            latency = max([*expected.latency.values(), *measured.latency.values()])
            raise InputShapeError(
                f"a run of {expected.steps} steps shows nothing of populations that lag {latency} steps behind",
                hint="give the stimulus more steps",
            )
        expected, measured = expected.aligned(steps), measured.aligned(steps)
    if (expected.steps, expected.samples) != (measured.steps, measured.samples):
        raise InputShapeError(
            f"the records are of different runs: {expected.source} has {expected.steps} steps x "
            f"{expected.samples} samples, {measured.source} {measured.steps} x {measured.samples}",
            hint="compare records of one stimulus",
        )
    return expected, measured


def _compare_membranes(name: str, expected: SpikeRecord, measured: SpikeRecord) -> PopulationVerdict:
    found = _compare(name, "membrane", expected, measured)
    if found.unlike:
        return found
    unlike = _unlike(name, expected, measured)
    if {_form(name, expected), _form(name, measured)} != {_EXACT, _SCALED}:
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


#: Forms of a membrane, (whole numbers, in units of a scale): the float reference's, and integers of a scale.
_EXACT, _SCALED = (False, False), (True, True)


def _form(name: str, record: SpikeRecord) -> tuple[bool, bool]:
    return record.membrane[name].dtype.kind in "biu", name in record.scale


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


def worst(by_neuron: np.ndarray) -> tuple[int, ...] | None:
    """The neuron with the most differences, if there is any."""
    if not by_neuron.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(by_neuron.argmax()), by_neuron.shape))


def _compare(name: str, kind: str, a: SpikeRecord, b: SpikeRecord) -> PopulationVerdict:
    """Spikes or membranes that both records hold, value by value."""
    expected, measured = (r.spikes[name] if kind == "spikes" else r.membrane[name] for r in (a, b))
    if expected.shape != measured.shape:
        one, other = (
            f"shape {values.shape[2:]} in {values.shape[0]} steps x {values.shape[1]} samples in {source}"
            for values, source in ((expected, a.source), (measured, b.source))
        )
        raise InputShapeError(f"population {name!r} has {one}, {other}", hint="compare records of one network")
    differs = expected != measured
    first = None
    per_neuron = differs.sum(axis=(0, 1))
    if differs.any():
        step, sample, *neuron = np.argwhere(differs)[0].tolist()
        where = (step, sample, *neuron)
        first = Divergence(name, tuple(neuron), step, sample, float(expected[where]), float(measured[where]))
    spikes = kind == "spikes"
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
        unlike=flaw(expected, measured, counts=spikes),
        silent=not expected.any() and not measured.any(),
        by_neuron=per_neuron,
    )
