"""The player's RTL against the one in plain Python, with a memory of any latency and readiness at its port."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga import memory
from nirdeploy.device.client import Device
from nirdeploy.device.protocol import PLAYING, Kind, Status
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.targets.image import Image
from tests import networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.doubles.memories import memory_map
from tests.doubles.memory_port import ALWAYS, RtlPort
from tests.doubles.player import COPY, END, LOAD, PROBE, RUN, SUM, ZEROS
from tests.unit.device.models import ModelPort
from tests.unit.device.requests import begin, commit, crc, digest, write
from tests.unit.device.test_onboard import TARGET

pytestmark = pytest.mark.xdist_group("player")

HALF = TARGET.hardware.external << 17  # words: what is captured stands behind, all else before
PACES = st.tuples(st.sampled_from([(2, 2), (8, 8), (1, 40)]), st.sampled_from([ALWAYS, 128, 20]))


class Both:
    """The RTL and the plain model, each with a memory of its own."""

    def __init__(self) -> None:
        self.port = RtlPort(TARGET)
        self.model = DeviceModel(TARGET)
        self.devices = Device(self.port), Device(ModelPort(self.model))

    def put(self, at: int, words: list[int] | np.ndarray) -> None:
        self.port.memory[at : at + len(words)] = np.asarray(words, dtype=np.uint32)

    def play(self, words: list[int]) -> bool:
        """A program at word 0, to its end; whether it failed. Both memories must be the same behind it."""
        self.port.memory[: len(words) + 1] = [*words, END]
        self.model.external[:] = self.port.memory
        statuses = []
        for device in self.devices:
            device.play(0)
            status = device.status()
            while status.state == PLAYING:
                status = device.status()
            statuses.append(status)
        rtl, model = statuses
        assert rtl.failed == model.failed
        assert (rtl.steps, rtl.saturations) == (model.steps, model.saturations) or rtl.failed
        assert np.array_equal(self.port.memory, self.model.external) or rtl.failed
        return bool(rtl.failed)


@pytest.fixture(scope="module")
def both() -> Both:
    return Both()


def op(code: int, arg: int = 0) -> int:
    return code << 24 | arg


# --- gathering


@dataclass(frozen=True)
class Run:
    """A descriptor of a gather list, the place counted from where its stream stands."""

    stream: int
    at: int
    bits: int
    within: int = 1
    step: int = 0
    without: int = 1
    outer: int = 0

    def words(self) -> list[int]:
        """Moved up by as much as its negative steps reach down."""
        low = -(min(self.step, 0) * (self.within - 1) + min(self.outer, 0) * (self.without - 1))
        return [
            *(self.stream << 28 | self.at + low, self.within << 16 | self.bits, self.step & 0xFFFFFFFF),
            *(self.without, self.outer & 0xFFFFFFFF),
        ]

    @property
    def count(self) -> int:
        return self.bits * self.within * self.without


def runs(streams: int) -> st.SearchStrategy[Run]:
    bits = st.integers(1, 70) | st.sampled_from([1, 31, 32, 33, 64])
    steps = st.integers(-100, 100) | st.sampled_from([32, -32])
    numbers = st.sampled_from([*range(streams), ZEROS])
    return st.builds(Run, numbers, st.integers(0, 300), bits, st.integers(1, 4), steps, st.integers(1, 3), steps)


@dataclass(frozen=True)
class Copied:
    """Whatever a COPY may be."""

    samples: int
    steps: int
    lists: list[list[Run]]
    streams: list[tuple[int, int, int]]  # words from sample to sample, from step to step, delay


@st.composite
def copies(draw: st.DrawFn) -> Copied:
    count = draw(st.sampled_from([0, 1, 2, 15]) | st.integers(0, 4))
    lists = draw(st.lists(st.lists(runs(count), max_size=4), min_size=1, max_size=3))
    strides = st.integers(0, 40)
    streams = draw(st.lists(st.tuples(strides, strides, st.integers(0, 4)), min_size=count, max_size=count))
    return Copied(draw(st.integers(1, 3)), draw(st.integers(1, 4)), lists, streams)


@pytest.mark.law
@settings(max_examples=examples(60))
@given(copied=copies(), pace=PACES, seed=st.integers(0, 2**32 - 1))
def test_what_is_gathered_is_what_the_lists_say(
    both: Both, copied: Copied, pace: tuple[tuple[int, int], int], seed: int
) -> None:
    both.port.pace(*pace[0], pace[1])
    both.put(10_000, np.random.default_rng(seed).integers(0, 2**32, 4096, dtype=np.uint32))
    both.put(HALF, np.zeros(4096, dtype=np.uint32))
    at, table = 5000, []
    for runs_ in copied.lists:
        words = [word for run in runs_ for word in run.words()]
        both.put(at, [*words, 0, 0])
        table.append(at)
        at += len(words) + 2
    both.put(4000, table)
    streams = [word & 0xFFFFFFFF for n, own in enumerate(copied.streams) for word in (10_000 + 7 * n, *own)]
    head = [copied.samples, len(copied.lists), HALF, 0, 4000, len(copied.streams)]
    assert not both.play([op(COPY, copied.steps), *head, *streams])


def test_a_gather_takes_two_cycles_a_chunk_in_an_open_row(both: Both) -> None:
    """A chunk is what a run has in one word of the memory: here three runs of four are in two of them."""
    both.port.pace(8, 8)
    both.put(4000, [5000])
    device, patience = both.devices[0], both.port.patience
    both.port.patience = 50
    took = []
    for count in (1000, 5000):
        both.put(5000, [*Run(0, 5, 20, within=count, step=40).words(), 0, 0])
        both.put(0, [op(COPY, 1), 1, 1, HALF, 0, 4000, 1, 10_000, 0, 0, 0, END])
        start = both.port.cycles
        device.play(0)
        while device.status().state == PLAYING:
            pass
        took.append(both.port.cycles - start)
    both.port.patience = patience
    assert took[1] - took[0] < 2.2 * 7000  # and 2,500 words were written meanwhile


# --- sums


@pytest.mark.law
@settings(max_examples=examples(40))
@given(
    records=st.integers(1, 3),
    values=st.integers(1, 70) | st.sampled_from([32, 64, 65]),
    planes=st.integers(1, 32),
    sources=st.lists(st.sampled_from([0, 0, 1, 2, 5]) | st.integers(0, 31), min_size=1, max_size=15),
    small=st.booleans(),
    pace=PACES,
    seed=st.integers(0, 2**32 - 1),
)
def test_sums_are_those_of_their_sources(
    both: Both,
    records: int,
    values: int,
    planes: int,
    sources: list[int],
    small: bool,
    pace: tuple[tuple[int, int], int],
    seed: int,
) -> None:
    both.port.pace(*pace[0], pace[1])
    numbers = np.random.default_rng(seed).integers(-(2**31), 2**31, 16384) >> (22 if small else 0)
    both.put(10_000, numbers.astype(np.int32).view(np.uint32))
    both.put(HALF, np.zeros(4096, dtype=np.uint32))
    table = [word for n, held in enumerate(sources) for word in (10_000 + 13 * n, 2000 + n, held)]
    assert not both.play([op(SUM, planes), records, values, HALF, len(sources), *table])


# --- whole networks


@pytest.mark.law
@settings(max_examples=examples(4))
@given(
    graph=networks.graphs(max_size=40, max_layers=3) | networks.grids(most=120) | networks.encoded(most=90),
    pace=PACES,
    seed=st.integers(0, 2**32 - 1),
)
def test_networks_of_passes_are_played_as_they_are_meant(
    both: Both, graph: CheckedGraph, pace: tuple[tuple[int, int], int], seed: int
) -> None:
    both.port.pace(*pace[0], pace[1])
    try:
        built = nd.build(graph, TARGET)
    except DoesNotFit:
        reject()
    assume(built.image.passes)
    x = networks.stimulus(graph, seed, steps=4)
    measured = nd.run(both.devices[0], x, image=built.image)
    verdict = nd.verify(nd.simulate(built, x), measured, allow_silent=True)
    assert verdict.equal, verdict.summary()


# --- loading ahead


class Plain:
    """A network of one pass in the memory, to be played by hand."""

    TABLE, LISTS, STIMULUS, SOURCE = 4000, 5000, 10_000, 20_000
    STEPS, SAMPLES = 40, 4

    def __init__(self, both: Both) -> None:
        self.built = nd.build(networks.two_layers(sizes=(20, 16, 5)), TARGET)
        image = self.built.image
        assert not image.passes
        load, at = [], self.SOURCE
        for section in image.sections:
            both.put(at, section.words)
            load += [len(section.words), section.address, at]
            at += len(section.words)
        both.put(3000, [*load, 0])
        both.put(self.TABLE, [self.LISTS])
        both.put(self.LISTS, [*Run(0, 0, 32 * image.input_words).words(), 0, 0])
        self.words = image.input_words
        size = self.words * self.STEPS * self.SAMPLES
        dense = np.random.default_rng(1).integers(0, 2**32, (2, size), dtype=np.uint32)
        both.put(self.STIMULUS, dense[0] & dense[1])

    def program(self, meanwhile: int) -> list[int]:
        part = [(readout.parts[0].group, readout.parts[0]) for readout in self.built.image.readouts]
        probes = [word for group, one in part for word in (group | one.address << 16, 4 * -(-one.bits // 32))]
        head = [self.SAMPLES, 1, HALF, meanwhile, self.TABLE, 1]
        stream = [self.STIMULUS, self.words * self.STEPS, self.words, 0]
        return [op(LOAD), 3000, op(PROBE, len(part)), *probes, op(RUN, self.STEPS), *head, *stream]


@pytest.mark.law
@settings(max_examples=examples(6))
@given(pace=PACES, seed=st.integers(0, 2**32 - 1))
def test_what_the_running_network_does_not_read_may_be_written(
    both: Both, pace: tuple[tuple[int, int], int], seed: int
) -> None:
    """Weights, segments, jobs and parameters beside those of the image, over and over while it runs."""
    both.port.pace(*pace[0], pace[1])
    plain = Plain(both)
    both.put(HALF, np.zeros(4096, dtype=np.uint32))
    assert not both.play(plain.program(0))
    expected = both.port.memory[HALF : HALF + 4096].copy()
    assert expected.any()
    both.put(HALF, np.zeros(4096, dtype=np.uint32))
    rng = np.random.default_rng(seed)
    both.put(40_000, rng.integers(0, 2**32, 8192, dtype=np.uint32))
    both.put(30_000, [*_beside(plain.built.image, rng), 0])
    assert not both.play(plain.program(30_000))
    assert np.array_equal(both.port.memory[HALF : HALF + 4096], expected)


def _beside(image: Image, rng: np.random.Generator) -> list[int]:
    """A load list of pieces of all that an image leaves of the memories but CONTROL's; of each as many."""
    ends: dict[int, int] = {}
    for section in image.sections:
        end = section.address + len(section.words)
        ends[section.address >> 20] = max(ends.get(section.address >> 20, 0), end)
    left = [
        (max(start, ends.get(start >> 20, 0)), start + size)
        for start, size in memory_map(TARGET).items()
        if start >> 20 & 0xF != memory.CONTROL
    ]
    words = []
    for _ in range(150):
        start, end = left[rng.integers(len(left))]
        first = int(rng.integers(start, end))
        words += [min(int(rng.integers(1, 60)), end - first), first, 40_000 + int(rng.integers(0, 8000))]
    return words


