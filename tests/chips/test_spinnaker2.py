"""SpiNNaker 2: its quantizer, dynamics and rendered script.

The rendered script runs here on ``tests/chips/scalar``: py-spinnaker2's interface over a scalar evaluation that shares
nothing with nirdeploy. The witness of the chip itself is in ``test_spinnaker2_recording.py``.
"""

from __future__ import annotations

import itertools
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.errors import InputShapeError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim import float_, integer
from tests.chips import spinnaker2_networks as networks
from tests.chips.fits import chip_populations
from tests.chips.spinnaker2_networks import built, simulated, stimulus
from tests.chips.table import Table
from tests.conftest import examples
from tests.unit.cli.conftest import Cli

SCALAR = Path(__file__).parent / "scalar"
# --- the scalar evaluation ------------------------------------------------------------


@pytest.fixture
def scalar(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``import spinnaker2`` finds the scalar evaluation."""
    monkeypatch.syspath_prepend(str(SCALAR))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "spinnaker2"]:
        del sys.modules[name]


def on_paper(build: pipeline.Build, x: dict[str, np.ndarray], folder: Path) -> dict[str, Any]:
    """What the script makes of its configuration, run: by population spikes (T, size) and float32 membranes."""
    build.artifacts.save(folder)
    script = runpy.run_path(str(folder / "run.py"))
    config = json.loads((folder / "network.json").read_text())
    for entry in config["populations"]:
        entry["record"] = ["spikes", "v"]
    made = script["populations"](config)
    network = script["snn"].Network("paper")
    network.add(*made.values(), *(script["projection"](entry, made) for entry in config["projections"]))
    steps = len(next(iter(x.values())))
    for name, values in x.items():
        flat = values.reshape(steps, -1)
        made[name].params = {i: np.flatnonzero(flat[:, i]).tolist() for i in range(flat.shape[1])}
    script["hardware"].SpiNNaker2Chip(eth_ip="192.0.2.1").run(network, steps)
    found = {}
    for entry in config["populations"]:
        spikes = np.zeros((steps, made[entry["name"]].size), dtype=np.uint8)
        for neuron, times in made[entry["name"]].get_spikes().items():
            spikes[times, neuron] = 1
        voltages = made[entry["name"]].get_voltages()
        found[entry["name"]] = spikes, np.stack([voltages[i] for i in range(len(voltages))], axis=1)
    return found


@pytest.mark.law
@pytest.mark.usefixtures("scalar")
def test_the_model_is_the_scalar_evaluation_of_the_rendered_script(
    tmp_path_factory: pytest.TempPathFactory, table: Table
) -> None:
    folder = tmp_path_factory.mktemp("paper")
    tally = {"networks": 0, "values": 0, "spikes": 0, "mismatches": 0}

    @settings(max_examples=examples(100))
    @given(networks.graphs(), st.integers(0, 2**16))
    def law(graph: CheckedGraph, seed: int) -> None:
        build, x = built(graph), stimulus(graph, 25, seed)
        record, paper = simulated(graph, build.network, x), on_paper(build, x, folder)
        wrong = 0
        for population in chip_populations(build.network):
            spikes, v = paper[population.name]
            wrong += int((record.spikes[population.name].reshape(spikes.shape) != spikes).sum())
            units = np.floor(v.astype(np.float64) * 2.0 ** int(population.registers["fraction_bits"]))
            wrong += int((record.membrane[population.name].reshape(v.shape) != units).sum())
            tally["values"] += spikes.size + v.size
            tally["spikes"] += int(spikes.sum())
        tally["networks"] += 1
        tally["mismatches"] += wrong
        assert wrong == 0

    law()
    table.compared("spinnaker2", "a scalar evaluation of the script", **tally)
    assert tally["networks"] >= 100
    assert tally["spikes"] > 300


def test_a_weight_changed_in_the_configuration_is_seen(
    scalar: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the comparison above is known to be able to fail."""
    (source, made), ways = networks.part("a")
    graph = networks.graph([source, made], ways, replace(networks.PLAIN, reset="subtract"))
    build, x = built(graph), stimulus(graph, 60, 1)
    paper = on_paper(build, x, tmp_path)["a"][1]
    (projection,) = build.network.projections
    other = replace(projection, operator=Dense(projection.weight + np.eye(3, 4, dtype=np.int32)))
    record = simulated(graph, replace(build.network, projections=(other,)), x)
    units = np.floor(paper.astype(np.float64) * 2.0 ** int(build.network.on_chip("a").registers["fraction_bits"]))
    assert (record.membrane["a"][:, 0] != units).any()


def test_more_than_one_spike_per_step_is_refused() -> None:
    (source, made), ways = networks.part("a")
    build = built(networks.graph([source, made], ways, networks.PLAIN))
    with pytest.raises(InputShapeError, match="'in_a' sends 3 spikes in one step, a spike list of the chip 1 at most"):
        nd.simulate(build, np.full((2, 1, 4), 3))


# --- quantization ---------------------------------------------------------------------


def test_weights_share_one_scale_and_are_cut_towards_zero() -> None:
    """Over all inputs of a population, the recurrent ones too."""
    rng = np.random.default_rng(0)
    (source, made), (way,) = networks.part("a")
    forward, back = rng.normal(0, 1, (3, 4)), rng.normal(0, 2, (3, 3))
    ways = [replace(way, operator=Dense(forward)), Projection("a", "a", Dense(back), delay=1)]
    network = built(networks.graph([source, made], ways, networks.PLAIN)).network
    scale = 127 / max(np.abs(forward).max(), np.abs(back).max())
    for projection, weight in zip(network.projections, (forward, back), strict=True):
        expected = np.array([[int(w * scale * (1 + 1e-12)) for w in row] for row in weight])
        np.testing.assert_array_equal(projection.weight, expected)
        assert projection.delay == 1
    assert max(np.abs(p.weight).max() for p in network.projections) == 127


@pytest.mark.law
@given(st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
def test_the_largest_weight_becomes_127_whatever_the_scale(size: float, seed: int) -> None:
    (source, made), (way,) = networks.part("a")
    weight = size * np.random.default_rng(seed).normal(0, 1, (3, 4))
    network = built(networks.graph([source, made], [replace(way, operator=Dense(weight))], networks.PLAIN)).network
    assert np.abs(network.projections[0].weight).max() == 127


@pytest.mark.parametrize("discretization", ["euler", "exponential"])
def test_registers_of_a_cubalif(discretization: Literal["euler", "exponential"]) -> None:
    """As py-spinnaker2's conversion has them, written out."""
    (source, made), ways = networks.part("a", "CubaLIF", dialect=None)
    graph = networks.graph([source, made], ways, replace(networks.PLAIN, discretization=discretization))
    population = built(graph).network.on_chip("a")
    p, dt, scale = made.params, networks.DT, 127 / np.abs(ways[0].weight).max()
    leak = {t: dt / p[t] if discretization == "euler" else 1 - np.exp(-dt / p[t]) for t in ("tau_mem", "tau_syn")}
    r_factor, w_factor = leak["tau_mem"] * p["r"], leak["tau_syn"] * p["w_in"]
    whole = scale / r_factor / w_factor
    expected = {
        "threshold": p["v_threshold"] * whole,
        "i_offset": leak["tau_mem"] * p["v_leak"] * whole + made.bias * p["w_in"] / w_factor * scale,
        "alpha_decay": 1 - leak["tau_mem"],
        "exc_decay": 1 - leak["tau_syn"],
        "inh_decay": 1 - leak["tau_syn"],
        "v_reset": np.zeros(3),
        "v_init": np.zeros(3),
    }
    assert set(population.registers) == {*expected, "fraction_bits"}
    for name, values in expected.items():
        np.testing.assert_allclose(population.registers[name], values, rtol=2e-7, err_msg=name)


@pytest.mark.parametrize("model", ["LIF", "IF"])
def test_registers_of_lif_and_if(model: str) -> None:
    (source, made), ways = networks.part("a", model)
    population = built(networks.graph([source, made], ways, networks.PLAIN)).network.on_chip("a")
    p, scale = made.params, 127 / np.abs(ways[0].weight).max()
    leak = networks.DT / p["tau"] if model == "LIF" else 0.0
    gain = (leak if model == "LIF" else networks.DT) * p["r"]
    offset = leak * p["v_leak"] * scale / gain if model == "LIF" else 0.0
    found = population.registers
    np.testing.assert_allclose(found["threshold"], p["v_threshold"] * scale / gain, rtol=2e-7)
    np.testing.assert_allclose(found["i_offset"], offset + made.bias * scale, rtol=2e-6)
    np.testing.assert_allclose(found["alpha_decay"], np.broadcast_to(1 - leak, 3), rtol=2e-7)


@pytest.mark.law
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks.graphs())
def test_registers_are_single_precision_on_disk_as_well(tmp_path: Path, graph: CheckedGraph) -> None:
    """Bit for bit, and the digest with them."""
    network = built(graph).network
    network.save(tmp_path / "network.npz")
    kept = IntegerNetwork.load(tmp_path / "network.npz")
    assert kept.digest() == network.digest()
    for own, found in zip(chip_populations(network), chip_populations(kept), strict=True):
        for name, values in own.registers.items():
            assert values.dtype == (np.int64 if name == "fraction_bits" else np.float32)
            assert (found.registers[name].dtype, found.registers[name].tobytes()) == (values.dtype, values.tobytes())


@pytest.mark.parametrize(("threshold", "spikes"), [(">", 0), (">=", 1)])
def test_a_membrane_that_touches_its_threshold(threshold: str, spikes: int) -> None:
    """An IF of r dt = 1 that one spike brings to 1."""
    record = nd.simulate(built(one_if(1.0, 0.0, threshold)), ONE_SPIKE)
    assert record.spikes["a"].sum() == spikes
    assert not spikes or record.spikes["a"][1, 0, 0] == 1


def test_who_fires_is_above_threshold_in_integers_too() -> None:
    """127 + 2 x 6e-5 against 127 + 10e-5, in units of weights: both within one LSB of 2^-13."""
    network = built(one_if(1 + 10e-5 / 127, 6e-5 / 127)).network
    (population,) = chip_populations(network)
    assert population.registers["fraction_bits"] == 13
    assert nd.simulate(built(one_if(1 + 10e-5 / 127, 6e-5 / 127)), ONE_SPIKE).spikes["a"][1, 0, 0] == 1
    compared = integer.compared(network, ONE_SPIKE, "a")[:, 0, 0]
    np.testing.assert_array_equal(compared > population.threshold, [False, True, False, False])
    assert compared[1] == 127 * 2**13 + 1 == population.threshold[0] + 1


ONE_SPIKE = np.array([1, 0, 0, 0], dtype=np.uint8)[:, None, None]


def one_if(v_threshold: float, bias: float, compare: Any = ">") -> CheckedGraph:
    """An IF of r dt = 1 behind a weight of 1, which is 127."""
    made = networks.neurons("a", "IF", (1,), np.random.default_rng(0))
    params = {"r": np.array([1 / networks.DT]), "v_threshold": np.array([v_threshold]), "v_reset": np.zeros(1)}
    made = replace(made, params=params, bias=np.array([bias]))
    way = Projection("in", "a", Dense(np.ones((1, 1))))
    return networks.graph([networks.given("in", (1,)), made], [way], replace(networks.PLAIN, threshold=compare))


def test_weights_that_are_all_zero() -> None:
    (source, made), (way,) = networks.part("a")
    graph = networks.graph([source, made], [replace(way, operator=Dense(np.zeros((3, 4))))], networks.PLAIN)
    assert not built(graph).network.projections[0].weight.any()


def test_a_population_that_drives_itself() -> None:
    """By its bias, without any input."""
    silent, made = networks.given("in", (1,)), networks.neurons("a", "LIF", (2,), np.random.default_rng(0))
    other = replace(made, name="b", bias=np.full(2, 9.0))
    ways = [Projection("in", "a", Dense(np.ones((2, 1)))), Projection("b", "b", Dense(np.eye(2)), delay=1)]
    build = built(networks.graph([silent, made, other], ways, networks.PLAIN))
    assert [row["latency"] for row in build.network.report] == [1, 0]
    assert nd.simulate(build, np.zeros((50, 1, 1), dtype=np.uint8)).spikes["b"].sum() > 5


def exact_network(reset: Literal["zero", "subtract"], connection_delay: bool) -> CheckedGraph:
    """Two layers of IF whose weights are 127ths and whose membranes are sums of them: nothing is rounded."""
    rng = np.random.default_rng(5)
    dialect = replace(networks.PLAIN, reset=reset, connection_delay=connection_delay)
    populations, projections = [networks.given("in", (6,))], []
    for name, source, size in (("a", "in", 8), ("b", "a", 4)):
        weight = rng.integers(-60, 128, (size, populations[-1].size)).astype(np.float64)
        weight[0, 0] = 127
        made = networks.neurons(name, "IF", (size,), rng)
        params = {"r": np.full(size, 1 / networks.DT), "v_threshold": rng.integers(80, 300, size) + 0.5}
        made = replace(made, params={**params, "v_reset": np.zeros(size)}, bias=np.zeros(size))
        populations.append(made)
        projections.append(Projection(source, name, Dense(weight), delay=int(connection_delay)))
    return networks.graph(populations, projections, dialect)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("connection_delay", [False, True])
def test_the_chip_is_the_float_reference_but_for_a_step_per_projection(
    reset: Literal["zero", "subtract"], connection_delay: bool
) -> None:
    """With connection_delay the graph has these steps too; without, the report says how late each population is."""
    graph = exact_network(reset, connection_delay)
    build, x = built(graph), stimulus(graph, 80, 3)
    reference, found = float_.simulate(graph, x), nd.simulate(build, x)
    lags = {str(row["population"]): int(row["latency"]) for row in build.network.report}
    assert lags == ({"a": 0, "b": 0} if connection_delay else {"a": 1, "b": 2})
    for name, late in lags.items():
        np.testing.assert_array_equal(found.spikes[name][late:], reference.spikes[name][: 80 - late])
        assert found.spikes[name].sum() > 20


# --- rendered files ---------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(30))
@given(networks.graphs())
def test_the_configuration_read_back_is_the_network(graph: CheckedGraph) -> None:
    build = built(graph)
    config = json.loads(build.artifacts["network.json"])
    assert config["network"] == build.network.digest()
    for entry, population in zip(config["populations"], chip_populations(build.network), strict=True):
        assert (entry["name"], tuple(entry["shape"])) == (population.name, population.shape)
        assert (
            entry["params"].pop("reset")
            == {"zero": "reset_to_v_reset", "subtract": "reset_by_subtraction"}[population.reset]
        )
        registers = {name: values for name, values in entry["params"].items() if name != "t_refrac"}
        assert population.synaptic == ("exc_decay" in registers)
        for name, values in registers.items():
            assert np.array(values, dtype=np.float32).tobytes() == population.registers[name].tobytes()
        volts = np.array(entry["volts_per_unit"]) / 2.0 ** int(population.registers["fraction_bits"])
        np.testing.assert_array_equal(volts, population.scale)
    for entry, p in zip(config["projections"], build.network.projections, strict=True):
        weights = np.array(entry["weights"])
        assert (entry["pre"], entry["post"]) == (p.source, p.target)
        if entry["kind"] == "conv2d":
            weights = np.swapaxes(weights, 0, 1)
        np.testing.assert_array_equal(weights, p.weight)


def test_names_are_data_and_never_code() -> None:
    name = 'a"]; import os # \n</script>{{ x }}'
    config = json.loads(built(networks.graph(*networks.part(name), networks.PLAIN)).artifacts["network.json"])
    assert config["populations"][0]["name"] == name
    assert config["projections"][0]["post"] == name


# --- the command line -----------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, Path]:
    """A recurrent network's file and a stimulus of two samples."""
    rng = np.random.default_rng(3)
    (source, made), ways = networks.part("hidden", "CubaLIF")
    ways.append(Projection("hidden", "hidden", Dense(rng.normal(0, 0.5, (3, 3))), delay=1))
    nirfile.write(tmp_path / "model.nir", as_nir(networks.graph([source, made], ways, Dialect(dt=networks.DT))))
    np.save(tmp_path / "x.npy", (rng.random((40, 2, 4)) < 0.4).astype(np.uint8))
    return tmp_path / "model.nir", tmp_path / "x.npy"


def test_build_run_verify_regress(cli: Cli, model: tuple[Path, Path], tmp_path: Path) -> None:
    path, x = model
    out = tmp_path / "built"
    said = cli("build", path, "--target", "spinnaker2", "--out", out, "--json")
    assert said.code == 0, said.err
    assert [core["used"]["neurons"] for core in said.json["cores"]] == [4, 3]
    assert sorted(p.name for p in (out / "hardware").iterdir()) == ["network.json", "run.py"]
    record, golden = tmp_path / "record.nird", tmp_path / "golden"
    assert cli("run", out, x, "--port", "sim", "--out", record).code == 0
    assert SpikeRecord.load(record).spikes["hidden"].sum() > 5
    verified = cli("verify", out, "-x", x, "--port", "sim", "--json")
    assert verified.code == 1, verified.err
    assert verified.json["equal"] is False
    assert verified.json["verdicts"][0]["measured"] == "nothing"
    assert cli("regress", "record", golden, record).code == 0
    assert cli("regress", "check", golden, record).code == 0


def test_the_script_as_a_program(model: tuple[Path, Path], tmp_path: Path) -> None:
    path, x = model
    build = nd.build(path, "spinnaker2", tmp_path / "built")
    script = str(tmp_path / "built/hardware/run.py")

    def run(given: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, script, str(given), str(tmp_path / "y.npz"), "--ip", "192.0.2.1"]
        environment = {**os.environ, "PYTHONPATH": str(SCALAR)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = run(x)
    assert done.returncode == 0, done.stderr
    found, record = np.load(tmp_path / "y.npz"), nd.simulate(build, np.load(x), membrane=["hidden"])
    np.testing.assert_array_equal(found["hidden"], record.spikes["hidden"])
    np.testing.assert_allclose(found["hidden.v"], record.volts("hidden"), atol=2e-5)
    np.save(tmp_path / "counts.npy", np.full((3, 1, 4), 2))
    done = run(tmp_path / "counts.npy")
    assert done.returncode == 1
    assert "at most one spike per neuron and step" in done.stderr


def test_nir_that_says_it_all(tmp_path: Path) -> None:
    """From nodes as an exporter writes them: two convolutions, a pool between, a flattened read-out."""
    rng = np.random.default_rng(0)

    def conv(channels: int, into: int) -> nir.Conv2d:
        weight = rng.normal(0.2, 0.5, (into, channels, 3, 3))
        return nir.Conv2d(None, weight, 1, 1, 1, 1, rng.normal(0, 0.01, into))

    def fires(*shape: int) -> nir.IF:
        return nir.IF(np.full(shape, 1e4), np.ones(shape), np.zeros(shape))

    nodes = {
        "in": nir.Input({"input": np.array([2, 8, 8])}),
        "conv1": conv(2, 4),
        "if1": fires(4, 8, 8),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "conv2": conv(4, 3),
        "if2": fires(3, 4, 4),
        "flat": nir.Flatten({"input": np.array([3, 4, 4])}, 0, -1),
        "fc": nir.Affine(rng.normal(0, 0.5, (5, 48)), np.zeros(5)),
        "if3": fires(5),
        "out": nir.Output({"output": np.array([5])}),
    }
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(nodes)), type_check=False)
    build = nd.build(graph, "spinnaker2")
    models = [entry["neuron_model"] for entry in json.loads(build.artifacts["network.json"])["populations"]]
    assert models == ["lif_conv2d", "lif_conv2d", "lif_no_delay"]
    assert [row["latency"] for row in build.network.report] == [1, 2, 3]
