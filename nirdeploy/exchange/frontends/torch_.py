"""PyTorch itself: layers of torch.nn, the modules of :mod:`nirdeploy.exchange`, and SpikingJelly's, in any mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import rows
from nirdeploy.exchange.emit import commonest, emit
from nirdeploy.exchange.frontends import jelly_modules as jelly
from nirdeploy.exchange.modules import Delay, MultiStep, Neuron, Recurrent, Sequential
from nirdeploy.exchange.observe import Observer
from nirdeploy.exchange.ops import Op
from nirdeploy.exchange.signals import Node
from nirdeploy.exchange.table import Call, Part, Table
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect

_STATEFUL = (Neuron, Recurrent, Delay)
_OTHERS = ("snntorch", "norse", "sinabs", "rockpool")


def export(
    net: nn.Module, examples: tuple[torch.Tensor, ...], dt: float, dialect: str | Dialect | None = None
) -> nir.NIRGraph:
    """The NIR graph of a net; examples (B, ...), or (T, B, ...) in step_mode 'm'.

    Raises:
        ExportError: lists every module and call that NIR has no node for, with the lines that call them.
    """
    table = _Table(dt)
    table.check(net)
    try:
        seen = Observer(net, examples, table)
    except ExportError as error:
        raise _of_another_framework(net) or error from None
    return emit(seen.placing, seen.inputs, seen.endings, _dialect(seen.placing.nodes, dt, dialect))


def _of_another_framework(net: nn.Module) -> ExportError | None:
    """What there is to say of a net with modules of a framework that has a frontend of its own."""
    theirs = {name: type(module) for name, module in net.named_modules() if _package(type(module)) in _OTHERS}
    if not theirs:
        return None
    package = _package(next(iter(theirs.values())))
    some = ", ".join(f"{name or 'the net'} ({kind.__name__})" for name, kind in list(theirs.items())[:3])
    return ExportError(
        f"the net has modules of {package}: {some}{', ...' if len(theirs) > 3 else ''}",
        hint=f"nd.export_from('{package}', net, x), or nirdeploy export --from {package}, reads them",
    )


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


class _Table(Table):
    """Our own modules and SpikingJelly's."""

    package = "spikingjelly"
    places = jelly.PLACES
    containers = jelly.CONTAINERS

    def check(self, net: nn.Module) -> None:
        """Raise :class:`ExportError` where our own neurons disagree on how they take time."""
        modes = {getattr(module, "step_mode", "s") for module in net.modules() if isinstance(module, _STATEFUL)}
        if len(modes) > 1:
            raise ExportError("the net mixes step_mode 's' and 'm'", hint="give all neurons the same step_mode")

    def declared(self, net: nn.Module) -> int:
        ours = [module.step_mode == "m" for module in net.modules() if isinstance(module, _STATEFUL)]
        theirs = [jelly.steps_inside(module) for module in net.modules()]
        return 2 if any(ours) or any(theirs) else 1

    def array(self, value: Any) -> np.ndarray:
        return _array(value)

    def is_neuron(self, module: nn.Module) -> bool:
        return isinstance(module, _STATEFUL) or jelly.kind_of(module) is not None

    def form(self, module: nn.Module) -> tuple[str, ...]:
        ours = isinstance(module, _STATEFUL) and module.step_mode == "m"
        return ("T", "B") if ours or jelly.steps_inside(module) else ("B",)

    def restarts(self, module: nn.Module) -> bool:
        return isinstance(module, _STATEFUL)

    def reads_out(self, module: nn.Module) -> bool:
        return jelly.reads_out(module)

    def op(self, module: nn.Module, who: str) -> rows.Given | None:
        if self.own_class(module) is not None:
            return jelly.op(module, who)
        return rows.op_of(module, who)

    def extra(self, module: nn.Module) -> int:
        return int(bool(jelly.steps_inside(module)))

    def reason(self, module: nn.Module) -> tuple[str, str]:
        own = self.own_class(module)
        return rows.reason(module) if own is None else jelly.reason(module, own)

    def is_leaf(self, module: nn.Module) -> bool:
        return not isinstance(module, (MultiStep, Sequential)) and super().is_leaf(module)

    def neuron(self, call: Call) -> Part:
        module = call.module
        if isinstance(module, Delay):
            return Part(nir.Delay(np.broadcast_to(_array(module.get_buffer("delay")), call.leaving).copy()), None)
        if isinstance(module, Recurrent):
            return self._recurrent(call, module)
        if isinstance(module, Neuron):
            return self._own(call, module)
        return jelly.neuron(call, self.dt)

    def _own(self, call: Call, module: Neuron) -> Part:
        if not np.isclose(module.dialect.dt, self.dt, rtol=1e-9):
            raise ExportError(
                f"the net's neurons step by dt = {module.dialect.dt:g} s, the export was asked for dt = {self.dt:g} s",
                hint=f"pass dt={module.dialect.dt:g}",
            )
        values = {}
        for key, value in module.nir_parameters().items():
            try:
                values[key] = np.broadcast_to(_array(value), call.leaving).copy()
            except ValueError as error:
                raise ExportError(
                    f"{call.name}: {key} has shape {tuple(value.shape)}, the neurons {call.leaving}",
                    hint="give one value, or one per neuron",
                ) from error
        return Part(getattr(nir, module.model)(**values), module.dialect)

    def _recurrent(self, call: Call, module: Recurrent) -> Part:
        inner = self._own(call, module.neuron)
        who = f"{call.name}.feedback ({type(module.feedback).__name__})"
        op = rows.op_of(module.feedback, who)
        feedback = op.node(call.leaving, _array) if isinstance(op, Op) else None
        if feedback is None:
            raise ExportError(f"no NIR node for {who}", hint="bring spikes back through a Linear or a convolution")
        return replace(inner, feedback=feedback)


def _dialect(nodes: Sequence[Node], dt: float, given: str | Dialect | None) -> Dialect:
    """The dialect of the graph. Raises :class:`ExportError` where a neuron follows another than the one asked for."""
    step = repr(float(dt))
    if given is None:
        return commonest(nodes, dialects.parse(f"nir,dt={step}"))
    asked = dialects.parse(f"{given if isinstance(given, Dialect) else dialects.parse(given)},dt={step}")
    for node in nodes:
        if node.dialect is not None and replace(asked, preset="nir", dt=dt) != replace(
            node.dialect, preset="nir", dt=dt
        ):
            raise ExportError(
                f"{node.name} follows the dialect {node.dialect}, the export was asked for {asked}",
                hint="build the neurons with that dialect, or do not name one",
            )
    return asked


def _array(value: Any) -> np.ndarray:
    tensor: torch.Tensor = value.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # NumPy has none; float32 holds every value
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array.copy()
