"""What inputs hold, said on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.cli import inputs
from nirdeploy.errors import UsageProblem
from nirdeploy.graph import file as nirfile
from nirdeploy.records.inputs import InputEncoding
from tests import networks
from tests.unit.cli.conftest import Cli


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nirfile.write(tmp_path / "m.nir", networks.two_layers())
    return tmp_path / "m.nir"


def test_values_of_all_inputs_or_by_name() -> None:
    assert inputs.held(None, "-1:1", None) == {"input_bits": None, "input_range": (-1, 1), "input_scale": None}
    said = inputs.held("a=4, b=8", "a=0:1,b=-1e3:.5", "b=0.25")
    assert said["input_bits"] == {"a": 4, "b": 8}
    assert said["input_range"] == {"a": (0, 1), "b": (-1000, 0.5)}
    assert said["input_scale"] == {"b": 0.25}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("many", None, None), "--input-bits 'many'.*a number of bits, 1 to 8"),
        ((None, "1", None), "--input-range '1'.*the lowest and the highest number, -1:1"),
        ((None, "a=0:1,5:6", None), "NAME=... by input, with commas"),
        ((None, None, "a"), "--input-scale 'a'.*the step"),
    ],
)
def test_what_says_nothing(said: tuple[str | None, str | None, str | None], says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        inputs.held(*said)


def test_build_records_and_says_the_encoding(cli: Cli, model: Path, tmp_path: Path) -> None:
    done = cli("build", model, "-o", tmp_path / "b", "--input-range", "-1:1")
    assert done.code == 0
    assert "input 'input' takes -1.00787 to 1 in steps of 0.00787 (8 bits), 0 is 128" in done.out
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert manifest["options"]["inputs"] == {"input": {"bits": 8, "input_scale": 1 / 127, "input_zero": 128}}
    assert cli("build", model, "-o", tmp_path / "c", "--json").json["options"].get("inputs") is None
    built = nd.Build.load(tmp_path / "b")
    assert built.network.takes["input"] == built.image.inputs[0].encoding == InputEncoding(8, 1 / 127, 128)


def test_check_and_estimate_take_the_same_options(cli: Cli, model: Path) -> None:
    said = cli("check", model, "-t", "fpga", "--input-scale", "0.5", "--input-bits", "4", "--json").json
    assert said["encodings"] == {"input": {"bits": 4, "input_scale": 0.5, "input_zero": 0}}
    assert (
        "takes 0 to 7.5 in steps of 0.5 (4 bits)" in cli("check", model, "--input-scale", "0.5", "--input-bits", 4).out
    )
    rows = {row["target"]: row for row in cli("estimate", model, "--input-range", "0:1", "--json").json["targets"]}
    assert rows["fpga"]["fits"]
    assert "8 bits of an input value" in rows["fpga-icebreaker"]["why"]
    assert "the input 'input' is to hold 0 to 1 in steps of 0.00392 (8 bits)" in rows["loihi2"]["why"]
    assert "(--input-bits)" in rows["loihi2"]["why"]
    for options in (["--input-bits", "9"], ["--input-range", "1:0"], ["--input-range", "x=0:1"]):
        refused = cli("check", model, *options)
        assert refused.code == 2
        assert "Traceback" not in refused.err


def test_simulate_with_integers_takes_them_too(cli: Cli, model: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2, 20)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "r.nird"
    ranged = ["--input-range", "-1:1"]
    assert cli("simulate", model, tmp_path / "x.npy", "--integer", "8", *ranged, "-o", out, "--json").json["spikes"][
        "lif1"
    ]
    refused = cli("simulate", model, tmp_path / "x.npy", "--integer", "8", "-o", out)
    assert refused.code == 2
    assert "build with --input-range -" in refused.err
    assert cli("simulate", model, tmp_path / "x.npy", "-o", out).code == 0
    assert "go with --integer" in cli("simulate", model, tmp_path / "x.npy", *ranged, "-o", out).err


def test_verify_says_how_much_the_rounding_of_the_input_changes(cli: Cli, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(-1, 1, (50, 8, 20)))
    cli("build", model, "-o", tmp_path / "b", "--input-range", "-1:1", "--input-bits", "3")
    said = cli("verify", tmp_path / "b", "-x", tmp_path / "x.npy", "-p", "sim", "--json").json
    assert not said["equal"]  # nothing was measured
    causes = [cause["rounding"] for cause in said["explanation"]["causes"]]
    assert causes[0] == "input"
    assert "weight" in causes
