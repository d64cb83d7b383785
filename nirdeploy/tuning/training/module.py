"""module: a network as a trainable module that computes what a target's integers compute."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn

from nirdeploy.errors import UsageProblem
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records import inputs
from nirdeploy.targets import fitting
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.training.parameters import Parameters, trains
from nirdeploy.tuning.training.run import Run, exact_type
from nirdeploy.tuning.training.straight import Gain


class IntegerModule(nn.Module):
    """What :func:`~nirdeploy.tuning.training.aware.quantize_aware` gives.

    ``module(x)`` computes what the integer simulator computes of a build of :meth:`graph`, in training and evaluation
    alike.

    Parameters are float32: ``populations.N_NAME.weights.K``, ``.log_step`` and ``.bias`` of each population that is
    trained.
    """

    def __init__(self, graph: CheckedGraph, target: Target, bits: int, on_grid: Collection[str] = ()) -> None:
        """
        Args:
            bits: of the weights into populations that do not say it themselves.
            on_grid: populations whose weights were trained on a grid before.
        """
        super().__init__()
        self._graph, self.target = graph, target
        self._gains = {p.name: Gain.of(graph, p) for p in graph.populations if p.model != "Input"}
        self.populations, self._keys = nn.ModuleDict(), dict[str, str]()
        for number, p in enumerate(graph.populations):
            into = graph.into(p.name)
            if p.model != "Input" and trains(p, into):
                key = self._keys[p.name] = f"{number}_{re.sub(r'[^A-Za-z0-9_]', '_', p.name)}"
                self.populations[key] = Parameters(p, into, p.weight_bits or bits, on_grid=p.name in on_grid)
        if not self._keys:
            raise UsageProblem(
                "there is nothing to train: no weights lead into any population",
                hint="build the graph as it is (nirdeploy build)",
            )
        self._known: tuple[list[Tensor], CheckedGraph, IntegerNetwork] | None = None
        self.network()  # says at once what does not fit

    @property
    def trained(self) -> tuple[str, ...]:
        """The populations that have parameters."""
        return tuple(self._keys)

    def parameters_of(self, population: str) -> Parameters:
        """Those of one population. Raises KeyError where it has none."""
        own = self.populations[self._keys[population]]
        assert isinstance(own, Parameters)
        return own

    # --- what it stands for ------------------------------------------------------------

    def graph(self) -> CheckedGraph:
        """The graph with the weights on their grid, as they are now: :func:`nirdeploy.build` takes it."""
        with torch.no_grad():
            return self._current(*self._values())[0]

    def network(self) -> IntegerNetwork:
        """The integers that the module computes with now: those of a build of :meth:`graph`."""
        with torch.no_grad():
            return self._current(*self._values())[1]

    def nir_graph(self) -> nir.NIRGraph:
        """The graph in NIR, with the bits of each population's weights in its node's metadata: what
        :func:`nirdeploy.export_to_nir` gives.

        Raises:
            GraphError: NIR has no nodes for it.
        """
        return as_nir(self.graph())

    # --- forward -----------------------------------------------------------------------

    def forward(self, x: Any) -> Any:
        """What leaves the outputs: spike counts, or membranes in volts, float32 (T, B, *shape); a tuple of several.

        Args:
            x: numbers (T, B, *input shape) as the inputs take them; a dict by input where there are several.

        Raises:
            InputShapeError: the stimulus is not what the inputs take. DoesNotFit: the weights have become such that
                the target cannot have them.
        """
        signals, network = self._run(x)
        found = []
        for name in network.outputs.values():
            population = network.population(name)
            values = signals[name]
            if not population.spiking:
                values = values * torch.from_numpy(population.scale).to(values)
            found.append(values.unflatten(2, population.shape))
        return found[0] if len(found) == 1 else tuple(found)

    def signals(self, x: Any) -> dict[str, Tensor]:
        """What leaves every population: spike counts, or membranes in LSBs, float32 (T, B, *shape)."""
        signals, network = self._run(x)
        return {p.name: signals[p.name].unflatten(2, p.shape) for p in network.populations}

    def _run(self, x: Any) -> tuple[dict[str, Tensor], IntegerNetwork]:
        weights, biases = self._values()
        graph, network = self._current(weights, biases)
        device = self._device
        stimulus = inputs.stimulus(x, network.inputs, network.takes)
        signals = {n: torch.from_numpy(values).to(device, torch.float32).flatten(2) for n, values in stimulus.items()}
        gates = {p.name for p in network.populations if p.model == "Threshold" and p.name not in self._keys}
        return Run(network, *self._integers(graph, network, weights, biases), signals, gates).all(), network

    @property
    def _device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def _values(self) -> tuple[dict[str, list[Tensor]], dict[str, Tensor]]:
        """By population: the weights on their grid, and the bias of each neuron."""
        weights, biases = {}, {}
        for name in self._keys:
            own = self.parameters_of(name)
            weights[name] = own.on_grid()
            if (bias := own.whole_bias()) is not None:
                biases[name] = bias
        return weights, biases

    def _current(
        self, weights: dict[str, list[Tensor]], biases: dict[str, Tensor]
    ) -> tuple[CheckedGraph, IntegerNetwork]:
        """The graph with these values and its integers; made again only where a value is another."""
        values = [one.detach().cpu() for own in weights.values() for one in own]
        values += [one.detach().cpu() for one in biases.values()]
        if self._known is None or not all(map(torch.equal, self._known[0], values)):
            graph = _with(self._graph, weights, biases)
            self._known = values, graph, fitting.rounded(graph, self.target)
        return self._known[1:]

    def _integers(
        self,
        graph: CheckedGraph,
        network: IntegerNetwork,
        weights: dict[str, list[Tensor]],
        biases: dict[str, Tensor],
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The integers with the gradients of the values: of projections, in the network's order; of biases."""
        seen = bordered(graph) if any(own.border for own in network.encodings.values()) else graph
        device = self._device
        found, own_bias = [], {}
        for population in network.populations:
            neurons = network.neurons(population.name)
            gain = self._gains.get(population.name) or Gain(np.ones(population.size))
            own_bias[population.name] = gain.bias(neurons, biases.get(population.name), device)
            into, soft = network.into(population.name), weights.get(population.name)
            for index, q in enumerate(into):
                exact = torch.from_numpy(q.weight).to(device, exact_type(network.formats, device))
                if soft is not None:
                    p = seen.into(population.name)[index]
                    exact = gain.weight(p, q, soft[index], exact)
                found.append(exact)
        return found, own_bias


def _with(graph: CheckedGraph, weights: dict[str, list[Tensor]], biases: dict[str, Tensor]) -> CheckedGraph:
    """The graph with other weights and biases."""
    left = {name: iter(own) for name, own in weights.items()}
    projections = tuple(
        replace(p, operator=replace(p.operator, weight=_array(next(left[p.target])))) if p.target in left else p
        for p in graph.projections
    )
    populations = tuple(replace(p, bias=_array(biases[p.name])) if p.name in biases else p for p in graph.populations)
    return replace(graph, populations=populations, projections=projections)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64)
