"""completing: what a shell offers where a name is asked for (docs/command-line.md says how to switch it on).

Nothing here imports more than it needs, and no error of a file that is half typed leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from nirdeploy.errors import NirdeployError

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _of(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Offers those of the names that begin with what is typed; behind a comma, of a list of them."""

    def complete(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
        before, comma, begun = typed.rpartition(",")
        try:
            return [CompletionItem(f"{before}{comma}{name}") for name in names(ctx) if name.startswith(begun)]
        except (NirdeployError, OSError, ValueError):
            return []

    return complete


def _targets(_: click.Context) -> Iterable[str]:
    from nirdeploy.targets import registry

    return registry.names()


def _presets(_: click.Context) -> Iterable[str]:
    from nirdeploy.semantics.dialect import PRESETS

    return sorted(PRESETS)


def _frameworks(_: click.Context) -> Iterable[str]:
    from nirdeploy.exchange.frontends import FRONTENDS

    return FRONTENDS


def _stages(_: click.Context) -> Iterable[str]:
    from nirdeploy.pipeline import STAGES

    return STAGES


def _ports(_: click.Context) -> Iterable[str]:
    from serial.tools.list_ports import comports

    from nirdeploy.device.lab import file
    from nirdeploy.records import boards

    running = [board.name for board in boards.running() if board.name is not None]
    return [*sorted(file.RESERVED), *file.load().boards, *running, *(str(port.device) for port in comports())]


def _boards(_: click.Context) -> Iterable[str]:
    from nirdeploy.device.lab import file

    return file.load().boards


def _populations(ctx: click.Context) -> Iterable[str]:
    """Of the build folder that the command line names so far."""
    from nirdeploy.integers.network import IntegerNetwork

    # where the option's own value is still missing, click leaves the arguments before it as they are
    named = [str(value) for value in (ctx.params.get("build"), ctx.params.get("what"), *ctx.args) if value]
    kept = next((path for one in named if (path := Path(one) / IntegerNetwork.FILE).is_file()), None)
    found = [] if kept is None else [p.name for p in IntegerNetwork.load(kept).populations]
    return ["all", "outputs", *found]


targets = _of(_targets)
presets = _of(_presets)
frameworks = _of(_frameworks)
stages = _of(_stages)
ports = _of(_ports)
boards = _of(_boards)
populations = _of(_populations)
