"""bench: the boards of a session of tests: which one a test has, and whether it may."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest

import nirdeploy
from nirdeploy.cli.hil import properties
from nirdeploy.cli.hil.plainly import plainly, said, worded
from nirdeploy.device import opened
from nirdeploy.device.lab import choose, file
from nirdeploy.errors import NirdeployError, PortError
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target

if TYPE_CHECKING:
    from nirdeploy.device.client import Device
    from nirdeploy.device.lab.file import NamedBoard
    from nirdeploy.pipeline import Build
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.records.tally import Tally

Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """Where a test's device is: ``port`` as open_device takes it, and the board where it is named."""

    port: str
    board: NamedBoard | None = None


class Bench:
    """What the tests of a session (of a worker of pytest-xdist) share: virtual boards and built networks."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._open: list[Device] = []
        self._kept_open: dict[tuple[str, bytes], Device] = {}
        self._builds: dict[str, Build] = {}
        self._kept: Path | None = None
        self._passing: tempfile.TemporaryDirectory[str] | None = None
        chosen = config.getoption("nir_boards")
        self._asked = None if chosen is None else choose.asked(file.VARIABLE, str(Path(chosen).absolute()))
        if self._asked is not None:
            self._asked.__enter__()

    def close(self) -> None:
        for device in self._open:
            if not device.closed:
                device.close()
        if self._passing is not None:
            self._passing.cleanup()
        if self._asked is not None:
            self._asked.__exit__(None, None, None)

    def place(self, item: pytest.Item) -> Place:
        """Where the device of a test is; skips or fails the test that cannot have it."""
        asked, port = self._config.getoption("nir_board"), self._config.getoption("nir_port")
        mark = item.get_closest_marker("nir_board")
        if mark is not None and (len(mark.args) != 1 or mark.kwargs):
            _fail(f"the mark nir_board names one board, as in nir_board('NAME'), not {mark.args}")
        wanted = mark.args[0] if mark is not None else None
        if mark is not None and not isinstance(wanted, str):
            _fail(f"the mark nir_board names a board by text, as in nir_board('NAME'), not by {wanted!r}")
        if wanted is not None and (port or (asked or wanted) != wanted):
            pytest.skip(
                f"needs the board {wanted!r}, and {f'--nir-board={asked}' if asked else '--nir-port'} is chosen"
            )
        name = asked or wanted
        if name is None:
            return Place(port or file.VIRTUAL)
        try:
            return Place(name, _plugged_in(name))
        except NirdeployError as error:
            absent = isinstance(error, PortError) or not file.is_name(name)
            if not absent or asked or self._config.getoption("nir_require_boards"):
                _fail(said(error))
            pytest.skip(f"needs the board {name!r}: {worded(error)}")

    def target(self, item: pytest.Item, chosen: str | None) -> Target:
        """The target of a test; skips the test whose board is another."""
        found = self._target(item, chosen)
        properties.say(item, properties.TARGET, found.name)
        return found

    def _target(self, item: pytest.Item, chosen: str | None) -> Target:
        mark = item.get_closest_marker("nir_target")
        if mark is not None and (not mark.args or mark.kwargs):
            _fail("the mark nir_target names a target, as in nir_target('NAME')")
        name = chosen or (mark.args[0] if mark is not None else None)
        try:
            board = self.place(item).board
            if name is None:
                asked = self._config.getoption("nir_target")
                return board.target() if board is not None and asked is None else registry.load(asked)
            target = registry.load(name)
            if board is not None and board.file is not None and board.target().signature != target.signature:
                pytest.skip(f"is for the target {target.name!r}, and the board {board.name!r} is {board.target_name!r}")
        except NirdeployError as error:
            _fail(said(error))
        return target

    def build(self, source: object, target: str | Path | Target, example: Any, how: dict[str, Any]) -> Build:
        from nirdeploy.cli.hil import building

        key, built = building.build(source, target, self._folder(), example, how)
        return self._builds.setdefault(key, built)

    def _folder(self) -> Path:
        """Where builds are kept: in pytest's cache, or for this session where there is none that can be written."""
        if self._kept is None:
            kept = getattr(self._config, "cache", None)
            with contextlib.suppress(OSError):  # it cannot be written: pytest says so itself, and goes on
                self._kept = Path(kept.mkdir("nirdeploy")) if kept is not None else None
        if self._kept is None:
            self._passing = tempfile.TemporaryDirectory(prefix="nirdeploy-")
            self._kept = Path(self._passing.name)
        return self._kept

    def device(self, item: pytest.Item, target: Target) -> NirDevice:
        return NirDevice(item, target, self.place(item), self)

    def opened(self, place: Place, target: Target) -> tuple[Device, bool]:
        """A device, and whether it stays open: a virtual board is this process's own, all others are given back."""
        if not choose.is_virtual(place.port):
            return self._opened(place, target), False
        if place.board is not None:
            choose.agree(place.board, target)
        key = (place.port, target.signature)
        device = self._kept_open.get(key)
        if device is None or device.closed or not _answers(device):
            if device is not None:
                device.close()
            device = self._kept_open[key] = self._opened(place, target)
        return device, True

    def _opened(self, place: Place, target: Target) -> Device:
        wait = float(self._config.getoption("nir_wait"))
        device = opened.open_device(place.port, target, wait=wait, say=_tell)
        self._open = [one for one in self._open if not one.closed] + [device]
        return device


