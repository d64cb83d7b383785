"""What is compiled of the float reference, against what it stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Pool
from nirdeploy.sim import float_
from nirdeploy.sim.engine import analog, convolve, cores
from nirdeploy.sim.engine.convolve import convolved
from tests import networks
from tests.conftest import examples
from tests.unit.sim.engine.test_links import Way, ways


@pytest.mark.law
@settings(max_examples=examples(80), deadline=None)
@given(graph=networks.graphs(max_size=700, max_layers=1), batch=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_plain_neurons_step_bit_by_bit_as_the_equations(graph: CheckedGraph, batch: int, seed: int) -> None:
    name = graph.populations[-1].name
    parts = float_.parts(graph, name)
    if not parts.plain:
        return
    rng = np.random.default_rng(seed)
    current = rng.normal(0.2, 1.0, (7, batch, parts.bias.size))
    current[rng.random(current.shape) < 0.2] = 0.0
    state = neuron.at_rest(parts.params, parts.rules, np.zeros(current.shape[1:]))
    found = analog.run(parts.rules, parts.coefficients, np.array(state.v), current, keep=True)
    assert found is not None
    for t in range(len(current)):
        out, state = neuron.step(parts.model, state, current[t], parts.params, parts.how, parts.rules)
        np.testing.assert_array_equal(found[0][t], out)
        assert found[1][t].tobytes() == np.asarray(state.v).tobytes()


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(way=ways(), batch=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_convolutions_are_what_they_were(way: Way, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    operator = way.pool if way.pool is not None else way.operator
    if not isinstance(operator, (Convolution, Pool)):
        return
    if isinstance(operator, Convolution):
        operator = replace(operator, weight=rng.normal(size=operator.weight.shape))
    x = rng.normal(size=(5, batch, operator.inputs)) * (rng.random((5, batch, operator.inputs)) < 0.3)
    found = convolved(operator, x)
    np.testing.assert_allclose(found, operator.apply(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found[:, :1], convolved(operator, x[:, :1]))  # whatever stands beside it
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cores, "count", lambda: 3)
        patched.setattr(convolve, "_WORTH", 1)
        np.testing.assert_array_equal(found, convolved(operator, x))


@pytest.mark.law
@settings(max_examples=examples(25), deadline=None)
@given(graph=networks.grids(600, beyond=True), seed=st.integers(0, 2**32 - 1))
def test_cores_and_parts_change_nothing(graph: CheckedGraph, seed: int) -> None:
    x = networks.stimulus(graph, seed, steps=9, batch=5)
    membranes = [p.name for p in graph.populations if p.model != "Input"]
    whole = float_.simulate(graph, x, membrane=membranes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cores, "count", lambda: 3)
        patched.setattr(float_, "_AT_ONCE", 300)  # numbers: a step or a few
        patched.setattr(analog, "_WORTH", 1)
        patched.setattr(analog, "_TILE", 8)
        apart = float_.simulate(graph, x, membrane=membranes)
    for name in membranes:
        np.testing.assert_array_equal(whole.membrane[name], apart.membrane[name])
        np.testing.assert_array_equal(whole[name], apart[name])
