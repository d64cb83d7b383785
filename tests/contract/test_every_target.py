"""What every target does, whatever it is: over all files in ``targets/``, so that a new chip is tested without an edit.

The networks are chosen by the target's own ``[models]`` and checker. A target with a board is hardware of ours, which
its figures describe; a chip's figures are somebody's, and say whose.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.graph import file as nirfile
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import METADATA_KEY
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target
from tests.unit.cli import conftest as terminal

cli = terminal.cli

SIZES = {"in": 6, "hidden": 8, "last": 4}
STEPS, SAMPLES = 40, 3
DT = 1e-3
#: How a network may have been trained: as NIR says, and with several spikes per step.
TRAINED = (f"nir,dt={DT}", f"nir,dt={DT},threshold=>=,spikes=multi")


# --- networks -------------------------------------------------------------------------


def neurons(model: str, size: int) -> nir.NIRNode:
    """Of a threshold of 1, to which a current of 1 adds a weight of 1 in a step."""
    one, none = np.ones(size), np.zeros(size)
    fires = {"v_threshold": one, "v_reset": none}
    if model == "IF":
        return nir.IF(r=one / DT, **fires)
    if model == "LIF":
        return nir.LIF(tau=8 * DT * one, r=8 * one, v_leak=none, **fires)
    return nir.CubaLIF(tau_syn=2 * DT * one, tau_mem=8 * DT * one, r=8 * one, v_leak=none, w_in=2 * one, **fires)


def network(model: str, dialect: str, late: int = 0) -> nir.NIRGraph:
    """Two layers of one neuron model, the second ``late`` steps behind the first."""
    rng = np.random.default_rng(1)
    nodes: dict[str, nir.NIRNode] = {"in": nir.Input({"input": np.array([SIZES["in"]])})}
    for source, name in itertools.pairwise(SIZES):
        if late and name == "last":
            nodes["wait"] = nir.Delay(np.full(SIZES[source], late * DT))
        nodes[f"to_{name}"] = nir.Linear(rng.uniform(-0.3, 0.9, (SIZES[name], SIZES[source])))
        nodes[name] = neurons(model, SIZES[name])
    nodes["out"] = nir.Output({"output": np.array([SIZES["last"]])})
    edges = list(itertools.pairwise(nodes))
    return nir.NIRGraph(nodes, edges, metadata={METADATA_KEY: dialect}, type_check=False)


def candidates(target: Target) -> Iterator[tuple[str, str]]:
    """Neuron model and dialect."""
    for model in [name for name in ("LIF", "IF", "CubaLIF") if name in target.models]:
        for reset, trained in itertools.product(target.models[model].reset, TRAINED):
            yield model, f"{trained},reset={reset}"


def problems(graph: nir.NIRGraph, target: Target) -> list[str]:
    return [str(problem) for problem in nd.fit(graph, target).problems]


def legal(target: Target) -> tuple[str, str]:
    """The first of the small networks that the target's checker takes."""
    found = next((one for one in candidates(target) if not problems(network(*one), target)), None)
    assert found, f"{target.name} takes none of the small networks"
    return found


def impossible(target: Target) -> nir.NIRGraph:
    """With a longer delay than the target has, and resets of several spikes that come a step late."""
    model, dialect = legal(target)
    return network(model, f"{dialect},spikes=multi,reset_delay=true", target.connections.delay_max + 9)


# --- one target, built ----------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """A target, and in ``folder``: model.nir, impossible.nir, x.npy and the build of the model."""

    target: Target
    folder: Path

    @property
    def build(self) -> Path:
        return self.folder / "build"


