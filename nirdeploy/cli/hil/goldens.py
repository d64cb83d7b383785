"""goldens: a record kept for each place in a test where one is compared, and what is said of them at the end.

They stand beside the test, in ``__goldens__/MODULE/TEST.nird``: files of :mod:`nirdeploy.proof.regress`, with their
history.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nirdeploy.cli.hil import GOLDENS, properties
from nirdeploy.cli.hil.plainly import plainly
from nirdeploy.cli.hil.shown import difference
from nirdeploy.errors import CorruptFile, InputShapeError, UnknownPopulation, UsageProblem
from nirdeploy.proof import regress
from nirdeploy.records import files
from nirdeploy.records.spikes import SpikeRecord

_SUFFIX = ".nird"
_PLACE = "~"  # between a test and a place in it: in no name of ours
_LONGEST = 100
WRITTEN, UPDATED, REPLACED = "golden written", "golden updated", "golden replaced"


@dataclass
class _Used:
    """What a test has used since it was set up. ``places``: which golden a file is of; ``kept``: what was updated."""

    unnamed: int = 0
    places: dict[Path, str] = field(default_factory=dict)
    kept: set[Path] = field(default_factory=set)


class Golden:
    """What is kept for a place in a test: ``record == golden`` compares with it.

    Every unnamed one of a test is another place. ``difference``: what the last comparison found, line by line.
    """

    def __init__(
        self,
        item: pytest.Item,
        name: str | None = None,
        tolerance: float | Mapping[str, float] = 0.0,
        allow_silent: bool = False,
        used: _Used | None = None,
    ) -> None:
        self._item, self._name = item, name
        self._used = _Used() if used is None else used
        self._tolerance, self._allow_silent = tolerance, allow_silent
        self.difference: list[str] = []

    def __call__(
        self,
        name: str | None = None,
        *,
        tolerance: float | Mapping[str, float] = 0.0,
        allow_silent: bool = False,
    ) -> Golden:
        """The same with a name of its own, and with what may differ: as of :func:`nirdeploy.proof.regress.check`."""
        return Golden(self._item, name, tolerance, allow_silent, self._used)

    def __repr__(self) -> str:
        return f"golden({self._name!r})" if self._name else "golden"

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # an array does not compare its elements with it

    def __eq__(self, run: object) -> bool:
        """Raises where there is nothing to compare: False would be a difference, and true of ``not record == golden``.

        Raises:
            UsageProblem: ``run`` is no record, or where the golden is to be there is no file. AssertionError: there is
                no golden yet. CorruptFile, InputShapeError: it cannot be read, or is of another stimulus.
        """
        __tracebackhide__ = True
        return self._is(run)

    def __ne__(self, run: object) -> bool:
        """Raises :class:`UsageProblem`: a golden that is not there, or of another network, would make it true."""
        __tracebackhide__ = True
        raise UsageProblem(
            "a golden is compared with ==, not with !=", hint="assert record == golden; for what differs: nd.verify"
        )

    @plainly
    def _is(self, run: object) -> bool:
        __tracebackhide__ = True
        if not isinstance(run, SpikeRecord):
            raise UsageProblem(
                f"a golden is of a record of spikes (SpikeRecord), not of a {type(run).__name__}",
                hint="compare what simulate or nir_device.run gives",
            )
        path = self._path()
        self._say(properties.GOLDEN, path)
        update = self._item.config.getoption("golden_update")
        if path.exists() and not path.is_file():
            raise files.absent(path, "golden", hint=f"remove it, then write the golden: {self._update()}")
        if not path.is_file() and not update:
            raise AssertionError(
                f"there is no golden for this test yet: {_near(path)}\n"
                "look whether the record is as it should be, then write it:\n"
                f"  {self._update()}"
            )
        return self._updated(path, run) if update else self._compared(path, run)

    def _update(self) -> str:
        """What to type to have it written."""
        return f"pytest {shlex.quote(_nodeid(self._item))} --golden-update"

    def _path(self) -> Path:
        """Where it is kept. The first that is not named has the test's name alone, the second ``~2``.

        Raises :class:`UsageProblem` where another golden of the test is kept there.
        """
        place, called = self._name, repr(self)
        if place is None:
            self._used.unnamed += 1
            place = str(self._used.unnamed) if self._used.unnamed > 1 else None
            called = f"number {self._used.unnamed} of those without a name"
        name = plain(_test(self._item))
        if place is not None:
            name += _PLACE + _safe(place, place)
        path = self._item.path.parent / GOLDENS / self._item.path.stem / f"{name}{_SUFFIX}"
        other = self._used.places.setdefault(path, called)
        if other != called:
            raise UsageProblem(
                f"two goldens of this test would be one file: {other}, and {called}",
                where=_near(path),
                hint="give the one that has a name another",
            )
        return path

    def _say(self, what: str, path: Path) -> None:
        """In JUnit, and for :func:`summary`: as seen from the root of the tests, on any machine."""
        root = self._item.config.rootpath
        properties.say(self._item, what, path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))

    def _compared(self, path: Path, run: SpikeRecord) -> bool:
        try:
            found = regress.check(path, run, tolerance=self._tolerance, allow_silent=self._allow_silent)
        except CorruptFile as error:
            error.hint = f"put back the file that was there, or have it replaced: {self._update()}"
            raise
        except (InputShapeError, UnknownPopulation) as error:
            error.message = f"the record cannot be compared with the golden: {_apart(error, regress.load(path), run)}"
            error.where, error.hint = _near(path), f"if the record is as it should be from now on: {self._update()}"
            raise
        properties.add(self._item, properties.CELLS, found.verdict.cells)
        if found:
            return True
        changed = [
            f"  manifest: {key} was {str(was)[:40]}, is {str(now)[:40]}"
            for key, (was, now) in found.manifest_changes.items()
        ]
        self.difference = [  # the remedy first: pytest cuts long explanations
            f"the record is not the golden {_near(path)}; if it is as it should be from now on:",
            f"  {self._update()} --golden-reason='why'",
            *difference(found.verdict, regress.load(path), run),
            *changed,
        ]
        return False

    def _updated(self, path: Path, run: SpikeRecord) -> bool:
        """Written where it is missing, or differs."""
        if regress.silent(run) and not self._allow_silent:
            raise UsageProblem(
                "nothing spiked in this record: as a golden it would show nothing",
                hint="give a stimulus that makes it spike, or allow silence: golden(allow_silent=True)",
            )
        with _writing(path):
            self._keep(path, run)
        self._used.kept.add(path)
        return True

    def _keep(self, path: Path, run: SpikeRecord) -> None:
        """Raises :class:`UsageProblem` where this test has had another record kept there."""
        if not path.is_file():
            regress.record(path, run)
            self._say(WRITTEN, path)
            return
        before = path in self._used.kept
        try:
            same = regress.check(path, run, tolerance=self._tolerance if before else 0.0, allow_silent=True)
        except (InputShapeError, UnknownPopulation):  # of another stimulus, or network: nothing to compare
            same = None
        except CorruptFile:
            _replace(path, run)
            self._say(REPLACED, path)
            return
        if not same and before:
            raise UsageProblem(
                "this test compares records that differ with one golden",
                where=_near(path),
                hint="give each a golden of its own: golden('NAME')",
            )
        if not same:
            reason = self._item.config.getoption("golden_reason") or "pytest --golden-update"
            same = regress.update(path, run, reason)
            self._say(UPDATED, path)
        if same.verdict.cells:
            properties.add(self._item, properties.CELLS, same.verdict.cells)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raises :class:`UsageProblem` where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageProblem(
            f"cannot write the golden: {error.strerror}",
            where=_near(path),
            hint=f"see that {_near(path.parent)} is a folder in which you may write",
        ) from error


def _replace(path: Path, run: SpikeRecord) -> None:
    """A golden in the place of a file that is none, which stays where that fails."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / path.name
        regress.record(made, run)
        made.replace(path)


