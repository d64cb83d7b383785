"""regress: a run compared with the golden record of an earlier one.

A golden is a SpikeRecord with its manifest, in one file; its manifest also keeps its history: of every change the
reason, who made it, when, and the digests of the records before and after.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nirdeploy.errors import CorruptFile, UsageProblem, meant, meant_file
from nirdeploy.proof.verdict import PopulationVerdict, Verdict
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord

_HISTORY = "history"


@dataclass(frozen=True)
class Regression:
    """A verdict against a golden; true where it passed.

    ``tolerances``: allowed fraction of differing cells, per population.
    ``manifest_changes``: what the manifests disagree on, (golden, now) by key.
    """

    verdict: Verdict
    tolerances: Mapping[str, float]
    manifest_changes: Mapping[str, tuple[Any, Any]]

    @property
    def passed(self) -> bool:
        """No population differs by more than its tolerance, none is missing or could not be judged, steps and outputs
        are the golden's, and there was something to judge: a population spiked, or silence is allowed."""
        shown = self.verdict.allow_silent or not self.verdict.vacuous
        return shown and not self.verdict.missing and not self.verdict.apart and not self.failed

    def __bool__(self) -> bool:
        return self.passed

    @property
    def failed(self) -> tuple[PopulationVerdict, ...]:
        """The populations beyond their tolerance, and those that are not of the golden's form (type, scale)."""
        return tuple(
            p
            for p in self.verdict.populations
            if p.unlike or p.mismatches > self.tolerances.get(p.population, 0.0) * p.cells
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "failed": [p.population for p in self.failed],
            "tolerances": dict(self.tolerances),
            "manifest_changes": {key: list(pair) for key, pair in self.manifest_changes.items()},
            "verdict": self.verdict.as_dict(),
        }

    def summary(self) -> str:
        """One line."""
        if not self.passed:
            names = dict.fromkeys([*(p.population for p in self.failed), *self.verdict.missing])
            if not names:
                return f"no regression was looked for: {self.verdict.summary()}"
            return f"regression in {', '.join(names)}: {self.verdict.summary()}"
        text = f"within tolerance: {self.verdict.mismatches:,} of {self.verdict.cells:,} cells differ"
        if self.verdict.equal:
            text = f"no regression: {self.verdict.cells:,} cells equal the golden's"
        return "; ".join([text, *self.verdict.remarks()])


def record(golden: Path | str, run: SpikeRecord, *, manifest: Mapping[str, Any] | None = None) -> None:
    """Keep ``run`` as a golden. Raises :class:`UsageProblem` if the file exists: that is an update."""
    golden = Path(golden)
    if golden.exists():
        raise UsageProblem(
            "the golden exists already", where=str(golden), hint="change it with 'regress update --reason ...'"
        )
    _keep(golden, run, manifest, [_entry("recorded", run)])


def check(
    golden: Path | str,
    run: SpikeRecord,
    *,
    tolerance: float | Mapping[str, float] = 0.0,
    allow_silent: bool = False,
) -> Regression:
    """Compare ``run`` with a golden.

    Args:
        tolerance: allowed fraction of differing cells: one for all populations, or by population.
        allow_silent: pass though no population spiked in either.

    Raises:
        CorruptFile: the golden is missing or damaged. InputShapeError: it is of another stimulus.
    """
    kept = load(golden)
    verdict = replace(verify(kept, run, allow_silent=allow_silent, same_network=False), expected="golden")
    names = list(dict.fromkeys(p.population for p in verdict.populations))
    if isinstance(tolerance, Mapping):
        unknown = sorted(set(tolerance) - set(names))
        if unknown:
            raise UsageProblem(f"a tolerance names {', '.join(unknown)}", hint=meant(unknown, names, "populations:"))
        allowed = dict(tolerance)
    else:
        allowed = dict.fromkeys(names, float(tolerance)) if tolerance else {}
    changes = {
        key: (kept.manifest.get(key), run.manifest.get(key))
        for key in sorted({*kept.manifest, *run.manifest} - {_HISTORY, "build"})
        if kept.manifest.get(key) != run.manifest.get(key)
    }
    return Regression(verdict, allowed, changes)


def update(
    golden: Path | str,
    run: SpikeRecord,
    reason: str,
    *,
    manifest: Mapping[str, Any] | None = None,
    by: str | None = None,
) -> Regression:
    """Replace a golden and keep in its history why, by whom, when, and what it was; returns what changed.

    Args:
        manifest: of the build that ``run`` is of, to keep with it.
        by: who decided it; by default the user who runs this.
    """
    if not reason.strip():
        raise UsageProblem("an update needs a reason", hint="say why the spikes may change: --reason '...'")
    kept = load(golden)
    changed = check(golden, run)
    was = {
        "was": kept.digest(),
        "manifest_changes": {key: list(pair) for key, pair in changed.manifest_changes.items()},
    }
    entry = _entry(reason, run, by) | was | {"mismatches": changed.verdict.mismatches}
    _keep(Path(golden), run, manifest, [*kept.manifest.get(_HISTORY, []), entry])
    return changed


def _entry(reason: str, run: SpikeRecord, by: str | None = None) -> dict[str, Any]:
    """One line of a golden's history."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"reason": reason, "by": by or _user(), "date": when, "is": run.digest()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name in the environment, none for the number
        return "unknown"


def load(golden: Path | str) -> SpikeRecord:
    """The golden's record. Raises :class:`CorruptFile`."""
    path = Path(golden)
    if not path.is_file():
        hint = f"make one with 'nirdeploy regress record'; {meant_file(path)}"
        raise CorruptFile("there is no golden", where=str(path), hint=hint)
    return SpikeRecord.load(path)


def _keep(golden: Path, run: SpikeRecord, manifest: Mapping[str, Any] | None, history: list[Any]) -> None:
    full = {**run.manifest, _HISTORY: history}
    if manifest is not None:
        full["build"] = dict(manifest)
    replace(run, manifest=full).save(golden)
