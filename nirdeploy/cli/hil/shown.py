"""shown: where two records part, in lines."""

from __future__ import annotations

import numpy as np

from nirdeploy.errors import printable
from nirdeploy.proof.verdict import Divergence, PopulationVerdict, Verdict
from nirdeploy.records.spikes import SpikeRecord

_AROUND = 12  # steps before and after the first difference that are shown
_MOST = 12  # populations that are listed


def difference(verdict: Verdict, expected: SpikeRecord, measured: SpikeRecord) -> list[str]:
    """Lines: how much differs, where first, what is around it, and how much of every population."""
    if not verdict.mismatches:
        return [printable(verdict.summary())]
    differing = [one for one in verdict.populations if one.mismatches and one.decides]
    neurons = sum(one.neurons for one in differing)
    names = list(dict.fromkeys(one.population for one in differing))
    lines = [
        f"{verdict.measured} differs from {verdict.expected} in {verdict.mismatches:,} of {verdict.cells:,} cells: "
        f"{_many(neurons, 'neuron')} of {_many(len(names), 'population')}"
    ]
    if (first := verdict.first_divergence) is not None:
        lines += [f"  first: {first}", *_around(first, differing, expected, measured)]
    lines += ["", *_table(differing[:_MOST])]
    if len(differing) > _MOST:
        lines.append(f"  and {len(differing) - _MOST} more")
    lines += [f"  {said}" for said in verdict.remarks()]
    return [printable(line) for line in lines]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _around(
    first: Divergence, differing: list[PopulationVerdict], expected: SpikeRecord, measured: SpikeRecord
) -> list[str]:
    """The neuron's steps around its first difference, one record above the other."""
    kind = next((one.kind for one in differing if one.population == first.population and one.first == first), "")
    if first.step is None or kind not in ("spikes", "membrane"):
        return []
    rows = []
    for record in (expected.aligned(), measured.aligned()):
        held = record.spikes if kind == "spikes" else record.membrane
        rows.append(np.moveaxis(held[first.population], 0, -1)[(first.sample, *first.neuron)])
    start = max(0, first.step - _AROUND)
    words = [[f"{value:g}" for value in row[start : first.step + _AROUND + 1]] for row in rows]
    wide = max(len(word) for row in words for word in row)
    shown = [" ".join(word.rjust(wide) for word in row) for row in words]
    at = (first.step - start) * (wide + 1) + wide - 1
    steps = f"steps {start} to {start + len(words[0]) - 1} of that neuron, {kind}:"
    return [f"  {steps}", f"    expected  {shown[0]}", f"    measured  {shown[1]}", f"              {' ' * at}^"]


def _table(populations: list[PopulationVerdict]) -> list[str]:
    head = ("population", "what", "cells", "differ", "neurons", "worst neuron", "first at")
    rows = [
        (
            one.population,
            one.kind,
            f"{one.cells:,}",
            f"{one.mismatches:,}",
            f"{one.neurons:,}",
            str(one.worst_neuron[0] if one.worst_neuron and len(one.worst_neuron) == 1 else one.worst_neuron),
            "" if one.first is None else f"step {one.first.step}, sample {one.first.sample}",
        )
        for one in populations
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  " + "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