def _apart(error: InputShapeError | UnknownPopulation, kept: SpikeRecord, run: SpikeRecord) -> str:
    """Why a record cannot be compared with the golden."""
    if isinstance(error, UnknownPopulation) or (kept.steps, kept.samples) == (run.steps, run.samples):
        return error.message
    return f"it is of {run.steps} steps x {run.samples} samples, the golden of {kept.steps} x {kept.samples}"


def plain(name: str) -> str:
    """A file's name for the name of a test: one for each, and never a path."""
    return _safe(re.sub(r"\[([A-Za-z0-9_.-]+)\]$", r"-\1", name), name)


def _safe(simple: str, name: str) -> str:
    """``simple`` where it is a file's name as it stands, else one that only ``name`` has."""
    cut = re.sub(r"[^A-Za-z0-9_.-]+", "-", simple).strip(".-")[:_LONGEST]
    if cut == simple:
        return cut
    return f"{cut}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _test(item: pytest.Item) -> str:
    """The test's name in its module, classes before it."""
    parts = [node.name for node in item.listchain() if isinstance(node, (pytest.Class, pytest.Item))]
    return ".".join(parts)


def _nodeid(item: pytest.Item) -> str:
    return f"{item.path.relative_to(Path.cwd()) if item.path.is_relative_to(Path.cwd()) else item.path}::" + _test(
        item
    ).replace(".", "::", len([node for node in item.listchain() if isinstance(node, pytest.Class)]))


