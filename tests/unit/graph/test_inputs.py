"""What the user says that inputs hold."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.inputs import declared
from nirdeploy.records.inputs import InputEncoding
from tests import networks


@pytest.mark.parametrize(
    ("said", "bits", "encodings"),
    [
        ({}, 1, {}),
        ({"bits": 8}, 8, {}),
        ({"ranges": (0, 1)}, 1, dict.fromkeys("ab", InputEncoding(8, 1 / 255))),
        ({"ranges": {"a": (0, 1)}}, 1, {"a": InputEncoding(8, 1 / 255)}),
        ({"ranges": {"a": (-1, 1)}, "bits": 4}, 4, {"a": InputEncoding(4, 1 / 7, 8)}),
        ({"bits": {"a": 4}}, 1, {"a": InputEncoding(4)}),
        ({"scales": 0.5}, 1, dict.fromkeys("ab", InputEncoding(8, 0.5))),
        ({"scales": 0.5, "ranges": {"b": (-3, 3)}}, 1, {"a": InputEncoding(8, 0.5), "b": InputEncoding(8, 0.5, 128)}),
    ],
)
def test_declared(said: dict[str, Any], bits: int, encodings: dict[str, InputEncoding]) -> None:
    assert declared(["a", "b"], **said) == (bits, encodings)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"bits": 0}, "input_bits = 0"),
        ({"bits": 9}, "input_bits = 9; 1 .spikes. to 8"),
        ({"ranges": {"x": (0, 1)}}, "there is no input 'x'; the network's inputs: a, b"),
        ({"ranges": (1, 1)}, "a range of 1 to 1|an input range of 1 to 1"),
        ({"ranges": (0, np.inf)}, "an input range of 0 to inf"),
        ({"ranges": (-1, 1), "bits": 1}, "one bit holds no numbers on both sides of 0"),
        ({"scales": 0.0}, "an input scale of 0"),
        ({"scales": 0.001, "ranges": (-1, 1)}, r"more than 8 bits hold \(-0.128 to 0.127\).*0.007875 or more"),
    ],
)
def test_what_cannot_be_is_said(said: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        declared(["a", "b"], **said)


@pytest.mark.parametrize("within", [(-1.0, 2.0), (-2.0, 1.0), (0.0, 3.0), (-5.0, 0.5)])
def test_the_scale_that_is_offered_holds_the_range(within: tuple[float, float]) -> None:
    with pytest.raises(UsageProblem) as caught:
        declared(["a"], ranges=within, scales=0.001)
    offered = float(caught.value.hint.split()[3])
    _, found = declared(["a"], ranges=within, scales=offered)
    assert not found["a"].refused(np.array(within)).any()
    with pytest.raises(UsageProblem):
        declared(["a"], ranges=within, scales=offered * 0.99)


def test_a_declared_range_is_part_of_the_graph(tmp_path: Any) -> None:
    plain, ranged = nd.check(networks.two_layers()), nd.check(networks.two_layers(), input_range=(0, 1))
    assert plain.encodings == {}
    assert ranged.encodings == {"input": InputEncoding(8, 1 / 255)}
    assert plain.digest() != ranged.digest()
    ranged.save(tmp_path / "graph.npz")
    again = CheckedGraph.load(tmp_path / "graph.npz")
    assert again.encodings == ranged.encodings
    assert again.digest() == ranged.digest()


def test_silence_is_judged_by_the_range() -> None:
    graph = networks.two_layers()
    graph.nodes["fc1"] = nir.Linear(np.full((30, 20), 1e-3))
    assert not any("lif1" in warning for warning in nd.check(graph, input_range=(0, 100)).warnings)
    (warning,) = nd.check(graph, input_range=(-1, 1)).warnings
    assert "'lif1'" in warning
    assert "with inputs from -1.00787 to 1 in every step" in warning
    # A negative weight is moved by a negative number.
    graph.nodes["fc1"] = nir.Linear(np.full((30, 20), -1.0))
    assert any("lif1" in warning for warning in nd.check(graph, input_range=(0, 1)).warnings)
    assert not any("'lif1'" in warning for warning in nd.check(graph, input_range=(-1, 1)).warnings)
