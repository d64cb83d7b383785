"""Speck: the rendered configuration and script, the command line, the NIR paper's network."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Projection
from nirdeploy.pipeline import Build
from nirdeploy.proof.explain import explain
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.operators import Convolution, Dense, Pool
from nirdeploy.sim import float_, integer
from nirdeploy.targets.resources import templates_dir
from tests.chips import speck_graphs as graphs
from tests.chips.fits import chip_populations
from tests.chips.speck_graphs import BACKEND, TARGET, built, configuration_of, neurons, simulated, stimulus
from tests.chips.table import Table
from tests.conftest import examples
from tests.unit.cli.conftest import Cli

# --- the configuration ----------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(40))
@given(graphs.graphs())
def test_the_configuration_read_back_is_the_network(graph: CheckedGraph) -> None:
    """Rebuilt from the file alone, a layer is the same matrix, and every register the same."""
    build = built(graph)
    configuration = configuration_of(build)
    cores = configuration["samna"]["cnn_layers"]
    placed = {part.population: part.core for part in build.placement.slices}
    assert {layer["name"]: layer["core"] for layer in configuration["network"]["layers"]} == placed
    assert sum(core is not None for core in cores) == len(placed)
    images = {name: entry["image"] for name, entry in configuration["network"]["inputs"].items()}
    for population in chip_populations(build.network):
        core = cores[placed[population.name]]
        out = core["dimensions"]["output_shape"]
        images[population.name] = [out["feature_count"], out["size"]["y"], out["size"]["x"]]
        wanted: dict[str, np.ndarray] = {}
        for p in build.network.into(population.name):
            wanted[p.source] = wanted.get(p.source, 0) + p.matrix()
        for source, matrix in wanted.items():
            entry = configuration["network"]["inputs"].get(source) or cores[placed[source]]
            read = sum(
                _matrix(core, images[source], to)
                for to in entry["destinations"]
                if to["layer"] == placed[population.name]
            )
            assert np.array_equal(read, matrix)
        biases = np.repeat(core["biases"], population.size // out["feature_count"])
        assert biases.tolist() == population.registers["bias"].tolist()
        assert core["threshold_high"] == population.registers["threshold_high"] == population.threshold[0] + 1
        assert core["threshold_low"] == population.registers["threshold_low"]
        assert core["return_to_zero"] is (population.reset == "zero")
        assert core["leak_enable"] is bool(population.registers["bias"].any())
        assert core["monitor_enable"] is (population.name in build.network.outputs.values())


def _matrix(settings: dict[str, Any], image: list[int], to: dict[str, Any]) -> np.ndarray:
    """What one destination carries, (target size, source size), from the file."""
    shape = settings["dimensions"]
    seen = (image[0], image[1] // to["pooling"], image[2] // to["pooling"])
    assert list(seen[1:]) == [shape["input_shape"]["size"][axis] for axis in "yx"]
    first = to["feature_shift"]
    kernel = np.array(settings["weights"], dtype=np.float64).swapaxes(2, 3)[:, first : first + image[0]]
    pads, strides = ([shape[key][axis] for axis in "yx"] for key in ("padding", "stride"))
    operator = Convolution(kernel, seen, (strides[0], strides[1]), ((pads[0], pads[0]), (pads[1], pads[1])))
    assert operator.out_shape[1:] == tuple(shape["output_shape"]["size"][axis] for axis in "yx")
    pool = Pool((image[0], image[1], image[2]), (to["pooling"],) * 2, (to["pooling"],) * 2)
    return Projection("", "", operator, pool=pool).matrix()


def test_with_the_readout_layer_features_stand_four_apart() -> None:
    """Its channel n counts the core's feature 4 (n - 1): an error of the chip."""
    target = TARGET.with_hardware(readout=True)
    graph = graphs.graph(
        [graphs.given("in", (4,)), neurons("n", (3,), bias=[0.1, 0.2, 0.3])],
        [Projection("in", "n", Dense(np.arange(1.0, 13.0).reshape(3, 4)))],
    )
    build = built(graph, target)
    (settings,) = [core for core in configuration_of(build)["samna"]["cnn_layers"] if core]
    weights = np.array(settings["weights"])
    assert weights.shape == (9, 4, 1, 1)
    (p,) = build.network.into("n")
    assert np.array_equal(weights[::4, :, 0, 0], p.weight)
    assert not weights[np.arange(9) % 4 > 0].any()
    assert settings["biases"][::4] == build.network.on_chip("n").registers["bias"].tolist()
    assert settings["destinations"] == [{"layer": 12, "enable": True, "pooling": 1, "feature_shift": 0}]
    assert build.placement.cores[0].used == {"kernel": 4 << 4, "neuron": 9, "bias": 9}
    assert configuration_of(build)["samna"]["readout"]["enable"] is True


