"""``nirdeploy regress``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal
from nirdeploy.errors import SpikesDiffer, UsageProblem

_FILE = click.Path(path_type=Path)


class Tolerance(click.ParamType):
    """A fraction for all populations, or ``NAME=FRACTION,NAME=FRACTION``."""

    name = "tolerance"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | dict[str, float]:
        text = str(value)
        try:
            if "=" not in text:
                return _fraction(text)
            pairs = (pair.partition("=") for pair in text.split(","))
            return {name.strip(): _fraction(number) for name, _, number in pairs}
        except ValueError:
            self.fail(f"{text!r} is not a tolerance: give a fraction such as 0.001, or lif1=0.001,lif2=0", param, ctx)


def _fraction(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError(text)
    return number


@click.group()
def command() -> None:
    """Compare with a golden record.

    A golden is a record that was found good; keep it under version control. RECORD files come from
    'nirdeploy run'.
    """


@command.command()
@click.argument("golden", type=_FILE)
@click.argument("record", type=_FILE)
@options.reporting
def record(golden: Path, record: Path, ui: Terminal) -> None:
    """Make RECORD the golden."""
    from nirdeploy import regress
    from nirdeploy.spikes import SpikeRecord

    regress.record(golden, SpikeRecord.load(record))
    ui.result("regress record", {"golden": str(golden)}, f"wrote {golden}")


@command.command()
@click.argument("golden", type=_FILE)
@click.argument("record", type=_FILE)
@click.option(
    "--tolerance", type=Tolerance(), default="0", help="Fraction of cells that may differ: one, or NAME=FRACTION,..."
)
@options.junit
@options.reporting
@click.pass_context
def check(
    ctx: click.Context, golden: Path, record: Path, tolerance: float | dict[str, float], junit: Path | None, ui: Terminal
) -> None:
    """Compare RECORD with GOLDEN; exits with 1 on a regression."""
    from nirdeploy import regress
    from nirdeploy.report.tables import verdict_table
    from nirdeploy.spikes import SpikeRecord

    result = regress.check(golden, SpikeRecord.load(record), tolerance=tolerance)
    if junit:
        result.to_junit(junit)
    changes = [f"{key} was {was!r}, is {now!r}" for key, (was, now) in result.manifest_changes.items()]
    ui.result("regress check", result.as_dict(), verdict_table(result.verdict), *changes, result.summary())
    if not result.passed:
        ctx.exit(SpikesDiffer.exit_code)


@command.command()
@click.argument("golden", type=_FILE)
@click.argument("record", type=_FILE)
@click.option("--reason", required=True, help="Why the spikes may change; kept in the golden's history.")
@options.reporting
def update(golden: Path, record: Path, reason: str, ui: Terminal) -> None:
    """Replace GOLDEN by RECORD and keep the reason."""
    from nirdeploy import regress
    from nirdeploy.spikes import SpikeRecord

    if not reason.strip():
        raise UsageProblem("an update needs a reason", hint="--reason 'what changed and why that is right'")
    changed = regress.update(golden, SpikeRecord.load(record), reason)
    ui.result(
        "regress update",
        {"golden": str(golden), "reason": reason, "change": changed.as_dict()},
        f"updated {golden}: {changed.verdict.summary()}",
    )
