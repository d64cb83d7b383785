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
from nirdeploy.errors import DoesNotFit, InternalError
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum
from nirdeploy.targets import registry as targets
from nirdeploy.targets.placement import Placement
from tests import networks
from tests.conftest import examples
from tests.unit.backends.fpga.passes.cases import agrees, lif, rounded, small


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
    | networks.encoded()
    | networks.few_bits(networks.graphs() | networks.grids(400)),
    rows=st.sampled_from([64, 128, 512]),
    words=st.sampled_from([32, 64]),
    neurons=st.sampled_from([16, 64]),
    lanes=st.sampled_from([8, 16]),
    spatial=st.sampled_from([0, 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_passes_are_the_network(
    graph: CheckedGraph, rows: int, words: int, neurons: int, lanes: int, spatial: int, seed: int
) -> None:
    rows *= 1 if spatial else 8  # windows written out take a row for each value that they see
    sizes = {"lanes": lanes, "weight_rows": rows, "neurons": neurons, "spike_words": words, "out_words": 4 * words}
    target = small(spatial=spatial, **sizes)
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
    spatial=st.sampled_from([0, 1, 1]),
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
    spatial: int,
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
    target = small(weight_rows=96 if spatial else 512, spike_words=64, out_words=256, spatial=spatial)
    agrees(rounded(graph, target), target, seed)


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


@pytest.mark.parametrize(("inputs_", "stays"), [(129, True), (256, False), (500, True)])
def test_what_is_left_for_the_last_part_stays_with_the_population(inputs_: int, stays: bool) -> None:
    """Where it finds room there, beside the rows of the sum."""
    target = small(spike_words=64, out_words=256)
    network = rounded(check(networks.two_layers(sizes=(inputs_, 30, 5))), target)
    passes = cut(network, target)
    (deep,) = passes.deep
    (groups,) = deep.sums
    assert deep.beside == stays
    parts = {name for one in passes.passes for name in one.tiles[0] if name.startswith("lif1.sum")}
    assert len(parts) == len(groups) - stays
    left = {(sum(count for _, _, count in groups[-1]),)} if stays else set()
    own = [one for one in passes.passes if "lif1" in one.tiles[0]]
    reads = [{dict(one.network.inputs)[to.input] for to in one.wiring.takes if to.signals == ("input",)} for one in own]
    assert reads == [left] * len(own)
    agrees(network, target, 1)


def test_sums_in_front_of_a_maximum() -> None:
    rng = np.random.default_rng(3)
    operator = Convolution(rng.normal(0, 1, (12, 40, 3, 3)) / 19, (40, 6, 6), padding=((1, 1), (1, 1)))
    maximum = Maximum((12, 6, 6), (2, 2), (2, 2))
    target = small()
    network = rounded(lif((12, 3, 3), Projection("in", "p", operator, maximum=maximum), (40, 6, 6)), target)
    assert cut(network, target).deep
    agrees(network, target, 2)


def test_sums_in_front_of_a_maximum_beside_what_comes_neuron_by_neuron() -> None:
    """A matrix in front of the maximum: its population stands in no grid until the sum gives it one."""
    rng = np.random.default_rng(4)
    maximum = Maximum((4, 6, 6), (2, 2), (2, 2))
    deep = Projection("in", "p", Dense(rng.normal(0.1, 1, (144, 300)) / 17), maximum=maximum)
    graph = lif((4, 3, 3), deep, (300,))
    beside = Projection("q", "p", Elementwise(rng.normal(0, 1, 36)))
    graph = replace(
        graph,
        populations=(*graph.populations[:1], replace(graph.populations[1], name="q"), graph.populations[1]),
        projections=(Projection("in", "q", Dense(rng.normal(0.1, 1, (36, 300)) / 17)), beside, deep),
    )
    for spatial in (1, 0):
        target = small(spatial=spatial, weight_rows=160 if spatial else 256)
        network = rounded(graph, target)
        assert {one.population for one in cut(network, target).deep} == {"p", "q"}
        agrees(network, target, 5)


def test_maxima_of_sums_in_two_shapes_are_refused_by_both() -> None:
    rng = np.random.default_rng(5)
    wide = Convolution(rng.normal(0, 1, (12, 40, 3, 3)) / 19, (40, 6, 6), padding=((1, 1), (1, 1)))
    high = Convolution(rng.normal(0, 1, (4, 80, 2, 1)) / 12, (80, 7, 9))
    graph = lif((12, 3, 3), Projection("in", "p", wide, maximum=Maximum((12, 6, 6), (2, 2), (2, 2))), (40, 6, 6))
    other = Population("other", "Input", (80, 7, 9), {}, np.zeros((80, 7, 9)))
    graph = replace(
        graph,
        populations=(graph.populations[0], other, graph.populations[1]),
        projections=(*graph.projections, Projection("other", "p", high, maximum=Maximum((4, 6, 9), (2, 1), (2, 1)))),
        inputs=("in", "other"),
    )
    with pytest.raises(DoesNotFit, match=r"'p' takes a maximum over sums.*the shapes \(4, 3, 9\), \(12, 3, 3\); let"):
        cut(rounded(graph, small()), small())


def test_a_kernel_larger_than_the_weight_memory_is_named() -> None:
    operator = Convolution(np.random.default_rng(0).normal(0, 1, (4, 2, 13, 13)) / 10, (2, 16, 16))
    target = small()
    network = rounded(lif((4, 4, 4), Projection("in", "p", operator), (2, 16, 16)), target)
    with pytest.raises(DoesNotFit, match="'p' takes 169 weight rows for one channel of 'in', a pass holds 128; use a"):
        cut(network, target)


def test_a_sum_needs_bit_planes() -> None:
    target = small(planes=1, spike_planes=1)
    with pytest.raises(DoesNotFit, match="'lif1' reads more than the 128 values that a pass holds.*with planes = 2 or"):
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
