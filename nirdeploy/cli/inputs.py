"""Options that say what a network's inputs hold on hardware, the same for every command that takes a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from nirdeploy.cli import ui
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.graph.check import CheckedGraph

F = TypeVar("F", bound=Callable[..., Any])


def asked(function: F) -> F:
    """What the inputs hold on hardware; see :func:`held`."""
    for option in (
        click.option(
            "--input-scale", metavar="[NAME=]STEP",
            help="The inputs hold multiples of STEP: from 0, or around it where --input-range goes below.",
        ),
        click.option(
            "--input-range", metavar="[NAME=]LO:HI",
            help="The inputs hold any numbers from LO to HI, rounded to --input-bits (8); NAME=LO:HI,... of several.",
        ),
        click.option(
            "--input-bits", metavar="[NAME=]BITS", help="Bits of the numbers that the inputs hold, 1 to 8; 1: spikes."
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def held(input_bits: str | None, input_range: str | None, input_scale: str | None) -> Held:
    """The values of these as the Python functions take them."""
    return {
        "input_bits": _by_input(input_bits, "--input-bits", int, "a number of bits, 1 to 8"),
        "input_range": _by_input(input_range, "--input-range", _range, "the lowest and the highest number, -1:1"),
        "input_scale": _by_input(input_scale, "--input-scale", float, "the step of the input's numbers, 0.01"),
    }


class Held(TypedDict):
    input_bits: Any
    input_range: Any
    input_scale: Any


def _range(text: str) -> tuple[float, float]:
    low, high = text.split(":")
    return float(low), float(high)


def _by_input(text: str | None, option: str, read: Callable[[str], Any], what: str) -> Any:
    """One value for all inputs, or a dict by name."""
    if text is None:
        return None
    try:
        if "=" not in text:
            return read(text)
        pairs = (one.rsplit("=", 1) for one in text.split(","))
        return {name.strip(): read(value) for name, value in pairs}
    except ValueError as error:
        raise UsageProblem(
            f"{option} {text!r} does not say what the inputs hold", hint=f"{what}; or NAME=... by input, with commas"
        ) from error


def tell(graph: CheckedGraph) -> None:
    """Say what the inputs were said to hold."""
    for name, encoding in graph.encodings.items():
        zero = "" if encoding.scale is None else f", 0 is {encoding.zero}"
        ui.say(f"input {name!r} takes {encoding}{zero}")


def of_graph(graph: CheckedGraph) -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of each input."""
    return [(p.name, p.shape) for p in graph.populations if p.name in graph.inputs]


def of_build(folder: Path) -> list[tuple[str, tuple[int, ...]]]:
    """The same of a build's folder."""
    from nirdeploy.pipeline import Build

    return of_graph(Build.load(folder).graph)
