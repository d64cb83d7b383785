"""import_from_nir: a NIR graph becomes a trainable torch.fx.GraphModule, stateless between calls.

Each NIR node becomes one module of the node's name; the graph of calls is that of one step, in the order that
:func:`nirdeploy.graph.check.check` found. Without a cycle, many steps go layer by layer; with one, step by step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import torch
from torch import fx, nn

from nirdeploy.errors import GraphError, UsageProblem
from nirdeploy.exchange.layers import to_module
from nirdeploy.exchange.modules import Delay, Neuron
from nirdeploy.graph import file as nirfile
from nirdeploy.graph import primitives
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.flatten import FlatGraph, flatten
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.neuron import State

States = dict[str, State]
ORIGIN = "nir_origin"  # the attribute of an imported module that holds its Origin
_PLAIN = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


@dataclass(frozen=True)
class Origin:
    """Where an imported module came from: what :func:`export_to_nir` needs to give the same graph back.

    ``names``: the module's path of each node (by the node's path in the graph).
    """

    graph: nir.NIRGraph
    dialect: Dialect
    names: dict[str, str]


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
        ModelFileError, GraphError, DialectError: as :func:`nirdeploy.graph.check.check`.
    """
    if step_mode not in ("s", "m"):
        raise UsageProblem(
            f"step_mode is 's' (one step) or 'm' (many), not {step_mode!r}", hint="step_mode='m' takes (T, B, ...)"
        )
    read = graph if isinstance(graph, nir.NIRGraph) else nirfile.read(graph)
    checked = check(read, dialect=dialect, dt=dt)
    return _Builder(read, checked, dtype, torch.device(device)).build(step_mode)


