"""observe: one real run of a net, watched from outside.

The net runs once on the example, in eval mode. Hooks on its layers and neurons see what each reads and gives; a
torch function mode sees the calls between them. Loops over time, containers, views and conditions on shapes simply
run. Afterwards the net is as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nirdeploy.errors import ExportError
from nirdeploy.exchange import ops
from nirdeploy.exchange.calls import Calls
from nirdeploy.exchange.emit import Ending, read_out
from nirdeploy.exchange.naming import input_names
from nirdeploy.exchange.placing import Sources, only_late_added, without_sums
from nirdeploy.exchange.reading import Reading, Unreadable, Unwritten
from nirdeploy.exchange.run import Run
from nirdeploy.exchange.signals import ANY, COUNTS, HELD, SPIKES, Birth, Given, Lost, Node, Value
from nirdeploy.exchange.table import Call, Table
from nirdeploy.exchange.where import calling_line
from nirdeploy.semantics import neuron as equations


class Observer:
    """The run of a net on its example: ``placing`` holds its nodes, ``inputs`` those of the inputs, ``endings`` where
    it ends.

    Raises:
        ExportError: all modules and calls that cannot come in, with the lines that call them.
    """

    def __init__(self, net: nn.Module, examples: Sequence[torch.Tensor], table: Table) -> None:
        self.net = net if not table.is_leaf(net) else nn.Sequential(net)
        self.table, self.run = table, Run(self.net, table)
        self.calls = Calls(self.run)
        self.placing, self.book, self.reader = self.run.placing, self.run.book, self.run.reader
        self._counts: dict[nn.Module, int] = {}
        self._called: Counter[nn.Module] = Counter()
        self._entered: list[torch.Tensor] = []
        self.given = self._inputs(examples)
        output = self._run([given.tensor for given in self.given])
        self.run.problems.check()
        self.inputs = [given.birth.node for given in self.given]
        self._settled()
        self.endings = self._endings(output)

    # --- the run ----------------------------------------------------------------------

    def _inputs(self, examples: Sequence[torch.Tensor]) -> list[Value]:
        weight = next((p for _, p in self.net.named_parameters() if p.is_floating_point()), None)
        found = []
        for example, name in zip(examples, input_names(self.net, len(examples)), strict=True):
            moved = example if weight is None else example.to(weight.device, weight.dtype)
            tensor = moved.clone().contiguous()
            node = Node(self.placing.names.new(name), None, tuple(tensor.shape), [], nature=ANY)
            found.append(self.book.bear(tensor, Given(node, tuple(tensor.shape)), self.reader.declared))
        return found

    def _run(self, examples: Sequence[torch.Tensor]) -> Any:
        hooks: list[Any] = []
        shown = ", ".join(str(tuple(example.shape)) for example in examples)
        try:
            for name, module, leaf in self._modules():
                enter, leave = self._hooks(name, module) if leaf else self._passing(name)
                hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True, prepend=True))
                hooks.append(module.register_forward_hook(leave))
            with untouched(self.net), _Mode(self.calls):
                return self.net(*examples)
        except (RuntimeError, TypeError, IndexError, ValueError, AttributeError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._look_at_leaves()
            raise self.run.problems.error(
                f"the example input of shape {shown} does not go through the net: {reason}",
                "give the shape the net is called with, batch dimension included",
            ) from error
        finally:
            for hook in hooks:
                hook.remove()

    def _modules(self) -> Iterator[tuple[str, nn.Module, bool]]:
        """All modules by their paths, and whether each is a leaf; what a leaf holds is left out."""
        within: set[nn.Module] = set()
        for name, module in self.net.named_modules():
            if module in within:
                continue
            leaf = self.table.is_leaf(module)
            if leaf:
                within |= {inner for _, inner in module.named_modules()}
            yield name or type(module).__name__.lower(), module, leaf

    def _passing(self, name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            self._called[module] += 1
            self.run.path.append(self.run.written.get(name, name))

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            self.run.path.pop()

        return enter, leave

    def _hooks(self, name: str, module: nn.Module) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self.run.depth += 1
            self._called[module] += 1
            if self.run.depth > 1:
                return None
            if args and isinstance(args[0], tuple):  # output and state of a single-step neuron before it
                args = (args[0][0], *args[1:])
            tensor = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
            if tensor is None:
                raise ExportError(
                    f"{name} ({type(module).__name__}) is called without a tensor",
                    hint="hand it the signal, which a tensor holds, as an argument of its own",
                )
            self._entered.append(tensor)
            return args, kwargs

        def leave(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if self.run.depth == 1:  # still inside: what is computed here is not the net's
                self._left(name, module, self._entered.pop(), output)
            self.run.depth -= 1

        return enter, leave

    # --- modules ----------------------------------------------------------------------

    def _left(self, name: str, module: nn.Module, tensor: torch.Tensor, output: Any) -> None:
        who = f"{name} ({type(module).__name__})"
        tensors = list(_tensors(output))
        try:
            if self.table.is_neuron(module):
                self._neuron(name, module, tensor, output)
                return
            given = self.table.op(module, who)
            if given is None:
                self.run.problems.missing(who, *self._why(module))
                raise Unreadable("")
            extra = self.table.extra(module)
            self.run.apply(given, tensor, tensors[0], self.run.written[name], (id(module),), extra=extra)
            return
        except Unwritten as error:
            self.run.problems.missing(who, error.why, error.remedy)
        except Unreadable as error:
            if str(error):
                self.run.problems.unread(name, str(error))
        except ExportError as error:
            where = error.where or calling_line()
            raise ExportError(error.message, where=where, hint=error.hint) from error
        for one in tensors:
            self.book.lose(one, ())

    def _neuron(self, name: str, module: nn.Module, tensor: torch.Tensor, output: Any) -> None:
        form = self.table.form(module)
        reading = self.reader.read(tensor, leading=len(form))
        tensors = list(_tensors(output))
        steps = self._steps(module, form, reading)
        if not reading.parts:
            for one in tensors:
                self.book.zeros(one)
            return
        late = int((steps - np.where(reading.steps == HELD, steps, reading.steps)).max())
        leaving = tuple(tensors[0].shape[len(form) :]) if not self.table.reads_out(module) else reading.shape
        node = self._population(name, module, reading, late, leaving)
        if self.table.reads_out(module):
            for one in tensors:
                self.book.lose(one, (f"{name}'s decoding",), [node], read_out=True)
            return
        size = int(np.prod(node.shape))
        for one in tensors[1:]:
            if one is not tensors[0]:
                self.book.lose(one, (), [node], membrane=True)
        self.book.bear(tensors[0], Birth(node, steps, reading.samples, size), len(form))

    def _steps(self, module: nn.Module, form: tuple[str, ...], reading: Reading) -> np.ndarray:
        """The step of each leading position: as the signal says, or by the count of calls."""
        count = self._counts.get(module, 0)
        self._counts[module] = count + 1
        if not reading.parts:
            return np.zeros(0, dtype=np.int64)
        if "T" not in form:
            if self.table.restarts(module) and (reading.steps >= 0).any():
                return reading.steps
            return np.asarray(np.maximum(reading.steps, count))
        if (reading.steps == HELD).any():
            return np.asarray(np.indices(reading.front)[form.index("T")].reshape(-1))
        return reading.steps

    def _population(self, name: str, module: nn.Module, reading: Reading, late: int, leaving: tuple[int, ...]) -> Node:
        label = self.run.written[name]
        part = self.table.neuron(Call(name, module, reading.shape, leaving, len(reading.front)))
        if part.weights is not None:
            inner = ops.Dense(part.weights)
            node = self.placing.place(inner, reading, leaving, f"{label}.input_weights", (id(module), "weights"))
            sources, shape = without_sums([(node, 0)]), node.shape
        else:
            arriving, shape = self.placing.arriving(reading, label)
            sources = without_sums(arriving)
        sources = [(source, more + late) for source, more in sources]
        self._one_place(name, module, sources)
        if shape != leaving:
            _flatten_parameters(part.node, leaving)
        spiking = type(part.node).__name__ in equations.SPIKING
        multi = part.dialect is not None and part.dialect.spikes == "multi"
        nature = (COUNTS if multi else SPIKES) if spiking else ANY
        return self.placing.once(
            (id(module), "population"),
            sources,
            lambda: self.placing.add(
                label,
                part.node,
                shape,
                sources,
                nature=nature,
                dialect=part.dialect,
                feedback=part.feedback,
            ),
        )

    def _one_place(self, name: str, module: nn.Module, sources: Sources) -> None:
        """A state that goes on from one call to the next stands at one place."""
        before = self.placing.calls_of((id(module), "population"))
        if self.table.restarts(module) or not before or only_late_added(before[0].sources, sources):
            return
        first, second = (_named(found) for found in (before[0].sources, sources))
        raise ExportError(
            f"{name} reads {first} and, in another call, {second}: its state goes on from one to the other",
            hint="use a module of its own at each place",
        )

    def _look_at_leaves(self) -> None:
        """Note the layers that have no node wherever they stand: the run did not come to all of them."""
        for name, module, leaf in self._modules():
            who = f"{name} ({type(module).__name__})"
            if not leaf or self.table.is_neuron(module):
                continue
            given = self.table.op(module, who)
            if given is None or (isinstance(given, ops.Same) and given.positive):
                self.run.problems.missing(who, *self._why(module))

    def _why(self, module: nn.Module) -> tuple[str, str]:
        why, remedy = self.table.reason(module)
        return f"{_package(module)}'s {type(module).__name__}: {why}", remedy

    # --- the end ----------------------------------------------------------------------

    def _settled(self) -> None:
        for value in self.given:
            given = value.birth
            if isinstance(given, Given):
                given.settle(max(1, min(self.reader.declared, len(given.shape) - 1)), self.table.two)
        for name, module in self.net.named_modules():
            stepped = self.table.circle(module)
            if stepped is not None and self._called[stepped] == 1:
                raise ExportError(
                    f"{name} ({type(module).__name__}) brings back what it gave in the step before, and the example "
                    "has one step, in which nothing comes back",
                    hint="give the example several steps, (T, B, ...), to a net that takes them",
                )
        if not self.placing.nodes:
            raise ExportError(f"{type(self.net).__name__} calls none of its modules", hint="hand over the whole net")

    def _endings(self, output: Any) -> list[Ending]:
        found: dict[tuple[Any, ...], tuple[Sources, tuple[int, ...]]] = {}
        membranes: list[Node] = []
        for tensor in _tensors(output, states=False):
            seen = self.book.find(tensor)
            if isinstance(seen, Lost):
                if seen.membrane or seen.read_out:
                    nodes = [] if seen.membrane else list(seen.nodes)
                    membranes += seen.nodes if seen.membrane else ()
                    for node in nodes:
                        found.setdefault((id(node), 0), ([(node, 0)], node.shape))
                elif seen.why:
                    self.run.problems.unread("the output", f"a tensor that no module gave: {', '.join(seen.why)}")
            elif isinstance(seen, Value):
                sources, shape = self._read_at_end(tensor)
                found.setdefault(tuple((id(n), late) for n, late in sources), (sources, shape))
        self.run.problems.check()
        last = self._membranes_read_out(membranes, [node for sources, _ in found.values() for node, _ in sources])
        if not found:
            last = list(dict.fromkeys(membranes)) or self._unread_nodes()
        found |= {(id(node), 0): ([(node, 0)], node.shape) for node in last}
        several = len(found) > 1
        return [
            Ending(self.placing.names.new(f"output_{index}" if several else "output"), *one)
            for index, one in enumerate(found.values())
        ]

    def _membranes_read_out(self, membranes: Sequence[Node], ended: Sequence[Node]) -> list[Node]:
        """The neurons whose membrane the net gives and whose spikes nothing reads, made read-outs where they can be."""
        unread = self._unread_nodes()
        found = [node for node in dict.fromkeys(membranes) if node in unread and node not in ended]
        for node in found:
            read_out(node)
        return found

    def _read_at_end(self, tensor: torch.Tensor) -> tuple[Sources, tuple[int, ...]]:
        try:
            reading = self.reader.read(tensor)
        except Unreadable as error:
            self.run.problems.unread("the output", str(error))
            return [], ()
        sources, shape = self.placing.arriving(reading, "output")
        return without_sums(sources), shape

    def _unread_nodes(self) -> list[Node]:
        read = {id(source) for node in self.placing.nodes for source, _ in without_sums(node.sources)}
        return [n for n in self.placing.nodes if id(n) not in read and (n.made is not None or n.channelwise)]


class _Mode(TorchFunctionMode):
    """Hands every torch call outside of leaves to :class:`Calls`."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._calls.called(func, args, kwargs or {})


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Run in eval mode; afterwards modes, buffers, attributes and random numbers are as before."""
    modules: list[Any] = [module for _, module in net.named_modules()]
    modes = {module: module.training for module in modules}
    buffers = {module: dict(module._buffers) for module in modules}
    memories = {m: dict(m._memories) for m in modules if isinstance(getattr(m, "_memories", None), dict)}
    plain = {module: dict(vars(module)) for module in modules}
    net.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for module in modules:
            module.__dict__.update(plain[module])
            for name in [name for name in vars(module) if name not in plain[module]]:
                del module.__dict__[name]
            module.training = modes[module]
            module._buffers.clear()
            module._buffers.update(buffers[module])
            if module in memories:
                module._memories.clear()
                module._memories.update(memories[module])


def _tensors(output: Any, *, states: bool = True) -> Iterator[torch.Tensor]:
    """The tensors in what a call gave, in order; ``states``: those in records of a neuron's state too."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from _tensors(value, states=states)
    elif isinstance(output, (tuple, list)) and (states or not hasattr(output, "_fields")):
        for value in output:
            yield from _tensors(value, states=states)
    elif states and hasattr(output, "__dataclass_fields__"):
        for name in output.__dataclass_fields__:
            yield from _tensors(getattr(output, name))


def _named(sources: Sources) -> str:
    return " and ".join(node.name for node, _ in without_sums(sources)) or "nothing"


def _package(module: nn.Module) -> str:
    return type(module).__module__.partition(".")[0]


def _flatten_parameters(node: Any, shape: tuple[int, ...]) -> None:
    """A neuron's parameters for a population that only came flat."""
    for name, value in vars(node).items():
        if isinstance(value, np.ndarray) and value.shape == shape:
            setattr(node, name, value.reshape(-1))
