"""Names of goldens, keys of builds, lines of a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.cli.hil import building, goldens, properties, shown
from nirdeploy.errors import ModelFileError, UsageProblem
from nirdeploy.exchange import LIF
from nirdeploy.graph import file as nirfile
from nirdeploy.records.spikes import SpikeRecord
from tests import networks


@pytest.mark.parametrize(
    ("name", "file"),
    [("test_a", "test_a"), ("C.test_a[x]", "C.test_a-x"), ("test_a[x.y-2]", "test_a-x.y-2")],
)
def test_a_plain_name_stays(name: str, file: str) -> None:
    assert goldens.plain(name) == file


def test_no_name_is_a_path_and_no_two_are_one() -> None:
    names = [
        "../x",
        "..",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a b",
        "a[/]",
        "a[..]",
        "x" * 300,
        "x" * 301,
        "é",
        "e\u0301",
        "~",
        "",
    ]
    files = [goldens.plain(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(set(file) <= set("-_.") | set(map(chr, range(48, 123))) and len(file) < 120 for file in files)
    assert not any(file.startswith(".") or {"/", "\\", "~"} & set(file) for file in files)


def test_parts_of_a_tests_name() -> None:
    assert goldens._parts("test_a[x::y]") == ["test_a[x::y]"]
    assert goldens._parts("A::B::test_a[x]") == ["A", "B", "test_a[x]"]


@pytest.mark.parametrize(
    ("dist", "name", "bare"),
    [
        ("loadgroup", "test_a@g", "test_a"),
        ("loadgroup", "test_a[x@y]", "test_a[x@y]"),
        ("loadgroup", "test_a[x@y]@g", "test_a[x@y]"),
        ("load", "test_a@g", "test_a@g"),
    ],
)
def test_groups_of_xdist_are_no_names(dist: str, name: str, bare: str) -> None:
    config: Any = SimpleNamespace(getoption=lambda option, default=None: dist)
    assert goldens._without_group(config, name) == bare


def test_properties_are_said_once_and_counted() -> None:
    item: Any = SimpleNamespace(user_properties=[])
    for _ in range(2):
        properties.say(item, properties.TARGET, "fpga")
        properties.add(item, properties.CELLS, 5)
    assert item.user_properties == [("target", "fpga"), ("cells compared", 10)]


def test_what_was_built_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = networks.two_layers()
    nirfile.write(tmp_path / "a.nir", graph)
    key, built = building.build(tmp_path / "a.nir", "fpga", tmp_path / "kept", None, {})
    assert built.image.digest() == nd.build(graph, "fpga").image.digest()
    made, build = [], pipeline.build

    def counted(*given: Any, **how: Any) -> nd.Build:
        made.append(given)
        return build(*given, **how)

    monkeypatch.setattr(pipeline, "build", counted)

    def again(source: Any, how: dict[str, Any] | None = None, target: str = "fpga") -> str:
        return building.build(source, target, tmp_path / "kept", None, how or {})[0]

    (tmp_path / "a.nir").rename(tmp_path / "b.nir")
    assert (again(str(tmp_path / "b.nir")), len(made)) == (key, 0)  # by what is in it
    by_graph = again(graph)
    assert (again(nd.check(graph)), again(graph), len(made)) == (by_graph, by_graph, 1)
    x, y = (np.random.default_rng(seed).integers(0, 2, (10, 4, 20), dtype=np.uint8) for seed in (1, 2))
    others = [again(graph, {"bits": "4"}), again(graph, target="fpga-ulx3s"), again(graph, {"calibrate": x})]
    others.append(again(graph, {"calibrate": y}))
    assert (len({key, by_graph, *others}), len(made)) == (6, 5)
    image = tmp_path / "kept" / by_graph / "manifest.json"
    image.write_text("{}")
    assert (again(graph), len(made)) == (by_graph, 6)  # one that is not whole is made anew


def test_a_torch_module_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), LIF(tau=1e-3))
    key, built = building.build(net, "fpga", tmp_path, torch.zeros(1, 1, 6), {})
    assert [p.size for p in built.network.populations][-1] == 4
    assert building.build(net, "fpga", tmp_path, torch.zeros(1, 1, 6), {})[0] == key
    with pytest.raises(UsageProblem, match="example="):
        building.build(net, "fpga", tmp_path, None, {})


def test_what_nir_build_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="takes no nonsense, out"):
        building.build("x.nir", "fpga", tmp_path, None, {"out": "y", "nonsense": 1})
    with pytest.raises(ModelFileError, match="No such file"):
        building.build(tmp_path / "x.nir", "fpga", tmp_path, None, {})


def record(spikes: np.ndarray, name: str = "lif", membrane: np.ndarray | None = None) -> SpikeRecord:
    held = {} if membrane is None else {"out": membrane}
    scale = {} if membrane is None else {"out": np.ones(membrane.shape[2:])}
    return SpikeRecord({name: spikes}, held, scale, "integer", 1e-4, {})


def test_lines_of_a_difference() -> None:
    spikes = np.zeros((40, 2, 3, 3), dtype=np.uint8)
    spikes[::2] = 1
    other = spikes.copy()
    other[20, 1, 2, 0] = 12
    a, b = record(spikes), replace(record(other), source="device")
    lines = shown.difference(nd.verify(a, b), a, b)
    assert lines[0] == "device differs from integer in 1 of 720 cells: 1 neuron of 1 population"
    assert lines[1].endswith("population 'lif', neuron (2, 0), step 20, sample 1: expected 1, measured 12")
    assert lines[2] == "  steps 8 to 32 of that neuron, spikes:"
    expected, measured, mark = lines[3:6]
    at = len(mark) - 1
    assert (expected[at], measured[at - 1 : at + 1], mark[at]) == ("1", "12", "^")
    assert lines[7].split()[:4] == ["population", "what", "cells", "differ"]


def test_a_membrane_that_differs_is_shown_too_and_no_name_draws_on_the_terminal() -> None:
    values = np.arange(40, dtype=np.int32).reshape(10, 1, 4) * -100
    other = values.copy()
    other[0, 0, 1] = 7
    spikes = np.ones((10, 1, 2), dtype=np.uint8)
    a, b = (record(spikes, "\x1b[31m", one) for one in (values, other))
    lines = shown.difference(nd.verify(a, b), a, b)
    assert lines[2] == "  steps 0 to 9 of that neuron, membrane:"
    assert not any("\x1b" in line for line in lines)


def test_records_that_are_not_alike_are_said() -> None:
    spikes = np.zeros((4, 1, 2), dtype=np.uint8)
    a, b = record(spikes), record(spikes, "other")
    silent = shown.difference(nd.verify(a, a), a, a)
    assert "nothing spiked in either record" in silent[0]
    with pytest.raises(nd.errors.UnknownPopulation):
        nd.verify(a, b)
