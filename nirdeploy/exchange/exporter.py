"""export_to_nir: a PyTorch module becomes a NIR graph, named as torch.fx names its nodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import fx, nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import spikingjelly
from nirdeploy.exchange.importer import ORIGIN, Origin
from nirdeploy.exchange.layers import to_node, trained
from nirdeploy.exchange.modules import Neuron, Recurrent
from nirdeploy.exchange.tracing import ADDITIONS, PASSES, Trace, is_flatten
from nirdeploy.graph import file as nirfile
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics import neuron as equations
from nirdeploy.semantics.dialect import Dialect


def export_to_nir(
    net: nn.Module,
    example_input: torch.Tensor | tuple[torch.Tensor, ...],
    save_path: str | Path | None = None,
    dt: float = 1e-4,
    dialect: str | Dialect | None = None,
) -> nir.NIRGraph:
    """Express a module in NIR.

    Args:
        net: layers of torch.nn (Linear, Conv1d, Conv2d, AvgPool2d, Flatten, Identity, Dropout),
            :mod:`nirdeploy.exchange.modules` and SpikingJelly's layers and neurons, in any mix, in an
            nn.Sequential or any module whose forward torch.fx can trace; or what
            :func:`~nirdeploy.exchange.importer.import_from_nir` gave.
        example_input: one input as the net wants it, batch dimension (and, for multi-step neurons, time)
            included; a tuple for several inputs. Shapes in the graph are without batch and time.
        save_path: where to write the ``.nir`` file, if at all.
        dt: seconds per step; neurons of ours must have been built with it.
        dialect: recorded in the graph's metadata; else that of the net's neurons. Neurons that follow
            another say so in their node's metadata.

    Raises:
        ExportError: lists every module that NIR has no node for.
    """
    if not (dt > 0 and np.isfinite(dt)):
        raise ExportError(f"dt must be a positive number of seconds, not {dt!r}")
    origin = getattr(net, ORIGIN, None)
    if isinstance(origin, Origin):
        graph = _given_back(net, origin, origin.graph, "")
    else:
        trace = Trace(net, example_input)
        graph = _Build(trace, dt, _dialects(trace, dt, dialect)).graph()
    if save_path is not None:
        nirfile.write(Path(save_path), graph)
    return graph


def own_dt(net: nn.Module) -> float:
    """Seconds per step of the net's own neurons (1e-4 if it has none)."""
    return next((module.dialect.dt for module in net.modules() if isinstance(module, Neuron)), 1e-4)


def _given_back(net: nn.Module, origin: Origin, graph: nir.NIRGraph, prefix: str) -> nir.NIRGraph:
    """The graph that a module was imported from, with the parameters it has now."""
    nodes: dict[str, nir.NIRNode] = {}
    for name, node in graph.nodes.items():
        path = prefix + name
        if isinstance(node, nir.NIRGraph):
            nodes[name] = _given_back(net, origin, node, f"{path}.")
        elif isinstance(node, (nir.Input, nir.Output)):
            nodes[name] = node
        else:
            nodes[name] = trained(node, net.get_submodule(origin.names[path]))
    metadata = dict(graph.metadata or {})
    if not prefix:
        metadata[dialects.METADATA_KEY] = str(origin.dialect)
    return nir.NIRGraph(nodes=nodes, edges=list(graph.edges), metadata=metadata, type_check=False)


def _dialects(trace: Trace, dt: float, given: str | Dialect | None) -> dict[str, Dialect]:
    """The dialect of each neuron by its name, and of the graph by ''."""
    step = repr(float(dt))
    asked = None
    if given is not None:
        asked = dialects.parse(f"{given if isinstance(given, Dialect) else dialects.parse(given)},dt={step}")
    own: dict[str, Dialect] = {}
    for name, module in trace.neurons():
        if not isinstance(module, Neuron):
            own[name] = spikingjelly.dialect(module, dt)
            continue
        own[name] = module.dialect
        if not np.isclose(module.dialect.dt, dt, rtol=1e-9):
            raise ExportError(
                f"the net's neurons step by dt = {module.dialect.dt:g} s, the export was asked for dt = {dt:g} s",
                hint=f"pass dt={module.dialect.dt:g}",
            )
    if not own:
        return {"": asked or dialects.parse(f"nir,dt={step}")}
    if asked is not None:
        for name, dialect in own.items():
            if replace(asked, preset="nir", dt=dt) != replace(dialect, preset="nir", dt=dt):
                raise ExportError(
                    f"{name} follows the dialect {dialect}, the export was asked for {asked}",
                    hint="build the neurons with that dialect, or do not name one",
                )
    most = Counter(own.values()).most_common(1)[0][0]
    return {**own, "": asked or most}