# --- what cannot be


def copy(*changes: tuple[int, int]) -> list[int]:
    """A COPY of a word in one step, with some of its words changed."""
    words = [op(COPY, 1), 1, 1, HALF, 0, 4000, 1, 10_000, 0, 0, 0]
    for at, word in changes:
        words[at] = word
    return words


@pytest.mark.parametrize(
    "words",
    [
        [op(6)],
        [op(0xFF, 1)],
        [op(PROBE)],
        [op(PROBE, 33)],
        copy((0, op(COPY))),
        copy((0, op(COPY, 0x10000))),
        copy((1, 0)),
        copy((2, 0)),
        copy((6, 16)),
        [op(SUM, 33), 1, 1, HALF, 1, 10_000, 0, 0],
        [op(SUM, 1), 1, 0, HALF, 1, 10_000, 0, 0],
        [op(SUM, 1), 1, 1, HALF, 0],
        [op(SUM, 1), 1, 1, HALF, 16],
        [op(RUN, 1), *copy()[1:]],  # nothing is probed
        [op(PROBE, 1), 0, 4, op(RUN, 1), *copy()[1:]],  # a list of another length than the input
        [op(LOAD), 6000],  # to where there is no memory
    ],
)
def test_what_cannot_be_stops_the_player(both: Both, words: list[int]) -> None:
    both.port.pace(4, 4)
    both.put(4000, [5000])
    both.put(5000, [*Run(0, 3, 32).words(), *Run(0, 3, 32 * 11).words(), 0, 0])
    both.put(6000, [1, 0x00900000, 100, 0])
    device = both.devices[0]
    both.put(0, [*words, END])
    device.play(0)
    while (status := device.status()).state == PLAYING:
        pass
    assert status.failed
    assert not both.play(copy())  # the next one starts anew
    assert not device.status().failed


