"""nirdeploy evaluate: how often the class is right, on every witness, and what finding it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import devices, events, options, ready, ui, units
from nirdeploy.errors import UsageProblem, meant_file

if TYPE_CHECKING:
    import numpy as np

    from nirdeploy.proof.energy.modelled import Energy
    from nirdeploy.proof.evaluate import Evaluation
    from nirdeploy.proof.neurobench import Metrics
    from nirdeploy.proof.scale.run import Who
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.records.tally import Tally

_SHOWN_STEPS = 10
_SHOWN_CLASSES = 12


@click.command("evaluate")
@click.argument("what", type=click.Path(path_type=Path))
@click.option("-x", "--stimulus", type=click.Path(path_type=Path), help="Stimulus for a build folder.")
@events.asked
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(path_type=Path),
    help="Classes of the samples, .npy or 'labels' of an .npz.",
)
@options.target_again
@options.port
@click.option(
    "--reader",
    help="How a class is read: 'count' (most spikes), 'first' (spike), 'sum', 'last' or 'largest' (membrane); by "
    "default 'count', or 'sum' where the output has no spikes.",
)
@click.option("--output", help="The population or Output to read, if not the first.")
@click.option("--top", type=click.IntRange(min=1), default=1, help="Also how often the label is among the K first.")
@click.option("--metrics", "neurobench", is_flag=True, help="NeuroBench's metrics too, of a build.")
@click.option("--tally", is_flag=True, help="The device sends what the reader needs of each sample, and no step.")
@options.at_scale
@options.as_json
def command(
    what: Path,
    stimulus: Path | None,
    labels_file: Path | None,
    target: str | None,
    port: str | None,
    baud: int | None,
    reader: str | None,
    output: str | None,
    top: int,
    neurobench: bool,
    tally: bool,
    scheduler: str | None,
    workers: int | None,
    chunk: int | None,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Accuracy, confusion and cost of a classification.

    \b
    evaluate BUILD -x STIMULUS -p PORT        float model, integer simulator and device
    evaluate RECORD.nird --labels LABELS      a record

    Labels stand in the stimulus' .npz as 'labels', or in a file of their own. The interval is Wilson's, at 95 %.
    A synaptic operation is a weight taken for a spike (or number) that arrived. The energy of a build is modelled, not
    measured: a range over published models (docs/energy.md). What NeuroBench counts (--metrics) is said in
    docs/neurobench.md.

    With --workers, --scheduler, --chunk or --keep a data set (an .npy or .npz file, or a folder of these) is evaluated
    chunk by chunk, and need not fit in memory; the result is the same for any number of workers (docs/scale.md).
    """
    from nirdeploy import evaluate

    who = options.who(scheduler, workers, chunk, keep)
    if who is not None:
        if neurobench:
            raise UsageProblem("metrics are of a batch as a whole", hint="leave out --metrics, or the workers")
        asked = {"port": port, "baud": baud, "reader": reader, "output": output}
        scored, spent = _chunks(what, target, stimulus, labels_file, who, as_json, tally=tally, **asked)
        _tell(scored, spent, [], top, as_json)
        return
    if what.is_dir():
        run = partial(devices.tallied if tally else devices.measured, port=port, baud=baud, quiet=as_json)
        if tally:
            if neurobench:
                raise UsageProblem("metrics count what happens in every step", hint="leave out --tally")
            run = partial(run, reader=reader, output=output)
        seen = _of_build(what, target, stimulus, labels_file, run, neurobench, port)
    else:
        seen = _of_record(what, stimulus, labels_file, neurobench)
    found = [
        evaluate(record, seen.labels, reader, output, **({} if record.source == "float" else seen.rounded))
        for record in seen.records
    ]
    _tell(found, seen.costs, seen.counted, top, as_json)


def _tell(
    found: Sequence[Evaluation], costs: Sequence[Energy | None], counted: Sequence[Metrics], top: int, as_json: bool
) -> None:
    if as_json:
        priced = [None if cost is None else cost.as_dict() for cost in costs]
        witnesses = [one.as_dict(top) | {"energy": cost} for one, cost in zip(found, priced, strict=True)]
        for witness, own in zip(witnesses, counted, strict=False):
            witness["neurobench"] = own.as_dict()
        ui.result("evaluate", {"witnesses": witnesses})
        ui.warn(f"{one.source}: {one.doubt}" for one in found if one.vacuous)
    else:
        _show(found, costs, top)
        _show_metrics(counted)