def _answers(device: Device) -> bool:
    """Whether a virtual board is still there: one that went with its process is not used again."""
    try:
        device.hello()
    except NirdeployError:
        return False
    return True


class NirDevice:
    """The device of a test. ``target``: what it is; ``port``, ``board``: where, and how it is called, if it is.

    It is opened when it is used first, waits while another test or program has it, and is given back when the test
    ends.
    """

    def __init__(self, item: pytest.Item, target: Target, place: Place, bench: Bench) -> None:
        self.target, self.port = target, place.port
        self.board = place.board.name if place.board is not None else None
        self._item, self._place, self._bench = item, place, bench
        self._device: Device | None = None
        self._opened: bytes = b""
        self._stays = False
        properties.say(item, properties.BOARD, place.port)

    @plainly
    def open(self, target: Target | None = None) -> Device:
        """The open device, as :func:`nirdeploy.open_device` gives it. Raises as it does."""
        target = target or self.target
        if self._device is None or self._device.closed or self._opened != target.signature:
            self.close()
            self._device, self._stays = self._bench.opened(self._place, target)
            self._opened = target.signature
        return self._device

    @plainly
    def run(self, built: Build, x: Any, probe: str | list[str] = "all", **how: Any) -> SpikeRecord:
        """Flash a build and run a stimulus (T, B, ...); arguments as of :func:`nirdeploy.run`."""
        return self._with(built, lambda device: nirdeploy.run(device, x, probe, image=built.image, **how))

    @plainly
    def tally(self, built: Build, x: Any, reads: list[str], probe: str | list[str] = "all", **how: Any) -> Tally:
        """Flash a build and count what its samples come to; arguments as of :func:`nirdeploy.tally`."""
        return self._with(built, lambda device: nirdeploy.tally(device, x, reads, probe, image=built.image, **how))

    def _with(self, built: Build, run: Callable[[Device], Made]) -> Made:
        properties.say(self._item, properties.BUILD, built.image.digest())
        device = self.open(built.target)
        try:
            if not built.image.passes:
                nirdeploy.flash(built.image, device)
            return run(device)
        except BaseException:
            device.close()  # one that went wrong is not used again
            raise

    def close(self) -> None:
        """Give it back."""
        if self._device is not None and not self._stays:
            self._device.close()
        self._device = None


def header(config: pytest.Config) -> list[str]:
    """Which board the tests have, and where that is said. Raises UsageError where there is no such board, or file."""
    name, port = config.getoption("nir_board"), config.getoption("nir_port")
    bench = Bench(config)
    try:
        if config.getoption("nir_boards") is not None:
            file.load()
        if name is None:
            return [f"nirdeploy: port {port}"] if port else []
        board = choose.board(file.check_name(name))
        return [f"nirdeploy: {board.said if board is not None else name}"]
    except NirdeployError as error:
        raise pytest.UsageError(said(error)) from error
    finally:
        bench.close()


def _plugged_in(name: str) -> NamedBoard | None:
    """The board of that name. Raises :class:`PortError` where there is none, or it is not there; else what is wrong."""
    board = choose.board(file.check_name(name))
    if board is not None and board.file is not None:
        board.hardware()
    if board is not None and not choose.is_virtual(name):
        choose.device_of(board)
    return board


def _tell(text: str) -> None:
    sys.stderr.write(f"nirdeploy: {text}\n")


def _fail(text: str) -> NoReturn:
    raise pytest.fail.Exception(text, pytrace=False) from None
