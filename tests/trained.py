"""Networks as people train them: convolutions, batch norms, pools, read-outs, recurrence, exported, in any dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from nirdeploy import exchange
from nirdeploy.exchange.modules import NEURONS, SumPool2d
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.quantize import MAX_SPIKES
from nirdeploy.semantics.dialect import PRESETS, Dialect

_FIELDS: dict[str, list[Any]] = {
    "discretization": ["euler", "exponential"],
    "gain": ["equation", "euler", "no_r", "one"],
    "threshold": [">", ">="],
    "reset": ["zero", "subtract", "none"],
    "subtract": ["difference", "threshold"],
    "reset_delay": [False, True],
    "late_reset": ["after", "before", "leaky_before", "cuba_before"],
    "reset_guard": [False, True],
    "synapse_order": ["new", "old"],
    "spikes": ["binary", "multi"],
    "max_spikes": [0, 1, 3, 10],
    "spike_delay": [False, True],
    "connection_delay": [False, True],
    "v_min": ["none", "-threshold"],
    "initial": ["zero", "v_reset"],
    "recurrent_bias": ["always", "late"],
}


@st.composite
def dialects(draw: st.DrawFn, most_spikes: int) -> Dialect:
    """A preset, one with a few fields changed, or all fields at random; within what the gather cores do.

    These have no late reset, and no guard, where several spikes are allowed.
    """
    dialect = PRESETS[draw(st.sampled_from(sorted(PRESETS)))]
    some = st.lists(st.sampled_from(sorted(_FIELDS)), max_size=3)
    names = draw(st.just([]) | some | st.just(sorted(_FIELDS)) | st.just(sorted(_FIELDS)))
    dialect = replace(dialect, **{name: draw(st.sampled_from(_FIELDS[name])) for name in names})
    if dialect.spikes == "binary":
        return dialect
    allowed = min(dialect.max_spikes or MAX_SPIKES, most_spikes)
    return replace(dialect, reset_delay=False, reset_guard=False, max_spikes=allowed)


@st.composite
def networks(draw: st.DrawFn, most_spikes: int = 31, most: int = 200) -> CheckedGraph:
    """One to three blocks of a layer, a batch norm, neurons and a pool; ``most``: neurons of a layer."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dialect = draw(dialects(most_spikes))
    shape: tuple[int, ...] = draw(st.sampled_from([(1, 8, 8), (2, 6, 6), (3, 5, 7), (2, 9), (12,), (30,)]))
    example = torch.zeros(1, 1, *shape)
    layers: list[nn.Module] = []
    for block in range(blocks := draw(st.integers(1, 3))):
        last = block == blocks - 1
        made = _layers(draw, shape, rng, flat=last and len(shape) > 1 and draw(st.booleans()))
        shape = _shape(made, shape)
        if int(np.prod(shape)) > most:
            made = [nn.Flatten(), _weighted(nn.Linear(int(np.prod(_shape(layers, example.shape[2:]))), 8), rng)]
            shape = (8,)
        readout = ["LI", "I", "CubaLI"] if last else []
        model = draw(st.sampled_from(["IF", "LIF", "CubaLIF", "IF", "LIF", "CubaLIF", *readout]))
        neurons = [_neurons(model, shape, dialect, rng)]
        if len(shape) == 3 and min(shape[1:]) > 1 and not last:
            neurons += draw(st.sampled_from([[], [nn.AvgPool2d(2)], [SumPool2d(2)], [nn.MaxPool2d(2)]]))
        layers += [*made, *neurons]
        shape = _shape(neurons[1:], shape)
    net = exchange.Sequential(*layers).double().eval()
    graph = exchange.export_to_nir(net, example.double(), dt=dialect.dt)
    _recurrence(draw, graph, rng)
    bits = 1 if dialect.connection_delay else draw(st.sampled_from([1, 1, 3]))
    return check(graph, dialect=dialect, input_bits=bits)