@dataclass(frozen=True)
class _Seen:
    """Records of one stimulus, their labels and costs; ``rounded``: what counts the operations of the integers."""

    records: list[SpikeRecord | Tally]
    labels: np.ndarray
    costs: list[Energy | None]
    rounded: dict[str, Any] = field(default_factory=dict)
    counted: list[Metrics] = field(default_factory=list)


def _of_build(
    folder: Path,
    target: str | None,
    stimulus: Path | None,
    labels_file: Path | None,
    run: Callable[..., SpikeRecord | Tally],
    neurobench: bool,
    port: str | None,
) -> _Seen:
    """Every witness of a build."""
    from nirdeploy import Tally, energy, metrics, pipeline, simulate
    from nirdeploy.proof.neurobench import with_membrane

    if stimulus is None:
        raise UsageProblem("evaluating a build needs a stimulus", hint=f"evaluate {folder} -x STIMULUS.npz [-p PORT]")
    built = pipeline.Build.load(folder, target)
    ready.to_open(options.port_of(port, built.target), built.target)
    x, beside = options.stimulus(stimulus, lambda: built.network.inputs)
    labels = _labels(beside, labels_file)
    with ui.doing("simulating"):
        membranes = with_membrane(built.network) if neurobench else ()
        records: list[Any] = [simulate(built.graph, x, membrane=membranes), simulate(built, x, membrane=membranes)]
    records.append(run(built, x, "all"))
    counted = [metrics(built, record, x) for record in records] if neurobench else []
    costs = [None, *(None if isinstance(record, Tally) else energy(built, record, x) for record in records[1:])]
    return _Seen(records, labels, costs, {"network": built.network, "x": x}, counted)


def _chunks(
    folder: Path, target: str | None, stimulus: Path | None, labels_file: Path | None, who: Who, quiet: bool,
    *, tally: bool, **asked: Any,
) -> tuple[Sequence[Evaluation], list[Energy | None]]:  # fmt: skip
    """Every witness of a build over a data set, chunk by chunk, and what it costs."""
    from nirdeploy import pipeline
    from nirdeploy.proof.energy.modelled import priced
    from nirdeploy.proof.scale.run import How
    from nirdeploy.proof.scale.verbs import evaluate_build

    if stimulus is None or not folder.is_dir():
        raise UsageProblem("a build and a stimulus are evaluated chunk by chunk", hint="evaluate BUILD -x STIMULUS.npz")
    built = pipeline.Build.load(folder, target)
    if who["scheduler"] is None:
        ready.to_open(options.port_of(asked["port"], built.target), built.target)
    known = None if labels_file is None else options.labels_of(labels_file)
    samples = options.samples(stimulus, known, lambda: built.network.inputs)
    with ui.doing("chunks") as bar:
        how = replace(How.of(**who), on_chunk=bar)
        found = evaluate_build(built, samples, how=how, tally=tally, **asked)
    return found.evaluations, [None if ran is None else priced(built, ran) for ran in found.ran]


def _of_record(path: Path, stimulus: Path | None, labels_file: Path | None, neurobench: bool) -> _Seen:
    from nirdeploy.records.tally import load

    if not path.exists():
        raise UsageProblem("there is no such build folder or record", where=str(path), hint=meant_file(path))
    if stimulus is not None:
        raise UsageProblem("a record has its stimulus behind it", hint=f"evaluate {path} --labels LABELS.npy")
    if neurobench:
        raise UsageProblem("metrics are of a network and its stimulus", hint="evaluate BUILD -x STIMULUS --metrics")
    return _Seen([load(path)], _labels(None, labels_file), [None])


def _labels(beside: np.ndarray | None, file: Path | None) -> np.ndarray:
    if file is not None:
        return options.labels_of(file)
    if beside is None:
        raise UsageProblem(
            "there are no labels to evaluate against",
            hint="save them as 'labels' in the stimulus' .npz, or name a file with --labels",
        )
    return beside


