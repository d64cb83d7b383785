"""nirdeploy estimate."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.graph import file as nirfile
from tests import networks
from tests.unit.cli.conftest import Cli


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nirfile.write(tmp_path / "m.nir", networks.two_layers())
    return tmp_path / "m.nir"


def test_a_line_for_each_target(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("estimate", model, "--json")
    rows = {row["target"]: row for row in done.json["targets"]}
    assert rows["fpga"]["fits"]
    assert rows["loihi2"]["figures"]["latency_steps"] == 2
    assert not rows["speck2e"]["fits"]
    assert "lif1" in rows["speck2e"]["why"]
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli("estimate", model).out
    assert "per step, at 0.1 spikes per neuron" in shown
    assert all(title in shown for title in ("step", "energy", "cores", "fullest memory"))
    lines = shown.splitlines()
    assert all(len([line for line in lines if line.startswith(f"{name} ")]) == 1 for name in rows)  # none is cut short
    assert max(len(line) for line in lines if str(model) not in line) <= 80
    assert "node" not in shown
    assert f"nirdeploy estimate {model} --why" in " ".join(map(str.strip, lines))


def test_reasons_are_said_once_each(cli: Cli, model: Path) -> None:
    shown = cli("estimate", model, "--why").out
    assert "speck2e, speck2f:\n  node 'lif1' is a LIF, the chip's neurons are IF" in shown
    assert shown.count("the chip's neurons are IF") == 1
    assert "(so too 'lif2')" in shown


def test_a_target_in_detail(cli: Cli, model: Path) -> None:
    shown = cli("estimate", model, "-t", "fpga").out
    assert all(title in shown for title in ("cycles", "to output", "synaptic events", "step on the line"))
    assert "what its inputs and outputs take on the serial line" in shown
    assert "segments: pieces of what a core listens to" in shown  # a term, where it stands


def test_what_if(cli: Cli, model: Path) -> None:
    usual = cli("estimate", model, "-t", "fpga", "--json").json["targets"][0]["figures"]
    few = cli("estimate", model, "-t", "fpga", "--lanes", "4", "--cores", "1", "--clock", "24", "--json")
    figures = few.json["targets"][0]["figures"]
    assert figures["cycles"] > usual["cycles"]
    assert figures["step_us"] == pytest.approx(figures["cycles"] / 24)
    assert figures["link_us"] == usual["link_us"] > 0  # the line does not get faster by it


def test_busier_networks_take_longer(cli: Cli, model: Path) -> None:
    cycles = [
        cli("estimate", model, "-t", "fpga", "--activity", activity, "--json").json["targets"][0]["figures"]["cycles"]
        for activity in (0.0, 0.3, 1.0)
    ]
    assert cycles[0] < cycles[1] < cycles[2]


def test_what_if_of_what(cli: Cli, model: Path) -> None:
    done = cli("estimate", model, "--lanes", "8")
    assert done.code == 2
    assert "name it with --target" in done.err
    done = cli("estimate", model, "-t", "loihi2", "--lanes", "8")
    assert done.code == 3
    assert "there is no hardware parameter 'lanes'" in done.err
    assert cli("estimate", model, "--activity", "7").code == 2


def test_what_the_hardware_takes_of_its_chip(cli: Cli, model: Path) -> None:
    done = cli("estimate", model, "-t", "fpga-icebreaker", "--json").json["targets"][0]
    assert done["fits"]
    cells = {use["name"]: use for use in done["chip"]}
    assert cells["logic cell"]["available"] == 5280
    assert cells["multiplier"] == {"name": "multiplier", "used": 7, "available": 8}
    shown = cli("estimate", model, "-t", "fpga-icebreaker").out
    assert "chip, estimated" in shown
    assert "to output" in shown


def test_what_if_it_were_too_large_for_the_chip(cli: Cli, model: Path) -> None:
    nirfile.write(model, networks.looped(networks.two_layers(sizes=(40, 900, 10))))
    done = cli("estimate", model, "-t", "fpga-icebreaker", "--lanes", "256")
    assert done.code == 0
    assert "the spikes of 'lif1' come back to where they came from, so that this part has to fit one pass" in done.out
    assert "the hardware does not fit the chip: about" in done.out
    assert "128 of 4 single-port RAM (256 kbit)s, 124 too many" in done.out
    assert "chip, estimated" in done.out
