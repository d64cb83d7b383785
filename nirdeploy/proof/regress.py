"""regress: a run compared with the golden record of an earlier one.

A golden is a SpikeRecord with its manifest, in one file; its manifest also keeps its history: of every change the
reason, who made it, when, and the digests of the records before and after.
"""

from __future__ import annotations

import getpass
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nirdeploy.errors import CorruptFile, InputShapeError, UnknownPopulation, UsageProblem, meant, meant_file
from nirdeploy.proof.verdict import PopulationVerdict, Verdict
from nirdeploy.proof.verify import unmeasured, verify
from nirdeploy.records import entries
from nirdeploy.records.spikes import SpikeRecord

_HISTORY, _BUILD = "history", "build"


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
    """Keep ``run`` as a golden.

    Raises:
        UsageProblem: the file exists: that is an update. InputShapeError: no run could ever equal it.
    """
    golden = Path(golden)
    if golden.exists():
        raise UsageProblem(
            "the golden exists already", where=str(golden), hint="change it with 'regress update --reason ...'"
        )
    _check_golden(run)
    _keep(golden, run, manifest, [_entry("recorded", run)])


def silent(run: SpikeRecord) -> bool:
    """Whether nothing spiked in it: as a golden it shows nothing."""
    return _itself(run).vacuous


def _itself(run: SpikeRecord) -> Verdict:
    """The record against itself. Raises :class:`InputShapeError` where it holds nothing."""
    if not run.spikes and not run.membrane:
        raise InputShapeError("the record holds no population", hint="probe one: 'outputs', 'all' or its name")
    return verify(run, run, allow_silent=True, same_network=False)


def _check_golden(run: SpikeRecord) -> None:
    """Raises :class:`InputShapeError` where not even the record itself is equal to it."""
    verdict = _itself(run)
    if verdict:
        return
    flaws = [f"{p.kind} of {p.population!r}: {p.unlike}" for p in verdict.populations if p.unlike]
    found = "; ".join([*flaws, *verdict.apart]).replace("the expected ", "the ") or verdict.summary()
    raise InputShapeError(
        f"no run could ever equal this record as a golden: {found}",
        hint="look at the network and the stimulus that were run, and record them again",
    )


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
        UsageProblem: a tolerance that is no fraction from 0 to 1, or is of a population that there is not.
    """
    allowed = _fractions(tolerance)
    kept = load(golden)
    verdict = replace(verify(kept, run, allow_silent=allow_silent, same_network=False), expected="golden")
    names = list(dict.fromkeys(p.population for p in verdict.populations))
    if isinstance(allowed, dict):
        unknown = sorted(set(allowed) - set(names))
        if unknown:
            raise UsageProblem(f"a tolerance names {', '.join(unknown)}", hint=meant(unknown, names, "populations:"))
    else:
        allowed = dict.fromkeys(names, allowed) if allowed else {}
    return Regression(verdict, allowed, _changes(kept, run))


def _fractions(tolerance: float | Mapping[str, float]) -> float | dict[str, float]:
    """A tolerance as it is counted with. Raises :class:`UsageProblem`."""
    if isinstance(tolerance, Mapping):
        return {name: _fraction(value, f" of {name!r}") for name, value in tolerance.items()}
    return _fraction(tolerance, "")


def _fraction(value: Any, of: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 <= found <= 1:
        raise UsageProblem(
            f"the tolerance{of} is {value!r}, and a tolerance is a fraction from 0 to 1",
            hint="0.01 is one cell in a hundred",
        )
    return found


def _changes(kept: SpikeRecord, run: SpikeRecord) -> dict[str, tuple[Any, Any]]:
    """What the manifests disagree on, (golden, now) by key."""
    return {
        key: (kept.manifest.get(key), run.manifest.get(key))
        for key in sorted({*kept.manifest, *run.manifest} - {_HISTORY, _BUILD})
        if kept.manifest.get(key) != run.manifest.get(key)
    }


def update(
    golden: Path | str,
    run: SpikeRecord,
    reason: str,
    *,
    manifest: Mapping[str, Any] | None = None,
    by: str | None = None,
) -> Regression:
    """Replace a golden and keep in its history why, by whom, when, and what it was; returns what changed.

    A run of another length, shape or populations replaces it too: then nothing is compared, which the verdict and the
    history say.

    Args:
        manifest: of the build that ``run`` is of, to keep with it; by default that which the golden has, where the run
            is of the same network. What it replaces stays in the history.
        by: who decided it; by default the user who runs this.

    Raises:
        UsageProblem: there is no reason. CorruptFile: there is no golden. InputShapeError: no run could ever equal it.
    """
    if not reason.strip():
        raise UsageProblem("an update needs a reason", hint="say why the spikes may change: --reason '...'")
    kept = load(golden)
    _check_golden(run)
    try:
        changed, found = check(golden, run), dict[str, Any]()
    except (InputShapeError, UnknownPopulation) as error:  # of another stimulus, or network
        why = f"the run cannot be compared with the golden that it replaces: {error.message}"
        verdict = replace(unmeasured(kept, why), expected="golden")
        changed, found = Regression(verdict, {}, _changes(kept, run)), {"not_compared": error.message}
    built, manifest = kept.manifest.get(_BUILD), manifest and json.loads(json.dumps(dict(manifest)))
    if manifest is None and all(kept.manifest.get(of) == run.manifest.get(of) for of in ("network", "graph")):
        manifest = built
    if built != manifest:
        changed = replace(changed, manifest_changes={**changed.manifest_changes, _BUILD: (built, manifest)})
    was = {
        "was": kept.digest(),
        "manifest_changes": {key: list(pair) for key, pair in changed.manifest_changes.items()},
        "mismatches": None if found else changed.verdict.mismatches,
    }
    _keep(Path(golden), run, manifest, [*kept.manifest.get(_HISTORY, []), _entry(reason, run, by) | was | found])
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
    kept = SpikeRecord.load(path)
    try:
        for change in entries.several(kept.manifest.get(_HISTORY, []), "its history"):
            entries.table(change, "a change in its history")
        entries.table(kept.manifest.get(_BUILD, {}), "the manifest of its build")
    except ValueError as error:
        raise CorruptFile(f"not a golden: {error}", where=str(path), hint="record it again") from error
    return kept


def _keep(golden: Path, run: SpikeRecord, manifest: Mapping[str, Any] | None, history: list[Any]) -> None:
    full = {**run.manifest, _HISTORY: history}
    if manifest is not None:
        full[_BUILD] = dict(manifest)
    replace(run, manifest=full).save(golden)
