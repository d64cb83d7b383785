"""What commands say can be read in 80 columns and in 60, and no number stands in it, or in JSON, for "not known"."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nirdeploy.cli import main
from nirdeploy.graph import file as nirfile
from tests import networks

#: As words of text; and what JSON may hold only as null.
SENTINELS = re.compile(r"(?<![\w.'/-])(?:-1|nan|inf|-inf|None|NaN|Infinity|n/a)(?![\w.%-])")

Run = Callable[..., str]

#: Every command that says something of a network, a record, a build or this machine; those that need hardware, or more
#: than seconds, have tests of their own.
COMMANDS = (
    "targets",
    "check net.nir",
    "check net.nir -t fpga",
    "estimate net.nir",
    "estimate net.nir --why",
    "estimate net.nir -t fpga-icebreaker",
    "build net.nir -o again",
    "build net.nir -o calibrated --bits 4 --calibrate x.npz",
    "simulate net.nir x.npz -o float.nird",
    "run build x.npz -p sim -o run.nird",
    "info build",
    "info build/image.ndi",
    "info integer.nird",
    "verify integer.nird kept.nird",
    "verify build kept.nird -x x.npz",
    "verify build -x x.npz -p sim",
    "evaluate build -x x.npz -p sim --metrics",
    "evaluate integer.nird --labels x.npz",
    "regress record golden.nird kept.nird",
    "regress check golden.nird integer.nird",
    "regress update golden.nird integer.nird --reason shown",
    "stimulus build -o made.npz --rounds 2",
    "doctor",
    "board list",
)


#: What they say is of the machine, where others start and end boards meanwhile.
CHANGE = ("doctor", "board list")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of long names, a stimulus of it, a build, and two records, of which one differs."""
    import nirdeploy as nd

    here = tmp_path_factory.mktemp("columns")
    graph = networks.two_layers(sizes=(20, 30, 5))
    nirfile.write(here / "net.nir", graph)
    rng = np.random.default_rng(0)
    x = (rng.random((12, 6, 20)) < 0.4).astype(np.uint8)
    np.savez(here / "x.npz", x=x, labels=np.arange(6) % 5)
    built = nd.build(here / "net.nir", out=here / "build")
    record = nd.simulate(built, x)
    record.save(here / "integer.nird")
    record.spikes["lif2"][3, 2, 1] ^= 1
    record.save(here / "kept.nird")
    return here


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def call(line: str) -> str:
        capsys.readouterr()
        if line.startswith("regress"):  # each of them as if it came first
            (folder / "golden.nird").unlink(missing_ok=True)
        if line.startswith(("regress check", "regress update")):
            with pytest.raises(SystemExit):
                main(["regress", "record", "golden.nird", "kept.nird"])
            capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(line.split())
        out, err = capsys.readouterr()
        assert "error[" not in err, err
        assert int(str(stop.value.code)) in (0, 1, 5)
        return out

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_everything_fits(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    said: list[str] = []
    for width in (60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        out = run(command)
        # a path of this machine, which is one word, may be longer
        too_long = [line for line in out.splitlines() if len(line) > width and "/" not in line]
        assert not too_long, too_long
        assert not (found := [line for line in out.splitlines() if SENTINELS.search(line)]), found
        said.append(out)
    if command not in CHANGE:
        words = {word for word in re.findall(r"[\w.,%/'-]+", said[1]) if not re.fullmatch(r"[\d.,]+", word)}
        whole = re.sub(r"\s", "", said[0])  # a digest is longer than a line of 60, and goes on in the next
        assert not (lost := [word for word in words if word not in whole]), lost


@pytest.mark.parametrize("command", COMMANDS)
def test_no_sentinel_in_json(run: Run, command: str) -> None:
    told = json.loads(run(f"{command} --json"), parse_constant=pytest.fail)
    assert told["schema"] == 1
    assert not (found := [(path, value) for path, value in leaves(told) if is_sentinel(value)]), found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(entry, f"{path}/{key}")
    else:
        yield path, value


def is_sentinel(value: Any) -> bool:
    return value == -1 or (isinstance(value, str) and value in ("-1", "nan", "NaN", "inf", "-inf", "None", "n/a"))
