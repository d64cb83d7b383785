"""Gather lists: whatever bits are asked for, in whatever order, a list says them, and in few words if they are even."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import InternalError
from nirdeploy.targets.player.gathering import gather_list
from nirdeploy.targets.player.operations import ZEROS


def read(words: np.ndarray) -> tuple[list[int], list[int]]:
    """(stream, offset) of every bit that a list says; 0 for zeros."""
    streams, offsets = list[int](), list[int]()
    at = 0
    while words[at + 1] & 0xFFFF:
        w0, w1, step, times, outer = (int(word) for word in words[at : at + 5])
        step, outer = (n - (n >> 31 << 32) for n in (step, outer))
        for o in range(times):
            for i in range(w1 >> 16):
                for k in range(w1 & 0xFFFF):
                    streams.append(w0 >> 28)
                    offsets.append(0 if w0 >> 28 == ZEROS else (w0 & 0xFFFFFFF) + o * outer + i * step + k)
        at += 5
    assert at + 2 == len(words)
    return streams, offsets


@st.composite
def bits(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Pieces that are even within, one behind the other, some of them zeros."""
    streams, offsets = list[np.ndarray](), list[np.ndarray]()
    for _ in range(draw(st.integers(1, 6))):
        stream = draw(st.sampled_from([0, 1, 14, ZEROS]))
        run, within, without = (draw(st.integers(1, most)) for most in (40, 5, 4))
        step, outer, first = (draw(st.integers(-200, 200)) for _ in range(3))
        at = np.arange(run) + step * np.arange(within)[:, None] + outer * np.arange(without)[:, None, None]
        offsets.append((at - at.min() + abs(first)).ravel())
        streams.append(np.full(offsets[-1].size, stream))
    return np.concatenate(streams), np.concatenate(offsets)


@given(bits())
def test_a_list_says_the_bits_that_were_asked_for(asked: tuple[np.ndarray, np.ndarray]) -> None:
    streams, offsets = asked
    found = read(gather_list(streams, offsets).words)
    assert found[0] == streams.tolist()
    assert found[1] == np.where(streams == ZEROS, 0, offsets).tolist()


def test_a_box_of_a_map_is_a_descriptor() -> None:
    """Three lines of four pixels of five channels, in a map of nine pixels a line."""
    at = 100 + (np.arange(20) + 45 * np.arange(3)[:, None]).ravel()
    made = gather_list(np.zeros(60, dtype=np.int64), at)
    assert made.descriptors == 1
    assert made.chunks == sum(-(-(first % 32 + 20) // 32) for first in (100, 145, 190))


def test_blocks_of_channels_are_the_inner_loop() -> None:
    at = np.arange(4) + 1000 * np.arange(2)[:, None] + 4 * np.arange(9)[:, None, None]
    assert gather_list(np.zeros(72, dtype=np.int64), at.ravel()).descriptors == 1


def test_runs_longer_than_their_words_can_say_are_cut() -> None:
    streams = np.repeat([0, ZEROS], [150_000, 70_000])
    offsets = np.concatenate([np.arange(7, 150_007), np.zeros(70_000, dtype=np.int64)])
    words = gather_list(streams, offsets).words
    assert (words[1::5][:-1] & 0xFFFF).max() < 0x10000
    assert read(words)[1] == offsets.tolist()


def test_loops_longer_than_their_words_can_say_are_cut() -> None:
    offsets = 2 * np.arange(70_000)
    assert read(gather_list(np.zeros(70_000, dtype=np.int64), offsets).words)[1] == offsets.tolist()


@pytest.mark.parametrize("at", [-1, 1 << 28])
def test_places_that_no_word_can_say_are_a_bug(at: int) -> None:
    with pytest.raises(InternalError):
        gather_list(np.zeros(1, dtype=np.int64), np.array([at]))