def _layers(draw: st.DrawFn, shape: tuple[int, ...], rng: np.random.Generator, *, flat: bool) -> list[nn.Module]:
    """Weights, and perhaps a batch norm, pools before or behind."""
    norm = draw(st.booleans())
    if flat or len(shape) == 1:
        inputs, outputs = int(np.prod(shape)), draw(st.integers(2, 24))
        dense = [nn.Flatten()] if len(shape) > 1 else []
        return [*dense, _weighted(nn.Linear(inputs, outputs), rng), *([_norm(nn.BatchNorm1d(outputs), rng)] * norm)]
    channels, outputs = shape[0], shape[0] * draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, channels]))
    one, spatial = len(shape) == 2, draw(st.sampled_from([{"stride": 1}, {"stride": 2}]))
    kind: Any = nn.Conv1d if one else nn.Conv2d
    kernel = draw(st.integers(1, 3))
    made: list[nn.Module] = [
        _weighted(kind(channels, outputs, kernel, padding=kernel // 2, groups=groups, **spatial), rng)
    ]
    if norm:
        made.append(_norm(nn.BatchNorm1d(outputs) if one else nn.BatchNorm2d(outputs), rng))
    if not one and min(_shape(made, shape)[1:]) > 1 and draw(st.booleans()):
        made.append(nn.AvgPool2d(2, stride=1))
    return made


def _weighted(layer: Any, rng: np.random.Generator) -> nn.Module:
    with torch.no_grad():
        fan_in = layer.weight[0].numel()
        layer.weight.copy_(torch.tensor(rng.normal(0.3, 1.0, tuple(layer.weight.shape)) / np.sqrt(fan_in)))
        layer.bias.copy_(torch.tensor(rng.normal(0, 0.1, layer.bias.shape)))
    made: nn.Module = layer
    return made


def _norm(norm: Any, rng: np.random.Generator) -> nn.Module:
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor(rng.normal(0, 0.2, norm.num_features)))
        norm.running_var.copy_(torch.tensor(rng.uniform(0.2, 2, norm.num_features)))
        norm.weight.copy_(torch.tensor(rng.uniform(0.5, 1.5, norm.num_features)))
        norm.bias.copy_(torch.tensor(rng.normal(0, 0.2, norm.num_features)))
    made: nn.Module = norm
    return made


def _shape(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of what leaves layers without neurons."""
    plain = [layer for layer in layers if not isinstance(layer, exchange.modules.Neuron)]
    with torch.no_grad():
        return tuple(nn.Sequential(*plain).double().eval()(torch.zeros(1, *shape).double()).shape[1:])


def _neurons(model: str, shape: tuple[int, ...], dialect: Dialect, rng: np.random.Generator) -> nn.Module:
    """Parameters that make them spike now and then, one for all or one per neuron."""
    kind: Any = NEURONS[model]
    size = shape if rng.random() < 0.5 else ()
    tau = dialect.dt * rng.uniform(1.3, 30, size)
    params: dict[str, Any] = {"r": tau / dialect.dt * rng.uniform(0.4, 1.5, size)}
    if model in ("IF", "I"):
        params = {"r": rng.uniform(0.4, 1.5, size) / dialect.dt}
    else:
        params |= {"v_leak": rng.normal(0, 0.05, size), "tau_mem" if model.startswith("Cuba") else "tau": tau}
    if model.startswith("Cuba"):
        synapse = dialect.dt * rng.uniform(1.3, 8, size)
        params |= {"tau_syn": synapse, "w_in": synapse / dialect.dt * rng.uniform(0.3, 0.8, size)}
    if model in ("IF", "LIF", "CubaLIF"):
        params |= {"v_threshold": rng.uniform(0.3, 1.5, size), "v_reset": rng.normal(0, 0.1, size)}
    made: nn.Module = kind(**{key: torch.tensor(value) for key, value in params.items()}, dt=dialect.dt)
    return made


def _recurrence(draw: st.DrawFn, graph: nir.NIRGraph, rng: np.random.Generator) -> None:
    """Spikes of some flat layers come back to them, through weights, biases and now and then a delay."""
    for name, node in list(graph.nodes.items()):
        size = int(np.size(getattr(node, "v_threshold", 0)))
        flat = isinstance(node, (nir.IF, nir.LIF, nir.CubaLIF)) and np.ndim(node.v_threshold) == 1
        if flat and draw(st.sampled_from([False, False, True])):
            weight = rng.normal(0, 0.5, (size, size)) / np.sqrt(size)
            graph.nodes[f"{name}.back"] = nir.Affine(weight, rng.normal(0, 0.05, size))
            graph.edges += [(name, f"{name}.back"), (f"{name}.back", name)]
