"""Rockpool networks (its torch modules) by Rockpool's own exporter, with what it gets wrong put right.

``rockpool.nn.modules.to_nir`` keeps the sample's batch and time in the graph's input, writes r = tau exp(-dt/tau) / dt
where a membrane adds its current as it is (and w_in = 1 where the synapse does scale), and drops biases and
recurrent weights. Rockpool itself is imported when a network is exported, not before.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib import import_module
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import ExportError
from nirdeploy.semantics.dialect import METADATA_KEY, PRESETS, Dialect

_SPIKING = ("LIFTorch", "LIFNeuronTorch")
_KINDS = (*_SPIKING, "ExpSynTorch", "LinearTorch")
_ALONE = "layer"  # the name of a network that is one module
_UNLIMITED = 2**16  # Rockpool's own most spikes per step: as good as no limit


def export(net: Any, example_input: Any, dt: float | None = None) -> nir.NIRGraph:
    """A Rockpool torch network as a NIR graph in the dialect ``rockpool``.

    Args:
        net: one of LinearTorch, LIFTorch, LIFNeuronTorch and ExpSynTorch, or a Sequential of them.
        example_input: what the network takes: (B, T, N) or (T, N).
        dt: seconds per step; Rockpool's modules have their own, which this must be if it is given.

    Raises:
        ExportError: a module that NIR or the exporter cannot express, or that disagrees with the others on dt.
        ImportError: Rockpool is not installed.
    """
    modules = {name or _ALONE: module for name, module in net.named_modules() if not list(module.children())}
    for name, module in net.named_modules():
        inner = bool(list(module.children()))
        if inner and _kind(module) != "TorchSequential":  # the exporter sees no sums and no branches
            raise ExportError(
                f"{name or 'the network'} ({type(module).__name__}) is not a Sequential of modules",
                hint="Rockpool's exporter sees no sums and no branches: build it of Sequential alone",
            )
        if not inner and _kind(module) not in _KINDS:
            raise ExportError(
                f"module {name!r} ({type(module).__name__}) of the Rockpool network has no NIR form",
                hint=f"there are {', '.join(sorted(_KINDS))}",
            )
    dialect = replace(PRESETS["rockpool"], dt=_dt(modules, dt))
    dialect = replace(dialect, max_spikes=max([_most_spikes(m, n) for n, m in modules.items()], default=0))
    nodes, edges = _exported(net, modules, example_input)
    for name, module in modules.items():
        node = _node(module, name, nodes[name], dialect)
        if _kind(module) in _SPIKING and _most_spikes(module, name) != dialect.max_spikes:
            node.metadata[METADATA_KEY] = str(replace(dialect, max_spikes=_most_spikes(module, name)))
        nodes[name] = node
        weights = getattr(module, "w_rec", None)
        if weights is not None and bool(weights.any()):
            nodes[f"{name}_rec"] = nir.Linear(_numbers(weights.T))
            edges += [(name, f"{name}_rec"), (f"{name}_rec", name)]
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata={METADATA_KEY: str(dialect)})


def _kind(module: Any) -> str:
    """The exporter knows a LIFTorch by its very class: what derives from it may compute something else."""
    return type(module).__name__ if type(module).__module__.startswith("rockpool.") else ""


def _dt(modules: dict[str, Any], given: float | None) -> float:
    own = {name: float(module.dt) for name, module in modules.items() if _kind(module) != "LinearTorch"}
    times = sorted({*own.values(), *([] if given is None else [float(given)])})
    if len(times) > 1:
        raise ExportError(
            f"the modules and the call name several time steps: {', '.join(f'{t:g} s' for t in times)}",
            hint="a network has one dt: that of its modules",
        )
    return times[0] if times else PRESETS["rockpool"].dt


def _most_spikes(module: Any, name: str) -> int:
    """The module's limit of spikes per step; 0: none."""
    if _kind(module) not in _SPIKING:
        return 0
    most = float(module.max_spikes_per_dt)
    if most >= _UNLIMITED:
        return 0
    if most < 1 or most % 1:
        raise ExportError(
            f"module {name!r}: max_spikes_per_dt = {most:g} is not a whole number of at least one",
            hint="give it one, or leave it out",
        )
    return int(most)


def _exported(
    net: Any, modules: dict[str, Any], example_input: Any
) -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """Nodes and edges as Rockpool exports them, by the modules' names, with the sizes of one sample."""
    torch, exporter = import_module("torch"), import_module("rockpool.nn.modules")
    sample = torch.as_tensor(example_input)
    sample = sample.reshape(1, -1, sample.shape[-1])[:, :1]
    try:
        # The exporter runs the network: a copy, as a run leaves its state behind.
        made = exporter.to_nir(copy.deepcopy(net), sample, model_name=_ALONE)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"Rockpool cannot export the network: {reason[:200]}",
            hint="give the example the shape (batch, time, channels) that the network is run with",
        ) from error
    missing = [name for name in modules if name not in made.nodes]
    if missing:
        raise ExportError(
            f"Rockpool's exporter leaves out the modules {', '.join(missing)}",
            hint="let every module of the network take part in its run",
        )
    nodes = dict(made.nodes)
    for name, node in made.nodes.items():
        if isinstance(node, nir.Input):
            nodes[name] = nir.Input({"input": np.array([sample.shape[-1]])})
        elif isinstance(node, nir.Output):
            nodes[name] = nir.Output({"output": np.array([net.size_out])})
    return nodes, sorted(made.edges)


def _node(module: Any, name: str, node: Any, dialect: Dialect) -> nir.NIRNode:
    kind, dt = _kind(module), dialect.dt
    if kind == "LinearTorch":
        weight = _numbers(module.weight.T)
        return nir.Linear(weight) if module.bias is None else nir.Affine(weight, _numbers(module.bias))
    if float(module.noise_std) != 0:
        raise ExportError(f"module {name!r} is noisy", hint="set its noise_std to 0")
    size = (int(module.size_out),)
    if kind == "ExpSynTorch":  # adds its input, then decays: what comes in has decayed once
        tau = _over(module.tau, size)
        return nir.LI(tau=tau, r=tau / dt * np.exp(-dt / tau), v_leak=np.zeros(size))
    tau_mem = _tau(module, "tau_mem", "alpha", size, dt)
    membrane = {
        "r": tau_mem / dt,
        "v_leak": _over(module.bias, size) / -np.expm1(-dt / tau_mem),  # the bias is added in every step
        "v_threshold": _over(module.threshold, size),
        "v_reset": np.zeros(size),
    }
    if kind == "LIFNeuronTorch":
        return nir.LIF(tau=tau_mem, **membrane)
    tau_syn = _tau(module, "tau_syn", "beta", size, dt)
    return nir.CubaLIF(tau_syn=tau_syn, tau_mem=tau_mem, w_in=tau_syn / dt * np.exp(-dt / tau_syn), **membrane)


def _tau(module: Any, tau: str, decay: str, size: tuple[int, ...], dt: float) -> np.ndarray:
    """A time constant; of its decay where that, or a shift, is what the module was trained with."""
    if getattr(module, "leak_mode", "taus") == "taus":
        return _over(getattr(module, tau), size)
    return np.asarray(-dt / np.log(_over(getattr(module, decay), size)))


def _over(values: Any, size: tuple[int, ...]) -> np.ndarray:
    """A parameter over its neurons, float64."""
    flat = _numbers(values).astype(np.float64).reshape(-1)
    return np.broadcast_to(flat, size).copy()


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu().numpy()).copy()
