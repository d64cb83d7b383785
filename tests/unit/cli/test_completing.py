"""What a shell offers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import BashComplete

import nirdeploy as nd
from nirdeploy.cli.entry import group
from tests import networks


def offered(*words: str) -> list[str]:
    """For the last of the words."""
    complete = BashComplete(group, {}, "nirdeploy", "_NIRDEPLOY_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("reg",), {"regress"}),
        (("regress", "u"), {"update"}),
        (("check", "m.nir", "-t", "fpga-u"), {"fpga-ulx3s"}),
        (("flash", "--board", "fpga-a"), {"fpga-arty-a7"}),
        (("simulate", "m.nir", "x.npz", "--dialect", "sn"), {"snntorch"}),
        (("export", "net.py:net", "--from", "sn"), {"snntorch"}),
        (("build", "m.nir", "--to", "pl"), {"place"}),
        (("run", "build", "x.npz", "-p", "vir"), {"virtual"}),
        (("check", "m.nir", "--dial"), {"--dialect"}),
    ],
)
def test_names(words: tuple[str, ...], expected: set[str]) -> None:
    assert set(offered(*words)) == expected


def test_populations_of_the_build_that_is_named(tmp_path: Path) -> None:
    nd.build(networks.two_layers(), out=tmp_path / "build", stop="quantize")
    assert offered("run", str(tmp_path / "build"), "x.npz", "--probe", "l") == ["lif1", "lif2"]
    assert offered("run", str(tmp_path / "build"), "x.npz", "--probe", "lif1,lif") == ["lif1,lif1", "lif1,lif2"]
    assert offered("run", str(tmp_path / "nowhere"), "x.npz", "--probe", "") == ["all", "outputs"]


def test_a_file_of_boards_that_is_half_typed_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boards.toml").write_text("[boards.")
    monkeypatch.chdir(tmp_path)
    assert offered("run", "build", "x.npz", "-p", "vir") == []
