"""A checked graph that is loaded keeps what it guarantees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile
from nirdeploy.graph import sound
from nirdeploy.graph.check import check
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.records import store
from tests import networks
from tests.conftest import examples

Change = Callable[[dict[str, Any], dict[str, np.ndarray]], Any]
LIF = 1  # place of the first population that is no input, and of its entries
NAME, MODEL, SHAPE, PARAMS, DIALECT, LATE = range(6)
SOURCE, TARGET, NODES, OPERATOR, POOL, DELAY = range(6)


def forged(folder: Path, change: Change) -> Path:
    """A graph's file, changed: everything else about it is in order."""
    path = folder / "graph.npz"
    check(networks.two_layers(sizes=(4, 3, 2))).save(path)
    meta, arrays = store.load(path)
    path.write_bytes(store.pack(change(meta, arrays) or meta, arrays))
    return path


def said(**changed: Any) -> Change:
    return lambda meta, arrays: meta.update(changed)


def of_population(entry: int, value: Any) -> Change:
    return lambda meta, arrays: meta["populations"][LIF].__setitem__(entry, value)


def of_projection(entry: int, value: Any) -> Change:
    return lambda meta, arrays: meta["projections"][0].__setitem__(entry, value)


def of_dialect(**changed: Any) -> Change:
    return lambda meta, arrays: meta["dialect"].update(changed)


def held(name: str, values: Any) -> Change:
    return lambda meta, arrays: arrays.update({name: np.asarray(values)})


def a_list(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    return [1]


def convolved(**changed: Any) -> Change:
    known = {"kind": "Convolution", "shape": [1, 2, 2], "stride": [1, 1], "padding": [[0, 0], [0, 0]]}

    def change(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        meta["projections"][0][OPERATOR] = {**known, **changed}
        arrays["projection0.weight"] = np.ones((3, 1, 2, 2))

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (a_list, "it is [1], expected entries by name"),
        (said(populations=5), "int"),
        (said(populations=[[1]]), "not enough values to unpack"),
        (said(inputs=["nope"]), "inputs is ['nope'], expected the populations that are inputs"),
        (said(inputs=[]), "inputs is []"),
        (said(outputs=[1]), "outputs is [1]"),
        (said(outputs={"output": "nope"}), "output 'output' reads 'nope', which is no population"),
        (said(dialect=5), "a dialect is 5"),
        (said(dialect_source=5), "the source of the dialect is 5"),
        (said(repairs=[[1]]), "a repair or warning is [1]"),
        (said(input_bits=60), "input_bits is 60"),
        (said(encodings=[1]), "encodings is [1]"),
        (said(encodings={"input": {"bits": 99, "input_scale": None, "input_zero": 0}}), "bits is 99"),
        (of_dialect(preset="zz"), "the dialect's preset is 'zz'"),
        (of_dialect(dt="x"), "the dialect's dt is 'x'"),
        (of_dialect(dt=0), "the dialect's dt is 0"),
        (of_dialect(threshold="<<"), "the dialect's threshold is '<<'"),
        (of_dialect(reset_delay="true"), "the dialect's reset_delay is 'true'"),
        (of_dialect(max_spikes=-1), "the dialect's max_spikes is -1"),
        (of_dialect(other=1), "other"),
        (of_population(NAME, "input"), "'input' is there twice"),
        (of_population(NAME, ["x"]), "the name of a population is ['x']"),
        (of_population(MODEL, "Zz"), "is 'Zz', expected one of 'Input', 'IF', 'LIF'"),
        (of_population(MODEL, "IF"), "expected those of IF"),
        (of_population(SHAPE, [-3]), "is -3, expected a whole number from 1"),
        (of_population(SHAPE, [1 << 40]), "is 1099511627776"),
        (of_population(SHAPE, 3), "a shape is 3, expected a list"),
        (of_population(LATE, [-1]), "late_bias.-1"),
        (of_population(DIALECT, [1]), "a dialect is [1]"),
        (held("population1.bias", np.zeros(1)), "bias of 'lif1' is of float64 (1,), expected float64 (3,)"),
        (held("population1.tau", ["a", "b", "c"]), "tau of 'lif1' is of <U1 (3,)"),
        (held("population1.tau", np.full(3, np.nan)), "tau of 'lif1' holds what is no finite number"),
        (held("projection0.weight", np.ones((3, 9))), "its operator takes 9 values, 4 come"),
        (held("projection0.weight", np.ones((9, 4))), "it brings 9 values, its target has 3"),
        (held("projection0.weight", np.full((3, 4), np.inf)), "its weights holds what is no finite number"),
        (held("projection0.weight", np.ones((3, 4), "i4")), "its weights is of int32"),
        (of_projection(SOURCE, "nope"), "there are no such populations"),
        (of_projection(TARGET, "input"), "there are no such populations"),
        (of_projection(DELAY, -5), "the delay is -5"),
        (of_projection(DELAY, 10**30), "the delay is 1000000000000000000000000000000"),
        (of_projection(OPERATOR, [1]), "an operator is [1]"),
        (of_projection(POOL, [1]), "a pool is [1]"),
        (convolved(stride=[0, 0]), "the stride is 0"),
        (convolved(padding=[[-5, -5], [-5, -5]], shape=[1, 12, 12]), "the padding is -5"),
        (convolved(groups=0), "the number of groups is 0"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, change: Change, expected: str) -> None:
    path = forged(tmp_path, change)
    with pytest.raises(CorruptFile) as caught:
        CheckedGraph.load(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("not a checked graph (")


def test_the_forger_forges_nothing_else(tmp_path: Path) -> None:
    assert CheckedGraph.load(forged(tmp_path, said())).digest()
    assert CheckedGraph.load(forged(tmp_path, convolved())).projections[0].inputs == 4


@pytest.mark.law
@settings(max_examples=examples(60))
@given(st.one_of(networks.graphs(max_size=12, beyond=True), networks.grids(), networks.encoded()))
def test_whatever_is_a_graph_is_one(graph: CheckedGraph) -> None:
    sound.check(graph)
