"""boards.toml: what each board of a lab is called, where it is plugged in, and what it is.

[boards.bench1]
port = "auto:D00137"                       # by the serial number of its USB adapter; or "/dev/ttyUSB1"
target = "NAME"                            # a target's name, or a .toml file beside this one
bitstream = "bitstreams/board.bit"         # optional
power.cycle = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "cycle"]   # optional: on, off, cycle; no shell runs them
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from nirdeploy.device import faults
from nirdeploy.device.ports import AUTO, MOST_BAUD, serial_of
from nirdeploy.errors import BoardsFileError, CorruptFile, UsageProblem, near
from nirdeploy.records import files
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Board, Line, Target

FILE = "boards.toml"
VARIABLE = "NIRDEPLOY_BOARDS"
VIRTUAL = "virtual"
RESERVED = frozenset({VIRTUAL, AUTO, "sim"})  # mean something else where a port is named

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WINDOWS = re.compile(r"(?i)(com|lpt)\d+|con|nul|prn|aux")
_OF_MACHINES = ("socket", "rfc2217")
_MOST = 1 << 20  # bytes of such a file

NAMES = "letters, digits, '.', '_' and '-', 64 at most, a letter or digit first"


def is_name(text: str) -> bool:
    """Whether a board may be called so: never a path, a URL, a word of our own or a port of Windows."""
    return bool(_NAME.fullmatch(text)) and text not in RESERVED and not _WINDOWS.fullmatch(text)


def check_name(text: str) -> str:
    """``text``, which a board may be called. Raises :class:`UsageProblem`."""
    hint = "choose another name"
    if text in RESERVED:
        why = ", which means something else where a port is named"
    elif _WINDOWS.fullmatch(text):
        why = ", which Windows calls a device of its own"
    elif text in registry.names():
        why = ": this is a target's name"
    elif is_name(text):
        return text
    else:
        why, hint = "", f"name it by {NAMES}"
    raise UsageProblem(f"a board cannot be called {text!r}{why}", hint=hint)


def _a_port(text: str) -> str:
    try:
        inner = faults.parse(text)[1] if text.startswith(faults.PREFIX) else text
    except UsageProblem as error:
        raise ValueError(error.message) from error
    _check_url(inner)
    if inner in (VIRTUAL, AUTO) or serial_of(inner) or re.search(r"[/\\:]", inner) or _WINDOWS.fullmatch(inner):
        return text
    raise ValueError(f"{text!r} is no port; write a path (/dev/ttyUSB1), 'auto:SERIAL', a URL or 'virtual'")


def _check_url(text: str) -> None:
    """Raises ValueError where a URL of a machine names none, or no port of it."""
    scheme, found, _ = text.partition("://")
    if not found or scheme.lower() not in _OF_MACHINES:
        return
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port is not None
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"{text!r} names no machine and port of it, as in {scheme}://HOST:4001")


Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Power(_Table):
    """Commands that switch a board's supply, as words; each may take ``seconds``."""

    on: Words | None = None
    off: Words | None = None
    cycle: Words | None = None
    seconds: Annotated[float, Field(gt=0, le=600, strict=False)] = 30.0


class _Entry(_Table):
    port: Annotated[Line, Field(min_length=1), AfterValidator(_a_port)]
    target: Annotated[Line, Field(min_length=1)]
    baud: Annotated[int, Field(gt=0, le=MOST_BAUD)] | None = None
    bitstream: Annotated[Line, Field(min_length=1)] | None = None
    power: Power | None = None


class _File(_Table):
    boards: dict[str, _Entry]


@dataclass(frozen=True)
class NamedBoard:
    """A board of boards.toml; or, ``virtual``, one in the background that ``board start`` named.

    ``file``: which says so. ``target_name``: as there; ``bitstream``: where it is.
    """

    name: str
    port: str
    target_name: str
    file: Path | None
    baud: int | None = None
    bitstream: Path | None = None
    power: Power | None = None

    @property
    def said(self) -> str:
        """What it is, and where from."""
        of = f"of {self.file}" if self.file else "in the background"
        return f"board {self.name!r} {of}: port {self.port}, target {self.target_name}"

    def target(self) -> Target:
        """Raises what :func:`nirdeploy.targets.registry.load` does."""
        own = self.target_name.endswith(".toml") and self.file is not None
        return registry.load(self.file.parent / self.target_name if own and self.file else self.target_name)

    def hardware(self) -> Board:
        """What its target is on. Raises as :meth:`target`, and :class:`UsageProblem` where that has no board."""
        return self.target().serial_board


@dataclass(frozen=True)
class Lab:
    """The boards of a file by name; ``file`` is None where there is none."""

    file: Path | None
    boards: dict[str, NamedBoard]


