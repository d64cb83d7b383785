"""A grid that is there is kept: weights that are whole multiples of a step are, on every target, those whole numbers.

Which weights share a scale is the target's: those of a neuron (of a channel, where a convolution shares them), or all
of a population. Theirs must be multiples of one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from snntorch.functional import quant

import nirdeploy as nd
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.operators import Convolution, Dense, Operator
from nirdeploy.sim import float_
from nirdeploy.targets import fitting, registry
from nirdeploy.targets.tables import Target
from tests.conftest import examples
from tests.contract.test_every_target import DT, candidates, problems
from tests.contract.test_every_target import network as probe

#: Targets, by backend, on which all weights into a population share a scale, and where -2^(b-1) is no weight.
OF_A_POPULATION = {"loihi2", "speck", "spinnaker2"}
SYMMETRIC = {"spinnaker2"}
#: Layers, by what leads to the first one.
FIRST = {"dense": (12,), "recurrent": (12,), "conv": (2, 6, 6), "depthwise": (3, 6, 6)}


def ways(kind: str) -> dict[tuple[str, str], Operator]:
    """What leads from where to where, with weights of 1."""
    if len(shape := FIRST[kind]) == 1:
        made: dict[tuple[str, str], Operator] = {("in", "a"): Dense(np.ones((10, 12)))}
        made |= {("a", "a"): Dense(np.ones((10, 10)))} if kind == "recurrent" else {}
        return made | {("a", "b"): Dense(np.ones((4, 10)))}
    channels, height, width = shape
    groups = channels if kind == "depthwise" else 1
    kernel, padding = np.ones((3, channels // groups, 3, 3)), ((1, 1), (1, 1))
    return {
        ("in", "a"): Convolution(kernel, (channels, height, width), padding=padding, groups=groups),
        ("a", "b"): Dense(np.ones((4, 108))),
    }


def parameters(model: str, r: float, threshold: Any) -> dict[str, Any]:
    """To which a current of 1 adds r in a step."""
    fires = {"v_threshold": threshold, "v_reset": 0.0}
    if model == "IF":
        return {"r": r / DT, **fires}
    if model == "LIF":
        return {"r": 8.0 * r, "tau": 8 * DT, "v_leak": 0.0, **fires}
    return {"r": 8.0 * r, "tau_mem": 8 * DT, "tau_syn": 2 * DT, "w_in": 2.0, "v_leak": 0.0, **fires}


def graph(
    model: str, dialect: str, made: dict[tuple[str, str], Operator], thresholds: dict[str, Any], r: float = 1.0
) -> CheckedGraph:
    """From an input "in" to populations "a" and "b"; thresholds for each neuron or channel, or one."""
    first = made["in", "a"]
    shapes = {"in": first.shape if isinstance(first, Convolution) else (first.inputs,)}
    shapes |= {"a": first.out_shape if isinstance(first, Convolution) else (first.outputs,)}
    shapes |= {"b": (made["a", "b"].outputs,)}
    populations = [Population("in", "Input", shapes["in"], {}, np.zeros(shapes["in"]))]
    for name in ("a", "b"):
        shape = shapes[name]
        threshold = np.broadcast_to(np.reshape(thresholds[name], (-1, *[1] * (len(shape) - 1))), shape)
        params = {key: np.full(shape, value) for key, value in parameters(model, r, threshold).items()}
        populations.append(Population(name, model, shape, params, np.zeros(shape)))
    projections = tuple(
        Projection(source, target, operator, delay=int(source == target)) for (source, target), operator in made.items()
    )
    return CheckedGraph(tuple(populations), projections, ("in",), {"output": "b"}, dialects.parse(dialect), "argument")


@cache
def models(name: str) -> dict[str, str]:
    """The neuron models that the target takes, each with a dialect."""
    target = registry.load(name)
    found: dict[str, str] = {}
    for model, dialect in candidates(target):
        if model not in found and not problems(probe(model, dialect), target):
            found[model] = dialect
    return found


@cache
def takes(name: str) -> list[tuple[str, str, str]]:
    """Model, dialect and layers."""
    thresholds = {"a": 8.0, "b": 8.0}
    return [
        (model, dialect, kind)
        for model, first in models(name).items()
        for dialect in {first, first if "threshold=" in first else f"{first},threshold=>="}
        for kind in FIRST
        if not fitting.fit(graph(model, dialect, ways(kind), thresholds), name).problems
    ]


@dataclass(frozen=True)
class OnGrid:
    """``whole``: the numbers of steps, by projection; ``exact``: the network in steps, of which its thresholds are
    whole numbers."""

    graph: CheckedGraph
    whole: dict[tuple[str, str], np.ndarray]
    exact: CheckedGraph


def column(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of rows, in a shape that multiplies their weights."""
    return values.reshape(-1, *[1] * (weight.ndim - 1))


