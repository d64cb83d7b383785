"""watch: says on stderr what a command does and how far it is, whoever works: nothing is silent for long.

On a terminal that is a bar below what is said. Elsewhere it is a line once nothing was said for two seconds, and one in
every ten after that; ``NIRDEPLOY_PROGRESS=SECONDS`` asks for other ones, ``NIRDEPLOY_PROGRESS=off`` for none.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nirdeploy.errors import UsageProblem, printable
from nirdeploy.processes import progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

VARIABLE = "NIRDEPLOY_PROGRESS"

_FIRST_S = 2.0  # of silence until something is said
_EVERY_S = 10.0  # between two lines
_BAR_S = 0.5  # until a bar shows, that short work does not flicker
_LOOK_S = 0.1
_LAST = "finishing"  # what is done where nothing else is, once something was


@dataclass
class Doing:
    """A piece of work under way. Call it with how many are done, and of how many.

    ``part``: what of it is under way. ``began``: when, by ``time.monotonic``.
    """

    label: str
    began: float = field(default_factory=time.monotonic)
    part: str = ""
    done: int | None = None
    total: int | None = None

    def __call__(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def on(self, part: str) -> None:
        """Another part of it is under way from now on."""
        if part != self.part:
            self.part, self.done, self.total = part, None, None

    def on_pass(self, number: int, total: int) -> None:
        """A run's pass begins."""
        self.on(f"pass {number:,} of {total:,}")

    def heard(self, what: str, done: int, total: int) -> None:
        """As :func:`nirdeploy.processes.progress.tell` says."""
        self.on(what)
        self(done, total)

    @property
    def what(self) -> str:
        return ": ".join(filter(None, (self.label, self.part)))

    def line(self, now: float) -> str:
        far = "" if self.done is None or self.total is None else f" {self.done:,} of {self.total:,},"
        return f"{self.what} ...{far} {now - self.began:.0f} s"


class Watch:
    """Looks at what is under way, from a thread of its own, and says it. One for the process."""

    def __init__(self) -> None:
        self._work: list[Doing] = []
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._spoke = self._told = time.monotonic()
        self._said = ""
        self._bar: Bar | None = None
        self.has_said = False  # whether anything of the result was

    @contextmanager
    def doing(self, label: str) -> Iterator[Doing]:
        """Something that may take long is under way; what works inside says how far it is."""
        work = Doing(label)
        with self._lock:
            self._work.append(work)
        try:
            with progress.listening(work.heard):
                yield work
        finally:
            with self._lock:
                self._hide()
                self._work.remove(work)
                if len(self._work) == 1:
                    self._work[0].label = _LAST

    @contextmanager
    def watching(self, label: str) -> Iterator[None]:
        """Say what is under way inside; ``label``: where nothing else is."""
        seconds, self.has_said = _seconds(), False
        if seconds is None:
            yield
            return
        self._end.clear()
        self._spoke, self._said = time.monotonic(), ""
        look = self._show if sys.stderr.isatty() else lambda: self._tell(seconds)
        thread = threading.Thread(target=self._loop, args=(look,), daemon=True)
        with self.doing(label):
            thread.start()
            try:
                yield
            finally:
                self._end.set()
                thread.join()
                self.quiet()

    def quiet(self) -> None:
        """Take the bar away, as something else is said; it comes back by itself."""
        with self._lock:
            self._spoke = time.monotonic()
            self._hide()

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _loop(self, look: Callable[[], None]) -> None:
        while not self._end.wait(_LOOK_S):
            with self._lock:
                if self._work and not self._end.is_set():
                    look()

    def _tell(self, seconds: float) -> None:
        """A line, if it is time for one: of other work than the last sooner."""
        now, work = time.monotonic(), self._work[-1]
        first = work.label != self._said and now - max(self._spoke, work.began) >= min(_FIRST_S, seconds)
        if first or (work.label == self._said and now - max(self._spoke, self._told) >= seconds):
            self._told, self._said = now, work.label
            sys.stderr.write(printable(work.line(now)) + "\n")
            sys.stderr.flush()

    def _show(self) -> None:
        """The bar, as things stand now."""
        work, now = self._work[-1], time.monotonic()
        told = {"description": printable(work.what), "completed": work.done or 0, "total": work.total}
        since = f"{now - work.began:.0f} s"
        if self._bar is None:
            if now - max(work.began, self._spoke) < _BAR_S:
                return
            self._bar = _bar()
            self._bar.add_task(**told, since=since)  # type: ignore[arg-type]
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], **told, since=since)  # type: ignore[arg-type]
        self._bar.refresh()


def _seconds() -> float | None:
    """Between two lines; None: nothing is to be said. Raises :class:`UsageProblem` of a number that is none of them."""
    asked = os.environ.get(VARIABLE, "")
    try:
        seconds = float(asked) if asked else _EVERY_S
    except ValueError:
        return None
    if not 0 < seconds < float("inf"):
        raise UsageProblem(f"{VARIABLE}={asked} is no number of seconds", hint=f"such as 10, or none: {VARIABLE}=off")
    return seconds


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    class Counted(MofNCompleteColumn):
        """Nothing where it is not known of how many."""

        def render(self, task):  # type: ignore[no-untyped-def]
            return super().render(task) if task.total is not None else ""

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        Counted(),
        TextColumn("{task.fields[since]}"),
    )
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )


#: The process's own.
WATCH = Watch()
