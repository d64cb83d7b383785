"""rendering: templates of a folder to text; a stranger's in a process of their own, under limits.

Templates see data and nothing else (:mod:`.plain`), and Jinja's sandbox keeps them from Python; neither from endless
loops and endless text. What nirdeploy ships renders here; what a user's target brings is rendered in a child, which may
take so much time and memory and no more, writes no file and starts no process.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import jinja2
from jinja2.environment import TemplateModule
from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from nirdeploy.errors import TargetFileError
from nirdeploy.targets.plain import Called, Numbers, View, plain

#: The partial that says which folders of templates this hardware does not need.
LEFT_OUT = "_left_out.j2"
#: Bytes of all that one folder becomes. The largest of ours makes 0.2 MB.
MOST_BYTES = 32 << 20

_CPU_S = 20
_WALL_S = 300  # ends only what sleeps, however busy the machine is
_MEMORY_BYTES = 1 << 30  # beyond what the process takes before it renders
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_HINT = "correct the template; what it makes must be text of a few megabytes, made in seconds"


@dataclass(frozen=True)
class Rendered:
    """``texts`` by the templates' names; ``left_out``: folders, which are not among them."""

    texts: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    def leaves_out(self, name: str) -> bool:
        return _is_below(name, self.left_out)


#: What templates may read attributes of: data, views of it, and what Jinja's own statements make.
_DATA = (str, bytes, int, float, complex, list, tuple, dict, range, View, Numbers)
_JINJAS = (TemplateModule, TemplateReference, BlockReference, LoopContext, Macro, Cycler, Joiner, Namespace)


class _Sandbox(SandboxedEnvironment):
    """Jinja's sandbox, which lists what is refused, behind a list of what is not: whatever a template got hold of, it
    reads and calls nothing of it that is not data."""

    def __init__(self, folder: Path) -> None:
        loader = jinja2.FileSystemLoader(folder)
        super().__init__(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        self.filters["ident"] = ident
        del self.globals["lipsum"]  # text by chance

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return isinstance(obj, (*_DATA, *_JINJAS)) and super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: Any) -> bool:
        own = getattr(getattr(obj, "__wrapped__", obj), "__self__", None)  # of a method; str.format is wrapped
        known = any(obj is one for one in self.globals.values()) or isinstance(own, (*_DATA, *_JINJAS))
        return (known or isinstance(obj, (Called, jinja2.Undefined, *_JINJAS))) and super().is_safe_callable(obj)


def rendered(folder: Path, names: Iterable[str], context: Mapping[str, Any]) -> Rendered:
    """Render templates of a folder, but for those in folders that :data:`LEFT_OUT` lists.

    ``context``: their variables, which they see as :func:`~nirdeploy.targets.plain.plain` shows them. Raises
    :class:`TargetFileError` naming template and line.
    """
    environment, room = _Sandbox(folder), MOST_BYTES
    try:
        context = plain(context)
    except TypeError as error:
        raise TargetFileError(
            str(error), where=f"the variables of {folder.name}/", hint="correct the backend's 'context'"
        ) from error
    left_out: tuple[str, ...] = ()
    if (folder / LEFT_OUT).is_file():
        left_out = tuple(_render(environment, LEFT_OUT, context, room).split())
    texts = {}
    for name in names:
        if not _is_below(name, left_out):
            texts[name] = _render(environment, name, context, room)
            room -= len(texts[name])
    return Rendered(texts, left_out)