def _show(found: Sequence[Evaluation], costs: Sequence[Energy | None], top: int) -> None:
    import numpy as np

    from nirdeploy.proof.report.tables import rows_table

    told = [_row(one, cost, top) for one, cost in zip(found, costs, strict=True)]
    ui.show(rows_table(f"accuracy by {found[0].reader} of {found[0].output}", told))
    for one in found:
        if one.doubt and not one.vacuous:
            ui.say(f"{one.source}: {one.doubt}")
    ui.warn(f"{one.source}: {one.doubt}" for one in found if one.vacuous)
    for one, cost in reversed([*zip(found, costs, strict=True)]):
        if cost is not None:
            _show_energy(one.source, cost)
            break
    if stepwise := [one for one in found if not one.whole]:
        steps = stepwise[-1].over_steps.size
        shown = np.unique(np.linspace(0, steps - 1, min(steps, _SHOWN_STEPS)).astype(int))
        rows = [
            {"after step": str(t + 1)} | {one.source: _percent(one.over_steps[t]) for one in stepwise} for t in shown
        ]
        ui.show(rows_table("accuracy over steps", rows))
    last = found[-1]
    if last.classes > _SHOWN_CLASSES:
        ui.say(f"per class and confusion, {last.classes} classes: with --json")
        return
    rows = []
    for label, (read, right) in enumerate(zip(last.confusion, last.per_class, strict=True)):
        counts = {str(one): str(count) for one, count in enumerate(read)}
        rows.append({"label": str(label), **counts, "right": "no sample" if np.isnan(right) else _percent(right)})
    ui.show(rows_table(f"{last.source}: samples of a label (row) read as (column)", rows))


def _show_energy(source: str, cost: Energy | None) -> None:
    """What each model says of a witness, of which there may be no account."""
    from nirdeploy.proof.energy.modelled import LABEL
    from nirdeploy.proof.report.tables import rows_table

    if cost is None:
        return
    sources = list(dict.fromkeys(one.source for one in cost.estimates))
    rows: list[dict[str, object]] = [
        {
            "model": one.model,
            "energy": units.joules(one.low, one.high),
            "source": f"[{1 + sources.index(one.source)}]",
        }
        for one in cost.estimates
    ]
    ui.show(rows_table(f"{source}: energy per sample, {LABEL} (docs/energy.md)", rows))
    for number, said in enumerate(sources, 1):
        ui.say(f"[{number}] {said}")
    ui.warn(f"{source}: {warning}" for warning in cost.warnings)


def _row(one: Evaluation, cost: Energy | None, top: int) -> dict[str, object]:
    low, high = one.interval
    return {
        "witness": one.source,
        "samples": len(one.labels),
        "accuracy": _percent(one.accuracy),
        "95 % interval": f"{100 * low:.1f} to {100 * high:.1f} %",
        **({f"top {top}": _percent(one.top(top))} if top > 1 else {}),
        "steps needed": "" if one.steps_needed is None else one.steps_needed,
        "spikes per sample": f"{sum(one.spikes.values()):,.1f}",
        "spikes per neuron, step": "" if cost is None else f"{cost.counts.rate:.4f}",
        "operations per sample": "" if one.operations is None else f"{one.operations:,.0f}",
        "energy per sample": "" if cost is None else units.joules(cost.low, cost.high),
    }


def _show_metrics(counted: Sequence[Metrics]) -> None:
    from nirdeploy.proof.report.tables import rows_table

    if counted:
        ui.show(rows_table("NeuroBench's metrics, operations and updates per sample", list(map(_counts, counted))))


def _counts(one: Metrics) -> dict[str, object]:
    return {
        "witness": one.source,
        "parameters": one.parameters,
        "footprint (bytes)": f"{one.footprint:,.0f}",
        "image (bytes)": "" if one.image_bytes is None else one.image_bytes,
        "connection sparsity": f"{one.connection_sparsity:.4f}",
        "activation sparsity": f"{one.activation_sparsity:.4f}",
        "effective MACs": f"{one.macs:,.1f}",
        "effective ACs": f"{one.acs:,.1f}",
        "dense": f"{one.dense:,.1f}",
        "membrane updates": "" if one.membrane_updates is None else f"{one.membrane_updates:,.1f}",
    }


def _percent(part: float) -> str:
    return f"{100 * part:.2f} %"
