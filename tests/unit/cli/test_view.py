"""nirdeploy view: a page of what there is, and where it is."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.cli import main
from nirdeploy.graph import file as nirfile
from tests import networks


def view(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["view", *map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    graph = networks.two_layers(sizes=(12, 10, 4))
    nirfile.write(tmp_path / "net.nir", graph)
    built = nd.build(graph, "fpga", tmp_path / "build")
    nd.simulate(built, networks.spikes(1, (9, 2, 12), 0.5)).save(tmp_path / "run.nird")
    return tmp_path


def test_a_page_of_each(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what, page, held in (
        ("net.nir", "net-view.html", "Populations"),
        ("build", "build-view.html", "saturation margin bits"),
        ("run.nird", "run-view.html", "lif1, sample 1"),
    ):
        assert view(what) == 0
        assert str(made / page) in capsys.readouterr().out
        assert held in (made / page).read_text()
        assert "population" in (made / page).read_text()


def test_it_opens_a_browser_where_there_is_one(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setenv("BROWSER", "there is one")

    def browser(url: str) -> bool:
        seen.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    assert view("net.nir", "-o", "x y.html", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        **{"schema": 1, "command": "view", "page": str(made / "x y.html"), "opened": True}
    }
    assert seen == [(made / "x y.html").as_uri()]
    assert view("net.nir", "--no-open") == 0
    assert len(seen) == 1


def test_what_has_no_page_is_refused_and_nothing_written(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["nothing"], "no such file"),
        (["build/image.ndi"], "view the folder"),
        (["run.nird", "--dt", "1e-3"], "go with a .nir file"),
        (["made-up.nir"], "no such file"),
    ):
        assert view(*arguments) != 0
        assert said in capsys.readouterr().err
    (made / "bad.nird").write_bytes(b"not a record")
    assert view("bad.nird") == 3
    assert not list(made.glob("*.html"))
