"""Passes: cut as they may be, the spikes are those of the whole network; and clear words where they cannot be cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga.passes import placing
from nirdeploy.backends.fpga.passes.cut import cut
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import DoesNotFit, InternalError
from nirdeploy.graph.check import CheckedGraph, Population, Projection, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import inputs
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.placement import Placement
from tests import networks
from tests.conftest import examples
from tests.doubles.passes import played


def small(**hardware: int) -> FpgaTarget:
    """Hardware that holds next to nothing."""
    sizes = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "parameters": 64, "segments": 1024, "jobs": 256}
    return targets.load("fpga").with_hardware(**{**sizes, "spike_words": 32, "out_words": 128, **hardware})


def rounded(graph: CheckedGraph, target: FpgaTarget) -> IntegerNetwork:
    try:
        return fitting.rounded(graph, target)
    except DoesNotFit:
        reject()


def stimulus(network: IntegerNetwork, seed: int, steps: int = 5, batch: int = 2) -> dict[str, np.ndarray]:
    rng, found = np.random.default_rng(seed), {}
    for name, shape in network.inputs:
        held = network.takes[name]
        numbers = rng.integers(0, held.top + 1, (steps, batch, *shape)) * (rng.random((steps, batch, *shape)) < 0.6)
        found[name] = (numbers - held.zero) * held.step
    return found


def agrees(network: IntegerNetwork, target: FpgaTarget, seed: int) -> None:
    """Passes send what the whole network does, in every population."""
    passes = cut(network, target)
    x = stimulus(network, seed)
    expected = integer.simulate(network, x, engine="plain")
    found = played(passes, network, inputs.stimulus(x, network.inputs, network.takes))
    for name, values in {**expected.spikes, **expected.membrane}.items():
        assert np.array_equal(found[name].reshape(values.shape), values), name
    placing.check(placing.placement_of(passes, network, target), network, target)


def refused(error: DoesNotFit) -> None:
    """What cannot be cut: loops, and sums in front of a maximum in whose windows the target cannot stand."""
    said = ("come back to where they came from", "takes a maximum over sums")
    assert all(any(words in str(problem) for words in said) for problem in error.problems), error


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    graph=networks.graphs()
    | networks.graphs(beyond=True)
    | networks.grids(400)
    | networks.grids(400, beyond=True)
    | networks.encoded(),
    rows=st.sampled_from([64, 128, 512]),
    words=st.sampled_from([32, 64]),
    neurons=st.sampled_from([16, 64]),
    lanes=st.sampled_from([8, 16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_passes_are_the_network(
    graph: CheckedGraph, rows: int, words: int, neurons: int, lanes: int, seed: int
) -> None:
    target = small(lanes=lanes, weight_rows=rows, neurons=neurons, spike_words=words, out_words=4 * words)
    try:
        agrees(rounded(graph, target), target, seed)
    except DoesNotFit as error:
        refused(error)


@pytest.mark.law
@settings(max_examples=examples(25))
@given(
    channels=st.tuples(st.integers(1, 20), st.sampled_from([8, 12, 40])),
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
    dilation=st.integers(1, 2),
    grouped=st.booleans(),
    window=st.sampled_from([None, None, (2, 2), (3, 2)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_maps_are_cut_into_boxes(
    channels: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
    dilation: int,
    grouped: bool,
    window: tuple[int, int] | None,
    seed: int,
) -> None:
    """Of every geometry: boxes see what they have to see, padding where the map ends, and windows where they are."""
    rng, groups = np.random.default_rng(seed), 4 if grouped else 1
    into, out = channels[0] * groups, channels[1]
    weight = rng.normal(0.1, 1, (out, channels[0], *kernel)) / np.sqrt(channels[0] * kernel[0] * kernel[1])
    operator = Convolution(weight, (into, *size), stride, padding, (dilation, dilation), groups)
    if min(operator.out_shape) < 1:
        reject()
    maximum = None if window is None else Maximum(operator.out_shape, window, window, ((0, 0), (window[1] // 2, 0)))
    shape = operator.out_shape if maximum is None else maximum.out_shape
    if min(shape) < 1:
        reject()
    graph = lif(shape, Projection("in", "p", operator, maximum=maximum), (into, *size))
    target = small(weight_rows=96, spike_words=64, out_words=256)
    agrees(rounded(graph, target), target, seed)


def lif(shape: tuple[int, ...], projection: Projection, read: tuple[int, ...]) -> CheckedGraph:
    """One map of LIF neurons, all alike."""
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    return CheckedGraph(
        (
            Population("in", "Input", read, {}, np.zeros(read)),
            Population("p", "LIF", shape, {name: np.full(shape, v) for name, v in values.items()}, np.zeros(shape)),
        ),
        (projection,),
        *(("in",), {"output": "p"}, Dialect(dt=1e-3), "argument"),
    )


def test_the_middle_of_a_map_and_its_border_are_one_pass() -> None:
    operator = Convolution(np.random.default_rng(0).normal(0, 1, (8, 2, 3, 3)), (2, 16, 16), padding=((1, 1), (1, 1)))
    target = small()
    network = rounded(lif((8, 16, 16), Projection("in", "p", operator), (2, 16, 16)), target)
    (one,) = cut(network, target).passes
    assert one.wiring.tiles == 16 * 16 * 8 // one.network.populations[0].size > 4
    agrees(network, target, 0)


@pytest.mark.parametrize("inputs_", [129, 500, 2000])
def test_fan_ins_deeper_than_the_weight_memory_are_sums(inputs_: int) -> None:
    target = small()
    network = rounded(check(networks.two_layers(sizes=(inputs_, 30, 5))), target)
    passes = cut(network, target)
    (deep,) = passes.deep
    assert deep.population == "lif1"
    pieces = [piece for (groups,) in [deep.sums] for group in groups for piece in group]
    assert sum(count for _, _, count in pieces) == inputs_
    assert all(count <= 128 for _, _, count in pieces)
    agrees(network, target, 1)


def test_sums_in_front_of_a_maximum() -> None:
    rng = np.random.default_rng(3)
    operator = Convolution(rng.normal(0, 1, (12, 40, 3, 3)) / 19, (40, 6, 6), padding=((1, 1), (1, 1)))
    maximum = Maximum((12, 6, 6), (2, 2), (2, 2))
    target = small()
    network = rounded(lif((12, 3, 3), Projection("in", "p", operator, maximum=maximum), (40, 6, 6)), target)
    assert cut(network, target).deep
    agrees(network, target, 2)


def test_a_sum_needs_bit_planes() -> None:
    target = small(planes=1, spike_planes=1)
    with pytest.raises(DoesNotFit, match="inputs of 'lif1' are more than one pass can hold, sums.*bit planes"):
        cut(rounded(check(networks.two_layers(sizes=(400, 30, 5))), target), target)


def test_spikes_that_come_back_stay_in_one_pass() -> None:
    target = small()
    graph = networks.looped(networks.two_layers(sizes=(300, 24, 40)))
    network = rounded(check(graph), target)
    passes = cut(network, target)
    held = Counter(name for one in passes.passes for name in one.tiles[0])
    assert held["lif1"] == 1
    agrees(network, target, 3)


def test_a_loop_that_fits_no_pass_is_named_with_what_it_needs() -> None:
    target = small()
    graph = networks.looped(networks.two_layers(sizes=(20, 200, 10)))
    found = nd.fit(graph, target)
    assert found.network is not None
    text = "; ".join(map(str, found.problems))
    assert "the spikes of 'lif1' come back to where they came from, so that this part has to fit one pass" in text
    assert "200 weight rows" in text or "weight rows ('lif1' alone" in text
    assert {problem.node for problem in found.problems} == {"lif1"}


def test_a_placement_of_passes_is_kept(tmp_path: Path) -> None:
    target = small()
    network = rounded(check(networks.two_layers(sizes=(200, 90, 10))), target)
    passes = cut(network, target)
    placement = placing.placement_of(passes, network, target)
    placement.save(tmp_path / "p.npz")
    again = Placement.load(tmp_path / "p.npz")
    assert again == placement
    assert again.digest() == placement.digest()
    made = placing.passes_of(again, network, target)
    assert [one.network.digest() for one in made.passes] == [one.network.digest() for one in passes.passes]
    assert [one.wiring for one in made.passes] == [one.wiring for one in passes.passes]


def test_a_wrong_placement_of_passes_is_noticed() -> None:
    target = small()
    network = rounded(check(networks.two_layers(sizes=(20, 90, 40))), target)
    placement = placing.placement_of(cut(network, target), network, target)
    first, *others = placement.passes
    assert others
    for passes, said in (
        (others, "is read before it is there"),
        (placement.passes[:-1], "in no pass"),
        ([*placement.passes, placement.passes[-1]], "in several"),
        ([*others, first], "is read before it is there"),
    ):
        with pytest.raises(InternalError, match=said):
            placing.check(replace(placement, passes=tuple(passes)), network, target)


def test_what_fits_one_pass_is_one() -> None:
    """Whole populations go together as long as there is room."""
    target = targets.load("fpga")
    wide = Dense(np.random.default_rng(0).normal(0, 1, (3000, 400)))
    graph = check(networks.two_layers(sizes=(400, 30, 5)))
    assert len(cut(rounded(graph, target), target).passes) == 1
    large = replace(
        graph,
        populations=(
            *graph.populations,
            Population("large", "LIF", (3000,), _like(graph, "lif1", 3000), np.zeros(3000)),
        ),
        projections=(*graph.projections, Projection("input", "large", wide)),
    )
    held = [sorted(one.tiles[0]) for one in cut(rounded(large, target), target).passes]
    assert ["lif1", "lif2"] in held


def _like(graph: CheckedGraph, name: str, size: int) -> dict[str, np.ndarray]:
    return {key: np.full(size, values.ravel()[0]) for key, values in graph.population(name).params.items()}