def _near(path: Path) -> str:
    """As seen from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def summary(
    config: pytest.Config, outcomes: Mapping[str, str], used: Iterable[tuple[str, str]], every: bool
) -> list[str]:
    """What was written, and what no test used: files of tests that passed without, and where all tests of a module
    ran, of tests that there are no more.

    Args:
        outcomes: of each test by its node's name. used: properties that name goldens.
        every: every test that was collected ran: else nothing is said of what was not used.
    """
    said = list(used)
    lines = []
    replaced = "written in the place of files that could not be read"
    for kind, what in ((WRITTEN, "written"), (UPDATED, "updated"), (REPLACED, replaced)):
        if found := sorted({path for name, path in said if name == kind}):
            lines += [f"{_many(len(found))} {what}:", *(f"  {_near(config.rootpath / path)}" for path in found)]
    there = {config.rootpath / path for name, path in said if name == properties.GOLDEN}
    unused = sorted(path for path in _of_modules(config, outcomes) if path not in there) if every else []
    if unused:
        lines += [f"{_many(len(unused))} unused; if no test is to use them, remove them:"]
        lines += [f"  rm {shlex.quote(_near(path))}" for path in unused]
    return lines


def _many(count: int) -> str:
    return f"{count} golden{'' if count == 1 else 's'}"


def _of_modules(config: pytest.Config, outcomes: Mapping[str, str]) -> Iterable[Path]:
    """Goldens that a test which passed could have used, and where whole modules were collected, those of no test."""
    whole = not config.getoption("lf", None) and not any("::" in str(arg) for arg in config.args)
    modules: dict[str, dict[str, str]] = {}
    for nodeid, outcome in outcomes.items():
        module, _, rest = nodeid.partition("::")
        name = plain(".".join(_parts(_without_group(config, rest))))
        modules.setdefault(module, {})[name] = outcome
    for module, tests in modules.items():
        path = config.rootpath / module
        for file in (path.parent / GOLDENS / path.stem).glob(f"*{_SUFFIX}"):
            outcome = tests.get(file.name.removesuffix(_SUFFIX).partition(_PLACE)[0], "passed" if whole else "not run")
            if outcome == "passed":
                yield file


def _parts(name: str) -> list[str]:
    """Classes and function of ``Class::test[a::b]``."""
    head, bracket, params = name.partition("[")
    parts = head.split("::")
    return [*parts[:-1], parts[-1] + bracket + params]


def _without_group(config: pytest.Config, name: str) -> str:
    """pytest-xdist appends ``@group`` to names where it hands out groups."""
    head, at, group = name.rpartition("@")
    return head if at and "]" not in group and config.getoption("dist", "no") == "loadgroup" else name
