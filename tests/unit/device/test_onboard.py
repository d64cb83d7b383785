"""Networks larger than the chip, played by the board from its external memory: the same records as by the host."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.frame import Decoder
from nirdeploy.device.onboard import OnBoard, prepared
from nirdeploy.device.protocol import PLAYING, DeviceStatus, Kind
from nirdeploy.errors import DeviceMismatch, DoesNotFit, TransferError
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Projection
from nirdeploy.semantics.operators import Convolution, Maximum
from nirdeploy.targets import registry as targets
from nirdeploy.targets.player.compiling import Compiled, compiled
from nirdeploy.targets.player.operations import Gather, Sum
from nirdeploy.targets.tables import Target
from tests import networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.unit.backends.fpga.passes.cases import lif
from tests.unit.device.models import ModelPort


def small(**hardware: int) -> Target:
    sizes = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32}
    return targets.load("fpga").with_hardware(**{**sizes, "out_words": 128, "external": 1, **hardware})


TARGET = small()


@cache
def built(target: Target = TARGET) -> nd.Build:
    """250 inputs are too many for the weight memory, 60 neurons for the bitmaps of their sums."""
    return nd.build(networks.two_layers(sizes=(250, 60, 5)), target)


def device(target: Target = TARGET, pace: int = 1000) -> Device:
    return Device(ModelPort(DeviceModel(target, pace)))


X = networks.spikes(0, (4, 3, 250))


def test_a_run_on_the_board_equals_the_integer_simulator() -> None:
    told: list[tuple[int, int]] = []
    passes: list[tuple[int, int]] = []
    with device(pace=7) as there:
        measured = nd.run(
            there,
            X,
            image=built().image,
            progress=lambda done, total: told.append((done, total)),
            on_pass=lambda *now: passes.append(now),
        )
    verdict = nd.verify(nd.simulate(built(), X), measured)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == 4 * 3 * 65
    assert measured.stats["batches"] == 1
    tiles = sum(one.wiring.tiles for one in built().image.passes if one.wiring)
    assert measured.stats["steps"] == 4 * 3 * tiles
    assert told[-1] == (3 * tiles, 3 * tiles)
    assert told == sorted(told)
    assert passes == sorted(passes)
    assert len(passes) > len(built().image.passes) // 2


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("dialect", ["nir,spike_delay=true", "nir,connection_delay=true"])
def test_spikes_that_are_a_step_late_are_so_in_other_passes(dialect: str, copies: bool) -> None:
    made = nd.build(networks.two_layers(sizes=(40, 100, 40), dialect=dialect), TARGET)
    assert len(made.image.passes) > 2
    x, probed = networks.spikes(0, (5, 2, 40)), ["lif1", "lif2"]
    program = compiled(made.image, 5, probed, copies=copies)
    with device() as there:
        measured = OnBoard(there, made.image, program, {"input": x}, probed, None, None, None).record()
    assert nd.verify(nd.simulate(made, x), measured).equal
    gathers = [one for one in program.operations if isinstance(one, Gather)]
    assert any(one.number is None for one in gathers) == copies


@pytest.mark.law
@settings(max_examples=examples(12))
@given(
    graph=networks.graphs(max_size=40, max_layers=3)
    | networks.graphs(max_size=40, max_layers=3, beyond=True)
    | networks.grids(most=120)
    | networks.encoded(most=90),
    rows=st.sampled_from([64, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_board_host_and_integer_simulator_agree(graph: CheckedGraph, rows: int, seed: int) -> None:
    board, host = small(weight_rows=rows, neurons=32), small(weight_rows=rows, neurons=32, external=0)
    try:
        made, by_host = nd.build(graph, board), nd.build(graph, host)
    except DoesNotFit:
        reject()
    x = networks.stimulus(graph, seed, steps=4)
    with device(board) as there:
        nd.flash(made, there)
        measured = nd.run(there, x)
    with device(host) as there:
        nd.flash(by_host, there)
        expected = nd.run(there, x)
    assert nd.verify(nd.simulate(made, x), measured, allow_silent=True).equal
    assert nd.verify(expected, measured, allow_silent=True).equal
    assert measured.stats["saturations"] == expected.stats["saturations"]


def program(image: Any = None, steps: int = 4, probed: tuple[str, ...] = ("lif2",)) -> Compiled:
    return compiled(image or built().image, steps, probed)


def test_weights_are_loaded_while_the_pass_before_them_runs() -> None:
    loaded, ahead = program().loaded
    assert 0.4 * loaded < ahead < loaded
    firsts = [min(s.address for s in one.sections if "core0.weights" in s.name) for one in built().image.passes]
    assert all(at == firsts[0] for at in firsts[::2])
    assert all(at > firsts[0] for at in firsts[1::2])


def test_hardware_without_external_memory_has_the_images_that_it_had() -> None:
    image = nd.build(networks.two_layers(sizes=(250, 60, 5)), small(external=0)).image
    assert b'"external"' not in image.blob
    assert {s.address & 0xFFFFF for one in image.passes for s in one.sections} == {0}


def test_what_does_not_fit_at_once_is_played_in_batches() -> None:
    made = program()
    x = networks.spikes(1, (4, 5, 250))
    most = made.program_at + made.program_size + 2 * made.room
    model = DeviceModel(TARGET)
    with Device(ModelPort(model)) as there:
        inputs = {"input": x}
        played = OnBoard(there, built().image, made, inputs, ["lif2"], None, None, None, size=most)
        measured = played.record()
    assert measured.stats["batches"] == 3
    assert nd.verify(nd.simulate(built(), x, "outputs"), measured).equal
    assert not model.external[most:].any()


def test_a_stimulus_that_stays_the_same_is_sent_once() -> None:
    x = np.repeat(X[:1], 4, axis=0)
    sizes = []
    for stimulus in (x, X):
        port = ModelPort(DeviceModel(TARGET))
        with Device(port) as there:
            measured = nd.run(there, stimulus, image=built().image)
        assert nd.verify(nd.simulate(built(), stimulus), measured).equal
        sizes.append(port.written)
    assert sizes[0] < sizes[1] - 3 * 3 * 250 // 8


def test_what_is_in_the_memory_already_is_not_sent_again() -> None:
    with device() as there:
        first = nd.run(there, X, image=built().image)
        again = nd.run(there, X, image=built().image)
    assert nd.verify(first, again).equal
    assert first.stats["bytes_flashed"] >= sum(one.total_bytes for one in built().image.passes) // 2
    assert again.stats["bytes_flashed"] == 0


def test_the_host_plays_what_the_memory_does_not_hold_and_says_why() -> None:
    target = small(weight_rows=2048, neurons=256, lanes=32, spike_words=64, out_words=512)
    made = nd.build(networks.two_layers(sizes=(1100, 1000, 5)), target)
    x, said = networks.spikes(0, (1, 1, 1100)), list[str]()
    with device(target) as there:
        measured = nd.run(there, x, image=made.image, say=said.append)
    assert nd.verify(nd.simulate(made, x), measured).equal
    assert "batches" not in measured.stats
    (reason,) = said
    assert reason.endswith("of a sample of 1 steps are more than the 1,048,576 of external memory")


def test_a_sample_that_is_too_long_is_said() -> None:
    reason = prepared(built().image, {"input": networks.spikes(0, (20_000, 1, 250))}, ["lif1"])
    assert isinstance(reason, str)
    assert "of a sample of 20,000 steps are more than" in reason
    reason = prepared(built().image, {"input": networks.spikes(0, (70_000, 1, 250))}, ["lif1"])
    assert reason == "70,000 steps of so many values are more than a program can say"


@pytest.mark.parametrize("at", [0, 1])
def test_a_run_goes_on_after_the_last_batch_that_was_done(tmp_path: Path, at: int) -> None:
    x = networks.spikes(1, (4, 4, 250))
    made = program()
    size = made.program_at + made.program_size + 2 * made.room

    class Unplugged(Exception):
        """The cable is out."""

    def pull(done: int, total: int) -> None:
        if done > (1 + 2 * at) * total // 4:
            raise Unplugged

    def playing(there: Device, progress: Any) -> OnBoard:
        return OnBoard(there, built().image, made, {"input": x}, ["lif2"], progress, None, tmp_path, size=size)

    with device(pace=10) as there, pytest.raises(Unplugged):
        playing(there, pull).record()
    with device() as there:
        measured = playing(there, None).record()
    assert nd.verify(nd.simulate(built(), x, "outputs"), measured).equal
    tiles = sum(one.wiring.tiles for one in built().image.passes if one.wiring)
    assert measured.stats["steps"] == (4 - 2 * at) * 4 * tiles


def test_a_player_that_stops_is_an_error() -> None:
    model = DeviceModel(TARGET)

    class Broken(ModelPort):
        """A memory that loses a word of the program when it is played."""

        def write(self, data: bytes) -> None:
            if any(frame.kind == Kind.PLAY for frame in Decoder().feed(data)):
                made = program(probed=("lif1", "lif2"))
                model.external[made.program_at + made.program_size - 1] = 0x77000000
            super().write(data)

    with Device(Broken(model)) as there, pytest.raises(TransferError, match=r"the player stopped after .* in pass 13"):
        nd.run(there, X, image=built().image)


def test_a_memory_that_keeps_nothing_is_an_error() -> None:
    model = DeviceModel(TARGET)
    model.external.flags.writeable = False
    with Device(ModelPort(model)) as there, pytest.raises((TransferError, ValueError)):
        nd.run(there, X, image=built().image)


def test_other_hardware_is_refused_before_anything_is_sent() -> None:
    for target in (small(external=0), small(external=2)):
        port = ModelPort(DeviceModel(target))
        with Device(port) as there:
            before = port.written
            with pytest.raises(DeviceMismatch, match="with 1 MiB of external memory, the device is another"):
                nd.run(there, X, image=built().image)
            assert port.written - before < 64


def test_a_play_that_was_left_is_stopped_by_the_next_host() -> None:
    model = DeviceModel(TARGET, pace=0)
    model.external[0] = 0x03000001
    with Device(ModelPort(model)) as there:
        there.play(0)
    with Device(ModelPort(model)) as there:
        assert there.hello().state != PLAYING


def _maximum_of_sums() -> CheckedGraph:
    rng = np.random.default_rng(3)
    operator = Convolution(rng.normal(0, 1, (12, 40, 3, 3)) / 19, (40, 6, 6), padding=((1, 1), (1, 1)))
    maximum = Maximum((12, 6, 6), (2, 2), (2, 2))
    return lif((12, 3, 3), Projection("in", "p", operator, maximum=maximum), (40, 6, 6))


@pytest.mark.parametrize(
    ("graph", "has"),
    [
        (lambda: check(networks.two_layers(sizes=(2300, 20, 5))), "more sources than a sum may have"),
        (lambda: check(networks.two_layers(sizes=(40, 400, 10))), "more streams than a list can name"),
        (lambda: check(networks.two_layers(sizes=(400, 60, 30))), "numbers that stand in several regions"),
        (_maximum_of_sums, "sums with their signs beside them"),
    ],
)
def test_what_one_operation_cannot_say_takes_several(graph: Callable[[], CheckedGraph], has: str) -> None:
    graph_ = graph()
    target = small(weight_rows=512, neurons=8) if "streams" in has else TARGET
    made = nd.build(graph_, target)
    x = networks.stimulus(graph_, 0, steps=3)
    with device(target) as there:
        measured = nd.run(there, x, image=made.image)
    assert nd.verify(nd.simulate(made, x), measured).equal
    program = compiled(made.image, 3, [*measured.spikes, *measured.membrane])
    sums = [one for one in program.operations if isinstance(one, Sum)]
    gathers = [one for one in program.operations if isinstance(one, Gather)]
    copies = [one for one in gathers if one.number is None]
    found = {
        "more sources than a sum may have": any(len(one.sources) == 15 for one in sums) and len(sums) > 1,
        "more streams than a list can name": any(len(one.streams) == 15 for one in gathers) and bool(copies),
        "numbers that stand in several regions": bool(sums) and bool(copies),
        "sums with their signs beside them": "both" in str(made.image.passes[-1].wiring),
    }
    assert found[has]
    assert "batches" in measured.stats


def test_a_line_that_loses_bytes_changes_nothing() -> None:
    port = FaultyPort(ModelPort(DeviceModel(TARGET)), Faults(seed=3, drop=3e-4, flip=3e-4))
    with Device(port, attempts=50) as there:
        measured = nd.run(there, X, image=built().image)
        assert there.retransmitted > 0
    assert nd.verify(nd.simulate(built(), X), measured).equal


def test_a_play_whose_answer_was_lost_is_one_play() -> None:
    class Deaf(ModelPort):
        """Loses the first answer to PLAY."""

        lost = False

        def write(self, data: bytes) -> None:
            super().write(data)
            if not self.lost and any(frame.kind == Kind.PLAY for frame in Decoder().feed(data)):
                self.answers.clear()
                self.lost = True

    port = Deaf(DeviceModel(TARGET))
    with Device(port) as there:
        measured = nd.run(there, X, image=built().image)
    assert port.lost
    assert nd.verify(nd.simulate(built(), X), measured).equal
    made = program()  # and if it were through before it is asked for again, it would find its stimulus
    assert all(one.region.last == len(made.operations) for one in made.sent)


class Telling(ModelPort):
    """A device that is honest but for what it says of a play in its STATUS."""

    def __init__(self, lie: Callable[[DeviceStatus], DeviceStatus]) -> None:
        super().__init__(DeviceModel(TARGET))
        honest = self.model._status
        self.model._status = lambda: lie(honest())  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"state": PLAYING, "steps": 0}, "the player does not come to an end: it says 0 of 156 steps"),
        ({"state": PLAYING, "steps": 157}, "the player does not come to an end: it says 157 of 156 steps"),
        ({"busy_cycles": 1 << 63}, "counts what cannot be, or was reset meanwhile: its cores worked for 9,223,372,"),
    ],
    ids=["for ever", "more than there are", "busy"],
)
def test_a_player_that_lies_is_an_error_in_bounded_time(lie: dict[str, Any], said: str) -> None:
    with (
        Device(Telling(lambda status: replace(status, **lie)), timeout=0.02) as there,
        pytest.raises(TransferError, match=said),
    ):
        nd.run(there, X, image=built().image)


def test_steps_that_go_back_and_forth_are_no_progress() -> None:
    steps = itertools.cycle([5, 3])
    port = Telling(lambda status: replace(status, state=PLAYING, steps=next(steps)))
    with Device(port, timeout=0.02) as there, pytest.raises(TransferError, match="does not come to an end"):
        nd.run(there, X, image=built().image)
