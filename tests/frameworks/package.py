"""What NeuroBench's package says of an snnTorch net, and what nirdeploy says of the graph that comes of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import snntorch
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics import static, workload
from neurobench.models import SNNTorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import nirdeploy as nd
from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph.check import check
from nirdeploy.proof.neurobench import Metrics, with_membrane

STATIC = [static.ParameterCount, static.Footprint, static.ConnectionSparsity]
WORKLOAD = [
    workload.ActivationSparsity,
    workload.ActivationSparsityByLayer,
    workload.SynapticOperations,
    workload.MembraneUpdates,
]


class Steps(nn.Module):
    """A net from rest through all steps of (B, T, ...): its spikes (T, B, ...), whatever else its last neurons say."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.net.modules():
            if isinstance(module, snntorch.SpikingNeuron):
                module.reset_mem()
        return torch.stack([self.net(step) for step in x.swapaxes(0, 1)])


class _Model(SNNTorchModel):
    """An snnTorch net; ``readouts``: names of neurons whose spikes nobody reads, which are no activations to us."""

    def __init__(self, net: nn.Module, readouts: Sequence[str], through_time: bool) -> None:
        super().__init__(net, custom_forward=through_time)
        self._readouts = readouts

    def __call__(self, data: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = super().__call__(data)
        for hook in self.activation_hooks:
            if hook.name in self._readouts:
                hook.activation_outputs.clear()
        return given


def theirs(
    net: nn.Module, x: torch.Tensor, *, readouts: Sequence[str] = (), through_time: bool = False
) -> dict[str, Any]:
    """The benchmark's results of a net in float64 on ``x`` (T, B, ...), in one batch; statics of the net in float32."""
    batch = x.swapaxes(0, 1)
    data = DataLoader(TensorDataset(batch, torch.zeros(len(batch))), batch_size=len(batch))
    stored = Benchmark(_Model(_single(net), readouts, through_time), data, [], [], [STATIC, []])
    running = Benchmark(_Model(net, readouts, through_time), data, [], [], [[], WORKLOAD])
    with torch.no_grad():
        return {**stored.static_metric_manager.run_metrics(stored.model), **running.run(quiet=True)}


def _single(net: nn.Module) -> nn.Module:
    """The net in float32, as it is stored, with no state."""
    copied = copy.deepcopy(net).float()
    for module in copied.modules():
        for state in ("mem", "syn", "spk"):
            if isinstance(getattr(module, state, None), torch.Tensor):
                setattr(module, state, torch.zeros(0))
    return copied


def ours(net: nn.Module, x: torch.Tensor, example: torch.Tensor) -> Metrics:
    graph = check(export_from("snntorch", net, example))
    stimulus = x.numpy()
    return nd.metrics(graph, nd.simulate(graph, stimulus, membrane=with_membrane(graph)), stimulus)


def assert_same(found: Metrics, expected: dict[str, Any]) -> None:
    """Every metric, equal; but the package rounds a sparsity to four decimals, and averages another over batches."""
    assert found.parameters == expected["ParameterCount"]
    assert found.footprint == expected["Footprint"]
    assert found.connection_sparsity == pytest.approx(expected["ConnectionSparsity"], abs=0.5001e-4)
    assert found.activation_sparsity == pytest.approx(expected["ActivationSparsity"], rel=1e-12)
    assert found.sparsity_by_layer == {
        (name if name.isidentifier() else f"_{name}"): value
        for name, value in expected["ActivationSparsityByLayer"].items()
    }
    assert found.as_dict()["synaptic_operations"] == expected["SynapticOperations"]
    assert found.membrane_updates == expected["MembraneUpdates"]
