"""The stages in order, on disk, stopped and resumed; and the Python API as the README shows it."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy import pipeline
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import CorruptFile, DoesNotFit, UsageProblem
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.pipeline import FILES, STAGES, Build, build
from nirdeploy.targets import registry
from nirdeploy.targets.placement import Placement
from tests import networks
from tests.conftest import examples
from tests.unit.backends.fpga.passes.cases import small


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nirfile.write(tmp_path / "m.nir", networks.two_layers())
    return tmp_path / "m.nir"


def test_every_product_is_kept_and_loads_again(model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    built = build(model, out=tmp_path / "b", on_stage=said.append)
    assert tuple(said) == STAGES
    again = Build.load(tmp_path / "b")
    for product in ("graph", "network", "placement", "image", "artifacts"):
        assert getattr(again, product).digest() == getattr(built, product).digest()
    kept = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert kept["digests"] == built.manifest()["digests"]
    assert "nir" in kept["versions"]
    assert str(tmp_path) not in json.dumps(kept)


@pytest.mark.law
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.filter_too_much])
@given(
    graph=networks.graphs(beyond=True) | networks.grids(400, beyond=True) | networks.encoded(),
    target=st.sampled_from([registry.load("fpga"), small(), small(external=1)]),
)
def test_whatever_was_built_is_loaded_and_its_image_made_again(graph: CheckedGraph, target: FpgaTarget) -> None:
    """In one pass and in several; what looks for damage on loading finds none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = build(graph, target, out=folder)
        except DoesNotFit:
            reject()
        Build.load(folder, target)
        assert build(out=folder, start="image", target=target).image.blob == built.image.blob


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_stop_and_resume_give_the_same_image(model: Path, tmp_path: Path, stage: str) -> None:
    whole = build(model)
    stopped = build(model, out=tmp_path / "b", stop=stage)
    with pytest.raises(UsageProblem, match="stopped before the stage"):
        _ = stopped.image
    following = STAGES[STAGES.index(stage) + 1]
    assert build(out=tmp_path / "b", start=following).image.blob == whole.image.blob


def test_misuse_is_explained(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="there is no stage 'bake'; stages: check, quantize"):
        build(model, stop="bake")
    with pytest.raises(UsageProblem, match="comes before"):
        build(model, start="place", stop="check", out=tmp_path)
    with pytest.raises(UsageProblem, match="needs the folder of the earlier build"):
        build(start="place")
    with pytest.raises(UsageProblem, match="no model to build"):
        build()
    with pytest.raises(UsageProblem, match="not a build folder"):
        Build.load(tmp_path / "none")


def test_damaged_products_are_refused(model: Path, tmp_path: Path) -> None:
    build(model, out=tmp_path / "b")
    for name in [*pipeline.FILES.values(), "manifest.json"]:
        path = tmp_path / "b" / name
        good = path.read_bytes()
        path.write_bytes(good[: len(good) // 2])
        with pytest.raises(CorruptFile):
            Build.load(tmp_path / "b")
        path.write_bytes(good)
    Build.load(tmp_path / "b")


def test_the_image_does_not_depend_on_the_surroundings(model: Path) -> None:
    code = f"import nirdeploy as nd; print(nd.build({str(model)!r}).image.digest())"
    digests = set()
    for seed, zone, folder in (("0", "UTC", "/"), ("1", "Asia/Tokyo", "/tmp")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_api_of_the_readme(tmp_path: Path) -> None:
    import torch
    from torch import nn

    from nirdeploy.exchange import LIF

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 16), LIF(5e-4, r=5.0), nn.Linear(16, 4), LIF(5e-4, r=5.0))
    path = str(tmp_path / "m.nir")
    graph = nd.export_to_nir(net, torch.zeros(5, 1, 12), save_path=path, dt=1e-4)
    assert list(graph.nodes) == ["input_1", "_0", "_1", "_2", "_3", "output"]
    x = networks.spikes(0, (20, 3, 12), 0.5)
    gm = nd.import_from_nir(path, dt=1e-4, step_mode="m", dtype=torch.float64)
    ref = nd.simulate(path, x, probe="all")
    output, _state = gm(torch.as_tensor(x, dtype=torch.float64))
    np.testing.assert_array_equal(output.detach().numpy(), ref["output"])
    assert ref["_1"].shape == (20, 3, 16)
    built = nd.build(path, target="fpga", out=tmp_path / "build")
    quant = nd.simulate(built, x, probe="all")
    np.testing.assert_array_equal(nd.simulate(tmp_path / "build", x)["_3"], quant["_3"])
    verdict = nd.verify(ref, quant)
    nd.report(verdict, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_every_module_is_reached_by_its_name_and_every_verb_is_a_verb() -> None:
    found = [module.name for module in pkgutil.walk_packages(nd.__path__, "nirdeploy.")]
    modules = [name for name in found if not name.endswith("__main__")]
    code = (
        "import importlib, types, nirdeploy as nd\n"
        f"for name in {modules}:\n"
        "    scope = {}\n"
        "    exec(f'import {name} as m', scope)\n"
        "    assert isinstance(scope['m'], types.ModuleType), name\n"
        "assert all(callable(getattr(nd, name)) for name in nd.__all__)\n"
        "assert set(nd.__all__) <= set(dir(nd))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _other(tmp_path: Path) -> Build:
    """A build of the same network at fewer bits, in a folder of its own."""
    return build(tmp_path / "m.nir", out=tmp_path / "other", bits="4")


@pytest.mark.parametrize("file", FILES.values())
def test_a_folder_that_holds_parts_of_two_builds_is_refused(model: Path, tmp_path: Path, file: str) -> None:
    build(model, out=tmp_path / "b")
    taken = _other(tmp_path).out
    assert taken is not None
    (tmp_path / "b" / file).write_bytes((taken / file).read_bytes())
    with pytest.raises(CorruptFile, match="of another build, or was changed since") as caught:
        Build.load(tmp_path / "b")
    assert file in caught.value.where


@pytest.mark.parametrize("file", FILES.values())
def test_a_folder_that_lacks_a_part_is_refused(model: Path, tmp_path: Path, file: str) -> None:
    build(model, out=tmp_path / "b")
    (tmp_path / "b" / file).unlink()
    with pytest.raises(CorruptFile, match="the manifest names it, and it is not there"):
        Build.load(tmp_path / "b")


def test_a_build_that_fails_leaves_the_one_before(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build(model, out=tmp_path / "b")

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Placement, "save", full)
    with pytest.raises(OSError, match="full"):
        build(model, out=tmp_path / "b", bits="4")
    assert Build.load(tmp_path / "b").image.digest() == before.image.digest()
