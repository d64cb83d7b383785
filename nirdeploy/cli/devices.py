"""A device, and a network run on it, for every command that does so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nirdeploy.cli import options, ui

if TYPE_CHECKING:
    from nirdeploy.device.opened import OpenDevice
    from nirdeploy.pipeline import Build
    from nirdeploy.records.spikes import SpikeRecord
    from nirdeploy.records.tally import Tally
    from nirdeploy.targets.tables import Target


def connect(port: str, target: Target | str, baud: int | None, quiet: bool) -> OpenDevice:
    """Open a device; says so if hardware is compiled for it first."""
    from nirdeploy.device import opened
    from nirdeploy.device.lab import choose
    from nirdeploy.targets import registry as targets

    chosen = targets.load(target)
    _ = chosen.serial_board  # a chip has none, and a named board is of a target: said before anything is compiled
    if (named := choose.board(port)) is not None:
        choose.agree(named, chosen)
    if choose.is_virtual(port):
        _prepare_virtual(chosen, quiet)
    return opened.open_device(port, chosen, baud, say=None if quiet else ui.note)


def _prepare_virtual(target: Target, quiet: bool) -> None:
    from nirdeploy.backends.fpga.simulated import board  # a real port needs none of it

    if not board.is_prepared(target):
        if not quiet:
            ui.note("compiling the virtual board (once per hardware, about half a minute) ...")
        with ui.doing("compiling the virtual board"):
            board.prepare(target)


def measured(
    built: Build, x: Any, probe: str | list[str], port: str | None, baud: int | None, quiet: bool
) -> SpikeRecord:
    """A stimulus run on a build's device, which is flashed first; on :data:`options.SIM` by the integer simulator."""
    from dataclasses import replace

    from nirdeploy import flash, run, simulate

    port = options.port_of(port, built.target)
    if port == options.SIM:
        return replace(simulate(built, x, probe), source="port sim")
    with connect(port, built.target, baud, quiet) as device:
        if not built.image.passes:
            flash(built.image, device)
        with ui.doing("running") as bar:
            return run(device, x, probe, bar, image=built.image, on_pass=ui.passes(bar, quiet), say=by_host(quiet))


def by_host(quiet: bool) -> Callable[[str], None]:
    """Says why the board does not play a network's passes itself, though its target has external memory."""

    def say(reason: str) -> None:
        if not quiet:
            ui.note(f"the host plays the passes: {reason}")

    return say


def tallied(
    built: Build,
    x: Any,
    probe: str | list[str],
    port: str | None,
    baud: int | None,
    quiet: bool,
    reader: str | None = None,
    output: str | None = None,
) -> Tally:
    """As :func:`measured`, but only what a reader of :mod:`nirdeploy.proof.evaluate` reads of an output's samples."""
    from nirdeploy import Tally, flash, tally
    from nirdeploy.proof.scale.verbs import read_of

    read, name = read_of(built.network, reader, output)
    reads = [read]
    port = options.port_of(port, built.target)
    if port == options.SIM:
        return Tally.of(measured(built, x, [name], port, baud, quiet), reads)
    with connect(port, built.target, baud, quiet) as device:
        if not built.image.passes:
            flash(built.image, device)
        with ui.doing("running") as bar:
            return tally(device, x, reads, [name], bar, image=built.image, say=by_host(quiet))
