"""signals: which signal of the network every element of an observed tensor is.

Each tensor that a node gives is a *birth*: its elements get numbers of their own. Whatever only moves elements
(views, permutations, slices, stacks, padding with zeros) is repeated on the numbers, and the result still says of
every element which node gave it, in which step, for which sample and as which of its signals. Number 0 is a zero.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np
import torch

from nirdeploy.semantics.dialect import Dialect

Shape = tuple[int, ...]
HELD = -1  # the step of a signal that is the same in all steps

#: What is known of a signal's values: 0 or 1; 0, 1, 2, ...; not negative; nothing.
SPIKES, COUNTS, POSITIVE, ANY = NATURES = "spikes", "counts", "positive", "any"


@dataclass(eq=False)
class Node:
    """A node of the graph to be. ``sources``: what it reads, each with how many steps late.

    ``made`` None: a sum of its sources; or, with ``channelwise`` (scale, shift, each one value per channel), an
    affine map per channel that folding may take away. ``shape`` without batch and time. ``dialect`` of a neuron;
    ``feedback``: what brings its spikes back. ``complement`` of a node of spikes: one minus it.
    """

    name: str
    made: nir.NIRNode | None
    shape: Shape
    sources: list[tuple[Node, int]]
    nature: str = ANY
    channelwise: tuple[np.ndarray, np.ndarray] | None = None
    dialect: Dialect | None = None
    feedback: nir.NIRNode | None = None
    complement: Node | None = None


@dataclass(eq=False)
class Birth:
    """A tensor that a node gave: leading positions, each of one step and sample, times the node's signals."""

    node: Node
    steps: np.ndarray  # one per leading position
    samples: np.ndarray
    size: int  # of one position

    def total(self) -> int:
        return len(self.steps) * self.size


@dataclass(eq=False)
class Given:
    """One of the net's inputs. Which of its dimensions are batch and time shows when something reads it.

    ``time``: the dimension that the net takes its steps from, if it was seen to; ``leading``: how many dimensions
    come before a sample's own, once known.
    """

    node: Node
    shape: Shape
    time: int | None = None
    leading: int | None = None
    roles: tuple[str, ...] = ()

    def total(self) -> int:
        return math.prod(self.shape)

    def settle(self, leading: int, two: tuple[str, ...]) -> None:
        """Fix the leading dimensions; ``two``: what two of them are where the run did not show it."""
        if self.leading is not None:
            return
        self.leading = leading
        if self.time is not None and self.time < leading:
            self.roles = tuple("T" if dim == self.time else "B" for dim in range(leading))
        else:
            self.roles = ("B",) if leading == 1 else two[:leading]
        self.node.shape = self.shape[leading:]
        self.node.made = nir.Input({"input": np.array(self.node.shape)})

    def decode(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, samples and own indices of places in the tensor."""
        assert self.leading is not None
        coordinates = np.unravel_index(places, self.shape)
        none = np.zeros(places.shape, dtype=np.int64)
        steps, samples = none + HELD, none
        for role, at in zip(self.roles, coordinates[: self.leading], strict=True):
            if role == "T":
                steps = at
            else:
                samples = at
        own = self.shape[self.leading :]
        return steps, samples, np.ravel_multi_index(coordinates[self.leading :], own) if own else none


@dataclass(eq=False)
class Value:
    """What an observed tensor is. ``numbers`` None: all of ``birth`` in order; ``leading``: its leading dimensions."""

    tensor: torch.Tensor
    shape: Shape
    version: int
    birth: Birth | Given
    first: int
    leading: int
    numbers: np.ndarray | None = None

    def numbered(self) -> np.ndarray:
        if self.numbers is not None:
            return self.numbers
        return np.arange(self.first, self.first + self.birth.total(), dtype=np.int64).reshape(self.shape)


@dataclass(eq=False)
class Zeros:
    """A tensor of zeros that the net made: nothing arrives there."""

    tensor: torch.Tensor
    shape: Shape

    def numbered(self) -> np.ndarray:
        return np.zeros(self.shape, dtype=np.int64)


@dataclass(eq=False)
class Lost:
    """A tensor computed from signals in a way that no node says. ``why``: the calls and where they stand.

    ``membrane``: it is only a neuron's state; ``read_out``: only a reduction over time of ``nodes``.
    """

    tensor: torch.Tensor
    why: tuple[str, ...]
    nodes: tuple[Node, ...] = ()
    membrane: bool = False
    read_out: bool = False


Seen = Value | Zeros | Lost


@dataclass(eq=False)
class Book:
    """Every tensor of the run by its identity, and every birth by its first number."""

    firsts: list[int] = field(default_factory=list)
    births: list[Birth | Given] = field(default_factory=list)
    seen: dict[int, Seen] = field(default_factory=dict)
    _kept: list[torch.Tensor] = field(default_factory=list)  # an identity must not be given to another tensor
    _next: int = 1

    def find(self, tensor: Any) -> Seen | None:
        return self.seen.get(id(tensor)) if isinstance(tensor, torch.Tensor) else None

    def _put(self, tensor: torch.Tensor, what: Seen) -> None:
        self._kept.append(tensor)
        self.seen[id(tensor)] = what

    def bear(self, tensor: torch.Tensor, birth: Birth | Given, leading: int) -> Value:
        """A node's tensor, newly given."""
        value = Value(tensor, tuple(tensor.shape), tensor._version, birth, self._next, leading)
        self.firsts.append(self._next)
        self.births.append(birth)
        self._next += birth.total()
        self._put(tensor, value)
        return value

    def alias(self, tensor: torch.Tensor, like: Seen) -> None:
        """The same elements in the same shape."""
        if isinstance(like, Value):
            like = Value(tensor, like.shape, tensor._version, like.birth, like.first, like.leading, like.numbers)
        elif isinstance(like, Zeros):
            like = Zeros(tensor, tuple(tensor.shape))
        self._put(tensor, like)

    def moved(self, tensor: torch.Tensor, numbers: np.ndarray, like: Value) -> None:
        """A tensor that holds elements of others; ``like``: one of these."""
        leading = _leading(tuple(tensor.shape), like)
        self._put(
            tensor,
            Value(tensor, tuple(tensor.shape), tensor._version, like.birth, like.first, leading, numbers),
        )

    def zeros(self, tensor: torch.Tensor) -> None:
        self._put(tensor, Zeros(tensor, tuple(tensor.shape)))

    def lose(
        self,
        tensor: torch.Tensor,
        why: Sequence[str],
        nodes: Sequence[Node] = (),
        *,
        membrane: bool = False,
        read_out: bool = False,
    ) -> None:
        found = tuple(dict.fromkeys(nodes))
        self._put(tensor, Lost(tensor, tuple(dict.fromkeys(why)), found, membrane, read_out))

    def which(self, number: int) -> int:
        """The birth that a number belongs to."""
        return bisect.bisect_right(self.firsts, number) - 1


def _leading(shape: Shape, like: Value) -> int:
    """The likeliest number of leading dimensions of a moved tensor: own dimensions as many as before, or leading."""
    own = len(like.shape) - like.leading
    kept = len(shape) - own
    return kept if kept >= 1 else min(like.leading, len(shape))


def same(tensor: torch.Tensor, value: Value) -> bool:
    """Whether the tensor still holds what it held when it was seen."""
    return tensor._version == value.version
