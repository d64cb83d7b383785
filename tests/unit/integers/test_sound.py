"""A network that is loaded is one: nothing that a compiled loop takes for an index or a size is left to a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile, DoesNotFit
from nirdeploy.graph.check import check
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.integers import sound
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.records import store
from nirdeploy.semantics.operators import Dense
from tests import networks
from tests.conftest import examples

Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]
FORMATS = Formats(8, 24, 24, 12)


def forged(folder: Path, change: Change) -> Path:
    """A network's file, changed: everything else about it is in order."""
    path = folder / "network.npz"
    quantize(check(networks.two_layers(sizes=(4, 3, 2))), FORMATS).save(path)
    meta, arrays = store.unpack(path.read_bytes(), where="")
    change(meta, arrays)
    path.write_bytes(store.pack(meta, arrays))
    return path


def said(**changed: Any) -> Change:
    return lambda meta, arrays: meta.update(changed)


def of_population(**changed: Any) -> Change:
    return lambda meta, arrays: meta["populations"][0].update(changed)


def of_rules(**changed: Any) -> Change:
    return lambda meta, arrays: meta["populations"][0]["rules"].update(changed)


def of_projection(**changed: Any) -> Change:
    return lambda meta, arrays: meta["projections"][0].update(changed)


def of_formats(**changed: Any) -> Change:
    return lambda meta, arrays: meta["formats"].update(changed)


def held(name: str, values: Any) -> Change:
    return lambda meta, arrays: arrays.update({name: np.asarray(values)})


