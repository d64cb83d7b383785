"""Artifacts stay in their folder; templates render for every target or say where they fail."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from nirdeploy.errors import InternalError, TargetFileError
from nirdeploy.targets import emit as emitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.rendering import LEFT_OUT, ident
from nirdeploy.targets.resources import targets_dir
from nirdeploy.targets.tables import Target


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "C:x", "a\\b", ""])
def test_no_path_leads_out(path: str) -> None:
    with pytest.raises(InternalError, match="leaves its folder"):
        Artifacts().add(path, b"")


def test_names_differ_in_more_than_case() -> None:
    artifacts = Artifacts()
    artifacts.add("rtl/a.v", b"1")
    with pytest.raises(InternalError, match="exists twice"):
        artifacts.add("rtl/A.v", b"2")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("A/b/c", "a/B"), ("a/B", "A/b/c")])
def test_a_file_is_no_folder(names: tuple[str, str]) -> None:
    artifacts = Artifacts()
    artifacts.add(names[0], b"")
    with pytest.raises(InternalError, match="exists twice, as a file and as a folder"):
        artifacts.add(names[1], b"")


def test_many_files_take_no_longer_each() -> None:
    artifacts, began = Artifacts(), time.process_time()
    for number in range(20_000):
        artifacts.add(f"folder/{number}", b"")
    assert len(artifacts) == 20_000
    assert time.process_time() - began < 5  # all names looked at again for each: half a minute


def test_digest_knows_where_a_name_ends() -> None:
    a, b = Artifacts(), Artifacts()
    a.add("a", b"bc")
    b.add("ab", b"c")
    assert a.digest() != b.digest()


def test_the_same_hardware_has_the_same_bytes_and_other_hardware_others() -> None:
    target = targets.load("fpga")
    assert emit(target).digest() == emit(target).digest()
    assert emit(target.with_hardware(cores=2)).digest() != emit(target).digest()


def test_the_signature_stands_in_the_hardware() -> None:
    target = targets.load("fpga")
    assert target.signature[::-1].hex().encode() in emit(target)["rtl/device.v"]


@pytest.mark.parametrize("text", ["top;rm -rf", "1a", "a b", "", "a" * 64, "é"])
def test_only_identifiers_get_into_code(text: str) -> None:
    with pytest.raises(TargetFileError, match="cannot be an identifier"):
        ident(text)
    assert ident("good_1") == "good_1"


@pytest.mark.parametrize(("template", "text"), [("{{ nothing }}", "'nothing' is undefined"), ("\n{% if %}", "line 2")])
def test_a_broken_template_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, text: str) -> None:
    (tmp_path / "fpga").mkdir()
    (tmp_path / "fpga" / "x.v.j2").write_text(template)
    monkeypatch.setattr(emitting, "templates_dir", lambda: tmp_path)
    with pytest.raises(TargetFileError, match=r"x\.v\.j2") as caught:
        emit(targets.load("fpga"))
    assert text in str(caught.value)


def test_folders_that_the_hardware_does_not_need_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("few/a.v", "few/deep/b.v", "fewer/c.v", "many/d.v", "e.v"):
        (tmp_path / "fpga" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fpga" / name).touch()
    monkeypatch.setattr(emitting, "templates_dir", lambda: tmp_path)
    target = targets.load("fpga")
    assert set(emit(target)) == {"few/a.v", "few/deep/b.v", "fewer/c.v", "many/d.v", "e.v"}
    (tmp_path / "fpga" / LEFT_OUT).write_text("{{ 'many' if hardware.cores == 1 else 'few\nmany' }}\n")
    assert set(emit(target.with_hardware(cores=1))) == {"few/a.v", "few/deep/b.v", "fewer/c.v", "e.v"}
    assert set(emit(target.with_hardware(cores=2))) == {"fewer/c.v", "e.v"}


def test_save(tmp_path: Path) -> None:
    artifacts = emit(targets.load("fpga"))
    artifacts.save(tmp_path)
    assert (tmp_path / "rtl" / "core.v").read_bytes() == artifacts["rtl/core.v"]


# --- a user's own templates -------------------------------------------------------------


def own(home: Path, **files: str) -> Target:
    """A target whose templates are these, by names in which ``__`` stands for a slash and ``_`` for a dot."""
    for name, text in files.items():
        path = home / "t" / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    text = (targets_dir() / "fpga.toml").read_text().replace('templates = "fpga"', 'templates = "t"')
    (home / "mine.toml").write_text(text)
    return targets.load(home / "mine.toml")


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    target = own(tmp_path, a_txt_j2='{{ "\\ud800" }}')
    with pytest.raises(TargetFileError, match=r"makes '\\ud800', which is half a character .*templates/a\.txt\.j2"):
        emit(target)
    with pytest.raises(TargetFileError, match="half a character"):
        emitting.render(target, "a.txt.j2")


def test_a_template_beside_a_folder_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(TargetFileError, match="'a' exists twice, as a file and as a folder.*; rename the file"):
        emit(own(tmp_path, a_j2="", a__b=""))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
@pytest.mark.parametrize("name", [b"a\xff.j2", b"a\xff", b"a\nb", b"d\xff/a"])
def test_names_of_files_are_text(tmp_path: Path, name: bytes) -> None:
    target, path = own(tmp_path, a_txt=""), tmp_path / "t" / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(TargetFileError, match="characters that cannot be printed.*rename the file"):
        emit(target)


def test_so_many_files_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = own(tmp_path, **{f"f{n}": "" for n in range(5)})
    monkeypatch.setattr(emitting, "_MOST_FILES", 5)
    assert len(emit(target)) == 5
    (tmp_path / "t" / "more").touch()
    with pytest.raises(TargetFileError, match="holds more than 5 files"):
        emit(target)
