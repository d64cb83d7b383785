"""What the frontends share: one run of a net, watched from outside, becomes a NIR graph.

The frameworks export through nirtorch, which loses what a frontend would have to repair: branches from the input,
the order of nodes and edges, every shape within a convolution; and it refuses a scalar parameter outright. Hooks
on the net's modules see the same run with all shapes, and NIR's parameters are read off the modules in float64.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.layers import pair, to_node
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect

Shape = tuple[int, ...]

NO_LEAK = 2.0**60  # a time constant in steps: 1 - 1 / NO_LEAK is 1 in float64, and NIR wants tau finite
_PASSES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)  # the same tensor again: invisible
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d)
_SUPPORTED = "nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d, nn.Flatten, sum pooling, nn.Identity, nn.Dropout"


@dataclass(frozen=True)
class Call:
    """A module as the net calls it: where its input comes from, and shapes without batch and time.

    ``given``: the shape its source gives; another than ``arriving`` where the net flattens on the way.
    """

    name: str
    module: Any
    source: str
    given: Shape
    arriving: Shape
    leaving: Shape
    leading: int


@dataclass(frozen=True)
class Part:
    """A neuron in NIR: its node, how it is stepped, and the weights (if any) that bring its spikes back to it."""

    node: nir.NIRNode
    dialect: Dialect
    feedback: nir.NIRNode | None = None


def class_of(module: object, package: str, names: Collection[str]) -> str | None:
    """Which of a framework's classes a module is, or derives from without a ``forward`` of its own; else None."""
    for kind in type(module).__mro__:
        if kind.__module__.partition(".")[0] == package:
            return kind.__name__ if kind.__name__ in names else None
        if "forward" in vars(kind):
            return None
    return None


def export(
    net: nn.Module,
    example: torch.Tensor,
    leading: int,
    preset: Dialect,
    is_neuron: Callable[[nn.Module], bool],
    neuron: Callable[[Call], Part],
) -> nir.NIRGraph:
    """The graph of a net.

    Args:
        example: one input, with ``leading`` dimensions of batch and time.
        preset: the dialect of a net without neurons.
        is_neuron: whether a module is one of the framework's neurons.
        neuron: the framework's neuron in NIR.

    Raises:
        ExportError: what has no NIR node, and why.
    """
    watch = _Watch(net, example, leading, is_neuron)
    calls = list(watch.calls.values())
    names = {call.name for call in calls}
    start, end = _free("input", names), _free("output", names)
    nodes: dict[str, nir.NIRNode] = {start: nir.Input({"input": np.array(watch.input_shape)})}
    edges: list[tuple[str, str]] = []
    own: dict[str, Dialect] = {}
    for call in calls:
        source = call.source or start
        if call.given != call.arriving:
            flat = f"{call.name}.flatten"
            nodes[flat] = nir.Flatten({"input": np.array(call.given)}, start_dim=0, end_dim=-1)
            edges.append((source, flat))
            source = flat
        if is_neuron(call.module):
            part = neuron(call)
            nodes[call.name], own[call.name] = part.node, part.dialect
            if part.feedback is not None:
                back = f"{call.name}.recurrent"
                nodes[back] = part.feedback
                edges += [(call.name, back), (back, call.name)]
        else:
            nodes[call.name] = layer(call)
        edges.append((source, call.name))
    read = {call.source for call in calls}
    last = [call for call in calls if call.name not in read]
    for index, call in enumerate(last):
        name = end if len(last) == 1 else f"{end}_{index}"
        nodes[name] = nir.Output({"output": np.array(call.leaving)})
        edges.append((call.name, name))
    most = Counter(own.values()).most_common(1)[0][0] if own else preset
    for name, dialect in own.items():
        if dialect != most:
            nodes[name].metadata = {dialects.METADATA_KEY: str(dialect)}
    return nir.NIRGraph(nodes, edges, metadata={dialects.METADATA_KEY: str(most)}, type_check=False)


