"""Every NIR primitive, in graphs of any structure: float reference, integers, torch, file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nirdeploy.exchange import export_to_nir, import_from_nir
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.sim import float_, integer
from tests import networks, primitives
from tests.conftest import examples

FORMATS = Formats(8, 24, 24, 12)
STEPS, BATCH = 9, 2


def stimulus(drawn: primitives.Drawn, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((STEPS, BATCH, *drawn.shape)) < 0.4).astype(np.uint8)


def leaving(graph: CheckedGraph, x: np.ndarray) -> dict[str, np.ndarray]:
    record = float_.simulate(graph, x)
    return {**record.spikes, **record.membrane}


@pytest.mark.law
@settings(max_examples=examples(150), deadline=None)
@given(drawn=primitives.drawn(), subtract=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_float_reference_is_the_graph_evaluated_node_by_node(
    drawn: primitives.Drawn, subtract: bool, seed: int
) -> None:
    graph = check(drawn.graph, dialect=f"nir,dt=1e-3,reset={'subtract' if subtract else 'zero'}")
    x = stimulus(drawn, seed)
    found, expected = leaving(graph, x), primitives.Evaluation(drawn, 1e-3, subtract).run(x)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(drawn=primitives.drawn(maxima=True), seed=st.integers(0, 2**32 - 1))
def test_maxima_in_the_reference_and_in_torch(drawn: primitives.Drawn, seed: int) -> None:
    x = stimulus(drawn, seed)
    found = leaving(graph := check(drawn.graph, dialect="nir,dt=1e-3"), x)
    for name, values in primitives.Evaluation(drawn, 1e-3, False).run(x).items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
    module = import_from_nir(drawn.graph, dtype=torch.float64, step_mode="m", dialect="nir,dt=1e-3")
    outputs, _ = module(torch.from_numpy(x.astype(np.float64)))
    for out, source in zip(outputs if isinstance(outputs, tuple) else (outputs,), graph.outputs.values(), strict=True):
        np.testing.assert_allclose(out.detach().numpy(), found[source], rtol=1e-9, atol=1e-9)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(drawn=primitives.drawn(), dialect=networks.dialects(dt=1e-3), seed=st.integers(0, 2**32 - 1))
def test_an_imported_module_is_the_float_reference(drawn: primitives.Drawn, dialect: Dialect, seed: int) -> None:
    graph = check(drawn.graph, dialect=dialect)
    x = stimulus(drawn, seed)
    expected = leaving(graph, x)
    for mode in ("m", "s"):
        module = import_from_nir(drawn.graph, dtype=torch.float64, step_mode=mode, dialect=dialect)
        tensor = torch.from_numpy(x.astype(np.float64))
        if mode == "m":
            outputs, _ = module(tensor)
        else:
            state, steps = None, []
            for now in tensor:
                out, state = module(now, state)
                steps.append(out if isinstance(out, tuple) else (out,))
            outputs = tuple(torch.stack(each) for each in zip(*steps, strict=True))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for out, source in zip(outputs, graph.outputs.values(), strict=True):
            np.testing.assert_allclose(out.detach().numpy(), expected[source], rtol=1e-9, atol=1e-9)


@pytest.mark.law
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=primitives.drawn())
def test_written_read_imported_and_exported_unchanged(drawn: primitives.Drawn, tmp_path: Path) -> None:
    path = tmp_path / "m.nir"
    primitives.with_dialect(drawn.graph, "nir,dt=0.001")
    nirfile.write(path, drawn.graph)
    read = nirfile.read(path)
    same(drawn.graph, read)
    module = import_from_nir(read, step_mode="m")
    again = export_to_nir(module, torch.zeros(STEPS, BATCH, *drawn.shape))
    same(read, again)
    nirfile.write(path, again)
    same(nirfile.read(path), again)


ODD = ["0", "forward", "training", "a.b", "weird name", "x); import os", 'quote"', "größe", "脉冲", "lif-1", "T"]


@pytest.mark.parametrize("name", ODD)
def test_nodes_may_be_named_anything(name: str) -> None:
    graph = networks.two_layers(sizes=(4, 5, 3))
    named = {"fc1": name, "lif1": f"{name}'", "input": f"in {name}"}
    nodes = {named.get(key, key): node for key, node in graph.nodes.items()}
    edges = [(named.get(a, a), named.get(b, b)) for a, b in graph.edges]
    odd = nir.NIRGraph(nodes, edges, metadata=graph.metadata, type_check=False)
    x = networks.spikes(0, (10, 2, 4), 0.5)
    expected = float_.simulate(check(graph), x)["lif2"]
    np.testing.assert_array_equal(float_.simulate(check(odd), x)["lif2"], expected)
    module = import_from_nir(odd, step_mode="m", dtype=torch.float64)
    np.testing.assert_array_equal(module(torch.from_numpy(x).double())[0].detach().numpy(), expected)
    again = export_to_nir(module, torch.zeros(1, 1, 4))
    assert list(again.nodes) == list(odd.nodes)


def nested(depth: int) -> nir.NIRGraph:
    """A recurrent LIF in as many subgraphs."""
    size = 4
    one = np.ones(size)
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([size])}),
            "lif": nir.LIF(tau=1e-3 * one, r=10 * one, v_leak=0 * one, v_threshold=0.8 * one, v_reset=0 * one),
            "back": nir.Affine(np.random.default_rng(0).normal(0, 0.5, (size, size)), 0.05 * one),
            "output": nir.Output({"output": np.array([size])}),
        },
        edges=[("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
        type_check=False,
    )
    for _ in range(depth):
        nodes = {"input": graph.nodes["input"], "inner": graph, "output": graph.nodes["output"]}
        graph = nir.NIRGraph(nodes, [("input", "inner"), ("inner", "output")], type_check=False)
    return graph


@pytest.mark.parametrize("depth", [1, 3])
def test_nested_subgraphs_are_what_they_hold(depth: int, tmp_path: Path) -> None:
    x = networks.spikes(0, (20, 2, 4), 0.4)
    expected = float_.simulate(check(nested(0)), x).spikes["lif"]
    assert expected.sum() > 5
    nirfile.write(tmp_path / "m.nir", nested(depth))
    read = nirfile.read(tmp_path / "m.nir")
    name = ".".join(["inner"] * depth + ["lif"])
    np.testing.assert_array_equal(float_.simulate(check(read), x).spikes[name], expected)
    module = import_from_nir(read, step_mode="m", dtype=torch.float64)
    np.testing.assert_array_equal(module(torch.from_numpy(x).double())[0].detach().numpy(), expected)
    again = export_to_nir(module, torch.zeros(1, 1, 4))
    assert isinstance(again.nodes["inner"], nir.NIRGraph)
    same_nodes = {name: node for name, node in again.nodes.items() if name != "inner"}
    assert set(same_nodes) == {"input", "output"}


def same(a: nir.NIRGraph, b: nir.NIRGraph) -> None:
    """The same nodes, values bit for bit, edges and metadata."""
    assert dict(a.metadata) == dict(b.metadata)
    assert sorted(a.edges) == sorted(b.edges)
    assert set(a.nodes) == set(b.nodes)
    for name, node in a.nodes.items():
        other = b.nodes[name]
        assert type(node) is type(other)
        if isinstance(node, nir.NIRGraph):
            same(node, other)
            continue
        for key, value in vars(node).items():
            if key not in ("input_type", "output_type", "metadata", "input_shape") and value is not None:
                np.testing.assert_array_equal(value, getattr(other, key), err_msg=f"{name} {key}")


# --- integers ---------------------------------------------------------------------------


def quantized(drawn: primitives.Drawn, dialect: Dialect) -> tuple[CheckedGraph, IntegerNetwork]:
    graph = check(drawn.graph, dialect=dialect)
    return graph, quantize(graph, FORMATS)


@pytest.mark.law
@settings(max_examples=examples(80), deadline=None)
@given(drawn=primitives.drawn(), dialect=networks.dialects(dt=1e-3), seed=st.integers(0, 2**32 - 1))
def test_compiled_engine_is_the_definition(drawn: primitives.Drawn, dialect: Dialect, seed: int) -> None:
    _, network = quantized(drawn, dialect)
    x = stimulus(drawn, seed)
    membranes = [p.name for p in network.populations]
    fast = integer.simulate(network, x, membrane=membranes)
    plain = integer.simulate(network, x, membrane=membranes, engine="plain")
    assert fast.stats == plain.stats
    for found, expected in ((fast.spikes, plain.spikes), (fast.membrane, plain.membrane)):
        assert set(found) == set(expected)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(drawn=primitives.drawn(), dialect=networks.dialects(dt=1e-3))
def test_integers_fit_their_formats_and_survive_the_file(drawn: primitives.Drawn, dialect: Dialect) -> None:
    _, network = quantized(drawn, dialect)
    for p in network.projections:
        assert np.abs(p.weight).max(initial=0) <= FORMATS.weight_max
    for population in network.populations:
        q = network.neurons(population.name)
        for values in (q.bias, q.synapse_bias, q.reset_value):
            assert np.abs(values).max(initial=0) <= FORMATS.state_max + 1


@pytest.mark.parametrize("load", [CheckedGraph.load, IntegerNetwork.load])
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=primitives.drawn() | primitives.drawn(maxima=True), dialect=networks.dialects(dt=1e-3))
def test_saved_and_loaded(load: Any, drawn: primitives.Drawn, dialect: Dialect, tmp_path: Path) -> None:
    graph, network = quantized(drawn, dialect)
    saved: Any = graph if load == CheckedGraph.load else network
    saved.save(tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    assert loaded.digest() == saved.digest()
    x = stimulus(drawn, 1)
    simulate = float_.simulate if load == CheckedGraph.load else integer.simulate
    for name, spikes in simulate(saved, x).spikes.items():
        np.testing.assert_array_equal(simulate(loaded, x).spikes[name], spikes)


@settings(max_examples=100, deadline=None, derandomize=True)  # a statement about most networks, not about all
@given(drawn=primitives.drawn(recurrent=False), seed=st.integers(0, 2**32 - 1))
def test_wide_integers_are_the_float_reference(drawn: primitives.Drawn, seed: int) -> None:
    """With 16-bit weights, 16-bit decays and 24-bit states nearly every cell is the float model's."""
    graph = check(drawn.graph, dialect="nir,dt=1e-3")
    x = stimulus(drawn, seed)
    network = quantize(graph, Formats(16, 32, 32, 20, shift_max=30))
    reference, found = float_.simulate(graph, x), integer.simulate(network, x)
    for name, spikes in reference.spikes.items():
        assert (found.spikes[name] != spikes).mean() <= 0.05, name
    for name, v in reference.membrane.items():
        wrong = np.abs(found.volts(name) - v)
        assert np.median(wrong) <= 2e-3 * (1 + np.abs(v).max()), name