@st.composite
def on_grids(draw: st.DrawFn, target: Target, model: str = "", thresholds_too: bool = False) -> OnGrid:
    """A network that the target takes, its weights as float32 keeps them; ``thresholds_too``: on the grid."""
    model, dialect, kind = draw(st.sampled_from([one for one in takes(target.name) if model in ("", one[0])]))
    bits, apart = draw(st.sampled_from([2, 4, 8])), draw(st.booleans())  # apart: each neuron or channel by itself
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top, one = 2 ** (bits - 1) - 1, target.backend in OF_A_POPULATION
    lowest = -top - int(draw(st.booleans()) and not (bits == 8 and target.backend in SYMMETRIC))
    again = draw(st.sampled_from([1, 2])) if bits < 8 else 1  # the step of what is recurrent, in the layer's
    made, exact, whole, thresholds, in_steps = ways(kind), ways(kind), {}, {}, {}
    r, thresholds_too = rng.uniform(0.5, 2.0), thresholds_too or draw(st.booleans())
    for name in ("a", "b"):
        into = [way for way in made if way[1] == name]
        rows = len(made[into[0]].weight)
        base = np.broadcast_to(rng.uniform(0.01, 0.1, rows if apart and not one else 1), rows)
        most = max(127 // ((top + 1) * again), 1) if apart and one else 1  # what shares a scale has one step
        steps = base * rng.integers(1, most + 1, rows)
        furthest = (top + 1) * again * (np.full(rows, steps.max()) if one else steps)
        above = furthest * rng.uniform(1, 4, 1 if one else rows)
        in_steps[name] = np.ceil(above / base)
        thresholds[name] = r * (base * in_steps[name] if thresholds_too else above)
        for way in into:
            weight = made[way].weight
            numbers = rng.integers(lowest, top + 1, weight.shape)
            numbers.reshape(rows, -1)[:, :2] = 1, lowest  # no coarser step is there, and all bits are used
            own = column(steps, weight) * (again if way[0] == name else 1)
            kept = (numbers.astype(np.float32) * own.astype(np.float32)).astype(np.float64)
            made[way], whole[way] = replace(made[way], weight=kept), numbers
            exact[way] = replace(exact[way], weight=numbers * np.rint(own / column(base, weight)))
    return OnGrid(graph(model, dialect, made, thresholds, r), whole, graph(model, dialect, exact, in_steps))


def integers(network: IntegerNetwork, source: str, target: str) -> np.ndarray:
    """Every weight of a projection, in the population's units: (outputs, inputs)."""
    (p,) = (p for p in network.into(target) if p.source == source)
    return np.asarray(p.matrix().astype(np.int64) << p.shift)


def holds(network: IntegerNetwork, case: OnGrid, one: bool) -> None:
    """Weights are the grid's numbers times a whole number, those that share a scale by one factor."""
    for row in network.report:
        assert row["weight_sqnr_db"] == np.inf, row
        factors: list[np.ndarray] = []
        for p in case.graph.into(str(row["population"])):
            made, numbers = integers(network, p.source, p.target), case.whole[p.source, p.target]
            wanted = replace(p, operator=replace(p.operator, weight=numbers.astype(np.float64))).matrix().astype(int)
            # Where a convolution is written out, a pixel at the border may see a part of it that is on a coarser grid.
            wanted //= np.maximum(np.gcd.reduce(wanted, axis=1), 1)[:, None]
            largest = np.abs(wanted).max(axis=1)
            times = np.abs(made).max(axis=1) // np.where(largest == 0, 1, largest)
            np.testing.assert_array_equal(made, wanted * times[:, None])
            exact = np.abs(p.matrix()).max(axis=1)
            factors.append(np.where(exact == 0, np.nan, np.abs(made).max(axis=1) / np.where(exact == 0, 1, exact)))
        together = np.array(factors).ravel()[None] if one else np.array(factors).T
        for neuron in together:
            neuron = neuron[~np.isnan(neuron)]
            assert (neuron > 0).all()
            np.testing.assert_allclose(neuron, neuron[:1].repeat(neuron.size), rtol=1e-6)


@pytest.fixture(scope="module", params=registry.names())
def target(request: pytest.FixtureRequest) -> Target:
    return registry.load(request.param)


@pytest.mark.law
@settings(max_examples=examples(15))
@given(data=st.data())
def test_weights_on_a_grid_are_its_whole_numbers(target: Target, data: st.DataObject) -> None:
    case = data.draw(on_grids(target))
    fit = fitting.fit(case.graph, target)
    assert fit.network is not None, fit.problems
    holds(fit.network, case, target.backend in OF_A_POPULATION)


@pytest.mark.law
@settings(max_examples=examples(15))
@given(data=st.data())
def test_what_meets_its_threshold_exactly_decides_as_whole_numbers_do(target: Target, data: st.DataObject) -> None:
    """Neurons that do not leak, weights and thresholds whole multiples of a step: no spike is another."""
    if "IF" not in target.models:
        assert set(target.models) == {"CubaLIF"}  # its membrane's leak rounds
        return
    case = data.draw(on_grids(target, "IF", thresholds_too=True))
    network = fitting.fit(case.graph, target).network
    assert network is not None
    x = (np.random.default_rng(0).random((12, 3, *case.graph.population("in").shape)) < 0.15).astype(np.uint8)
    measured = nd.simulate(network, x)
    assume(not measured.stats["saturations"])
    verdict = nd.verify(float_.simulate(case.exact, x), measured, allow_silent=True)
    assert verdict.equal, verdict.summary()


# --- what is kept nowhere -------------------------------------------------------------------


def two_rows(numbers: np.ndarray, steps: Sequence[float], threshold: float) -> dict[tuple[str, str], Operator]:
    """Dense layers, the first neuron of the last with steps of its own."""
    made = ways("dense")
    made["in", "a"] = Dense(np.repeat(numbers[None], 10, axis=0) * steps[1] / threshold)
    rows = np.repeat(numbers[None, :10], 4, axis=0) * np.array([steps[0], *[steps[1]] * 3])[:, None] / threshold
    made["a", "b"] = Dense(rows)
    return made


def test_what_shares_a_scale_and_no_step_is_rounded_and_said(target: Target) -> None:
    model, dialect, _ = takes(target.name)[0]
    made = two_rows(np.array([1, 127, -40, 3, 77, -127, 64, -5, 12, 99, 100, 2]), (0.0137, 0.01), 4.0)
    network = fitting.fit(graph(model, dialect, made, {"a": 1.0, "b": 1.0}), target).network
    assert network is not None
    hidden, last = (float(row["weight_sqnr_db"]) for row in network.report)
    assert hidden == np.inf
    assert 30 < last < 70 if target.backend in OF_A_POPULATION else last == np.inf


def test_the_most_negative_integer_is_kept_where_it_is_one(target: Target) -> None:
    """-128 to 127, as grids that are not symmetric have it."""
    model, dialect, _ = takes(target.name)[0]
    made = two_rows(np.array([-128, 127, -40, 3, 77, 1, 64, -5, 12, 99, 100, -2]), (0.01, 0.01), 4.0)
    network = fitting.fit(graph(model, dialect, made, {"a": 1.0, "b": 1.0}), target).network
    assert network is not None
    for row, p in zip(network.report, network.projections, strict=True):
        found = float(row["weight_sqnr_db"])
        assert 30 < found < 70 if target.backend in SYMMETRIC else found == np.inf
        lowest = -128 if target.backend != "loihi2" else -256  # there in steps of 2
        assert p.weight.min() == (lowest if found == np.inf else -127)


# --- grids as tools make them ---------------------------------------------------------------


def of_brevitas(shape: tuple[int, ...], bits: int, apart: bool, narrow: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of a layer of Brevitas, and their whole numbers."""
    how = Int8WeightPerChannelFloat if apart else Int8WeightPerTensorFloat
    options = {"bias": False, "weight_quant": how, "weight_bit_width": bits, "weight_narrow_range": narrow}
    layer = (
        qnn.QuantConv2d(shape[1], shape[0], 3, **options)
        if len(shape) > 2
        else qnn.QuantLinear(*shape[::-1], **options)
    )
    made = layer.quant_weight()
    return made.value, made.int()


def of_torch(shape: tuple[int, ...], bits: int, apart: bool, narrow: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Fake quantization."""
    weight, top = torch.randn(shape), 2 ** (bits - 1) - 1
    lowest = -top - (not narrow)
    if not apart:
        scale = float(weight.abs().max() / top)
        return torch.fake_quantize_per_tensor_affine(weight, scale, 0, lowest, top), torch.round(weight / scale)
    scales = weight.flatten(1).abs().amax(1) / top
    made = torch.fake_quantize_per_channel_affine(weight, scales, torch.zeros(shape[0]), 0, lowest, top)
    return made, torch.round(made / scales.reshape(-1, *[1] * (len(shape) - 1)))


def of_snntorch(shape: tuple[int, ...], bits: int, apart: bool, narrow: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Levels of ``quant.state_quant``, an even number around 0: odd multiples of half of what lies between two."""
    made = quant.state_quant(num_bits=bits, threshold=0.5, lower_limit=0.2)(torch.randn(shape) / 3)
    return made, torch.round(made / 0.6 * (2**bits - 1))


TOOLS: dict[str, tuple[Callable[..., tuple[torch.Tensor, torch.Tensor]], tuple[int, ...], tuple[bool, ...]]] = {
    "brevitas": (of_brevitas, (2, 4, 8), (False, True)),
    "torch": (of_torch, (2, 4, 8), (False, True)),
    "snntorch": (of_snntorch, (2, 4), (False,)),  # 256 levels are up to 255 times a step
}


@pytest.mark.parametrize("tool", TOOLS)
def test_grids_of_tools_are_kept(target: Target, tool: str) -> None:
    quantized, widths, each = TOOLS[tool]
    one, symmetric = target.backend in OF_A_POPULATION, target.backend in SYMMETRIC
    taken = {kind: (model, dialect) for model, dialect, kind in takes(target.name)}
    kinds = itertools.cycle(taken)
    torch.manual_seed(0)
    for bits, apart, narrow in itertools.product(widths, each, (True, False)):
        if (apart and one) or (symmetric and bits == 8 and not narrow):
            continue
        kind = next(kinds)
        made = ways(kind)
        whole: dict[tuple[str, str], np.ndarray] = {}
        for way, operator in made.items():
            if way[0] == way[1]:  # what is recurrent shares the scale
                made[way], whole[way] = replace(operator, weight=0 * operator.weight), 0 * whole["in", "a"][:, :10]
                continue
            weight, numbers = quantized(operator.weight.shape, bits, apart, narrow)
            made[way] = replace(operator, weight=weight.detach().numpy().astype(np.float64))
            whole[way] = numbers.detach().numpy().astype(np.int64)
        thresholds = {to: 2.0 * float(np.abs(made[way].weight).max()) for way in made if (to := way[1]) != way[0]}
        case = OnGrid(*(of := graph(*taken[kind], made, thresholds), whole, of))
        network = fitting.fit(case.graph, target).network
        assert network is not None
        holds(network, case, one)
