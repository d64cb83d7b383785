"""check: the normal form says what the NIR graph says, and contradictions are refused by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile, DialectError, GraphError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.operators import matrix
from tests import networks
from tests.conftest import examples


def given_input(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def given_output(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def lif(*shape: int, **changed: Any) -> nir.LIF:
    values = {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changed
    return nir.LIF(**{name: np.full(shape, value) for name, value in values.items()})


def flatten(*shape: int, start: int = 0, end: int = -1) -> nir.Flatten:
    return nir.Flatten(input_type={"input": np.array(shape)}, start_dim=start, end_dim=end)


def graph(*edges: str, metadata: dict[str, Any] | None = None, **nodes: nir.NIRNode) -> nir.NIRGraph:
    """Edges as "a b"."""
    pairs = [(a, b) for a, b in (edge.split() for edge in edges)]
    return nir.NIRGraph(nodes, pairs, metadata=metadata or {}, type_check=False)


def chain(metadata: dict[str, Any] | None = None, **nodes: nir.NIRNode) -> nir.NIRGraph:
    return graph(*(f"{a} {b}" for a, b in pairwise(nodes)), metadata=metadata, **nodes)


A = np.arange(6.0).reshape(2, 3) - 2
B = np.array([[1.0, -1.0], [0.5, 2.0]])
SQUARE = nir.Linear(B)


# --- folding ----------------------------------------------------------------------------


def test_a_chain_folds_into_one_projection() -> None:
    checked = check(
        chain(x=given_input(3), one=nir.Affine(A, np.array([1.0, 2.0])), two=nir.Linear(B), n=lif(2), y=given_output(2))
    )
    (projection,) = checked.projections
    np.testing.assert_array_equal(projection.weight, B @ A)
    assert (projection.source, projection.target, projection.nodes) == ("x", "n", ("one", "two"))
    np.testing.assert_array_equal(checked.population("n").bias, B @ [1.0, 2.0])
    assert checked.inputs == ("x",)
    assert checked.outputs == {"y": "n"}


def test_no_weights_are_the_identity() -> None:
    checked = check(chain(x=given_input(2, 3), flat=flatten(2, 3), n=lif(6), y=given_output(6)))
    np.testing.assert_array_equal(matrix(checked.projections[0].operator), np.eye(6))
    assert checked.population("n").shape == (6,)
    assert checked.projections[0].nodes == ("flat",)


def test_neurons_keep_their_shape() -> None:
    checked = check(chain(x=given_input(2, 3), n=lif(2, 3), y=given_output(2, 3)))
    assert checked.population("n").shape == (2, 3)
    assert checked.projections[0].operator.outputs == 6


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(0, -1, (24,)), (1, 2, (2, 12)), (0, 1, (6, 4)), (-2, -1, (2, 12))]
)
def test_flatten_joins_its_dimensions(start: int, end: int, expected: tuple[int, ...]) -> None:
    flat = flatten(2, 3, 4, start=start, end=end)
    checked = check(chain(x=given_input(2, 3, 4), flat=flat, n=lif(*expected), y=given_output(*expected)))
    assert checked.population("n").shape == expected


def test_weights_before_an_output_are_an_analog_population() -> None:
    checked = check(chain(x=given_input(3), n=lif(3), fc=nir.Affine(A, np.ones(2)), y=given_output(2)))
    assert [(p.name, p.model) for p in checked.populations] == [("x", "Input"), ("n", "LIF"), ("y", "Output")]
    assert checked.outputs == {"y": "y"}
    np.testing.assert_array_equal(checked.population("y").bias, [1, 1])


def test_several_projections_and_biases_add() -> None:
    checked = check(
        graph(
            "x one", "z two", "one n", "two n", "n y",
            x=given_input(3), z=given_input(2), n=lif(2), y=given_output(2),
            one=nir.Affine(A, np.array([1.0, 0.0])), two=nir.Affine(B, np.array([0.5, 2.0])),
        )
    )  # fmt: skip
    assert {(p.source, p.target) for p in checked.projections} == {("x", "n"), ("z", "n")}
    np.testing.assert_array_equal(checked.population("n").bias, [1.5, 2.0])


def test_an_affine_that_two_sources_reach_adds_its_bias_once() -> None:
    checked = check(
        graph(
            "x fc", "z fc", "fc n", "n y",
            x=given_input(3), z=given_input(3), fc=nir.Affine(A, np.array([1.0, 2.0])), n=lif(2), y=given_output(2),
        )
    )  # fmt: skip
    np.testing.assert_array_equal(checked.population("n").bias, [1.0, 2.0])
    assert len(checked.projections) == 2


def test_two_ways_from_one_source_to_one_node_are_summed() -> None:
    checked = check(
        graph(
            "x a", "x b", "a c", "b c", "c n", "n y",
            x=given_input(3), a=nir.Affine(A, np.array([1.0, 0.0])), b=nir.Linear(2 * A),
            c=nir.Affine(B, np.array([0.0, 4.0])), n=lif(2), y=given_output(2),
        )
    )  # fmt: skip
    (projection,) = checked.projections
    np.testing.assert_array_equal(projection.weight, B @ (3 * A))
    np.testing.assert_array_equal(checked.population("n").bias, B @ [1.0, 0.0] + [0.0, 4.0])


def test_scalar_parameters_stand_for_every_neuron() -> None:
    for scalar in (np.array(0.03), np.array([0.03])):
        node = nir.LIF(tau=scalar, r=scalar, v_leak=scalar, v_threshold=scalar, v_reset=scalar)
        checked = check(chain(x=given_input(3), fc=nir.Linear(A), n=node, y=given_output(2)))
        np.testing.assert_array_equal(checked.population("n").params["tau"], [0.03, 0.03])


def test_populations_stand_in_the_order_of_the_signal() -> None:
    checked = check(
        graph(
            "c y", "b c", "a b", "x a", "z b",
            y=given_output(1), c=lif(1), b=lif(1), a=lif(1), x=given_input(1), z=given_input(1),
        )
    )  # fmt: skip
    names = [p.name for p in checked.populations]
    assert set(names[:2]) == {"x", "z"}
    assert names[2:] == ["a", "b", "c"]


def test_a_double_edge_counts_once() -> None:
    checked = check(graph("x n", "x n", "n y", x=given_input(1), n=lif(1), y=given_output(1)))
    assert len(checked.projections) == 1


def test_the_checked_graph_shares_no_memory_with_the_given_one() -> None:
    source = chain(x=given_input(3), fc=nir.Linear(A.copy()), n=lif(2), y=given_output(2))
    checked = check(source)
    before = checked.digest()
    source.nodes["fc"].weight[:] = 9
    source.nodes["n"].tau[:] = 9
    assert checked.digest() == before


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=networks.graphs(max_size=12, plain=True))
def test_normal_form_of_what_an_exporter_writes(graph: CheckedGraph) -> None:
    checked = check(as_nir(graph))
    assert checked.inputs == graph.inputs
    assert checked.dialect == graph.dialect
    assert {checked.population(s).name for s in checked.outputs.values()} == set(graph.outputs.values())
    assert [p.name for p in checked.populations] == [p.name for p in graph.populations]
    for p in graph.populations:
        found = checked.population(p.name)
        assert (found.model, found.shape) == (p.model, p.shape)
        np.testing.assert_array_equal(found.bias, p.bias)
        assert set(found.params) == set(p.params)
        for name, values in p.params.items():
            np.testing.assert_array_equal(found.params[name], values)
    weights = {(p.source, p.target): p.weight for p in checked.projections}
    assert len(weights) == len(checked.projections) == len(graph.projections)
    for projection in graph.projections:
        np.testing.assert_array_equal(weights[projection.source, projection.target], projection.weight)
    order = [p.name for p in checked.populations]
    assert all(order.index(p.source) < order.index(p.target) for p in checked.projections)


# --- refusals ---------------------------------------------------------------------------

REFUSED: list[tuple[str, nir.NIRGraph, str]] = [
    ("no input", graph("n y", n=lif(1), y=given_output(1)), "no Input node"),
    ("no output", graph("x n", x=given_input(1), n=lif(1)), "no Output node"),
    ("no neuron", graph("x y", x=given_input(1), y=given_output(1)), "output 'y' reads the input 'x' directly"),
    ("dangling", graph("x n", "n z", x=given_input(1), n=lif(1), y=given_output(1)), "edge 'n' -> 'z'"),
    (
        "unreachable",
        graph("x n", "n y", "m n", x=given_input(1), n=lif(1), m=lif(1), y=given_output(1)),
        "node 'm' has no edge into it",
    ),
    ("leads nowhere", graph("x n", "n y", "x m", x=given_input(1), n=lif(1), m=lif(1), y=given_output(1)), "'m' leads"),
    (
        "cycle without a neuron",
        graph("x n", "n a", "a b", "b a", "b y", x=given_input(2), n=lif(2), a=SQUARE, b=SQUARE, y=given_output(2)),
        "the linear nodes 'a' -> 'b' form a cycle without a neuron",
    ),
    (
        "out of reach",
        graph("x n", "n y", "a a", "a y", x=given_input(1), n=lif(1), a=lif(1), y=given_output(1)),
        "no way leads from an Input to node 'a'",
    ),
    (
        "wrong width",
        chain(x=given_input(4), fc=nir.Linear(A), n=lif(2), y=given_output(2)),
        "node 'fc' takes 3 inputs, 'x' gives shape (4,)",
    ),
    (
        "unflattened",
        chain(x=given_input(1, 3), fc=nir.Linear(A), n=lif(2), y=given_output(2)),
        "insert a Flatten",
    ),
    (
        "parameters of another size",
        chain(x=given_input(3), fc=nir.Linear(A), n=lif(5), y=given_output(5)),
        "node 'n': tau has shape (5,), its input has shape (2,)",
    ),
    (
        "two shapes meet",
        graph("x n", "z n", "n y", x=given_input(2), z=given_input(3), n=lif(2), y=given_output(2)),
        "inputs of shapes [(2,), (3,)], expected one",
    ),
    ("NaN", chain(x=given_input(1), n=lif(1, v_threshold=np.nan), y=given_output(1)), "1 of 1 values of v_threshold"),
    ("tau", chain(x=given_input(1), n=lif(1, tau=-0.5), y=given_output(1)), "tau must be positive, found -0.5"),
    (
        "unstable",
        chain(x=given_input(1), n=lif(1, tau=4e-5), y=given_output(1)),
        "tau = 4e-05 s is too short for dt = 0.0001 s",
    ),
    (
        "overflow",
        chain(x=given_input(2), a=nir.Linear(B * 1e200), b=nir.Linear(B * 1e200), n=lif(2), y=given_output(2)),
        "node 'b': the product of the weights up to here overflows",
    ),
]


@pytest.mark.parametrize(("bad", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_contradiction_is_named(bad: nir.NIRGraph, says: str) -> None:
    with pytest.raises(GraphError) as caught:
        check(bad)
    assert says in str(caught.value)
    assert caught.value.exit_code == 3


def test_short_tau_is_fine_where_decay_is_exponential() -> None:
    short = chain(x=given_input(1), n=lif(1, tau=4e-5), y=given_output(1))
    assert check(short, dialect="nir,discretization=exponential").population("n").params["tau"] == 4e-5
    assert check(short, dt=1e-5).dialect.dt == 1e-5


# --- dialect ----------------------------------------------------------------------------


def test_the_dialect_is_the_argument_else_the_metadata_else_nir() -> None:
    plain = chain(x=given_input(1), n=lif(1), y=given_output(1))
    hinted = chain({dialects.METADATA_KEY: "nir,reset=subtract"}, x=given_input(1), n=lif(1), y=given_output(1))
    found = [
        check(plain),
        check(hinted),
        check(hinted, dialect="spikingjelly"),
        check(hinted, dialect=dialects.PRESETS["nir"]),
        check(hinted, dt=1e-3),
        check(hinted, dt=np.float64(1e-3)),
    ]
    assert [(str(c.dialect), c.dialect_source) for c in found] == [
        ("nir", "default"),
        ("nir,reset=subtract", "metadata"),
        ("spikingjelly", "argument"),
        ("nir", "argument"),
        ("nir,dt=0.001,reset=subtract", "metadata"),
        ("nir,dt=0.001,reset=subtract", "metadata"),
    ]


def test_an_unknown_dialect_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.nir"
    nirfile.write(path, chain({dialects.METADATA_KEY: "martian"}, x=given_input(1), n=lif(1), y=given_output(1)))
    with pytest.raises(DialectError, match=r"'martian' \(in .*m\.nir\)"):
        check(path)
    assert check(path, dialect="nir").dialect_source == "argument"


# --- on disk ----------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(40))
@given(graph=networks.graphs(max_size=12))
def test_save_and_load(graph: CheckedGraph, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("graph") / "graph.npz"
    graph.save(path)
    loaded = CheckedGraph.load(path)
    assert loaded.digest() == graph.digest()
    assert loaded.dialect_source == graph.dialect_source
    first = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == first


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=networks.graphs(max_size=8), data=st.data())
def test_any_change_changes_the_digest(graph: CheckedGraph, data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from(["weight", "bias", "parameter", "dialect", "output", "name"]))
    if changed == "weight":
        index = data.draw(st.integers(0, len(graph.projections) - 1))
        projections = list(graph.projections)
        operator = projections[index].operator
        nudged = replace(operator, weight=_nudged(operator.weight, data))
        projections[index] = replace(projections[index], operator=nudged)
        other = replace(graph, projections=tuple(projections))
    elif changed == "dialect":
        other = replace(graph, dialect=replace(graph.dialect, dt=graph.dialect.dt * 1.5))
    elif changed == "output":
        other = replace(graph, outputs={"another": graph.populations[-1].name})
    else:
        index = data.draw(st.integers(len(graph.inputs), len(graph.populations) - 1))
        populations = list(graph.populations)
        p = populations[index]
        if changed == "bias" or (changed == "parameter" and not p.params):
            populations[index] = replace(p, bias=_nudged(p.bias, data))
        elif changed == "parameter":
            name = data.draw(st.sampled_from(sorted(p.params)))
            populations[index] = replace(p, params={**p.params, name: _nudged(p.params[name], data)})
        else:
            populations[index] = replace(p, name=p.name + "'")
        other = replace(graph, populations=tuple(populations))
    assert other.digest() != graph.digest()


def _nudged(values: np.ndarray, data: st.DataObject) -> np.ndarray:
    """One element moved to the next float."""
    nudged = values.copy()
    index = data.draw(st.integers(0, values.size - 1))
    nudged.flat[index] = np.nextafter(nudged.flat[index], np.inf)
    return nudged


def test_where_the_dialect_came_from_does_not_change_the_digest() -> None:
    plain = chain(x=given_input(1), n=lif(1), y=given_output(1))
    assert check(plain).digest() == check(plain, dialect="nir").digest()


def test_a_damaged_checked_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    check(chain(x=given_input(1), n=lif(1), y=given_output(1))).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CorruptFile, match="damaged"):
        CheckedGraph.load(path)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "lif\udfff"])
def test_a_name_that_no_file_holds(name: str, tmp_path: Path) -> None:
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2])}),
            "fc": nir.Linear(np.eye(2)),
            name: nir.IF(r=np.ones(2), v_threshold=np.ones(2), v_reset=np.zeros(2)),
            "output": nir.Output({"output": np.array([2])}),
        },
        [("input", "fc"), ("fc", name), (name, "output")],
        type_check=False,
    )
    for refuse in (check, lambda made: nirfile.write(tmp_path / "m.nir", made)):
        with pytest.raises(GraphError, match="cannot be named") as caught:
            refuse(graph)
        assert str(caught.value).isprintable()
    assert not (tmp_path / "m.nir").exists()
