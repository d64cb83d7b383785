"""``nirdeploy build``: bits by population, and integers chosen by samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.pipeline import Build
from tests import networks
from tests.unit.cli.conftest import Cli


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nirfile.write(tmp_path / "m.nir", networks.two_layers())
    return tmp_path / "m.nir"


@pytest.fixture
def samples(tmp_path: Path, model: Path) -> Path:
    """Labels are what the float network says."""
    x = networks.spikes(1, (8, 16, 20))
    labels = nd.simulate(model, x).spikes["lif2"].sum(axis=0).argmax(axis=1)
    np.savez(tmp_path / "samples.npz", x=x, labels=labels)
    return tmp_path / "samples.npz"


def test_bits_by_layer_stand_in_the_report(cli: Cli, model: Path, tmp_path: Path) -> None:
    found = cli("build", model, "-o", tmp_path / "b", "--bits", "fc1=4,lif2=2", "--json").json
    assert [row["weight_bits"] for row in found["quantization"]] == [4, 2]
    assert found["weight_bytes"] == (20 * 30 * 4 + 30 * 5 * 2 + 7) // 8
    assert found["calibration"] is None
    network = Build.load(tmp_path / "b").network
    assert [int(np.abs(p.weight).max()) for p in network.projections] == [7, 1]
    shown = cli("build", model, "-o", tmp_path / "b", "--bits", "4").out
    assert "weight bits" in shown
    assert "weights: 375 bytes" in shown


def test_calibrated_on_samples(cli: Cli, model: Path, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    found = cli("build", model, "-o", folder, "--bits", "2", "--calibrate", samples, "--json").json["calibration"]
    assert found["after"]["value"] < found["before"]["value"]
    assert found["after"]["wrong"] <= found["before"]["wrong"]
    built = Build.load(folder)
    assert built.calibration is not None
    assert built.calibration.as_dict() == found
    # The float network stays the user's own: what is proved is the way from there.
    assert built.graph.digest() == found["source"] != built.calibration.graph.digest()
    assert built.manifest()["digests"]["calibration"] == built.calibration.digest()
    assert "calibrated on 16 samples" in cli("build", model, "-o", folder, "--calibrate", samples).out
    proof = cli("verify", folder, "-x", samples, "-p", "virtual", "--html", tmp_path / "page.html")
    assert proof.code == 0
    assert "thresholds were moved on purpose" in " ".join(proof.out.split())
    assert "Calibration" in (tmp_path / "page.html").read_text()
    # Built again without samples, nothing of it is left.
    cli("build", model, "-o", folder)
    assert Build.load(folder).calibration is None


def test_bits_within_a_memory(cli: Cli, model: Path, samples: Path, tmp_path: Path) -> None:
    asked = ("build", model, "-o", tmp_path / "b", "--bits", "auto:60%")
    found = cli(*asked, "--calibrate", samples, "--json").json
    assert found["weight_bytes"] <= 0.6 * 750
    refused = cli(*asked)
    assert refused.code == 2
    assert "--calibrate SAMPLES.npz" in refused.err


def test_a_build_goes_on_with_other_bits(cli: Cli, model: Path, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    cli("build", model, "-o", folder, "--bits", "2", "--calibrate", samples)
    kept = Build.load(folder)
    assert cli("build", "-o", folder, "--from", "quantize").code == 0
    assert Build.load(folder).network.digest() == kept.network.digest()
    assert cli("build", "-o", folder, "--from", "quantize", "--bits", "4").code == 0
    again = Build.load(folder)
    assert again.calibration is None
    assert again.network.digest() == nd.build(model, bits=4).network.digest()
    assert again.graph.digest() == nd.build(model, bits=4).graph.digest()
    late = cli("build", "-o", folder, "--from", "emit", "--bits", "4")
    assert late.code == 2
    assert "resume from 'quantize'" in late.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bits", "fc9=4"], "no population 'fc9'"),
        (["--bits", "many"], "how many bits"),
        (["--bits", "3"], "2, 4 or 8 bits"),
        (["--bits", "4", "-t", "loihi2"], "one width: 8 bits"),
        (["--bits", "auto:5%", "--calibrate", "SAMPLES"], "at the narrowest"),
        (["--calibrate", "nowhere.npz"], "no such stimulus file"),
    ],
)
def test_what_cannot_be_is_said(
    cli: Cli, model: Path, samples: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    told = [str(samples) if option == "SAMPLES" else option for option in options]
    found = cli("build", model, "-o", tmp_path / "b", *told)
    assert found.code in (2, 3, 4)
    assert said in " ".join(found.err.split())
    assert not (tmp_path / "b").exists()


def test_estimate_and_check_take_bits_too(cli: Cli, model: Path) -> None:
    assert cli("check", model, "-t", "fpga", "--bits", "fc1=2").code == 0
    assert cli("check", model, "-t", "fpga", "--bits", "3").code == 4
    found = cli("estimate", model, "-t", "fpga", "-t", "loihi2", "--bits", "4", "--json").json["targets"]
    assert [one["fits"] for one in found] == [True, False]
    assert "one width: 8 bits" in found[1]["why"]
