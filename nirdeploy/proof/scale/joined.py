"""joined: verdicts, explanations and evaluations of parts of the samples, as those of all of them.

What adds up is added up in whole numbers, or summed exactly: how the samples were cut does not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from nirdeploy.proof.cells import root_mean, worst
from nirdeploy.proof.evaluate import Evaluation
from nirdeploy.proof.explain import ROUNDINGS, Cause, Explanation
from nirdeploy.proof.verdict import Divergence, PopulationVerdict, Verdict
from nirdeploy.records.spikes import STIMULUS

_CAUSES = ("input", *ROUNDINGS, "state")


def verdict(parts: Sequence[Verdict]) -> Verdict:
    """Of samples one after the other. What it says of its records leaves out the stimulus: each part has its own."""
    one, begins = parts[0], _begins([part.samples for part in parts])
    told = {source: {k: v for k, v in said.items() if k != STIMULUS} for source, said in (one.manifests or {}).items()}
    columns = zip(*(part.populations for part in parts), strict=True)
    return replace(
        one,
        samples=sum(part.samples for part in parts),
        populations=tuple(_population(column, begins) for column in columns),
        missing=_each_once(name for part in parts for name in part.missing),
        left_out={name: why for part in parts for name, why in part.left_out.items()},
        apart=_each_once(why for part in parts for why in part.apart),
        notes=_each_once(note for part in parts for note in part.notes),
        manifests=told,
    )


def _population(parts: Sequence[PopulationVerdict], begins: Sequence[int]) -> PopulationVerdict:
    one, cells = parts[0], sum(part.cells for part in parts)
    firsts = [_later(part.first, begin) for part, begin in zip(parts, begins, strict=True)]
    found = replace(
        one,
        cells=cells,
        spikes_expected=sum(part.spikes_expected for part in parts),
        spikes_measured=sum(part.spikes_measured for part in parts),
        mismatches=sum(part.mismatches for part in parts),
        first=min((first for first in firsts if first), key=_place, default=None),
        decides=any(part.decides for part in parts),
        max_error=max(part.max_error for part in parts),
        unlike=next((part.unlike for part in parts if part.unlike), ""),
        silent=all(part.silent for part in parts),
    )
    differing = [part.by_neuron for part in parts if part.by_neuron is not None]
    if differing:
        every = np.sum(differing, axis=0)
        found = replace(found, by_neuron=every, neurons=int((every > 0).sum()), worst_neuron=worst(every))
    squares = [part.squares for part in parts if part.squares is not None]
    if squares:
        every = np.concatenate(squares)
        found = replace(found, squares=every, rms_error=root_mean(every, cells))
    return found


def explanation(parts: Sequence[Explanation]) -> Explanation:
    """Of samples one after the other."""
    samples = [part.verdict.samples for part in parts]
    whole = verdict([part.verdict for part in parts])
    firsts = [_later(part.first, begin) for part, begin in zip(parts, _begins(samples), strict=True)]
    first = whole.first_divergence
    causes = []
    for rounding in _CAUSES:
        own = [cause for part in parts for cause in part.causes if cause.rounding == rounding]
        if own:
            differing = {name: sum(cause.differing[name] for cause in own) for name in own[0].differing}
            causes.append(Cause(rounding, differing, _mean([cause.accuracy for cause in own], samples)))
    return Explanation(
        verdict=whole,
        first=first,
        margins=next((part.margins for part, own in zip(parts, firsts, strict=True) if own == first), None),
        causes=tuple(sorted(causes, key=lambda cause: -sum(cause.differing.values()))),
        float_accuracy=_mean([part.float_accuracy for part in parts], samples),
        integer_accuracy=_mean([part.integer_accuracy for part in parts], samples),
        remarks=parts[0].remarks,
    )


def evaluation(parts: Sequence[Evaluation]) -> Evaluation:
    """Of samples one after the other; the scores are not kept."""
    one, samples = parts[0], [len(part.labels) for part in parts]
    total = sum(samples)
    operations = [part.operations for part in parts if part.operations is not None]
    return replace(
        one,
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.empty((0, total, one.classes)),
        decisions=np.concatenate([part.decisions for part in parts], axis=1),
        ranks=np.concatenate([part.ranks for part in parts]),
        decided=np.concatenate([part.decided for part in parts]),
        spikes={name: _all([part.spikes[name] for part in parts], samples) / total for name in one.spikes},
        operations=_all(operations, samples) / total if len(operations) == len(parts) else None,
    )


def _mean(shares: Sequence[float | None], samples: Sequence[int]) -> float | None:
    """Of shares of samples that of all, if there are any."""
    known = [share for share in shares if share is not None]
    return _all(known, samples) / sum(samples) if len(known) == len(samples) else None


def _all(per_sample: Sequence[float], samples: Sequence[int]) -> int:
    """What was counted, from what it is per sample."""
    return sum(round(each * count) for each, count in zip(per_sample, samples, strict=True))


def _begins(samples: Sequence[int]) -> list[int]:
    return [0, *accumulate(samples)][:-1]


def _later(first: Divergence | None, begin: int) -> Divergence | None:
    return first and replace(first, sample=first.sample + begin)


def _place(first: Divergence) -> tuple[int, int, tuple[int, ...]]:
    return first.step or 0, first.sample, first.neuron


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
