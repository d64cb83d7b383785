"""Flashing: whole or not at all, whatever happens to the line, the host or the device."""

from __future__ import annotations

import dataclasses
import random
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.device.client import Device
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.flash import flash
from nirdeploy.device.opened import open_device
from nirdeploy.errors import DeviceMismatch, DeviceSilent, DoesNotFit, NirdeployError, TransferError
from nirdeploy.targets.image import Image
from nirdeploy.targets.slots import Section
from tests.conftest import campaign, examples
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.device.models import PATIENCE, TARGET, ModelPort, built, holds
from tests.unit.device.terminal import Terminal


@pytest.fixture
def model() -> DeviceModel:
    return DeviceModel(TARGET)


def connect(model: DeviceModel) -> Device:
    return Device(ModelPort(model))


def is_flashed(model: DeviceModel, image: Image) -> bool:
    """The device's own claim, and the truth."""
    return connect(model).hello().image_hash == image.digest_bytes and holds(model, image)


def test_a_flash_over_a_pseudo_terminal(model: DeviceModel) -> None:
    seen: list[tuple[int, int]] = []
    with ServedModel(model) as served, open_device(served.port, timeout=PATIENCE) as device:
        report = flash(built(), device, lambda done, total: seen.append((done, total)))
    image = built().image
    assert is_flashed(model, image)
    assert device.image is image
    assert (report.image, report.already_there, report.retransmitted) == (image.digest(), False, 0)
    assert report.bytes_sent + report.bytes_skipped == image.total_bytes
    assert seen == sorted(seen)
    assert seen[-1] == (image.total_bytes, image.total_bytes)


def test_an_image_alone_will_do(model: DeviceModel) -> None:
    flash(built().image, connect(model))
    assert is_flashed(model, built().image)


def test_what_is_there_already_is_not_sent(model: DeviceModel) -> None:
    flash(built(), connect(model))
    port = ModelPort(model)
    report = flash(built(), Device(port))
    assert (report.already_there, report.bytes_sent, report.bytes_skipped) == (True, 0, built().image.total_bytes)
    assert port.written < 600  # questions: for a digest of each section


def test_what_the_device_only_says_is_there_is_sent(model: DeviceModel) -> None:
    """Its hash is the image's, a bit of its memory is not."""
    flash(built(), connect(model))
    section = built().image.sections[7]
    model.read(section.address, 10)[9] ^= np.uint32(1 << 31)
    assert connect(model).hello().image_hash == built().image.digest_bytes
    report = flash(built(), connect(model))
    assert (report.already_there, report.bytes_sent) == (False, len(section.data))
    assert is_flashed(model, built().image)


def test_force_sends_everything(model: DeviceModel) -> None:
    flash(built(), connect(model))
    report = flash(built(), connect(model), force=True)
    assert (report.already_there, report.bytes_sent) == (False, built().image.total_bytes)
    assert is_flashed(model, built().image)


def test_only_sections_that_differ_are_sent(model: DeviceModel) -> None:
    flash(built(), connect(model))
    image = built().image
    section = image.sections[4]
    words = section.words.copy()
    words[100] ^= 1
    changed = dataclasses.replace(
        image, sections=(*image.sections[:4], dataclasses.replace(section, words=words), *image.sections[5:])
    )
    report = flash(changed, connect(model))
    assert report.bytes_sent == len(section.data)
    assert report.bytes_skipped == image.total_bytes - len(section.data)
    assert is_flashed(model, changed)


def test_one_image_after_another(model: DeviceModel) -> None:
    for seed, hidden in ((0, 100), (1, 100), (2, 40), (0, 100)):
        flash(built(seed, hidden), connect(model))
        assert is_flashed(model, built(seed, hidden).image)


def test_an_image_for_other_hardware_is_refused_untouched(model: DeviceModel) -> None:
    flash(built(), connect(model))
    other = dataclasses.replace(built(1).image, signature="00" * 8)
    with pytest.raises(DeviceMismatch) as caught:
        flash(other, connect(model))
    assert "0" * 16 in str(caught.value)
    assert TARGET.signature.hex() in str(caught.value)
    assert is_flashed(model, built().image)


