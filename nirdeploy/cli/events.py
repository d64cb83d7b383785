"""Options that say how recordings of events become steps, the same for every command that takes a stimulus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nirdeploy.cli import ui
from nirdeploy.errors import InputShapeError, UsageProblem

if TYPE_CHECKING:
    import numpy as np

    from nirdeploy.records.events.binning import Binner, Bins

F = TypeVar("F", bound=Callable[..., Any])

_ASKED = "nirdeploy.events"  # in a context's meta: what was said, by option
_TONIC = "tonic:"

#: Name and shape of each of a network's inputs; called where a recording has to become one.
Inputs = Callable[[], Any]


def asked(function: F) -> F:
    """How recordings become steps; see :func:`bins`. The command's function takes none of it."""
    for option in (
        click.option("--cut", metavar="TIME", callback=_kept, expose_value=False,
                     help="Of a recording: cut it into samples of so much time each; by default it is one."),
        click.option("--duration", metavar="TIME", callback=_kept, expose_value=False,
                     help="Of a recording: how much of its time is seen."),
        click.option("--start", metavar="TIME", callback=_kept, expose_value=False,
                     help="Of a recording: where in its time to begin."),
        click.option("--binary", is_flag=True, default=None, callback=_kept, expose_value=False,
                     help="Of a recording: cells hold whether there were events in a bin, not how many."),
        click.option("--polarity", callback=_kept, expose_value=False,
                     help="Of a recording: channels (off, on), merge, on or off; by default as the input has it."),
        click.option("--crop", metavar="X,Y[,W,H]", callback=_kept, expose_value=False,
                     help="Of a recording: the window of the sensor that is seen, in pixels."),
        click.option("--downsample", type=click.IntRange(min=1), callback=_kept, expose_value=False,
                     help="Of a recording: pixels of the side of a cell."),
        click.option("--bin", metavar="TIME", callback=_kept, expose_value=False,
                     help="Of a recording (.aedat4, .raw, .dat, .es; events in .npy, .npz): a step's time, 10ms."),
    ):  # fmt: skip
        function = option(function)
    return function


def _kept(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        ctx.meta.setdefault(_ASKED, {})[str(param.name)] = value


def said() -> dict[str, Any]:
    """The options that were given, by name."""
    ctx = click.get_current_context(silent=True)
    found: dict[str, Any] = {} if ctx is None else ctx.meta.get(_ASKED, {})
    return found


def bins() -> Bins:
    """What the options say. Raises :class:`UsageProblem` where no ``--bin`` was given."""
    from nirdeploy.records.events.binning import Bins

    given = dict(said())
    if "bin" not in given:
        raise UsageProblem("a recording of events becomes steps of some time each", hint="say how long: --bin 10ms")
    if "crop" in given:
        try:
            given["crop"] = tuple(int(part) for part in given["crop"].split(","))
        except ValueError as error:
            raise UsageProblem(
                f"--crop {given['crop']!r} is no window", hint="X,Y or X,Y,WIDTH,HEIGHT in pixels"
            ) from error
    return Bins(**given)


def unused(path: Path) -> None:
    """Raises :class:`UsageProblem` where a stimulus of arrays was given options of recordings."""
    if given := said():
        raise UsageProblem(
            f"--{next(iter(given))} says how events become steps, and this is a stimulus of steps already",
            where=str(path),
            hint="leave it out",
        )


def is_recording(path: Path) -> bool:
    """Whether a file's name is one of a recording, or of a data set of them."""
    from nirdeploy.records.events import recording

    return recording.is_recording(path) or str(path).startswith(_TONIC)


def is_file(path: Path) -> bool:
    """Whether a file's name is one of a recording, which can be read while it is streamed."""
    from nirdeploy.records.events import recording

    return recording.is_recording(path)


def binner(inputs: Any, where: str) -> Binner:
    """Events that come live, of a sensor whose pixels are the input's cells."""
    from nirdeploy.records.events.binning import Binner, Grid

    chosen, form = bins(), shape(inputs)
    assert form is not None
    return Binner(Grid.live(chosen, form, where), where)


def stimulus(source: Any, inputs: Inputs | None) -> tuple[np.ndarray, np.ndarray | None]:
    """A recording, or several, as ``x`` (T, B, *input shape) and, where a data set says them, their labels.

    What became of the events is said. Raises :class:`InputShapeError` where the network has several inputs.
    """
    from nirdeploy.records.events import frames, tonic_

    chosen, form, size = bins(), None if inputs is None else shape(inputs()), None
    if isinstance(source, Path) and str(source).startswith(_TONIC):
        source, size = tonic_.samples(str(source).removeprefix(_TONIC))
    found = frames.framed(source, chosen, form, size)
    several = found.x.max(initial=0) > 1
    ui.note(f"{found}{'; with --binary 1 at most, as inputs of spikes take it' if several else ''}")
    return found.x, found.labels


def shape(inputs: Any) -> tuple[int, ...]:
    """Of the one input (name, shape) that there is."""
    known = list(inputs)
    if len(known) != 1:
        raise InputShapeError(
            f"the network has {len(known)} inputs, and a recording is of one",
            hint="make arrays of it with nirdeploy.read_events, and save them by input with numpy.savez",
        )
    return tuple(known[0][1])


def told(counts: dict[str, int]) -> str:
    """What a source counted, in a line; nothing where it counted nothing."""
    named = {
        "events_outside": "outside the input",
        "events_out_of_time": "outside the time asked for",
        "events_late": "too late for their step",
        "lines_dropped": "lines dropped as they came too fast",
        "packets_dropped": "packets dropped as they came too fast",
        "packets_odd": "packets that end amid an event",
    }
    said = [f"{counts[name]:,} {words}" for name, words in named.items() if counts.get(name)]
    if counts.get("events"):
        said.insert(0, f"{counts['events_counted']:,} of {counts['events']:,} events counted")
    return ", ".join(said)
