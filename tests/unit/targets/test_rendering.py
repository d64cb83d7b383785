"""Templates of the user's own: rendered as ours are, in bounded time, memory and size, and from their folder alone."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from nirdeploy.errors import TargetFileError
from nirdeploy.targets import registry as targets
from nirdeploy.targets import rendering
from nirdeploy.targets.emit import emit
from nirdeploy.targets.rendering import apart, rendered
from nirdeploy.targets.resources import targets_dir, templates_dir

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "templates"
    made.mkdir()
    return made


def test_it_is_the_same_here_and_apart(tmp_path: Path) -> None:
    """The shipped templates as a user's own: copied, beside a copy of the target's file."""
    shutil.copytree(templates_dir() / "fpga", tmp_path / "fpga")
    shutil.copy(targets_dir() / "fpga.toml", tmp_path / "mine.toml")
    mine, ours = targets.load(tmp_path / "mine.toml"), targets.load("fpga")
    assert mine.own_templates
    assert not ours.own_templates
    assert emit(mine).digest() == emit(ours).digest()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (ENDLESS + "{% endfor %}", "more than 1 s of processor time"),
        ("{% set a = [1] %}{% for x in a %}{% set _ = a.append(1) %}{% endfor %}", "MemoryError|processor time"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{% include 'x.j2' %}", "recursion"),
        ("{% for a in range(99999) %}{{ 'megabytes' * 99999 }}{% endfor %}", "more than 32 MiB of text"),
        ("{{ 'a' * 10 ** 11 }}", "MemoryError"),
        (
            "{% set ns = namespace(a='a') %}{% for x in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
            "MemoryError|processor time",
        ),
        ("{{ range(10 ** 9) | list }}", "Range too big"),
        ("{{ '%010000000000d' % 1 }}", "MemoryError"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("\n\n{{ 1 / nought }}", "x.j2 line 3"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_what_has_no_end_is_said_in_bounded_time(
    template: str, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_CPU_S", 1)
    (folder / "x.j2").write_text(template)
    with pytest.raises(TargetFileError) as caught:
        apart(folder, ["x.j2"], {"nought": 0})
    assert re.search(said, str(caught.value), re.IGNORECASE)
    assert caught.value.hint
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("how", ["include '{}'", "import '{}' as m", "from '{}' import m", "extends '{}'"])
@pytest.mark.parametrize("name", ["../secret.j2", "/secret.j2", "a/../../secret.j2", "pipe", "folder", "/dev/zero"])
def test_nothing_but_files_of_the_folder_is_read(how: str, name: str, folder: Path) -> None:
    (folder.parent / "secret.j2").write_text("{% macro m() %}secret{% endmacro %}")
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "x.j2").write_text(f"{{% {how.format(name)} %}}")
    with pytest.raises(TargetFileError, match="does not render"):
        rendered(folder, ["x.j2"], {})


def test_macros_and_parents_of_the_folder_are(folder: Path) -> None:
    (folder / "_macros.j2").write_text("{% macro m(x) %}<{{ x | ident }}>{% endmacro %}")
    (folder / "_parent.j2").write_text("{% block b %}{% endblock %}!\n")
    (folder / "x.j2").write_text(
        "{% extends '_parent.j2' %}{% import '_macros.j2' as all %}{% block b %}{{ all.m('a') }}{% endblock %}"
    )
    assert apart(folder, ["x.j2"], {}).texts == {"x.j2": "<a>!\n"}
    (folder / "x.j2").write_text("{% import '_macros.j2' as all %}{{ all.m('a b') }}")
    with pytest.raises(TargetFileError, match="cannot be an identifier"):
        apart(folder, ["x.j2"], {})


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "x.j2").write_bytes(b"\xff\xfe{{ 1 }}")
    with pytest.raises(TargetFileError, match="does not render"):
        rendered(folder, ["x.j2"], {})


def test_a_folder_of_gigabytes_is_not_copied(tmp_path: Path) -> None:
    shutil.copytree(templates_dir() / "fpga", tmp_path / "fpga")
    shutil.copy(targets_dir() / "fpga.toml", tmp_path / "mine.toml")
    with (tmp_path / "fpga" / "large.bin").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(TargetFileError, match="holds more than 32 MiB"):
        emit(targets.load(tmp_path / "mine.toml"))
