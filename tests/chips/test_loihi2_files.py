"""Loihi 2: what is rendered, read back; and the way through the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from tests.chips.fits import chip_populations
from tests.chips.loihi2_networks import DT, network
from tests.conftest import examples
from tests.networks import spikes, two_layers
from tests.unit.cli.conftest import Cli

TARGET = targets.load("loihi2")


def built(seed: int) -> nd.Build:
    return nd.build(network(seed), TARGET, dialect=f"nir,dt={DT}")


def rebuilt(text: bytes, model: IntegerNetwork) -> IntegerNetwork:
    """The integer network that a configuration file describes; what is no register is taken from ``model``."""
    kept = json.loads(text)
    populations = []
    for entry, own in zip(kept["populations"], chip_populations(model), strict=True):
        registers = {n: np.array(entry[n]) for n in ("v", "du", "dv", "vth", "u", "bias_mant", "bias_exp")}
        populations.append(
            replace(
                own,
                name=entry["name"],
                shape=tuple(entry["shape"]),
                threshold=np.full(int(np.prod(entry["shape"])), entry["vth"] << 6),
                registers={**registers, "message_max": own.registers["message_max"], "align_shift": np.array(6)},
                latency=entry["latency"],
            )
        )
    projections = []
    for entry in kept["connections"]:
        weight, operator = np.array(entry["weights"], dtype=np.int32), None
        if entry["kind"] == "convolution":
            pads = tuple((pad, pad) for pad in entry["padding"])
            how: tuple[Any, ...] = (tuple(entry["stride"]), pads, tuple(entry["dilation"]), entry["groups"])
            operator = Convolution(weight, tuple(entry["input_shape"]), *how)
        made: Operator = operator or (Dense(weight) if entry["kind"] == "dense" else Elementwise(weight))
        unit = next(p.unit for p in model.projections if (p.source, p.target) == (entry["source"], entry["target"]))
        common = {"delay": entry["delay"], "shift": entry["weight_exp"]}
        projections.append(IntegerProjection(entry["source"], entry["target"], made, unit, **common))
    return replace(model, populations=tuple(populations), projections=tuple(projections))


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1))
def test_the_configuration_holds_the_whole_network(seed: int) -> None:
    build = built(seed)
    text = build.artifacts["configuration.json"]
    assert rebuilt(text, build.network).digest() == build.network.digest()
    kept = json.loads(text)
    assert kept["network"] == build.network.digest()
    assert sum(s["count"] for s in kept["slices"]) == sum(p.size for p in build.network.populations)
    assert build.artifacts.digest() == built(seed).artifacts.digest()


def test_the_script_is_python_and_stands_beside_its_configuration() -> None:
    artifacts = built(0).artifacts
    assert sorted(artifacts) == ["configuration.json", "run_lava.py"]
    compile(artifacts["run_lava.py"], "run_lava.py", "exec")


# --- the way through ------------------------------------------------------------------


def test_every_limit_has_a_source() -> None:
    figures = {f"formats.{n}" for n in type(TARGET.formats).model_fields}
    figures |= {f"hardware.{n}" for n in type(TARGET.hardware).model_fields}
    assert figures | {"models", "connections.delay_max"} == set(TARGET.sources)


def test_estimate_counts_events() -> None:
    build = nd.build(two_layers(), TARGET)
    estimate = registry.backend_of(TARGET).estimate(build.network, build.placement, build.plan, TARGET, 0.5)
    synapses = sum(int(np.count_nonzero(p.weight)) for p in build.network.projections)
    assert estimate["synaptic_events"] == 0.5 * synapses
    assert estimate["neuron_updates"] == 35
    assert estimate["latency_steps"] == 2
    energy = (0.5 * synapses * 23.6 + 35 * 81.0) / 1000
    assert estimate["energy_nj"] == pytest.approx(energy)


def test_through_the_command_line(tmp_path: Path, cli: Cli) -> None:
    folder, x = str(tmp_path / "build"), spikes(3, (25, 2, 20))
    stimulus, record = str(tmp_path / "x.npz"), str(tmp_path / "a.nird")
    nir.write(str(tmp_path / "net.nir"), two_layers())
    np.savez(stimulus, x=x)

    def call(*arguments: str) -> None:
        done = cli(*arguments)
        assert done.code == 0, done.err

    call("build", str(tmp_path / "net.nir"), "--target", "loihi2", "--out", folder)
    assert Path(folder, "hardware", "configuration.json").is_file()
    call("run", folder, stimulus, "--port", "sim", "--out", record)
    assert "nothing was measured" in cli("verify", folder, "-x", stimulus, "--port", "sim").out
    call("regress", "record", str(tmp_path / "golden.json"), record)
    call("regress", "check", str(tmp_path / "golden.json"), record)
    expected = nd.simulate(nd.build(two_layers(), TARGET), x)
    np.testing.assert_array_equal(SpikeRecord.load(record).spikes["lif2"], expected.spikes["lif2"])
    assert expected.spikes["lif2"].any()
