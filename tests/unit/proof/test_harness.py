"""NeuroBench's benchmark on networks in integers: random ones in the simulator, a trained one on the virtual board."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from neurobench.benchmarks import Benchmark
from neurobench.metrics import static, workload
from neurobench.processors.postprocessors import ChooseMaxCount
from torch.utils.data import DataLoader, TensorDataset

import nirdeploy as nd
from nirdeploy.cli.demo_ import digits
from nirdeploy.errors import DeviceMismatch, UnknownPopulation
from nirdeploy.exchange import LIF
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.pipeline import Build
from nirdeploy.proof.harness import NeuroBenchModel
from nirdeploy.proof.neurobench import metrics, with_membrane
from nirdeploy.semantics.neuron import SPIKING
from tests import networks
from tests.conftest import examples

FORMATS = Formats(weight_bits=8, accumulator_bits=24, state_bits=24, decay_bits=12)
STATIC = [static.ParameterCount, static.Footprint, static.ConnectionSparsity]
WORKLOAD = [workload.ActivationSparsity, workload.ActivationSparsityByLayer, workload.SynapticOperations]
ACCURACY = workload.ClassificationAccuracy


def run(
    model: NeuroBenchModel, x: np.ndarray, labels: np.ndarray, running: Sequence[type], batch: int = 0
) -> dict[str, Any]:
    """The benchmark's results on (T, B, ...), all samples in a batch or so many."""
    data = TensorDataset(torch.from_numpy(x.swapaxes(0, 1).copy()), torch.from_numpy(labels))
    loader = DataLoader(data, batch_size=batch or len(labels))
    return Benchmark(model, loader, [], [ChooseMaxCount()], [STATIC, running]).run(quiet=True)


def assert_ours(found: dict[str, Any], network: IntegerNetwork, record: nd.SpikeRecord, x: np.ndarray) -> None:
    ours = metrics(network, record, x)
    assert found["ParameterCount"] == ours.parameters
    assert found["Footprint"] == ours.footprint
    assert found["ActivationSparsity"] == pytest.approx(ours.activation_sparsity, rel=1e-12)
    assert found["ActivationSparsityByLayer"] == ours.sparsity_by_layer
    assert found["SynapticOperations"] == pytest.approx(ours.as_dict()["synaptic_operations"], rel=1e-12)
    if "MembraneUpdates" in found:
        assert found["MembraneUpdates"] == pytest.approx(ours.membrane_updates, rel=1e-12)
    if found["ConnectionSparsity"] is not None:  # of a network without layers it is none there
        assert found["ConnectionSparsity"] == pytest.approx(ours.connection_sparsity, abs=0.5001e-4)


@pytest.mark.law
@settings(max_examples=examples(20))
@given(net=networks.grids(most=60) | networks.graphs(max_size=20, max_layers=3), seed=st.integers(0, 2**32 - 1))
def test_the_package_counts_what_we_count(net: CheckedGraph, seed: int) -> None:
    assume(len(net.inputs) == 1)
    network, x = quantize(net, FORMATS), networks.stimulus(net, seed, steps=5, batch=3)
    model = NeuroBenchModel(network)
    found = run(model, x, np.zeros(3, dtype=np.int64), [*WORKLOAD, workload.MembraneUpdates])
    record = nd.simulate(network, x, membrane=with_membrane(network))
    assert_ours(found, network, record, x)
    read = record.spikes[model.output] if model.output in record.spikes else record.volts(model.output)
    given = model(torch.from_numpy(x.swapaxes(0, 1).copy())).numpy()
    np.testing.assert_array_equal(given, read.swapaxes(0, 1).astype(np.float32))


@pytest.fixture(scope="module")
def trained() -> tuple[Build, np.ndarray, np.ndarray]:
    """A small network for the digits, and some that it was not trained on: x (T, B, 64), labels (B,)."""
    data = digits.load()
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        *(torch.nn.Linear(64, 24), LIF(tau=digits.TAU, r=8.0, dt=digits.DT)),
        *(torch.nn.Linear(24, 10), LIF(tau=digits.TAU, r=8.0, dt=digits.DT)),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    x, y = torch.as_tensor(data.train_x, dtype=torch.float32), torch.as_tensor(data.train_y)
    for _ in range(6):
        for batch in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[:, batch]).sum(dim=0), y[batch]).backward()
            optimizer.step()
    built = nd.build(nd.export_to_nir(net, x[:, :1], dt=digits.DT), "fpga")
    return built, data.test_x[:, :60], data.test_y[:60].astype(np.int64)


@pytest.mark.xdist_group("default-board")
def test_its_benchmark_runs_on_the_board(trained: tuple[Build, np.ndarray, np.ndarray]) -> None:
    built, x, labels = trained
    with nd.open_device("virtual", built.target) as board:
        model = NeuroBenchModel(built, board)
        with pytest.raises(DeviceMismatch):
            run(model, x, labels, [ACCURACY])
        nd.flash(built, board)
        found = run(model, x, labels, [*WORKLOAD, ACCURACY], batch=25)
        record = nd.run(board, x)
    assert record.source == "device"
    scores = nd.evaluate(record, labels)
    assert scores.accuracy > 0.7
    assert found["ClassificationAccuracy"] == pytest.approx(scores.accuracy, rel=1e-6)
    assert_ours(found, built.network, record, x)
    assert run(NeuroBenchModel(built), x, labels, [ACCURACY])["ClassificationAccuracy"] == pytest.approx(
        nd.evaluate(nd.simulate(built, x), labels).accuracy, rel=1e-6
    )
    assert found["Footprint"] < built.image.total_bytes


@pytest.mark.xdist_group("default-board")
def test_membranes_that_a_board_does_not_say(
    trained: tuple[Build, np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    built, x, labels = trained
    data = DataLoader(TensorDataset(torch.from_numpy(x[:, :4].swapaxes(0, 1).copy()), torch.from_numpy(labels[:4])))
    with nd.open_device("virtual", built.target) as board:
        nd.flash(built, board)
        model = NeuroBenchModel(built, board)
        found = Benchmark(model, data, [], [], [[], [workload.MembraneUpdates]]).run()
    assert found["MembraneUpdates"] == 0
    assert "the record holds no membrane of" in capsys.readouterr().out


def test_the_output_that_is_read() -> None:
    built = nd.build(networks.two_layers(sizes=(12, 10, 4)))
    x = torch.from_numpy(networks.spikes(1, (3, 6, 12), 0.4))
    assert NeuroBenchModel(built)(x).shape == (3, 6, 4)
    assert NeuroBenchModel(built, output="lif1")(x).shape == (3, 6, 10)
    assert {p.model for p in built.network.populations} <= SPIKING
    with pytest.raises(UnknownPopulation, match="'lif3'"):
        NeuroBenchModel(built, output="lif3")


def test_the_package_is_asked_for_when_it_is_missing() -> None:
    code = "import sys\nsys.modules['neurobench'] = None\nimport nirdeploy.proof.neurobench, nirdeploy.proof.harness"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageProblem: NeuroBench's package is not installed" in done.stderr
