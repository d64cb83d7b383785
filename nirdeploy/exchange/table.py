"""table: what a frontend knows of its framework: which modules are neurons, and what each is in NIR."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.exchange import rows
from nirdeploy.exchange.modules import Scale, SumPool2d
from nirdeploy.exchange.signals import Shape
from nirdeploy.semantics.dialect import Dialect


@dataclass(frozen=True)
class Call:
    """A neuron as the net calls it; shapes without the ``leading`` dimensions of batch and time."""

    name: str
    module: Any
    arriving: Shape
    leaving: Shape
    leading: int


@dataclass(frozen=True)
class Part:
    """A neuron in NIR: its node, how it is stepped, and the weights (if any) that bring its spikes back to it.

    ``weights``: of the input, where the module has them (outputs, inputs)."""

    node: nir.NIRNode
    dialect: Dialect | None  # None: it has no say in it
    feedback: nir.NIRNode | None = None
    weights: torch.Tensor | None = None


def class_of(module: object, package: str, names: Collection[str]) -> str | None:
    """Which of a framework's classes a module is, or derives from without a ``forward`` of its own; else None."""
    for kind in type(module).__mro__:
        if kind.__module__.partition(".")[0] == package:
            return kind.__name__ if kind.__name__ in names else None
        if "forward" in vars(kind):
            return None
    return None


#: Containers that bring back what they gave in the step before, by what they call in every step.
_CIRCLES = {
    "ElementWiseRecurrentContainer": "sub_module",
    "LinearRecurrentContainer": "sub_module",
    "RecurrentSequential": "module",
}


class Table:
    """One framework. ``two``: what two leading dimensions of an input are."""

    package = ""
    two: tuple[str, ...] = ("T", "B")
    #: Modules of the framework, by the start of their modules' names, that are no leaves: others are called in them.
    containers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()  # where the framework keeps layers and neurons

    def __init__(self, dt: float) -> None:
        self.dt = dt

    def declared(self, net: nn.Module) -> int:
        """How many leading dimensions the net's input has, as far as its modules say."""
        return 1

    def array(self, value: Any) -> np.ndarray:
        """A parameter as the graph keeps it."""
        return array(value)

    def is_neuron(self, module: nn.Module) -> bool:
        raise NotImplementedError

    def form(self, module: nn.Module) -> tuple[str, ...]:
        """The leading dimensions that a neuron takes."""
        return ("B",)

    def neuron(self, call: Call) -> Part:
        raise NotImplementedError

    def restarts(self, module: nn.Module) -> bool:
        """Whether a neuron begins each call from rest (or from a state it is given)."""
        return False

    def reads_out(self, module: nn.Module) -> bool:
        """Whether a neuron gives something over all steps instead of its output in each."""
        return False

    def is_leaf(self, module: nn.Module) -> bool:
        """Whether a module is looked at from outside only."""
        if self.is_neuron(module) or isinstance(module, (Scale, SumPool2d)):
            return True
        return rows.is_torch_layer(module) or self.own_class(module) is not None

    def own_class(self, module: nn.Module) -> str | None:
        """The framework's layer or neuron that a module is, containers left out."""
        for kind in type(module).__mro__:
            if kind.__module__.startswith(self.places) and self.places:
                return None if kind.__name__ in self.containers else kind.__name__
            if "forward" in vars(kind):
                return None
        return None

    def circle(self, module: nn.Module) -> nn.Module | None:
        """Of a container that brings back what it gave in the step before: the module that it calls in every step."""
        theirs = bool(self.places) and type(module).__module__.startswith(self.places)
        name = _CIRCLES.get(type(module).__name__) if theirs else None
        return None if name is None else module.get_submodule(name)

    def op(self, module: nn.Module, who: str) -> rows.Given | None:
        """What a stateless leaf does."""
        if self.own_class(module) is not None and not self.wraps(module):
            return None
        return rows.op_of(module, who)

    def wraps(self, module: nn.Module) -> bool:
        """Whether a layer of the framework's does what the torch layer it derives from does."""
        return False

    def extra(self, module: nn.Module) -> int:
        """How many leading dimensions a layer takes beyond torch's one."""
        return 0

    def reason(self, module: nn.Module) -> tuple[str, str]:
        """Why a leaf cannot come in, and what would."""
        return rows.reason(module)


def array(value: Any) -> np.ndarray:
    """A tensor or number as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    return np.array(value, dtype=np.float64)
