"""Rearrangements: what a convolution of ones and zeros can make, it makes; what it cannot is not taken for it."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nirdeploy.exchange import moves
from nirdeploy.exchange.naming import Names
from tests.conftest import examples


def where_of(result: torch.Tensor) -> np.ndarray:
    """Places from numbers that count from one, zeros being nothing."""
    return np.asarray(result.numpy().ravel()).astype(np.int64) - 1


def numbers(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, math.prod(shape) + 1, dtype=torch.float64).reshape(shape)


def carried_out(node: Any, x: torch.Tensor) -> torch.Tensor:
    run: Any = functional.conv1d if isinstance(node, nir.Conv1d) else functional.conv2d
    result: torch.Tensor = run(x[None], torch.from_numpy(node.weight), None, node.stride, node.padding)
    return result[0]


@pytest.mark.law
@settings(max_examples=examples(80))
@given(
    seed=st.integers(0, 2**31),
    pads=st.lists(st.integers(-2, 3), min_size=4, max_size=4),
    steps=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    flat=st.booleans(),
)
def test_channels_slices_and_padding(seed: int, pads: list[int], steps: tuple[int, int], flat: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), *(int(n) for n in rng.integers(5, 8, 1 if flat else 2)))
    x = numbers(*shape)
    chosen = torch.from_numpy(rng.integers(0, shape[0], int(rng.integers(1, 5))))
    moved = functional.pad(x[chosen], pads[: 2 if flat else 4])
    moved = moved[:, :: steps[0]] if flat else moved[:, :: steps[0], :: steps[1]]
    if not (moved != 0).any():
        return
    picked = moves.picked(where_of(moved), shape, tuple(moved.shape))
    assert picked is not None
    torch.testing.assert_close(carried_out(moves.selection(picked, shape), x), moved, rtol=0, atol=0)


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.transpose(1, 2),
        lambda x: x.flip(1),
        lambda x: x.repeat_interleave(2, 1),
        lambda x: x.reshape(2, 3, 4).transpose(0, 1).reshape(2, 4, 3),
        lambda x: torch.cat([x[:1], x[1:].roll(1, 1)]),
    ],
)
def test_what_no_convolution_makes(move: Any) -> None:
    moved = move(numbers(2, 4, 3))
    assert moves.picked(where_of(moved), (2, 4, 3), tuple(moved.shape)) is None


@pytest.mark.parametrize(
    ("source", "result", "dims"),
    [
        ((2, 3, 4), (24,), (0, -1)),
        ((2, 3, 4), (2, 12), (1, 2)),
        ((2, 3, 4), (6, 4), (0, 1)),
        ((24,), (2, 12), None),
        ((2, 3, 4), (8, 3), None),
    ],
)
def test_what_a_flatten_merges(source: tuple[int, ...], result: tuple[int, ...], dims: tuple[int, int] | None) -> None:
    assert moves.merged(source, result) == dims


def test_names_are_given_once() -> None:
    names = Names(["fc", "fc_1", "0", "0.lif", "class"])
    assert [names.new(n) for n in ("input", "0.lif", "fc", "fc", "fc")] == ["input_1", "_0_lif", "fc", "fc_2", "fc_3"]
    assert [names.new(n) for n in ("0.lif", "fc_1", "input", "class")] == ["_0_lif_1", "fc_1", "input_2", "class_1"]
