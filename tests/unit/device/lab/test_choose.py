"""A name wherever a port is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.device.lab import choose
from nirdeploy.errors import DeviceMismatch, PortBusy, PortError, UsageProblem
from nirdeploy.records import boards, claims
from nirdeploy.targets import registry
from tests.doubles.device import DeviceModel, ServedModel
from tests.plugged import Plug, adapter

Lab = Callable[[str], Path]
BENCH = '[boards.bench1]\nport = "auto:D00137"\ntarget = "fpga-ulx3s"\n'


def of(port: str, target: str = "fpga") -> str:
    return f'[boards.bench1]\nport = "{port}"\ntarget = "{target}"\n'


def test_what_is_no_name_is_taken_as_it_is(lab: Lab) -> None:
    lab("nonsense")  # nobody reads it
    for spec in ("virtual", "auto", "auto:X", "/dev/ttyUSB0", "socket://h:1", "COM3", "fault:drop=0.1:virtual"):
        assert choose.board(spec) is None
        assert choose.port(spec) == spec


def test_a_name_is_its_port_behind_faults_too(lab: Lab) -> None:
    lab(of("virtual"))
    named = choose.board("fault:drop=0.1:bench1")
    assert named is not None
    assert named.port == "virtual"
    assert choose.port("fault:drop=0.1:bench1") == "fault:drop=0.1:virtual"
    assert choose.is_virtual("bench1")
    assert choose.is_virtual("virtual")
    assert not choose.is_virtual("/dev/my-virtual")


def test_an_unknown_name_says_which_there_are(lab: Lab) -> None:
    with pytest.raises(PortError, match=r"no board 'bench' .*no boards.toml was found.*name a port by its path"):
        choose.board("bench")
    path = lab(BENCH)
    with pytest.raises(PortError, match="there is no board 'bench'") as caught:
        choose.board("bench")
    assert (caught.value.where, caught.value.hint) == (str(path), "did you mean 'bench1'? boards: bench1")
    (path.parent / "bench").touch()  # a port's path from here
    assert choose.board("bench") is None


def test_a_board_in_the_background_has_its_name(lab: Lab) -> None:
    with boards.announced("/dev/pts/77", "lab7", "fpga", 9600):
        named = choose.board("lab7")
    assert named is not None
    assert (named.port, named.baud, named.file) == ("/dev/pts/77", 9600, None)
    choose.agree(named, registry.load("fpga-ulx3s"))  # it says itself what it is


def test_where_a_board_is(lab: Lab, plugged: Plug) -> None:
    lab(BENCH)
    named = choose.board("bench1")
    assert named is not None
    with pytest.raises(PortError, match="no board 'ULX3S' with the serial number 'D00137' is plugged in"):
        choose.device_of(named)
    plugged(adapter("/dev/ttyUSB7"), adapter("/dev/ttyUSB8", serial="D2"))
    assert choose.device_of(named) == "/dev/ttyUSB7"
    with choose.claimed(named), pytest.raises(PortBusy, match="board 'bench1'"):
        claims.claim("/dev/ttyUSB7", "board 'bench1'")
    lab(of("/dev/nowhere"))
    absent = choose.board("bench1")
    assert absent is not None
    with pytest.raises(PortError, match="there is no port /dev/nowhere"):
        choose.device_of(absent)


def test_the_wrong_target_is_said_before_anything_is_sent(lab: Lab) -> None:
    path = lab(of("/dev/nowhere", "fpga-ulx3s"))  # no port is looked for either
    with pytest.raises(DeviceMismatch, match="board 'bench1' is of target 'fpga-ulx3s'") as caught:
        nd.open_device("bench1", "fpga")
    assert caught.value.where == str(path)
    assert "-t fpga-ulx3s" in caught.value.hint


def test_a_board_is_opened_by_its_name_alone(lab: Lab) -> None:
    ulx3s = registry.load("fpga-ulx3s")
    said: list[str] = []
    with ServedModel(DeviceModel(ulx3s)) as served:
        path = lab(of(served.port, "fpga-ulx3s"))
        with nd.open_device("bench1", say=said.append) as device:
            assert device.hello().signature == ulx3s.signature
            with pytest.raises(PortBusy, match=rf"board 'bench1' is held by process {os.getpid()}"):
                nd.open_device("bench1")
        nd.open_device("bench1").close()  # given back
    assert said == [f"board 'bench1' of {path}: port {served.port}, target fpga-ulx3s"]


def test_a_program_that_knows_of_no_claims_is_waited_for(lab: Lab) -> None:
    from nirdeploy.device.ports import SerialPort

    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        lab(of(served.port))
        other = SerialPort(served.port, 9600)
        with nd.open_device("bench1", wait=600, say=lambda text: other.close() if "waiting" in text else None):
            pass


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_how_long_to_wait(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv(choose.WAIT, raising=False)
    assert choose.wait() == 0
    with choose.asked(choose.WAIT, "2.5"):
        assert choose.wait() == 2.5
        with choose.asked(choose.WAIT, text), pytest.raises(UsageProblem, match="not a number of seconds"):
            choose.wait()
        with choose.asked(choose.WAIT, text), pytest.raises(UsageProblem, match="not a number of seconds"):
            nd.open_device("virtual")
        assert choose.wait() == 2.5
    assert choose.wait() == 0
