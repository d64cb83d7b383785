"""What a network in passes costs: cycles on the cores, and bytes over the link, which mostly take longer."""

from __future__ import annotations

from collections.abc import Sequence

from nirdeploy.backends.fpga.cost import held, line, work
from nirdeploy.backends.fpga.cost.player import predict
from nirdeploy.backends.fpga.passes.cut import Pass, Passes
from nirdeploy.backends.fpga.passes.imaging import image_of
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.player.compiling import compiled


def estimate(passes: Passes, network: IntegerNetwork, target: FpgaTarget, activity: float) -> dict[str, float | str]:
    """Of a step of a sample, all passes and tiles together; and of the images, which are sent once for a batch."""
    board = target.serial_board
    busy = [_cycles(one, target, activity) for one in passes.passes]
    cycles = sum(one.wiring.tiles * own for one, own in zip(passes.passes, busy, strict=True))
    steps = [(one.wiring.tiles, line.traffic(one.plan.floorplan, target, activity)) for one in passes.passes]
    return {
        "passes": len(passes.passes),
        "cycles": cycles,
        "step_us": 1e6 * cycles / board.clock_hz,
        "link_us": sum(tiles * step.microseconds(board.baud) for tiles, step in steps),
        "link_bytes_sent": sum(tiles * step.sent for tiles, step in steps),
        "link_bytes_received": sum(tiles * step.received for tiles, step in steps),
        **line.load([one.plan for one in passes.passes], target),
        **held.rows(one.plan for one in passes.passes),
        "synaptic_events": activity * sum(p.synapses() for p in network.projections),
        "bus_words": sum(one.wiring.tiles * one.plan.floorplan.spike_words for one in passes.passes),
        **(_on_board(passes, network, target, busy) if target.hardware.external else {}),
    }


def _on_board(
    passes: Passes, network: IntegerNetwork, target: FpgaTarget, busy: Sequence[float]
) -> dict[str, float | str]:
    """Where the board plays the passes from its external memory. Nothing where that does not hold a step of a sample.

    ``external_bytes``, ``external_s``: of what is sent once; ``external_steps``: how many steps of samples the memory
    holds at once, each of them ``external_step_bytes`` over the line and ``external_step_us``, both ways, and
    ``play_us`` on the board; ``play_load_us``: to load all passes, once for as many.
    """
    board, size = target.serial_board, target.hardware.external << 18
    made = compiled(image_of(passes, network, target, {}), 1, set(network.outputs.values()))
    if (steps := made.most_samples(size)) < 1:
        return {}
    once = 4 * (made.program_at + made.program_size)
    each = 4 * (sum(one.region.words for one in made.sent) + sum(one.words * one.region.tiles for one in made.kept))
    played = predict(made, dict(enumerate(busy)))
    return {
        "external_bytes": once,
        "external_s": once * line.BITS / board.baud,
        "external_steps": steps,
        "external_step_bytes": each,
        "external_step_us": 1e6 * each * line.BITS / board.baud,
        "play_us": 1e6 * played.step / board.clock_hz,
        "play_load_us": 1e6 * played.loading / board.clock_hz,
    }


def _cycles(one: Pass, target: FpgaTarget, activity: float) -> float:
    """Of the core that has most to do."""
    return max(sum(work.job(job, target.hardware, activity) for job in jobs) for jobs in one.plan.jobs.values())
