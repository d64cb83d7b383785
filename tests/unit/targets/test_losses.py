"""What rounding takes: a population without weights is refused on every target, lesser losses are said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.sim import integer
from nirdeploy.targets import fitting, losses
from tests import networks
from tests.conftest import examples
from tests.unit.cli.conftest import Cli, cli

__all__ = ["cli"]
DT = 1e-4
FORMATS = Formats(8, 24, 24, 12)


def graph(weights: dict[str, Any], bias: float = 0.0, **neuron: Any) -> nir.NIRGraph:
    """An input for each matrix, all into three neurons: IF, or LIF where there is a ``decay`` per step."""
    bias_there = np.full(3, bias)
    values: dict[str, Any] = {"r": 1 / DT, "v_threshold": 1.0, "v_reset": 0.0, **neuron}
    decay = values.pop("decay", None)
    if decay is not None:
        values |= {"tau": DT / (1 - decay), "r": 1 / (1 - decay), "v_leak": 0.0}
    whole = {key: np.full(3, value) for key, value in values.items()}
    nodes: dict[str, nir.NIRNode] = {"n": nir.IF(**whole) if decay is None else nir.LIF(**whole)}
    edges = [("n", "output")]
    for name, weight in weights.items():
        nodes |= {name: nir.Input({"input": np.array([4])}), f"fc_{name}": nir.Affine(np.array(weight), bias_there)}
        edges += [(name, f"fc_{name}"), (f"fc_{name}", "n")]
        bias_there = 0 * bias_there
    return nir.NIRGraph({**nodes, "output": nir.Output({"output": np.array([3])})}, edges, type_check=False)


def spread(largest: float, seed: int = 0) -> np.ndarray:
    weight = np.random.default_rng(seed).uniform(-1, 1, (3, 4))
    return weight * (largest / np.abs(weight).max())


def told(source: nir.NIRGraph, formats: Formats = FORMATS) -> tuple[str, ...]:
    checked = check(source)
    return losses.warnings(checked, quantize(checked, formats))


def test_all_weights_of_a_population_round_to_zero() -> None:
    """A chip's threshold register sets the scale: what is 1 in 100,000 of the threshold is nothing beside it."""
    source = graph({"input": spread(1e-5)}, r=5.0 / DT)
    found = fitting.fit(source, "loihi2")
    assert found.network is None
    [problem] = found.problems
    assert problem.node == "n"
    assert "all weights into node 'n' round to zero (from 'input' 1e-05 at most, where one unit of a" in problem.found
    assert "larger weights" in problem.remedy
    with pytest.raises(DoesNotFit, match="all weights into node 'n' round to zero.*target loihi2"):
        nd.build(source, "loihi2")
    assert fitting.fit(graph({"input": spread(1e-2)}, r=5.0 / DT), "loihi2").fits


@pytest.mark.parametrize("name", ["fpga", "loihi2", "spinnaker2"])
def test_it_is_the_same_on_every_target(name: str) -> None:
    """Whatever a backend rounds, weights that are all gone are found."""
    checked = check(graph({"input": spread(0.5)}))
    fit = fitting.fit(checked, name)
    assert fit.network is not None
    assert not list(losses.problems(checked, fit.network))
    gone = without_weights(fit.network, {"input"})
    assert [problem.node for problem in losses.problems(checked, gone)] == ["n"]


def without_weights(network: IntegerNetwork, sources: set[str]) -> IntegerNetwork:
    zeroed = tuple(
        replace(p, operator=replace(p.operator, weight=p.weight * (p.source not in sources)))
        for p in network.projections
    )
    return replace(network, projections=zeroed)


def test_one_projection_rounds_to_zero_beside_another() -> None:
    [warning] = told(graph({"a": spread(1.0), "b": spread(1e-4)}))
    assert warning.startswith("all weights from 'b' to 'n' round to zero (from 'b' 0.0001 at most, where one unit")
    assert not told(graph({"a": spread(1.0), "b": spread(0.1)}))


def test_a_projection_of_zeros_loses_nothing() -> None:
    assert not told(graph({"a": spread(1.0), "b": np.zeros((3, 4))}))


