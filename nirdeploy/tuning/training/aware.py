"""aware: quantize_aware, which makes of any network that imports a module that trains on a target's integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
from torch import nn

from nirdeploy.errors import UsageProblem
from nirdeploy.exchange import exporter
from nirdeploy.exchange.frontends import FRONTENDS, export_from
from nirdeploy.graph.check import check
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.inputs import Bits, Ranges, Scales
from nirdeploy.graph.precision import Widths, with_bits
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.training.module import IntegerModule


def quantize_aware(
    net: Any,
    target: str | Path | Target | None = None,
    bits: Widths = None,
    *,
    example_input: Any = None,
    framework: str | None = None,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: Bits = None,
    input_range: Ranges = None,
    input_scale: Scales = None,
) -> IntegerModule:
    """A trainable module whose forward computes what the target's integers compute, spike for spike.

    Gradients go straight through what is rounded, and through a surrogate of the spike. Trained are weights, biases
    and the steps of the weights' grids; time constants, thresholds and resets stay.

    Args:
        net: a module of PyTorch or of one of the frameworks; a NIR graph, a ``.nir`` file, or a graph that is checked
            already. It is read, and stays as it is.
        target: name, TOML file or Target; the default target if none is named.
        bits: of the weights into each population, as :func:`nirdeploy.build` takes them; else the target's.
        example_input: one input as a module wants it; not needed for a graph.
        framework: of the module, where its classes do not tell (:data:`nirdeploy.exchange.frontends.FRONTENDS`).
        dialect, dt, input_bits, input_range, input_scale: as :func:`nirdeploy.graph.check.check`, where the graph is
            not checked yet.

    Raises:
        UsageProblem: the target's neurons are its own; no example for a module; inputs that are not there.
        ExportError, ModelFileError, GraphError: the network. DoesNotFit: what the target cannot do of it.
    """
    chosen = registry.load(target)
    backend = registry.backend_of(chosen)
    if backend.dynamics is not None:
        raise UsageProblem(
            "its neurons step by rules of their own, and training computes what the reference's integers compute",
            where=f"target {chosen.name}",
            hint="train for a target of the reference's neurons ('nirdeploy targets' lists all), then build for this",
        )
    graph = net
    if not isinstance(net, CheckedGraph):
        source = net if isinstance(net, (nir.NIRGraph, str, Path)) else _exported(net, example_input, framework, dt)
        graph = check(
            source, dialect=dialect, dt=dt, input_bits=input_bits, input_range=input_range, input_scale=input_scale
        )
    trained = {p.name for p in graph.populations if p.weight_bits is not None}
    return IntegerModule(with_bits(graph, bits), chosen, backend.widths(chosen)[-1], trained)


def _exported(net: Any, example_input: Any, framework: str | None, dt: float | None) -> nir.NIRGraph:
    if example_input is None:
        raise UsageProblem(
            "a module says the shapes of its signals only when it runs",
            hint="give one input as it wants it: quantize_aware(net, ..., example_input=x[:, :1])",
        )
    found = framework or _framework(net)
    if found is not None:
        return export_from(found, net, example_input, dt=dt)
    return exporter.export_to_nir(net, example_input, dt=exporter.own_dt(net) if dt is None else dt)


def _framework(net: Any) -> str | None:
    """The framework that a module's classes are of; None: PyTorch's, and our own."""
    if not isinstance(net, nn.Module):
        raise UsageProblem(
            f"a {type(net).__name__} is neither a module, nor a graph, nor a file",
            hint=f"name its framework: framework={' or '.join(map(repr, FRONTENDS))}",
        )
    homes = {type(module).__module__.partition(".")[0] for module in net.modules()}
    found = [name for name in FRONTENDS if name in homes]
    if len(found) > 1:
        raise UsageProblem(
            f"the net has modules of {' and '.join(found)}", hint="name the one that runs it: framework="
        )
    return found[0] if found else None
