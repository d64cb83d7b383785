"""A sweep's figures are those of builds; whoever measures them and however often it is cut off, they are the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.errors import DoesNotFit, InputShapeError, UsageProblem
from nirdeploy.tuning.sweep import Sweep
from tests.unit.tuning.swept import Case, case, faint, files


@pytest.fixture(scope="module")
def small() -> Case:
    return case()


@pytest.fixture(scope="module")
def folder(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("swept") / "one"
    small.sweep(out)
    return out


@pytest.fixture(scope="module")
def plain(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return small.sweep(tmp_path_factory.mktemp("plain"), calibrate=False)


def test_figures_are_those_of_builds(small: Case, folder: Path) -> None:
    told = json.loads((folder / "sweep.json").read_text())
    assert told["widths"] == [2, 4, 8]
    assert [one["width"] for one in told["uniform"]] == [2, 4, 8]
    assert {(one["population"], one["width"]) for one in told["alone"]} == {
        (name, width) for name in ("lif1", "lif2") for width in (2, 4, 8)
    }
    for one in (*told["uniform"], *told["alone"], *told["curve"]):
        if "population" in one:
            assert one["bits"] == {"lif1": 8, "lif2": 8, one["population"]: one["width"]}
        built = nd.build(
            small.graph, bits=one["bits"], calibrate=small.samples, labels=small.sample_labels, stop="quantize"
        )
        found = nd.evaluate(nd.simulate(built, small.x), small.labels)
        assert built.calibration is not None
        assert one["network"] == built.network.digest()
        assert one["weight_bytes"] == built.network.weight_memory
        assert (one["accuracy"], tuple(one["interval"])) == (found.accuracy, found.interval)
        assert one["wrong"] == (found.decisions[-1] != small.labels).sum()
        assert one["calibration_loss"] == built.calibration.after.value
        assert not one["reason"]
    exact = nd.evaluate(nd.simulate(small.graph, small.x), small.labels)
    assert told["float"]["accuracy"] == exact.accuracy == 1 - 3 / 24
    assert told["float"]["bits"] == {}


def test_without_samples_weights_are_rounded_plainly(small: Case, plain: Sweep) -> None:
    for one in plain.uniform.values():
        assert one.network == nd.build(small.graph, bits=one.bits, stop="quantize").network.digest()
        assert one.calibration_loss is None
        assert one.choosing == one.loss
    assert any("rounded plainly" in warning for warning in plain.warnings)


def test_what_loses_least_within_each_memory_is_within_it(plain: Sweep) -> None:
    tried = [*plain.uniform.values(), *plain.alone.values(), *(point.outcome for point in plain.curve)]
    assert [plain.curve[0].memory, plain.curve[-1].memory] == [plain.uniform[w].weight_bytes for w in (2, 8)]
    assert len(plain.curve) == 7
    for point in plain.curve:
        fit = [one.loss for one in tried if (one.weight_bytes or 0) <= point.memory and one.loss is not None]
        assert (point.outcome.weight_bytes or 0) <= point.memory
        assert point.outcome.loss == min(fit)
    assert len({tuple(point.outcome.bits.items()) for point in plain.curve}) > 2


def test_any_number_of_processes_measures_the_same(small: Case, folder: Path, tmp_path: Path) -> None:
    for workers in (2, 3):
        small.sweep(tmp_path / str(workers), workers=workers)
        assert files(tmp_path / str(workers)) == files(folder)


def test_what_is_there_is_not_measured_again(small: Case, folder: Path) -> None:
    before, measured = files(folder), list[int]()
    small.sweep(folder, on_trial=lambda done, total: measured.append(done))
    assert measured == []
    assert files(folder) == before


def test_damaged_lines_are_measured_again(small: Case, folder: Path, tmp_path: Path) -> None:
    head, *lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    believable = lines[2].replace(b'"wrong": ', b'"wrong": 1')
    assert believable != lines[2]
    damaged = [head, *lines[:2], believable, b"\xff\x00{}[]\n", b'"text"\n', b"[1]\n", *lines[4:-1], lines[-1][:-20]]
    (tmp_path / "trials.jsonl").write_bytes(b"".join(damaged))
    measured: list[tuple[int, int]] = []
    small.sweep(tmp_path, on_trial=lambda done, total: measured.append((done, total)))
    assert len(measured) == 3
    assert measured[-1] == (len(lines), len(lines))
    assert files(tmp_path) == files(folder)


def test_one_that_is_killed_goes_on_and_ends_the_same(small: Case, folder: Path, tmp_path: Path) -> None:
    nir.write(tmp_path / "net.nir", small.graph)
    np.savez(tmp_path / "x.npz", x=small.x, labels=small.labels)
    np.savez(tmp_path / "samples.npz", x=small.samples, labels=small.sample_labels)
    arguments = ("sweep", "net.nir", "-x", "x.npz", "--calibrate", "samples.npz", "--workers", "1", "-o", "out")
    command = processes.command("-m", "nirdeploy", *arguments)
    kept, whole = tmp_path / "out" / "trials.jsonl", len((folder / "trials.jsonl").read_bytes().splitlines())
    with subprocess.Popen(
        command, cwd=tmp_path, env=processes.environment(), start_new_session=True, stderr=subprocess.DEVNULL
    ) as running:
        while not kept.is_file() or kept.read_bytes().count(b"\n") < 4:
            assert running.poll() is None
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
    there = kept.read_bytes()
    assert 4 <= len(there.splitlines()) < whole
    kept.write_bytes(there[:-5])
    again = subprocess.run(command, cwd=tmp_path, env=processes.environment(), check=True, capture_output=True)
    assert b"what" not in again.stderr
    assert files(tmp_path / "out") == files(folder)


def test_another_sweeps_folder_is_refused(small: Case, folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    other = case(sizes=(12, 15, 4))
    for changed, said in (
        (Case(other.graph, small.x, small.labels, small.samples, small.sample_labels), "of another model"),
        (Case(small.graph, small.x[:, ::-1], small.labels, small.samples, small.sample_labels), "of another data"),
        (Case(small.graph, small.x, small.labels, small.samples[1:], small.sample_labels), "of other samples"),
    ):
        with pytest.raises(UsageProblem, match=f"{said}.*name another folder"):
            changed.sweep(folder)
    with pytest.raises(UsageProblem, match="of another target"):
        small.sweep(folder, target="fpga-ulx3s")
    with pytest.raises(UsageProblem, match="of other samples"):
        small.sweep(folder, calibrate=False)
    assert files(folder) == before
    headless = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)[1:]
    (tmp_path / "trials.jsonl").write_bytes(b"".join(headless))
    with pytest.raises(UsageProblem, match="a sweep of something else"):
        other.sweep(tmp_path)


def test_what_is_vacuous_is_said(small: Case, tmp_path: Path) -> None:
    found = nd.sweep(small.graph, small.x, np.full(24, 2), out=tmp_path / "alike", workers=1)
    assert any("all labels are 2" in warning for warning in found.warnings)
    found = small.sweep(tmp_path / "one", calibrate=False, target="spinnaker2", dialect="nir,reset=subtract")
    assert list(found.uniform) == [8]
    assert (found.alone, found.curve) == ({}, ())
    assert any("one width, 8 bits" in warning for warning in found.warnings)
    few = case((6, 5, 3), samples=6)
    same = Case(few.graph, few.x, few.labels, few.x, few.labels)
    found = same.sweep(tmp_path / "same")
    assert any("on other data more may be lost" in warning for warning in found.warnings)
    with pytest.raises(UsageProblem, match="same for every sample"):
        nd.sweep(small.graph, 0 * small.x, small.labels, out=tmp_path / "silent", workers=1)


def test_a_network_of_which_nothing_is_left_is_refused(small: Case, tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match="round to zero"):
        nd.sweep(faint(), small.x, small.labels, out=tmp_path)


def test_without_labels_the_loss_is_told(small: Case, tmp_path: Path) -> None:
    found = nd.sweep(small.graph, small.x, out=tmp_path, workers=1)
    assert not found.labelled
    assert any("no accuracy is told" in warning for warning in found.warnings)
    for one in (found.exact, *found.uniform.values()):
        assert (one.accuracy, one.interval, one.wrong) == (None, None, None)
    assert found.exact.loss == 0
    assert (found.uniform[2].loss or 0) > (found.uniform[8].loss or 0)


def test_what_makes_no_sense_is_refused_before_anything_is_measured(small: Case, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="workers of its own"):
        small.sweep(tmp_path / "a", scheduler="tcp://127.0.0.1:1", workers=1)
    with pytest.raises(UsageProblem, match="0 workers"):
        small.sweep(tmp_path / "a", workers=0)
    with pytest.raises(InputShapeError, match="expected"):
        nd.sweep(small.graph, small.x[..., :5], out=tmp_path / "a")
    with pytest.raises(InputShapeError, match="labels have the shape"):
        nd.sweep(small.graph, small.x, small.labels[:4], out=tmp_path / "a")
    with pytest.raises(DoesNotFit, match="in target xylo_a2"):
        nd.sweep(small.graph, small.x, out=tmp_path / "a", target="xylo_a2")
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputShapeError, match="the labels go from"):
        nd.sweep(small.graph, small.x, small.labels + 9, out=tmp_path / "b", workers=1)