def with_dt(preset: str, dt: float | None, otherwise: float) -> Dialect:
    """A preset with its seconds per step. Raises :class:`ExportError` on a dt that is no time."""
    step = otherwise if dt is None else float(dt)
    if not (step > 0 and math.isfinite(step)):
        raise ExportError(f"dt must be a positive number of seconds, not {dt!r}")
    return replace(dialects.PRESETS[preset], dt=step)


def array(value: Any) -> np.ndarray:
    """A tensor or number as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    return np.array(value, dtype=np.float64)


def per_neuron(value: Any, key: str, call: Call) -> np.ndarray:
    """A neuron's parameter as one float64 value per neuron. Raises :class:`ExportError`."""
    values = array(value)
    while values.ndim > len(call.leaving) and values.shape[0] == 1:  # a batch dimension
        values = values[0]
    try:
        return np.broadcast_to(values, call.leaving).copy()
    except ValueError as error:
        raise ExportError(
            f"{call.name} ({type(call.module).__name__}): {key} has shape {values.shape}, the neurons {call.leaving}"
        ) from error


def refused(call: Call, reason: str, hint: str = "") -> ExportError:
    """The error for a module that does what no dialect does."""
    return ExportError(f"{call.name} ({type(call.module).__name__}): {reason}", hint=hint)


def layer(call: Call) -> nir.NIRNode:
    """A stateless layer of torch.nn. Raises :class:`ExportError` if NIR has no node for it."""
    module = call.module
    if isinstance(module, _LAYERS):
        return to_node(module, call.arriving, f"{call.name} ({type(module).__name__})", array)
    if isinstance(module, nn.LPPool2d) and module.norm_type == 1:  # the sum of a window
        if module.ceil_mode:
            raise refused(call, "NIR's SumPool2d has no ceil_mode")
        stride = module.kernel_size if module.stride is None else module.stride
        return nir.SumPool2d(pair(module.kernel_size), pair(stride), pair(0))
    if isinstance(module, nn.Flatten):
        return _flatten(call)
    kind = f"{type(module).__module__.partition('.')[0]}'s {type(module).__name__}"
    raise ExportError(f"no NIR node for {call.name} ({kind})", hint=f"beside the framework's neurons: {_SUPPORTED}")


def _flatten(call: Call) -> nir.NIRNode:
    dims = call.leading + len(call.arriving)
    start, end = (dim + dims if dim < 0 else dim for dim in (call.module.start_dim, call.module.end_dim))
    if start < call.leading:
        raise refused(
            call, f"it flattens from dimension {start}, batch or time along", hint=f"use nn.Flatten({call.leading})"
        )
    return nir.Flatten({"input": np.array(call.arriving)}, start_dim=start - call.leading, end_dim=end - call.leading)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


@dataclass(frozen=True)
class _Signal:
    """A tensor that a module gave (source "": the net's input), as it was then."""

    tensor: torch.Tensor
    source: str
    shape: Shape
    version: int


