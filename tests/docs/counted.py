"""What is said at the end of a run: how many code blocks of the pages run, and why the others do not."""

from __future__ import annotations

from typing import Any

from tests.docs.pages import HELD, RUN, RUNS, Block, blocks

KEY = "code blocks"


def runnable() -> tuple[list[Block], list[Block]]:
    """Blocks of the pages that a reader would run: those that do here, and those that say why not."""
    every = [block for page in RUN if page not in HELD for block in blocks(page) if block.language in RUNS]
    return [block for block in every if not block.unrun], [block for block in every if block.unrun]


def lines() -> list[str]:
    """The count, and a line for each block that does not run."""
    run, left = runnable()
    held = sum(len(blocks(page)) for page in HELD)
    counted = f"{len(run)} of {len(run) + len(left)} run; {held} more are held to files by {', '.join(HELD.values())}"
    return [counted, *(f"{block.where} does not run here: {block.unrun}" for block in left)]


def summary(terminalreporter: Any) -> None:
    """For pytest's hook: the lines that the test of the count left, here or in a worker."""
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    said = [text for report in reports for key, text in getattr(report, "user_properties", []) if key == KEY]
    if said:
        terminalreporter.section(KEY)
        for line in said[0]:
            terminalreporter.write_line(line)
