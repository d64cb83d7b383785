"""Bits of the weights into each population: by number, by name of a population or of a layer, by a node's own word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, GraphError, UnknownPopulation, UsageProblem
from nirdeploy.graph import file as nirfile
from nirdeploy.graph import precision
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.precision import parse, with_bits
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from tests import networks

FORMATS = Formats(8, 20, 24, 16)


def _bits(graph: CheckedGraph) -> dict[str, int | None]:
    return {p.name: p.weight_bits for p in graph.populations}


def test_one_number_is_for_all_populations() -> None:
    graph = with_bits(check(networks.two_layers()), 4)
    assert _bits(graph) == {"input": None, "lif1": 4, "lif2": 4}


def test_names_are_those_of_populations_or_of_layers() -> None:
    graph = check(networks.two_layers())
    assert _bits(with_bits(graph, {"fc1": 4, "lif2": 2})) == {"input": None, "lif1": 4, "lif2": 2}
    assert _bits(with_bits(with_bits(graph, 8), {"fc2": 4})) == {"input": None, "lif1": 8, "lif2": 4}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"fc3": 4}, r"no population 'fc3'.*there are lif1 \(fc1\), lif2 \(fc2\)"),
        ({"input": 4}, "no population 'input' with weights"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(asked: dict[str, int], said: str) -> None:
    with pytest.raises(UnknownPopulation, match=said):
        with_bits(check(networks.two_layers()), asked)


@pytest.mark.parametrize("bits", [1, 17, 0, -4])
def test_there_are_no_such_widths(bits: int) -> None:
    with pytest.raises(UsageProblem, match="bits.*2 to 16"):
        with_bits(check(networks.two_layers()), bits)


def test_two_numbers_for_one_population_are_refused() -> None:
    with pytest.raises(UsageProblem, match="4 bits and 8 bits"):
        with_bits(check(networks.two_layers()), {"fc1": 4, "lif1": 8})


def test_what_the_command_line_says() -> None:
    assert parse("8") == 8
    assert parse("fc1=4, conv1=8") == {"fc1": 4, "conv1": 8}
    assert parse("a=b=4") == {"a=b": 4}
    for text in ("", "four", "fc1=", "fc1=4,8", "fc1=4,fc1=8"):
        with pytest.raises(UsageProblem, match="--bits"):
            parse(text)


def test_weights_keep_to_their_bits() -> None:
    graph = with_bits(check(networks.two_layers()), {"fc1": 4, "fc2": 2})
    network = nd.quantize(graph, FORMATS)
    assert [int(np.abs(p.weight).max()) for p in network.projections] == [7, 1]
    assert [network.weight_bits(name) for name in ("lif1", "lif2")] == [4, 2]
    assert network.weight_memory == (20 * 30 * 4 + 30 * 5 * 2 + 7) // 8
    assert [(row["weight_bits"], row["membrane_bits"], row["decay_bits"]) for row in network.report] == [
        (4, 24, 16),
        (2, 24, 16),
    ]


def test_bits_are_kept_in_files_and_decide_digests(tmp_path: Path) -> None:
    plain = check(networks.two_layers())
    graph = with_bits(plain, {"fc1": 4})
    graph.save(tmp_path / "graph.npz")
    again = CheckedGraph.load(tmp_path / "graph.npz")
    assert _bits(again) == _bits(graph)
    assert again.digest() == graph.digest() != plain.digest()
    network = nd.quantize(graph, FORMATS)
    network.save(tmp_path / "network.npz")
    assert IntegerNetwork.load(tmp_path / "network.npz").weight_bits("lif1") == 4
    # The same bits as the target's own are no other network.
    assert nd.quantize(with_bits(plain, 8), FORMATS).weight_memory == nd.quantize(plain, FORMATS).weight_memory


def test_a_node_says_its_own_bits(tmp_path: Path) -> None:
    graph = networks.two_layers()
    graph.nodes["lif2"].metadata = {precision.METADATA_KEY: "2"}
    nirfile.write(tmp_path / "m.nir", graph)
    assert _bits(check(tmp_path / "m.nir")) == {"input": None, "lif1": None, "lif2": 2}
    assert nd.build(tmp_path / "m.nir", stop="quantize").network.weight_bits("lif2") == 2
    graph.nodes["lif2"].metadata = {precision.METADATA_KEY: "two"}
    with pytest.raises(GraphError, match="'lif2'.*'two' bits.*2 to 16"):
        check(graph)


def test_a_target_says_which_widths_it_has() -> None:
    graph = check(networks.two_layers())
    assert nd.build(graph, "fpga", bits=4, stop="quantize").network.weight_bits("lif1") == 4
    with pytest.raises(DoesNotFit, match="3 bits.*2, 4 or 8 bits.*--bits 8"):
        nd.build(graph, "fpga", bits=3, stop="quantize")
    with pytest.raises(DoesNotFit, match="4 bits.*one width: 8 bits"):
        nd.build(graph, "xylo_a2", bits=4, stop="quantize")
