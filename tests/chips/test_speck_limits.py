"""Speck: what its checker refuses, how layers find their cores, and where its figures are from."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.speck.placement import assigned, memories, place
from nirdeploy.errors import InternalError, TargetFileError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.parts import Projection
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets import registry as targets
from nirdeploy.targets.placement import CoreUse
from tests.chips import speck_graphs as graphs
from tests.chips.speck_graphs import BACKEND, TARGET, built, neurons
from tests.chips.speck_networks import as_nir, conv
from tests.chips.speck_parts import BROKEN, LEGAL, ones, part
from tests.chips.table import Table
from tests.conftest import examples
from tests.unit.cli.conftest import Cli


def problems(names: tuple[str, ...]) -> list[str]:
    """Of a graph of a legal part and one part for each of the limits to break."""
    parts = [part("legal"), *(BROKEN[name][0](f"node{i}") for i, name in enumerate(names))]
    populations, projections = [p for made in parts for p in made[0]], [p for made in parts for p in made[1]]
    return graphs.problems(graphs.graph(populations, projections), TARGET)


@pytest.mark.parametrize("name", BROKEN)
def test_each_limit_alone(name: str, table: Table) -> None:
    (message,) = problems((name,))
    assert "'node0'" in message.replace("in_", "")
    assert "'legal'" not in message
    assert all(said in message for said in BROKEN[name][1]), message
    assert message.count("; ") == 1, message  # one sentence, with its remedy
    table.refused("speck", "a limit alone")


def test_every_pair_of_limits_is_reported_at_once(table: Table) -> None:
    tried = 0
    for pair in itertools.combinations(BROKEN, 2):
        found = problems(pair)
        for i, name in enumerate(pair):
            of_it = [message for message in found if f"node{i}'" in message]
            assert any(all(said in message for said in BROKEN[name][1]) for message in of_it), (pair, found)
        tried += 1
    table.refused("speck", "two of these at once", tried)
    assert tried >= 800


@pytest.mark.parametrize("name", LEGAL)
def test_what_just_fits_is_taken(name: str) -> None:
    graph = graphs.graph(*LEGAL[name])
    assert graphs.problems(graph, TARGET) == []
    assert len(built(graph).placement.slices) == 1


def test_nine_layers_fit_and_ten_do_not() -> None:
    def chain(count: int) -> list[str]:
        populations, projections = part("n0", Dense(np.ones((4, 4))))
        for i in range(1, count):
            populations.append(neurons(f"n{i}", (4,)))
            projections.append(Projection(f"n{i - 1}", f"n{i}", Dense(np.ones((4, 4)))))
        return graphs.problems(graphs.graph(populations, projections), TARGET)

    assert chain(9) == []
    (message,) = chain(10)
    assert "fit only on 9 core(s)" in message
    assert "are 10; use fewer layers" in message


def test_layers_that_want_the_same_cores_are_named() -> None:
    """Two cores have 64 Ki of kernel memory; three layers want that."""
    populations, projections = part("small")
    for i in range(3):
        more = part(f"n{i}", ones(64, 64, 3, 3))
        populations, projections = populations + more[0], projections + more[1]
    (message,) = graphs.problems(graphs.graph(populations, projections), TARGET)
    assert "'n0'" in message
    assert "'n2' (kernel 65,536, neuron 64)" in message
    assert "'small'" not in message
    assert "fit only on 2 core(s) (5, 6)" in message


def test_a_kernel_that_is_shared_is_named_once() -> None:
    populations, projections = part("n", ones(1, 1, 17, 17))
    (message,) = graphs.problems(graphs.graph(populations, projections * 2), TARGET)
    assert "17x17" in message


@pytest.mark.parametrize(
    ("outputs", "shape", "more", "says"),
    [
        (1, (16,), 0, "16 features of 1x1, the readout layer counts 15"),
        (1, (2, 2, 2), 0, "2 features of 2x2"),
        (2, (3,), 0, "are 2 layers, the readout layer counts for one"),
        (1, (3,), 2, "to 2 layers and to the readout layer, a core to 2"),
    ],
)
def test_what_the_readout_layer_cannot_count(outputs: int, shape: tuple[int, ...], more: int, says: str) -> None:
    operator = ones(2, 1, 1, 1, size=(1, 2, 2)) if len(shape) > 1 else Dense(np.ones((shape[0], 4)))
    populations, projections = part("n", operator)
    for i in range(more):
        populations.append(neurons(f"after{i}", (1,)))
        projections.append(Projection("n", f"after{i}", Dense(np.ones((1, shape[0])))))
    if outputs == 2:
        second = part("m")
        populations, projections = populations + second[0], projections + second[1]
    named = {"out": "n", "out2": "m"} if outputs == 2 else {"out": "n"}
    graph = graphs.graph(populations, projections, outputs=named)
    assert graphs.problems(graph, TARGET) == []
    (message,) = graphs.problems(graph, TARGET.with_hardware(readout=True))
    assert says in message


def test_fifteen_classes_can_be_read_out() -> None:
    graph = graphs.graph(*part("n", Dense(np.ones((15, 4)))))
    assert graphs.problems(graph, TARGET.with_hardware(readout=True)) == []


def test_what_does_not_fit_is_said_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    layers = [
        conv("here", [["input", "none", 1]], np.ones((2, 1, 17, 17))),
        conv("b", [["here", "none", 1]], np.ones((2, 2, 1, 1)), stride=3),
    ]
    nirfile.write(tmp_path / "big.nir", as_nir({"image": (1, 24, 24), "layers": layers}))
    said = cli("build", tmp_path / "big.nir", "--target", "speck2f", "--dialect", "sinabs", "--out", tmp_path / "out")
    assert said.code == 4
    text = " ".join(said.err.split())
    assert "'here' has a kernel of 17x17" in text
    assert "'b' has a stride of 3x3" in text


# --- placement ------------------------------------------------------------------------

SIZES = st.sampled_from([14, 15, 16])


@pytest.mark.law
@settings(max_examples=examples(100))
@given(
    st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=6), st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=6)
)
@example([(14, 14), (14, 15)], [(14, 15), (14, 14)])  # the first must make room
def test_cores_are_found_if_there_are_any(needs: list[tuple[int, int]], cores: list[tuple[int, int]]) -> None:
    """Against all ways to seat the layers; sizes in powers of two."""
    has = [{"kernel": 1 << kernel, "neuron": 1 << neuron, "bias": 1024} for kernel, neuron in cores]
    wants = {f"n{i}": {"kernel": 1 << k, "neuron": 1 << n, "bias": 0} for i, (k, n) in enumerate(needs)}

    def fits(name: str, core: int) -> bool:
        return all(wants[name][memory] <= has[core][memory] for memory in ("kernel", "neuron"))

    possible = any(
        all(fits(name, core) for name, core in zip(wants, seats, strict=True))
        for seats in itertools.permutations(range(len(has)), len(wants))
    )
    chosen, found = assigned(wants, has)
    assert possible == (found == [])
    if possible:
        assert sorted(chosen) == sorted(wants)
        assert len(set(chosen.values())) == len(chosen)
        assert all(fits(name, core) for name, core in chosen.items())


def test_the_documentations_example() -> None:
    """16 to 32 features, kernel 3, images of 64: 8 Ki of kernel and 128 Ki of neuron memory, too much for a core."""
    made = ones(32, 16, 3, 3, size=(16, 64, 64), padding=((1, 1), (1, 1)))
    (message,) = graphs.problems(graphs.graph(*part("n", made)), TARGET)
    assert "131,072 words of neuron memory" in message
    small = ones(32, 16, 3, 3, size=(16, 32, 32), padding=((1, 1), (1, 1)))
    placement = built(graphs.graph(*part("n", small))).placement
    assert placement.cores == (CoreUse(0, {"kernel": 8192, "neuron": 32768, "bias": 0}, memories(TARGET.hardware)[0]),)


def test_a_network_that_does_not_fit_is_not_placed() -> None:
    graph = graphs.graph(*part("n", ones(1, 1, 17, 17)))
    network = graphs.integers(graph, TARGET)
    fit = place(network, TARGET)
    assert (fit.network, fit.placement) == (network, None)
    assert "17x17" in str(*fit.problems)


def test_two_layers_on_one_core_are_a_bug() -> None:
    first, second = part("n"), part("m")
    build = built(graphs.graph(first[0] + second[0], first[1] + second[1]))
    placement = replace(build.placement, slices=tuple(replace(s, core=0) for s in build.placement.slices))
    with pytest.raises(InternalError, match="share a core"):
        BACKEND.validate(placement, build.network, TARGET)


# --- target files ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["speck2e", "speck2f"])
def test_every_figure_of_a_target_says_where_it_is_from(name: str) -> None:
    target = targets.load(name)
    wanted = {"models", "connections.delay_max"}
    wanted |= {f"{table}.{key}" for table in ("formats", "hardware") for key in getattr(target, table).model_dump()}
    assert set(target.sources) == wanted
    assert target.hardware.samna_module == name


def test_a_target_with_a_core_too_few_is_refused() -> None:
    data = TARGET.model_dump(by_alias=True)
    data["hardware"]["neuron_words"] = data["hardware"]["neuron_words"][:8]
    with pytest.raises(TargetFileError, match="neuron_words has 8"):
        targets.validate(data, where="mine.toml")
