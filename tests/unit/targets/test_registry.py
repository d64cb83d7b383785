"""Target files: valid ones load, others are explained, all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.errors import TargetFileError, UnknownTarget
from nirdeploy.targets import registry as targets
from nirdeploy.targets.resources import targets_dir

TEXT = (targets_dir() / "fpga.toml").read_text()


@pytest.mark.parametrize("name", targets.names())
def test_every_target_is_valid(name: str) -> None:
    found = targets.load(name)
    assert found.name == name
    assert len(found.signature) == 8


def test_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("cores = 4", "cores = 2"))
    found = targets.load(path)
    assert (found.name, found.hardware.cores) == ("mine", 2)
    assert found.signature != targets.load("fpga").signature


def test_the_board_is_not_part_of_the_hardware() -> None:
    faster = targets.load("fpga").with_hardware(baud=1_000_000)
    assert faster.board is not None
    assert faster.board.baud == 1_000_000
    assert faster.signature == targets.load("fpga").signature


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("lanes = 32", "lanes = 33"), "hardware: value error, lanes = 33 must be a power of two"),
        (("cores = 4", 'cores = "4"'), "hardware.cores: input should be a valid integer"),
        (("cores = 4", "core = 4"), "hardware.cores: field required; hardware.core: extra inputs are not permitted"),
        (("weight_bits = 8", "weight_bits = 7"), "formats.weight_bits: input should be 2, 4, 8 or 16"),
        (("baud = 3_000_000", "baud = 9_000_000"), "at most a quarter of clock_hz"),
        (("update = 2", "update = 2.5"), "hardware.update"),
        (("schema = 1", "schema = 2"), "schema: input should be 1"),
        (("[formats]", "[formats"), "not valid TOML"),
        *(
            (("usb = []", f"usb = ['0403:6010', {usb!r}]"), f"board.usb: value error, {usb!r} must be vid:pid")
            for usb in ("zz:qq", "1", "", "0403:6010:1", "0403", "0x403:6010", "0403:6010 ")
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], text: str) -> None:
    assert change[0] in TEXT
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(*change))
    with pytest.raises(TargetFileError) as caught:
        targets.load(path)
    assert text in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_unknown_targets() -> None:
    with pytest.raises(UnknownTarget, match="there is no target 'fgpa'; did you mean 'fpga'"):
        targets.load("fgpa")
    with pytest.raises(UnknownTarget, match="cannot read the target file: No such file"):
        targets.load("nowhere.toml")
    with pytest.raises(TargetFileError, match="there is no hardware parameter 'colour'"):
        targets.load("fpga").with_hardware(colour=1)