class _Build:
    """The NIR graph of one trace."""

    def __init__(self, trace: Trace, dt: float, own: dict[str, Dialect]) -> None:
        self.trace, self.dt, self.own = trace, dt, own
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.stands_for: dict[str, list[str]] = {}  # nodes that are dropped, and sums: their sources

    def graph(self) -> nir.NIRGraph:
        for node in self.trace.graph.nodes:
            sources = [name for source in self.trace.signals(node) for name in self._names(source)]
            if node.op == "placeholder":
                if self.trace.carries_signal(node):
                    self.nodes[node.name] = nir.Input({"input": np.array(self.trace.own_shape(node))})
            elif node.op == "output":
                self._outputs(node)
            elif self._vanishes(node):
                self.stands_for[node.name] = sources
            else:
                self.nodes[node.name] = self._node(node)
                self.edges += [(source, node.name) for source in sources]
        metadata = {dialects.METADATA_KEY: str(self.own[""])}
        return nir.NIRGraph(nodes=self.nodes, edges=self.edges, metadata=metadata, type_check=False)

    def _names(self, node: fx.Node) -> list[str]:
        return self.stands_for.get(node.name, [node.name])

    def _vanishes(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return isinstance(self.trace.module(node), PASSES)
        return node.target in ADDITIONS or self.trace.item_of_pair(node) is not None

    def _outputs(self, node: fx.Node) -> None:
        signals = self.trace.signals(node)
        for index, source in enumerate(signals):
            name = "output" if len(signals) == 1 else f"output_{index}"
            self.nodes[name] = nir.Output({"output": np.array(self.trace.own_shape(source))})
            self.edges += [(one, name) for one in self._names(source)]

    def _node(self, node: fx.Node) -> nir.NIRNode:
        arriving = self.trace.own_shape(node.all_input_nodes[0])
        if is_flatten(node):
            given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | dict(node.kwargs)
            dims: Any = {"start_dim": 0, "end_dim": -1} | given
            return self._flatten(dims["start_dim"], dims["end_dim"], arriving, self.trace.leading, node.name)
        module = self.trace.module(node)
        if isinstance(module, nn.Flatten):
            leading = 1 if spikingjelly.is_layer(module) else self.trace.leading  # its own time is set apart
            return self._flatten(module.start_dim, module.end_dim, arriving, leading, node.name)
        if isinstance(module, Recurrent):
            return self._recurrent(module, arriving, node)
        if isinstance(module, Neuron) or spikingjelly.is_neuron(module):
            return self._neuron(module, arriving, node)
        return self._layer(module, arriving, node.name)

    @staticmethod
    def _layer(module: Any, arriving: tuple[int, ...], name: str) -> nir.NIRNode:
        made = to_node(module, arriving, name, _array)
        if made is None:
            raise ExportError(f"no NIR node for {name} ({type(module).__name__})")
        return made

    def _recurrent(self, module: Recurrent, arriving: tuple[int, ...], node: fx.Node) -> nir.NIRGraph:
        nodes = {
            "input": nir.Input({"input": np.array(arriving)}),
            "neuron": self._neuron(module.neuron, arriving, node),
            "feedback": self._layer(module.feedback, arriving, f"{node.name}.feedback"),
            "output": nir.Output({"output": np.array(arriving)}),
        }
        edges = [("input", "neuron"), ("neuron", "feedback"), ("feedback", "neuron"), ("neuron", "output")]
        return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)

    def _neuron(self, module: Any, shape: tuple[int, ...], node: fx.Node) -> nir.NIRNode:
        if isinstance(module, Neuron):
            model, tensors = module.model, module.nir_parameters()
        else:
            model, tensors = spikingjelly.parameters(module, self.dt, node.name)
        values = {}
        for key, value in tensors.items():
            try:
                values[key] = np.broadcast_to(_array(value), shape).copy()
            except ValueError as error:
                raise ExportError(f"{node.name}: {key} has shape {tuple(value.shape)}, the neurons {shape}") from error
        made: nir.NIRNode = getattr(nir, model)(**values)
        own = self.own[str(node.target)]
        if model in equations.RESETS and replace(own, preset="nir") != replace(self.own[""], preset="nir"):
            made.metadata = {dialects.METADATA_KEY: str(own)}
        return made

    @staticmethod
    def _flatten(start: int, end: int, shape: tuple[int, ...], leading: int, name: str) -> nir.NIRNode:
        first = start + leading + len(shape) if start < 0 else start
        if first < leading:
            raise ExportError(
                f"{name} flattens from dimension {first}, the batch{' or time' * (leading - 1)} along",
                hint=f"use nn.Flatten({leading})",
            )
        start, end = (dim - leading if dim >= 0 else dim for dim in (start, end))
        return nir.Flatten(input_type={"input": np.array(shape)}, start_dim=start, end_dim=end)


def _array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # NumPy has none; float32 holds every value
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array.copy()