def test_a_leak_that_rounds_away() -> None:
    [warning] = told(graph({"a": spread(1.0)}, decay=1 - 1e-5))
    assert "node 'n': the leak of its membrane (a time constant of 100,000 steps) rounds to none in 3 of 3" in warning
    assert not told(graph({"a": spread(1.0)}, decay=0.99))
    assert not told(graph({"a": spread(1.0)}, decay=1 - 1e-9)), "whoever writes this means an IF"


def test_a_memory_that_rounds_away() -> None:
    [warning] = told(graph({"a": spread(1.5)}, decay=5e-5))
    assert "what a step leaves of its membrane (5e-05) rounds to nothing in 3 of 3 neurons" in warning
    assert not told(graph({"a": spread(1.5)}, decay=0.0)), "none was there"


def test_a_bias_that_rounds_away() -> None:
    """An integrating neuron fires by any bias, sooner or later."""
    [warning] = told(graph({"a": spread(1.0)}, bias=1e-6))
    assert "3 of 3 neurons fire by their bias alone, which rounds to zero" in warning
    assert not told(graph({"a": spread(1.0)}, bias=0.1))
    assert not told(graph({"a": spread(1.0)}, bias=1e-6, decay=0.9)), "it never made one fire"


def test_a_threshold_that_is_out_of_reach_after_rounding() -> None:
    """A decay of 0.78 becomes 12 / 16: four times a step's current is all there can be, not four and a half."""
    weight = np.full((3, 4), 0.25)
    coarse = replace(FORMATS, decay_bits=4)
    [warning] = told(graph({"a": weight}, decay=0.78, v_threshold=4.4), coarse)
    assert "no neuron of 'n' can reach its threshold after rounding" in warning
    assert not told(graph({"a": weight}, decay=0.78, v_threshold=4.4))
    assert not told(graph({"a": weight}, decay=0.78, v_threshold=3.9), coarse)
    checked = check(graph({"a": weight}, decay=0.78, v_threshold=4.4))
    x = np.ones((200, 1, 4), np.uint8)
    assert nd.simulate(checked, x).spikes["n"].any()
    assert not integer.simulate(quantize(checked, coarse), x).spikes["n"].any()


def test_inputs_below_zero_excite_through_negative_weights() -> None:
    source = graph({"a": -np.full((3, 4), 0.25)}, decay=0.5, v_threshold=0.9)
    for low, silent in ((-1.0, False), (0.0, True)):
        checked = check(source, input_bits=8, input_range=(low, 1.0))
        said = losses.warnings(checked, quantize(checked, FORMATS))
        assert not said
        assert bool(checked.warnings) == silent
        x = np.full((20, 1, 4), low)
        assert bool(integer.simulate(quantize(checked, FORMATS), x).spikes["n"].any()) != silent


@pytest.mark.law
@settings(max_examples=examples(60))
@given(networks.graphs(beyond=True, max_size=12), st.integers(0, 2**32 - 1), st.integers(4, 8))
def test_what_is_called_out_of_reach_never_spikes(source: CheckedGraph, seed: int, bits: int) -> None:
    try:
        network = quantize(source, replace(FORMATS, decay_bits=bits, weight_bits=4))
    except DoesNotFit:
        assume(False)
    said = " ".join(losses.warnings(source, network))
    record = integer.simulate(network, networks.stimulus(source, seed, 30))
    for name, spikes in record.spikes.items():
        if f"no neuron of {name!r} can" in said:
            assert not spikes.any(), name


def test_the_commands_say_it(cli: Cli, tmp_path: Path) -> None:
    model = tmp_path / "net.nir"
    nirfile.write(model, graph({"a": spread(1.0), "b": spread(1e-4)}))
    built = cli("build", model, "-t", "fpga", "-o", tmp_path / "built")
    assert built.code == 0
    assert "all weights from 'b' to 'n' round to zero" in " ".join(built.err.split())
    data = cli("build", model, "-t", "fpga", "-o", tmp_path / "built", "--json").json
    assert "all weights from 'b'" in data["warnings"][0]
    [estimated] = cli("estimate", model, "-t", "fpga", "--json").json["targets"]
    assert estimated["fits"]
    assert "all weights from 'b'" in estimated["warnings"][0]
