"""doubts: silence by a bound that no stimulus beats, resets that do not reset, and the remedies that are named."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import GraphError
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.doubts import silent
from nirdeploy.semantics import neuron
from nirdeploy.sim import float_
from tests import networks, primitives
from tests.conftest import examples


def one_layer(kind: str = "IF", weight: Any = ((0.3, 0.2), (0.1, -0.4)), **parameters: float) -> nir.NIRGraph:
    weight = np.array(weight)
    values = {key: np.full(len(weight), value) for key, value in parameters.items()}
    return nir.NIRGraph(
        {
            "x": nir.Input({"input": np.array([weight.shape[1]])}),
            "fc": nir.Linear(weight),
            "n": getattr(nir, kind)(**values),
            "y": nir.Output({"output": np.array([len(weight)])}),
        },
        [("x", "fc"), ("fc", "n"), ("n", "y")],
        type_check=False,
    )


COUNTED_IN_STEPS = one_layer(r=1.0, v_threshold=1.0, v_reset=0.0)


def test_an_if_that_counts_in_steps_is_silent_in_seconds() -> None:
    """As Sinabs writes it: r of one, a step of one."""
    (said,) = check(COUNTED_IN_STEPS).warnings
    assert said.startswith("no neuron of population 'n' can reach its threshold in 100 steps")
    assert said.endswith("did you mean --dialect sinabs (or --dt 1)?")
    x = np.ones((100, 1, 2))
    assert not float_.simulate(check(COUNTED_IN_STEPS), x)["n"].any()


@pytest.mark.parametrize("remedy", [{"dialect": "sinabs"}, {"dt": 1.0}])
def test_the_remedies_named_help(remedy: dict[str, Any]) -> None:
    graph = check(COUNTED_IN_STEPS, **remedy)
    assert not graph.warnings
    assert float_.simulate(graph, np.ones((20, 1, 2)))["n"].any()


def test_a_leak_that_holds_the_membrane_below_threshold() -> None:
    leaky = {"tau": 0.001, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    assert len(check(one_layer("LIF", **leaky)).warnings) == 1
    assert not check(one_layer("LIF", **leaky | {"v_threshold": 0.49})).warnings
    assert not check(one_layer("LIF", **leaky | {"v_leak": 0.6})).warnings
    assert not check(one_layer("LIF", **leaky | {"r": 3.0})).warnings


def test_what_only_silent_neurons_reach_is_silent_too() -> None:
    graph = one_layer(r=1.0, v_threshold=1.0, v_reset=0.0)
    loud = {"r": np.full(2, 1e4), "v_threshold": np.ones(2), "v_reset": np.zeros(2)}
    nodes = {**graph.nodes, "m": nir.IF(**loud)}
    both = nir.NIRGraph(nodes, [("x", "fc"), ("fc", "n"), ("n", "m"), ("m", "y")], type_check=False)
    (said,) = check(both).warnings
    assert "no neuron of populations 'n', 'm' can" in said


def test_larger_inputs_count() -> None:
    graph = one_layer(r=30.0, v_threshold=10.0, v_reset=0.0)
    assert check(graph).warnings
    assert not check(graph, input_bits=8).warnings


def test_warnings_are_no_part_of_the_graph(tmp_path: Any) -> None:
    graph = check(COUNTED_IN_STEPS)
    graph.save(tmp_path / "graph.npz")
    loaded = CheckedGraph.load(tmp_path / "graph.npz")
    assert loaded.warnings == graph.warnings
    assert loaded.digest() == graph.digest()
    quiet = CheckedGraph(**{**vars(graph), "warnings": ()})
    assert quiet.digest() == graph.digest()


@pytest.mark.parametrize(
    ("v_reset", "dialect", "warned"),
    [
        (2.0, "nir,dt=1", True),
        (2.0, "nir,dt=1,reset=subtract", True),
        (1.0, "nir,dt=1", False),
        (1.0, "nir,dt=1,threshold=>=", True),
        (1.0, "nir,dt=1,reset=subtract", True),
        (2.0, "nir,dt=1,reset=none", False),
        (0.5, "nir,dt=1", False),
        (2.0, "sinabs", False),
    ],
)
def test_a_reset_that_does_not_reset(v_reset: float, dialect: str, warned: bool) -> None:
    graph = check(one_layer(weight=[[1.5, 0.0]], r=1.0, v_threshold=1.0, v_reset=v_reset), dialect=dialect)
    assert [("fires for ever" in said) for said in graph.warnings] == [True] * warned
    once = np.zeros((10, 1, 2))
    once[0] = 1
    for_ever = int(float_.simulate(graph, once)["n"].sum()) >= 10
    assert for_ever == (warned or "none" in dialect)


@pytest.mark.law
@settings(max_examples=examples(100), deadline=None)
@given(
    drawn=primitives.drawn() | primitives.drawn(maxima=True),
    dialect=networks.dialects(dt=1e-3),
    quieter=st.sampled_from([1.0, 0.3, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_called_silent_is(drawn: primitives.Drawn, dialect: Any, quieter: float, seed: int) -> None:
    for node in drawn.graph.nodes.values():
        if hasattr(node, "r"):
            node.r = node.r * quieter
    graph = check(drawn.graph, dialect=dialect)
    rng = np.random.default_rng(seed)
    x = (rng.random((30, 4, *drawn.shape)) < rng.choice([0.3, 0.9])).astype(float)
    x[:, 0] = 1
    try:
        record = float_.simulate(graph, x)
    except GraphError:  # several spikes a step, fed back: it runs away
        reject()
    for name in silent(graph):
        assert not record[name].any(), name
    assert {p.name for p in graph.populations if p.model in neuron.SPIKING} >= set(silent(graph))
