"""membrane: the steps of a population in integers, forward those of the integer simulator, bit for bit.

Integers stand in float64, which holds all of them exactly (membranes below 2^24, their products with a decay below
2^53). Backward rounding passes gradients as it finds them, what saturates passes none, a spike passes a surrogate's
(arctan, Fang et al. 2021, arXiv 2007.05785, over the threshold), and a reset is not differentiated through.

On the processor compiled loops compute it (:mod:`.compiled`), elsewhere tensors (:mod:`.tensors`), held equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nirdeploy.tuning.training import compiled, tensors
from nirdeploy.tuning.training.cells import Cells, State


class Way(NamedTuple):
    """How a sum of weights arrives: in units of 2^``shift`` LSBs of the membrane, ``delay`` steps late."""

    shift: int
    delay: int


def steps(
    cells: Cells,
    state: State,
    bias: Tensor,
    arriving: Sequence[tuple[Tensor, Way]],
    span: tuple[int, int],
) -> tuple[Tensor, State]:
    """Some steps of a population.

    Args:
        bias: float64 (size,), whole numbers: what a step adds to what enters.
        arriving: sums of weights (steps, B, size), whole numbers.
        span: the first step, from the start of the sample, and how many.

    Returns:
        what leaves (spike counts, or the membrane; float32 (steps, B, size)), the state after.
    """
    ways = tuple(way for _, way in arriving)
    values = (bias, *state, *(sums for sums, _ in arriving))
    out, *after = _Steps.apply(cells, ways, span, torch.is_grad_enabled(), *values)  # type: ignore[no-untyped-call]
    return out, State(*after)


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cells: Cells,
        ways: tuple[Way, ...],
        span: tuple[int, int],
        keep: bool,
        bias: Tensor,
        *values: Tensor,
    ) -> tuple[Tensor, ...]:
        first, count = span
        state, sums = State(*values[:3]), values[3:]
        biases = torch.stack([bias - cells.missing(first + t) for t in range(count)])
        entering = _entering(list(zip(sums, ways, strict=True)), (count, *state.v.shape), bias.device)
        engine = _engine(bias.device)
        out, after, tape = engine.forward(cells, entering, biases, state, keep)
        ctx.cells, ctx.ways, ctx.tape, ctx.engine = cells, ways, tape, engine
        ctx.kinds = [one.dtype for one in sums]
        return (out, *after)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_output: Tensor, *of_state: Tensor) -> tuple[Any, ...]:
        entered, of_bias, before = ctx.engine.backward(ctx.cells, ctx.tape, of_output, State(*of_state))
        of_sums = [_sent(entered, way).to(kind) for way, kind in zip(ctx.ways, ctx.kinds, strict=True)]
        return (None, None, None, None, of_bias, *before, *of_sums)


def _engine(device: torch.device) -> ModuleType:
    return compiled if device.type == "cpu" else tensors


def _entering(
    arriving: Sequence[tuple[Tensor, Way]], shape: tuple[int, ...], device: torch.device
) -> tuple[Tensor, float]:
    """What arrives in every step, without the bias, and the unit that it is in."""
    if len(arriving) == 1 and not arriving[0][1].delay:
        ((sums, way),) = arriving
        return sums, 2.0**way.shift
    total = torch.zeros(shape, dtype=torch.float64, device=device)
    for sums, way in arriving:
        total[way.delay :] += sums[: len(sums) - way.delay].double() * 2.0**way.shift
    return total, 1.0


def _sent(entered: Tensor, way: Way) -> Tensor:
    """The gradient of a sum that arrived as ``way`` says, by that of what entered."""
    sent = entered * 2.0**way.shift
    if way.delay:
        sent = torch.cat([sent[way.delay :], torch.zeros_like(sent[: way.delay])])
    return sent