def test_an_input_population_needs_no_core() -> None:
    graph = graphs.graph(
        [graphs.given("a", (1, 4, 4)), graphs.given("b", (2, 4, 4)), neurons("n", (1, 4, 4))],
        [
            Projection("a", "n", Convolution(np.full((1, 1, 1, 1), 0.5), (1, 4, 4))),
            Projection("b", "n", Convolution(np.full((1, 2, 1, 1), 0.25), (2, 4, 4))),
        ],
    )
    build = built(graph)
    inputs = configuration_of(build)["network"]["inputs"]
    assert {name: entry["destinations"][0]["feature_shift"] for name, entry in inputs.items()} == {"a": 0, "b": 1}
    x = {"a": np.ones((2, 1, 1, 4, 4)), "b": np.ones((2, 1, 2, 4, 4))}
    assert (simulated(build, x).spikes["n"] == 1).all()


def test_without_a_network_there_is_nothing_to_build() -> None:
    assert json.loads(Build(TARGET).artifacts["configuration.json"]) is None


# --- the rendered script --------------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_sinabs", templates_dir() / "speck" / "run_sinabs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.law
@settings(max_examples=examples(15))
@given(graph=graphs.graphs(), seed=st.integers(0, 2**20))
def test_the_script_in_sinabs_is_the_model(script: ModuleType, graph: CheckedGraph, seed: int) -> None:
    build = built(graph)
    x = stimulus(graph, 6, seed)
    ours, configuration = simulated(build, x), configuration_of(build)
    ((name, entry),) = configuration["network"]["inputs"].items()
    done = script.simulated(configuration, {name: x[:, 0].reshape(-1, *entry["image"])})
    if ours.stats["saturations"]:
        return  # sinabs' layers know no ends of the state
    for layer, spikes in done.items():
        assert np.array_equal(spikes.reshape(ours.spikes[layer][:, 0].shape), ours.spikes[layer][:, 0])


def test_the_script_sends_and_counts_events(script: ModuleType) -> None:
    """What becomes events of the chip and what is made of the chip's events, without a chip."""
    graph = graphs.graph(
        [graphs.given("in", (2, 4, 4)), neurons("n", (3, 2, 2))],
        [Projection("in", "n", Convolution(np.ones((3, 2, 1, 1)), (2, 2, 2)), pool=Pool((2, 4, 4), (2, 2), (2, 2)))],
    )
    configuration = configuration_of(built(graph))
    x = np.zeros((3, 2, 4, 4), dtype=int)
    x[0, 1, 3, 2], x[2, 0, 0, 1], x[2, 0, 1, 0] = 2, 1, 1
    events = script.events_of(configuration["network"], {"in": x})
    assert events == [(0, 0, 1, 1, 1), (0, 0, 1, 1, 1), (2, 0, 0, 0, 0), (2, 0, 0, 0, 0)]
    module = SimpleNamespace(event=SimpleNamespace(Spike=SimpleNamespace))
    spikes = [script.spike(module, event, 0.002) for event in events]
    assert [spike.timestamp for spike in spikes] == [0, 0, 4000, 4000]
    late, other = SimpleNamespace(timestamp=6000, layer=0), SimpleNamespace(timestamp=0, layer=5)
    counts = script.counted(configuration, [*spikes, late, other, SimpleNamespace(timestamp=0)], 3, 0.002)
    assert counts["n"].shape == (3, 3, 2, 2)
    assert counts["n"][0, 1, 1, 1] == counts["n"][2, 0, 0, 0] == 2
    assert counts["n"].sum() == 4


def test_the_script_sets_every_field(script: ModuleType) -> None:
    graph = graphs.graph(
        [graphs.given("in", (2,)), neurons("a", (3,)), neurons("b", (1,))],
        [Projection("in", "a", Dense(np.ones((3, 2)))), Projection("a", "b", Dense(np.ones((1, 3))))],
    )
    values = configuration_of(built(graph, TARGET.with_hardware(readout=True)))["samna"]
    chip = SimpleNamespace(
        cnn_layers=[SimpleNamespace(destinations=[SimpleNamespace(), SimpleNamespace()]) for _ in range(9)],
        dvs_layer=SimpleNamespace(),
        readout=SimpleNamespace(),
    )
    script.apply(chip, values)
    for core, own in zip(chip.cnn_layers, values["cnn_layers"], strict=True):
        going = own.pop("destinations") if own else []
        assert [vars(to) for to in core.destinations[: len(going)]] == going
        assert {key: value for key, value in vars(core).items() if key != "destinations"} == (own or {})
    assert vars(chip.dvs_layer) == values["dvs_layer"]
    assert vars(chip.readout) == values["readout"]


