"""Events as steps: every event is counted once, where it belongs, or said to be left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.records.events.binning import Binner, Bins, Grid, binned
from nirdeploy.records.events.frames import read_events
from nirdeploy.records.events.times import microseconds, said
from tests.conftest import examples
from tests.unit.records.events.files import drawn


def _plain(events: np.ndarray, bins: Bins, shape: tuple[int, ...], steps: int) -> np.ndarray:
    """Event by event, in plain Python: (T, 2, H, W)."""
    found = np.zeros((steps, *shape), int)
    begin = int(events["t"].min()) + bins.begins
    x0, y0, *rest = bins.crop or (0, 0)
    for event in events:
        t, x, y, p = int(event["t"]) - begin, int(event["x"]) - x0, int(event["y"]) - y0, int(event["p"])
        if t < 0 or (bins.span is not None and t >= bins.span) or x < 0 or y < 0:
            continue
        if rest and (x >= rest[0] or y >= rest[1]):
            continue
        x, y = x // bins.downsample, y // bins.downsample
        if x < shape[2] and y < shape[1]:
            found[t // bins.step, p, y, x] += 1
    return found


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 200),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    cells=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    bin_us=st.sampled_from([1_000, 3_000, 10_000, 70_000]),
    downsample=st.integers(1, 5),
    crop=st.one_of(st.none(), st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 40)] * 2)),
    window=st.sampled_from([(0.0, None), (0.02, None), (0.0, 0.05), (0.013, 0.07)]),
    cuts=st.lists(st.integers(0, 200), max_size=3),
)
def test_every_event_is_counted_once_or_said(
    seed: int, count: int, width: int, height: int, cells: tuple[int, int], bin_us: int, downsample: int,
    crop: tuple[int, ...] | None, window: tuple[float, float | None], cuts: list[int],
) -> None:  # fmt: skip
    events = drawn(seed, count, width, height)
    start, duration = window
    if duration is not None and duration * 1e6 < bin_us:
        duration = None
    bins = Bins(bin_us / 1e6, downsample, crop or (0, 0, width, height), start=start, duration=duration)
    shape = (2, *cells)
    if bins.crop is None or bins.crop[0] >= width or bins.crop[1] >= height:
        with pytest.raises(InputShapeError):
            Grid.of(bins, width, height, shape, "events")
        return
    binner = Binner(Grid.of(bins, width, height, shape, "events"))
    found = list(binned(iter(np.split(events, sorted(min(cut, count) for cut in cuts))), binner))
    steps = np.concatenate([np.zeros((0, *shape), int), *found])
    counts = binner.counts
    assert np.array_equal(steps, _plain(events, bins, shape, len(steps)))
    assert steps.sum() == counts.counted
    if duration is None:
        assert counts.events == count
    assert counts.counted + counts.outside + counts.out_of_time == counts.events
    assert counts.late == 0


def test_in_whatever_order_they_come() -> None:
    events = drawn(1, 500, 8, 8)
    shuffled = events[np.random.default_rng(0).permutation(500)]
    assert np.array_equal(read_events(events, "5ms").x, read_events(shuffled, "5ms").x)


def test_late_events_of_a_stream_are_counted() -> None:
    binner = Binner(Grid.of(Bins("1ms"), 4, 4, (2, 4, 4), "events"))
    events = drawn(0, 3, 4, 4)
    events["t"] = [0, 5_000, 1_000]
    assert len(binner.feed(events[:2])) == 5
    binner.feed(events[2:])
    assert binner.counts.late == 1


@pytest.mark.parametrize(
    ("shape", "polarity", "cells"),
    [
        ((2, 8, 6), None, (6, 8)),
        ((1, 8, 6), None, (6, 8)),
        ((8, 6), None, (6, 8)),
        ((96,), None, (6, 8)),
        ((48,), None, (6, 8)),
        ((48,), "on", (6, 8)),
        ((1, 8, 6), "off", (6, 8)),
        ((8, 6), "merge", (6, 8)),
    ],
)
def test_polarities_and_shapes(shape: tuple[int, ...], polarity: str | None, cells: tuple[int, int]) -> None:
    events = drawn(2, 400, 6, 8)
    found = read_events(events, "100ms", shape=shape, size=(6, 8), polarity=polarity)
    every = read_events(events, "100ms", shape=(2, 8, 6), size=(6, 8)).x[:, 0]
    two = shape[0] in (2, 96)
    wanted = {"on": every[:, 1], "off": every[:, 0]}.get(polarity or "", every if two else every.sum(axis=1))
    assert np.array_equal(found.x.reshape(wanted.shape), wanted)


@pytest.mark.parametrize(
    ("how", "shape", "said"),
    [
        ({}, (2, 8, 8), "--downsample 5"),
        ({"downsample": 5}, (3, 8, 8), "1 channels|2 or 1 channels"),
        ({}, (100,), "make 2,312 or 1,156 numbers, the input has 100"),
        ({"polarity": "merge"}, (2, 34, 34), "1 channels"),
        ({"crop": (40, 0)}, (2, 34, 34), "the sensor has 34 x 34"),
        ({"crop": (30, 30, 4, 4), "start": "9s"}, (2, 4, 4), "no event of the recording is seen"),
    ],
)
def test_what_does_not_go_together_is_said(how: dict[str, object], shape: tuple[int, ...], said: str) -> None:
    events = drawn(0, 300, 34, 34)
    with pytest.raises(InputShapeError, match=said):
        read_events(events, "10ms", shape=shape, size=(34, 34), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"bin": "10"}, "no duration"),
        ({"bin": "0ms"}, "too short"),
        ({"bin": "0.5us"}, "whole number"),
        ({"downsample": 0}, "cells of 0 pixels"),
        ({"crop": (1,)}, "no window"),
        ({"polarity": "left"}, "channels, merge"),
        ({"duration": "1ms"}, "holds no bin"),
    ],
)
def test_what_cannot_be_is_said(how: dict[str, object], said: str) -> None:
    with pytest.raises(UsageProblem, match=said):
        Bins(**how)  # type: ignore[arg-type]


def test_a_clock_that_jumps_fills_no_memory() -> None:
    events = drawn(0, 2, 34, 34)
    events["t"] = [0, 1 << 60]
    with pytest.raises(UsageProblem, match="check its clock"):
        read_events(events, "1us", size=(34, 34))


def test_more_than_a_byte_holds() -> None:
    events = drawn(0, 70_000, 1, 1)
    events["p"] = 1
    assert read_events(events, "1s").x.max() == 70_000
    assert read_events(events, "1s", binary=True).x.max() == 1


def test_several_samples_with_classes() -> None:
    short, long = drawn(0, 50, 6, 8, span_us=20_000), drawn(1, 60, 6, 8)
    found = read_events([(short, 3), (long, 1)], "10ms", size=(6, 8))
    assert found.shape[1:] == (2, 2, 8, 6)
    assert found.labels is not None
    assert found.labels.tolist() == [3, 1]
    assert np.asarray(found)[3:, 0].sum() == 0
    assert found.x.sum() == 110
    assert "110 of 110 events in 2 recordings" in str(found)


def test_samples_that_are_cut_from_recordings() -> None:
    short, long = drawn(0, 50, 6, 8, span_us=35_000), drawn(1, 60, 6, 8, span_us=75_000)
    whole = read_events([(short, 3), (long, 1)], "5ms", size=(6, 8))
    found = read_events([(short, 3), (long, 1)], "5ms", size=(6, 8), cut="20ms")
    ends = [len(whole.x[whole.x[:, n].any(axis=(1, 2, 3)), n]) for n in (0, 1)]
    assert min(ends) > 4
    assert found.labels is not None
    assert found.shape[:2] == (4, len(found.labels)) == (4, 6)
    assert found.labels.tolist() == [3, 3, 1, 1, 1, 1]
    assert np.array_equal(np.concatenate([found.x[:, n] for n in (0, 1)])[:7], whole.x[:7, 0])
    assert np.array_equal(np.concatenate([found.x[:, n] for n in (2, 3, 4, 5)])[:15], whole.x[:15, 1])
    assert found.x.sum() == whole.x.sum() == 110
    assert "in 6 samples of 4 steps of 5 ms" in str(found)
    assert read_events(short, "5ms", size=(6, 8), cut="1s").shape[:2] == (200, 1)
    with pytest.raises(UsageProblem, match="no whole number of bins of '5ms'; a multiple of the bin, such as 500 ms"):
        read_events(short, "5ms", size=(6, 8), cut="12ms")


@pytest.mark.parametrize(("text", "value"), [("10ms", 10_000), ("500us", 500), ("1.5s", 1_500_000), (0.01, 10_000)])
def test_durations(text: str | float, value: int) -> None:
    assert microseconds(text) == value


def test_durations_as_a_person_says_them() -> None:
    assert [said(value) for value in (10_000, 500, 2_000_000)] == ["10 ms", "500 us", "2 s"]
