"""A build folder is data, whoever made it: nothing in it says where code, or any other file, is taken from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import CorruptFile, TargetFileError, UsageProblem
from nirdeploy.graph import file as nirfile
from nirdeploy.pipeline import Build
from nirdeploy.records import manifest, store
from nirdeploy.records.products import MANIFEST
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import emit
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.resources import targets_dir, templates_dir
from tests import networks
from tests.unit.cli import conftest as terminal

cli = terminal.cli

#: Of a target on which a network takes several passes.
SMALL = {"cores": 1, "lanes": 8, "weight_rows": 128, "neurons": 64, "parameters": 64, "segments": 1024, "jobs": 256}
TEXT = (targets_dir() / "fpga.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build with nirdeploy's own target."""
    nd.build(networks.two_layers(), out=tmp_path / "built")
    return tmp_path / "built"


def poison(folder: Path, **changes: object) -> None:
    """The manifest's target changed by a stranger, who makes its checksum anew."""
    path = folder / MANIFEST
    kept = manifest.opened(path.read_bytes())
    kept["target"] |= changes
    path.write_bytes(manifest.sealed(kept))


def templates(home: Path, name: str = "fpga") -> Path:
    """nirdeploy's templates of its FPGA, copied into ``home``, with code of one's own among them."""
    shutil.copytree(templates_dir() / "fpga", home / name)
    harness = home / name / "sim" / "serial_device.cpp.j2"
    harness.write_text(harness.read_text() + "// mine\n")
    return home / name


# --- a stranger's folder --------------------------------------------------------------


def test_code_in_the_folder_is_not_taken(folder: Path) -> None:
    templates(folder)
    (folder / "hardware" / "sim" / "serial_device.cpp").write_text("#error this is never compiled\n")
    poison(folder, home=str(folder), own_templates=False)
    assert Build.load(folder).target.home is None
    assert Build.load(folder).artifacts.digest() == emit(targets.load("fpga")).digest()


def test_a_folder_that_claims_templates_elsewhere_is_asked_about(folder: Path) -> None:
    templates(folder)
    poison(folder, home=str(folder), own_templates=True)
    with pytest.raises(UsageProblem, match="came with the user's file; name it again with --target fpga.toml"):
        _ = Build.load(folder).artifacts


@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", ".", "", "a/b", "a\\b", "C:x", "fpga/", "a\0b"])
def test_templates_are_the_plain_name_of_a_folder(folder: Path, tmp_path: Path, name: str) -> None:
    poison(folder, templates=name)
    with pytest.raises(TargetFileError, match="templates: value error, .* must be the plain name of a folder"):
        Build.load(folder)
    (tmp_path / "mine.toml").write_text(TEXT.replace('templates = "fpga"', f"templates = {json.dumps(name)}"))
    with pytest.raises(TargetFileError, match="must be the plain name of a folder"):
        targets.load(tmp_path / "mine.toml")


def test_templates_that_nirdeploy_does_not_have_are_asked_for(folder: Path) -> None:
    poison(folder, templates="mine")
    with pytest.raises(TargetFileError, match="no template folder 'mine'.*name it: --target fpga.toml"):
        _ = Build.load(folder).artifacts


@pytest.mark.parametrize("table", ["", "board"])
@pytest.mark.parametrize("text", ["a\nb", 'a""" + b', "a\\", "a\rb"])
def test_titles_cannot_end_the_comment_they_get_into(folder: Path, table: str, text: str) -> None:
    board = json.loads((folder / MANIFEST).read_text())["target"]["board"]
    poison(folder, **({"board": {**board, "name": text}} if table else {"title": text}))
    with pytest.raises(TargetFileError, match=r"(title|board\.name): string should match"):
        Build.load(folder)


def test_a_manifest_that_says_something_else_is_damaged(folder: Path, cli: terminal.Cli) -> None:
    path = folder / MANIFEST
    whole = path.read_text()
    assert whole.count('"nir":') == 1
    path.write_text(whole.replace('"nir":', '"nirs":'))
    assert "the manifest is damaged" in cli("info", folder).err
    path.write_text(json.dumps(json.loads(whole)))  # the same, in a line
    assert cli("info", folder).code == 0


