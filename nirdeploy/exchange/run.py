"""run: what is known while a net runs: the tensors seen, the nodes so far, what cannot come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import ops
from nirdeploy.exchange.naming import Names, legal, written
from nirdeploy.exchange.ops import Op
from nirdeploy.exchange.placing import Placing
from nirdeploy.exchange.problems import Problems
from nirdeploy.exchange.reading import Reader, Reading, Unreadable, lost
from nirdeploy.exchange.rows import Given
from nirdeploy.exchange.signals import ANY, Birth, Book, Lost, Seen, Value, Zeros
from nirdeploy.exchange.table import Table


class Run:
    """One run of a net. ``depth``: how many leaves it is in; ``path``: the modules whose forward runs; ``written``:
    modules' paths as their user wrote them, by their own."""

    def __init__(self, net: nn.Module, table: Table) -> None:
        self.net, self.table, self.written = net, table, written(net)
        self.placing = Placing(Names(self.written.values()), table.array, table.dt)
        self.book = Book()
        self.reader = Reader(self.book, table.two, table.declared(net))
        self.problems = Problems()
        self.depth = 0
        self.path: list[str] = []

    def title(self, name: str) -> str:
        """The name of a node that a call makes: that of the module whose forward calls, and its own."""
        path = self.path[1:]
        return f"{path[-1]}.{name}" if path else name

    def apply(
        self,
        given: Given,
        tensor: torch.Tensor,
        out: torch.Tensor,
        name: str,
        key: tuple[Any, ...],
        *,
        extra: int = 0,
    ) -> None:
        """A layer: ``out`` is what it made of ``tensor``."""
        seen = self.book.find(tensor)
        op = given if isinstance(given, Op) else given(tuple(tensor.shape[1 + extra :]))
        if isinstance(op, ops.Same):
            self._same(op, tensor, out, seen, name)
        elif isinstance(op, ops.Rearranged):
            self._rearranged(op, tensor, out, extra)
        elif isinstance(op, ops.Flat):
            self._flat(op, tensor, out, name, key, extra)
        else:
            reading = self._read(op, tensor, extra)
            self._placed(op, reading, out, name, key)

    def _read(self, op: Op, tensor: torch.Tensor, extra: int) -> Reading:
        reader = self.reader
        if isinstance(op, ops.Channelwise):
            return reader.read(tensor, leading=op.leading + extra)
        if op.own is None:
            return reader.read(tensor)
        try:
            return reader.read(tensor, own=op.own)
        except Unreadable:
            if isinstance(op, ops.Dense) and isinstance(self.book.find(tensor), Value):
                return reader.read(tensor)  # positions are signals too: as one matrix
            raise

    def _placed(self, op: Op, reading: Reading, out: torch.Tensor, name: str, key: tuple[Any, ...]) -> None:
        if not reading.parts:
            self.book.zeros(out)
            return
        leaving = tuple(out.shape[len(reading.front) :])
        node = self.placing.place(op, reading, leaving, name, key)
        self.bear(out, node, reading)

    def bear(self, out: torch.Tensor, node: Any, reading: Reading) -> None:
        """A node gave ``out`` for what was read."""
        size = int(np.prod(node.shape))
        self.book.bear(out, Birth(node, reading.steps, reading.samples, size), len(reading.front))

    def _same(self, op: ops.Same, tensor: torch.Tensor, out: torch.Tensor, seen: Seen | None, name: str) -> None:
        if seen is None:
            raise Unreadable("a tensor that no module gave")
        if isinstance(seen, Lost):
            raise Unreadable(lost(seen))
        if op.positive and isinstance(seen, Value):
            reading = self.reader.read(tensor)
            if any(part.node.nature == ANY for part in reading.parts):
                self.problems.missing(
                    f"{name} (ReLU)",
                    "torch's ReLU: no node of NIR computes a function of that shape between spikes",
                    "put a spiking neuron in its place, or leave it out (on spikes it does nothing)",
                )
                raise Unreadable("")
        if out is not tensor:
            self.book.alias(out, seen)

    def _rearranged(self, op: ops.Rearranged, tensor: torch.Tensor, out: torch.Tensor, extra: int) -> None:
        seen = self.book.find(tensor)
        if not isinstance(seen, (Value, Zeros)):
            raise Unreadable(lost(seen) if isinstance(seen, Lost) else "a tensor that no module gave")
        numbers = torch.from_numpy(seen.numbered().astype(np.float64))
        folded = numbers.flatten(0, extra) if extra else numbers
        moved = op.run(folded).reshape(out.shape).numpy().astype(np.int64)
        if isinstance(seen, Zeros):
            self.book.zeros(out)
        else:
            self.book.moved(out, moved, seen)

    def _flat(
        self, op: ops.Flat, tensor: torch.Tensor, out: torch.Tensor, name: str, key: tuple[Any, ...], extra: int
    ) -> None:
        seen, dims = self.book.find(tensor), tensor.ndim
        if isinstance(seen, Lost) or seen is None:
            raise Unreadable(lost(seen) if seen is not None else "a tensor that no module gave")
        start, end = (dim + dims if dim < 0 else dim + extra for dim in (op.start, op.end))
        front = seen.leading if isinstance(seen, Value) else self.reader.declared
        if start < front <= end:
            label = legal(name)
            raise ExportError(
                f"{label} flattens from dimension {op.start}, batch or time along",
                hint=f"use nn.Flatten({front - extra})",
            )
        numbers = seen.numbered().reshape(out.shape)
        if isinstance(seen, Zeros):
            self.book.zeros(out)
            return
        self.book.moved(out, numbers, seen)
        if start >= front:
            reading = self.reader.read(tensor, leading=front)
            placing = self.placing
            node = placing.flatten(reading, name, key, start - front, op.end if op.end < 0 else end - front)
            if node is not None:
                self.bear(out, node, reading)