def test_more_sections_than_a_commit_holds(model: DeviceModel) -> None:
    image = built().image
    many = dataclasses.replace(image, sections=image.sections * 3)
    assert len(many.sections) == 63
    with pytest.raises(DoesNotFit, match="63 sections, this device commits at most 39"):
        flash(many, connect(model))
    assert connect(model).status().bad_frames == 0


def test_a_device_that_answers_a_commit_with_nonsense(model: DeviceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for nonsense in (b"", b"\x00", b"\x77\x00", b"\x00\x00\x00"):
        monkeypatch.setattr(model, "_commit", lambda _, reply=nonsense: reply)
        with pytest.raises(TransferError, match="COMMIT"):
            flash(built(), connect(model))


def _section(name: str, seed: int = 0) -> Section:
    return next(s for s in built(seed).image.sections if s.name == name)


class WornMemory(DeviceModel):
    """A bit that cannot be set."""

    def _write(self, frame):  # type: ignore[no-untyped-def]
        reply = super()._write(frame)
        address = _section("core0.weights").address
        self.read(address, 1)[0] &= ~np.uint32(1 << 5)
        return reply


def test_a_device_that_reads_back_something_else_is_an_error() -> None:
    section = _section("core0.weights")
    seed = next(s for s in range(20) if int(_section("core0.weights", s).words[0]) & 1 << 5)
    worn = WornMemory(TARGET)
    with pytest.raises(TransferError, match=f"digest mismatch in {section.name}") as caught:
        flash(built(seed), connect(worn))
    assert caught.value.exit_code == 7
    assert connect(worn).hello().image_hash == b""


def test_a_bit_that_falls_over_later_is_found_by_force_or_by_digest(model: DeviceModel) -> None:
    """After an interrupted flash, sections are compared by what the device reads back, not by memory of it."""
    flash(built(), connect(model))
    connect(model).write([(built().image.sections[0].address, built().image.sections[0].data)])  # invalidates
    model.read(built().image.sections[7].address, 10)[9] ^= np.uint32(1 << 31)
    report = flash(built(), connect(model))
    assert report.bytes_sent == len(built().image.sections[7].data)
    assert is_flashed(model, built().image)


# --- hosts that die -----------------------------------------------------------------------


class HostDies(Exception):
    """Raised into the host by its port."""


class CutPort(ModelPort):
    """Lets ``allowed`` bytes through, then the host is no more."""

    def __init__(self, model: DeviceModel, allowed: int) -> None:
        super().__init__(model)
        self._left = allowed

    def write(self, data: bytes) -> None:
        super().write(data[: self._left])
        if len(data) > self._left:
            raise HostDies
        self._left -= len(data)


def cut(model: DeviceModel, image: Image, allowed: int) -> bool:
    """Flash with a host that dies after so many bytes; whether it came to the end."""
    try:
        flash(image, Device(CutPort(model, allowed)))
    except HostDies:
        return False
    return True


def test_a_host_killed_at_any_byte_leaves_a_device_that_the_next_flash_recovers() -> None:
    old, new = built(0, 40).image, built(1, 40).image
    model = DeviceModel(TARGET)
    flash(old, connect(model))
    port = ModelPort(model)
    flash(new, Device(port))
    killed = 0
    for allowed in [*range(0, port.written, 41), *range(port.written - 60, port.written)]:
        flash(old, connect(model))
        killed += not cut(model, new, allowed)
        held = connect(model).hello().image_hash
        assert held in (b"", old.digest_bytes, new.digest_bytes)
        for image in (old, new):
            assert held != image.digest_bytes or holds(model, image)
        flash(new, connect(model))
        assert is_flashed(model, new)
    assert killed > 150


@given(st.lists(st.integers(0, 9000), max_size=6), st.integers(0, 3))
@settings(max_examples=examples(50))
def test_hosts_that_die_one_after_another(cuts: list[int], seed: int) -> None:
    model = DeviceModel(TARGET)
    for number, allowed in enumerate(cuts):
        image = built(number % 4, 40).image
        if cut(model, image, allowed):
            assert is_flashed(model, image)
    flash(built(seed, 40), connect(model))
    assert is_flashed(model, built(seed, 40).image)


KILLED = """
import os, signal, sys
from nirdeploy.device.opened import open_device
from nirdeploy.device.flash import flash
from nirdeploy.targets.image import Image
from nirdeploy.targets.slots import Section
from pathlib import Path

def progress(done, total):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

with open_device(sys.argv[1], timeout=300) as device:
    flash(Image.load(Path(sys.argv[2])), device, progress)
"""


@pytest.mark.parametrize("after", [480, 5000])
def test_a_process_killed_while_flashing(model: DeviceModel, tmp_path, after: int) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "new.image"
    built(1).image.save(path)
    with ServedModel(model) as served:
        ended = subprocess.run([sys.executable, "-c", KILLED, served.port, str(path), str(after)], check=False)
        assert ended.returncode == -signal.SIGKILL
        with open_device(served.port, timeout=PATIENCE) as device:
            assert device.hello().image_hash == b""
            flash(built(1), device)
    assert is_flashed(model, built(1).image)


# --- devices that die ---------------------------------------------------------------------


@pytest.mark.parametrize("after", [400, 3000, 9000])
def test_a_device_unplugged_while_flashing(model: DeviceModel, after: int) -> None:
    with (
        Terminal(model, gone_after=after) as terminal,
        open_device(terminal.port, timeout=PATIENCE) as device,
        pytest.raises(TransferError, match="port was lost"),
    ):
        flash(built(), device)
    flash(built(), connect(model))
    assert is_flashed(model, built().image)


def test_a_device_that_falls_silent_while_flashing(model: DeviceModel) -> None:
    with (
        Terminal(model, silent_after=3000) as terminal,
        Device(terminal.line(), timeout=0.1, attempts=3) as device,
        pytest.raises(DeviceSilent, match="WRITE after 3 attempts"),
    ):
        flash(built(), device)
    flash(built(), connect(model))
    assert is_flashed(model, built().image)


# --- lines that damage --------------------------------------------------------------------


def fault_levels() -> Iterator[Faults]:
    """A thousand and more lines, from good to hopeless, each with its own mix of faults."""
    for seed in range(campaign(1000, 20_000)):
        rng = random.Random(seed)
        rate = 10 ** rng.uniform(-5, -2)
        shares = [rng.random() ** 2 for _ in range(6)]
        kinds = ("drop", "flip", "duplicate", "insert", "swap", "burst")
        yield Faults(seed, **{kind: rate * share for kind, share in zip(kinds, shares, strict=True)})


@pytest.mark.law
@pytest.mark.soak
def test_a_thousand_faulted_flashes_end_well_or_with_an_error() -> None:
    """Never a wrong image reported as flashed, never an untyped error, never without an end."""
    model, images = DeviceModel(TARGET), [built(seed, 40).image for seed in range(3)]
    outcomes = {"flashed": 0, "failed": 0, "injected": 0}
    for number, faults in enumerate(fault_levels()):
        image = images[number % 3]
        port = FaultyPort(ModelPort(model), faults)
        try:
            flash(image, Device(port, attempts=12))
        except NirdeployError:
            outcomes["failed"] += 1
            held = connect(model).hello().image_hash
            assert all(held != other.digest_bytes or holds(model, other) for other in images)
        else:
            outcomes["flashed"] += 1
            assert is_flashed(model, image)
        outcomes["injected"] += port.injected
    flash(images[0], connect(model))
    assert is_flashed(model, images[0])
    assert outcomes["flashed"] > 500  # the retries are worth something
    assert outcomes["injected"] > 5000  # and the lines were bad
