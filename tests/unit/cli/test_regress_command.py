"""nirdeploy regress: what it says of goldens that show nothing, and of runs that cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nirdeploy as nd
from nirdeploy.proof import regress
from tests.unit.cli.conftest import Cli


def _record(path: Path, spikes: np.ndarray) -> Path:
    nd.SpikeRecord({"a": spikes}, {}, {}, "integer", 1e-3, {"output": "a"}).save(path)
    return path


def _spikes(steps: int = 5, samples: int = 3) -> np.ndarray:
    return (np.arange(steps * samples * 2) % 3 == 0).astype(np.uint8).reshape(steps, samples, 2)


def test_a_silent_golden_is_kept_with_a_warning(cli: Cli, tmp_path: Path) -> None:
    golden, quiet = tmp_path / "golden.nird", _record(tmp_path / "quiet.nird", np.zeros((5, 3, 2), np.uint8))
    said = cli("regress", "record", golden, quiet)
    assert said.code == 0
    assert "warning: nothing spiked in the golden" in said.err
    loud = _record(tmp_path / "loud.nird", _spikes())
    assert cli("regress", "update", golden, loud, "--reason", "loud", "--json").json["warnings"] == []
    told = cli("regress", "update", golden, quiet, "--reason", "quiet", "--json").json
    assert told["warnings"] == [said.err.removeprefix("warning: ").rstrip("\n")]
    assert "warning: nothing spiked" in cli("regress", "update", golden, quiet, "--reason", "again").err
    assert cli("regress", "record", tmp_path / "other.nird", quiet, "--json").json["warnings"] == told["warnings"]
    assert not cli("regress", "record", tmp_path / "loud_golden.nird", loud).err


def test_a_golden_is_replaced_by_a_run_of_another_length(cli: Cli, tmp_path: Path) -> None:
    golden = tmp_path / "golden.nird"
    cli("regress", "record", golden, _record(tmp_path / "a.nird", _spikes()))
    longer = _record(tmp_path / "b.nird", _spikes(steps=9))
    assert cli("regress", "check", golden, longer).code == 2
    done = cli("regress", "update", golden, longer, "--reason", "more steps")
    assert done.code == 0
    text = " ".join(done.out.split())
    assert "cannot be compared with the golden that it replaces: the records are of different runs" in text
    assert "nothing was compared (more steps)" in text
    assert len(regress.load(golden).manifest["history"]) == 2
    assert cli("regress", "check", golden, longer).code == 0
    verdict = cli("regress", "update", golden, tmp_path / "a.nird", "--reason", "fewer", "--json").json["verdict"]
    assert (verdict["equal"], verdict["populations"], len(verdict["apart"])) == (False, [], 1)


def test_a_tolerance_that_is_no_fraction(cli: Cli, tmp_path: Path) -> None:
    golden, run = tmp_path / "golden.nird", _record(tmp_path / "a.nird", _spikes())
    cli("regress", "record", golden, run)
    for given in ("nan", "2", "a=1.5", "a=-1"):
        refused = cli("regress", "check", golden, run, "--tolerance", given)
        assert refused.code == 2
        assert "a tolerance is a fraction from 0 to 1" in refused.err
    assert "cannot read the tolerance" in cli("regress", "check", golden, run, "--tolerance", "much").err
    assert cli("regress", "check", golden, run, "--tolerance", "a=0.5").code == 0


def test_an_accuracy_is_said_with_what_it_is_worth(cli: Cli, tmp_path: Path) -> None:
    some = _spikes() * np.array([[[0], [1], [1]]], np.uint8)
    golden, run = tmp_path / "golden.nird", _record(tmp_path / "a.nird", some)
    np.save(tmp_path / "labels.npy", np.zeros(3, int))
    cli("regress", "record", golden, run)
    arguments = ("regress", "check", golden, run, "--labels", tmp_path / "labels.npy")
    assert cli(*arguments, "--json").json["undecided"]["now"] >= 1
    assert "warning: golden: " in cli(*arguments).err
    assert "undecided" not in cli("regress", "check", golden, run, "--json").json
