"""Chunks on processes of this machine: any number of them says the same, and what is kept is not done again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.pipeline import Build
from nirdeploy.proof.scale import boards, chunk
from nirdeploy.proof.scale.chunk import Asked, Chunk, Job
from nirdeploy.proof.scale.kept import Kept
from nirdeploy.proof.scale.run import How, chunk_size, port_of
from nirdeploy.records.samples import Samples
from nirdeploy.targets import registry
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.proof.scale.scaled import Case, case

SAMPLES = 24


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("small"), SAMPLES)


@pytest.fixture(scope="module")
def built(small: Case) -> Build:
    return nd.pipeline.Build.load(small.build)


def test_any_number_of_workers_and_any_chunk_say_the_same(small: Case) -> None:
    assert small.said("verify", "-p", "sim", "--workers", "2", "--chunk", "5") == small.said("verify", "-p", "sim")


def test_a_client_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    many = case(tmp_path, 200)
    keep = ("--keep", str(tmp_path / "kept"), "--chunk", "1", "-p", "sim")
    first = many.start("verify", "--workers", "1", *keep)
    while len(list((tmp_path / "kept").glob("*.part"))) < 3:
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert first.returncode == -9
    there = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.part")}
    assert 3 <= len(there) < 200
    assert many.said("verify", "--workers", "1", *keep) == many.said("verify", "-p", "sim")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.part")}
    assert len(after) == 200
    assert {name: after[name] for name in there} == there


def test_what_is_damaged_is_judged_again(built: Build, small: Case, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []

    def call() -> dict[str, Any]:
        done.clear()
        on_chunk = lambda *count: done.append(count)  # noqa: E731
        found = nd.verify(built, small.data, port="sim", workers=1, chunk=8, keep=tmp_path, on_chunk=on_chunk)
        return found.as_dict()

    first = call()
    assert done == [(1, 3), (2, 3), (3, 3)]
    parts = sorted(tmp_path.glob("*.part"))
    kept = [path.read_bytes() for path in parts]
    parts[0].write_bytes(kept[0][:-40])
    parts[1].write_bytes(kept[1][:50] + b"?" + kept[1][51:])
    parts[2].write_bytes(b"")
    assert call() == first
    assert [path.read_bytes() for path in parts] == kept
    (tmp_path / "more.part").write_bytes(b"of somebody else")
    assert call() == first


def test_a_place_is_that_of_everything_that_decides(built: Build, tmp_path: Path) -> None:
    x = networks.spikes(0, (6, 4, 12))
    one, asked = Chunk(0, x, np.arange(4)), Asked(chunk.VERIFY, "sim")

    def place(job: Job, part: Chunk) -> Path | None:
        return Kept(tmp_path, job.digest()).place(part)

    other = nd.build(networks.two_layers(seed=1, sizes=(12, 10, 4)))
    flipped = x.copy()
    flipped[0, 0, 0] ^= 1
    asked_so: list[dict[str, Any]] = [{"port": "virtual"}, {"probe": "outputs"}]
    given_so: list[dict[str, Any]] = [{"x": flipped}, {"labels": None}, {"looked": 2}]
    places = [
        place(Job(built, asked), one),
        place(Job(other, asked), one),
        *(place(Job(built, replace(asked, **own)), one) for own in asked_so),
        *(place(Job(built, asked), replace(one, **own)) for own in given_so),
    ]
    assert len(set(places)) == len(places)
    assert place(Job(built, asked), replace(one, first=8)) == places[0]


def test_chunks_do_not_depend_on_who_judges(built: Build) -> None:
    for samples, expected in ((1, 8), (256, 8), (3200, 100)):
        assert chunk_size(built, Samples.of(np.broadcast_to(np.uint8(0), (6, samples, 12)))) == expected
    assert chunk_size(built, Samples.of(np.broadcast_to(np.uint8(0), (1 << 22, 100, 12)))) == 1


def test_python_calls_it_as_the_command_does(built: Build, small: Case) -> None:
    loaded = np.load(small.data)
    record = nd.simulate(built, loaded["x"])
    found = nd.evaluate(built, loaded["labels"], x=loaded["x"], port="sim", workers=2)
    assert [one.source for one in found] == ["float", "integer", "port sim"]
    expected = nd.evaluate(record, loaded["labels"], network=built.network, x=loaded["x"])
    assert found[1].as_dict(2) == {**found[2].as_dict(2), "source": "integer"} == expected.as_dict(2)
    verdict = nd.verify(built, Samples.open(small.data), port="sim", workers=1, probe="outputs")
    assert not verdict
    assert "nothing was measured" in verdict.summary()


def test_what_cannot_be_is_said(built: Build, small: Case) -> None:
    target = built.target
    for how, port, said in (
        (How(workers=2), "/dev/ttyX", "which one worker holds"),
        (How(scheduler="tcp://a:1"), "/dev/ttyX", "nirdeploy worker tcp://a:1 -p PORT"),
    ):
        with pytest.raises(UsageProblem, match=said):
            port_of(port, target, how)
    assert port_of("/dev/ttyX", target, How()) == ("/dev/ttyX", How(workers=1))
    assert port_of(None, target, How())[0] == "virtual"
    assert port_of(None, target, How(scheduler="tcp://a:1"))[0] is None
    for options, said in (
        ({"workers": 0}, "measure nothing"),
        ({"workers": 1, "scheduler": "tcp://a:1"}, "workers of its own"),
        ({"chunk": 0}, "holds nothing"),
    ):
        with pytest.raises(UsageProblem, match=said):
            nd.verify(built, small.data, port="sim", **options)
    wrong = networks.spikes(0, (6, 20, 12))
    wrong[2, 17, 3] = 9
    with pytest.raises(InputShapeError, match=r"holds 9 in sample 17, step 2.*samples 16 to 19"):
        nd.verify(built, wrong, port="sim", workers=1)
    with pytest.raises(UsageProblem, match="no labels"):
        nd.evaluate(built, x=wrong, port="sim", workers=1)
    with pytest.raises(InputShapeError, match="no whole numbers"):
        nd.evaluate(built, np.full(20, 0.5), x=wrong, port="sim", workers=1)


def test_a_board_that_is_lost_is_opened_again(built: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time it is used, and the port of the environment is the worker's own."""
    x = networks.spikes(0, (6, 4, 12), 0.6)
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        monkeypatch.setenv(boards.PORT, served.port)
        job = Job(built, Asked(chunk.VERIFY, None))
        first = chunk.judged(job, Chunk(0, x, None))
        [(_, device)] = boards._idle
        device.close()  # as who pulls the cable
        assert chunk.judged(job, Chunk(0, x, None)).verdict == first.verdict  # type: ignore[union-attr]
        assert first.verdict.equal  # type: ignore[union-attr]
        [(_, again)] = boards._idle
        assert again is not device
        boards.release()
        assert not boards._idle