def test_a_load_list_that_leaves_a_memory_writes_up_to_its_end(both: Both) -> None:
    both.port.pace(4, 4)
    last = memory.address(1, memory.WEIGHTS, memory_map(TARGET)[memory.address(1, memory.WEIGHTS)] - 1)
    both.put(6000, [1, last, 100, 2, last, 101, 0])
    both.put(100, [11, 22, 33])
    both.put(0, [op(LOAD), 6000, END])
    device = both.devices[0]
    device.play(0)
    while (status := device.status()).state == PLAYING:
        pass
    assert status.failed
    assert device.request(*digest(last, 1))[1:5] == crc(22).to_bytes(4, "little")


def test_a_play_is_busy_and_can_be_stopped(both: Both) -> None:
    both.port.pace(8, 8)
    both.put(4000, [5000])
    both.put(5000, [*Run(0, 3, 32).words(), 0, 0])
    device, patience = both.devices[0], both.port.patience
    both.port.patience = 50
    both.put(0, [*copy((0, op(COPY, 65535)), (1, 0xFFFFFF)), END])  # which takes days
    device.play(0)
    assert device.status().state == PLAYING
    for request in (write(0x200000, [1]), digest(0x200000, 1), commit(bytes(32)), begin(), (Kind.STEPS, b"")):
        assert device.request(*request)[0] == Status.BUSY
    assert device.request(Kind.PLAY, bytes(4))[0] == Status.BUSY
    assert device.status().state == PLAYING
    device.stop()
    both.port.patience = patience
    status = device.status()
    assert (status.state, status.failed) == (0, False)
    both.put(HALF, [0])
    assert not both.play(copy())
    assert not both.play(copy((1, 3)))
