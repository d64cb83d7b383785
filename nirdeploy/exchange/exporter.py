"""export_to_nir: a PyTorch module becomes a NIR graph, named as torch.fx names its nodes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import fx, nn

from nirdeploy import dialect as dialects
from nirdeploy import nirfile
from nirdeploy.dialect import Dialect
from nirdeploy.errors import ExportError
from nirdeploy.exchange.modules import Neuron

_PASSES = (nn.Identity, nn.Dropout)  # nothing of them is left at inference


class _Tracer(fx.Tracer):
    """Stops at layers; goes into everything a user composed."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, Neuron) or super().is_leaf_module(module, name)


def export_to_nir(
    net: nn.Module,
    example_input: torch.Tensor,
    save_path: str | Path | None = None,
    dt: float = 1e-4,
    dialect: str | Dialect | None = None,
) -> nir.NIRGraph:
    """Express a module in NIR.

    Args:
        net: nn.Linear, nn.Flatten, nn.Identity, nn.Dropout and :mod:`nirdeploy.exchange.modules`, in an
            nn.Sequential or any module whose forward torch.fx can trace.
        example_input: one input as the net wants it, batch dimension (and, for multi-step neurons, time)
            included; shapes in the graph are without them.
        save_path: where to write the ``.nir`` file, if at all.
        dt: seconds per step; neurons of ours must have been built with it.
        dialect: recorded in the graph's metadata; else that of the net's neurons.

    Raises:
        ExportError: lists every module that NIR, or nirdeploy so far, has no node for.
    """
    traced = _trace(net)
    _check_supported(net, traced)
    chosen = _dialect(net, dt, dialect)
    shapes = _shapes(net, traced, example_input)
    leading = _leading(net, example_input)
    graph = _build(net, traced, shapes, leading, chosen)
    if save_path is not None:
        nirfile.write(Path(save_path), graph)
    return graph


def _trace(net: nn.Module) -> fx.Graph:
    try:
        if isinstance(net, (nn.Linear, nn.Flatten, Neuron)):
            net = nn.Sequential(net)
        return _Tracer().trace(net)
    except Exception as error:  # fx raises whatever the user's forward does under tracing
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(
            f"torch.fx cannot trace {type(net).__name__}.forward: {reason}",
            hint="write forward as a plain chain of module calls, without loops or branches on tensors",
        ) from error


def _module(net: nn.Module, node: fx.Node) -> nn.Module:
    if isinstance(net, (nn.Linear, nn.Flatten, Neuron)):
        return net
    return net.get_submodule(str(node.target))


def _item_of_pair(net: nn.Module, node: fx.Node) -> int | None:
    """0 or 1 where the node takes the output or the state out of a single-step neuron's result."""
    if node.op != "call_function" or node.target is not operator.getitem:
        return None
    pair, index = node.args
    if not (isinstance(pair, fx.Node) and pair.op == "call_module" and isinstance(index, int) and index in (0, 1)):
        return None
    module = _module(net, pair)
    return index if isinstance(module, Neuron) and module.step_mode == "s" else None


def _signals(net: nn.Module, node: fx.Node) -> list[fx.Node]:
    """The nodes whose values flow into this one; a neuron's state is none of them, the graph starts at rest."""
    if node.op == "call_module" and isinstance(_module(net, node), Neuron):
        return node.all_input_nodes[:1]
    return [source for source in node.all_input_nodes if _item_of_pair(net, source) != 1]


def _carries_signal(net: nn.Module, node: fx.Node) -> bool:
    return any(node in _signals(net, user) for user in node.users)


def _check_supported(net: nn.Module, graph: fx.Graph) -> None:
    odd = []
    for node in graph.nodes:
        if node.op == "call_module":
            module = _module(net, node)
            if not isinstance(module, (nn.Linear, nn.Flatten, Neuron, *_PASSES)):
                odd.append(f"{node.target} ({type(module).__name__})")
        elif node.op not in ("placeholder", "output") and _item_of_pair(net, node) is None:
            odd.append(f"{node.name} (the call {node.target})")
    if odd:
        raise ExportError(
            f"no NIR node for {', '.join(odd)}",
            hint="supported: nn.Linear, nn.Flatten, nn.Identity, nn.Dropout, and IF, LIF, LI of nirdeploy.exchange",
        )


def _neurons(net: nn.Module) -> list[tuple[str, Neuron]]:
    return [(name or "the net", module) for name, module in net.named_modules() if isinstance(module, Neuron)]


def own_dt(net: nn.Module) -> float:
    """Seconds per step of the net's own neurons (1e-4 if it has none)."""
    neurons = _neurons(net)
    return neurons[0][1].dialect.dt if neurons else 1e-4


def _is_multi_step(net: nn.Module) -> bool:
    modes = {module.step_mode for _, module in _neurons(net)}
    if len(modes) > 1:
        raise ExportError("the net mixes step_mode 's' and 'm'", hint="give all neurons the same step_mode")
    return modes == {"m"}


def _leading(net: nn.Module, example: torch.Tensor) -> int:
    """How many dimensions of the example come before a sample's own: batch, or steps and batch."""
    leading, form = (2, "(T, B, ...)") if _is_multi_step(net) else (1, "(B, ...)")
    if example.ndim <= leading:
        raise ExportError(
            f"the example input has shape {tuple(example.shape)}, the net takes {form}",
            hint=f"for 64 inputs give {', '.join(['1'] * leading)}, 64",
        )
    return leading


