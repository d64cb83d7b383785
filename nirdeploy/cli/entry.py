"""entry: where the command line begins, and every error ends.

Commands load when they are called, so that ``nirdeploy --help`` needs neither torch nor numpy.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from nirdeploy import __version__
from nirdeploy.cli import streams, ui
from nirdeploy.cli.groups import Group
from nirdeploy.cli.watch import WATCH
from nirdeploy.errors import InternalError, NirdeployError, ToolMissing, UsageProblem, near

_COMMANDS = {
    "export": "A PyTorch module to a NIR file.",
    "check": "Validate a NIR file and show its normal form.",
    "simulate": "Simulate a NIR file or a build on a stimulus.",
    "targets": "List the chips and boards there are.",
    "estimate": "Where a network fits, and how fast it would be.",
    "build": "A NIR file to an image for a target.",
    "sweep": "Accuracy against bits and memory, measured on data.",
    "bitstream": "A board's hardware as a bitstream.",
    "flash": "Write a build's image into a device, or a bitstream into a board.",
    "run": "Run a stimulus on a device and record its spikes.",
    "stream": "Step a network on and on: recordings, sensors, other programs.",
    "stimulus": "A stimulus that exercises a build.",
    "verify": "Compare float model, integer simulator and device, spike for spike.",
    "view": "A page of a model, a build or a record, in the browser.",
    "evaluate": "The accuracy of float model, integers and device, and what finding a class took.",
    "regress": "Compare with a golden record (record, check, update).",
    "worker": "A worker of a Dask scheduler, beside a board.",
    "board": "The boards there are, virtual ones in the background, power (list, start, stop, power).",
    "doctor": "Whether tools, ports and boards are here, and what mends what is not.",
    "info": "What a device, image, record or build says of itself.",
    "demo": "Train, deploy, run and prove a network, end to end.",
}


_BROKEN_PIPE = 141  # 128 + SIGPIPE: whoever read the result has gone


class _ReaderGone(OSError):
    """A closed pipe, without its number: click would exit with 1 for that, which means that spikes differ."""


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGone(error.strerror) from error


class _Terminated(BaseException):
    """SIGTERM came; as KeyboardInterrupt, it is not for an ``except Exception``."""


class _Lazy(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"nirdeploy.cli.{name}_").command
        return command

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        with _told_apart():  # it writes help, and the version
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: click.Context) -> Any:
        with _told_apart():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nirdeploy")
def group() -> None:
    """Take a trained spiking network to hardware and prove that it spikes as simulated."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point: runs a command and turns every error into one paragraph and an exit code.

    Args:
        arguments: of a process that goes on with something else; None: the process is this command.
    """
    streams.prepare()
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    if arguments is None and code in (_Interrupted.exit_code, _Ended.exit_code):
        _leave(code)
    _flush()
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End at once where a signal says so: all is undone and said, and Python would wait for threads that compute on, or
    wait for what the main thread was cut off at."""
    _flush()
    os._exit(code)


def _flush() -> None:
    """What is left was said beside an error, which has its own exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        _end_on_sigterm()
        with WATCH.watching("starting"):
            result: Any = group.main(arguments, prog_name="nirdeploy", standalone_mode=False)
        streams.finish()
        return result if isinstance(result, int) else 0
    except NirdeployError as error:
        return ui.report_error(error, as_json)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        ui.note(error.format_message())
        return 2
    except click.ClickException as error:
        return ui.report_error(_misused(error), as_json)
    except _Terminated:
        return ui.report_error(_Ended("ended by SIGTERM"), as_json)
    except (click.Abort, KeyboardInterrupt):
        return ui.report_error(_Interrupted("interrupted"), as_json)
    except Exception as error:  # noqa: BLE001 - the boundary: nothing leaves it but an exit code
        if isinstance(streams.lost(), BrokenPipeError):
            return _BROKEN_PIPE
        if os.environ.get("NIRDEPLOY_TRACEBACK"):
            ui.note(traceback.format_exc())
        return ui.report_error(_unexpected(error), as_json)


def _misused(error: click.ClickException) -> UsageProblem:
    """What click refuses, and what was meant where it is a name."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = "nirdeploy" if context is None else context.command_path
    message, hint = error.format_message().rstrip("."), f"see '{path} --help'"
    if isinstance(error, click.NoSuchOption):
        every = [] if context is None else [name for one in context.command.params for name in one.opts]
        message, found = f"there is no option {error.option_name}", near(error.option_name, every)
        hint = f"did you mean {found}? {hint}" if found else hint
    elif isinstance(error, click.BadParameter) and error.param and isinstance(error.param.type, click.Choice):
        given = re.search(r"'(.*)' is not one of", message)
        found = near(given[1], map(str, error.param.type.choices)) if given else ""
        hint = f"did you mean {found!r}? {hint}" if found else hint
    return UsageProblem(message, hint=hint)


class _Interrupted(NirdeployError):
    """Ctrl-C."""

    exit_code, code = 130, "E130"


class _Ended(NirdeployError):
    """SIGTERM."""

    exit_code, code = 143, "E143"


def _end_on_sigterm() -> None:
    """End as by Ctrl-C: what was begun is undone, and processes of ours end too."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _ended)


def _ended(_number: int, _frame: object) -> NoReturn:
    raise _Terminated


def _unexpected(error: Exception) -> NirdeployError:
    """A bug, or a disk that is full, a folder that may not be written, ..."""
    if isinstance(error, OSError) and error is streams.lost():
        return ToolMissing(
            f"the result could not be written: {error.strerror}",
            where="stdout",
            hint="make room where it goes, or let it go elsewhere",
        )
    if isinstance(error, FileNotFoundError) and not error.filename and _is_nowhere():
        return ToolMissing("the current folder is not there any more", hint="go to another: cd FOLDER")
    if isinstance(error, OSError):
        return ToolMissing(f"the system refused: {error.strerror or error}", where=str(error.filename or ""))
    if isinstance(error, MemoryError):
        return ToolMissing(
            "there is not memory enough for this",
            hint="give it less at a time, end other programs, or take a machine with more memory",
        )
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return InternalError(
        f"this is a bug in nirdeploy: {type(error).__name__}: {error}",
        where=f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last else "",
        hint="set NIRDEPLOY_TRACEBACK=1 to see the traceback, and report it",
    )


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
