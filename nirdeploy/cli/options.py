"""Options that commands share, so that they are called the same everywhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nirdeploy.cli import completing, events, ready, ui
from nirdeploy.errors import CorruptFile, UsageProblem

if TYPE_CHECKING:
    import numpy as np

    from nirdeploy.integers.parts import Formats
    from nirdeploy.proof.scale.run import Who
    from nirdeploy.records.samples import Samples
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.records.tally import Tally
    from nirdeploy.targets.tables import Target

SIM = "sim"

F = TypeVar("F", bound=Callable[..., Any])


def target(function: F) -> F:
    return click.option(
        "-t", "--target", "target", shell_complete=completing.targets,
        help="Target name or path of a .toml file; by default the target marked default.",
    )(function)  # fmt: skip


def target_again(function: F) -> F:
    return click.option(
        "-t", "--target", "target", shell_complete=completing.targets,
        help="The .toml file that BUILD was built with, where its templates came with it.",
    )(function)  # fmt: skip


def port(function: F) -> F:
    function = click.option("--baud", type=click.IntRange(min=1), help="Line rate, if not the target's own.")(function)
    return click.option(
        "-p", "--port", shell_complete=completing.ports,
        help="'virtual' (the default where the target has a board), 'sim' (its integer model; else the default), a "
        "board's name (boards.toml, board start), a device path, a pyserial URL, 'auto' or 'auto:SERIAL', or "
        "fault:seed=1,drop=1e-4:PORT.",
    )(lab(function))  # fmt: skip


def boards(function: F) -> F:
    """Which file names the boards."""
    return click.option(
        "--boards", type=click.Path(path_type=Path), expose_value=False, callback=_asked("NIRDEPLOY_BOARDS"),
        help="File that names boards, if not NIRDEPLOY_BOARDS, boards.toml from here up, or the user's own.",
    )(function)  # fmt: skip


def lab(function: F) -> F:
    """Which boards there are, and whether to wait for one."""
    return click.option(
        "--wait", type=click.FloatRange(min=0), metavar="SECONDS",
        expose_value=False, callback=_asked("NIRDEPLOY_WAIT"), help="Wait so long while another process has the board.",
    )(boards(function))  # fmt: skip


def _asked(variable: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """What an option says stands in the environment while the command runs: for processes that it starts, too."""

    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            from nirdeploy.device.lab import choose

            said = value.absolute() if isinstance(value, Path) else value  # processes may be elsewhere
            ctx.with_resource(choose.asked(variable, str(said)))

    return callback


def port_of(port: str | None, target: Target) -> str:
    """The value of ``--port``, or what a target without a board of ours has: its integer model."""
    return port or ("virtual" if target.board else SIM)


def as_json(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(function)


def labels(function: F) -> F:
    return click.option(
        "--labels",
        type=click.Path(path_type=Path),
        help="Classes of the samples, .npy or 'labels' of an .npz: accuracy.",
    )(function)


def dialect(function: F) -> F:
    function = click.option("--dt", type=float, help="Seconds per step.")(function)
    return click.option(
        "--dialect", shell_complete=completing.presets, help="PRESET[,field=value...]; else the file's own, else 'nir'."
    )(function)


def bits(besides: str = "") -> Callable[[F], F]:
    """``besides``: what the option takes beyond widths."""
    said = f"4; fc1=4,conv1=8 by population or layer{f'; {besides}' if besides else ''}"
    return click.option("--bits", help=f"Bits of the weights: {said}. By default the target's.")


def out(
    required: bool = False, default: str | None = None, text: str = "Where to write.", folder: bool = False
) -> Callable[[F], F]:
    """``-o``: a file, or a ``folder``; that it can be written is looked at before anything is done."""
    # A default of None counts as one: then nothing is required.
    given: dict[str, Any] = {} if default is None else {"default": default, "show_default": True}
    return click.option("-o", "--out", required=required, help=text, **given, **_place(folder))


def written(name: str, text: str, folder: bool = False, metavar: str | None = None) -> Callable[[F], F]:
    """The same of what is written besides."""
    return click.option(name, help=text, metavar=metavar, **_place(folder))


def _place(folder: bool) -> dict[str, Any]:
    def looked_at(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None:
            ready.to_write(path, folder)
        return path

    return {"type": click.Path(path_type=Path), "callback": looked_at}


def probe(function: F) -> F:
    return click.option(
        "--probe",
        default="all",
        show_default=True,
        shell_complete=completing.populations,
        help="'all', 'outputs', or names of populations, with commas.",
    )(function)


def allow_silent(function: F) -> F:
    return click.option(
        "--allow-silent", is_flag=True, help="Equal records are equal even where no population spiked."
    )(function)


def cover(text: str, default: float | None = None) -> Callable[[F], F]:
    """``--cover`` and ``--cover-bits``: how much of a network's parameters a stimulus is to exercise."""

    def options(function: F) -> F:
        function = click.option(
            "--cover-bits",
            type=click.IntRange(2, 32),
            help="A parameter is exercised where a step of a number of so many bits shows; by default one step of the "
            "integers as they are, of which thresholds' are much finer than weights'.",
        )(function)
        percent = click.FloatRange(0, 100)
        return click.option("--cover", type=percent, default=default, show_default=default is not None, help=text)(
            function
        )

    return options


