"""The exact solution: closed forms by hand, and the limit of both discretizations."""

from __future__ import annotations

import math

import nir
import numpy as np
import pytest

from nirdeploy.errors import GraphError
from nirdeploy.graph.check import check
from nirdeploy.sim import exact, float_

DT, TAU = 1e-3, 5e-3


def lif(reset: str = "zero", **changed: float) -> nir.NIRGraph:
    values = {"tau": TAU, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changed
    return net(nir.LIF(**{key: np.array([value]) for key, value in values.items()}))


def net(*nodes: nir.NIRNode) -> nir.NIRGraph:
    named = {"in": nir.Input({"input": np.array([1])})} | {f"n{i}": node for i, node in enumerate(nodes)}
    named["out"] = nir.Output({"output": np.array([1])})
    names = list(named)
    return nir.NIRGraph(named, list(zip(names, names[1:], strict=False)), type_check=False)  # noqa: RUF007


def test_a_constant_current_fires_at_the_textbook_interval() -> None:
    """From 0 to threshold 1 under current I takes tau ln(I / (I - 1))."""
    current, interval = 1.5, TAU * math.log(1.5 / 0.5)
    record, found = exact.solve(check(lif(), dialect=f"nir,dt={DT}"), np.full((50, 1, 1), current))
    expected = interval * np.arange(1, 1 + int(50 * DT / interval))
    np.testing.assert_allclose(found["n0"].time, expected, rtol=1e-9)
    np.testing.assert_array_equal(np.flatnonzero(record.spikes["n0"][:, 0, 0]), np.floor(expected / DT))


def test_several_spikes_within_a_step() -> None:
    graph = net(nir.IF(r=np.array([1e3]), v_threshold=np.array([1.0]), v_reset=np.array([0.0])))
    x = np.array([[[3.5]], [[0.0]], [[0.6]]])
    record, found = exact.solve(check(graph, dialect=f"nir,dt={DT}"), x, membrane=["n0"])
    assert record.spikes["n0"][:, 0, 0].tolist() == [3, 0, 1]
    np.testing.assert_allclose(record.membrane["n0"][:, 0, 0], [0.5, 0.5, 0.1], atol=1e-12)
    np.testing.assert_allclose(found["n0"].time, [1e-3 / 3.5, 2e-3 / 3.5, 3e-3 / 3.5, 2e-3 + 5e-4 / 0.6], rtol=1e-9)


@pytest.mark.parametrize("discretization", ["euler", "exponential"])
def test_both_discretizations_converge_to_it(discretization: str) -> None:
    graph = lif(v_leak=0.1, r=2.0)
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 1.2, (40, 3, 1))
    expected = exact.simulate(check(graph, dialect=f"nir,dt={DT}"), coarse).spikes["n0"].sum(axis=0)
    wrong = []
    for finer in (1, 10, 100):
        x = np.repeat(coarse, finer, axis=0)
        found = float_.simulate(check(graph, dialect=f"nir,dt={DT / finer},discretization={discretization}"), x)
        wrong.append(int(np.abs(found.spikes["n0"].sum(axis=0, dtype=int) - expected).sum()))
    assert wrong[2] <= 1
    assert wrong[2] <= wrong[0]


def test_a_chain_holds_spikes_over_their_step_and_reads_out_membranes() -> None:
    one = np.array([1.0])
    graph = net(nir.IF(r=1e3 * one, v_threshold=one, v_reset=0 * one), nir.LI(tau=TAU * one, r=one, v_leak=0 * one))
    record = exact.simulate(check(graph, dialect=f"nir,dt={DT}"), np.array([[[1.5]], [[0.0]]]))
    keep = math.exp(-DT / TAU)
    np.testing.assert_allclose(record.membrane["n1"][:, 0, 0], [1 - keep, (1 - keep) * keep], rtol=1e-12)


def test_what_has_no_exact_solution_is_refused() -> None:
    one = np.array([1.0])
    cuba = nir.CubaLI(tau_syn=one, tau_mem=one, r=one, v_leak=one)
    with pytest.raises(GraphError, match=r"'n0' \(CubaLI\)"):
        exact.simulate(check(net(cuba)), np.zeros((2, 1, 1)))
    graph = lif()
    graph.nodes["back"] = nir.Linear(np.ones((1, 1)))
    graph.edges += [("n0", "back"), ("back", "n0")]
    with pytest.raises(GraphError, match="recurrent"):
        exact.simulate(check(graph), np.zeros((2, 1, 1)))
