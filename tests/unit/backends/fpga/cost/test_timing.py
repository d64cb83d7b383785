"""The words a job reads, from its segments."""

from __future__ import annotations

import numpy as np

from nirdeploy.backends.fpga.cost.walks import Walk
from nirdeploy.backends.fpga.jobs import Job, PlacedSegment
from nirdeploy.targets import registry as targets


def test_runs_in_the_padding_have_no_bits_and_stay_within_the_bitmap() -> None:
    """Columns 0 to 3 of a line of 4 bits, the last of the bitmap, under a run of 2 that moves 3 at a time."""
    segment = PlacedSegment(
        address=28,
        before=False,
        ends_plane=False,
        moves=True,
        row=0,
        bits=2,
        first=-2,
        line_bits=4,
        column_step=3,
        line_step=0,
    )
    job = Job(
        wait=frozenset({0}),
        wait_before=frozenset(),
        flags=25,
        shift=4,
        group=1,
        segments=(segment,),
        columns=4,
        lines=1,
        neurons=3,
        slot=0,
        parameter_slot=0,
        destination=0,
        row_step=0,
        first_segment=0,
    )
    ones = np.arange(33)  # of a bitmap of 32 set bits, up to each one
    assert Walk(job, targets.load("fpga").hardware).bits(ones, np.zeros(33, dtype=int)).tolist() == [0, 2, 0, 0]
