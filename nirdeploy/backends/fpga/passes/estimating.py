"""What a network in passes costs: cycles on the cores, and bytes over the link, which mostly take longer."""

from __future__ import annotations

from nirdeploy.backends.fpga.cost import held, line, work
from nirdeploy.backends.fpga.passes.cut import Pass, Passes
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork


def estimate(passes: Passes, network: IntegerNetwork, target: FpgaTarget, activity: float) -> dict[str, float | str]:
    """Of a step of a sample, all passes and tiles together; and of the images, which are sent once for a batch."""
    board = target.serial_board
    cycles = sum(one.wiring.tiles * _cycles(one, target, activity) for one in passes.passes)
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
    }


def _cycles(one: Pass, target: FpgaTarget, activity: float) -> float:
    """Of the core that has most to do."""
    return max(sum(work.job(job, target.hardware, activity) for job in jobs) for jobs in one.plan.jobs.values())