# --- the command line, the NIR paper --------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, rng = tmp_path_factory.mktemp("speck"), np.random.default_rng(3)
    nodes = {
        "input": nir.Input(np.array([1, 8, 8])),
        "conv": nir.Conv2d(None, rng.normal(0.1, 0.5, (4, 1, 3, 3)), 1, 1, 1, 1, np.full(4, -0.05)),
        "hidden": nir.IF(np.ones((4, 8, 8)), np.ones((4, 8, 8)), np.zeros((4, 8, 8))),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 4, 4])}, 0, -1),
        "linear": nir.Linear(rng.normal(0.1, 0.5, (5, 64))),
        "last": nir.IF(np.ones(5), np.ones(5), np.zeros(5)),
        "output": nir.Output(np.array([5])),
    }
    nirfile.write(folder / "model.nir", nir.NIRGraph(nodes, list(zip(nodes, list(nodes)[1:], strict=False))))
    np.save(folder / "x.npy", (rng.random((20, 3, 1, 8, 8)) < 0.3).astype(np.uint8))
    return folder / "model.nir", folder / "x.npy"


def test_build_run_verify_regress(cli: Cli, model: tuple[Path, Path], tmp_path: Path) -> None:
    path, x = model
    out = tmp_path / "built"
    said = cli("build", path, "--target", "speck2e", "--dialect", "sinabs", "--out", out, "--json")
    assert said.code == 0, said.err
    used = [core["used"] for core in said.json["cores"]]
    assert used == [{"kernel": 64, "neuron": 256, "bias": 4}, {"kernel": 512, "neuron": 5, "bias": 0}]
    assert sorted(p.name for p in (out / "hardware").iterdir()) == ["configuration.json", "run_sinabs.py"]
    record, golden = tmp_path / "record.nird", tmp_path / "golden"
    assert cli("run", out, x, "--port", "sim", "--out", record).code == 0
    assert SpikeRecord.load(record).spikes["last"].sum() > 100
    verified = cli("verify", out, "-x", x, "--port", "sim", "--json")
    assert verified.code == 1, verified.err
    assert verified.json["equal"] is False
    assert verified.json["verdicts"][0]["measured"] == "nothing"
    assert cli("regress", "record", golden, record).code == 0
    assert cli("regress", "check", golden, record).code == 0
    kept = Build.load(out)
    assert kept.network.digest() == nd.build(path, "speck2e", dialect="sinabs").network.digest()
    np.save(tmp_path / "one.npy", np.load(x)[:, 0])
    program = [str(out / "hardware" / "run_sinabs.py"), str(tmp_path / "one.npy"), str(tmp_path / "r.npz")]
    subprocess.run([sys.executable, *program], check=True, capture_output=True)
    with np.load(tmp_path / "r.npz") as done:
        ours = SpikeRecord.load(record).spikes
        assert {f"s.{name}" for name in ours} == set(done)
        for name, spikes in ours.items():
            assert np.array_equal(done[f"s.{name}"], spikes[:, 0])


def test_operations_per_step(model: tuple[Path, Path]) -> None:
    """4 features of 22 x 22 pairs of a place in the kernel and one in the image; then 256 events that reach 5 each."""
    build = nd.build(model[0], "speck2f", dialect="sinabs")
    estimate = BACKEND.estimate(build.network, build.placement, build.plan, TARGET, 0.5)
    assert estimate["synaptic_events"] == 0.5 * (4 * 22**2 + 256 * 5)
    assert (estimate["busiest"], estimate["busiest_core_events"]) == ("hidden", 0.5 * 4 * 22**2)


def test_the_papers_network_fits_and_agrees(paper: Path, table: Table) -> None:
    """Five layers on five cores; random events, not digits: the layers' rates agree closer than their single spikes."""
    graph = check(paper / "cnn_sinabs.nir", dialect="sinabs,v_min=-threshold")
    assert graphs.problems(graph, TARGET) == []
    build = built(graph)
    assert sorted({part.core for part in build.placement.slices}) == [0, 1, 2, 3, 4]
    used = {part.population: build.placement.cores[part.core].used for part in build.placement.slices}
    assert used["10"] == {"kernel": 32768, "neuron": 256, "bias": 0}
    x = (np.random.default_rng(0).random((40, 4, 2, 34, 34)) < 0.05).astype(np.uint8)
    found = explain(graph, build.network, x)
    wanted, got = float_.simulate(graph, x).spikes, integer.simulate(build.network, x)
    assert got.stats["saturations"] == 0
    for name, spikes in wanted.items():
        same = float((spikes == got.spikes[name]).mean())
        rates = int(got.spikes[name].sum()) / int(spikes.sum())
        assert same > 0.75
        assert 0.9 < rates < 1.1
    fired = sum(int(spikes.sum()) for spikes in got.spikes.values())
    table.near("speck", "cnn_sinabs, counts of spikes", found, fired)
    assert found.causes[0].rounding == "weight"
    assert sum(found.as_dict()["causes"][-1]["differing"].values()) == 0  # threshold, decay or bias: exact
