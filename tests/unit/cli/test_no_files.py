"""What is no file, or none of a size that can be read, is said, wherever a command takes one: nothing waits for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.records import files
from tests import networks
from tests.unit.cli import conftest as terminal

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")

HUGE = 20 << 30


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    nirfile.write(folder / "m.nir", networks.two_layers())
    nd.build(folder / "m.nir", out=folder / "build")
    np.save(folder / "x.npy", networks.spikes(0, (4, 1, 20)))
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.toml")
    return folder


@pytest.fixture
def build(made: Path, tmp_path: Path) -> Path:
    """A build folder of one's own."""
    return Path(shutil.copytree(made / "build", tmp_path / "build"))


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    def waited(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "pipe", "x.npy", "-p", "sim", "-o", "r.nird"),
        ("info", "pipe"),
        ("view", "pipe", "--no-open"),
        ("flash", "pipe"),
        ("stimulus", "pipe", "-o", "s.npz"),
        ("build", "m.nir", "-t", "pipe.toml", "-o", "new"),
        ("board", "list", "--boards", "pipe.toml"),
        ("simulate", "build", "pipe", "-o", "r.nird"),
    ],
)
def test_a_pipe_is_no_file(
    words: tuple[str, ...], made: Path, cli: terminal.Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    said = cli(*words)
    assert said.code in (2, 3)
    assert "did you mean 'pipe" not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["manifest.json", "graph.npz", "network.npz", "placement.npz", "image.ndi"])
def test_a_file_that_only_claims_its_size_is_not_read(
    name: str, build: Path, cli: terminal.Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (build / name).open("wb") as file:
        file.truncate(HUGE)
    monkeypatch.setattr(files, "available", lambda: 4 << 30)
    said = cli("info", build)
    assert said.code in (3, 5), said.err
    assert name in said.err


def test_a_target_of_gigabytes(made: Path, tmp_path: Path, cli: terminal.Cli) -> None:
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(HUGE)
    said = cli("build", made / "m.nir", "-t", tmp_path / "huge.toml", "-o", tmp_path / "b")
    assert (said.code, "larger than such a file may be" in said.err) == (3, True)


@pytest.mark.parametrize(("text", "why"), [("x = " + "1" * 5000, "thousands of digits"), ("x = " + "[" * 3000, "deep")])
def test_toml_beyond_measure(text: str, why: str, made: Path, tmp_path: Path, cli: terminal.Cli) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    for words in (("build", made / "m.nir", "-t", path, "-o", tmp_path / "b"), ("board", "list", "--boards", path)):
        said = cli(*words)
        assert said.code == 3
        assert "not valid TOML: " in said.err
        assert why in said.err


def test_a_network_of_another_build_is_not_simulated(made: Path, build: Path, cli: terminal.Cli) -> None:
    nd.build(networks.two_layers(seed=5), out=build.parent / "other")
    shutil.copy(build.parent / "other" / "network.npz", build / "network.npz")
    said = cli("simulate", build, made / "x.npy", "-o", build.parent / "r.nird", "--json")
    assert said.code == 3
    assert "another build" in json.loads(said.out)["error"]["message"]
