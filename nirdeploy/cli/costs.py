"""What a network costs, in plain lines: passes, bytes to load, and time on the line beside that of the cores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nirdeploy.pipeline import Build

from nirdeploy.cli.units import seconds


def lines(figures: Mapping[str, float | str], activity: float) -> list[str]:
    """Of :meth:`nirdeploy.targets.backend.Backend.estimate`; none of what a target has no figures of."""
    told, passes = [], "passes" in figures
    if passes:
        told.append(
            f"passes: {figures['passes']:,}, as the network is larger than the chip: each is loaded and played over the"
            " whole batch, " + ("by the board" if "play_us" in figures else "the host keeps the spikes between them")
        )
    if "row_places" in figures:
        told.append(
            f"weight rows: {figures['weight_rows']:,} in {figures['row_places']:,} places, as those of few bits stand "
            f"together: {figures['together']}"
        )
    if "play_us" in figures:
        told += [*_on_board(figures), "where the host plays the passes instead:"]
    if "image_bytes" in figures:
        kind, once = ("images", "once for a batch") if passes else ("image", "once")
        told.append(
            f"load: {figures['image_bytes']:,} bytes of {kind}, {seconds(float(figures['image_s']))} on the line, "
            f"{once}"
        )
    if "link_us" in figures:
        link, cores = float(figures["link_us"]), float(figures["step_us"])
        pace = "the line sets" if link > cores else "the cores set"
        told.append(
            f"step: {seconds(1e-6 * link)} on the line and {seconds(1e-6 * cores)} on the cores for each sample "
            f"where {activity:.0%} of neurons and inputs spike{', all passes together' if passes else ''}; "
            f"{pace} the pace"
        )
    return told


def streamed(built: Build, activity: float) -> dict[str, float | str]:
    """What streaming a build comes to on its board, by figures alone; nothing where there are none.

    ``said``: in a line.
    """
    figures = built.costs(activity)
    if "stream_latency_us" not in figures:
        return {}
    latency, step, full = (float(figures[name]) for name in ("stream_latency_us", "stream_step_us", "link_us"))
    cores, board = float(figures["step_us"]), built.target.serial_board
    alone, most = 1e6 / max(step, cores), 1e6 / max(full, cores)
    said = (
        f"computed for {board.name} at {board.clock_hz / 1e6:g} MHz, {board.baud:,} baud, where {activity:.0%} spike: "
        f"{seconds(1e-6 * latency)} from a step to its outputs and {alone:,.0f} steps a second with one step a frame, "
        f"{most:,.0f} with full frames; what adapter and host add is not in it"
    )
    return {"latency_us": latency, "steps_per_s_single": alone, "steps_per_s_full": most, "said": said}


def _on_board(figures: Mapping[str, float | str]) -> list[str]:
    """Where the board plays the passes from its external memory."""
    names = ("external_steps", "external_s", "external_step_us", "play_us", "play_load_us")
    steps, fill, line, play, load = (float(figures[name]) for name in names)
    each = f"{figures['external_step_bytes']:,}"
    return [
        f"external memory: {figures['external_bytes']:,} bytes of images and program go there, "
        f"{seconds(fill)} on the line, once; it holds {steps:,.0f} steps of samples beside them",
        f"board: {seconds(1e-6 * play)} for a step of a sample, all passes together, and {each} bytes"
        f" of it over the line, {seconds(1e-6 * line)}; {seconds(1e-6 * load)} to load the passes, once for a batch",
    ]
