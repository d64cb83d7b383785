"""goldens: a record kept for each place in a test where one is compared, and what is said of them at the end.

They stand beside the test, in ``__goldens__/MODULE/TEST.nird``: files of :mod:`nirdeploy.proof.regress`, with their
history.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from nirdeploy.cli.hil import GOLDENS, properties
from nirdeploy.cli.hil.plainly import plainly
from nirdeploy.cli.hil.shown import difference
from nirdeploy.errors import InputShapeError, UnknownPopulation, UsageProblem
from nirdeploy.proof import regress
from nirdeploy.records.spikes import SpikeRecord

_SUFFIX = ".nird"
_PLACE = "~"  # between a test and a place in it: in no name of ours
_LONGEST = 100
_COUNT = pytest.StashKey[int]()
WRITTEN, UPDATED = "golden written", "golden updated"


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
    ) -> None:
        self._item, self._name = item, name
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
        return Golden(self._item, name, tolerance, allow_silent)

    def __repr__(self) -> str:
        return f"golden({self._name!r})" if self._name else "golden"

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # an array does not compare its elements with it

    def __eq__(self, run: object) -> bool:
        """Raises where there is nothing to compare: False would be a difference, and true of ``not record == golden``.

        Raises:
            UsageProblem: ``run`` is no record. AssertionError: there is no golden yet. CorruptFile, InputShapeError: it
                cannot be read, or is of another stimulus.
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
        if not path.is_file() and not update:
            raise AssertionError(
                f"there is no golden for this test yet: {_near(path)}\n"
                "look whether the record is as it should be, then write it:\n"
                f"  pytest {shlex.quote(_nodeid(self._item))} --golden-update"
            )
        return self._updated(path, run) if update else self._compared(path, run)

    def _path(self) -> Path:
        """Where it is kept. The first that is not named has the test's name alone, the second ``~2``."""
        place = self._name
        if place is None:
            count = self._item.stash.get(_COUNT, 0) + 1
            self._item.stash[_COUNT] = count
            place = str(count) if count > 1 else None
        name = plain(_test(self._item))
        if place is not None:
            name += _PLACE + plain(place)
        return self._item.path.parent / GOLDENS / self._item.path.stem / f"{name}{_SUFFIX}"

    def _say(self, what: str, path: Path) -> None:
        """In JUnit, and for :func:`summary`: as seen from the root of the tests, on any machine."""
        root = self._item.config.rootpath
        properties.say(self._item, what, path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))

    def _compared(self, path: Path, run: SpikeRecord) -> bool:
        found = regress.check(path, run, tolerance=self._tolerance, allow_silent=self._allow_silent)
        properties.add(self._item, properties.CELLS, found.verdict.cells)
        if found:
            return True
        changed = [
            f"  manifest: {key} was {str(was)[:40]}, is {str(now)[:40]}"
            for key, (was, now) in found.manifest_changes.items()
        ]
        self.difference = [  # the remedy first: pytest cuts long explanations
            f"the record is not the golden {_near(path)}; if it is as it should be from now on:",
            f"  pytest {shlex.quote(_nodeid(self._item))} --golden-update --golden-reason='why'",
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
        if not path.is_file():
            regress.record(path, run)
            self._say(WRITTEN, path)
            return True
        try:
            same = regress.check(path, run, allow_silent=True)
        except (InputShapeError, UnknownPopulation):  # of another stimulus, or network: nothing to compare
            same = None
        if not same:
            reason = self._item.config.getoption("golden_reason") or "pytest --golden-update"
            same = regress.update(path, run, reason)
            self._say(UPDATED, path)
        if same.verdict.cells:
            properties.add(self._item, properties.CELLS, same.verdict.cells)
        return True


def plain(name: str) -> str:
    """A file's name for the name of a test, or of a place in it: one for each, and never a path."""
    simple = re.sub(r"\[([A-Za-z0-9_.-]+)\]$", r"-\1", name)
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


def summary(config: pytest.Config, outcomes: Mapping[str, str], used: Iterable[tuple[str, str]]) -> list[str]:
    """What was written, and what no test used: files of tests that passed without, and where all tests of a module
    ran, of tests that there are no more.

    Args:
        outcomes: of each test by its node's name. used: properties that name goldens.
    """
    said = list(used)
    lines = []
    for kind, what in ((WRITTEN, "written"), (UPDATED, "updated")):
        if found := sorted({path for name, path in said if name == kind}):
            lines += [f"{_many(len(found))} {what}:", *(f"  {_near(config.rootpath / path)}" for path in found)]
    there = {config.rootpath / path for name, path in said if name == properties.GOLDEN}
    unused = sorted(path for path in _of_modules(config, outcomes) if path not in there)
    if unused:
        lines += [f"{_many(len(unused))} unused; if no test is to use them, remove them:"]
        lines += [f"  rm {shlex.quote(_near(path))}" for path in unused]
    return lines


def _many(count: int) -> str:
    return f"{count} golden{'' if count == 1 else 's'}"


def _of_modules(config: pytest.Config, outcomes: Mapping[str, str]) -> Iterable[Path]:
    """Goldens that a test which passed could have used, and where everything ran, those of no test."""
    whole = _everything_ran(config)
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


def _everything_ran(config: pytest.Config) -> bool:
    narrowed = ("keyword", "markexpr", "lf", "stepwise", "deselect", "maxfail")
    return not any(config.getoption(name, None) for name in narrowed) and not any(
        "::" in str(arg) for arg in config.args
    )