def find() -> Path | None:
    """The file to read: what ``--boards`` or ``NIRDEPLOY_BOARDS`` names, else the first boards.toml from this folder
    upward, else that of the user's configuration.

    Raises:
        UsageProblem: what is named is not there, or no file.
        BoardsFileError: the one that is found is no file; or, on the way up, it is another user's: it names commands
            that this user would run.
    """
    if chosen := os.environ.get(VARIABLE):
        if not Path(chosen).is_file():
            error = files.absent(Path(chosen), "file of boards")
            error.hint = f"--boards and {VARIABLE} name a {FILE}; {error.hint}"
            raise error
        return Path(chosen).absolute()
    here = Path.cwd()
    for path in (folder / FILE for folder in (here, *here.parents)):
        if os.path.lexists(path):
            _refuse_strangers(_refuse_others(path), path)
            return path
    try:
        own = platformdirs.user_config_path("nirdeploy", appauthor=False) / FILE
    except RuntimeError:  # a user without a home has none
        return None
    if not os.path.lexists(own):
        return None
    _refuse_others(own)
    return own


def _refuse_others(path: Path) -> os.stat_result:
    """What there is of a file. Raises :class:`BoardsFileError` where it is none: the next one is not meant."""
    hint = "put a file in its place or remove it, or name another with --boards"
    try:
        found = path.stat()
    except OSError as error:
        raise BoardsFileError(
            f"cannot follow this link: {error.strerror}" if path.is_symlink() else f"cannot look: {error.strerror}",
            where=str(path),
            hint=hint,
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise BoardsFileError(f"this is {files.kind_of(found.st_mode)}, not a file", where=str(path), hint=hint)
    return found


def _refuse_strangers(found: os.stat_result, path: Path) -> None:
    if not hasattr(os, "getuid"):
        return
    if found.st_uid not in (os.getuid(), 0) or found.st_mode & stat.S_IWOTH:
        whose = "everybody may write" if found.st_mode & stat.S_IWOTH else "belongs to another user"
        raise BoardsFileError(
            f"this file, which is on the way from the current folder up, {whose}; it can name commands to run",
            where=str(path),
            hint=f"if you trust it, say so: --boards {shlex.quote(str(path))}",
        )


def load() -> Lab:
    """The boards there are by name. Raises :class:`BoardsFileError`, all mistakes at once, or as :func:`find`."""
    path = find()
    if path is None:
        return Lab(None, {})
    try:
        data = files.toml(path, _MOST)
    except OSError as error:
        raise BoardsFileError(
            f"cannot read the file: {error.strerror}",
            where=str(path),
            hint="make it readable, or name another with --boards",
        ) from error
    except CorruptFile as error:
        raise BoardsFileError(
            error.message, where=str(path), hint="it names boards and nothing else (docs/labs.md)"
        ) from error
    except ValueError as error:
        raise BoardsFileError(f"not valid TOML: {error}", where=str(path), hint="compare with docs/labs.md") from error
    boards = data.get("boards")
    wrong = _wrong_names(boards) if isinstance(boards, dict) else []
    try:
        found = _File.model_validate(data).boards
    except ValidationError as error:
        found, wrong = {}, [*wrong, *map(_mistake, error.errors())]
    if wrong:
        raise BoardsFileError("; ".join(wrong), where=str(path), hint="a board is a table [boards.NAME] (docs/labs.md)")
    return Lab(path, {name: _named(name, entry, path) for name, entry in found.items()})


def _wrong_names(names: Iterable[str]) -> list[str]:
    """What is wrong with those that no board may have."""
    wrong = []
    for name in names:
        try:
            check_name(name)
        except UsageProblem as error:
            wrong.append(f"boards.{name}: {error.message} ({error.hint})")
    return wrong


def _named(name: str, entry: _Entry, path: Path) -> NamedBoard:
    bitstream = None if entry.bitstream is None else path.parent / entry.bitstream
    return NamedBoard(name, entry.port, entry.target, path, entry.baud, bitstream, entry.power)


_A_LIST = 'a list of words, such as ["uhubctl", "-a", "on"]; no shell runs it'
_TEXT = 'a text of one line, in quotes, without " and \\ in it'
_LIMITS = ("gt", "le")
_MUST = {
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), "a table"),
    **dict.fromkeys(("tuple_type", "too_short"), _A_LIST),
    **dict.fromkeys(("string_type", "string_too_short", "string_pattern_mismatch"), _TEXT),
    **dict.fromkeys(("int_type", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number"),
    **{"greater_than": "more than {gt}", "less_than_equal": "{le} at most"},
}
_KEYS = {0: ("boards",), 2: tuple(_Entry.model_fields), 3: tuple(Power.model_fields)}


def _mistake(item: Any) -> str:
    place = [str(part) for part in item["loc"]]
    key, kind = ".".join(place), item["type"]
    if kind == "extra_forbidden":
        known = _KEYS.get(len(place) - 1, ())
        found = near(place[-1], known)
        remedy = f"did you mean {found!r}?" if found else f"only {', '.join(known)}"
        return f"{key}: there is no such key, {remedy}"
    if kind == "missing":
        return f"{key}: missing"
    if kind in _MUST:
        limits = {name: f"{value:,.15g}" if name in _LIMITS else value for name, value in item.get("ctx", {}).items()}
        return f"{key}: must be {_MUST[kind].format(**limits)}"
    return f"{key}: {item['msg'].removeprefix('Value error, ')}"
