"""Artifacts stay in their folder; templates render for every target or say where they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.errors import InternalError, TargetFileError
from nirdeploy.targets import emit as emitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.emit import Artifacts, emit
from nirdeploy.targets.rendering import LEFT_OUT, ident


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "C:x", "a\\b", ""])
def test_no_path_leads_out(path: str) -> None:
    with pytest.raises(InternalError, match="leaves its folder"):
        Artifacts().add(path, b"")


def test_names_differ_in_more_than_case() -> None:
    artifacts = Artifacts()
    artifacts.add("rtl/a.v", b"1")
    with pytest.raises(InternalError, match="exists twice"):
        artifacts.add("rtl/A.v", b"2")


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