@pytest.mark.parametrize("text", ["[]", '{"target": []}', '{"target": "fpga"}', '{"target": null}', "1"])
def test_a_manifest_of_another_shape_is_damaged(folder: Path, cli: terminal.Cli, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    said = cli("info", folder)
    assert (said.code, "the manifest is damaged" in said.err) == (3, True)


# --- a build with the user's own templates --------------------------------------------


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A target file with its templates beside it, a build made with it, and a stimulus."""
    (tmp_path / "mine.toml").write_text(TEXT)
    templates(tmp_path)
    nirfile.write(tmp_path / "net.nir", networks.two_layers())
    np.save(tmp_path / "x.npy", networks.spikes(0, (4, 1, 20)))
    nd.build(tmp_path / "net.nir", tmp_path / "mine.toml", tmp_path / "built")
    return tmp_path


def test_the_manifest_does_not_say_where_the_templates_were(mine: Path) -> None:
    text = (mine / "built" / MANIFEST).read_text()
    assert str(mine) not in text
    assert "home" not in json.loads(text)["target"]
    assert b"// mine" in (mine / "built" / "hardware" / "sim" / "serial_device.cpp").read_bytes()


def test_the_templates_are_those_of_the_file_named_again(mine: Path) -> None:
    again = Build.load(mine / "built", mine / "mine.toml").artifacts
    assert again.digest() == nd.build(mine / "net.nir", mine / "mine.toml").artifacts.digest()
    assert again["sim/serial_device.cpp"].endswith(b"// mine\n")
    with pytest.raises(UsageProblem, match="name it again with --target mine.toml"):
        _ = Build.load(mine / "built").artifacts


def test_the_file_named_again_must_be_of_the_same_hardware(mine: Path, cli: terminal.Cli) -> None:
    (mine / "other.toml").write_text(TEXT.replace("cores = 4", "cores = 2"))
    other, kept = (targets.load(mine / name).signature.hex() for name in ("other.toml", "mine.toml"))
    for command in (
        ("run", mine / "built", mine / "x.npy", "-p", "sim", "-o", mine / "r.nird"),
        ("verify", mine / "built", "-x", mine / "x.npy", "-p", "sim"),
        ("flash", mine / "built"),
        ("build", "--from", "place", "--out", mine / "built"),
    ):
        said = cli(*command, "--target", mine / "other.toml")
        assert said.code == 2, command
        assert f"for hardware {kept} (target 'mine'), target 'other' is {other}" in said.err


@pytest.mark.parametrize("port", ["virtual", "fault:seed=1,drop=0:virtual"])
def test_the_virtual_board_asks_for_the_file(mine: Path, cli: terminal.Cli, port: str) -> None:
    for command in (
        ("run", mine / "built", mine / "x.npy", "-p", port, "-o", mine / "r.nird"),
        ("verify", mine / "built", "-x", mine / "x.npy", "-p", port),
        ("flash", mine / "built", "-p", port),
    ):
        said = cli(*command)
        assert said.code == 2, command
        assert "the templates of target 'mine' came with the user's file; name it again with --target" in said.err


def test_what_needs_no_templates_does_not_ask(mine: Path, cli: terminal.Cli) -> None:
    for command in (
        ("run", mine / "built", mine / "x.npy", "-p", "sim", "-o", mine / "r.nird"),
        ("info", mine / "built"),
        ("regress", "record", mine / "golden.nird", mine / "r.nird", "--build", mine / "built"),
    ):
        assert cli(*command).code == 0, command


def test_resuming_asks_for_the_file(mine: Path, cli: terminal.Cli) -> None:
    resumed = ("build", "--from", "emit", "--out", mine / "built")
    assert cli(*resumed).code == 2
    (mine / "fpga" / "added.txt").write_text("new\n")
    assert cli(*resumed, "--target", mine / "mine.toml").code == 0
    assert (mine / "built" / "hardware" / "added.txt").read_text() == "new\n"


def test_the_virtual_board_is_the_file_named_agains(mine: Path, cli: terminal.Cli) -> None:
    """The user's templates are compiled, as they were for the build: here they do not compile."""
    (mine / "fpga" / "sim" / "serial_device.cpp.j2").write_text("#error mine\n")
    said = cli("run", mine / "built", mine / "x.npy", "-t", mine / "mine.toml", "-o", mine / "r.nird")
    assert said.code == 5
    assert "#error mine" in said.err


def test_a_target_goes_with_a_build_only(mine: Path, cli: terminal.Cli) -> None:
    said = cli("flash", "--board", "fpga-ulx3s", "--target", mine / "mine.toml")
    assert (said.code, "--target goes with a build folder" in said.err) == (2, True)
    assert cli("verify", mine / "a.nird", mine / "b.nird", "--target", mine / "mine.toml").code == 2


# --- the user's own template folder ---------------------------------------------------


@pytest.mark.parametrize("name", ["stolen.txt", "_partial.j2", "sim/stolen.v", "stolen"])
def test_no_link_leads_out_of_the_templates(mine: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "fpga-secret"  # a sibling whose name begins as the folder's
    secret.mkdir()
    (secret / "file").write_text("secret")
    link = mine / "fpga" / name
    link.symlink_to(secret if name == "stolen" else secret / "file")
    with pytest.raises(TargetFileError, match="a link leads out of the template folder") as caught:
        emit(targets.load(mine / "mine.toml"))
    assert str(link) in str(caught.value)
    link.unlink()
    link.symlink_to(mine / "fpga" / "sim" / "serial_device.cpp.j2")
    emit(targets.load(mine / "mine.toml"))


def test_the_folder_itself_is_no_link(mine: Path) -> None:
    (mine / "fpga").rename(mine / "elsewhere")
    (mine / "fpga").symlink_to(mine / "elsewhere")
    with pytest.raises(TargetFileError, match="a link leads out of the template folder"):
        emit(targets.load(mine / "mine.toml"))


@pytest.mark.parametrize("name", ["..\\x.v", "C:x.v", "sim/DEVICE.cpp"])
def test_names_that_leave_or_collide_are_the_users_to_mend(mine: Path, name: str) -> None:
    (mine / "fpga" / name).write_text("")
    with pytest.raises(TargetFileError, match="rename the file"):
        emit(targets.load(mine / "mine.toml"))


@pytest.mark.parametrize("name", ["../secret", "/secret", "a/../../secret"])
def test_includes_stay_inside(mine: Path, name: str) -> None:
    (mine / "secret").write_text("secret")
    (mine / "fpga" / "x.txt.j2").write_text(f'{{% include "{name}" %}}')
    with pytest.raises(TargetFileError, match="does not render"):
        emit(targets.load(mine / "mine.toml"))


# --- a placement that is not the network's ---------------------------------------------


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The placement changed by a stranger, who makes the digests anew."""
    path, kept = folder / Placement.FILE, manifest.opened((folder / MANIFEST).read_bytes())
    meta, arrays = store.load(path)
    change(meta)
    path.write_bytes(store.pack(meta, arrays))
    kept["digests"]["placement"] = Placement.load(path).digest()
    (folder / MANIFEST).write_bytes(manifest.sealed(kept))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda meta: meta["slices"][0].update(count=1 << 31), "is out of order"),
        (lambda meta: meta["slices"][0].update(first=1 << 31), "is out of order"),
        (lambda meta: meta["slices"][0].update(core=9), "is out of order"),
        (lambda meta: meta["slices"][0].update(group=1 << 31), "of a group beyond all slices"),
        (lambda meta: meta["slices"][0].update(group=meta["slices"][1]["group"]), "not of a group each"),
        (lambda meta: meta["slices"].pop(), "neurons placed"),
        (lambda meta: meta["slices"].append(meta["slices"][0]), "is one too many"),
        (lambda meta: meta["slices"].reverse(), "neurons placed"),
        (lambda meta: meta["cores"].pop(), "it is not of 4 cores"),
        (lambda meta: meta["cores"][0].update(core=4), "a core's number is 4"),
        (lambda meta: meta["cores"][2]["used"].pop("neurons"), "core 2 does not say what it holds"),
        (lambda meta: meta["cores"][2]["used"].update(neurons=1 << 20), "core 2 is over its neurons"),
        (lambda meta: meta["cores"][2]["limits"].update(neurons=1 << 20), "core 2 has other limits"),
        (lambda meta: meta.update(network="0" * 64), "of another network"),
        (lambda meta: meta.update(target="other"), "of another network"),
    ],
)
def test_a_placement_of_another_network_is_refused(
    folder: Path, cli: terminal.Cli, change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    forge(folder, change)
    for command in (("info", folder), ("build", "--from", "image", "-o", folder)):
        said = cli(*command)
        assert (said.code, "build it again" in said.err) == (3, True)
        assert "not a placement of the build's network" in " ".join(said.err.split())
    with pytest.raises(CorruptFile, match=expected):
        Build.load(folder)


def test_a_slice_ends_with_a_line(folder: Path) -> None:
    def cut(meta: dict[str, Any]) -> None:
        one = meta["slices"][0]
        more = {**one, "first": 1, "count": one["count"] - 1}
        meta["slices"] = [{**one, "count": 1}, more, *meta["slices"][1:]]
        for group, part in enumerate(meta["slices"], 1):
            part["group"] = group

    forge(folder, cut)
    with pytest.raises(CorruptFile, match="is not of whole lines"):
        Build.load(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda meta: next(iter(meta["passes"][0]["layout"]["boxes"].values())).update(firsts=[[1 << 40] * 3]),
            "beyond",
        ),
        (lambda meta: next(iter(meta["passes"][0]["layout"]["boxes"].values())).update(shape=[1 << 40] * 3), "beyond"),
        (lambda meta: meta["passes"][0]["slices"][0].update(count=1 << 31), "is out of order"),
        (lambda meta: meta["passes"][0]["layout"].update(boxes={"none": {"firsts": [[0]], "shape": [1]}}), "'none'"),
        (lambda meta: meta["passes"][0]["layout"].update(boxes={}), "of no tiles"),
        (lambda meta: next(iter(meta["passes"][0]["layout"]["boxes"].values())).update(firsts=[]), "of no tiles"),
        (lambda meta: meta["passes"].pop(), "are in no pass"),
        (lambda meta: meta["layout"].pop("sums"), "'sums'"),
    ],
)
def test_passes_of_another_network_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    nd.build(networks.two_layers(sizes=(40, 100, 20)), targets.load("fpga").with_hardware(**SMALL), tmp_path / "built")
    forge(tmp_path / "built", change)
    with pytest.raises(CorruptFile, match=expected):
        Build.load(tmp_path / "built")