def workers(does: str, default: str) -> Callable[[F], F]:
    """``--scheduler`` and ``--workers``: who ``does`` something; ``default``: without either."""

    def options(function: F) -> F:
        function = click.option(
            "--workers", type=click.IntRange(min=1), help=f"Else {does} on so many processes; {default}."
        )(function)
        said = f"{does.capitalize()} on the workers of this Dask scheduler."
        return click.option("--scheduler", metavar="tcp://HOST:PORT", help=said)(function)

    return options


def at_scale(function: F) -> F:
    """Who judges a data set chunk by chunk, and how; see :func:`who`."""
    keep = "What chunks came to stays in this folder: a run that was cut off goes on from there."
    for option in (
        written("--keep", keep, folder=True, metavar="FOLDER"),
        click.option("--chunk", type=click.IntRange(min=1), help="Samples of a chunk; by default by their size."),
        workers("judge", "by default this process does, all samples at once"),
    ):
        function = option(function)
    return function


def who(scheduler: str | None, workers: int | None, chunk: int | None, keep: Path | None) -> Who | None:
    """The values of these as the Python functions take them; None where no chunks are asked for."""
    if scheduler is None and workers is None and chunk is None and keep is None:
        return None
    return {"scheduler": scheduler, "workers": workers, "chunk": chunk, "keep": keep}


def probes(text: str) -> str | list[str]:
    """The value of ``--probe`` as the Python functions take it."""
    return text if text in ("all", "outputs") else [name.strip() for name in text.split(",")]


def formats(text: str) -> Formats:
    """The value of ``--integer``."""
    from nirdeploy.integers.parts import Formats

    bits = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    bits = bits + [24, 24, 12][len(bits) - 1 :]
    ranges = ((2, 16), (8, 32), (8, 32), (4, 24))
    if len(bits) != 4 or not all(low <= value <= high for value, (low, high) in zip(bits, ranges, strict=True)):
        raise UsageProblem(
            f"--integer {text!r} is not a list of bits",
            hint="weight (2 to 16), accumulator (8 to 32), state (8 to 32) and decay bits (4 to 24): 8,24,24,12",
        )
    return Formats(*bits)