def convolved(weight: tuple[int, ...] = (3, 1, 2, 2), **changed: Any) -> Change:
    """The first projection as a convolution of 2 x 2 values to three channels of one."""
    known: dict[str, Any] = {"shape": [1, 2, 2], "stride": [1, 1], "dilation": [1, 1], "groups": 1, "spread": [1, 1]}

    def change(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        padding = {"padding": [[0, 0], [0, 0]]}
        meta["projections"][0]["operator"] = {"kind": "Convolution", **known, **padding, **changed}
        arrays["projection0.weight"] = np.ones(weight, dtype=np.int32)

    return change


def pooled(kind: str = "pool", **changed: Any) -> Change:
    known: dict[str, Any] = {"shape": [1, 2, 2], "kernel": [1, 1], "stride": [1, 1], "padding": [[0, 0], [0, 0]]}
    return of_projection(**{kind: {"kind": kind.title(), **known, **changed}})


def twice(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    meta["populations"][1]["name"] = meta["populations"][0]["name"]


def backward(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    meta["projections"][0]["source"] = "lif2"
    arrays["projection0.weight"] = np.ones((3, 2), dtype=np.int32)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (held("population0.threshold", np.zeros(1, np.int64)), "threshold is of int64 (1,), expected int64 (3,)"),
        (held("population0.threshold", np.zeros(0, np.int64)), "threshold is of int64 (0,)"),
        (held("population0.threshold", np.zeros(3, ">i8")), "threshold is of >i8 (3,)"),
        (held("population0.decay", ["a", "b", "c"]), "decay is of <U1 (3,)"),
        (held("population0.bias", np.full(3, 1 << 62)), "bias holds 4611686018427387904"),
        (held("population0.bias", np.full(3, -(1 << 63))), "bias holds -9223372036854775808"),
        (held("population0.spike_size", np.zeros(3, np.int64)), "spike_size holds 0"),
        (held("population0.scale", np.full(3, np.nan)), "scale holds what is no finite number"),
        (held("projection0.weight", np.ones((3, 400_000), np.int32)), "its operator takes 400,000 values, 4 come"),
        (held("projection0.weight", np.ones((3, 1), np.int32)), "its operator takes 1 values, 4 come"),
        (held("projection0.weight", np.ones((1, 4), np.int32)), "it brings 1 values, its target has 3"),
        (held("projection0.weight", np.ones(12, np.int32)), "its weights are of the shape (12,)"),
        (held("projection0.weight", np.full((3, 4), np.nan)), "its weights are of the type float64"),
        (held("projection0.weight", np.full((3, 4), 128, np.int32)), "its weights holds 128"),
        (held("projection0.unit", np.ones(1)), "unit is of float64 (1,)"),
        (held("projection0.unit", np.full(3, np.inf)), "unit holds what is no finite number"),
        *((of_population(shape=[size]), "a size in the shape is") for size in (-3, 0, "x", 1 << 40, 1.5, True)),
        (of_population(shape=[1 << 16, 1 << 16]), "the shape is [65536, 65536], expected at most"),
        (of_population(shape=[3_000_000]), "threshold is of int64 (3,), expected int64 (3000000,)"),
        (of_population(shape=5), "a shape is 5, expected a list"),
        (of_population(model="Zz"), "the model is 'Zz'"),
        (of_population(name=["x"]), "the name of a population is ['x']"),
        (of_population(name="input"), "'input' is there twice"),
        (twice, "is there twice"),
        *((of_population(latency=steps), "the latency is") for steps in (-1, 10**9, "x", None)),
        *((of_population(shift=shift), "the shift is") for shift in (10**4, -63, 1.0)),
        (of_population(weight_bits=64), "weight_bits is 64"),
        (of_population(late_bias=[[1]]), "a step is [1]"),
        (of_population(late_bias=[-1]), "a step is -1"),
        (of_rules(threshold="<<"), "the rule 'threshold' is '<<'"),
        (of_rules(synapse_order="zz"), "the rule 'synapse_order' is 'zz'"),
        (of_rules(multi=1), "the rule 'multi' is 1"),
        (of_rules(multi=True, max_spikes=0), "at most 0 times"),
        (of_rules(max_spikes=10**12), "the rule 'max_spikes' is 1000000000000"),
        *((of_projection(delay=delay), "the delay is") for delay in (-1, -20, -(10**8), 10**9, 10**30, "x")),
        (of_projection(shift=10**4), "the shift is 10000"),
        (of_projection(shift=50), "sums of its weights, shifted by"),
        (of_projection(source="nope"), "projection 'nope' -> 'lif1': there are no such populations"),
        (of_projection(target="nope"), "there are no such populations"),
        (of_projection(target="input"), "there are no such populations"),
        (of_projection(operator=[1]), "an operator is [1]"),
        (of_projection(operator={"kind": "Other"}), "the kind of an operator is 'Other'"),
        (of_projection(pool=[1]), "a pool is [1]"),
        (backward, "projection 'lif2' -> 'lif1': it closes a cycle without a delay"),
        (convolved(stride=[0, 0]), "the stride is 0"),
        (convolved(stride=[-1, -1]), "the stride is -1"),
        (convolved(stride=5), "the stride is 5"),
        (convolved(groups=0), "the number of groups is 0"),
        (convolved(groups=2), "for 1 channels in 2 groups"),
        (convolved(dilation=[0, 1]), "the dilation is 0"),
        (convolved(spread=[0, 1]), "the spread is 0"),
        (convolved(spread=[10**6, 10**6]), "are too many"),
        (convolved(padding=[[10**6, 0], [0, 10**6]]), "are too many"),
        (convolved(padding=[[-5, -5], [-5, -5]], shape=[1, 12, 12]), "the padding is -5"),
        (convolved(padding=[1, 1]), "the padding is 1"),
        (convolved(padding=3), "the padding is 3"),
        (convolved(shape=[1, -2, -2]), "a size in the shape of the convolution is -2"),
        (convolved(shape=[4]), "expected channels, height and width"),
        (convolved(shape=[1, 4, 1]), "a kernel that reaches over [2, 2] values does not fit into [4, 1]"),
        (convolved(weight=(3, 1, 200, 200), shape=[1, 200, 200]), "more than is simulated"),
        (pooled(kernel=[0, 1]), "the kernel of the pool is 0"),
        (pooled(stride=[-1, 1]), "the stride of the pool is -1"),
        (pooled(shape=[1, 3, 3]), "the pool takes values of the shape (1, 3, 3), 4 come"),
        (pooled("maximum", shape=[1, 1, 3], padding=[[0, 0], [1, 1]]), "see nothing but a padding of 1"),
        (pooled("maximum", shape=[1, 2, 3]), "the maximum takes values of the shape (1, 2, 3), 3 come"),
        (of_formats(state_bits=10**9), "state_bits is 1000000000"),
        (of_formats(state_bits=33), "state_bits is 33"),
        (of_formats(decay_bits=-1), "decay_bits is -1"),
        (of_formats(weight_bits="8"), "weight_bits is '8'"),
        (of_formats(accumulator_bits=0), "accumulator_bits is 0"),
        (said(formats=[8]), "formats is [8]"),
        (said(inputs=[["input"]]), "an input is ['input'], expected a name and a shape"),
        (said(inputs=[["input", [-4]]]), "a size in the shape of 'input' is -4"),
        (said(inputs=[["input", [1_000_000]]]), "its operator takes 4 values, 1,000,000 come"),
        (said(inputs=[]), "it has no input"),
        (said(inputs=[["input", [4]], ["input", [4]]]), "expected names that are unlike each other"),
        (said(outputs=[1]), "outputs is [1]"),
        (said(outputs={"output": "nope"}), "output 'output' reads 'nope', which is no population"),
        (said(outputs={"output": "input"}), "output 'output' reads 'input', which is no population"),
        *((said(dt=dt), "dt is") for dt in ("x", 0, -1, None, float("nan"))),
        (said(input_bits=60), "input_bits is 60"),
        (said(target=5), "the target is 5"),
        (said(report=["x"]), "a row of the report is 'x'"),
        (said(report=[{"shift": [1]}]), "the report says 'shift' in more than a word"),
        (said(populations={}), "populations is {}"),
        (said(populations=[1]), "a population is 1"),
        (said(encodings=[1]), "encodings is [1]"),
        (said(encodings={"other": {"bits": 1, "input_scale": None, "input_zero": 0}}), "there is no input 'other'"),
        (said(encodings={"input": {"bits": 60, "input_scale": None, "input_zero": 0}}), "bits is 60"),
        (said(encodings={"input": {"bits": 8, "input_scale": 0, "input_zero": 0}}), "input_scale is 0"),
        (said(encodings={"input": {"bits": 1, "input_scale": 1, "input_zero": 2}}), "input_zero is 2"),
        (
            said(encodings={"input": {"bits": 1, "input_scale": None, "input_zero": 0, "border": [[-1, 1]]}}),
            "a border is -1",
        ),
        (
            said(encodings={"input": {"bits": 1, "input_scale": None, "input_zero": 0, "border": [[float("inf"), 1]]}}),
            "infinity",
        ),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, change: Change, expected: str) -> None:
    path = forged(tmp_path, change)
    with pytest.raises(CorruptFile) as caught:
        IntegerNetwork.load(path)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("not an integer network (")
    assert str(caught.value).endswith("network.npz); build it again")


def test_what_is_changed_and_still_one(tmp_path: Path) -> None:
    """That the forger forges nothing else."""
    assert IntegerNetwork.load(forged(tmp_path, said())).digest()
    assert IntegerNetwork.load(forged(tmp_path, convolved())).projections[0].inputs == 4
    assert IntegerNetwork.load(forged(tmp_path, pooled())).projections[0].pool is not None
    assert IntegerNetwork.load(forged(tmp_path, of_projection(delay=7))).projections[0].delay == 7


@pytest.mark.parametrize(
    ("register", "expected"),
    [
        (np.array(["x", "y"]), "the register 'r' is of <U1 (2,)"),
        (np.array([np.nan, 1]), "the register 'r' holds what is no finite number"),
    ],
)
def test_registers_of_a_chip(register: np.ndarray, expected: str) -> None:
    from tests.unit.integers.test_populations import chip, network

    with pytest.raises(ValueError, match=r"population 'n': the register 'r'") as caught:
        sound.check(network(replace(chip(), registers={"r": register})))
    assert expected in str(caught.value)


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    graph=st.one_of(networks.graphs(max_size=12), networks.encoded(), networks.few_bits(networks.graphs(max_size=8))),
    bits=st.tuples(st.integers(2, 16), st.integers(8, 32), st.integers(8, 32), st.integers(4, 24)),
)
def test_whatever_is_quantized_is_one(graph: CheckedGraph, bits: tuple[int, int, int, int]) -> None:
    try:
        network = quantize(bordered(graph), Formats(*bits))
    except DoesNotFit:
        return
    sound.check(network)


def test_it_takes_little_of_a_large_network() -> None:
    """Two million neurons and eight million weights: a part of what reading them takes."""
    small = quantize(check(networks.two_layers(sizes=(4, 3, 2))), FORMATS)
    size = 1 << 21
    held = {name: values for name, values in vars(small.populations[0]).items() if isinstance(values, np.ndarray)}
    wide: dict[str, Any] = {name: np.resize(values, size) for name, values in held.items()}
    weight = np.resize(small.projections[0].weight, (size, 4))
    population = replace(small.populations[0], shape=(size,), **wide)
    projection = replace(small.projections[0], operator=Dense(weight), unit=np.ones(size))
    network = replace(small, populations=(population,), projections=(projection,), outputs={"output": population.name})
    begun = time.process_time()
    sound.check(network)
    assert time.process_time() - begun < 5