def _dialect(net: nn.Module, dt: float, given: str | Dialect | None) -> Dialect:
    step = repr(float(dt))
    asked = None
    if given is not None:
        asked = dialects.parse(f"{given if isinstance(given, Dialect) else dialects.parse(given)},dt={step}")
    neurons = _neurons(net)
    if not neurons:
        return asked or dialects.parse(f"nir,dt={step}")
    (first_name, first), *others = neurons
    for name, module in others:
        if module.dialect != first.dialect:
            raise ExportError(
                f"{first_name} follows the dialect {first.dialect}, {name} follows {module.dialect}",
                hint="one graph has one dialect: build all neurons with the same",
            )
    if not np.isclose(first.dialect.dt, dt, rtol=1e-9):
        raise ExportError(
            f"the net's neurons step by dt = {first.dialect.dt:g} s, the export was asked for dt = {dt:g} s",
            hint=f"pass dt={first.dialect.dt:g}",
        )
    if asked is not None and replace(asked, preset="nir", dt=dt) != replace(first.dialect, preset="nir", dt=dt):
        raise ExportError(
            f"{first_name} follows the dialect {first.dialect}, the export was asked for {asked}",
            hint="build the neurons with that dialect, or do not name one",
        )
    return asked or first.dialect


def _shapes(net: nn.Module, graph: fx.Graph, example: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Shape of every node's value, by running the example through."""
    shapes: dict[str, tuple[int, ...]] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            item = _item_of_pair(net, node)
            if item is not None:
                value = self.env[node.all_input_nodes[0]] if item == 0 else None
            else:
                value = super().run_node(node)
            if isinstance(value, tuple):  # a single-step neuron: output and state
                value = value[0]
            if isinstance(value, torch.Tensor):
                shapes[node.name] = tuple(value.shape)
            return value

    root = nn.Sequential(net) if isinstance(net, (nn.Linear, nn.Flatten, Neuron)) else net
    _, *others = [node for node in graph.nodes if node.op == "placeholder"] or [None]
    states = [None for node in others if node is not None and not _carries_signal(net, node)]
    training = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            Recorder(fx.GraphModule(root, graph)).run(example, *states)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        raise ExportError(
            f"the example input of shape {tuple(example.shape)} does not go through the net: "
            f"{str(error).splitlines()[0]}",
            hint="give the shape the net is called with, batch dimension included",
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode
    return shapes


def _build(
    net: nn.Module, graph: fx.Graph, shapes: dict[str, tuple[int, ...]], leading: int, dialect: Dialect
) -> nir.NIRGraph:
    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    alias: dict[str, str] = {}  # nodes that are dropped stand for their source

    def own(name: str) -> tuple[int, ...]:
        return shapes[name][leading:]

    for node in graph.nodes:
        sources = [alias.get(source.name, source.name) for source in _signals(net, node)]
        if _item_of_pair(net, node) is not None:
            alias[node.name] = sources[0]
            continue
        if node.op == "call_module" and isinstance(_module(net, node), _PASSES):
            alias[node.name] = sources[0]
            continue
        if node.op == "placeholder":
            if not _carries_signal(net, node):
                continue
            nodes[node.name] = nir.Input({"input": np.array(own(node.name))})
        elif node.op == "output":
            for index, source in enumerate(sources):
                name = "output" if len(sources) == 1 else f"output_{index}"
                nodes[name] = nir.Output({"output": np.array(own(source))})
                edges.append((source, name))
            continue
        else:
            convert = _converter(_module(net, node))
            nodes[node.name] = convert(_module(net, node), own(node.all_input_nodes[0].name), leading, node.name)
        edges += [(source, node.name) for source in sources]
    metadata = {dialects.METADATA_KEY: str(dialect)}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata, type_check=False)


_Convert = Callable[[Any, tuple[int, ...], int, str], nir.NIRNode]


def _converter(module: nn.Module) -> _Convert:
    if isinstance(module, nn.Linear):
        return _linear
    return _flatten if isinstance(module, nn.Flatten) else _neuron


def _array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # NumPy has none; float32 holds every value
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array.copy()


def _linear(module: nn.Linear, shape: tuple[int, ...], leading: int, name: str) -> nir.NIRNode:
    if module.bias is None:
        return nir.Linear(_array(module.weight))
    return nir.Affine(_array(module.weight), _array(module.bias))


def _flatten(module: nn.Flatten, shape: tuple[int, ...], leading: int, name: str) -> nir.NIRNode:
    dims = leading + len(shape)
    start, end = (dim + dims if dim < 0 else dim for dim in (module.start_dim, module.end_dim))
    if start < leading:
        raise ExportError(
            f"{name} flattens from dimension {module.start_dim}, the batch{' or time' * (leading - 1)} along",
            hint=f"use nn.Flatten({leading})",
        )
    return nir.Flatten(input_type={"input": np.array(shape)}, start_dim=start - leading, end_dim=end - leading)


def _neuron(module: Neuron, shape: tuple[int, ...], leading: int, name: str) -> nir.NIRNode:
    params = {}
    for key, value in module.nir_parameters().items():
        try:
            params[key] = np.broadcast_to(_array(value), shape).copy()
        except ValueError as error:
            raise ExportError(f"{name}: {key} has shape {tuple(value.shape)}, the neurons {shape}") from error
    node: nir.NIRNode = getattr(nir, module.model)(**params)
    return node
