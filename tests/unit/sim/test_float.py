"""The float reference against traces worked out by hand, and against its equations neuron by neuron."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import GraphError, InputShapeError, UnknownPopulation
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim import float_
from tests import networks
from tests.conftest import examples

DT = 0.25  # a power of two: the traces below are exact


def one_neuron(model: str, weight: float = 1.0, bias: float = 0.0, **options: Any) -> CheckedGraph:
    """in -> n, one neuron of ``model``; ``options`` are its parameters and the dialect's fields."""
    defaults = {"tau": 0.5, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    names = {"LIF": list(defaults), "IF": ["r", "v_threshold", "v_reset"], "LI": ["tau", "r", "v_leak"], "Output": []}
    params = {name: np.array([options.pop(name, defaults[name])]) for name in names[model]}
    return CheckedGraph(
        (
            Population("in", "Input", (1,), {}, np.zeros(1)),
            Population("n", model, (1,), params, np.array([bias])),
        ),
        (Projection("in", "n", Dense(np.array([[weight]]))),),
        ("in",),
        {"output": "n"},
        Dialect(dt=DT, **options),
        "argument",
    )


def run(graph: CheckedGraph, *spikes: int) -> SpikeRecord:
    return float_.simulate(graph, np.array(spikes).reshape(-1, 1, 1), membrane=["n"])


def trace(record: SpikeRecord) -> list[float]:
    return [float(value) for value in record.membrane["n"][:, 0, 0]]


def fired(record: SpikeRecord) -> list[int]:
    return [int(value) for value in record["n"][:, 0, 0]]


def test_lif_by_hand() -> None:
    """dt/tau = 1/2, so v' = v/2 + I/2, with I = 1.5 under a spike: 0.75, 1.125 (fires), 0.75, 0.375."""
    record = run(one_neuron("LIF", weight=1.5), 1, 1, 1, 0)
    assert trace(record) == [0.75, 0.0, 0.75, 0.375]
    assert fired(record) == [0, 1, 0, 0]


def test_lif_leaks_towards_v_leak_and_scales_by_r() -> None:
    record = run(one_neuron("LIF", v_leak=0.5, r=0.5), 0, 1)
    assert trace(record) == [0.25, 0.25 + 0.5 * (0.25 + 0.5)]


def test_subtract_keeps_what_was_above_threshold() -> None:
    record = run(one_neuron("LIF", weight=3.0, reset="subtract", v_reset=0.25), 1, 0)
    assert fired(record) == [1, 0]
    assert trace(record) == [1.5 - 0.75, 0.375]


def test_zero_resets_to_v_reset() -> None:
    record = run(one_neuron("LIF", weight=3.0, v_reset=-0.5), 1, 0)
    assert trace(record) == [-0.5, -0.25]


def test_if_adds_up() -> None:
    """dt r = 1/4: the fifth spike is the first to lift v above 1."""
    record = run(one_neuron("IF"), 1, 1, 1, 1, 1, 0)
    assert trace(record) == [0.25, 0.5, 0.75, 1.0, 0.0, 0.0]
    assert fired(record) == [0, 0, 0, 0, 1, 0]


def test_reaching_the_threshold_is_a_spike_only_for_greater_or_equal() -> None:
    assert fired(run(one_neuron("IF", weight=4.0, threshold=">"), 1)) == [0]
    assert fired(run(one_neuron("IF", weight=4.0, threshold=">="), 1)) == [1]


def test_exponential_decay_is_exact() -> None:
    record = run(one_neuron("LI", tau=0.5, discretization="exponential"), 1, 0)
    keep = math.exp(-0.5)
    assert trace(record) == pytest.approx([1 - keep, keep * (1 - keep)], rel=1e-15)


def test_li_is_read_out_and_does_not_spike() -> None:
    record = run(one_neuron("LI", weight=8.0), 1, 1)
    assert trace(record) == [4.0, 6.0]
    with pytest.raises(UnknownPopulation, match="does not spike"):
        _ = record["n"]


def test_output_is_its_input_current() -> None:
    assert trace(run(one_neuron("Output", weight=2.0, bias=0.5), 1, 0)) == [2.5, 0.5]


def test_bias_is_a_constant_current() -> None:
    assert fired(run(one_neuron("IF", bias=3.0), 0, 0, 0)) == [0, 1, 0]


def test_every_sample_starts_from_rest_and_stands_alone() -> None:
    graph = one_neuron("LIF", weight=1.5)
    x = np.array([[1, 0], [1, 1], [0, 1]])[..., None]
    both = float_.simulate(graph, x, membrane=["n"]).membrane["n"]
    for sample in range(2):
        alone = float_.simulate(graph, x[:, sample : sample + 1], membrane=["n"]).membrane["n"]
        np.testing.assert_array_equal(both[:, sample : sample + 1], alone)


def test_record_says_what_it_is() -> None:
    graph = one_neuron("LIF")
    record = run(graph, 1, 0, 1)
    assert (record.source, record.dt, record.steps, record.samples) == ("float", DT, 3, 1)
    assert record["n"].dtype == np.uint8
    assert record.outputs == {"output": "n"}
    np.testing.assert_array_equal(record["output"], record["n"])
    assert record.manifest == {"graph": graph.digest(), "dialect": str(graph.dialect)}


def test_probe_selects() -> None:
    graph = one_neuron("LIF")
    assert set(float_.simulate(graph, np.ones((2, 1, 1)), probe=["output"]).spikes) == {"n"}
    with pytest.raises(UnknownPopulation, match="'m'"):
        float_.simulate(graph, np.ones((2, 1, 1)), probe=["m"])


def test_missing_batch_is_said() -> None:
    with pytest.raises(InputShapeError, match="batch dimension is missing"):
        float_.simulate(one_neuron("LIF"), np.ones((2, 1)))


# --- every population, neuron by neuron -----------------------------------------------


def _by_hand(graph: CheckedGraph, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every population gives (T, B, size): spikes, or the membrane of those that do not spike."""
    now: dict[str, np.ndarray] = {name: values.astype(float) for name, values in x.items()}
    time, batch = next(iter(now.values())).shape[:2]
    for p in graph.populations:
        if p.model == "Input":
            continue
        now[p.name] = np.zeros((time, batch, p.size))
        for b in range(batch):
            for i in range(p.size):
                v = 0.0
                q = {name: float(values[i]) for name, values in p.params.items()}
                for t in range(time):
                    arriving = [
                        float(w) * float(s)
                        for projection in graph.projections
                        if projection.target == p.name
                        for w, s in zip(projection.weight[i], now[projection.source][t, b], strict=True)
                    ]
                    current = math.fsum([*arriving, float(p.bias[i])])
                    v, out = _step(p.model, v, current, q, graph.dialect)
                    now[p.name][t, b, i] = out
    return now


def _step(model: str, v: float, current: float, q: dict[str, float], d: Dialect) -> tuple[float, float]:
    if model == "Output":
        return 0.0, current
    if model == "IF":
        v = v + d.dt * q["r"] * current
    else:
        target = q["v_leak"] + q["r"] * current
        share = d.dt / q["tau"] if d.discretization == "euler" else -math.expm1(-d.dt / q["tau"])
        v = v + share * (target - v)
    if model == "LI":
        return v, v
    spike = v > q["v_threshold"] or (d.threshold == ">=" and v == q["v_threshold"])
    if spike:
        v = v - (q["v_threshold"] - q["v_reset"]) if d.reset == "subtract" else q["v_reset"]
    return v, float(spike)


@pytest.mark.law
@settings(max_examples=examples(40))
@given(graph=networks.graphs(max_size=12, plain=True), seed=st.integers(0, 2**31))
def test_equals_the_equations_neuron_by_neuron(graph: CheckedGraph, seed: int) -> None:
    x = networks.stimulus(graph, seed, steps=8)
    record = float_.simulate(graph, x)
    expected = _by_hand(graph, x if isinstance(x, dict) else {graph.inputs[0]: x})
    for name, values in record.spikes.items():
        np.testing.assert_array_equal(values, expected[name])
    for name, values in record.membrane.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12)
    assert {*record.spikes, *record.membrane} == {p.name for p in graph.populations if p.model != "Input"}


@pytest.mark.parametrize("kind", ["CubaLIF", "LI"])
def test_a_simulation_that_runs_away_names_node_and_step(kind: str) -> None:
    """Spikes that feed back more of themselves than went in, and a membrane that feeds itself."""
    one = np.ones(2)
    cell = {"r": 10 * one, "v_leak": 0 * one}
    if kind == "CubaLIF":
        cell |= {"tau_syn": 2e-4 * one, "tau_mem": 1e-3 * one, "v_threshold": one, "v_reset": 0 * one, "w_in": 2 * one}
    else:
        cell |= {"tau": 1e-3 * one}
    nodes = {
        "x": nir.Input({"input": np.array([2])}),
        "n": getattr(nir, kind)(**cell),
        "back": nir.Linear(np.full((2, 2), 40.0)),
        "y": nir.Output({"output": np.array([2])}),
    }
    edges = [("x", "n"), ("n", "back"), ("back", "n"), ("n", "y")]
    graph = check(nir.NIRGraph(nodes, edges, type_check=False), dialect="rockpool,dt=1e-4")
    with pytest.raises(GraphError, match=r"node 'n' runs away: in step \d+") as caught:
        float_.simulate(graph, np.ones((400, 1, 2)))
    assert "--dt" in caught.value.hint
    if kind == "CubaLIF":
        bounded = check(nir.NIRGraph(nodes, edges, type_check=False), dialect="rockpool,dt=1e-4,max_spikes=4")
        assert float_.simulate(bounded, np.ones((400, 1, 2)))["n"].max() == 4


def test_plain_neurons_that_run_away_are_named_with_the_step() -> None:
    """v' = -24 v: beyond all numbers in the step that plain arithmetic says; the simulation stops there."""
    graph = one_neuron("LIF", tau=0.01, v_threshold=1.7e308)
    v, step = 25.0, 0
    while math.isfinite(v):
        v, step = v - 25.0 * v, step + 1
    with pytest.raises(GraphError, match=f"node 'n' runs away: in step {step} its state is no finite number"):
        run(graph, 1, *[0] * 300)
    assert len(trace(run(graph, 1, *[0] * (step - 1)))) == step
