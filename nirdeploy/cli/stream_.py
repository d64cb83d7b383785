"""nirdeploy stream: a network stepped on and on, by a recording, a sensor or another program."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nirdeploy.cli import costs, devices, events, options, ui
from nirdeploy.errors import NirdeployError, UsageProblem

if TYPE_CHECKING:
    from nirdeploy.device.streaming.session import StepStream
    from nirdeploy.device.streaming.sources.source import Source
    from nirdeploy.pipeline import Build
    from nirdeploy.records.steps import Block

_ACTIVITY = 0.1  # spikes per neuron and input, and step, at which a board's latency is said
_UDP = "udp:"
_QUIET_S = 10.0  # between two lines of progress


@click.command("stream")
@click.argument("build", type=click.Path(path_type=Path), required=False)
@options.target_again
@options.port
@click.option(
    "-x", "--source", "source",
    help="What steps come from: a recording (.aedat4, .raw, .dat, .es), arrays (.npy, .npz), "
    "tonic:NAME:FOLDER[:FIRST-LAST], '-' for lines on standard input, or udp:PORT (udp:HOST:PORT).",
)  # fmt: skip
@events.asked
@click.option("--by-clock", is_flag=True, help="Of udp: steps go by this machine's clock, not by the events' times.")
@click.option("--quiet-for", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Of udp: end when nothing has come for so long.")  # fmt: skip
@options.probe
@click.option("--depth", type=click.IntRange(min=1), default=64, show_default=True,
              help="Steps under way at most: more are faster, and later.")  # fmt: skip
@click.option("--when-full", type=click.Choice(["wait", "drop"]), default="wait", show_default=True,
              help="Where the source is faster than the device: let it wait, or drop steps and count.")  # fmt: skip
@click.option("--steps", "most", type=click.IntRange(min=1), help="End after so many steps.")
@click.option("--lines", "as_lines", is_flag=True, help="A line of JSON on standard output for each step.")
@click.option(
    "--live", is_flag=True, help="A raster in the terminal, as the spikes come (pip install 'nirdeploy[live]')."
)
@options.out(text="A record (.nird) of all steps, kept as they come.")
@click.option("--rescue", type=click.Path(path_type=Path), metavar="RECORD",
              help="No stream: make the record of what one that was killed had kept for it.")  # fmt: skip
@options.as_json
def command(
    build: Path | None,
    target: str | None,
    port: str | None,
    baud: int | None,
    source: str | None,
    by_clock: bool,
    quiet_for: float | None,
    probe: str,
    depth: int,
    when_full: str,
    most: int | None,
    as_lines: bool,
    live: bool,
    out: Path | None,
    rescue: Path | None,
    as_json: bool,
) -> None:
    """Step the network of BUILD on and on: its state stays from step to step, and each step's spikes come at once.

    It ends with its source, after --steps, or at Ctrl-C. Of arrays (T, B, ...) each sample begins at rest.
    See docs/streaming.md for the formats of lines and packets.
    """
    if rescue is not None:
        _rescue(rescue, as_json)
        return
    if build is None or source is None:
        raise UsageProblem("a stream needs a build and a source", hint="nirdeploy stream BUILD -x SOURCE [-p PORT]")
    if sum((as_lines, live, as_json)) > 1:
        raise UsageProblem("--lines, --live and --json each take standard output for themselves", hint="choose one")
    from nirdeploy.device.streaming.pump import pump
    from nirdeploy.pipeline import Build

    built = Build.load(build, target)
    told = _Told(most, as_lines, quiet=as_json or live)
    probed = options.probes(probe)
    try:
        with ExitStack() as stack:
            given = _source(source, built, by_clock, quiet_for, depth, when_full == "drop")
            stack.callback(given.close)
            flow = stack.enter_context(_opened(built, port, baud, as_json, probed, depth, when_full, out))
            if live:
                from nirdeploy.cli.live import screen

                screen.show(flow, given, told)
            else:
                with _interrupted(told):
                    pump(flow, given, told, told.stopped, most)
    except NirdeployError:
        if out is not None and told.steps:
            ui.note(f"{out} holds the {told.steps:,} steps that came before")
        raise
    _summary(built, flow, told, given.said(), out, as_json, as_lines)


@contextmanager
def _opened(
    built: Build,
    port: str | None,
    baud: int | None,
    quiet: bool,
    probe: str | list[str],
    depth: int,
    when_full: str,
    out: Path | None,
) -> Iterator[StepStream]:
    """A stream of the build on its port, which is flashed first where it is a board of this command's own."""
    from nirdeploy import flash, stream
    from nirdeploy.device.lab import choose
    from nirdeploy.device.streaming.engine import check

    port = options.port_of(port, built.target)
    how: dict[str, Any] = {"depth": depth, "when_full": when_full, "keep": out}
    if port == options.SIM:
        with stream(built, probe, **how) as flow:
            yield flow
        return
    _ = built.target.serial_board
    check(built.image)
    with devices.connect(port, built.target, baud, quiet) as device:
        if choose.is_virtual(port):
            flash(built.image, device)
        with stream(device, probe, image=built.image, **how) as flow:
            yield flow


