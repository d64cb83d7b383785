"""Runs: what comes back over the link is what the integer simulator says, or an error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.device.client import Device
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.flash import flash
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.opened import open_device
from nirdeploy.device.protocol import MAX_EVENTS, NEW_SAMPLE, RAW, REPLY, Kind
from nirdeploy.device.run import run
from nirdeploy.errors import (
    DeviceMismatch,
    DeviceSilent,
    InputShapeError,
    NirdeployError,
    TransferError,
    UnknownPopulation,
)
from nirdeploy.proof import agreement
from nirdeploy.records import spikes
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets.image import Image
from tests import fpga, networks
from tests.conftest import campaign, examples
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.device.models import PATIENCE, TARGET, ModelPort, built, stimulus
from tests.unit.device.terminal import Terminal


def flashed(image: Image) -> DeviceModel:
    model = DeviceModel(TARGET)
    flash(image, Device(ModelPort(model)))
    return model


def equal(measured: spikes.SpikeRecord, expected: spikes.SpikeRecord) -> bool:
    assert measured.manifest["stimulus"] == expected.manifest["stimulus"]
    assert not agreement.saturations(expected, measured)
    return all(
        sorted(found) == sorted(wanted) and all(np.array_equal(found[name], wanted[name]) for name in wanted)
        for found, wanted in ((measured.spikes, expected.spikes), (measured.membrane, expected.membrane))
    )


@pytest.fixture
def device() -> Device:
    device = Device(ModelPort(DeviceModel(TARGET)))
    flash(built(), device)
    return device


def test_a_run_over_a_pseudo_terminal_equals_the_simulator() -> None:
    x = stimulus(12, 20)
    seen: list[tuple[int, int]] = []
    with ServedModel(DeviceModel(TARGET)) as served, open_device(served.port, timeout=PATIENCE) as device:
        flash(built(), device)
        record = run(device, x, progress=lambda done, total: seen.append((done, total)))
    expected = integer.simulate(built().network, x)
    assert equal(record, expected)
    assert record.spikes["hidden"].shape == (12, 20, 100)
    assert 0.01 < record.spikes["hidden"].mean() < 0.99
    assert record.membrane["out"].dtype == np.int32
    assert np.array_equal(record.scale["out"], expected.scale["out"])
    assert (record.source, record.dt, record.outputs) == ("device", 1e-3, {"output": "out"})
    assert (record.stats["steps"], record.stats["restarts"]) == (240, 0)
    assert record.stats["saturations"] == expected.stats["saturations"]
    assert record.manifest["image"] == built().image.digest()
    assert seen[-1] == (20, 20)
    assert seen == sorted(seen)


@pytest.mark.law
@given(
    graph=networks.graphs(max_size=50, max_layers=3)
    | networks.graphs(max_size=50, max_layers=3, beyond=True)
    | networks.encoded(most=50),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=examples(30))
def test_any_network_equals_the_simulator(graph, seed: int) -> None:  # type: ignore[no-untyped-def]
    fit = fitting.fit(graph, TARGET)
    assume(fit.fits)
    network, image = fit.network, fpga.packed(fit, TARGET)
    assert network is not None
    x = networks.stimulus(graph, seed, steps=5, batch=3)
    device = Device(ModelPort(flashed(image)))
    assert equal(run(device, x, image=image), integer.simulate(network, x))


@pytest.mark.parametrize("density", [0.0, 0.01, 0.05, 0.5, 1.0])
def test_at_any_density(device: Device, density: float) -> None:
    x = stimulus(7, 3, density)
    assert equal(run(device, x), integer.simulate(built().network, x))


def test_a_device_can_run_again(device: Device) -> None:
    for seed in range(3):
        x = stimulus(4, 2, seed=seed)
        assert equal(run(device, x), integer.simulate(built().network, x))


@pytest.mark.parametrize(
    ("probe", "names"),
    [("all", {"hidden", "out"}), ("outputs", {"out"}), ("hidden", {"hidden"}), (["output"], {"out"})],
)
def test_probes(device: Device, probe: str | list[str], names: set[str]) -> None:
    x = stimulus(3, 2)
    record = run(device, x, probe)
    assert set(record.spikes) | set(record.membrane) == names
    assert equal(record, integer.simulate(built().network, x, probe))


# --- refusals -----------------------------------------------------------------------------


def test_an_unknown_probe(device: Device) -> None:
    with pytest.raises(UnknownPopulation, match="hidden, out"):
        run(device, stimulus(2, 1), ["hiden"])


def test_nothing_to_probe(device: Device) -> None:
    with pytest.raises(UnknownPopulation, match="nothing to probe"):
        run(device, stimulus(2, 1), [])


def test_a_missing_batch_dimension(device: Device) -> None:
    with pytest.raises(InputShapeError, match="batch dimension is missing"):
        run(device, stimulus(2, 1)[:, 0])


def test_a_device_that_holds_another_image(device: Device) -> None:
    with pytest.raises(DeviceMismatch) as caught:
        run(device, stimulus(2, 1), image=built(1).image)
    assert built().image.digest()[:16] in str(caught.value)
    assert built(1).image.digest()[:16] in str(caught.value)


def test_a_device_without_an_image() -> None:
    with pytest.raises(DeviceMismatch, match="holds no image"):
        run(Device(ModelPort(DeviceModel(TARGET))), stimulus(2, 1), image=built().image)


def test_a_device_of_which_nothing_is_known() -> None:
    with pytest.raises(DeviceMismatch, match="not flashed here"):
        run(Device(ModelPort(flashed(built().image))), stimulus(2, 1))


def test_an_image_flashed_by_somebody_else() -> None:
    x = stimulus(3, 2)
    record = run(Device(ModelPort(flashed(built().image))), x, image=built().image)
    assert equal(record, integer.simulate(built().network, x))


# --- bad lines ----------------------------------------------------------------------------


class Lossy(ModelPort):
    """Loses chosen frames of the device: the numbers count OUTPUT and STEPS replies as they come."""

    def __init__(self, model: DeviceModel, lose: set[int], kinds: set[int]) -> None:
        super().__init__(model)
        self._lose, self._kinds, self._count = lose, kinds, 0
        self._frames = Decoder()

    def read(self, timeout: float) -> bytes:
        kept = b""
        for frame in self._frames.feed(super().read(timeout)):
            if frame.kind in self._kinds:
                self._count += 1
                if self._count in self._lose:
                    continue
            kept += encode(frame)
        return kept


@pytest.mark.parametrize("kind", [int(Kind.OUTPUT), Kind.STEPS | REPLY])
def test_a_lost_output_costs_a_restart_a_lost_answer_nothing_and_neither_a_spike(kind: int) -> None:
    x = stimulus(10, 30)
    device = Device(Lossy(flashed(built().image), {1, 5, 9, 10}, {kind}))
    record = run(device, x, image=built().image)
    assert (record.stats["restarts"] > 0) == (kind == Kind.OUTPUT)
    assert equal(record, integer.simulate(built().network, x))


def test_a_lost_frame_of_whole_steps_is_noticed() -> None:
    """Every step is 2 x (1 + 4) bytes: nothing but its number tells that a frame is missing."""
    wide, x = built(3, 64), stimulus(12, 30, 0.5)
    expected = integer.simulate(wide.network, x, "hidden")
    assert expected.spikes["hidden"].reshape(12, 30, 2, 32).sum(axis=3).min() >= 2
    device = Device(Lossy(flashed(wide.image), {2, 9}, {int(Kind.OUTPUT)}))
    record = run(device, x, "hidden", image=wide.image)
    assert record.stats["restarts"] >= 1  # both frames may be lost on one way, then one restart mends both
    assert equal(record, expected)


def test_a_line_that_loses_every_output_ends() -> None:
    device = Device(Lossy(flashed(built().image), set(range(10_000)), {int(Kind.OUTPUT)}))
    with pytest.raises(TransferError, match="0 of 5 samples"):
        run(device, stimulus(10, 5), image=built().image)


def some_lines() -> Iterator[Faults]:
    for seed in range(campaign(60, 3_000)):
        rate = 10 ** -(3 + seed % 3)
        yield Faults(seed, rate / 4, rate / 4, rate / 8, rate / 8, rate / 8, rate / 8)


@pytest.mark.law
@pytest.mark.soak
def test_faulted_runs_are_right_or_an_error() -> None:
    x, model = stimulus(8, 12), flashed(built().image)
    expected = integer.simulate(built().network, x)
    right = restarts = 0
    for faults in some_lines():
        try:
            device = Device(FaultyPort(ModelPort(model), faults), attempts=10)
            record = run(device, x, image=built().image)
        except NirdeployError:
            continue
        assert equal(record, expected)
        right += 1
        restarts += record.stats["restarts"] > 0
    assert right > 30
    assert restarts > 3


def test_a_device_that_dies_while_running() -> None:
    model = flashed(built().image)
    with (
        Terminal(model, silent_after=2000) as terminal,
        Device(terminal.line(), timeout=0.1, attempts=2) as device,
        pytest.raises((DeviceSilent, TransferError)),
    ):
        run(device, stimulus(10, 50), image=built().image)


def test_a_device_unplugged_while_running() -> None:
    with (
        Terminal(flashed(built().image), gone_after=2000) as terminal,
        open_device(terminal.port, timeout=PATIENCE) as device,
        pytest.raises(TransferError, match="port was lost"),
    ):
        run(device, stimulus(10, 50), image=built().image)


def test_steps_are_in_flight_up_to_the_window() -> None:
    """The first reply is read only when the window is full: a long line is kept busy."""

    class Slow(ModelPort):
        most = unread = 0

        def write(self, data: bytes) -> None:
            super().write(data)
            self.unread += len(data)
            self.most = max(self.most, self.unread)

        def read(self, timeout: float) -> bytes:
            self.unread = 0
            return super().read(timeout)

    port = Slow(flashed(built().image))
    device = Device(port)
    port.most = 0
    run(device, stimulus(20, 60, 0.3), image=built().image)
    assert 0.85 * device.window < port.most <= device.window


# --- the input stream ---------------------------------------------------------------------


def decoded(stream: bytes, words: int) -> list[np.ndarray]:
    """docs/link.md read backwards: the bits of every step; the stream must start with a new sample."""
    assert stream[0] == NEW_SAMPLE
    position, steps = 1, []
    while position < len(stream):
        head = stream[position]
        length = 4 * words if head == RAW else 2 * head
        body = stream[position + 1 : position + 1 + length]
        bits = np.zeros(32 * words, dtype=np.uint8)
        if head == RAW:
            bits[:] = np.unpackbits(np.frombuffer(body, dtype=np.uint8), bitorder="little")
        else:
            assert head <= MAX_EVENTS
            events = np.frombuffer(body, dtype="<u2")
            assert (np.diff(events.astype(int)) > 0).all()
            bits[events] = 1
        assert length == min(4 * words, 2 * int(bits.sum()) if bits.sum() <= MAX_EVENTS else 4 * words)
        steps.append(bits)
        position += 1 + length
    return steps


@given(st.floats(0, 1), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_the_input_stream_takes_the_shorter_of_events_and_bitmap(
    density: float, time: int, batch: int, seed: int
) -> None:
    image, x = built().image, stimulus(time, batch, density, seed)
    streams = encode_samples(image, {"input": x})
    assert len(streams) == batch
    for b, stream in enumerate(streams):
        steps = decoded(stream, image.input_words)
        assert np.array_equal(np.stack(steps)[:, :64], x[:, b].reshape(time, 64))


def test_an_event_outside_its_group_is_not_believed() -> None:
    """A device that sends nonsense (as an old bitstream might) ends in an error."""

    class Nonsense(ModelPort):
        def read(self, timeout: float) -> bytes:
            kept = b""
            for frame in Decoder().feed(super().read(timeout)):
                wrong = Frame(frame.kind, frame.seq, b"\x01\xff\xff" * (len(frame.payload) // 3))
                kept += encode(wrong if frame.kind == Kind.OUTPUT else frame)
            return kept

    with pytest.raises(TransferError, match="outside its group"):
        run(Device(Nonsense(flashed(built().image))), stimulus(4, 2), image=built().image)
