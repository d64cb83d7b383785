"""What the frontends share: one observed run of a net becomes a NIR graph.

The frameworks export through nirtorch, which loses what a frontend would have to repair: branches from the input,
the order of nodes and edges, every shape within a convolution; and it refuses a scalar parameter outright. A run
that is observed shows all shapes, and NIR's parameters are read off the modules in float64.
"""

from __future__ import annotations

import math
from dataclasses import replace

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import rows
from nirdeploy.exchange.emit import commonest, emit
from nirdeploy.exchange.observe import Observer
from nirdeploy.exchange.ops import Op
from nirdeploy.exchange.table import Call, Table, array
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect

NO_LEAK = 2.0**60  # a time constant in steps: 1 - 1 / NO_LEAK is 1 in float64, and NIR wants tau finite


def export(net: nn.Module, example: torch.Tensor, table: Table, preset: Dialect) -> nir.NIRGraph:
    """The graph of a net; ``preset``: the dialect of a net without neurons.

    Raises:
        ExportError: what has no NIR node, and why.
    """
    seen = Observer(net, (example,), table)
    return emit(seen.placing, seen.inputs, seen.endings, commonest(seen.placing.nodes, preset))


def with_dt(preset: str, dt: float | None, otherwise: float) -> Dialect:
    """A preset with its seconds per step. Raises :class:`ExportError` on a dt that is no time."""
    step = otherwise if dt is None else float(dt)
    if not (step > 0 and math.isfinite(step)):
        raise ExportError(f"dt must be a positive number of seconds, not {dt!r}", hint="leave it out for the default")
    return replace(dialects.PRESETS[preset], dt=step)


def per_neuron(value: object, key: str, call: Call) -> np.ndarray:
    """A neuron's parameter as one float64 value per neuron. Raises :class:`ExportError`."""
    values = array(value)
    while values.ndim > len(call.leaving) and values.shape[0] == 1:  # a batch dimension
        values = values[0]
    try:
        return np.broadcast_to(values, call.leaving).copy()
    except ValueError as error:
        raise ExportError(
            f"{call.name} ({type(call.module).__name__}): {key} has shape {values.shape}, the neurons {call.leaving}",
            hint="give one value, or one per neuron",
        ) from error


def refused(call: Call, reason: str, hint: str) -> ExportError:
    """The error for a module that does what no dialect does; ``hint``: what would come in instead."""
    return ExportError(f"{call.name} ({type(call.module).__name__}): {reason}", hint=hint)


def layer(module: nn.Module, call: Call, name: str) -> nir.NIRNode:
    """The node of a layer that brings a neuron's spikes back to it. Raises :class:`ExportError` if NIR has none."""
    who = f"{call.name}.{name} ({type(module).__name__})"
    op = rows.op_of(module, who)
    made = op.node(call.leaving, array) if isinstance(op, Op) else None
    if made is None:
        raise ExportError(f"no NIR node for {who}", hint="bring spikes back through a Linear or a convolution")
    return made
