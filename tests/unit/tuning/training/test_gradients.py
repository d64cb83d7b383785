"""Gradients of the integers against those of the float modules, where both spike alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.exchange.importer import ORIGIN
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.semantics import neuron
from nirdeploy.sim import integer
from nirdeploy.targets import registry as targets
from tests import networks
from tests.conftest import examples

FINE = targets.load("fpga").with_hardware(weight_bits=16, lanes=16)


def with_threshold_one(graph: CheckedGraph) -> CheckedGraph:
    """Thresholds of one: there a surrogate over thresholds is one over volts; no biases that begin late. Every third
    neuron's r is negative."""
    populations = []
    for p in graph.populations:
        changed = {key: np.ones(p.shape) for key in p.params if key in ("v_threshold", "threshold")}
        if "r" in p.params:
            changed["r"] = p.params["r"] * np.where(np.arange(p.size) % 3 == 2, -1, 1)
        populations.append(replace(p, params={**p.params, **changed}, late_bias={}))
    return replace(graph, populations=tuple(populations))


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=networks.graphs(max_size=8) | networks.graphs(max_size=8, beyond=True), seed=st.integers(0, 2**31))
def test_gradients_are_those_of_the_float_network(graph: CheckedGraph, seed: int) -> None:
    written = as_nir(with_threshold_one(graph))
    graph = nd.check(written)
    try:
        made = nd.quantize_aware(graph, FINE)
    except DoesNotFit:
        assume(False)
    x = networks.stimulus(graph, seed, steps=8)
    float_ = nd.import_from_nir(written, dtype=torch.float64, step_mode="m")
    given_ = (
        tuple(torch.as_tensor(x[name]).double() for name in graph.inputs)
        if isinstance(x, dict)
        else torch.as_tensor(x).double()
    )
    expected, _ = float_(given_)
    found = made(x)
    record = nd.simulate(graph, x)
    spiking = [p.name for p in graph.populations if p.model in neuron.SPIKING]
    integers = made.signals(x)
    assume(not integer.simulate(made.network(), x).stats["saturations"])  # what saturates has no slope
    assume(all((integers[name].detach().numpy() == record.spikes[name]).all() for name in spiking))
    weights = torch.as_tensor(np.random.default_rng(seed).normal(size=expected.shape))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    names = getattr(float_, ORIGIN).names
    for population in made.trained:
        own = made.parameters_of(population)
        for p, weight in zip(graph.into(population), own.weights, strict=True):
            layer: Any = float_.get_submodule(names[p.nodes[0]])  # in front of a Delay
            _alike(weight.grad, layer.module.weight.grad)


def _alike(found: torch.Tensor | None, wanted: torch.Tensor | None) -> None:
    if wanted is None or not wanted.any():
        assert found is None or found.abs().max() < 1e-6
        return
    assert found is not None
    assert (found - wanted).abs().max() < 0.01 * wanted.abs().max()
