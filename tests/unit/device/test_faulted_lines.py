"""Lines that damage bytes both ways: every flash and every run completes, and is right, whatever it takes.

What it takes is counted in bytes: benchmarks/faulted_lines.py measures the time.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nirdeploy.device import endurance, talk
from nirdeploy.device.client import Device
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.flash import flash
from nirdeploy.device.quality import Quality, Silences, tries
from nirdeploy.device.run import run, tally
from nirdeploy.errors import DeviceSilent, TransferError
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import integer
from tests.conftest import campaign
from tests.doubles.device import DeviceModel
from tests.doubles.timed import TimedPort
from tests.unit.device.models import TARGET, built, holds, stimulus


def opened(monkeypatch: pytest.MonkeyPatch, faults: Faults | None) -> tuple[Device, TimedPort, DeviceModel]:
    model = DeviceModel(TARGET)
    port = TimedPort(model)
    clock = SimpleNamespace(monotonic=port.monotonic)
    monkeypatch.setattr(talk, "time", clock)
    monkeypatch.setattr(endurance, "time", clock)
    return Device(FaultyPort(port, faults) if faults else port), port, model


def equal(one: SpikeRecord, other: SpikeRecord) -> bool:
    return all(
        sorted(a) == sorted(b) and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in ((one.spikes, other.spikes), (one.membrane, other.membrane))
    )


def passed(monkeypatch: pytest.MonkeyPatch, faults: Faults | None, x: np.ndarray) -> tuple[int, int]:
    """Bytes of a flash and of a run, which are right."""
    device, port, model = opened(monkeypatch, faults)
    flash(built(), device)
    assert holds(model, built().image)
    flashed = port.sent + port.received
    assert equal(run(device, x), integer.simulate(built().network, x))
    return flashed, port.sent + port.received - flashed


def faults_of(rate: float, seed: int) -> Faults:
    return Faults(seed, drop=rate / 4, flip=rate / 4, duplicate=rate / 4, insert=rate / 4)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("rate", "lines", "samples", "flash_most", "run_most"),
    [(1e-4, 2, 20, 1.4, 2), (1e-3, 6, 20, 1.6, 3), (1e-2, 2, 3, 5, 30)],
)
def test_every_flash_and_run_completes(
    rate: float, lines: int, samples: int, flash_most: float, run_most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, seeds = stimulus(12, samples), range(campaign(lines, 25 * lines))
    clean = passed(monkeypatch, None, x)
    took = np.array([passed(monkeypatch, faults_of(rate, seed), x) for seed in seeds])
    assert took[:, 0].mean() < flash_most * clean[0]
    assert took[:, 1].mean() < run_most * clean[1]


def test_a_request_is_repeated_until_damage_explains_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four are lost there or back, and twelve in a row are not unheard of; silence is still noticed."""
    device, port, _ = opened(monkeypatch, None)
    device.hello()
    device._port = FaultyPort(port, faults_of(3e-2, 3))
    for _ in range(400):
        device.status()
    device._port = FaultyPort(port, Faults(3, drop=1.0))
    began = port.monotonic()
    with pytest.raises((DeviceSilent, TransferError), match="did not answer STATUS"):
        device.status()
    assert port.monotonic() - began < 120


@pytest.mark.parametrize(
    ("rate", "count", "most"), [(0.0, 40, 1), (1e-5, 40, 3), (1e-3, 40, 7), (1e-2, 40, 19), (1.0, 40, 59)]
)
def test_how_often_damage_explains_silence(rate: float, count: int, most: int) -> None:
    assert 1 <= tries(rate, count) <= most
    assert tries(rate, 4 * count) >= tries(rate, count)


def test_a_sample_longer_than_the_line_carries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 1,500 bytes a sample, of which five are damaged: it comes in pieces."""
    x = stimulus(50, 1)
    device, _, _ = opened(monkeypatch, faults_of(3e-3, 1))
    flash(built(), device)
    record = run(device, x)
    assert equal(record, integer.simulate(built().network, x))
    assert record.stats["restarts"] > 0


def test_counted_over_a_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    x = stimulus(12, 20)
    device, _, _ = opened(monkeypatch, faults_of(3e-3, 2))
    flash(built(), device)
    found = tally(device, x, ["count"], "hidden")
    assert np.array_equal(
        found.values["count"]["hidden"], integer.simulate(built().network, x).spikes["hidden"].sum(axis=0)
    )


# --- what is known of a line ----------------------------------------------------------------


def test_frames_adapt_to_the_line() -> None:
    quality = Quality()
    quality.carried(100_000)
    assert quality.payload(12, 500) == 500
    assert quality.window(4096) == 4096
    sizes = []
    for _ in range(4):
        for _ in range(20):
            quality.carried(1_000)
            quality.faulted()
        sizes.append(quality.payload(12, 500))
    assert sizes == sorted(sizes, reverse=True)
    assert 80 < sizes[-1] < 250
    assert quality.window(4096) < 1000
    quality.carried(1_000_000)
    assert quality.payload(12, 500) == 500


def test_the_size_chosen_carries_best() -> None:
    quality = Quality()
    for _ in range(300):
        quality.carried(100)
        quality.faulted()
    best = quality.payload(12, 500)
    carried = [p / (p + 12) * quality.survives(p + 12) for p in range(1, 500)]
    assert abs(int(np.argmax(carried)) + 1 - best) <= 1


def test_waits_follow_the_silences() -> None:
    silences = Silences()
    first = silences.wait(lossy=True)
    silences.lasted(0.002)
    quick = silences.wait(lossy=True)
    assert quick < silences.wait(lossy=False) <= first
    silences.lasted(0.3)
    assert silences.wait(lossy=True) > 0.3
    for _ in range(1000):
        silences.lasted(0.002)
    assert silences.wait(lossy=True) == quick
    silences.cut()
    assert silences.wait(lossy=True) >= quick
