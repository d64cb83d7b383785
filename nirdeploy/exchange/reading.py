"""reading: an observed tensor as what one node reads: of which nodes, which of their signals, how many steps late."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from nirdeploy.errors import ExportError
from nirdeploy.exchange.signals import HELD, Birth, Book, Given, Lost, Node, Shape, Value, Zeros, same


class Unreadable(Exception):
    """Why a tensor cannot be read; nothing where the cause was named already."""


class Unwritten(Exception):
    """Why a call has no node, and what would."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why, self.remedy = why, remedy


@dataclass(frozen=True)
class Part:
    """What a reading takes from one node: ``where`` its signals stand (-1: elsewhere); None: all, in order."""

    node: Node
    late: int
    where: np.ndarray | None


@dataclass(frozen=True)
class Reading:
    """What arrives: ``shape`` of one position; ``steps`` and ``samples`` of each leading position. No parts: zeros."""

    parts: tuple[Part, ...]
    shape: Shape
    steps: np.ndarray
    samples: np.ndarray
    front: Shape  # the leading dimensions

    def positions(self, part: Part) -> np.ndarray:
        """A part's places over the flattened shape."""
        return np.arange(math.prod(self.shape)) if part.where is None else part.where


class Reader:
    """Reads tensors of a run. ``two``: what two leading dimensions of an input are unless the run shows it."""

    def __init__(self, book: Book, two: tuple[str, ...], declared: int) -> None:
        self.book, self.two, self.declared = book, two, declared

    def read(self, tensor: torch.Tensor, *, own: int | None = None, leading: int | None = None) -> Reading:
        """The tensor with so many own (or leading) dimensions. Raises :class:`Unreadable`, :class:`ExportError`."""
        seen = self.book.find(tensor)
        if seen is None:
            raise Unreadable("a tensor that no module gave")
        if isinstance(seen, Lost):
            raise Unreadable(lost(seen))
        if isinstance(seen, Value) and not same(tensor, seen):
            raise Unreadable(f"what {self.source(seen)} gave, changed in place since")
        shape = tuple(tensor.shape)
        count = leading if leading is not None else len(shape) - own if own is not None else -1
        if count == -1:
            count = seen.leading if isinstance(seen, Value) else min(self.declared, len(shape))
        if isinstance(seen, Zeros):
            return Reading((), shape[max(count, 0) :], np.zeros(0), np.zeros(0), shape[: max(count, 0)])
        if count < 1 or (count == len(shape) and leading is not None):
            raise self.too_few()
        fresh = seen.numbers is None and isinstance(seen.birth, Birth) and seen.leading == count
        if fresh and isinstance(seen.birth, Birth):
            birth = seen.birth
            return Reading((Part(birth.node, 0, None),), shape[count:], birth.steps, birth.samples, shape[:count])
        return self._decoded(seen, seen.numbered(), count)

    def too_few(self) -> ExportError:
        """The example has no room for batch (and time)."""
        given = next(birth for birth in self.book.births if isinstance(birth, Given))
        form = ", ".join(self.two[: self.declared] if self.declared > 1 else ("B",))
        sizes = ", ".join(["1"] * self.declared)
        return ExportError(
            f"the example input has shape {given.shape}, the net takes ({form}, ...)",
            hint=f"for 64 inputs give {sizes}, 64; where its forward goes through the steps, a dimension more in front",
        )

    def source(self, value: Value) -> str:
        """The node a value comes from, in words."""
        return "the input" if isinstance(value.birth, Given) else value.birth.node.name

    def _decoded(self, value: Value, numbers: np.ndarray, count: int) -> Reading:
        shape = numbers.shape
        flat = numbers.reshape(math.prod(shape[:count]), -1)
        which, steps, samples, own = self.decode(flat, shape[count:])
        there = which >= 0
        if not there.any():
            return Reading((), shape[count:], np.zeros(0), np.zeros(0), shape[:count])
        full = there.any(axis=1)  # before its first step a late signal is zero throughout
        some = int(np.flatnonzero(full)[0])
        if (which[full] != which[some]).any() or (own[full] != own[some]).any():
            raise Unreadable(self._mixed(value, shape))
        step = np.where(there, steps, HELD).max(axis=1)
        sample = np.where(there, samples, -1).max(axis=1)
        if (there & (samples != sample[:, None])).any():
            raise Unreadable(self._mixed(value, shape))
        if full.all() and (self._split(step.reshape(shape[:count])) or self._split(sample.reshape(shape[:count]))):
            raise Unreadable(self._mixed(value, shape))
        parts: list[Part] = []
        for index in dict.fromkeys(which[some][there[some]].tolist()):
            here = which[some] == index
            at = steps[full][:, here]
            late = np.where(at == HELD, 0, step[full][:, None] - at)
            if (late != late[:1]).any():
                raise Unreadable("signals of several steps at once")
            for delay in np.unique(late[0]):
                where = np.full(here.shape, -1)
                chosen = np.flatnonzero(here)[late[0] == delay]
                where[chosen] = own[some][chosen]
                node = self._nodes[index]
                whole = where.size == math.prod(node.shape) and bool((where == np.arange(where.size)).all())
                parts.append(Part(node, int(delay), None if whole else where))
        return Reading(tuple(parts), shape[count:], step, sample, shape[:count])

    def decode(self, numbers: np.ndarray, own_shape: Shape) -> tuple[np.ndarray, ...]:
        """Of each number: an index of its node in ``_nodes`` (-1: a zero), its step, sample and own index."""
        firsts = np.asarray(self.book.firsts)
        at = np.searchsorted(firsts, numbers, side="right") - 1
        which, steps = np.full(numbers.shape, -1), np.full(numbers.shape, HELD)
        samples, own = np.zeros(numbers.shape, dtype=np.int64), np.zeros(numbers.shape, dtype=np.int64)
        self._nodes: list[Node] = []
        for index in np.unique(at[at >= 0]).tolist():
            here, birth = (at == index) & (numbers > 0), self.book.births[index]
            places = numbers[here] - firsts[index]
            if isinstance(birth, Given):
                self._settle(birth, own_shape)
                steps[here], samples[here], own[here] = birth.decode(places)
            else:
                position = places // birth.size
                steps[here], samples[here], own[here] = (
                    birth.steps[position],
                    birth.samples[position],
                    places % birth.size,
                )
            if birth.node not in self._nodes:
                self._nodes.append(birth.node)
            which[here] = self._nodes.index(birth.node)
        return which, steps, samples, own

    def _settle(self, given: Given, own: Shape) -> None:
        """Which of an input's dimensions are leading, from the own shape of what first reads it."""
        if given.leading is not None:
            return
        size, dims = math.prod(own), len(given.shape)
        fits = [n for n in range(1, dims) if math.prod(given.shape[n:]) == size]
        exact = dims - len(own)
        if given.shape[exact:] == own and exact >= 1:
            found = exact
        elif self.declared in fits:
            found = self.declared
        else:
            found = fits[0] if fits else max(1, min(exact, dims - 1))
        if given.time is not None:
            found = max(found, given.time + 1)
        given.settle(found, self.two)

    def _mixed(self, value: Value, shape: Shape) -> str:
        if isinstance(value.birth, Birth):
            front = value.birth.total() // value.birth.size
            before = (front, *value.birth.node.shape)
        else:
            before = value.birth.shape
        if sorted(before) != sorted(shape):
            return f"what {self.source(value)} gives, reshaped from {before} to {shape}: batch or time is split"
        return "a tensor that no module gave as it is: batch or time stands among its signals"

    @staticmethod
    def _split(values: np.ndarray) -> bool:
        """Whether steps or samples change along several leading dimensions."""
        along = [axis for axis in range(values.ndim) if (np.diff(values, axis=axis) != 0).any()]
        return len(along) > 1


def lost(seen: Lost) -> str:
    """What a lost tensor is, in words; nothing where the cause was named already."""
    if seen.membrane:
        return f"the membrane of {seen.nodes[0].name}: nodes of NIR pass on what leaves them"
    if seen.read_out:
        return f"a read-out over time ({', '.join(seen.why)}): that can only end a network"
    return f"a tensor that no module gave: {', '.join(seen.why)}" if seen.why else ""
