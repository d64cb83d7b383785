"""problems: what cannot come in, gathered over a run and said at once."""

from __future__ import annotations

from dataclasses import dataclass

from nirdeploy.errors import ExportError
from nirdeploy.exchange import rows
from nirdeploy.exchange.where import calling_line


@dataclass(frozen=True)
class Problem:
    """What cannot come in: which module or call, why, and what would."""

    who: str
    why: str
    remedy: str
    missing: bool  # there is no node for it; else it reads what cannot be read


class Problems:
    """All problems of a run, each once."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Problem] = {}

    def missing(self, who: str, why: str, remedy: str) -> None:
        """Note a module or call that has no node."""
        key = (who, why)
        if key not in self.found:
            self.found[key] = Problem(who, f"{why} (called at {calling_line()})", remedy, True)

    def unread(self, who: str, what: str) -> None:
        """Note a module that reads what cannot be read."""
        key = (who, what)
        if key not in self.found:
            remedy = "between modules a signal may be moved, added, concatenated, pooled; else make the call a module"
            self.found[key] = Problem(who, f"{what} (called at {calling_line()})", remedy, False)

    def check(self) -> None:
        """Raise :class:`ExportError` if there are any."""
        if self.found:
            raise self.error()

    def error(self, more: str = "", hint: str = "") -> ExportError:
        """All that was noted, and one thing more."""
        problems = list(self.found.values())
        texts = []
        missing = [problem for problem in problems if problem.missing]
        if missing:
            whos = ", ".join(problem.who for problem in missing)
            texts.append(f"no NIR node for {whos}: {'; '.join(dict.fromkeys(p.why for p in missing))}")
        texts += [f"{problem.who} reads {problem.why}" for problem in problems if not problem.missing]
        remedies = [problem.remedy for problem in problems]
        if missing and not any("supported" in remedy for remedy in remedies):
            remedies.append(f"supported: {rows.SUPPORTED}")
        parts = [text for text in (*texts, more) if text]
        return ExportError("; ".join(parts), hint="; ".join(dict.fromkeys(r for r in (*remedies, hint) if r)))
