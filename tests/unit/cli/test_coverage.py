"""What a stimulus exercised, on the command line: ``verify --cover`` and ``stimulus``."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.proof.scale import verbs
from tests.networks import two_layers
from tests.unit.cli.conftest import Cli, cli

__all__ = ["cli"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("covered")
    nirfile.write(folder / "m.nir", two_layers(sizes=(6, 8, 3)))
    nd.build(folder / "m.nir", out=folder / "build")
    return folder / "build"


SEARCH = ("--steps", 20, "--samples", 5, "--rounds", 5, "--cover-bits", 5)


@pytest.fixture
def made(build: Path, tmp_path: Path, cli: Cli) -> Path:
    path = tmp_path / "made.npz"
    assert cli("stimulus", build, "-o", path, *SEARCH).code == 0
    return path


def test_a_stimulus_is_written_and_told(build: Path, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "x.npz"
    told = cli("stimulus", build, "-o", path, *SEARCH)
    x = np.load(path)["x"]
    assert x.shape[0] == 20
    assert x.shape[2] == 6
    assert "threshold" in told.out
    assert f"wrote {path}: {x.shape[1]} samples x 20 steps; the stimulus exercised" in told.out
    found = cli("stimulus", build, "-o", tmp_path / "again.npz", *SEARCH, "--json").json
    assert found["coverage"]["percent"] > 50
    assert found["samples"] == x.shape[1]
    assert found["left"]
    assert (np.load(tmp_path / "again.npz")["x"] == x).all()


def test_a_stimulus_ends_where_enough_is_exercised(build: Path, tmp_path: Path, cli: Cli) -> None:
    told = cli("stimulus", build, "-o", tmp_path / "x.npz", *SEARCH, "--cover", 10)
    assert "ended as what was asked for is exercised" in told.out


@pytest.mark.parametrize("names", [("file", "labels"), ("x", "y"), ("labels", "x"), ("labels",), ("a/b", "x.npy")])
def test_a_stimulus_is_read_back_whatever_inputs_are_called(names: tuple[str, ...], tmp_path: Path, cli: Cli) -> None:
    nd.build(_of_inputs(*names), out=tmp_path / "build")
    path = tmp_path / "x.npz"
    said = cli("stimulus", tmp_path / "build", "-o", path, "--steps", 8, "--samples", 4, "--rounds", 2, "--json").json
    for chunks in ((), ("--chunk", 2)):
        verdict = cli("verify", tmp_path / "build", "-x", path, "-p", "sim", *chunks, "--json").json["verdicts"][1]
        assert (verdict["steps"], verdict["samples"]) == (8, said["samples"])
    built = nd.Build.load(tmp_path / "build")
    assert nd.verify(built, path, port="sim").samples == said["samples"]


def _of_inputs(*names: str) -> nir.NIRGraph:
    graph = two_layers(sizes=(6, 8, 3))
    nodes, edges = dict(graph.nodes), [edge for edge in graph.edges if "input" not in edge]
    first = nodes.pop("input")
    for at, name in enumerate(names):
        nodes |= {name: first, f"w{at}": nodes["fc1"]}
        edges += [(name, f"w{at}"), (f"w{at}", "lif1")]
    del nodes["fc1"]
    return nir.NIRGraph(nodes, [edge for edge in edges if "fc1" not in edge])


def test_a_name_that_no_stimulus_can_have_is_said_before_the_search(tmp_path: Path, cli: Cli) -> None:
    nd.build(_of_inputs("a" * 70_000, "x"), out=tmp_path / "build")
    refused = cli("stimulus", tmp_path / "build", "-o", tmp_path / "x.npz")
    assert refused.code == 2
    assert "give the input another name" in refused.err


def test_verify_says_what_was_exercised_and_fails_below(build: Path, made: Path, cli: Cli) -> None:
    """On the integer simulator alone: not equal for another reason too, which the coverage is said beside."""
    ran = cli("verify", build, "-x", made, "-p", "sim", "--cover-bits", 5, "--json")
    verdict = ran.json["verdicts"][0]
    percent = verdict["coverage"]["percent"]
    assert percent > 50
    assert verdict["cover"] is None
    short = cli("verify", build, "-x", made, "-p", "sim", "--cover", 99.99)
    assert short.code == 1
    assert "the coverage is below the 99.99 % asked for" in short.out
    assert "fired" in short.out


def test_of_a_very_large_network_it_is_found_where_it_is_asked_for(
    build: Path, made: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "ONE_SAMPLE", 20 * 11 - 1)
    without = cli("verify", build, "-x", made, "-p", "sim", "--json").json
    assert "coverage" not in without["verdicts"][0]
    assert "--cover" in without["facts"]["coverage"]
    asked = cli("verify", build, "-x", made, "-p", "sim", "--cover", 10, "--json").json
    assert asked["verdicts"][0]["coverage"]["percent"] > 0


def test_the_page_has_a_table(build: Path, made: Path, tmp_path: Path, cli: Cli) -> None:
    page = tmp_path / "v.html"
    cli("verify", build, "-x", made, "-p", "sim", "--html", page)
    text = page.read_text()
    assert "<h2>Coverage</h2>" in text
    assert "the stimulus exercised" in text


def test_two_records_have_no_coverage(build: Path, made: Path, tmp_path: Path, cli: Cli) -> None:
    nd.simulate(build, np.load(made)["x"]).save(tmp_path / "a.nird")
    refused = cli("verify", tmp_path / "a.nird", tmp_path / "a.nird", "--cover", 50)
    assert refused.code == 2
    assert "found of a build" in refused.err
