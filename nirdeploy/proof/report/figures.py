"""figures: how an estimate's figures are called, in which unit, and what they mean; and the energy they come to.

By the keys of :meth:`nirdeploy.targets.backend.Backend.estimate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nirdeploy.proof.energy import models


@dataclass(frozen=True)
class Figure:
    """``unit`` may be empty; ``says``: what it means, in one clause."""

    name: str
    unit: str
    says: str


FIGURES = {
    "passes": Figure("passes", "", "parts that the network is cut into, as it is larger than the chip"),
    "cycles": Figure("cycles", "", "clock cycles of the cores"),
    "step_us": Figure("step on the cores", "us", "the shortest step that the cores keep up with"),
    "link_us": Figure("step on the line", "us", "what its inputs and outputs take on the serial line"),
    "link_bytes_sent": Figure("sent", "bytes", "inputs of a step, over the line"),
    "link_bytes_received": Figure("received", "bytes", "outputs of a step, over the line"),
    "held_sample_bytes": Figure("sample sent whole", "bytes", "a sample whose inputs stay the same in every step"),
    "counted_sample_bytes": Figure("sample counted", "bytes", "what comes back where the device counts spikes itself"),
    "latency_cycles": Figure("cycles to output", "", "from a step's first input to its last output"),
    "latency_us": Figure("to output", "us", "from a step's first input to its last output"),
    "latency_steps": Figure("steps to output", "", "from input to output, where connections take steps"),
    "image_bytes": Figure("image", "bytes", "what is loaded before a batch"),
    "image_s": Figure("to load", "s", "what the image takes on the line"),
    "weight_rows": Figure("weight rows", "", "rows of weights, one weight for each lane in each"),
    "row_places": Figure("places of rows", "", "rows of few bits stand together in one"),
    "together": Figure("rows together", "", "populations whose rows stand together, by how many"),
    "synaptic_events": Figure("synaptic events", "", "weights taken for a spike that arrived"),
    "busiest_core_events": Figure("events, busiest core", "", "synaptic events of the core with most of them"),
    "busiest": Figure("busiest", "", "the population on that core"),
    "neuron_updates": Figure("updates", "", "neurons that are updated"),
    "bus_words": Figure("bus words", "", "words of spikes between cores, whether they hold a spike or not"),
    "energy_nj": Figure("energy", "nJ", "by the maker's published energy of events and updates"),
    "external_bytes": Figure("external memory", "bytes", "images and program that go there, once"),
    "external_s": Figure("to fill it", "s", "what these take on the line"),
    "external_steps": Figure("steps in it", "", "steps of samples that it holds beside them"),
    "external_step_bytes": Figure("bytes of a step", "bytes", "over the line where the board plays"),
    "external_step_us": Figure("step on the line", "us", "the same, where the board plays"),
    "stream_latency_us": Figure(
        "streamed to output", "us", "from a streamed step's first byte to the last of its outputs"
    ),
    "stream_step_us": Figure("step streamed", "us", "on the line, where each step is a frame of its own"),
    "play_us": Figure("step played", "us", "all passes, where the board plays them itself"),
    "play_load_us": Figure("passes loaded", "us", "by the board, once for a batch"),
}


def rows(figures: Mapping[str, float | str]) -> list[dict[str, object]]:
    """For a table: each figure, its unit and what it means."""
    found: list[dict[str, object]] = []
    for key, value in figures.items():
        known = FIGURES.get(key, Figure(key.replace("_", " "), "", ""))
        told = f"{value:,.4g}" if isinstance(value, float) and value < 1e4 else value
        told = f"{value:,.0f}" if isinstance(value, int | float) and not isinstance(told, str) else str(told)
        found.append({"figure": known.name, "value": f"{told} {known.unit}".strip(), "what it is": known.says})
    return found


def pace_us(figures: Mapping[str, float | str]) -> float | None:
    """Microseconds from one step to the next: of cores and line the longer, as far as there are figures of both."""
    played = "play_us" in figures
    keys = ("play_us", "external_step_us") if played else ("step_us", "link_us")
    return max((float(figures[key]) for key in keys if key in figures), default=None)


def energy(figures: Mapping[str, float | str], has_board: bool) -> tuple[float, float] | None:
    """Joules of a step, from and to, modelled (docs/energy.md): the maker's own figure where there is one; else a
    board's time on its cores at the power that published boards draw, or a chip's events at published prices."""
    if "energy_nj" in figures:
        own = 1e-9 * float(figures["energy_nj"])
        return own, own
    if has_board and "step_us" in figures:
        found = models.of_boards(1e-6 * float(figures["step_us"]))
    elif not has_board and figures.get("synaptic_events"):
        found = models.of_chips(float(figures["synaptic_events"]))
    else:
        return None
    return found.low, found.high
