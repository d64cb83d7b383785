"""Options that several commands share, under the same names everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from nirdeploy.cli.ui import Terminal

Command = Callable[..., Any]


class TargetName(click.ParamType):
    """A target's name or the path of a ``.toml`` file; completes the names."""

    name = "target"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from nirdeploy import target

        return [CompletionItem(name) for name in target.names() if name.startswith(incomplete)]


class Shape(click.ParamType):
    """Sizes separated by commas: ``1,64``."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            shape = tuple(int(size) for size in str(value).split(","))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1:
            self.fail(f"{value!r} is not a shape: give positive sizes separated by commas, such as 1,64", param, ctx)
        return shape


class Probe(click.ParamType):
    """``all``, ``outputs``, or names of populations separated by commas."""

    name = "probe"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | list[str]:
        text = str(value)
        return text if text in ("all", "outputs") else [name.strip() for name in text.split(",")]


def reporting(command: Command) -> Command:
    """Adds ``--json`` and ``-q`` and hands the command a :class:`Terminal` as ``ui``."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    @click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool, quiet: bool, **options: Any) -> Any:
        return command(*args, ui=Terminal(as_json=as_json, quiet=quiet), **options)

    return wrapped


target = click.option(
    "-t", "--target", type=TargetName(), default="fpga", show_default=True, help="Target name, or a .toml file."
)
port = click.option(
    "-p",
    "--port",
    required=True,
    envvar="NIRDEPLOY_PORT",
    show_envvar=True,
    help="Serial port of the device: /dev/ttyUSB1, a pyserial URL, 'auto', or 'virtual' for a virtual board.",
)
baud = click.option("--baud", type=click.IntRange(min=1), help="Baud rate, if not the target file's.")
probe = click.option(
    "--probe",
    type=Probe(),
    default="all",
    show_default=True,
    help="Populations to record: 'all', 'outputs', or names separated by commas.",
)
dialect = click.option(
    "--dialect", help="How the equations become steps, such as 'nir' or 'spikingjelly,reset=subtract'."
)
dt = click.option("--dt", type=click.FloatRange(min=0, min_open=True), help="Seconds per step.")


def out(default: str, what: str) -> Callable[[Command], Command]:
    """``-o/--out`` for the file or folder ``what``."""
    return click.option(
        "-o", "--out", type=click.Path(path_type=Path), default=default, show_default=True, help=f"Where to write {what}."
    )


def html(command: Command) -> Command:
    """``--html``."""
    return click.option("--html", type=click.Path(path_type=Path), help="Write an HTML report.")(command)


def junit(command: Command) -> Command:
    """``--junit``."""
    return click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML for a CI server.")(command)
