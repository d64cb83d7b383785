"""power: a board's supply, switched by the commands that boards.toml names: no shell runs them, and not for ever."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nirdeploy.device.lab.file import NamedBoard
from nirdeploy.errors import ToolMissing, UsageProblem
from nirdeploy.processes import program

Switch = Literal["on", "off", "cycle"]
SWITCHES: tuple[Switch, ...] = ("on", "off", "cycle")
_PAUSE_S = 1.0  # without power, so that capacitors are empty


def commands(board: NamedBoard, to: Switch) -> list[list[str]]:
    """What switches a board so, one after the other: a cycle without a command of its own is off, then on.

    Raises:
        UsageProblem: boards.toml names no such command.
    """
    power = board.power
    named = getattr(power, to) if power is not None else None
    if named is not None:
        return [list(named)]
    if to == "cycle" and power is not None and power.on is not None and power.off is not None:
        return [list(power.off), list(power.on)]
    example = f'power.{to} = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "{to}"]'
    raise UsageProblem(
        f"board {board.name!r} has no command that switches its power {to}",
        where=str(board.file or "in the background"),
        hint=f"name one there, such as {example}",
    )


def switch(board: NamedBoard, to: Switch) -> list[str]:
    """Switch a board's power; the lines that the commands printed.

    They run in the folder of boards.toml, without input, and are ended with all that they started after
    ``power.seconds``.

    Raises:
        UsageProblem: no such command. ToolMissing: it is not installed, failed, or took too long.
    """
    said: list[str] = []
    todo = commands(board, to)
    for number, words in enumerate(todo):
        if number:
            time.sleep(_PAUSE_S)
        said += _run(words, board)
    return said


def missing(board: NamedBoard) -> list[str]:
    """The programs of its commands that are not there."""
    power = board.power
    every = [words for to in SWITCHES if power is not None and (words := getattr(power, to)) is not None]
    return list(dict.fromkeys(words[0] for words in every if shutil.which(_program(words[0], board)) is None))


def _program(word: str, board: NamedBoard) -> str:
    """A program named by a path stands beside boards.toml."""
    return str(_home(board) / word) if Path(word).name != word else word


def _home(board: NamedBoard) -> Path:
    return board.file.parent if board.file is not None else Path.cwd()


def _run(words: Sequence[str], board: NamedBoard) -> list[str]:
    seconds = board.power.seconds if board.power is not None else 0.0
    shown, where = " ".join(words), str(board.file or "")
    command = [_program(words[0], board), *words[1:]]
    try:
        done = program.run(command, _home(board), seconds=seconds, stderr=subprocess.STDOUT)
    except OSError as error:
        raise ToolMissing(
            f"cannot run {words[0]}: {error.strerror}", where=where, hint=f"install it; the command is: {shown}"
        ) from error
    except subprocess.TimeoutExpired:
        raise ToolMissing(
            f"the power command of board {board.name!r} took longer than {seconds:g} s and was ended: {shown}",
            where=where,
            hint="allow it more by power.seconds",
        ) from None
    if done.returncode:
        last = " / ".join(done.stdout.strip().splitlines()[-2:])
        raise ToolMissing(
            f"the power command of board {board.name!r} failed with status {done.returncode}: {last or 'no word'}",
            where=where,
            hint=f"the command was: {shown}",
        )
    return done.stdout.splitlines()
