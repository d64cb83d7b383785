"""nirdeploy verify: the witnesses of one network compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import devices, events, options, ready, ui
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    import numpy as np

    from nirdeploy.pipeline import Build
    from nirdeploy.proof.report.html import Report
    from nirdeploy.proof.scale.parts import Verified
    from nirdeploy.proof.scale.run import Who
    from nirdeploy.proof.verdict import Verdict
    from nirdeploy.records.spikes import SpikeRecord

_OF_A_DEVICE = "give one that a device made (nirdeploy run BUILD STIMULUS -p PORT -o MEASURED.nird)"
_NOT_LOOKED_AT = {"coverage": "not looked at, of so large a network only where it is asked for (--cover)"}


@click.command("verify")
@click.argument("what", type=click.Path(path_type=Path))
@click.argument("measured", type=click.Path(path_type=Path), required=False)
@click.option("-x", "--stimulus", type=click.Path(path_type=Path), help="Stimulus for a build folder.")
@events.asked
@options.target_again
@options.port
@options.probe
@options.allow_silent
@options.cover("Not equal where the stimulus exercises less of a build's parameters, in percent.")
@options.labels
@options.at_scale
@options.written("--html", "Write the report as one HTML page.")
@options.written("--junit", "Write JUnit XML.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    what: Path,
    measured: Path | None,
    stimulus: Path | None,
    target: str | None,
    port: str | None,
    baud: int | None,
    probe: str,
    allow_silent: bool,
    cover: float | None,
    cover_bits: int | None,
    labels: Path | None,
    scheduler: str | None,
    workers: int | None,
    chunk: int | None,
    keep: Path | None,
    html: Path | None,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Compare two records, or all witnesses of a build.

    \b
    verify EXPECTED.nird MEASURED.nird       two records
    verify BUILD -x STIMULUS -p PORT         float, integer simulator and device
    verify BUILD MEASURED.nird -x STIMULUS   the same, of a device's record that was kept

    Exit code 1 if integer simulator and device (or the two records) differ in a single spike or value of a
    read-out, if nothing was measured or compared (--port sim is the integer simulator itself, and a simulator's
    record is no device's), or if no population spiked, though a read-out moves: silence proves nothing, unless
    --allow-silent asks for it. Float against integer is quantization: it is explained, not judged.

    Of a build, what the stimulus exercised is said: of how many parameters a fault of one step would have shown.
    Where the device differs, the fault that would make it do so is looked for and said.

    With --workers, --scheduler, --chunk or --keep a data set (docs/scale.md) is judged chunk by chunk, and need
    not fit in memory; the result is the same for any number of workers.
    """
    from nirdeploy import pipeline

    _drawable(html)
    who = options.who(scheduler, workers, chunk, keep)
    if what.is_dir():
        kept = _kept(what, measured, stimulus, port, who)
        built = pipeline.Build.load(what, target)
        if kept is None and scheduler is None:
            ready.to_open(options.port_of(port, built.target), built.target)
        if who is not None:
            asked = {"probe": options.probes(probe), "allow_silent": allow_silent, "cover": cover, "bits": cover_bits}
            report = _chunks(built, Path(str(stimulus)), labels, who, as_json, port=port, baud=baud, **asked)
            return _told(report, html, junit, as_json)
        x, own = options.stimulus(Path(str(stimulus)), lambda: built.network.inputs)
        known = own if labels is None else options.labels_of(labels)
        report = _witnesses(built, x, known, port, baud, options.probes(probe), as_json, allow_silent, kept)
        report = _covered(report, built, x, options.probes(probe), cover, cover_bits, as_json)
    else:
        of_builds = (who, cover, cover_bits, stimulus, target)
        report = _records(what, _second(measured, *of_builds), probe, allow_silent, labels)
    return _told(report, html, junit, as_json)


def _drawable(html: Path | None) -> None:
    """Raises :class:`ToolMissing` where the page could not be drawn: before all is measured."""
    if html is not None:
        from nirdeploy.proof.report import library

        library.check()


def _second(
    measured: Path | None, who: Who | None, cover: float | None, bits: int | None, stimulus: Path | None, target: Any
) -> Path:
    """The measured record. Raises :class:`UsageProblem` where something is asked that is of builds."""
    if who is not None:
        raise UsageProblem("a data set is judged chunk by chunk of a build", hint="verify BUILD -x DATA --workers N")
    if cover is not None or bits is not None:
        raise UsageProblem("what a stimulus exercised is found of a build", hint="verify BUILD -x STIMULUS.npz")
    if measured is None or stimulus is not None or target is not None:
        raise UsageProblem(
            "verify takes two records, or a build folder and a stimulus",
            hint="verify EXPECTED.nird MEASURED.nird, or verify BUILD -x STIMULUS.npz",
        )
    return measured


