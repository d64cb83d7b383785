"""harness: NeuroBench's own benchmark, with a device (or the integer simulator) in the place of the network.

    model = NeuroBenchModel(built, device)
    Benchmark(model, loader, [], [ChooseMaxCount()], [[Footprint], [ClassificationAccuracy, SynapticOperations]]).run()

It needs the package ``neurobench``, and is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nirdeploy.device.client import Device
from nirdeploy.device.run import run
from nirdeploy.errors import UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.neurobench import arriving, signals, with_membrane
from nirdeploy.proof.stored import Layer, Stored, layers, stored
from nirdeploy.records.spikes import SpikeRecord, select
from nirdeploy.sim.simulate import Quantized, simulate

try:
    from neurobench.models import NeuroBenchModel as _Abstract
except ImportError as error:
    raise UsageProblem("NeuroBench's package is not installed", hint="pip install neurobench") from error


class NeuroBenchModel(_Abstract):  # type: ignore[misc]
    """A network in integers as NeuroBench's benchmark takes one.

    Every metric that reads layers and hooks finds those of the integers: weights and biases are the parameters, what
    else is stored the buffers, each as wide as on the target; populations are activation layers, and dense and
    convolutional projections connection layers. A device does not say the membranes of what spikes:
    ``MembraneUpdates`` is for the simulator, on a device the benchmark says so and puts 0. ``NeuronOperations`` knows
    snnTorch's neurons alone.
    """

    def __init__(
        self, built: IntegerNetwork | Quantized, device: Device | None = None, output: str | None = None
    ) -> None:
        """``device``: opened, and flashed with the network; without one the integer simulator runs it. ``output``: the
        population or Output that is read, by default the first output.

        Raises:
            UnknownPopulation: no such output.
        """
        super().__init__()
        self.network = built if isinstance(built, IntegerNetwork) else built.network
        self.device = device
        wanted = output or next(iter(self.network.outputs.values()))
        (self.output,) = select([wanted], [p.name for p in self.network.populations], self.network.outputs)
        self.add_activation_module(_Neurons)
        self._net = _Net(self.network)

    def __net__(self) -> _Net:
        return self._net

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, T, *input shape) to (B, T, *shape of the output): its spikes, or its membrane where it has none.

        Raises: as :func:`nirdeploy.device.run.run`, :func:`nirdeploy.sim.integer.simulate`.
        """
        x = batch.detach().cpu().numpy().swapaxes(0, 1)
        membrane = with_membrane(self.network) if self.activation_hooks and self.device is None else ()
        record = simulate(self.network, x, membrane=membrane) if self.device is None else run(self.device, x)
        self._tell_hooks(record, x)
        read = record.spikes[self.output] if self.output in record.spikes else record.volts(self.output)
        return batch.new_tensor(read.swapaxes(0, 1), dtype=torch.float32)

    def _tell_hooks(self, record: SpikeRecord, x: np.ndarray) -> None:
        """Give the hooks what they would have seen, step by step."""
        for hook in self.activation_hooks:
            name = hook.layer.population
            if name in record.spikes:
                hook.activation_outputs.extend(torch.from_numpy(record.spikes[name].astype(np.float32)))
            if name in record.membrane:
                after = list(torch.from_numpy(record.membrane[name]))
                hook.pre_fire_mem_potential.extend([torch.zeros_like(after[0]), *after[:-1]])
                hook.post_fire_mem_potential.extend(after)
            else:
                hook.pre_fire_mem_potential = hook.post_fire_mem_potential = _Unread(name)
        if self.connection_hooks:
            sent = signals(self.network, record, x)
            for hook in self.connection_hooks:
                came = arriving(hook.layer.projection, sent).astype(np.float64)
                hook.inputs.extend((step,) for step in torch.from_numpy(came))


class _Net:
    """What metrics ask of a network: its layers, and how many numbers of which size it holds."""

    def __init__(self, network: IntegerNetwork) -> None:
        self._stored = stored(network)
        self._layers: list[tuple[str, torch.nn.Module]] = [(name, _Neurons(name)) for name in with_membrane(network)]
        self._layers += [(f"{p.source} to {p.target}", _Weights(p)) for p in layers(network)]

    def named_children(self) -> Iterator[tuple[str, torch.nn.Module]]:
        return iter(self._layers)

    def children(self) -> Iterator[torch.nn.Module]:
        return iter([layer for _, layer in self._layers])

    def parameters(self) -> Iterator[_Numbers]:
        return (_Numbers(one) for one in self._stored if one.parameter)

    def buffers(self) -> Iterator[_Numbers]:
        return (_Numbers(one) for one in self._stored if not one.parameter)

    def to(self, device: Any) -> _Net:
        """Where torch computes is not where the network runs."""
        return self


@dataclass(frozen=True)
class _Numbers:
    """Stored numbers, as a tensor says how large it is."""

    stored: Stored

    def numel(self) -> int:
        return self.stored.count

    def element_size(self) -> float:
        return self.stored.bits / 8


class _Neurons(torch.nn.Module):
    """A population: an activation layer."""

    def __init__(self, population: str) -> None:
        super().__init__()
        self.population = population


class _Weights(torch.nn.Linear):
    """A projection's weights, in whatever geometry: the package counts what a layer of ones gives for ones."""

    def __init__(self, projection: Layer) -> None:
        super().__init__(1, 1, bias=False)
        self.projection = projection
        self.weight = torch.nn.Parameter(torch.from_numpy(projection.weight.astype(np.float64)), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        operator = replace(self.projection.operator, weight=self.weight.numpy())
        return torch.from_numpy(operator.apply(x.numpy()))


class _Unread:
    """The membranes of a population that nobody recorded."""

    def __init__(self, population: str) -> None:
        self._population = population

    def __len__(self) -> int:
        raise UsageProblem(
            f"the record holds no membrane of {self._population!r}",
            hint="membrane updates are counted on the integer simulator: leave the device out",
        )

    def clear(self) -> None:
        """Nothing is kept."""
