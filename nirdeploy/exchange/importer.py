"""import_from_nir: a NIR graph becomes a trainable torch.fx.GraphModule, stateless between calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import torch
from torch import fx, nn

from nirdeploy.check import CheckedGraph, Population, check
from nirdeploy.dialect import Dialect
from nirdeploy.errors import UsageProblem
from nirdeploy.exchange.modules import MODULES, Neuron

State = dict[str, torch.Tensor]


class _Dense(nn.Module):
    """The projections into one population: flattened spikes to input current, of the population's shape."""

    def __init__(self, weights: list[torch.Tensor], bias: torch.Tensor | None, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(weight) for weight in weights)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.shape = shape

    def forward(self, leading: int, *sources: torch.Tensor) -> torch.Tensor:
        """``leading``: dimensions in front of the population's (batch; time and batch)."""
        current = sum(s.flatten(leading) @ w.T for s, w in zip(sources, self.weights, strict=True))
        if self.bias is not None:
            current = current + self.bias
        shaped: torch.Tensor = torch.as_tensor(current).unflatten(-1, self.shape)
        return shaped


class _Cell(nn.Module):
    """A neuron module that hands its state on."""

    def __init__(self, neuron: Neuron | None) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, leading: int, current: torch.Tensor, v: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
        if self.neuron is None:  # an analog output
            return current, None
        return self.neuron.step(current, v) if leading == 1 else self.neuron.many(current, v)


def import_from_nir(
    graph: nir.NIRGraph | str | Path,
    dt: float | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    step_mode: str = "s",
    dialect: str | Dialect | None = None,
) -> fx.GraphModule:
    """Build a module from a NIR graph (or the path of a ``.nir`` file).

    Args:
        dt: seconds per step; else the graph's dialect's, else 1e-4.
        step_mode: "s": input (B, *shape), one step; "m": (T, B, *shape), all steps.
        dialect: preset string; else the graph's metadata, else "nir".

    Returns:
        a GraphModule; ``module(x, state=None)`` gives ``(output, state)``, the output a tensor (a tuple
        of tensors if the graph has several Output nodes). State passes from call to call only if given.
        With several inputs, ``x`` is a tuple in the order of the graph.

    Raises:
        ModelFileError, GraphError, DialectError: as :func:`nirdeploy.check.check`.
    """
    if step_mode not in ("s", "m"):
        raise UsageProblem(f"step_mode is 's' (one step) or 'm' (many), not {step_mode!r}")
    checked = check(graph, dialect=dialect, dt=dt)
    return _Builder(checked, dtype, torch.device(device), 1 if step_mode == "s" else 2).build()


class _Builder:
    def __init__(self, graph: CheckedGraph, dtype: torch.dtype, device: torch.device, leading: int) -> None:
        self.graph, self.dtype, self.device, self.leading = graph, dtype, device, leading
        self.root = nn.Module()
        self.fx = fx.Graph()

    def build(self) -> fx.GraphModule:
        x = self.fx.placeholder("x")
        state = self.fx.placeholder("state", default_value=None)
        values: dict[str, fx.Node] = {}
        for index, name in enumerate(self.graph.inputs):
            several = len(self.graph.inputs) > 1
            values[name] = self.fx.call_function(_item, (x, index)) if several else x
        states: dict[str, fx.Node] = {}
        for number, population in enumerate(p for p in self.graph.populations if p.model != "Input"):
            incoming = [p for p in self.graph.projections if p.target == population.name]
            self.root.add_module(f"dense{number}", self._dense(population))
            self.root.add_module(f"neuron{number}", self._cell(population))
            current = self.fx.call_module(f"dense{number}", (self.leading, *(values[p.source] for p in incoming)))
            before = self.fx.call_function(_state_of, (state, population.name))
            both = self.fx.call_module(f"neuron{number}", (self.leading, current, before))
            values[population.name] = self.fx.call_function(_item, (both, 0))
            states[population.name] = self.fx.call_function(_item, (both, 1))
        outputs = tuple(values[source] for source in self.graph.outputs.values())
        self.fx.output((outputs[0] if len(outputs) == 1 else outputs, states))
        return fx.GraphModule(self.root, self.fx, "ImportedFromNir")

    def _dense(self, population: Population) -> _Dense:
        weights = [self._tensor(p.weight) for p in self.graph.projections if p.target == population.name]
        bias = self._tensor(population.bias.ravel()) if population.bias.any() else None
        return _Dense(weights, bias, population.shape)

    def _cell(self, population: Population) -> _Cell:
        if population.model == "Output":
            return _Cell(None)
        params: dict[str, Any] = {name: self._tensor(values) for name, values in population.params.items()}
        module: Neuron = MODULES[population.model](
            **params, dt=self.graph.dialect.dt, dialect=self.graph.dialect, step_mode="sm"[self.leading - 1]
        )
        return _Cell(module.to(self.device, self.dtype))

    def _tensor(self, array: Any) -> torch.Tensor:
        return torch.tensor(array, dtype=self.dtype, device=self.device)


def _item(values: Any, index: int) -> Any:
    return values[index]


def _state_of(state: State | None, name: str) -> torch.Tensor | None:
    return None if state is None else state[name]