class _Told:
    """Whoever is told what came: the terminal, and counters for the summary."""

    def __init__(self, most: int | None, as_lines: bool, quiet: bool) -> None:
        self.most, self._as_lines, self._quiet = most, as_lines, quiet
        self.steps = 0
        self.spikes = Counter[str]()
        self.by_hand = False  #: ended by Ctrl-C
        self._said = time.monotonic()

    def stopped(self) -> bool:
        return self.by_hand

    def __call__(self, block: Block) -> None:
        self.steps += len(block)
        for name, values in block.spikes.items():
            self.spikes[name] += int(values.sum())
        if self._as_lines:
            ui.lines(step.as_dict() for step in block.steps({}, {}))
        elif not self._quiet and time.monotonic() - self._said > _QUIET_S:
            self._said = time.monotonic()
            ui.note(f"{self.steps:,} steps so far, {sum(self.spikes.values()):,} spikes ...")


@contextmanager
def _interrupted(told: _Told) -> Iterator[None]:
    """Ctrl-C ends the stream as its source would; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def ends(_number: int, _frame: object) -> None:
        told.by_hand = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ends)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _source(text: str, built: Build, by_clock: bool, quiet_for: float | None, depth: int, drops: bool) -> Source:
    """What ``--source`` names, open."""
    from nirdeploy.device.streaming.pump import BLOCK
    from nirdeploy.device.streaming.sources.lines import FromLines
    from nirdeploy.device.streaming.sources.recordings import FromRecording
    from nirdeploy.device.streaming.sources.source import FromBlocks, samples
    from nirdeploy.records.inputs import shaped

    inputs = built.network.inputs
    if "cut" in events.said():
        raise UsageProblem("--cut makes samples, and a stream is one sample without end", hint="leave it out")
    if (by_clock or quiet_for is not None) and not text.startswith(_UDP):
        raise UsageProblem("--by-clock and --quiet-for are of packets", hint=f"-x {_UDP}PORT")
    if text.startswith(_UDP):
        return _packets(text, built, by_clock, quiet_for)
    if text == "-":
        file = os.fdopen(os.dup(0), "rb")  # a file of its own: a thread may still wait for a line when the process ends
        binner = events.binner(inputs, "standard input") if events.said() else None
        return FromLines(file, inputs, binner, max(depth, BLOCK), drops=drops)
    path = Path(text)
    if events.is_file(path):
        return FromRecording(path, events.bins(), events.shape(inputs), BLOCK)
    x: Any = options.stimulus(path, lambda: inputs)[0]
    return FromBlocks(samples(shaped(x, inputs), BLOCK))


def _packets(text: str, built: Build, by_clock: bool, quiet_for: float | None) -> Source:
    from nirdeploy.device.streaming.sources.packets import LOOPBACK, FromPackets

    host, _, port = text.removeprefix(_UDP).rpartition(":")
    if not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageProblem(f"{text!r} is no UDP port", hint="udp:3333, or udp:127.0.0.1:3333")
    binner = events.binner(built.network.inputs, text)
    source = FromPackets(host or LOOPBACK, int(port), binner, by_clock=by_clock, quiet=quiet_for)
    ui.note(f"listening on {source.address[0]}:{source.address[1]} (UDP); {binner.grid}")
    return source


def _rescue(out: Path, as_json: bool) -> None:
    from nirdeploy.records.spool import rescue

    options.write_record("stream", rescue(out), out, None, as_json)


def _summary(
    built: Build, flow: StepStream, told: _Told, counts: dict[str, int], out: Path | None, as_json: bool, as_lines: bool
) -> None:
    stats = flow.stats
    warnings = []
    if not told.steps:
        warnings.append("no step came: the source held none, or no bin of it was over")
    elif told.spikes and not sum(told.spikes.values()):
        warnings.append(f"nothing spiked in {told.steps:,} steps")
    computed = costs.streamed(built, _ACTIVITY)
    if as_json:
        spikes = {name: told.spikes[name] for name in told.spikes}
        facts = {"record": out and str(out), "steps": told.steps, "spikes": spikes, "ended_by_hand": told.by_hand}
        ui.result("stream", {**facts, "stats": stats, "source": counts, "board": computed, "warnings": warnings})
        return
    ui.warn(warnings)
    say = ui.note if as_lines else ui.say
    spiked = ", ".join(f"{count:,} spikes in {name}" for name, count in told.spikes.items())
    dropped = f", {stats['dropped']:,.0f} dropped as the device was busy" if stats["dropped"] else ""
    say(f"{told.steps:,} steps{dropped}, {stats['steps_per_s']:,.0f} a second{f'; {spiked}' if spiked else ''}")
    if "latency_median_ms" in stats:
        say(
            f"from a step to its spikes here: {stats['latency_median_ms']:.2f} ms in the median, "
            f"{stats['latency_99_ms']:.2f} ms in 99 %, at most {stats['latency_most_ms']:.2f} ms"
        )
    if stats.get("replays"):
        times = f"{stats['replays']:,.0f} time{'' if stats['replays'] == 1 else 's'}"
        say(f"outputs were lost on the line: {stats['replayed']:,.0f} steps were played again for them, {times}")
    if told_of := events.told(counts):
        say(f"source: {told_of}")
    if computed:
        say(str(computed["said"]))
    if out is not None and told.steps:
        say(f"wrote {out}")
