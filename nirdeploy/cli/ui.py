"""The only place that writes to the terminal: results on stdout, all else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nirdeploy.errors import DoesNotFit
from nirdeploy.records.printable import printable

if TYPE_CHECKING:
    from nirdeploy.device.client import Progress
    from nirdeploy.errors import NirdeployError

SCHEMA = 1

#: Exit code of a verdict that is not equal, or of a regression: a result, told like any other, and no error.
NOT_EQUAL = 1

_QUIET_S = 10.0  # between two lines of progress where nobody watches


def note(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(printable(text) + "\n")


def warn(warnings: Iterable[str]) -> None:
    """What is valid and can hardly be meant: lines for the person at the terminal."""
    for warning in warnings:
        note(f"warning: {warning}")


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(printable(text) + "\n")


def show(renderable: Any) -> None:
    """A rich table, as wide as it needs to be where nobody watches."""
    from rich.console import Console

    class Shown(Console):
        def render_str(self, text: str, **how: Any) -> Any:
            return super().render_str(printable(text), **how)

    width = None if sys.stdout.isatty() else 160
    console = Shown(width=width, markup=False, emoji=False)  # names come from files: "[/b]" is one
    with console.capture() as captured:  # rich would turn a closed pipe into exit code 1
        console.print(renderable)
    sys.stdout.write(captured.get())


def result(command: str, data: Mapping[str, Any]) -> None:
    """The one JSON object of ``--json``."""
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
        sys.stdout.write(json.dumps({"schema": SCHEMA, "error": error.as_dict()}) + "\n")
    problems = error.problems if isinstance(error, DoesNotFit) else ()
    if len(problems) > 1:
        note(f"error[{error.code}]: {len(problems)} things do not fit (in {error.where}); {error.hint}")
        for problem in problems:
            note(f"  - {problem}")
    else:
        note(f"error[{error.code}]: {error}")
    return error.exit_code


@contextlib.contextmanager
def progress(label: str, quiet: bool = False) -> Iterator[Progress | None]:
    """A progress bar on stderr; None where nobody watches."""
    with _bar(label, quiet) as update:
        yield None if update is None else lambda done, total: update(completed=done, total=total)


@contextlib.contextmanager
def running(quiet: bool = False) -> Iterator[tuple[Progress | None, Progress | None]]:
    """Progress of a run, and of its passes if it has some: a bar that names the pass under way; where nobody watches, a
    line now and then."""
    with _bar("running", quiet) as update:
        if update is not None:
            yield (
                lambda done, total: update(completed=done, total=total),
                lambda number, total: update(description=_pass(number, total)),
            )
        else:
            yield None, None if quiet else _seldom(lambda number, total: note(f"{_pass(number, total)} ..."))


def _pass(number: int, total: int) -> str:
    return f"pass {number:,} of {total:,}"


def _seldom(tell: Progress) -> Progress:
    """``tell`` of the first call, and of one in every :data:`_QUIET_S`."""
    last = -math.inf

    def told(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_S:
            last = time.monotonic()
            tell(done, total)

    return told


@contextlib.contextmanager
def _bar(label: str, quiet: bool) -> Iterator[Callable[..., None] | None]:
    """What updates a progress bar on stderr; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task(label, total=None))


@contextlib.contextmanager
def spinner(label: str, quiet: bool = False) -> Iterator[None]:
    """Something long without a measure of progress."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(label):
        yield


@contextlib.contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Something long in stages: the one under way beside a spinner, or a line each where nobody watches."""
    if quiet:
        yield lambda stage: None
    elif not sys.stderr.isatty():
        yield lambda stage: note(f"{stage} ...")
    else:
        from rich.console import Console

        with Console(stderr=True).status("") as status:
            yield status.update


def _plain(value: Any) -> Any:
    """What JSON can say: NumPy's numbers as Python's, infinity and NaN as null."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
