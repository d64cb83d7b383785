"""nirdeploy evaluate: a build on every witness, a record, and what it says of what it is not given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.cli import options
from nirdeploy.targets import registry as targets
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.conftest import Cli

STEPS, SAMPLES = 6, 4


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "build"
    nd.build(networks.two_layers(sizes=(12, 10, 4)), out=out)
    return out


@pytest.fixture
def stimulus(tmp_path: Path) -> Path:
    path = tmp_path / "x.npz"
    np.savez(path, x=networks.spikes(1, (STEPS, SAMPLES, 12), 0.4), labels=np.arange(SAMPLES))
    return path


def test_a_build(cli: Cli, build: Path, stimulus: Path) -> None:
    found = cli("evaluate", build, "-x", stimulus, "-p", "sim", "--top", "2", "--json").json["witnesses"]
    assert [one["source"] for one in found] == ["float", "integer", "port sim"]
    for one in found:
        assert one["samples"] == SAMPLES
        assert one["interval"][0] <= one["accuracy"] <= one["interval"][1]
        assert one["accuracy"] <= one["top2"]
        assert len(one["over_steps"]) == STEPS
        assert np.sum(one["confusion"]) == SAMPLES
    assert found[0]["operations_per_sample"] is None
    assert found[1]["operations_per_sample"] > 0
    shown = cli("evaluate", build, "-x", stimulus, "-p", "sim")
    assert shown.code == 0
    assert "accuracy by count of lif2" in shown.out
    assert "95 % interval" in shown.out


def test_the_energy_of_a_build_is_a_range_and_says_so(cli: Cli, build: Path, stimulus: Path) -> None:
    found = cli("evaluate", build, "-x", stimulus, "-p", "sim", "--json").json["witnesses"]
    assert found[0]["energy"] is None
    for one in found[1:]:
        told = one["energy"]
        assert told["label"] == "modelled, not measured"
        assert 0 < told["low_joules"] < told["high_joules"]
        assert len(told["models"]) >= 3
        assert told["events"]["total"]["operations"] == pytest.approx(one["operations_per_sample"])
        assert told["events"]["total"]["spikes"] == pytest.approx(sum(one["spikes_per_sample"].values()))
    shown = cli("evaluate", build, "-x", stimulus, "-p", "sim")
    assert "port sim: energy per sample, modelled, not measured" in shown.out
    for model in found[1]["energy"]["models"]:
        assert model["model"] in shown.out
    assert "nothing spiked" not in shown.err


def test_a_silent_run_costs_and_says_why(cli: Cli, build: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.npz"
    np.savez(quiet, x=np.zeros((1, SAMPLES, 12), np.uint8), labels=np.arange(SAMPLES))
    shown = cli("evaluate", build, "-x", quiet, "-p", "sim")
    assert shown.code == 0
    assert "warning: port sim: no spike and no number was taken by any synapse" in shown.err


@pytest.mark.parametrize("chunks", [(), ("--chunk", 2)])
def test_samples_that_decide_nothing_are_said(
    cli: Cli, build: Path, tmp_path: Path, chunks: tuple[object, ...]
) -> None:
    x = networks.spikes(1, (STEPS, SAMPLES, 12), 0.6)
    for silent in (1, SAMPLES):
        x[:, :silent] = 0
        np.savez(tmp_path / "x.npz", x=x, labels=np.zeros(SAMPLES, int))
        arguments = ("evaluate", build, "-x", tmp_path / "x.npz", "-p", "sim", *chunks)
        said = cli(*arguments, "--json")
        assert [one["undecided"] for one in said.json["witnesses"]] == [silent] * 3
        shown = cli(*arguments)
        assert shown.code == said.code == 0
        text = " ".join(f"{shown.out} {shown.err}".split())
        assert f"integer: {silent} of {SAMPLES} samples decide nothing: all classes of 'lif2' come to the same" in text
        warned = "warning: integer: 4 of 4 samples decide nothing"
        assert (warned in shown.err) == (warned in said.err) == (silent == SAMPLES)


def test_a_record_says_its_accuracy_with_what_it_is_worth(cli: Cli, build: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((STEPS, SAMPLES, 12), np.uint8), labels=np.zeros(SAMPLES, int))
    arguments = ("simulate", build, tmp_path / "x.npz", "-o", tmp_path / "r.nird")
    assert "decide nothing" in cli(*arguments, "--json").json["warnings"][-1]
    shown = cli(*arguments)
    assert "accuracy 100.00 %" in shown.out
    assert f"{SAMPLES} of {SAMPLES} samples decide nothing" in shown.err
    assert cli(*arguments, "--probe", "lif1", "--json").json["accuracy"] is None  # without the output there is none


def test_a_record_without_outputs(cli: Cli, build: Path, stimulus: Path, tmp_path: Path) -> None:
    record = tmp_path / "r.nird"
    replace(nd.simulate(build, np.load(stimulus)["x"]), outputs={}).save(record)
    for command in (("evaluate", record), ("verify", record, record)):
        refused = cli(*command, "--labels", stimulus)
        assert refused.code == 2
        assert "error[E201]: the record does not say which of its populations is the network's output" in refused.err
    assert cli("evaluate", record, "--labels", stimulus, "--output", "lif2").code == 0
    options.write_record("run", nd.SpikeRecord.load(record), record, np.arange(SAMPLES), as_json=True)


def test_metrics(cli: Cli, build: Path, stimulus: Path) -> None:
    found = cli("evaluate", build, "-x", stimulus, "-p", "sim", "--metrics", "--json").json["witnesses"]
    built, x = nd.build(networks.two_layers(sizes=(12, 10, 4))), np.load(stimulus)["x"]
    names = [p.name for p in built.network.populations]
    runs: list[tuple[Any, Any]] = [(built.graph, names), (built.network, names), (built.network, ())]
    for witness, (what, membrane) in zip(found, runs, strict=True):
        record = nd.simulate(what, x, membrane=membrane)
        image = None if witness["source"] == "float" else built.image.total_bytes
        assert witness["neurobench"] == {**nd.metrics(what, record, x).as_dict(), "image_bytes": image}
    assert found[1]["neurobench"]["membrane_updates"] > 0
    assert found[2]["neurobench"]["membrane_updates"] is None
    assert "neurobench" not in cli("evaluate", build, "-x", stimulus, "-p", "sim", "--json").json["witnesses"][0]
    shown = cli("evaluate", build, "-x", stimulus, "-p", "sim", "--metrics").out
    assert "NeuroBench's metrics" in shown
    assert f"{built.image.total_bytes:,}" in shown


def test_a_record_and_labels_of_their_own(cli: Cli, build: Path, stimulus: Path, tmp_path: Path) -> None:
    record, labels = tmp_path / "r.nird", tmp_path / "labels.npy"
    assert cli("simulate", build, stimulus, "-o", record).code == 0
    np.save(labels, np.arange(SAMPLES))
    [alone] = cli("evaluate", record, "--labels", labels, "--json").json["witnesses"]
    whole = cli("evaluate", build, "-x", stimulus, "-p", "sim", "--json").json["witnesses"][1]
    assert alone["accuracy"] == whole["accuracy"]
    assert alone["confusion"] == whole["confusion"]
    assert alone["energy"] is None  # nothing says of which network and stimulus it is


def test_what_is_missing_is_said(cli: Cli, build: Path, stimulus: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.load(stimulus)["x"])
    for arguments, said in (
        ((build,), "needs a stimulus"),
        ((build, "-x", tmp_path / "x.npy"), "no labels to evaluate against"),
        ((tmp_path / "nothing",), "no such build folder or record"),
        ((stimulus, "-x", stimulus), "a record has its stimulus behind it"),
        ((stimulus, "--metrics"), "metrics are of a network and its stimulus"),
        ((build, "-x", stimulus, "-p", "sim", "--reader", "best"), "there is no reader 'best'"),
    ):
        outcome = cli("evaluate", *arguments)
        assert outcome.code == 2
        assert said in outcome.err


@pytest.mark.parametrize("port", ["sim", "model"])
def test_a_device_sends_what_the_reader_needs(cli: Cli, build: Path, stimulus: Path, port: str) -> None:
    with ServedModel(DeviceModel(targets.load("fpga"))) as served:
        where = served.port if port == "model" else port
        for more in ([], ["--reader", "first"]):
            arguments = ("evaluate", build, "-x", stimulus, "-p", where, *more)
            _, integer, measured = cli(*arguments, "--tally", "--json").json["witnesses"]
            assert (measured["accuracy"], measured["confusion"]) == (integer["accuracy"], integer["confusion"])
            assert (measured["steps_needed"], measured["energy"], len(measured["over_steps"])) == (None, None, 1)
        shown = cli("evaluate", build, "-x", stimulus, "-p", where, "--tally")
        assert shown.code == 0
        assert "accuracy over steps" in shown.out
        assert "integer: energy per sample" in shown.out
    assert "leave out --tally" in cli("evaluate", build, "-x", stimulus, "--tally", "--metrics").err
