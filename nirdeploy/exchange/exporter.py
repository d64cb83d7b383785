"""export_to_nir: a PyTorch module becomes a NIR graph, whose nodes are called as its modules (docs/export.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import torch_
from nirdeploy.exchange.importer import ORIGIN, Origin
from nirdeploy.exchange.layers import trained
from nirdeploy.exchange.modules import Neuron
from nirdeploy.graph import file as nirfile
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect


@runtime_checkable
class Written(Protocol):
    """A module that is a graph itself, and writes it."""

    def nir_graph(self) -> nir.NIRGraph: ...


def export_to_nir(
    net: nn.Module,
    example_input: torch.Tensor | tuple[torch.Tensor, ...],
    save_path: str | Path | None = None,
    dt: float = 1e-4,
    dialect: str | Dialect | None = None,
) -> nir.NIRGraph:
    """Express a module in NIR.

    Args:
        net: layers of torch.nn, :mod:`nirdeploy.exchange.modules` and SpikingJelly's layers and neurons, in any mix,
            in any module whose forward runs; or what :func:`~nirdeploy.exchange.importer.import_from_nir` or
            :func:`~nirdeploy.tuning.training.aware.quantize_aware` gave, which know their graph, step and dialect.
        example_input: one input as the net wants it, batch dimension (and, for multi-step neurons, time)
            included; a tuple for several inputs. Shapes in the graph are without batch and time.
        save_path: where to write the ``.nir`` file, if at all.
        dt: seconds per step; neurons of ours must have been built with it.
        dialect: recorded in the graph's metadata; else that of the net's neurons. Neurons that follow
            another say so in their node's metadata.

    Raises:
        ExportError: lists every module and call that NIR has no node for, with the lines that call them.
    """
    if not (dt > 0 and np.isfinite(dt)):
        raise ExportError(f"dt must be a positive number of seconds, not {dt!r}", hint="leave it out for the default")
    origin = getattr(net, ORIGIN, None)
    if isinstance(net, Written):
        graph = net.nir_graph()
    elif isinstance(origin, Origin):
        graph = _given_back(net, origin, origin.graph, "")
    else:
        examples = example_input if isinstance(example_input, tuple) else (example_input,)
        graph = torch_.export(net, examples, dt, dialect)
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
