"""tallied: two records compared by what their samples came to, where one of them is a tally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from nirdeploy.errors import InputShapeError, UnknownPopulation
from nirdeploy.proof import cells
from nirdeploy.proof.agreement import disagreements, manifests, remarks, saturations
from nirdeploy.proof.chosen import chosen, names_of
from nirdeploy.proof.verdict import PopulationVerdict, Verdict
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import OF_MEMBRANES, OF_SPIKES, Tally


def sample_by_sample(
    expected: SpikeRecord | Tally,
    measured: SpikeRecord | Tally,
    populations: Sequence[str] | None,
    allow_silent: bool,
    same_network: bool,
) -> Verdict:
    """As :func:`nirdeploy.proof.verify.verify`, of the reads that the tally holds, or both do.

    A population that no such read tells of is missing; a read that only one tally has of others is said.
    """
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
    chosen(_whole(a, reads), _whole(b, reads), populations)
    compared: list[PopulationVerdict] = []
    lacking = dict(_held_besides(expected, measured, reads, populations))
    for read in reads:
        one, other = (_whole(tally, [read]) for tally in (a, b))
        for name in dict.fromkeys([*names_of(one), *names_of(other)]):
            if populations is not None and name not in populations:
                continue
            if name in names_of(one) and name in names_of(other):
                compared.append(_of_samples(name, read, a.steps, one, other))
            else:
                by = "expected" if name in names_of(one) else "measured"
                lacking[name] = f"only the {by} record has {read!r} of {name!r}"
    apart = disagreements(expected, measured, same_network=same_network)
    if not any(p.mismatches for p in compared):
        apart += saturations(expected, measured)
    seen = {p.population for p in compared}  # what is held of these besides is an extra
    return Verdict(
        expected=a.source,
        measured=b.source,
        steps=a.steps,
        samples=a.samples,
        populations=tuple(compared),
        missing=tuple(name for name in lacking if name not in seen),
        manifests=manifests(a, b),
        left_out=lacking,
        outputs=tuple(dict.fromkeys([*a.outputs.values(), *b.outputs.values()])),
        allow_silent=allow_silent,
        reads=tuple(reads),
        apart=apart,
        notes=remarks(expected, measured, same_network=same_network),
    )


def _held_besides(
    expected: SpikeRecord | Tally,
    measured: SpikeRecord | Tally,
    reads: Sequence[str],
    populations: Sequence[str] | None,
) -> Iterator[tuple[str, str]]:
    """What one record holds and no common read tells: by population, in words."""
    of_spikes, of_membranes = (any(read in reads for read in kind) for kind in (OF_SPIKES, OF_MEMBRANES))
    for by, one in (("expected", expected), ("measured", measured)):
        if isinstance(one, Tally):
            besides = [(name, repr(read)) for read, held in one.values.items() if read not in reads for name in held]
        else:
            besides = [(name, "spikes") for name in one.spikes if not of_spikes]
            alone = [name for name in one.membrane if name not in one.spikes]  # beside spikes it is an extra
            besides += [(name, "a membrane") for name in alone if not of_membranes]
        for name, what in besides:
            if populations is None or name in populations:
                yield name, f"of {name!r} only the {by} record has {what}, which was not compared"


def _whole(tally: Tally, reads: Sequence[str]) -> SpikeRecord:
    """Some reads as a record of a single step, in which who never spiked has 0."""
    of_spikes = {
        name: (tally.steps - values.astype(np.int64) if read == "first" else values)[None]
        for read in reads
        if read in OF_SPIKES
        for name, values in tally.values[read].items()
    }
    rest = [tally.values[read] for read in reads if read not in OF_SPIKES]
    membrane = {name: values[None] for values_of in rest for name, values in values_of.items()}
    return SpikeRecord(of_spikes, membrane, tally.scale, tally.source, tally.dt, tally.outputs)


def _of_samples(name: str, read: str, steps: int, a: SpikeRecord, b: SpikeRecord) -> PopulationVerdict:
    found = cells.of_spikes(name, a, b) if name in a.spikes else cells.of_membranes(name, a, b)
    first = found.first and replace(found.first, step=None)
    if read == "first":
        first = first and replace(first, expected=steps - first.expected, measured=steps - first.measured)
        found = replace(found, spikes_expected=0, spikes_measured=0)
    return replace(found, kind=read, first=first)
