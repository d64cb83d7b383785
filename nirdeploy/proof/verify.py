"""verify: two records of one network on one stimulus, compared spike for spike, or sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof import cells
from nirdeploy.proof.agreement import disagreements, manifests, remarks, saturations
from nirdeploy.proof.causes import search
from nirdeploy.proof.chosen import chosen
from nirdeploy.proof.tallied import sample_by_sample
from nirdeploy.proof.verdict import PopulationVerdict, Verdict
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally
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

    Where populations of the float reference keep to the graph and those of integers lag behind it (``latency``), they
    are compared step by step of the graph; integers and devices lag alike. Spikes must be equal, and so must membranes
    that both records hold, in value and in form: whole numbers or not, and the scale. Only a reference's membranes
    (floats, without a scale) against integers of a scale are measured and decide nothing; where an output is only
    measured, the records are not equal. The records must be of one network and one run: seconds per step, outputs and,
    where both have it, the digests of network and stimulus agree, or the verdict says which does not; so do the numbers
    of updates that saturated, where no line lost steps. Records in which no population spikes show nothing, however
    equal they are; that no output spikes, or some population never, is said.

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
        return sample_by_sample(expected, measured, populations, allow_silent, same_network)
    for record in (expected, measured):
        if not isinstance(record, SpikeRecord):
            raise UsageProblem(
                f"verify compares two records, not a {type(record).__name__}",
                hint="nirdeploy.simulate(built, x) or nirdeploy.run(device, x) gives one",
            )
    verdict = _step_for_step(expected, measured, populations, allow_silent, same_network)
    if built is None or x is None or not verdict.mismatches:
        return verdict
    return _caused(verdict, built, x, expected, measured)


def _caused(
    verdict: Verdict, built: IntegerNetwork | Quantized, x: Any, expected: SpikeRecord, measured: SpikeRecord
) -> Verdict:
    """The verdict with what would make a device differ so, or with why that was not looked for."""
    why = ""
    if measured.in_floats:
        why = "the measured record is a reference's in floats, which no fault of a device explains"
    elif run := disagreements(expected, measured, same_network=False):  # of another network: what differs may be said
        why = f"the records are not of one run: {run[0]}"
    elif odd := [p.population for p in verdict.populations if p.unlike and p.decides]:
        why = f"the values of {', '.join(map(repr, odd))} cannot be judged"
    if not why:
        found = search.cause(built, x, measured)
        if found.differing or found.remarks:
            return replace(verdict, cause=found)
        why = "the measured record's spikes and read-outs are those of the build's own integers"
    return replace(verdict, notes=(*verdict.notes, f"no cause was looked for: {why}"))


def _step_for_step(
    expected: SpikeRecord,
    measured: SpikeRecord,
    populations: Sequence[str] | None,
    allow_silent: bool,
    same_network: bool,
) -> Verdict:
    """As :func:`verify`, of two records."""
    names = chosen(expected, measured, populations)
    apart = disagreements(expected, measured, same_network=same_network)
    notes = remarks(expected, measured, same_network=same_network)
    counted = saturations(expected, measured)
    given = expected.steps
    if not apart:
        expected, measured = _by_the_graph(expected, measured)
    _of_one_run(expected, measured)
    if expected.steps < given:
        notes += (f"{given - expected.steps} of {given} steps were not compared, as populations lag behind the graph",)
    compared: list[PopulationVerdict] = []
    missing, left_out = [], {}
    for name in names:
        spikes = _holder(name, expected.spikes, measured.spikes)
        membrane = _holder(name, expected.membrane, measured.membrane)
        if spikes == _BOTH:
            compared.append(cells.of_spikes(name, expected, measured))
        if membrane == _BOTH:
            compared.append(cells.of_membranes(name, expected, measured))
        held = (("spikes", spikes), ("a membrane", membrane))
        if lacking := [f"only the {by} record has {what} of {name!r}" for what, by in held if by not in ("", _BOTH)]:
            left_out[name] = ", ".join(lacking)
        if spikes not in ("", _BOTH) or _BOTH not in (spikes, membrane):
            missing.append(name)
    if not any(p.mismatches for p in compared):
        apart += counted
    return Verdict(
        expected=expected.source,
        measured=measured.source,
        steps=expected.steps,
        samples=expected.samples,
        populations=tuple(compared),
        missing=tuple(missing),
        manifests=manifests(expected, measured),
        left_out=left_out,
        outputs=tuple(dict.fromkeys([*expected.outputs.values(), *measured.outputs.values()])),
        allow_silent=allow_silent,
        apart=apart,
        notes=notes,
        records=(expected, measured),
    )


def unmeasured(expected: SpikeRecord, why: str) -> Verdict:
    """The verdict where there is no record to compare with: not equal, and ``why``."""
    told = {expected.source: dict(expected.manifest)}
    return Verdict(expected.source, "nothing", expected.steps, expected.samples, (), manifests=told, apart=(why,))


_BOTH = "both"


def _holder(name: str, expected: Mapping[str, np.ndarray], measured: Mapping[str, np.ndarray]) -> str:
    """Which record holds a population: "both", "expected", "measured", or "" for neither."""
    if name in expected:
        return _BOTH if name in measured else "expected"
    return "measured" if name in measured else ""


def _by_the_graph(expected: SpikeRecord, measured: SpikeRecord) -> tuple[SpikeRecord, SpikeRecord]:
    """Two records as the graph counts steps, where they lag behind it differently.

    Raises :class:`InputShapeError` where they are too short for what lags.
    """
    if dict(expected.latency) == dict(measured.latency) or expected.steps != measured.steps:
        return expected, measured
    steps = min(expected.aligned().steps, measured.aligned().steps)
    if not steps:
        latency = max([*expected.latency.values(), *measured.latency.values()])
        raise InputShapeError(
            f"a run of {expected.steps} steps shows nothing of populations that lag {latency} steps behind",
            hint="give the stimulus more steps",
        )
    return expected.aligned(steps), measured.aligned(steps)


def _of_one_run(expected: SpikeRecord, measured: SpikeRecord) -> None:
    """Raises :class:`InputShapeError` where the records are of so many other steps or samples."""
    if (expected.steps, expected.samples) != (measured.steps, measured.samples):
        raise InputShapeError(
            f"the records are of different runs: {expected.source} has {expected.steps} steps x "
            f"{expected.samples} samples, {measured.source} {measured.steps} x {measured.samples}",
            hint="compare records of one stimulus",
        )
