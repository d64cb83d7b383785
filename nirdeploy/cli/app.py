"""The table of contents of the command line, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from nirdeploy import __version__
from nirdeploy.cli import ui
from nirdeploy.errors import InternalError, NirdeployError, ToolMissing, UsageProblem

#: Set it to see the traceback of an unexpected error.
TRACEBACK = "NIRDEPLOY_TRACEBACK"

INTERRUPTED = 130
BROKEN_PIPE = 141

#: Each command's one line of help. ``nirdeploy.cli.NAME`` holds it and is imported when it is called.
COMMANDS = {
    "export": "Express a PyTorch network in NIR.",
    "check": "Check a .nir file, and whether it fits a target.",
    "targets": "List the targets.",
    "build": "Build a device image from a .nir file.",
    "flash": "Write a built network to a device.",
    "run": "Run a stimulus on a device, or simulate it.",
    "verify": "Compare spikes: simulation against device, or two records.",
    "regress": "Compare with a golden record.",
    "board": "Keep virtual boards running.",
    "info": "Describe a device, or a file that nirdeploy wrote.",
    "demo": "Train, deploy and verify a network for handwritten digits.",
}


class _Commands(click.Group):
    """Loads a command's module when it is called, so that ``--help`` costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"nirdeploy.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nirdeploy")
def app() -> None:
    """Take a trained spiking neural network to hardware and prove that it spikes as simulated.

    Every command takes --json (one object on stdout) where it reports something. Exit codes: 0 ok,
    1 spikes differ, 2 usage, 3 bad file, 4 does not fit the target, 5 tool or environment, 6 port,
    7 transfer or device, 8 bug, 130 interrupted.
    """


def invoke(args: Sequence[str]) -> int:
    """Run one command line; the exit code. No error leaves this function as an exception."""
    as_json = "--json" in args
    try:
        code = app.main(args=list(args), prog_name="nirdeploy", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return UsageProblem.exit_code
    except click.ClickException as error:
        return ui.fail(_usage(error), as_json)
    except NirdeployError as error:
        return ui.fail(error, as_json)
    except click.Abort:
        ui.interrupted(INTERRUPTED, as_json)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        where = str(error.filename) if error.filename else ""
        return ui.fail(ToolMissing(f"the system refused: {error.strerror or error}", where=where), as_json)
    except Exception as error:  # noqa: BLE001 - the boundary: what nobody expected is a bug, reported as one
        if os.environ.get(TRACEBACK):
            ui.note(traceback.format_exc())
        return ui.fail(_bug(error), as_json)


def main() -> None:
    """Entry point of the ``nirdeploy`` command."""
    sys.exit(invoke(sys.argv[1:]))


def _usage(error: click.ClickException) -> UsageProblem:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "nirdeploy"
    return UsageProblem(_sentence(error.format_message()), hint=f"see '{path} --help'")


def _sentence(text: str) -> str:
    """click's message in this package's style: lower case, no full stop."""
    return (text[:1].lower() + text[1:]).rstrip(".")


def _bug(error: Exception) -> InternalError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return InternalError(
        f"nirdeploy met an error it did not expect: {type(error).__name__}: {error}",
        where=f"{os.path.basename(last.filename)}:{last.lineno}",
        hint=f"please report it; set {TRACEBACK}=1 for the traceback",
    )