def _arrays(path: Path, what: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, that of an .npy file as ``x``."""
    from nirdeploy.records import archive, files

    if not path.is_file():
        raise files.absent(path, f"{what} file")
    files.check(path)
    try:
        return archive.read(path)
    except Exception as error:  # zipfile, zlib and numpy each raise their own
        raise CorruptFile(
            f"cannot read the {what} ({str(error) or type(error).__name__})",
            where=str(path),
            hint="it is damaged, or of another kind: save it again with numpy.save or savez",
        ) from error


def labels_of(path: Path) -> np.ndarray:
    """The labels of an .npy file, or ``labels`` of an .npz file."""
    arrays = _arrays(path, "labels")
    found = arrays.get("x" if path.suffix == ".npy" else "labels")
    if found is None:
        held = ", ".join(arrays) or "nothing"
        raise UsageProblem(f"the file holds no labels, but {held}", where=str(path), hint="save them as 'labels'")
    return found


def stimulus(path: Path, inputs: events.Inputs | None = None) -> tuple[Any, np.ndarray | None]:
    """``x`` (T, B, ...) and, where there are any, ``labels`` (B,) of an .npy or .npz file, or of recordings of events.

    ``inputs``: of the network, which a recording has to become one of (:mod:`nirdeploy.cli.events`), and whose names
    say what arrays are (:func:`nirdeploy.records.archive.parted`).
    """
    from nirdeploy.proof.evaluate import class_numbers
    from nirdeploy.records import archive

    if events.is_recording(path):
        return events.stimulus(path, inputs)
    arrays = _arrays(path, "stimulus")
    recorded = {name: values for name, values in arrays.items() if name != archive.LABELS}
    if (found := _events(recorded)) is not None:
        return events.stimulus(found, inputs)
    events.unused(path)
    held, labels = archive.parted(arrays, inputs)
    if not held:
        raise UsageProblem("the stimulus file holds no array", where=str(path), hint="save it as 'x'")
    first = next(iter(held.values()))
    if labels is not None and first.ndim > 1:
        labels = class_numbers(labels, samples=first.shape[1], steps=first.shape[0])
    return archive.alone(held), labels


def _events(arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """Events, where that is what a file holds: a structured array, or arrays t, x, y and p of one length."""
    import numpy as np

    if len(arrays) == 1 and (only := next(iter(arrays.values()))).dtype.names:
        return only
    columns = {name: values for name, values in arrays.items() if name in ("t", "x", "y", "p")}
    if not {"t", "x"} <= set(columns) or len(columns) < len(arrays):
        return None
    if len({values.shape for values in columns.values()}) > 1 or columns["t"].ndim != 1:
        return None
    found = np.empty(len(columns["t"]), [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        found[name] = values
    return found


def samples(path: Path, labels: np.ndarray | None, inputs: events.Inputs) -> Samples:
    """A data set that is read some samples at a time; recordings of events are, all at once."""
    from nirdeploy.records.samples import Samples

    if not events.is_recording(path):
        events.unused(path)
        return Samples.open(path, labels, inputs)
    x, own = events.stimulus(path, inputs)
    return Samples.of(x, own if labels is None else labels)


def stimulus_given(text: str) -> Callable[[F], F]:
    """The stimulus as an argument, or as ``-x``; the command's function takes it as ``stimulus``."""

    def options(function: F) -> F:
        @functools.wraps(function)
        def command(*given: Any, stimulus: Path | None, named: Path | None, **options: Any) -> Any:
            if (stimulus is None) == (named is None):
                raise UsageProblem(
                    "there is no stimulus" if named is None else f"there are two stimuli, {stimulus} and {named}",
                    hint=f"name one: {text} STIMULUS, or {text} -x STIMULUS",
                )
            return function(*given, stimulus=stimulus or named, **options)

        said: Any = click.option(
            "-x", "--stimulus", "named", type=click.Path(path_type=Path), help="The same as the argument STIMULUS."
        )(command)
        made: F = events.asked(click.argument("stimulus", type=click.Path(path_type=Path), required=False)(said))
        return made

    return options


def write_record(
    command: str,
    record: SpikeRecord | Tally,
    out: Path,
    labels: np.ndarray | None,
    as_json: bool,
    by: str | None = None,
    warnings: Sequence[str] = (),
) -> None:
    """Save a record and say what is in it; ``by`` names the simulator where there are several."""
    from nirdeploy import SpikeRecord, evaluate

    record.save(out)
    if isinstance(record, SpikeRecord):
        spikes, held = record.spikes, {"membranes": list(record.membrane)}
        recorded: Sequence[str] = [*record.spikes, *record.membrane]
    else:
        spikes, held = record.values.get("count", {}), {"reads": list(record.values)}
        recorded = record.populations
    counts = {name: int(values.sum()) for name, values in spikes.items()}
    if counts and not any(counts.values()):
        warnings = [*warnings, f"nothing spiked in {record.samples} samples x {record.steps} steps"]
    scored = next(iter(record.outputs.values()), None) in recorded
    read = None if labels is None or not scored else evaluate(record, labels)
    score = None if read is None else read.accuracy
    warnings = [*warnings, read.doubt] if read is not None and read.doubt else warnings
    if as_json:
        ui.result(
            command,
            {
                "record": str(out),
                **({} if by is None else {"source": by}),
                "steps": record.steps,
                "samples": record.samples,
                "spikes": counts,
                **held,
                "accuracy": score,
                "stats": dict(record.stats),
                "warnings": list(warnings),
            },
        )
        return
    ui.warn(warnings)
    ui.say(
        f"wrote {out}{'' if by is None else f' ({by})'}: {record.samples} samples x {record.steps} steps, "
        + ", ".join(f"{count:,} spikes in {name}" for name, count in counts.items())
        + (f", accuracy {100 * score:.2f} %" if score is not None else "")
    )