class _Layer(nn.Module):
    """A layer without state on (B, ...), or on (T, B, ...) as if time were batch."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, leading: int, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.module(x.flatten(0, leading - 1) if leading > 1 else x)
        return out.unflatten(0, x.shape[:leading]) if leading > 1 else out


class _Cell(nn.Module):
    """A module with state, which it hands on."""

    def __init__(self, module: Neuron | Delay) -> None:
        super().__init__()
        self.module = module

    def forward(self, leading: int, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        return self.module.step(x, state) if leading == 1 else self.module.many(x, state)


class _Closing(nn.Module):
    """A Delay in a cycle: its input is of the step before already."""

    def __init__(self, module: Delay) -> None:
        super().__init__()
        self.module = module

    def forward(self, leading: int, x: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        return self.module.step(x, state, closes_cycle=True)


class _StepByStep(nn.Module):
    """Many steps of a graph with a cycle."""

    def __init__(self, step: fx.GraphModule) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Any, state: States | None) -> tuple[Any, States]:
        outputs = []
        for now in zip(*x, strict=True) if isinstance(x, tuple) else x:
            out, state = self.step(now, state)
            outputs.append(out)
        if state is None:
            raise UsageProblem("there are no steps: the input is empty", hint="give at least one: (T, B, ...)")
        if isinstance(outputs[0], tuple):
            return tuple(torch.stack(each) for each in zip(*outputs, strict=True)), state
        return torch.stack(outputs), state


@dataclass(frozen=True)
class _Value:
    """What a node gives in the step; ``late``: it is of the step before."""

    node: fx.Node
    late: bool


class _Builder:
    def __init__(self, graph: nir.NIRGraph, checked: CheckedGraph, dtype: torch.dtype, device: torch.device) -> None:
        self.graph, self.checked, self.dtype, self.device = graph, checked, dtype, device
        self.flat: FlatGraph = flatten(graph, "")
        self.order = {p.name: index for index, p in enumerate(checked.populations)}
        self.slow = checked.dialect.connection_delay
        backward = any(self.order[p.source] >= self.order[p.target] for p in checked.projections)
        self.cyclic = backward or self.slow
        self.names = {name: _module_name(name, index) for index, name in enumerate(self.flat.nodes)}

    def build(self, step_mode: str) -> fx.GraphModule:
        leading = 1 if step_mode == "s" or self.cyclic else 2
        module = self._graph_module(leading)
        if step_mode == "m" and self.cyclic:
            root, outer = nn.Module(), fx.Graph()
            root.add_module("steps", _StepByStep(module))
            x, state = outer.placeholder("x"), outer.placeholder("state", default_value=None)
            outer.output(outer.call_module("steps", (x, state)))
            module = fx.GraphModule(root, outer, "ImportedFromNir")
            self.names = {name: f"steps.step.{path}" for name, path in self.names.items()}
        setattr(module, ORIGIN, Origin(self.graph, self.checked.dialect, self.names))
        return module.to(self.device)

    def _graph_module(self, leading: int) -> fx.GraphModule:
        self.root, self.fx, self.leading = nn.Module(), fx.Graph(), leading
        x = self.fx.placeholder("x")
        self.state = self.fx.placeholder("state", default_value=None)
        self.states: dict[str, fx.Node] = {}
        self.now: dict[str, fx.Node] = {}  # outputs of populations, as far as the step has come
        self.added: set[str] = set()
        self.made: dict[tuple[str, tuple[str, ...]], _Value] = {}
        inputs = list(self.checked.inputs)
        for name in self.order:
            if name in inputs:
                several = len(inputs) > 1
                self.now[name] = self.fx.call_function(_item, (x, inputs.index(name))) if several else x
            elif not isinstance(self.flat.nodes[name], nir.Output):
                self._population(name)
        if self.slow:
            self.states |= {_left(n): self.fx.call_function(State, (out,)) for n, out in self.now.items()}
        outputs = tuple(self._output(name) for name in self.checked.outputs)
        self.fx.output((outputs[0] if len(outputs) == 1 else outputs, self.states))
        return fx.GraphModule(self.root, self.fx, "ImportedFromNir")

    def _output(self, name: str) -> fx.Node:
        """What an Output reads: a population as it is, or the sum of what arrives."""
        source = self.checked.outputs[name]
        return self._sum(name).node if source == name else self.now[source]

    def _population(self, name: str) -> None:
        current = self._sum(name)
        population = self.checked.population(name)
        recurrent = any(p.source == name for p in self.checked.into(name))
        module = to_module(
            self.flat.nodes[name], population.shape, self.checked.dialect_of(name), self.dtype, recurrent=recurrent
        )
        self._add(name, _Cell(module))
        both = self.fx.call_module(self.names[name], (self.leading, current.node, self._state(name)))
        self.now[name] = self.fx.call_function(_item, (both, 0))
        self.states[name] = self.fx.call_function(_item, (both, 1))

    def _sum(self, name: str) -> _Value:
        """What arrives at a node: the sum over its edges."""
        values = [self._signal(source) for source in self.flat.into(name)]
        total = values[0].node
        for value in values[1:]:
            total = self.fx.call_function(torch.add, (total, value.node))
        return _Value(total, any(value.late for value in values))

    def _signal(self, name: str) -> _Value:
        """What leaves a node in this step, or (of a population that has not run yet) left it in the last."""
        node = self.flat.nodes[name]
        if not primitives.is_linear(node) and self.slow:
            return _Value(self._previous(name), False)
        if not primitives.is_linear(node):
            return _Value(self.now[name], False) if name in self.now else _Value(self._previous(name), True)
        missing = tuple(sorted(self._behind(name)))
        if (name, missing) not in self.made:
            arriving = self._sum(name)
            self.made[name, missing] = self._layer(name, node, arriving)
        return self.made[name, missing]

    def _behind(self, name: str) -> set[str]:
        """The populations in front of a linear node that have not run yet."""
        found: set[str] = set()
        for source in self.flat.into(name):
            if primitives.is_linear(self.flat.nodes[source]):
                found |= self._behind(source)
            elif source not in self.now:
                found.add(source)
        return found

    def _layer(self, name: str, node: nir.NIRNode, arriving: _Value) -> _Value:
        if isinstance(node, nir.Delay):
            if name in self.states:
                raise GraphError(
                    f"node {name!r} delays a signal both inside and outside a cycle",
                    hint="give each of the two a Delay of its own",
                )
            module = to_module(node, None, self.checked.dialect, self.dtype)
            self._add(name, _Closing(module) if arriving.late else _Cell(module))
            both = self.fx.call_module(self.names[name], (self.leading, arriving.node, self._state(name)))
            self.states[name] = self.fx.call_function(_item, (both, 1))
            return _Value(self.fx.call_function(_item, (both, 0)), False)
        if name not in self.added:
            self._add(name, _Layer(to_module(node, None, self.checked.dialect, self.dtype)))
        out = self.fx.call_module(self.names[name], (self.leading, arriving.node))
        if arriving.late and self.checked.dialect.recurrent_bias == "late" and not self.slow:
            out = self.fx.call_function(_but_in_the_first, (self.state, out))
        return _Value(out, arriving.late)

    def _previous(self, name: str) -> fx.Node:
        """The output of the step before: nothing at the start."""
        shape, key = self.checked.population(name).shape, _left(name) if self.slow else name
        return self.fx.call_function(_last_output, (self.state, key, next(iter(self.now.values())), shape))

    def _state(self, name: str) -> fx.Node:
        return self.fx.call_function(_state_of, (self.state, name))

    def _add(self, name: str, module: nn.Module) -> None:
        self.added.add(name)
        *parents, last = self.names[name].split(".")
        at = self.root
        for parent in parents:
            if parent not in at._modules:
                at.add_module(parent, nn.Module())
            at = at.get_submodule(parent)
        at.add_module(last, module)


def _left(name: str) -> str:
    """Where the states of a slow graph keep what left a population in the step before."""
    return f"{name} (left)"


def _module_name(name: str, index: int) -> str:
    """The node's own name where torch can hold it."""
    taken = any(part in vars(nn.Module) or hasattr(nn.Module, part) for part in name.split("."))
    return name if _PLAIN.fullmatch(name) and not taken and "training" not in name.split(".") else f"node_{index}"


def _item(values: Any, index: int) -> Any:
    return values[index]


def _state_of(state: States | None, name: str) -> State | None:
    return None if state is None else state[name]


def _but_in_the_first(state: States | None, value: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(value) if state is None else value


def _last_output(state: States | None, name: str, like: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    if state is None:
        return torch.zeros(like.shape[0], *shape, dtype=like.dtype, device=like.device)
    last = state[name]
    output: torch.Tensor = last.v if last.z is None else last.z
    return output
