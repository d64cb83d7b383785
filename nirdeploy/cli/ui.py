"""The one place that writes to the terminal: a command's result to stdout, all else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.errors import NirdeployError

if TYPE_CHECKING:
    from rich.console import Console

#: Version of every object that ``--json`` prints.
SCHEMA = 1

_WIDTH = 160  # of tables that go to a file or pipe

Progress = Callable[[int, int], None]


class Terminal:
    """What a command prints to. ``as_json``: one object instead of text; ``quiet``: no text at all."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet

    def result(self, command: str, data: Mapping[str, Any], *text: Any) -> None:
        """The command's result: ``data`` under ``--json``, else ``text`` (strings and tables)."""
        if self.as_json:
            click.echo(json.dumps({"schema": SCHEMA, "command": command, **data}))
        elif not self.quiet:
            out = _console(sys.stdout)
            for part in text:
                out.print(part)

    def note(self, text: str) -> None:
        """A remark on the way."""
        if not self.quiet:
            note(text)

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress]:
        """A bar for something that takes a while; yields what to call with (done, total)."""
        if not self._shows_progress:
            yield lambda done, total: None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        console = _console(sys.stderr)
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    @contextmanager
    def busy(self, label: str) -> Iterator[None]:
        """A spinner for something of unknown length."""
        if not self._shows_progress:
            yield
            return
        with _console(sys.stderr).status(label):
            yield

    @property
    def _shows_progress(self) -> bool:
        return not self.quiet and sys.stderr.isatty()


def note(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)


def fail(error: NirdeployError, as_json: bool) -> int:
    """Report an error; its exit code."""
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, "error": error.as_dict()}))
    else:
        note(f"error {error.code}: {error}")
    return error.exit_code


def interrupted(exit_code: int, as_json: bool) -> None:
    """Report Ctrl-C."""
    if as_json:
        problem = {"code": "E130", "exit_code": exit_code, "message": "interrupted", "where": "", "hint": ""}
        click.echo(json.dumps({"schema": SCHEMA, "error": problem}))
    else:
        note("interrupted")


def _console(stream: Any) -> Console:
    from rich.console import Console

    width = None if stream.isatty() else _WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