def _told(report: Report, html: Path | None, junit: Path | None, as_json: bool) -> int:
    from nirdeploy.proof.report import html as page
    from nirdeploy.proof.report import junit as xml

    judged = report.verdicts[0]
    if html is not None:
        page.write(html, report)
    if junit is not None:
        xml.write(junit, [judged])
    _show(report, judged, as_json)
    return 0 if judged else ui.NOT_EQUAL


def _show(report: Report, judged: Verdict, as_json: bool) -> None:
    from nirdeploy.proof.report import tables, terms

    if as_json:
        explanation = report.explanation.as_dict() if report.explanation else None
        verdicts = [verdict.as_dict() for verdict in report.verdicts]
        data = {"equal": judged.equal, "verdicts": verdicts, "facts": dict(report.facts), "explanation": explanation}
        ui.result("verify", data)
    else:
        for verdict in report.verdicts:
            if verdict.populations:
                ui.show(tables.verdict_table(verdict))
        if judged.coverage is not None:
            ui.show(tables.rows_table("coverage", judged.coverage.rows()))
        for line in report.explanation.summary() if report.explanation else ():
            ui.say(f"float against integer: {line}")
        for name, value in report.facts.items():
            ui.say(f"{name}: {value:.4f}" if isinstance(value, float) else f"{name}: {value}")
        for line in () if judged.cause is None else judged.cause.lines()[1:]:
            ui.say(line)
        ui.say(judged.summary())
        ui.terms(
            terms.of("compared", ["cells", *(["coverage"] if judged.coverage else [])])
            | terms.of("facts", report.facts)
        )


def _records(expected: Path, measured: Path, probe: str, allow_silent: bool, labels: Path | None) -> Any:
    from nirdeploy import evaluate, verify
    from nirdeploy.proof.report import html
    from nirdeploy.records.tally import load

    a, b = load(expected), load(measured)
    chosen = None if probe == "all" else options.probes(probe)
    names = sorted(set(a.outputs.values())) if chosen == "outputs" else chosen
    verdict = verify(a, b, populations=names, allow_silent=allow_silent)
    if a.simulated and b.simulated and a.source == b.source:
        verdict = replace(verdict, notes=(*verdict.notes, "both are of the same simulator: no device was measured"))
    known = None if labels is None else options.labels_of(labels)
    named = (expected.name, measured.name)
    if expected.name == measured.name:
        named = (str(expected), str(measured))
    read = () if known is None else [evaluate(record, known) for record in (a, b)]
    facts = {f"accuracy, {name}": one.accuracy for name, one in zip(named, read, strict=False)}
    ui.warn(f"{name}: {one.doubt}" for name, one in zip(named, read, strict=False) if one.doubt)
    return html.Report(f"{named[1]} against {named[0]}", [verdict], facts=facts, evaluations=read)


def _witnesses(
    built: Build,
    x: Any,
    labels: np.ndarray | None,
    port: str | None,
    baud: int | None,
    probe: str | list[str],
    quiet: bool,
    allow_silent: bool,
    kept: SpikeRecord | None,
) -> Report:
    from nirdeploy import evaluate, explain, simulate, verify
    from nirdeploy.proof.report.witnesses import told
    from nirdeploy.proof.scale.parts import NOTHING_MEASURED, Verified
    from nirdeploy.proof.verify import unmeasured

    with ui.doing("simulating"):
        reference = simulate(built.graph, x, probe)
        quantized = simulate(built, x, probe)
        explanation = explain(built.graph, built.network, x, labels)
    if kept is None and options.port_of(port, built.target) == options.SIM:
        judged, pair = unmeasured(quantized, NOTHING_MEASURED), (reference, quantized)
    elif kept is not None and kept.simulated:
        why = f"nothing was measured: the record is of a simulator ({kept.source}); {_OF_A_DEVICE}"
        judged, pair = unmeasured(quantized, why), (reference, quantized)
    else:
        measured = devices.measured(built, x, probe, port, baud, quiet) if kept is None else kept
        names = None if probe == "all" else [*quantized.spikes, *quantized.membrane]
        with ui.doing("comparing, and looking for the cause of what differs"):
            judged = verify(quantized, measured, populations=names, allow_silent=allow_silent, built=built, x=x)
        pair = (quantized, measured)
    read = {}
    if labels is not None:
        shown = {record.source: record for record in (reference, quantized, *pair)}
        read = {source: evaluate(record, labels) for source, record in shown.items()}
    saturations = int(pair[1].stats["saturations"]) if "saturations" in pair[1].stats else None  # not every record says
    found = Verified(judged, verify(reference, quantized), explanation, read, saturations)
    with ui.doing("counting events, and computing the membrane that differs"):
        return told(_report(built, found), x, labels, port)


