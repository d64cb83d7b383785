"""nirdeploy simulate: float, exact and integer, from a file or a build; and export --from a framework."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from tests import networks
from tests.unit.cli.conftest import Cli

STEPS, SAMPLES = 25, 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.nir"
    nirfile.write(path, networks.two_layers(4, sizes=(12, 10, 4)))
    return path


@pytest.fixture(scope="module")
def stimulus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stimulus") / "x.npz"
    np.savez(path, x=networks.spikes(1, (STEPS, SAMPLES, 12), 0.4), labels=np.arange(SAMPLES))
    return path


@pytest.mark.parametrize(
    ("options", "source"), [((), "float"), (("--exact",), "exact"), (("--integer", "8"), "integer")]
)
def test_simulates_a_file(
    cli: Cli, model: Path, stimulus: Path, tmp_path: Path, options: tuple[str, ...], source: str
) -> None:
    out = tmp_path / "r.nird"
    found = cli("simulate", model, stimulus, "-o", out, "--membrane", "lif1", *options, "--json").json
    assert (found["source"], found["steps"], found["samples"]) == (source, STEPS, SAMPLES)
    record = nd.SpikeRecord.load(out)
    assert {name: int(values.sum()) for name, values in record.spikes.items()} == found["spikes"]
    assert found["spikes"]["lif1"] > 0
    assert list(record.membrane) == ["lif1"]
    assert 0 <= found["accuracy"] <= 1


def test_the_dialect_is_given_or_the_files_own(cli: Cli, model: Path, stimulus: Path, tmp_path: Path) -> None:
    counts = {}
    for text in ("nir", "spyx", "snntorch,reset=subtract,reset_delay=false", "sinabs,dt=1e-4,gain=equation"):
        out = tmp_path / "r.nird"
        cli("simulate", model, stimulus, "-o", out, "--dialect", text)
        record, expected = nd.SpikeRecord.load(out), nd.simulate(model, np.load(stimulus)["x"], dialect=text)
        np.testing.assert_array_equal(record.spikes["lif1"], expected.spikes["lif1"])
        counts[text] = record.spikes["lif1"].tobytes()
    assert len(set(counts.values())) == len(counts)


def test_simulates_a_build_as_the_device_does(cli: Cli, model: Path, stimulus: Path, tmp_path: Path) -> None:
    built = nd.build(model, out=tmp_path / "build")
    cli("simulate", tmp_path / "build", stimulus, "-o", tmp_path / "r.nird")
    record = nd.SpikeRecord.load(tmp_path / "r.nird")
    expected = nd.simulate(built, np.load(stimulus)["x"])
    np.testing.assert_array_equal(record.spikes["lif2"], expected.spikes["lif2"])
    refused = cli("simulate", tmp_path / "build", stimulus, "-o", tmp_path / "r2.nird", "--exact")
    assert (refused.code, "has its integers" in refused.err) == (2, True)
    assert not (tmp_path / "r2.nird").exists()


REFUSED = [
    (("--integer", "99"), 2, "not a list of bits"),
    (("--integer", "8", "--exact"), 2, "exclude each other"),
    (("--dialect", "snntorch,reset_delay=perhaps"), 2, "allowed: true, false"),
    (("--membrane", "lif9"), 2, "'lif9'"),
]


@pytest.mark.parametrize(("options", "code", "says"), REFUSED)
def test_refusals(
    cli: Cli, model: Path, stimulus: Path, tmp_path: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    found = cli("simulate", model, stimulus, "-o", tmp_path / "r.nird", *options)
    assert (found.code, says in found.err) == (code, True)
    assert not (tmp_path / "r.nird").exists()


def test_the_exact_solution_refuses_what_it_has_none_for(cli: Cli, stimulus: Path, tmp_path: Path) -> None:
    graph = networks.two_layers(sizes=(12, 10, 4))
    one = np.ones(10)
    graph.nodes["lif1"] = nir.CubaLIF(tau_syn=one, tau_mem=one, r=one, v_leak=0 * one, v_threshold=one)
    nirfile.write(tmp_path / "m.nir", graph)
    found = cli("simulate", tmp_path / "m.nir", stimulus, "-o", tmp_path / "r.nird", "--exact")
    assert (found.code, "'lif1' (CubaLIF)" in found.err) == (3, True)


NET = """
import snntorch as snn
import torch

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(6, 8), snn.Leaky(beta=0.9, init_hidden=True),
                          torch.nn.Linear(8, 3), snn.Leaky(beta=0.8, init_hidden=True, reset_mechanism="zero"))
"""


def test_export_from_a_framework_keeps_what_it_does(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    cli("export", f"{tmp_path / 'net.py'}:net", "--from", "snntorch", "--input-shape", "1,6", "-o", tmp_path / "m.nir")
    graph = nd.check(tmp_path / "m.nir")
    spiking = [p.name for p in graph.populations if p.model == "LIF"]
    assert [graph.dialect_of(name).reset for name in spiking] == ["subtract", "zero"]
    assert all(graph.dialect_of(name).reset_delay for name in spiking)
    shown = cli("check", tmp_path / "m.nir", "--json").json
    assert len(shown["own_dialects"]) == 1
    refused = cli(
        *("export", f"{tmp_path / 'net.py'}:net", "--from", "snntorch", "--input-shape", "1,6"),
        *("-o", tmp_path / "n.nir", "--dialect", "nir"),
    )
    assert (refused.code, "leave --dialect out" in refused.err) == (2, True)
    unknown = cli(
        *("export", f"{tmp_path / 'net.py'}:net", "--from", "brian", "--input-shape", "1,6", "-o", tmp_path / "n.nir"),
    )
    assert (unknown.code, "'brian'" in unknown.err) == (2, True)
    assert not (tmp_path / "n.nir").exists()


def test_check_says_what_was_repaired(cli: Cli, tmp_path: Path) -> None:
    graph = networks.two_layers(sizes=(3, 4, 2))
    graph.nodes["output"] = nir.Output({"output": np.array([1, 1, 2])})
    nirfile.write(tmp_path / "m.nir", graph)
    assert "repaired: node 'output'" in cli("check", tmp_path / "m.nir").out
    assert len(cli("check", tmp_path / "m.nir", "--json").json["repairs"]) == 1
