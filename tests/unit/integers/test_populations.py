"""Populations of the reference and of chips: what each holds, on disk too, and what it amounts to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import CorruptFile
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, Effective, Formats, IntegerPopulation
from nirdeploy.semantics.dialect import PRESETS
from nirdeploy.semantics.neuron import rules

FORMATS = Formats(8, 24, 24, 12)
ONES = np.ones(2)


def reference(model: str = "CubaLIF", preset: str = "spikingjelly") -> IntegerPopulation:
    whole: dict[str, Any] = {name: np.full(2, value) for name, value in (("decay", 1024), ("synapse_decay", 2048))}
    whole |= {name: np.full(2, value) for name, value in (("bias", 8), ("synapse_bias", 4), ("initial", 0))}
    whole |= {name: np.full(2, value) for name, value in (("threshold", 99), ("reset_value", 100), ("spike_size", 100))}
    named = rules(model, PRESETS[preset])
    return IntegerPopulation(
        name="n", model=model, shape=(2,), rules=named, shift=3, scale=ONES / 50, late_bias={2: np.full(2, 5)}, **whole
    )


def chip() -> ChipPopulation:
    registers = {"tau": np.array([0.1, 1 / 3], dtype=np.float32), "most": np.array(3), "on": np.array([True, False])}
    return ChipPopulation(
        name="n",
        model="LIF",
        shape=(2,),
        rules=rules("LIF", PRESETS["spikingjelly"]),
        threshold=np.full(2, 7),
        scale=ONES / 7,
        latency=4,
        registers=registers,
        stands_for=Effective(decay=ONES / 3, offset=0 * ONES, threshold=ONES, v_reset=0 * ONES),
    )


def network(population: IntegerPopulation | ChipPopulation) -> IntegerNetwork:
    return IntegerNetwork("fpga", FORMATS, (population,), (), (("in", (2,)),), {"out": "n"}, 1e-3, ())


def test_a_chip_s_registers_keep_their_types_on_disk(tmp_path: Path) -> None:
    made = network(chip())
    made.save(tmp_path / "network.npz")
    kept = IntegerNetwork.load(tmp_path / "network.npz")
    assert kept.digest() == made.digest()
    found = kept.on_chip("n")
    for name, values in chip().registers.items():
        assert (found.registers[name].dtype, found.registers[name].tobytes()) == (values.dtype, values.tobytes())
    for name in ("decay", "offset", "threshold", "v_reset"):
        np.testing.assert_array_equal(getattr(found.stands_for, name), getattr(chip().stands_for, name))
    assert found.stands_for.synapse_decay is None
    assert (found.latency, kept.latencies) == (4, {"n": 4})


def test_the_reference_on_disk(tmp_path: Path) -> None:
    made = network(reference())
    made.save(tmp_path / "network.npz")
    kept = IntegerNetwork.load(tmp_path / "network.npz")
    assert kept.digest() == made.digest()
    assert kept.neurons("n").late_bias[2].tolist() == [5, 5]


def test_every_register_counts_in_the_digest() -> None:
    own, digests = chip(), set()
    for changed in ({}, {"most": np.array(4)}, {"tau": own.registers["tau"] * 2}, {"most": np.array(3, dtype=np.int8)}):
        digests.add(network(replace(own, registers={**own.registers, **changed})).digest())
    digests.add(network(replace(own, stands_for=replace(own.stands_for, offset=ONES))).digest())
    assert len(digests) == 5


def test_what_steps_otherwise_is_not_read_as_the_other() -> None:
    with pytest.raises(CorruptFile, match="has a chip's registers, not the reference's neurons"):
        network(chip()).neurons("n")
    with pytest.raises(CorruptFile, match="has the reference's neurons, not a chip's registers"):
        network(reference()).on_chip("n")
    with pytest.raises(CorruptFile, match="build it again"):
        nd.simulate(network(chip()), np.zeros((3, 1, 2), dtype=np.uint8))


def test_what_the_reference_amounts_to() -> None:
    """Of a unit of 1/50; a spike is lost above 99, so the border lies halfway to the next membrane."""
    found = reference().effective(FORMATS)
    assert found.synapse_decay is not None
    assert found.synapse_offset is not None
    for values, expected in (
        (found.decay, 0.25),
        (found.synapse_decay, 0.5),
        (found.offset, 0.16),
        (found.synapse_offset, 0.08),
        (found.late_offset[2], 0.1),
        (found.threshold, 99.5 / 50),
    ):
        np.testing.assert_allclose(values, expected)
    np.testing.assert_allclose(found.v_reset, 2.0 if reference().reset == "zero" else -0.5 / 50)


def test_without_a_synapse_there_is_nothing_of_one() -> None:
    found = reference("LIF").effective(FORMATS)
    assert found.synapse_decay is None
    assert found.synapse_offset is None
