"""Passes on a device: played over a batch, kept between them, gone on with where a run broke off."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.errors import CorruptFile, DeviceMismatch, DoesNotFit, UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.records.trains import JOURNAL
from nirdeploy.targets import registry as targets
from nirdeploy.targets.image import Image
from nirdeploy.targets.tables import Target
from tests import networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.unit.device.models import ModelPort


def small(**hardware: int) -> Target:
    sizes = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32}
    return targets.load("fpga").with_hardware(**{**sizes, "out_words": 128, **hardware})


TARGET = small()


@cache
def built() -> nd.Build:
    """160 inputs are too many for the weight memory, 60 neurons for the bitmaps of their sums."""
    return nd.build(networks.two_layers(sizes=(160, 60, 5)), TARGET)


def device(target: Target = TARGET) -> Device:
    return Device(ModelPort(DeviceModel(target)))


X = networks.spikes(0, (4, 3, 160))


def test_a_run_in_passes_equals_the_integer_simulator() -> None:
    assert len(built().image.passes) > 4
    told: list[tuple[int, int]] = []
    with device() as there:
        nd.flash(built(), there)
        measured = nd.run(there, X, progress=lambda done, total: told.append((done, total)))
        again = nd.run(there, X, image=built().image)
    verdict = nd.verify(nd.simulate(built(), X), measured)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == 4 * 3 * 65
    assert nd.verify(measured, again).equal
    assert measured.manifest["image"] == built().image.digest()
    tiles = sum(one.wiring.tiles for one in built().image.passes if one.wiring)
    assert told[-1] == (3 * tiles, 3 * tiles)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert measured.stats["passes"] == len(built().image.passes)
    assert measured.stats["steps"] == 4 * 3 * tiles


@pytest.mark.law
@settings(max_examples=examples(12))
@given(
    graph=networks.graphs(max_size=40, max_layers=3)
    | networks.graphs(max_size=40, max_layers=3, beyond=True)
    | networks.grids(most=120)
    | networks.encoded(most=90),
    rows=st.sampled_from([64, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_network_in_passes_equals_the_integer_simulator(graph: CheckedGraph, rows: int, seed: int) -> None:
    target = small(weight_rows=rows, neurons=32)
    try:
        made = nd.build(graph, target)
    except DoesNotFit:
        reject()
    x = networks.stimulus(graph, seed, steps=4)
    with device(target) as there:
        nd.flash(made, there)
        measured = nd.run(there, x)
    assert nd.verify(nd.simulate(made, x), measured, allow_silent=True).equal


def test_only_what_is_probed_or_read_again_is_kept(tmp_path: Path) -> None:
    with device() as there:
        nd.flash(built(), there)
        measured = nd.run(there, X, "outputs", store=tmp_path)
    assert list(measured.spikes) == ["lif2"]
    assert np.array_equal(measured["lif2"], nd.simulate(built(), X)["lif2"])
    kept = [path.name for path in tmp_path.glob("*.bin")]
    gives = [len(one.wiring.gives) for one in built().image.passes if one.wiring]
    assert 0 < len(kept) < sum(gives)
    assert len(json.loads((tmp_path / JOURNAL).read_text())["done"]) == sum(gives)


class Unplugged(Exception):
    """The cable is out."""


def broken_off(store: Path, at: int) -> None:
    """A run that ends when so many tiles of all samples have been played."""

    def pull(done: int, _: int) -> None:
        if done >= at:
            raise Unplugged

    with device() as there:
        nd.flash(built(), there)
        with pytest.raises(Unplugged):
            nd.run(there, X, progress=pull, store=store)


@pytest.mark.parametrize("at", [1, 4, 13, 26])
def test_a_run_that_was_broken_off_goes_on(tmp_path: Path, at: int) -> None:
    broken_off(tmp_path, at)
    with device() as there:
        nd.flash(built(), there)
        measured = nd.run(there, X, store=tmp_path)
    assert nd.verify(nd.simulate(built(), X), measured).equal
    whole = 4 * 3 * sum(one.wiring.tiles for one in built().image.passes if one.wiring)
    assert measured.stats["steps"] < whole if at > 3 else measured.stats["steps"] == whole


def test_what_was_done_before_keeps_its_saturations_and_costs_nothing(tmp_path: Path) -> None:
    graph = networks.two_layers(sizes=(160, 60, 5))
    graph.nodes["lif2"] = nir.I(r=np.ones(5))
    graph.nodes["fc2"].bias[:] = 40.0
    data = TARGET.model_dump(by_alias=True)
    data["formats"] |= {"accumulator_bits": 12, "state_bits": 12}
    target = targets.validate(data, where="small")
    made = nd.build(graph, target)
    runs, played = [], list[tuple[int, int]]()
    for _ in range(2):
        with device(target) as there:
            nd.flash(made, there)
            runs.append(nd.run(there, X, store=tmp_path, on_pass=lambda *told: played.append(told)))
    saturations = nd.simulate(made, X).stats["saturations"]
    assert [one.stats["saturations"] for one in runs] == [saturations, saturations] != [0, 0]
    assert runs[0].stats["steps"] > runs[1].stats["steps"] == 0
    assert nd.verify(*runs, allow_silent=True).equal
    assert played == [(number, len(made.image.passes)) for number in range(1, len(made.image.passes) + 1)]


def test_a_damaged_file_is_played_again(tmp_path: Path) -> None:
    broken_off(tmp_path, 13)
    first = min(tmp_path.glob("*.bin"))
    data = bytearray(first.read_bytes())
    data[0] ^= 1
    first.write_bytes(data)
    with device() as there:
        nd.flash(built(), there)
        measured = nd.run(there, X, store=tmp_path)
    assert nd.verify(nd.simulate(built(), X), measured).equal


@pytest.mark.parametrize("change", ["stimulus", "probe", "build"])
def test_the_folder_of_another_run_is_refused(tmp_path: Path, change: str) -> None:
    broken_off(tmp_path, 13)
    image = built().image
    if change == "build":
        image = nd.build(networks.two_layers(seed=1, sizes=(160, 60, 5)), TARGET).image
    given: Any = 1 - X if change == "stimulus" else X
    with device() as there, pytest.raises(UsageProblem, match="keeps another run"):
        nd.run(there, given, "outputs" if change == "probe" else "all", image=image, store=tmp_path)


def test_a_damaged_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("{")
    with device() as there, pytest.raises(CorruptFile, match=r"journal.*remove the folder"):
        nd.run(there, X, image=built().image, store=tmp_path)


def test_other_hardware_is_refused() -> None:
    with device(small(cores=1)) as there:
        with pytest.raises(DeviceMismatch):
            nd.flash(built(), there)
        with pytest.raises(DeviceMismatch, match="the image is for hardware"):
            nd.run(there, X, image=built().image)


def test_words_that_the_last_pass_left_are_not_sent_again() -> None:
    with device() as there:
        first = nd.flash(built(), there)
        measured = nd.run(there, X)
    whole = sum(one.total_bytes for one in built().image.passes)
    assert measured.stats["bytes_flashed"] < whole
    assert measured.stats["bytes_flashed"] + first.bytes_sent + first.bytes_skipped == built().costs(0.1)["image_bytes"]


def test_an_image_of_passes_is_kept(tmp_path: Path) -> None:
    image = built().image
    image.save(tmp_path / "i.ndi")
    again = Image.load(tmp_path / "i.ndi")
    assert again.blob == image.blob
    assert [one.digest() for one in again.passes] == [one.digest() for one in image.passes]
    assert again.passes == again.passes
    assert again.inputs == image.inputs
    assert (tmp_path / "i.ndi").stat().st_size < sum(len(one.blob) for one in image.passes)


@given(position=st.integers(0, len(built().image.blob) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_of_an_image_of_passes_is_refused(position: int, bit: int) -> None:
    blob = bytearray(built().image.blob)
    blob[position] ^= 1 << bit
    with pytest.raises(CorruptFile):
        Image.parse(bytes(blob))


def test_a_build_in_passes_is_loaded_as_it_was(tmp_path: Path) -> None:
    made = nd.build(networks.two_layers(sizes=(160, 60, 5)), TARGET, tmp_path)
    again = nd.build(out=tmp_path, start="image")
    assert again.image.blob == made.image.blob
    assert again.placement == made.placement
