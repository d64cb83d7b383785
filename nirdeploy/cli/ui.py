"""The only place that writes to the terminal: results on stdout, all else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from nirdeploy.cli.watch import WATCH, Doing
from nirdeploy.errors import DoesNotFit, printable

if TYPE_CHECKING:
    from rich.table import Table

    from nirdeploy.device.client import Progress
    from nirdeploy.errors import NirdeployError

SCHEMA = 1

#: Exit code of a verdict that is not equal, or of a regression: a result, told like any other, and no error.
NOT_EQUAL = 1

_WIDTH = 80  # where nobody watches
_LEAST = 40  # less is no width
_HANGING = "  "  # before what goes on in another line


def width() -> int:
    """Columns of the terminal, or as many as ``COLUMNS`` says; 80 where there is neither."""
    return max(_LEAST, shutil.get_terminal_size((_WIDTH, 24)).columns)


def note(text: str) -> None:
    """A line for the person at the terminal; in a log it is one line, however long."""
    WATCH.quiet()
    sys.stderr.write((_wrapped(text) if sys.stderr.isatty() else printable(text)) + "\n")


def warn(warnings: Iterable[str]) -> None:
    """What is valid and can hardly be meant: lines for the person at the terminal."""
    for warning in warnings:
        note(f"warning: {warning}")


def say(text: str) -> None:
    """A line of the result, or several where it is longer than the terminal is wide: between words, and none is cut."""
    WATCH.quiet()
    WATCH.has_said = True
    sys.stdout.write(_wrapped(text) + "\n")


def show(table: Table) -> None:
    """A table of the result, as wide as the terminal."""
    from nirdeploy.cli.grid import drawn

    WATCH.quiet()
    for line in ([""] if WATCH.has_said and table.show_header else []) + drawn(table, width()):
        sys.stdout.write(f"{line}\n")
    WATCH.has_said = True


def passes(work: Doing, quiet: bool) -> Progress:
    """Tells of a run's passes as they begin; that there are passes is said in a log, too."""
    said = quiet or sys.stderr.isatty()

    def begins(number: int, total: int) -> None:
        nonlocal said
        if not said:
            note(f"pass {number:,} of {total:,} ...")
            said = True
        work.on_pass(number, total)

    return begins


def terms(known: Mapping[str, str]) -> None:
    """What words in the tables above mean."""
    for line in (["terms:"] if known else []) + [f"  {name}: {says}" for name, says in known.items()]:
        say(line)


def _wrapped(text: str) -> str:
    """In lines of the terminal's width; what is indented stays so."""
    lines = []
    for line in printable(text).split("\n"):
        start = line[: len(line) - len(line.lstrip())]
        how = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": start + _HANGING}
        lines += textwrap.wrap(line, width(), initial_indent="", **how) or [""]  # type: ignore[arg-type]
    return "\n".join(lines)


def result(command: str, data: Mapping[str, Any]) -> None:
    """The one JSON object of ``--json``."""
    WATCH.quiet()
    sys.stdout.write(json.dumps(_plain({"schema": SCHEMA, "command": command, **data}), allow_nan=False) + "\n")


def lines(objects: Iterable[Mapping[str, Any]]) -> None:
    """A line of JSON each, on their way to whoever reads them when this returns."""
    sys.stdout.write("".join(json.dumps(_plain(one), allow_nan=False) + "\n" for one in objects))
    sys.stdout.flush()


def report_error(error: NirdeployError, as_json: bool) -> int:
    """Say what went wrong, on stderr, and under ``--json`` on stdout as well; the exit code.

    One paragraph; several problems of a network on a target stand below it, one in a line.
    """
    if as_json:
        WATCH.quiet()
        with contextlib.suppress(OSError):  # stderr says it, too
            sys.stdout.write(json.dumps({"schema": SCHEMA, "error": error.as_dict()}) + "\n")
    problems = error.problems if isinstance(error, DoesNotFit) else ()
    if len(problems) > 1:
        note(f"error[{error.code}]: {len(problems)} things do not fit (in {error.where}); {error.hint}")
        for problem in problems:
            note(f"  - {problem}")
    else:
        note(f"error[{error.code}]: {error}")
    return error.exit_code


def doing(label: str) -> AbstractContextManager[Doing]:
    """Something that may take long is under way: a bar on a terminal, else a line now and then
    (:mod:`nirdeploy.cli.watch`). Call what it gives with how many are done, and of how many."""
    return WATCH.doing(label)


def _plain(value: Any) -> Any:
    """What JSON can say: NumPy's numbers as Python's, infinity and NaN as null."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
