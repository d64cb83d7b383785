"""primitives: every NIR node in one row: its parameters, how it treats shapes, what it does to a signal.

Adding one touches its row here, its equation (:mod:`nirdeploy.semantics.neuron`) or what it does to a chain
(:mod:`nirdeploy.graph.linear`), and its tests; its module stands in the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph import extension, linear, shapes
from nirdeploy.semantics import neuron

Values = dict[str, Any]  # parameters, as a file holds them


def _as_they_are(values: Values, label: str) -> Values:
    return values


@dataclass(frozen=True)
class Primitive:
    """One kind of node.

    ``port``: an Input or Output; ``neuron``: a population; ``linear``: what stands between them, which ``through``
    continues a chain through. ``needed`` and ``optional`` are the parameters in a file; ``one_shape``: they are
    spread to one. ``made`` turns them into the arguments of ``node``.
    """

    node: type[nir.NIRNode]
    kind: Literal["port", "neuron", "linear"]
    rule: shapes.Rule
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    one_shape: bool = False
    made: Callable[[Values, str], Values] = _as_they_are
    through: linear.Through | None = None

    @property
    def name(self) -> str:
        """What a file calls it."""
        return extension.file_type(self.node)

    @property
    def parameters(self) -> tuple[str, ...]:
        return (*self.needed, *self.optional)


def _input(values: Values, label: str) -> Values:
    return {"input_type": {"input": values.get("shape")}}


def _output(values: Values, label: str) -> Values:
    return {"output_type": {"output": values.get("shape")}}


def _flatten(values: Values, label: str) -> Values:
    for key in ("start_dim", "end_dim"):
        dim = np.asarray(values[key])
        if dim.size != 1 or dim.dtype.kind not in "iuf" or dim.item() % 1 != 0:
            raise GraphError(f"parameter {key!r} of {label} is not one whole number")
    start, end = (int(np.asarray(values[key]).item()) for key in ("start_dim", "end_dim"))
    return {"start_dim": start, "end_dim": end, "input_type": {"input": values.get("input_type")}}


def _convolution(values: Values, label: str) -> Values:
    return {"input_shape": None} | values


def _resetting(values: Values, label: str) -> Values:
    return {"v_reset": np.zeros_like(values["v_threshold"])} | values


def _neuron(kind: type[nir.NIRNode]) -> Primitive:
    parameters = neuron.PARAMETERS[kind.__name__]
    optional = tuple(key for key in parameters if key in ("v_reset", "w_in"))
    return Primitive(
        kind,
        "neuron",
        shapes.Unchanged(parameters),
        tuple(key for key in parameters if key not in optional),
        optional,
        one_shape=kind is not nir.Threshold,
        made=_resetting if "v_reset" in parameters else _as_they_are,
    )


def _linear(
    kind: type[nir.NIRNode],
    rule: shapes.Rule,
    through: linear.Through,
    needed: tuple[str, ...],
    optional: tuple[str, ...] = (),
    **reader: Any,
) -> Primitive:
    return Primitive(kind, "linear", rule, needed, optional, through=through, **reader)


_KERNEL = ("weight", "stride", "padding", "dilation", "groups", "bias")
_WINDOW = ("kernel_size", "stride", "padding")
_ROWS = (
    Primitive(nir.Input, "port", shapes.Declared(), (), ("shape",), made=_input),
    _linear(nir.Linear, shapes.Dense(), linear.dense, ("weight",)),
    _linear(nir.Affine, shapes.Dense(), linear.dense, ("weight", "bias")),
    _linear(nir.Conv1d, shapes.Convolution(1), linear.convolved, _KERNEL, ("input_shape",), made=_convolution),
    _linear(nir.Conv2d, shapes.Convolution(2), linear.convolved, _KERNEL, ("input_shape",), made=_convolution),
    _linear(
        extension.ConvTranspose2d,
        shapes.Transposed(),
        linear.transposed,
        ("weight", "stride", "padding", "output_padding", "dilation", "groups", "bias"),
    ),
    _linear(nir.SumPool2d, shapes.Pooling(), linear.summed, _WINDOW),
    _linear(nir.AvgPool2d, shapes.Pooling(), linear.averaged, _WINDOW),
    _linear(extension.MaxPool2d, shapes.Pooling(), linear.maximized, _WINDOW),
    _linear(nir.Flatten, shapes.Flatten(), linear.reshaped, ("start_dim", "end_dim"), ("input_type",), made=_flatten),
    _linear(nir.Scale, shapes.Unchanged(("scale",)), linear.scaled, ("scale",)),
    _linear(nir.Delay, shapes.Unchanged(("delay",)), linear.delayed, ("delay",)),
    *(_neuron(kind) for kind in (nir.IF, nir.LIF, nir.CubaLIF, nir.I, nir.LI, nir.CubaLI, nir.Threshold)),
    Primitive(nir.Output, "port", shapes.Declared(), (), ("shape",), made=_output),
)

#: By the name that a file gives it.
TABLE: dict[str, Primitive] = {row.name: row for row in _ROWS}
_BY_NODE = {row.node: row for row in _ROWS}


def of(node: nir.NIRNode) -> Primitive | None:
    """The row of a node; None for what is none of NIR's (or a subgraph)."""
    return _BY_NODE.get(type(node))


def known(node: nir.NIRNode) -> Primitive:
    """The row of a node that check has let in."""
    return _BY_NODE[type(node)]


def is_linear(node: nir.NIRNode) -> bool:
    """Whether a node stands between populations."""
    row = of(node)
    return row is not None and row.kind == "linear"