@pytest.fixture(scope="module", params=targets.names())
def kept(request: pytest.FixtureRequest, shelf: Path) -> Kept:
    target, folder = targets.load(request.param), shelf / request.param
    if not folder.is_dir():
        nirfile.write(folder / "model.nir", network(*legal(target)))
        nirfile.write(folder / "impossible.nir", impossible(target))
        np.save(folder / "x.npy", (np.random.default_rng(0).random((STEPS, SAMPLES, SIZES["in"])) < 0.4).astype("u1"))
        pipeline.build(folder / "model.nir", target, folder / "build")
    return Kept(target, folder)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per target."""
    return tmp_path_factory.mktemp("targets")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- the file -------------------------------------------------------------------------


def test_every_limit_says_where_it_is_from(kept: Kept) -> None:
    target = kept.target
    tables = {name: getattr(target, name).model_dump() for name in ("formats", "hardware")}
    keys = {f"{name}.{key}" for name, values in tables.items() for key in values}
    if target.board is None:
        wanted = keys | {"models", "connections.delay_max"}
        assert set(target.sources) == wanted
    elif target.synthesis is not None:
        assert "pins" in target.sources
    assert all(len(text.split()) > 1 for text in target.sources.values())


def test_its_neurons_are_nirs(kept: Kept) -> None:
    assert set(kept.target.models) <= set(neuron.PARAMETERS)
    for model, support in kept.target.models.items():
        assert bool(support.reset) == (model in neuron.RESETS)


# --- a network on it ------------------------------------------------------------------


def test_a_network_runs_and_that_nothing_was_measured_is_said(kept: Kept, cli: terminal.Cli, tmp_path: Path) -> None:
    said = cli("run", kept.build, kept.folder / "x.npy", "--port", "sim", "--out", tmp_path / "run.nird", "--json")
    assert said.code == 0, said.err
    assert all(said.json["spikes"][name] > 0 for name in ("hidden", "last"))
    found = cli("verify", kept.build, "-x", kept.folder / "x.npy", "--port", "sim", "--json")
    assert found.code == 1, found.err
    assert found.json["equal"] is False
    device, against_float = found.json["verdicts"]
    assert (device["measured"], device["cells"]) == ("nothing", 0)
    cells = STEPS * SAMPLES * (SIZES["hidden"] + SIZES["last"])
    assert 0.9 * cells < against_float["cells"] <= cells  # less what a chip is late
    assert against_float["mismatches"] < 0.5 * against_float["cells"]


def test_the_placement_holds_every_neuron_within_the_limits(kept: Kept) -> None:
    built = pipeline.Build.load(kept.build)
    registry.backend_of(kept.target).validate(built.placement, built.network, kept.target)
    assert {p.name for p in built.network.populations} >= {"hidden", "last"}
    for name in ("hidden", "last"):
        assert sum(part.count for part in built.placement.of(name)) == SIZES[name]
    assert all(used <= core.limits[what] for core in built.placement.cores for what, used in core.used.items())


def test_a_golden_holds_and_one_flipped_spike_breaks_it(kept: Kept, cli: terminal.Cli, tmp_path: Path) -> None:
    record = nd.simulate(kept.build, np.load(kept.folder / "x.npy"))
    record.save(tmp_path / "run.nird")
    golden = tmp_path / "golden.nird"
    assert cli("regress", "record", golden, tmp_path / "run.nird", "--build", kept.build).code == 0
    assert cli("regress", "check", golden, tmp_path / "run.nird").code == 0
    flipped(record, "last").save(tmp_path / "flipped.nird")
    said = cli("regress", "check", golden, tmp_path / "flipped.nird", "--json")
    assert said.code == 1
    assert said.json["failed"] == ["last"]
    assert said.json["verdict"]["mismatches"] == 1
    assert cli("verify", tmp_path / "run.nird", tmp_path / "flipped.nird").code == 1


def flipped(record: SpikeRecord, name: str) -> SpikeRecord:
    spikes = {key: values.copy() for key, values in record.spikes.items()}
    step = spikes[name].shape[0] // 2
    spikes[name][step, 0, 0] = 0 if spikes[name][step, 0, 0] else 1
    return replace(record, spikes=spikes)


def test_an_estimate_has_figures(kept: Kept, cli: terminal.Cli) -> None:
    said = cli("estimate", kept.folder / "model.nir", "--target", kept.target.name, "--json")
    assert said.code == 0, said.err
    (found,) = said.json["targets"]
    assert (found["target"], found["fits"]) == (kept.target.name, True)
    figures = [value for value in found["figures"].values() if not isinstance(value, str)]
    assert figures
    assert all(math.isfinite(value) and value >= 0 for value in figures)
    assert found["figures"]["synaptic_events"] > 0
    assert found["cores"]


def test_two_builds_are_the_same_bytes(kept: Kept, elsewhere: Path) -> None:
    ours, theirs = files(kept.build), files(elsewhere / kept.target.name)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert {"manifest.json", *pipeline.FILES.values()} < set(ours)


@pytest.fixture(scope="module")
def elsewhere(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every target's network built once more, by another process that orders its sets otherwise."""
    out = tmp_path_factory.mktemp("elsewhere")
    code = (
        "import sys; from tests.contract import test_every_target as t\n"
        "for name in t.targets.names():\n"
        "    target = t.targets.load(name)\n"
        "    t.nirfile.write(t.Path(sys.argv[1], name + '.nir'), t.network(*t.legal(target)))\n"
        "    t.pipeline.build(t.Path(sys.argv[1], name + '.nir'), target, t.Path(sys.argv[1], name))\n"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


# --- what it cannot do ----------------------------------------------------------------


def test_every_problem_has_a_place_and_a_remedy(kept: Kept) -> None:
    """``..., found and allowed; what to do``."""
    found = problems(impossible(kept.target), kept.target)
    for name in ("hidden", "last"):
        assert any(sentence.startswith(f"node '{name}'") for sentence in found)
    assert any("'hidden' -> 'last'" in sentence for sentence in found)
    for sentence in found:
        assert re.fullmatch(r"(?!.*\. )[^;]*'\w+'[^;]*; [a-z].*[^.]", sentence), sentence


def test_an_impossible_network_is_refused_problem_by_problem(kept: Kept, cli: terminal.Cli) -> None:
    before = files(kept.folder)
    expected = problems(impossible(kept.target), kept.target)
    said = cli("check", kept.folder / "impossible.nir", "--target", kept.target.name)
    assert (said.code, said.out) == (4, "")
    first, *lines = said.err.splitlines()
    said_first = f"error[E401]: {len(expected)} things do not fit (in target {kept.target.name}); "
    assert first == f"{said_first}'nirdeploy estimate MODEL' says which targets hold it"
    assert lines == [f"  - {sentence}" for sentence in expected]
    assert "Traceback" not in said.err
    assert files(kept.folder) == before


def test_a_refused_build_leaves_an_earlier_one_as_it_was(kept: Kept, cli: terminal.Cli, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(kept.build, earlier)
    refused = (kept.folder / "impossible.nir", "--target", kept.target.name)
    assert cli("build", *refused, "--out", earlier).code == 4
    assert files(earlier) == files(kept.build)
    said = cli("build", *refused, "--out", tmp_path / "fresh", "--json")
    assert (said.code, said.json["error"]["code"]) == (4, "E401")
    assert not (tmp_path / "fresh").exists()
