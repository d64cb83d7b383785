"""nirdeploy regress: a run compared with a golden record."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options, ui
from nirdeploy.cli.groups import Group
from nirdeploy.errors import UsageProblem

_SCORES = ("accuracy", "undecided")
_SILENT = (
    "nothing spiked in the golden, so that a run which equals it shows nothing and 'regress check' fails without "
    "--allow-silent; record a stimulus that makes it spike"
)


@click.group(cls=Group, name="regress")
def command() -> None:
    """Goldens: keep a record, compare later runs with it, change it with a reason."""


@command.command("record")
@click.argument("golden", type=click.Path(path_type=Path))
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--build", type=click.Path(path_type=Path), help="Build folder whose manifest to keep with it.")
@options.as_json
def record(golden: Path, record: Path, build: Path | None, as_json: bool) -> None:
    """Keep RECORD as GOLDEN."""
    from nirdeploy import SpikeRecord, pipeline
    from nirdeploy.proof import regress

    run = SpikeRecord.load(record)
    regress.record(golden, run, manifest=pipeline.Build.load(build).manifest() if build else None)
    warnings = [_SILENT] if regress.silent(run) else []
    held = list(dict.fromkeys([*run.spikes, *run.membrane]))
    if as_json:
        ui.result("regress record", {"golden": str(golden), "populations": held, "warnings": warnings})
    else:
        ui.warn(warnings)
        ui.say(f"recorded {golden}: {', '.join(held)}")


@command.command("check")
@click.argument("golden", type=click.Path(path_type=Path))
@click.argument("record", type=click.Path(path_type=Path))
@click.option(
    "--tolerance", multiple=True, metavar="[POPULATION=]FRACTION", help="Allowed fraction of differing cells."
)
@options.allow_silent
@options.labels
@options.written("--junit", "Write JUnit XML.")
@options.as_json
def check(
    golden: Path,
    record: Path,
    tolerance: tuple[str, ...],
    allow_silent: bool,
    labels: Path | None,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Compare RECORD with GOLDEN; exit code 1 if anything differs beyond the tolerance, or if nothing spiked."""
    from nirdeploy import SpikeRecord, evaluate
    from nirdeploy.proof import regress
    from nirdeploy.proof.report import junit as xml
    from nirdeploy.proof.report import tables

    run = SpikeRecord.load(record)
    known = None if labels is None else options.labels_of(labels)
    read = {}
    if known is not None:
        read = {which: evaluate(one, known) for which, one in (("golden", regress.load(golden)), ("now", run))}
    regression = regress.check(golden, run, tolerance=_tolerance(tolerance), allow_silent=allow_silent)
    if junit is not None:
        xml.write(junit, [regression.verdict], failed=regression.failed)
    if as_json:
        scores = {what: {which: getattr(one, what) for which, one in read.items()} for what in _SCORES if read}
        ui.result("regress check", regression.as_dict() | scores)
    else:
        ui.show(tables.verdict_table(regression.verdict))
        for key, (kept, now) in regression.manifest_changes.items():
            ui.say(f"manifest: {key} {_changed(kept, now)}")
        for which, one in read.items():
            ui.say(f"accuracy, {which}: {100 * one.accuracy:.2f} %")
        ui.warn(f"{which}: {one.doubt}" for which, one in read.items() if one.doubt)
        ui.say(regression.summary())
    return 0 if regression else ui.NOT_EQUAL


def _changed(kept: object, now: object) -> str:
    if kept is None:
        return f"is new, {str(now)[:40]}"
    return f"was {str(kept)[:40]}, is {'not told any more' if now is None else str(now)[:40]}"


@command.command("update")
@click.argument("golden", type=click.Path(path_type=Path))
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why the spikes may change; kept in the golden.")
@click.option("--by", help="Who decided it; by default the user who runs this.")
@click.option("--build", type=click.Path(path_type=Path), help="Build folder whose manifest to keep with it.")
@options.as_json
def update(golden: Path, record: Path, reason: str, by: str | None, build: Path | None, as_json: bool) -> None:
    """Replace GOLDEN by RECORD; shows what changes. Reason, name, date and digests stay in the golden's history."""
    from nirdeploy import SpikeRecord, pipeline
    from nirdeploy.proof import regress
    from nirdeploy.proof.report import tables

    run = SpikeRecord.load(record)
    manifest = pipeline.Build.load(build).manifest() if build else None
    changed = regress.update(golden, run, reason, manifest=manifest, by=by)
    warnings = [_SILENT] if regress.silent(run) else []
    if as_json:
        ui.result("regress update", changed.as_dict() | {"warnings": warnings})
        return
    ui.warn(warnings)
    verdict = changed.verdict
    if verdict.populations:
        ui.show(tables.verdict_table(verdict))
    for line in [*verdict.apart, *verdict.left_out.values()]:
        ui.say(line)
    what = f"{verdict.mismatches:,} cells changed" if verdict.populations else "nothing was compared"
    ui.say(f"updated {golden}: {what} ({reason})")


def _tolerance(given: tuple[str, ...]) -> float | dict[str, float]:
    """``0.01`` for all, or ``population=0.01`` for some."""
    if not given:
        return 0.0
    try:
        if len(given) == 1 and "=" not in given[0]:
            return float(given[0])
        return {name: float(value) for name, value in (text.rsplit("=", 1) for text in given)}
    except ValueError as error:
        raise UsageProblem(
            f"cannot read the tolerance {' '.join(given)}", hint="write 0.01, or population=0.01"
        ) from error
