"""Laws: looking up where there are spikes loses none of them, and ends every row once."""

from __future__ import annotations

import itertools

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga.cost import work
from nirdeploy.backends.fpga.cost.walks import SpottedWalk, Walk
from nirdeploy.backends.fpga.jobs import FIRST_JOB, MOST_UNIFORM, Job, windows
from nirdeploy.backends.fpga.plan import Plan
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target
from tests import networks
from tests.conftest import examples

ROOM = {"cores": 2, "lanes": 8, "weight_rows": 65536, "segments": 2048, "groups": 32}


def _target(**hardware: int) -> Target:
    return targets.load("fpga").with_hardware(**ROOM, **hardware)


def _plan(graph: CheckedGraph, target: Target) -> Plan:
    fit = fitting.fit(graph, target)
    assume(fit.fits)
    plan = fit.plan
    assert isinstance(plan, Plan)
    return plan


def _per_row(walk: Walk, counted: np.ndarray, none: np.ndarray) -> list[int]:
    """Set bits of every pass that is walked."""
    read, sums = walk.read(counted, none), [0]
    for ones, ends in zip(read.ones, read.ends, strict=True):
        sums[-1] += int(ones)
        sums += [0] * bool(ends)
    assert sums.pop() == 0, "bits behind the last row"
    return sums


@settings(max_examples=examples(60))
@given(
    graph=networks.grids() | networks.graphs(),
    density=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_spike_is_found_and_every_pass_ends(graph: CheckedGraph, density: float, seed: int) -> None:
    target = _target()
    plan = _plan(graph, target)
    rng = np.random.default_rng(seed)
    counted = np.cumsum(np.append(0, rng.random(plan.floorplan.spike_words * 32) < density))
    before = np.cumsum(np.append(0, rng.random(plan.floorplan.spike_words * 32) < density))
    for job in (job for jobs in plan.jobs.values() for job in jobs):
        every, spotted = Walk(job, target.hardware, 5), SpottedWalk(job, target.hardware, 5)
        assert _per_row(spotted, counted, before) == _per_row(every, counted, before)
        assert spotted.read(counted, before).cycles <= every.length + (len(job.segments) + 3) * job.lines * job.columns


def _convolution() -> list[Job]:
    """2 x 16 x 16 -> 8 x 16 x 16 -> 12."""
    rng, neurons = np.random.default_rng(0), {"v_threshold": 1.0, "v_reset": 0.0, "r": 1.0}
    nodes = {
        "input": nir.Input({"input": np.array([2, 16, 16])}),
        "conv": nir.Conv2d((16, 16), rng.normal(0, 1, (8, 2, 3, 3)), 1, 1, 1, 1, np.zeros(8)),
        "one": nir.IF(**{name: np.full((8, 16, 16), value) for name, value in neurons.items()}),
        "flat": nir.Flatten({"input": np.array([8, 16, 16])}, 0, -1),
        "fc": nir.Linear(rng.normal(0, 1, (12, 2048))),
        "two": nir.IF(**{name: np.full(12, value) for name, value in neurons.items()}),
        "output": nir.Output({"output": np.array([12])}),
    }
    names = list(nodes)
    graph = check(nir.NIRGraph(nodes, list(itertools.pairwise(names))), dt=1e-4)
    return list(_plan(graph, _target().with_hardware(cores=1)).jobs[0])


def test_silent_rows_take_a_cycle_each() -> None:
    job = next(job for job in _convolution() if job.windows and job.lines > 1)
    nothing = np.zeros(16 * 16 * 8 * 2 + 4096, dtype=np.int64)
    read = SpottedWalk(job, _target().hardware, 5).read(nothing, nothing)
    assert read.cycles == job.lines * job.columns
    assert read.ones.sum() == 0
    assert read.ends.sum() == job.lines * job.columns


def test_what_is_looked_up_fits_where_it_is_kept() -> None:
    """Sixteen bytes from a word's start on, wherever in the word a stretch starts."""
    found = [job for job in _convolution() if job.windows]
    assert found
    for job in found:
        assert job.windows is not None
        last = (job.windows.stretch - 1) * job.windows.step + job.windows.reach
        starts = {
            (job.windows.address + line * job.windows.line_step + k * job.windows.pitch + at * job.windows.step) % 32
            for line in range(job.lines)
            for k in range(len(job.segments))
            for at in range(0, job.columns, job.windows.stretch)
        }
        assert max(starts) // 8 * 8 + last < 128


def test_segments_that_differ_are_not_looked_up_together() -> None:
    job = next(job for job in _convolution() if job.windows and len(job.segments) == 3)
    one, two, three = job.segments
    assert windows((one, two, three), job.columns) == job.windows
    assert windows((two, one, three), job.columns) is None
    assert windows((one, two, two), job.columns) is None
    assert windows((one,) * (MOST_UNIFORM + 1), job.columns) is None
    assert windows(job.segments, 1) is None


@pytest.mark.parametrize("hardware", [{}, {"lists": 1}, {"update": 1, "compact": 1}])
def test_jobs_stand_in_two_lists_where_the_hardware_has_them(hardware: dict[str, int]) -> None:
    plan = _plan(check(networks.two_layers()), _target(**hardware))
    target = _target(**hardware)
    splits = work.splits(list(plan.jobs.values()), target.hardware)
    assert any(splits) == (target.hardware.job_lists == 2)
    for jobs, split in zip(plan.jobs.values(), splits, strict=True):
        assert not split or jobs[split].flags & FIRST_JOB


def test_nothing_is_ahead_where_a_job_reads_the_step_before() -> None:
    target = _target().with_hardware(cores=1)
    jobs = [list(jobs) for jobs in _plan(check(networks.two_layers()), target).jobs.values()]
    assert work.splits(jobs, target.hardware)[0] > 0
    jobs[0][-1].wait_before = frozenset({1})
    assert work.splits(jobs, target.hardware) == [0]