def apart(folder: Path, names: Iterable[str], context: Mapping[str, Any]) -> Rendered:
    """As :func:`rendered`, in a process with limits. Raises :class:`TargetFileError` where they do not suffice too."""
    if not hasattr(os, "fork"):  # nor are there limits to set
        return rendered(folder, names, context)
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        _answer(send, folder, names, context)
    os.close(send)
    try:
        answer = _received(receive, str(folder))
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(receive)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGXCPU:
        raise TargetFileError(
            f"rendering the templates took more than {_CPU_S} s of processor time", where=str(folder), hint=_HINT
        )
    if status:
        raise TargetFileError(f"rendering the templates ended with status {status}", where=str(folder), hint=_HINT)
    told = json.loads(answer)
    if "message" in told:
        raise TargetFileError(told["message"], where=told["where"], hint=told["hint"])
    return Rendered(told["texts"], tuple(told["left_out"]))


def _received(pipe: int, where: str) -> bytes:
    """All that comes, until the other end closes. Raises :class:`TargetFileError` if that takes too long."""
    answer, until = bytearray(), time.monotonic() + _WALL_S
    while select.select([pipe], [], [], max(until - time.monotonic(), 0))[0]:
        data = os.read(pipe, 1 << 20)
        if not data:
            return bytes(answer)
        answer += data
    raise TargetFileError("rendering the templates did not end", where=where, hint=_HINT)


def ident(text: str) -> str:
    """The only way a name gets into generated code: a plain identifier or an error."""
    if not _IDENTIFIER.fullmatch(text):
        raise TargetFileError(f"{text!r} cannot be an identifier in generated code", hint="use letters, digits and _")
    return text


def _is_below(name: str, folders: Iterable[str]) -> bool:
    return any(PurePosixPath(name).is_relative_to(other) for other in folders)


def _render(environment: SandboxedEnvironment, name: str, context: Mapping[str, Any], room: int) -> str:
    """``room``: characters that it may make."""
    pieces, made = [], 0
    try:
        for piece in environment.get_template(name).generate(context):
            pieces.append(piece)
            made += len(piece)
            if made > room:
                raise OverflowError(f"the templates make more than {MOST_BYTES >> 20} MiB of text")
    except TargetFileError:
        raise
    except Exception as error:  # a template divides by zero, calls itself without end, asks for all memory there is
        line = getattr(error, "lineno", None) or _line(error, name)
        reason = (str(error).splitlines() or [""])[0][:300] or type(error).__name__
        raise TargetFileError(
            f"the template does not render: {reason}",
            where=f"templates/{name}" + (f" line {line}" if line else ""),
            hint=_HINT,
        ) from error
    return "".join(pieces)


def _line(error: Exception, name: str) -> int | None:
    """The last line of the template that was at work."""
    line, at = None, error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename.replace(os.sep, "/").endswith(f"/{name}"):
            line = at.tb_lineno
        at = at.tb_next
    return line


# --- the process of its own -------------------------------------------------------------


def _answer(pipe: int, folder: Path, names: Iterable[str], context: Mapping[str, Any]) -> NoReturn:
    """Render, tell what came of it, and end this process."""
    status = 1
    try:
        _limit(_CPU_S)
        told: dict[str, Any]
        try:
            found = rendered(folder, names, context)
            told = {"texts": found.texts, "left_out": found.left_out}
        except TargetFileError as error:
            told = {"message": error.message, "where": error.where, "hint": error.hint}
        with os.fdopen(pipe, "wb") as out:
            out.write(json.dumps(told).encode())
        status = 0
    finally:
        os._exit(status)


def _limit(seconds: int) -> None:
    """Limit this process in memory, and in the processor time from here on; it writes no file and starts no other."""
    try:
        import resource
    except ImportError:  # not a POSIX system: the parent's clock is the only limit
        return

    def most(kind: int, value: int) -> None:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

    taken = 0
    if Path("/proc/self/statm").is_file():
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most(resource.RLIMIT_AS, taken + _MEMORY_BYTES)
    most(resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds)
    most(resource.RLIMIT_CORE, 0)
    most(resource.RLIMIT_FSIZE, 0)  # no file is written; a pipe is none
    if hasattr(resource, "RLIMIT_NPROC"):
        most(resource.RLIMIT_NPROC, 0)  # root may start processes all the same
