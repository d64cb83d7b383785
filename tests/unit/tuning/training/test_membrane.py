"""The steps of a population: compiled loops against tensors, and many steps against one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.tuning.training import compiled, tensors
from nirdeploy.tuning.training.cells import Cells, State
from nirdeploy.tuning.training.membrane import Way, steps
from tests import networks
from tests.conftest import examples

STEPS, BATCH = 6, 3
ANY = networks.graphs(max_size=12) | networks.graphs(max_size=12, beyond=True) | networks.grids(beyond=True)


def populations(graph: CheckedGraph) -> list[Cells]:
    """Of the graph in the target's integers; every other one as gates."""
    target = targets.load("fpga")
    try:
        network = fitting.rounded(graph, target)
    except DoesNotFit:
        assume(False)
    found = []
    for number, p in enumerate(network.populations):
        gate = np.full(p.size, 5.0) if number % 2 and p.model == "Threshold" else None
        found.append(Cells.of(network.neurons(p.name), network.formats, torch.device("cpu"), gate))
    return found


def drawn(cells: Cells, seed: int) -> tuple[Tensor, Tensor, State]:
    """Sums that now and then saturate a membrane, biases of each step, a state."""
    rng, size = np.random.default_rng(seed), len(cells.threshold)
    large = cells.threshold.abs().numpy() + 10 + (rng.random(size) < 0.1) * cells.top

    def whole(*lead: int) -> Tensor:
        return torch.tensor(np.rint(rng.normal(0.2, 0.7, (*lead, size)) * large))

    spikes = torch.tensor(rng.integers(0, 2, (BATCH, size)).astype(np.float64))
    return whole(STEPS, BATCH).float(), whole(STEPS), State(whole(BATCH), whole(BATCH), spikes)


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=ANY, seed=st.integers(0, 2**31), unit=st.sampled_from([1.0, 8.0]))
def test_loops_compute_what_tensors_do(graph: CheckedGraph, seed: int, unit: float) -> None:
    for cells in populations(graph):
        sums, biases, state = drawn(cells, seed)
        found, expected = (engine.forward(cells, (sums, unit), biases, state, True) for engine in (compiled, tensors))
        assert (found[0] == expected[0]).all()
        assert all(torch.equal(a, b) for a, b in zip(found[1], expected[1], strict=True))
        generator = torch.Generator().manual_seed(seed)
        output = torch.randn(sums.shape, generator=generator)
        after = State(*(torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in state))
        back = compiled.backward(cells, found[2], output, after), tensors.backward(cells, expected[2], output, after)
        for a, b in zip((*back[0][:2], *back[0][2]), (*back[1][:2], *back[1][2]), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max() + 1e-30))


def test_many_neurons_are_shared_out_to_the_cores() -> None:
    (cells, *_) = populations(nd.check(networks.two_layers(sizes=(4, 30_000, 2))))
    sums, biases, state = drawn(cells, 0)
    found, expected = (engine.forward(cells, (sums, 1.0), biases, state, True) for engine in (compiled, tensors))
    assert expected[0].any()
    assert torch.equal(found[0], expected[0])
    entered = [
        engine.backward(cells, made[2], sums, state)[0] for engine, made in ((compiled, found), (tensors, expected))
    ]
    torch.testing.assert_close(*entered, rtol=1e-4, atol=1e-5 * _largest(entered[1]))


@pytest.mark.law
@settings(max_examples=examples(30))
@given(graph=ANY, seed=st.integers(0, 2**31))
def test_one_step_after_the_other_is_all_at_once(graph: CheckedGraph, seed: int) -> None:
    for cells in populations(graph):
        sums, biases, _ = drawn(cells, seed)
        results: list[list[Any]] = []
        for parts in ([STEPS], [1] * STEPS, [2, STEPS - 2]):
            leaves = [sums.clone().requires_grad_(), biases[0].clone().requires_grad_()]
            state, first, out = cells.start(BATCH), 0, []
            for count in parts:
                arriving = [(leaves[0][first : first + count], Way(2, 0))]
                left, state = steps(cells, state, leaves[1], arriving, (first, count))
                out.append(left)
                first += count
            left = torch.cat(out)
            left.backward(torch.randn(left.shape, generator=torch.Generator().manual_seed(seed)))
            results.append([left.detach(), *(leaf.grad for leaf in leaves)])
        for other in results[1:]:
            assert (other[0] == results[0][0]).all()
            for a, b in zip(other[1:], results[0][1:], strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * _largest(b))


def _largest(values: Any) -> float:
    return float(values.abs().max() + 1e-30)


def test_sums_arrive_as_late_as_they_are_said_to() -> None:
    (cells, *_) = [c for c in populations(nd.check(networks.two_layers())) if c.spiking]
    generator, large = torch.Generator().manual_seed(0), int(cells.threshold.max()) // 8
    shape = (STEPS, BATCH, len(cells.threshold))
    early, late = (
        torch.randint(-large // 2, large, shape, generator=generator).float().requires_grad_() for _ in range(2)
    )
    bias = torch.zeros(len(cells.threshold), dtype=torch.float64)
    out, _ = steps(cells, cells.start(BATCH), bias, [(early, Way(3, 0)), (late, Way(4, 2))], (0, STEPS))
    shifted = torch.cat([torch.zeros_like(late[:2]), late[:-2]])
    at_once, _ = steps(cells, cells.start(BATCH), bias, [(early + 2 * shifted, Way(3, 0))], (0, STEPS))
    assert out.any()
    assert (out == at_once).all()
    found = torch.autograd.grad(out.sum(), [early, late])
    expected = torch.autograd.grad(at_once.sum(), [early, late])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
