"""Weights on a grid of learned steps: values, gradients, and which neurons share a step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum
from nirdeploy.tuning.training.parameters import Parameters, trains

RNG = np.random.default_rng(0)


def population(*shape: int, model: str = "LIF", bias: float = 0.0) -> Population:
    return Population("p", model, shape, {}, np.full(shape, bias))


def dense(rows: int, columns: int = 50) -> Projection:
    return Projection("in", "p", Dense(RNG.normal(0, 1, (rows, columns)) * RNG.uniform(0.1, 9, (rows, 1))))


def made(p: Population, *into: Projection, bits: int = 4, on_grid: bool = False) -> Parameters:
    return Parameters(p, into, bits, on_grid=on_grid)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_are_whole_multiples_of_a_step_of_each_row(bits: int) -> None:
    (found,) = made(population(6), dense(6), bits=bits).on_grid()
    most = 2 ** (bits - 1) - 1
    weight = found.detach().double().numpy()
    assert (grid.steps(weight, most) > 0).all()
    assert all(len(np.unique(np.abs(row))) <= most + 1 for row in weight)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_steps_start_where_rounding_costs_least(bits: int) -> None:
    """Against steps 1 % apart, of every row."""
    way, most = dense(5), 2 ** (bits - 1) - 1
    steps = made(population(5), way, bits=bits).steps().detach().double().numpy()

    def lost(steps: np.ndarray) -> np.ndarray:
        of_row = steps[:, None]
        return ((np.clip(np.rint(way.weight / of_row), -most, most) * of_row - way.weight) ** 2).sum(axis=1)

    largest = np.abs(way.weight).max(axis=1) / most
    assert (lost(steps) <= np.min([lost(largest * part) for part in np.linspace(0.05, 1, 96)], axis=0) * 1.02).all()
    assert (lost(steps) <= lost(largest) * 1.001).all()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_grid_that_is_there_is_kept(bits: int) -> None:
    """Whichever of its values occur: the largest is mostly not the most that the bits hold."""
    most = 2 ** (bits - 1) - 1
    weight = RNG.integers(-max(most * 2 // 3, 1), most * 2 // 3 + 2, (20, 30)) * RNG.uniform(0.1, 9, (20, 1))
    (found,) = made(population(20), Projection("in", "p", Dense(weight)), bits=bits, on_grid=True).on_grid()
    np.testing.assert_allclose(found.detach().numpy(), weight, rtol=1e-6)


def test_gradients_are_those_of_lsq() -> None:
    """By the formulas of the paper: straight through where nothing is cut off; of a step, round(v) - v or the bound."""
    own = made(population(1), Projection("in", "p", Dense(np.array([[0.3, -1.0, 5.0, -5.0, 0.0]]))), bits=3)
    with torch.no_grad():
        own.get_buffer("start").fill_(1.0)
        own.weights[0].copy_(torch.tensor([[0.3, -1.7, 5.0, -5.0, 0.0]]))
    (found,) = own.on_grid()
    found.sum().backward()
    assert found.tolist() == [[0.0, -2.0, 3.0, -3.0, 0.0]]
    assert own.weights[0].grad is not None
    assert own.weights[0].grad.tolist() == [[1.0, 1.0, 0.0, 0.0, 0.0]]
    assert own.log_step.grad is not None
    assert own.log_step.grad.item() == pytest.approx((-0.3 - 0.3 + 3 - 3) / np.sqrt(5 * 3))


def test_a_weight_that_is_the_largest_is_not_cut_off() -> None:
    own = made(population(4), Projection("in", "p", Dense(np.array([[0.7], [-0.3], [1.1], [123.0]]))), bits=2)
    (found,) = own.on_grid()
    found.sum().backward()
    assert own.weights[0].grad is not None
    assert (own.weights[0].grad == 1).all()


def test_who_shares_integers_shares_a_step() -> None:
    image, channels = population(3, 4, 4), np.repeat(np.arange(3), 16)
    kernels = Projection("in", "p", Convolution(RNG.normal(size=(3, 2, 3, 3)), (2, 4, 4), padding=((1, 1), (1, 1))))
    back = Projection("p", "p", Dense(RNG.normal(size=(48, 48))), delay=1)
    skip = Projection("q", "p", Elementwise(np.ones(48)))
    own = made(image, kernels, back, skip)
    assert own.log_step.shape == (3,)
    assert own.get_buffer("rows0").tolist() == [0, 1, 2]
    assert own.get_buffer("rows1").tolist() == channels.tolist()
    steps = own.steps().detach().numpy()
    for weight in own.on_grid():
        multiples = (
            weight.detach().numpy().reshape(len(weight), -1) / steps[channels if len(weight) == 48 else [0, 1, 2], None]
        )
        np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-4)
    pairs = Projection("in", "p", Dense(RNG.normal(size=(8, 5))), (), None, 0, Maximum((4, 1, 2), (1, 2), (1, 2)))
    assert made(population(4), pairs).get_buffer("rows0").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert made(population(48), back).log_step.shape == (48,)


def test_a_bias_is_one_for_each_channel_where_it_was() -> None:
    kernels = Projection("in", "p", Convolution(RNG.normal(size=(3, 2, 1, 1)), (2, 4, 4)))
    assert made(population(3, 4, 4), kernels).bias is None
    own = made(population(3, 4, 4, bias=0.5), kernels)
    whole = own.whole_bias()
    assert own.bias is not None
    assert whole is not None
    assert own.bias.shape == (3,)
    assert whole.shape == (3, 4, 4)
    uneven = Population("p", "LIF", (3, 4, 4), {}, RNG.normal(size=(3, 4, 4)))
    bias = made(uneven, kernels).bias
    assert bias is not None
    assert bias.shape == (3, 4, 4)


def test_a_weight_of_zero_is_no_connection_unless_it_lay_on_a_grid() -> None:
    weight = np.array([[0.5, 0.0, -1.0], [0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    for on_grid, kept in ((False, weight != 0), (True, np.repeat([[True], [False], [True]], 3, axis=1))):
        own = made(population(3), Projection("in", "p", Dense(weight)), on_grid=on_grid)
        with torch.no_grad():
            own.weights[0].fill_(0.7)
        assert ((own.on_grid()[0].detach().numpy() != 0) == kept).all()


def test_what_passes_on_or_counts_spikes_is_not_trained() -> None:
    ones, sums = Projection("in", "p", Elementwise(np.ones(4))), Projection("in", "p", Dense(np.ones((4, 9))))
    assert not trains(population(4), [ones])
    assert not trains(population(4, model="Threshold"), [ones, sums])
    assert not trains(population(4), [Projection("in", "p", Dense(np.zeros((4, 9))))])
    assert trains(population(4), [sums])
    assert trains(population(4, model="Threshold"), [dense(4)])
    assert trains(population(4), [ones, dense(4)])
