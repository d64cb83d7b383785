"""``nirdeploy verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal
from nirdeploy.errors import SpikesDiffer, UsageProblem

if TYPE_CHECKING:
    from nirdeploy.verify import Verdict


@click.command()
@click.argument("what", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BUILD | EXPECTED MEASURED")
@click.option("--stimulus", type=click.Path(path_type=Path), help="Stimulus (.npy, .npz) for BUILD.")
@click.option("-p", "--port", envvar="NIRDEPLOY_PORT", show_envvar=True, help="Serial port of the device, for BUILD.")
@options.target
@options.baud
@options.probe
@options.html
@options.junit
@options.reporting
@click.pass_context
def command(
    ctx: click.Context,
    what: tuple[Path, ...],
    stimulus: Path | None,
    port: str | None,
    target: str,
    baud: int | None,
    probe: str | list[str],
    html: Path | None,
    junit: Path | None,
    ui: Terminal,
) -> None:
    """Compare spikes: simulation against device, or two records.

    EXPECTED MEASURED: two records of 'nirdeploy run' must be equal.

    BUILD: flashes the build and runs --stimulus on the device at --port; device and integer
    simulation must be equal, float against integer is reported with its causes.

    Exits with 1 if what must be equal differs.
    """
    from nirdeploy.report import html as page, junit as xml
    from nirdeploy.report.tables import rows_table, verdict_table

    if len(what) == 2:
        report = _two_records(*what, probe)
    elif len(what) == 1 and stimulus is not None and port is not None:
        report = _whole_build(ui, what[0], stimulus, port, target, baud, probe)
    else:
        raise UsageProblem(
            "verify takes two records, or a build with --stimulus and --port",
            hint=f"got {len(what)} path{'s' * (len(what) != 1)}"
            f"{'' if stimulus else ', no --stimulus'}{'' if port else ', no --port'}",
        )
    deciding = report.verdicts[0]
    if html:
        page.write(html, report)
    if junit:
        xml.write(junit, [deciding])
    text: list[Any] = [verdict_table(verdict) for verdict in report.verdicts]
    text += [rows_table(title, rows) for title, rows in report.tables.items()]
    data: dict[str, Any] = {**deciding.as_dict(), "report": str(html) if html else None}
    if report.explanation:
        data["float"] = report.explanation.as_dict()
    ui.result("verify", data, *text, deciding.summary())
    _exit(ctx, deciding)


def _exit(ctx: click.Context, verdict: Verdict) -> None:
    if not verdict.equal:
        ctx.exit(SpikesDiffer.exit_code)


def _two_records(expected: Path, measured: Path, probe: str | list[str]) -> Any:
    from nirdeploy.report.html import Report
    from nirdeploy.spikes import SpikeRecord, select
    from nirdeploy.verify import verify

    records = SpikeRecord.load(expected), SpikeRecord.load(measured)
    names = list(dict.fromkeys(name for r in records for name in (*r.spikes, *r.membrane)))
    populations = None if probe == "all" else select(probe, names, records[0].outputs)
    verdict = verify(*records, populations=populations)
    return Report(title=f"{measured} against {expected}", verdicts=(verdict,), records=records)


def _whole_build(
    ui: Terminal, build: Path, stimulus: Path, port: str, target: str, baud: int | None, probe: str | list[str]
) -> Any:
    from nirdeploy.cli import files, witness
    from nirdeploy.cli.connect import connect
    from nirdeploy.explain import explain
    from nirdeploy.pipeline import Build
    from nirdeploy.report.html import Report
    from nirdeploy.verify import verify

    x = files.stimulus(stimulus)
    built = Build.load(build)
    with ui.busy("simulating"):
        expected = witness.simulated(build, x, "integer", probe)
        explanation = explain(built.graph, built.network, x)
    with connect(ui, port, target, baud) as device:
        measured = witness.measured(ui, device, built.image, x, probe, flash_first=True)
    causes = [
        {"rounding": cause.rounding, **dict(cause.differing.items())} for cause in explanation.causes
    ]
    return Report(
        title=f"{build}: device against simulation",
        verdicts=(verify(expected, measured), explanation.verdict),
        tables={"float against integer: cells that one rounding alone changes": causes},
        records=(expected, measured),
        explanation=explanation,
        manifest=built.manifest(),
    )
