"""report: a verdict as a file, by the ending of its name."""

from __future__ import annotations

from pathlib import Path

from nirdeploy.errors import UsageProblem
from nirdeploy.proof.report import html, junit
from nirdeploy.proof.verdict import Verdict


def report(verdict: Verdict, path: Path | str) -> None:
    """Write a verdict as one self-contained page (``.html``, ``.htm``), or as JUnit XML (``.xml``), one test case per
    population. Raises :class:`UsageProblem` on any other ending."""
    path = Path(path)
    ending = path.suffix.lower()
    if ending in (".html", ".htm"):
        html.write(path, html.Report(title=f"{verdict.expected} against {verdict.measured}", verdicts=(verdict,)))
    elif ending == ".xml":
        junit.write(path, [verdict])
    else:
        raise UsageProblem(
            "a report is a page or JUnit XML, the file's name does not say which",
            where=str(path),
            hint="end it in .html, .htm or .xml",
        )
