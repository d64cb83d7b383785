"""Power switches: real commands, without a shell, and not for ever."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nirdeploy.device.lab import choose, power
from nirdeploy.device.lab.file import NamedBoard
from nirdeploy.errors import ToolMissing, UsageProblem
from nirdeploy.records import boards

Lab = Callable[[str], Path]


@pytest.fixture
def board(lab: Lab) -> Callable[[str], NamedBoard]:
    def make(text: str) -> NamedBoard:
        lab(f'[boards.a]\nport = "/dev/ttyX"\ntarget = "fpga"\n{text}')
        named = choose.board("a")
        assert named is not None
        return named

    return make


def python(program: str) -> str:
    return repr([sys.executable, "-c", program])


def test_words_are_words(board: Callable[[str], NamedBoard]) -> None:
    named = board(
        "power.on = " + repr([sys.executable, "-c", "import sys, os; print(sys.argv[1:], os.getcwd())", "; $HOME *"])
    )
    assert power.switch(named, "on") == [f"['; $HOME *'] {Path.cwd()}"]


def test_a_cycle_is_off_and_on(board: Callable[[str], NamedBoard], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_PAUSE_S", 0)
    named = board(f"power.on = {python('print(1)')}\npower.off = {python('print(0)')}")
    assert power.switch(named, "cycle") == ["0", "1"]
    assert power.commands(board('power.cycle = ["x", "y"]'), "cycle") == [["x", "y"]]


def test_a_program_beside_the_file(board: Callable[[str], NamedBoard], lab: Lab) -> None:
    named = board('power.on = ["./switch.sh"]')
    assert power.missing(named) == ["./switch.sh"]
    script = Path.cwd() / "switch.sh"
    script.write_text("#!/bin/sh\necho switched\n")
    script.chmod(0o755)
    assert power.switch(named, "on") == ["switched"]
    assert power.missing(named) == []


def test_no_such_command(board: Callable[[str], NamedBoard]) -> None:
    for text, to in (("", "on"), ('power.on = ["x"]', "cycle"), ('power.on = ["x"]', "off")):
        with pytest.raises(UsageProblem, match=rf"no command that switches its power {to} .*name one there"):
            power.commands(board(text), "on" if to == "on" else "off" if to == "off" else "cycle")
    with boards.announced("/dev/pts/77", "lab7", "fpga", 9600):
        named = choose.board("lab7")
    assert named is not None
    with pytest.raises(UsageProblem, match="in the background"):
        power.switch(named, "on")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('power.on = ["no-such-program", "1"]', "cannot run no-such-program: .*the command is: no-such-program 1"),
        (f"power.on = {python('print(7); raise SystemExit(3)')}", "failed with status 3: 7"),
        (f"power.on = {python('raise SystemExit(3)')}", "failed with status 3: no word"),
        ('power.on = ["sleep", "600"]\npower.seconds = 0.1', "took longer than 0.1 s and was ended: sleep 600"),
        # what it started is ended too: else its end of the pipe would keep us waiting
        ('power.on = ["sh", "-c", "sleep 600 & sleep 600"]\npower.seconds = 0.1', "took longer"),
    ],
)
def test_what_goes_wrong(board: Callable[[str], NamedBoard], text: str, said: str) -> None:
    with pytest.raises(ToolMissing, match=said) as caught:
        power.switch(board(text), "on")
    assert "boards.toml" in caught.value.where
