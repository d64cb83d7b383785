"""A device's cause, on the command line: ``verify BUILD MEASURED.nird``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from tests.networks import spikes, two_layers
from tests.unit.cli.conftest import Cli, cli

__all__ = ["cli"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build, a stimulus, the record of a device with another weight, and what that one says of its outputs."""
    folder = tmp_path_factory.mktemp("cause")
    nirfile.write(folder / "m.nir", two_layers(sizes=(6, 8, 3)))
    built = nd.build(folder / "m.nir", out=folder / "build")
    x = spikes(3, (30, 8, 6), 0.4)
    np.savez(folder / "x.npz", x=x)
    first, second = built.network.projections
    weight = first.weight.copy()
    weight[_neuron(built, x), 4] += 50 if weight[_neuron(built, x), 4] < 0 else -50
    odd = replace(first, operator=replace(first.operator, weight=weight))
    record = nd.simulate(replace(built.network, projections=(odd, second)), x)
    record = replace(record, source="device", manifest=nd.simulate(built, x).manifest)
    record.save(folder / "device.nird")
    replace(record, spikes={"lif2": record["lif2"]}, stats={}).save(folder / "outputs.nird")
    nd.simulate(built, x).save(folder / "simulated.nird")
    replace(nd.simulate(built, x), source="device").save(folder / "good.nird")
    return folder


def _neuron(built: nd.Build, x: np.ndarray) -> int:
    """The neuron that spikes most often."""
    return int(nd.simulate(built, x)["lif1"].sum(axis=(0, 1)).argmax())


def test_the_cause_is_said_of_a_record_that_was_kept(folder: Path, cli: Cli) -> None:
    neuron = _neuron(nd.Build.load(folder / "build"), np.load(folder / "x.npz")["x"])
    told = cli("verify", folder / "build", folder / "device.nird", "-x", folder / "x.npz")
    assert told.code == 1
    assert f"cause on the device: one weight from 'input' to 'lif1': [{neuron}, 4] is " in told.out
    assert "float against integer: " in told.out
    found = cli("verify", folder / "build", folder / "device.nird", "-x", folder / "x.npz", "--json").json
    cause = found["verdicts"][0]["cause"]
    assert (cause["known"], cause["kind"], cause["population"]) == (True, "weight", "lif1")
    assert cause["faults"][0]["place"] == [neuron, 4]
    assert cause["explains"] == cause["differing"] == found["verdicts"][0]["mismatches"]
    assert found["verdicts"][1]["cause"] is None


def test_a_record_of_another_network_has_its_cause_said(folder: Path, cli: Cli) -> None:
    """As of a board with another build on it."""
    record = nd.SpikeRecord.load(folder / "device.nird")
    replace(record, manifest={**record.manifest, "network": "0" * 64}).save(folder / "another.nird")
    told = cli("verify", folder / "build", folder / "another.nird", "-x", folder / "x.npz")
    assert told.code == 1
    assert "is of another integer network than the expected one" in told.out
    assert "cause on the device: one weight from 'input' to 'lif1'" in told.out


def test_a_record_of_another_stimulus_is_no_fault_of_the_device(folder: Path, cli: Cli, tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", x=spikes(4, (30, 8, 6), 0.4))
    told = cli("verify", folder / "build", folder / "good.nird", "-x", tmp_path / "y.npz")
    assert told.code == 1
    assert "the measured record is of another stimulus than the expected one" in told.out
    assert "no cause was looked for: the records are not of one run" in told.out
    assert "cause on the device" not in told.out


def test_a_stimulus_is_the_same_one_in_any_type_of_numbers(folder: Path, cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.load(folder / "x.npz")["x"].astype(np.float64))
    assert cli("verify", folder / "build", folder / "good.nird", "-x", tmp_path / "x.npy").code == 0


def test_where_only_outputs_are_recorded_the_cause_is_looked_for_behind_them(folder: Path, cli: Cli) -> None:
    ran = cli(
        "verify", folder / "build", folder / "outputs.nird", "-x", folder / "x.npz", "--probe", "outputs", "--json"
    )
    cause = ran.json["verdicts"][0]["cause"]
    assert ("weight", "lif1") in {(fault["kind"], fault["population"]) for fault in cause["faults"]}
    assert "'lif1' not recorded: a record of all populations (--probe all) tells more" in cause["remarks"]


def test_a_good_record_has_none(folder: Path, cli: Cli) -> None:
    ran = cli("verify", folder / "build", folder / "good.nird", "-x", folder / "x.npz", "--json")
    assert ran.code == 0
    assert ran.json["verdicts"][0]["cause"] is None


def test_a_simulators_record_is_no_measurement(folder: Path, cli: Cli) -> None:
    """As with port sim: it would be compared with itself."""
    ran = cli("verify", folder / "build", folder / "simulated.nird", "-x", folder / "x.npz")
    assert ran.code == 1
    assert "nothing was measured: the record is of a simulator (integer); give one that a device made" in ran.out
    assert "equals" not in ran.out
    assert cli("simulate", folder / "m.nir", folder / "x.npz", "-o", folder / "float.nird").code == 0
    assert cli("verify", folder / "build", folder / "float.nird", "-x", folder / "x.npz").code == 1
    pair = folder / "simulated.nird", folder / "simulated.nird"
    assert "both are of the same simulator: no device was measured" in cli("verify", *pair).out


def test_outputs_alone_are_asked_for_of_a_record_of_all(folder: Path, cli: Cli) -> None:
    asked = ("-x", folder / "x.npz", "--probe", "outputs")
    assert cli("verify", folder / "build", folder / "good.nird", *asked).code == 0
    assert cli("verify", folder / "build", folder / "device.nird", *asked).code == 1


def test_labels_of_samples_that_decide_nothing_are_warned_of(folder: Path, cli: Cli) -> None:
    good = nd.SpikeRecord.load(folder / "good.nird")
    still = {name: values * (name != "lif2") for name, values in good.spikes.items()}
    replace(good, spikes=still).save(folder / "still.nird")
    np.save(folder / "labels.npy", np.zeros(good.samples, dtype=np.int64))
    told = cli("verify", folder / "still.nird", folder / "still.nird", "--labels", folder / "labels.npy")
    assert "decide nothing" in told.err
    told = cli(
        "verify", folder / "build", folder / "still.nird", "-x", folder / "x.npz", "--labels", folder / "labels.npy"
    )
    assert "device: " in told.err
    assert "decide nothing" in told.err


def test_junit_fails_where_nothing_was_compared(folder: Path, cli: Cli) -> None:
    good = nd.SpikeRecord.load(folder / "good.nird")
    volts = {"lif2": np.ones((*good["lif2"].shape,))}
    whole = replace(good, spikes={}, membrane={"lif2": volts["lif2"].astype(np.int32)}, scale={"lif2": np.ones(3)})
    replace(whole, membrane=volts, scale={}, source="float").save(folder / "volts.nird")
    whole.save(folder / "whole.nird")
    told = cli("verify", folder / "volts.nird", folder / "whole.nird", "--junit", folder / "v.xml")
    assert told.code == 1
    assert 'failures="1"' in (folder / "v.xml").read_text()


def test_a_record_and_a_port_are_refused(folder: Path, cli: Cli) -> None:
    ran = cli("verify", folder / "build", folder / "device.nird", "-x", folder / "x.npz", "-p", "virtual")
    assert ran.code == 2
    assert "not both" in ran.err
    assert cli("verify", folder / "build", folder / "device.nird").code == 2
