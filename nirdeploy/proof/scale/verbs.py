"""verbs: verify and evaluate as Python calls them, of records or of a whole build over a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack, overload

import numpy as np

from nirdeploy.errors import UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof import evaluate as scoring
from nirdeploy.proof import verify as comparing
from nirdeploy.proof.coverage.judge import Ledger, first_samples
from nirdeploy.proof.evaluate import Evaluation, class_numbers
from nirdeploy.proof.scale.chunk import EVALUATE, VERIFY, Asked
from nirdeploy.proof.scale.parts import Built, Evaluated, Verified, compared
from nirdeploy.proof.scale.run import How, Who, judge, port_of
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records.samples import Samples
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally, check
from nirdeploy.sim.simulate import Quantized

Record = SpikeRecord | Tally
Probe = str | Sequence[str]

#: Where no coverage is asked for, it is that of the first samples, of so many numbers (steps x samples x neurons);
#: where one sample is of more than the second, none.
NUMBERS, ONE_SAMPLE = 1 << 24, 1 << 26


@overload
def verify(
    expected: Record,
    measured: Record,
    *,
    populations: Sequence[str] | None = None,
    allow_silent: bool = False,
    same_network: bool = True,
    built: IntegerNetwork | Quantized | None = None,
    x: Any = None,
) -> Verdict: ...


@overload
def verify(
    expected: Built,
    measured: Any,
    *,
    probe: Probe = "all",
    allow_silent: bool = False,
    port: str | None = None,
    baud: int | None = None,
    **who: Unpack[Who],
) -> Verdict: ...


def verify(expected: Any, measured: Any, **options: Any) -> Verdict:
    """Two records compared; or the integer simulator and a device on a data set, chunk by chunk.

    Args:
        expected, measured: two records, as :func:`nirdeploy.proof.verify.verify` takes them, and its options; or a
            Build and samples, as :meth:`nirdeploy.records.samples.Samples.of` takes them.
        probe, allow_silent: as the command's. port: of every worker; None: with a scheduler, the board of each of its
            workers; else "virtual", or "sim" where the target has no board. scheduler, workers, chunk, keep, on_chunk:
            who judges, and how: :class:`nirdeploy.proof.scale.run.How`.

    Raises: as simulators, devices and :func:`nirdeploy.proof.verify.verify`; ToolMissing: the workers.
    """
    if isinstance(expected, Record):
        return comparing.verify(expected, measured, **options)
    return verify_build(expected, _samples(expected, measured), **_how(options)).verdict


@overload
def evaluate(
    what: Record,
    labels: np.ndarray,
    reader: str | None = None,
    output: str | None = None,
    network: IntegerNetwork | None = None,
    x: Any = None,
) -> Evaluation: ...


@overload
def evaluate(
    what: Built,
    labels: np.ndarray | None = None,
    reader: str | None = None,
    output: str | None = None,
    *,
    x: Any,
    port: str | None = None,
    baud: int | None = None,
    **who: Unpack[Who],
) -> tuple[Evaluation, ...]: ...


def evaluate(
    what: Any,
    labels: np.ndarray | None = None,
    reader: str | None = None,
    output: str | None = None,
    network: IntegerNetwork | None = None,
    x: Any = None,
    **options: Any,
) -> Evaluation | tuple[Evaluation, ...]:
    """A record read against labels; or every witness of a build (float, integer, device), chunk by chunk.

    Args:
        what: a record, and all else as :func:`nirdeploy.proof.evaluate.evaluate`; or a Build.
        labels: int (B,); of a Build None where ``x`` has them.
        x: of a Build, the samples, as :meth:`nirdeploy.records.samples.Samples.of` takes them.
        options: port and baud, and who judges, as of :func:`verify`.

    Raises: as simulators, devices and :func:`nirdeploy.proof.evaluate.evaluate`; ToolMissing: the workers.
    """
    if isinstance(what, Record):
        if labels is None:
            raise UsageProblem("there are no labels to evaluate against", hint="give the class of each sample")
        return scoring.evaluate(what, labels, reader, output, network, x)
    samples = _samples(what, x, labels)
    return evaluate_build(what, samples, reader=reader, output=output, **_how(options)).evaluations


def _samples(built: Built, x: Any, labels: Any = None) -> Samples:
    return Samples.of(x, labels, lambda: built.network.inputs)


def _how(options: Mapping[str, Any]) -> dict[str, Any]:
    """Who judges in one."""
    who = {name: value for name, value in options.items() if name in Who.__annotations__}
    return {**{name: value for name, value in options.items() if name not in who}, "how": How.of(**who)}


def verify_build(
    built: Built,
    samples: Samples,
    *,
    probe: Probe = "all",
    allow_silent: bool = False,
    port: str | None = None,
    baud: int | None = None,
    cover: float | None = None,
    bits: int | None = None,
    how: How | None = None,
) -> Verified:
    """All witnesses of a build on samples: as :func:`verify`, and what else is known of them.

    Args:
        cover: the coverage that is asked for, in percent, of faults of so many ``bits``; without it that of the first
            samples is told, if not of very large networks.
    """
    port, how = port_of(port, built.target, how or How())
    looked = samples.count if cover is not None else _first(built, samples)
    named = probe if isinstance(probe, str) else tuple(probe)
    asked = Asked(VERIFY, port, baud, named, allow_silent, bits)
    parts = [part for part in judge(built, _whole_labels(samples), asked, how, looked) if isinstance(part, Verified)]
    found = Verified.joined(parts)
    if not looked:
        return found
    ledger = Ledger(built.network, compared(built.network, probe), bits=bits)
    for part in parts:
        if part.exercised:
            ledger.absorb(part.exercised)
    covered = replace(ledger.coverage(), given=samples.count)
    return replace(found, verdict=replace(found.verdict, coverage=covered, cover=cover))


def evaluate_build(
    built: Built,
    samples: Samples,
    *,
    reader: str | None = None,
    output: str | None = None,
    tally: bool = False,
    port: str | None = None,
    baud: int | None = None,
    how: How | None = None,
) -> Evaluated:
    """All witnesses of a build on samples; ``tally``: the device says what is read of each, and no step."""
    if samples.labels is None:
        raise UsageProblem(
            "there are no labels to evaluate against",
            hint="save them as 'labels' in the stimulus' .npz, or name a file with --labels",
        )
    port, how = port_of(port, built.target, how or How())
    asked = Asked(EVALUATE, port, baud, reader=reader, output=output)
    if tally:
        read, name = read_of(built.network, reader, output)
        asked = replace(asked, tally=(read,), probe=(name,))
    parts = judge(built, _whole_labels(samples), asked, how)
    return Evaluated.joined([part for part in parts if isinstance(part, Evaluated)])


def read_of(network: IntegerNetwork, reader: str | None, output: str | None) -> tuple[str, str]:
    """What a tally has to hold to be evaluated: a read, of which population or Output.

    Raises :class:`UsageProblem` where there is no such read.
    """
    outputs = dict(network.outputs)
    name = output or next(iter(outputs.values()))
    read = reader or ("count" if network.neurons(outputs.get(name, name)).spiking else "sum")
    check([read])
    return read, name


def _first(built: Built, samples: Samples) -> int:
    """Of how many samples what they exercised is told without being asked."""
    if samples.steps * sum(p.size for p in built.network.populations) > ONE_SAMPLE:
        return 0
    return first_samples(built.network, samples.steps, samples.count, NUMBERS)


def _whole_labels(samples: Samples) -> Samples:
    """With labels that are class numbers. Raises :class:`InputShapeError`."""
    labels = samples.labels
    return samples if labels is None else samples.labelled(class_numbers(labels, samples.count, samples.steps))