class _Watch:
    """One run of the net: which module reads whose output. ``calls`` in the order of the run."""

    def __init__(
        self, net: nn.Module, example: torch.Tensor, leading: int, is_neuron: Callable[[nn.Module], bool]
    ) -> None:
        if example.ndim <= leading:
            form = "(B, T, ...)" if leading == 2 else "(B, ...)"
            raise ExportError(f"the example input has shape {tuple(example.shape)}, the net takes {form}")
        self.calls: dict[str, Call] = {}
        self.input_shape: Shape = ()
        self._leading = leading
        weight = next((p for p in net.parameters() if p.is_floating_point()), example)
        self._example = example.to(weight.device, weight.dtype).contiguous()
        self._known: dict[int, _Signal] = {}  # by the tensor's id; a signal keeps its tensor alive
        self._stored: dict[tuple[int, int], list[_Signal]] = {}  # by address and size, to know views
        self._coming: dict[str, tuple[_Signal, Shape]] = {}
        if example.ndim > leading + 1:  # its first dimension may be time
            for step in self._example:
                self._note(step, "")
        self._note(self._example, "")
        hooks: list[Any] = []
        try:
            for name, module in _leaves(net, is_neuron):
                hooks.append(module.register_forward_pre_hook(self._entering(name), with_kwargs=True, prepend=True))
                hooks.append(module.register_forward_hook(self._leaving(name)))
            self._run(net)
        finally:
            for hook in hooks:
                hook.remove()
        if not self.calls:
            raise ExportError(f"{type(net).__name__} calls none of its modules", hint="hand over the whole net")

    def _run(self, net: nn.Module) -> None:
        with _untouched(net):
            try:
                net(self._example)
            except (RuntimeError, TypeError, IndexError, ValueError, AttributeError, AssertionError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise ExportError(
                    f"the example input of shape {tuple(self._example.shape)} does not go through the net: {reason}",
                    hint="give the shape the net is called with, batch dimension included",
                ) from error

    def _entering(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            tensor = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
            if tensor is None:
                raise ExportError(f"{name} ({type(module).__name__}) is called without a tensor")
            self._coming[name] = self._found(tensor, name), tuple(tensor.shape)

        return hook

    def _leaving(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            given = output[0] if isinstance(output, tuple) else output
            signal, arriving = self._coming[name]
            first = self.calls.get(name)
            if first is not None and first.source != signal.source:
                raise ExportError(
                    f"{name} reads {first.source or 'the input'} and, in another call, {signal.source or 'the input'}",
                    hint="use a module of its own at each place",
                )
            own, leaving = self._leading, tuple(given.shape)
            if first is None:
                self.calls[name] = Call(
                    name, module, signal.source, signal.shape[own:], arriving[own:], leaving[own:], own
                )
                if not signal.source:
                    self.input_shape = signal.shape[own:]
            self._note(given, name)

        return hook

    def _note(self, tensor: torch.Tensor, source: str) -> None:
        signal = _Signal(tensor, source, tuple(tensor.shape), tensor._version)
        self._known[id(tensor)] = signal
        self._stored.setdefault((tensor.data_ptr(), tensor.numel()), []).append(signal)

    def _found(self, tensor: torch.Tensor, name: str) -> _Signal:
        """The signal that a tensor is, or is a view of: the same, or flattened."""
        exact = self._known.get(id(tensor))
        stored = self._stored.get((tensor.data_ptr(), tensor.numel()), [])
        found = [exact] if exact else [s for s in reversed(stored) if _same_values(s.tensor, tensor)]
        if not found:
            raise ExportError(
                f"{name} reads a tensor that no module gave",
                hint="only modules are seen: make calls in forward such as max_pool2d, + or permute modules",
            )
        fitting = [s for s in found if tuple(tensor.shape) in (s.shape, self._flat(s.shape))]
        if not fitting:
            raise ExportError(
                f"{name} reads what {found[0].source or 'the input'} gives, reshaped from {found[0].shape} to "
                f"{tuple(tensor.shape)}",
                hint="between modules a signal can only be flattened",
            )
        if fitting[0].tensor._version != fitting[0].version:
            raise ExportError(f"{name} reads what {fitting[0].source or 'the input'} gave, changed in place since")
        return fitting[0]

    def _flat(self, shape: Shape) -> Shape:
        return (*shape[: self._leading], math.prod(shape[self._leading :]))


def _leaves(net: nn.Module, is_neuron: Callable[[nn.Module], bool]) -> Iterator[tuple[str, nn.Module]]:
    """The modules that become nodes: neurons, and what has no modules in it."""
    within: set[nn.Module] = set()  # neurons
    for name, module in net.named_modules():
        if module in within or isinstance(module, _PASSES):
            continue
        if is_neuron(module):
            within |= set(module.modules())
        elif list(module.children()):
            continue
        yield name or type(module).__name__.lower(), module


def _same_values(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors of one address and size hold the same values in the same order."""
    return a.dtype == b.dtype and a.numel() > 0 and a.is_contiguous() and b.is_contiguous()


@contextmanager
def _untouched(net: nn.Module) -> Iterator[None]:
    """Run in eval mode; afterwards the net's modes, its state and the random numbers to come are as before."""
    modes = {module: module.training for module in net.modules()}
    buffers = {module: dict(module._buffers) for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
            module._buffers.clear()
            module._buffers.update(buffers[module])
