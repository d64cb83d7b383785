"""plugin: what pytest loads: options, marks, fixtures and what is said at the end.

It is loaded in every run of pytest wherever nirdeploy is installed: all else is imported when a fixture is used.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nirdeploy.cli.hil import GOLDENS

if TYPE_CHECKING:
    from nirdeploy.cli.hil.bench import Bench, NirDevice
    from nirdeploy.cli.hil.goldens import Golden
    from nirdeploy.pipeline import Build
    from nirdeploy.proof.verdict import Verdict
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.targets.tables import Target

_MARKS = (
    "nir_target(name, ...): the target that nir_build builds for; of several, the test runs for each",
    "nir_board(name): the board of boards.toml that nir_device is; skipped where it is not there",
)
_LEFT_OUT = "nirdeploy: of what was collected some did not run"
_VALUED = frozenset({"--nir-target", "--nir-port", "--nir-board", "--nir-boards", "--nir-wait", "--golden-reason"})


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nirdeploy", "nirdeploy: networks on boards")
    add = group.addoption
    add("--nir-target", metavar="TARGET", help="Target of tests that name none: a name, or a .toml file.")
    add("--nir-port", metavar="PORT", help="Where nir_device is, if not a virtual board; as nirdeploy's --port.")
    add("--nir-board", metavar="NAME", help="The board of boards.toml that nir_device is.")
    add("--nir-boards", metavar="FILE", help="The file that names boards, if not the one that nirdeploy finds.")
    add("--nir-require-boards", action="store_true", help="Fail, and do not skip, tests whose board is not there.")
    add(
        "--nir-wait", type=_seconds, default=600.0, metavar="SECONDS",
        help="Wait so long while another test or program has the board (600).",
    )  # fmt: skip
    add("--golden-update", action="store_true", help="Write goldens that are missing or differ.")
    add("--golden-reason", metavar="TEXT", help="Why they may change; kept in the golden's history.")


def _seconds(text: str) -> float:
    """Raises ArgumentTypeError, which pytest says as its own."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, such as 30; 0 does not wait")
    return seconds


def pytest_configure(config: pytest.Config) -> None:
    _refuse_paths(config)
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    if config.getoption("nir_port") and config.getoption("nir_board"):
        raise pytest.UsageError("--nir-port and --nir-board both say where nir_device is: leave one out")
    if config.getoption("nir_board") or config.getoption("nir_boards") is not None:
        from nirdeploy.cli.hil.bench import header

        header(config)  # that there is such a board, or file, before anything is collected
    config.pluginmanager.register(_Ends(config), "nirdeploy-ends")


def _refuse_paths(config: pytest.Config) -> None:
    """Raises UsageError where pytest took an option's value for a path to tests, and chose its files by it.

    Which folder and configuration a run has is settled before plug-ins that are installed add their options.
    """
    here = config.invocation_params.dir
    words = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    for option, value in pairwise(words):
        path = here / value.partition("::")[0]
        if option not in _VALUED or value.startswith("-") or not path.exists():
            continue
        folder = (path if path.is_dir() else path.parent).resolve()
        led_away = config.rootpath not in (here, *here.parents)
        outside = here.resolve() not in (folder, *folder.parents)
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        if led_away or (outside and (config.inipath is None or not named)):
            raise pytest.UsageError(
                f"write {option}={value}, not {option} {value}: pytest takes {value} for a path to tests before it "
                f"knows the option, and chose by it {config.rootpath} as its root and "
                f"{config.inipath or 'no file'} as its configuration"
            )


def pytest_report_header(config: pytest.Config) -> list[str]:
    if config.getoption("nir_port") or config.getoption("nir_board"):
        from nirdeploy.cli.hil.bench import header

        return header(config)
    return []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("nir_target")
    if mark is not None and len(mark.args) > 1 and "nir_target" in metafunc.fixturenames:
        metafunc.parametrize("nir_target", mark.args, indirect=True)


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    if op != "==" or not {type(left).__name__, type(right).__name__} & {"Golden", "SpikeRecord"}:
        return None  # and nothing was imported
    from nirdeploy.cli.hil.asserting import compared

    return compared(left, right)


