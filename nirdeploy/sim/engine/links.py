"""links: what each input of a projection adds, and to what: runs of weights, as tables.

An input has a ``place`` and a ``base``. The runs of a place say to which sums (``offset``, ``length``) which weights
(from ``base + row`` on) are added: the inputs of all channels at a position share a place. A convolution's taps
that lie side by side are one run, and a pool in front of an operator is in the tables too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Passage, Pool
from nirdeploy.sim.engine.layout import STEP, Layout, aligned

Kind = type[np.number[Any]]
BLOCK = 128  # sums of a matrix that are made together: so few that their weights stay near


@dataclass(frozen=True)
class Rows:
    """A matrix: each input adds one row, block by block."""

    weight: np.ndarray  # (blocks x inputs x block), flat
    block: int


@dataclass(frozen=True)
class Runs:
    """Any operator; see above. ``tables``: place and base of each input; where each place's runs begin (and one more
    for the end); their offset, row and length: uint32."""

    tables: tuple[np.ndarray, ...]
    weight: np.ndarray  # flat


@dataclass(frozen=True)
class _Runs:
    """The runs of some places, one behind the other: int64."""

    count: np.ndarray  # of each place
    offset: np.ndarray
    row: np.ndarray
    length: np.ndarray


def lands(passage: Passage, landing: Layout) -> bool:
    """Whether the engine can make the sums of a passage (up to its maximum) in this layout."""
    operator = passage.operator
    if not isinstance(operator, Convolution):
        return operator.outputs == landing.size
    channels, *space = operator.out_shape
    return (channels, math.prod(space)) == (landing.channels, landing.positions)


def links(passage: Passage, source: Layout, landing: Layout, kind: Kind) -> Rows | Runs:
    """The tables of a passage (up to its maximum) from a signal in one layout to sums in another, which it
    :func:`lands` in; weights of that kind."""
    operator, pool = passage.operator, passage.pool
    if isinstance(operator, Dense) and pool is None:
        return _rows(operator, source, landing, kind)
    return runs_of(operator, pool, source, landing, kind)


def runs_of(operator: Operator, pool: Pool | None, source: Layout, landing: Layout, kind: Kind) -> Runs:
    """The tables of any operator, perhaps behind a pool."""
    channels, positions = _geometry(operator, pool)
    group, base, weight, runs = _of_operator(operator, channels, landing)
    if pool is not None:
        runs = _pooled(runs, pool, int(group.max()) + 1)
    runs = _joined(runs)
    place = (group[:, None] * positions + np.arange(positions)).ravel()
    begin = np.concatenate([[0], np.cumsum(runs.count)])
    tables = (source.lay(place), source.lay(np.repeat(base, positions)), begin, runs.offset, runs.row, runs.length)
    flat = aligned((weight.size,), kind)
    flat[...] = weight.ravel()
    return Runs(tuple(table.astype(np.uint32) for table in tables), flat)


def _rows(operator: Dense, source: Layout, landing: Layout, kind: Kind) -> Rows:
    block = min(BLOCK, landing.width)
    blocks = -(-landing.width // block)
    rows = np.zeros((source.width, blocks * block), dtype=kind)
    rows[np.ix_(source.index, landing.index)] = operator.weight.T
    weight = aligned((blocks, source.width, block), kind)
    weight[...] = rows.reshape(-1, blocks, block).swapaxes(0, 1)
    return Rows(weight.ravel(), block)


def _geometry(operator: Operator, pool: Pool | None) -> tuple[int, int]:
    """Channels and positions of what enters."""
    shape = pool.shape if pool is not None else (operator.inputs, 1, 1)
    if pool is None and isinstance(operator, Convolution):
        shape = operator.shape
    return shape[0], math.prod(shape[1:])


def _of_operator(
    operator: Operator, channels: int, landing: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray, _Runs]:
    """Of each channel the group (whose runs it shares) and the base; the weights; the runs by group and position."""
    if isinstance(operator, Convolution):
        return _convolved(operator, landing)
    inputs, every = operator.inputs, np.arange(channels)
    ones, none = np.ones(inputs, dtype=np.int64), np.zeros(channels, dtype=np.int64)
    if isinstance(operator, Elementwise):
        lane = landing.index % STEP
        weight = np.zeros((inputs, STEP))
        weight[np.arange(inputs), lane] = operator.weight
        return every, none, weight, _Runs(ones, landing.index - lane, np.arange(inputs) * STEP, ones * STEP)
    weight = landing.lay(operator.weight.T)
    return every, none, weight, _Runs(ones, ones * 0, np.arange(inputs) * landing.width, ones * landing.width)


def _convolved(operator: Convolution, landing: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray, _Runs]:
    order = np.concatenate(
        [[high * operator.weight.shape[3] + wide for wide in _order(operator, 1)] for high in _order(operator, 0)]
    )
    there, to = _reached(operator, order)
    ins, outs = operator.weight.shape[1], operator.weight.shape[0] // operator.groups
    weights, counts, offsets, rows, lengths, bases = [], [], [], [], [], []
    begin = 0
    for group in range(operator.groups):
        lane = group * outs % STEP
        length = -(-(lane + outs) // STEP) * STEP
        own = operator.weight[group * outs : (group + 1) * outs].reshape(outs, ins, -1)[:, :, order]
        padded = np.zeros((ins, len(order), length))
        padded[:, :, lane : lane + outs] = own.transpose(1, 2, 0)
        weights.append(padded.ravel())
        bases.append(begin + np.arange(ins) * len(order) * length)
        begin += padded.size
        counts.append(there.sum(axis=1))
        offsets.append((to * landing.lanes + group * outs - lane)[there])
        rows.append(np.broadcast_to(np.arange(len(order)) * length, there.shape)[there])
        lengths.append(np.full(int(there.sum()), length))
    found = _Runs(*(np.concatenate(parts) for parts in (counts, offsets, rows, lengths)))
    return np.repeat(np.arange(operator.groups), ins), np.concatenate(bases), np.concatenate(weights), found


def _order(operator: Convolution, axis: int) -> list[int]:
    """The taps in the order in which an input reaches outputs by them, by remainders of the stride."""
    step, stride = operator.dilation[axis], operator.stride[axis]
    return sorted(range(operator.weight.shape[2 + axis]), key=lambda tap: (tap * step % stride, -tap))


def _reached(operator: Convolution, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which output each position of an input reaches by each tap, if any: (positions, taps) bool, int64."""
    along = []
    for axis, taps in enumerate((order // operator.weight.shape[3], order % operator.weight.shape[3])):
        at = np.arange(operator.shape[1 + axis])[:, None] * operator.spread[axis]
        at = at + operator.padding[axis][0] - taps * operator.dilation[axis]
        out = at // operator.stride[axis]
        along.append(((at % operator.stride[axis] == 0) & (out >= 0) & (out < operator.out_shape[1 + axis]), out))
    (rows, row), (columns, column) = along
    there = rows[:, None] & columns[None]
    to = row[:, None] * operator.out_shape[2] + column[None]
    return there.reshape(-1, len(order)), to.reshape(-1, len(order))


def _pooled(runs: _Runs, pool: Pool, groups: int) -> _Runs:
    """The runs of a pool's inputs: those of all outputs whose windows see them."""
    there, to = _reached(pool.as_convolution(), np.arange(math.prod(pool.kernel)))
    outs = math.prod(pool.out_shape[1:])
    seen = np.broadcast_to(there, (groups, *there.shape))
    place = (to + (np.arange(groups) * outs)[:, None, None])[seen]
    begin = np.cumsum(runs.count) - runs.count
    repeated = runs.count[place]
    which = np.repeat(begin[place] - (np.cumsum(repeated) - repeated), repeated) + np.arange(repeated.sum())
    owner = np.repeat(np.nonzero(seen.reshape(-1, there.shape[1]))[0], repeated)
    count = np.bincount(owner, minlength=groups * len(there))
    return _Runs(count, runs.offset[which], runs.row[which], runs.length[which])


def _joined(runs: _Runs) -> _Runs:
    """Runs of a place that go on where another ends, in sums and weights, as one."""
    place = np.repeat(np.arange(len(runs.count)), runs.count)
    begins = np.ones(len(place), dtype=bool)
    further = [values[1:] == values[:-1] + runs.length[:-1] for values in (runs.offset, runs.row)]
    begins[1:] = (place[1:] != place[:-1]) | ~further[0] | ~further[1]
    first = np.nonzero(begins)[0]
    length = np.add.reduceat(runs.length, first) if len(first) else runs.length
    count = np.bincount(place[first], minlength=len(runs.count))
    return _Runs(count, runs.offset[first], runs.row[first], length)