def _chunks(built: Build, stimulus: Path, labels: Path | None, who: Who, quiet: bool, **asked: Any) -> Report:
    """All witnesses of a build over a data set, chunk by chunk."""
    from nirdeploy.proof.scale.run import How
    from nirdeploy.proof.scale.verbs import verify_build

    known = None if labels is None else options.labels_of(labels)
    samples = options.samples(stimulus, known, lambda: built.network.inputs)
    with ui.doing("chunks") as bar:
        found = verify_build(built, samples, how=replace(How.of(**who), on_chunk=bar), **asked)
    report = _report(built, found)
    unsaid = {} if found.verdict.coverage is not None else _NOT_LOOKED_AT
    if found.verdict.mismatches:
        unsaid = {**unsaid, "cause": "not looked for chunk by chunk; verify the samples that differ without --chunk"}
    return replace(report, facts={**report.facts, **unsaid})


def _report(built: Build, found: Verified) -> Report:
    from nirdeploy.proof.report import html

    ui.warn(found.doubts)
    facts: dict[str, Any] = {f"accuracy, {source}": share for source, share in found.accuracies.items()}
    if found.saturations is not None:
        facts["saturations"] = found.saturations
    tables: dict[str, Any] = {}
    if built.calibration:
        facts["integers"] = f"{built.calibration}; weights, biases and thresholds were moved on purpose"
        tables["Calibration"] = [row.as_dict() for row in built.calibration.rows]
    return html.Report(
        title=f"{built.out.name if built.out else built.target.name}: float, integer and device",
        verdicts=[found.verdict, found.rounding],
        facts=facts,
        tables=tables,
        explanation=found.explanation,
        manifest=built.manifest(),
        built=built,
    )


def _kept(
    build: Path, measured: Path | None, stimulus: Path | None, port: str | None, who: Who | None
) -> SpikeRecord | None:
    """A device's record to hold against a build, where one was given."""
    from nirdeploy import SpikeRecord

    if stimulus is None:
        raise UsageProblem("verifying a build needs a stimulus", hint=f"verify {build} -x STIMULUS.npz [-p PORT]")
    if measured is not None and port is not None:
        raise UsageProblem(
            f"verify takes a device's record ({measured}) or a port ({port}), not both",
            hint=f"verify {build} -x STIMULUS.npz -p PORT, or verify {build} MEASURED.nird -x STIMULUS.npz",
        )
    if measured is not None and who is not None:
        raise UsageProblem(
            f"a record ({measured}) is held against a build whole, not chunk by chunk",
            hint=f"verify {build} MEASURED.nird -x STIMULUS.npz, without --workers, --scheduler, --chunk and --keep",
        )
    return None if measured is None else SpikeRecord.load(measured)


def _covered(
    report: Report,
    built: Build,
    x: Any,
    probe: str | list[str],
    cover: float | None,
    bits: int | None,
    quiet: bool,
) -> Report:
    """The report with what the stimulus exercised, and what was asked of it."""
    from nirdeploy import coverage
    from nirdeploy.proof.scale.verbs import NUMBERS, ONE_SAMPLE

    judged = report.verdicts[0]
    if cover is None and judged.steps * sum(p.size for p in built.network.populations) > ONE_SAMPLE:
        return replace(report, facts={**report.facts, **_NOT_LOOKED_AT})
    with ui.doing("looking for what was exercised"):
        found = coverage(built, x, probe, bits=bits, numbers=NUMBERS if cover is None else None)
    judged = replace(judged, coverage=found, cover=cover)
    tables = {"Coverage": found.rows(), **report.tables}
    return replace(report, verdicts=[judged, *report.verdicts[1:]], tables=tables)