@pytest.fixture(scope="session")
def _nir_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """What tests of a session share: virtual boards, and where built networks are kept."""
    from nirdeploy.cli.hil.bench import Bench

    bench = Bench(request.config)
    yield bench
    bench.close()


@pytest.fixture
def nir_target(request: pytest.FixtureRequest, _nir_bench: Bench) -> Target:
    """The target of this test: of its mark, else of its board, else --nir-target, else the default one."""
    return _nir_bench.target(request.node, getattr(request, "param", None))


@pytest.fixture
def nir_build(request: pytest.FixtureRequest, nir_target: Target, _nir_bench: Bench) -> Callable[..., Build]:
    """``nir_build(source, ...)``: a build of a .nir file, a NIR graph, or a torch module with ``example=`` an input.

    For ``nir_target``, unless ``target=`` names another; all else as of ``nirdeploy.build``. What was built once from
    the same content is not built again.
    """

    from nirdeploy.cli.hil.plainly import plainly

    @plainly
    def build(source: object, *, target: str | Path | Target | None = None, example: Any = None, **how: Any) -> Build:
        return _nir_bench.build(source, nir_target if target is None else target, example, how)

    return build


@pytest.fixture
def nir_device(request: pytest.FixtureRequest, nir_target: Target, _nir_bench: Bench) -> Iterator[NirDevice]:
    """``nir_device.run(built, x)``: the spikes of a build on the board of this test, which no other test has meanwhile.

    A virtual board, unless --nir-port, --nir-board or the mark nir_board name another.
    """
    device = _nir_bench.device(request.node, nir_target)
    yield device
    device.close()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``assert record == golden``: a record equals the one kept for this test, and for this place in it.

    ``golden("name")``, ``golden(tolerance=0.01, allow_silent=True)``. --golden-update writes what is missing or
    differs.
    """
    from nirdeploy.cli.hil.goldens import Golden

    return Golden(request.node)


@pytest.fixture
def assert_spikes_equal(request: pytest.FixtureRequest) -> Callable[..., Verdict]:
    """``assert_spikes_equal(expected, measured)``: as ``nirdeploy.verify``; where they part, the test says where.

    It takes what ``verify`` takes (``populations=``, ``allow_silent=``), and gives the verdict.
    """
    from nirdeploy.cli.hil.asserting import assert_equal
    from nirdeploy.cli.hil.plainly import plainly

    @plainly
    def check(expected: SpikeRecord, measured: SpikeRecord, **how: Any) -> Verdict:
        __tracebackhide__ = True
        return assert_equal(request.node, expected, measured, how)

    return check


class _Ends:
    """How each test ended, for what is said of goldens at the end; with pytest-xdist, where the workers report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: dict[str, str] = {}
        self._used: list[tuple[str, str]] = []
        self._collected: list[pytest.Item] = []
        self._of_workers: set[str] = set()
        self._left_out = False  # by a worker, of what it collected; or all that was left where the run was ended

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self._collected.append(item)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._of_workers.update(ids)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._left_out |= exitstatus == pytest.ExitCode.INTERRUPTED
        if (told := getattr(self._config, "workeroutput", None)) is not None:
            told[_LEFT_OUT] = bool(self._names() - {item.nodeid for item in session.items})

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._left_out |= getattr(node, "workeroutput", {}).get(_LEFT_OUT, True)

    def _names(self) -> set[str]:
        """Of what was collected here, as they are now: pytest-xdist changes some."""
        return {item.nodeid for item in self._collected}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = report.outcome
            self._used += [(name, str(said)) for name, said in report.user_properties if name.startswith("golden")]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        folders = {self._config.rootpath / name.partition("::")[0] for name in self._outcomes}
        if self._used or any((module.parent / GOLDENS / module.stem).is_dir() for module in folders):
            from nirdeploy.cli.hil.goldens import summary

            every = not self._left_out and self._outcomes.keys() >= self._names() | self._of_workers
            for line in summary(self._config, self._outcomes, self._used, every):
                terminalreporter.write_line(line)
