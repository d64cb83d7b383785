"""tracing: what a module does to one example, as a torch.fx graph with the shape of every value."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import spikingjelly
from nirdeploy.exchange.modules import Delay, Neuron, Recurrent, Scale, SumPool2d

PASSES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)  # nothing of them is left at inference
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d, nn.Flatten, Scale, SumPool2d)
STATEFUL = (Neuron, Recurrent, Delay)
ADDITIONS = (operator.add, operator.iadd, torch.add)
SUPPORTED = (
    "nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Identity, nn.Dropout, sums of branches, the "
    "modules of nirdeploy.exchange (IF, LIF, CubaLIF, LI, CubaLI, I, Threshold, Scale, SumPool2d, Delay, Recurrent), "
    "and SpikingJelly's layers, IFNode, LIFNode, ParametricLIFNode, CUBALIFNode"
)


class _Tracer(fx.Tracer):
    """Stops at layers; goes into everything a user composed."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        ours = isinstance(module, (*STATEFUL, Scale, SumPool2d))
        jelly = spikingjelly.is_layer(module) or spikingjelly.is_any_neuron(module)
        return ours or jelly or super().is_leaf_module(module, name)


class Trace:
    """A traced module; ``shapes`` of each node's value by its name, ``leading`` of them before a sample's own.

    Raises:
        ExportError: torch.fx cannot trace it, a module has no NIR node, or the example does not go through.
    """

    def __init__(self, net: nn.Module, example: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        alone = isinstance(net, (*LAYERS, *STATEFUL)) or spikingjelly.is_neuron(net) or spikingjelly.is_layer(net)
        self.net = nn.Sequential(net) if alone else net
        self.graph = self._traced()
        self._check_supported()
        self.examples = example if isinstance(example, tuple) else (example,)
        self.multi_step = self._is_multi_step()
        self.leading = self._count_leading()
        self.shapes = self._run()

    def module(self, node: fx.Node) -> Any:
        return self.net.get_submodule(str(node.target))

    def own_shape(self, node: fx.Node) -> tuple[int, ...]:
        """Shape of a node's value without batch and time."""
        return self.shapes[node.name][self.leading :]

    def signals(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose values flow into this one; a neuron's state is none of them, the graph starts at rest."""
        if node.op == "call_module" and isinstance(self.module(node), STATEFUL):
            return node.all_input_nodes[:1]
        return [source for source in node.all_input_nodes if self.item_of_pair(source) != 1]

    def carries_signal(self, node: fx.Node) -> bool:
        return any(node in self.signals(user) for user in node.users)

    def item_of_pair(self, node: fx.Node) -> int | None:
        """0 or 1 where the node takes the output or the state out of a single-step neuron's result."""
        if node.op != "call_function" or node.target is not operator.getitem:
            return None
        pair, index = node.args
        if not (isinstance(pair, fx.Node) and pair.op == "call_module" and isinstance(index, int) and index in (0, 1)):
            return None
        module = self.module(pair)
        return index if isinstance(module, STATEFUL) and module.step_mode == "s" else None

    def neurons(self) -> list[tuple[str, nn.Module]]:
        """The neurons that the graph calls, once each, with their names."""
        found: dict[str, nn.Module] = {}
        for node in self.graph.nodes:
            if node.op == "call_module":
                module = self.module(node)
                inner = module.neuron if isinstance(module, Recurrent) else module
                if isinstance(inner, Neuron) or spikingjelly.is_neuron(inner):
                    found.setdefault(str(node.target), inner)
        return list(found.items())

    def _traced(self) -> fx.Graph:
        try:
            return _Tracer().trace(self.net)
        except Exception as error:  # fx raises whatever the user's forward does under tracing
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ExportError(
                f"torch.fx cannot trace {type(self.net).__name__}.forward: {reason}",
                hint="write forward as a plain chain of module calls, without loops or branches on tensors",
            ) from error

    def _check_supported(self) -> None:
        odd = []
        for node in self.graph.nodes:
            if node.op == "call_module":
                module = self.module(node)
                jelly = spikingjelly.is_neuron(module) or spikingjelly.is_layer(module)
                if not (jelly or isinstance(module, (*LAYERS, *STATEFUL, *PASSES))):
                    odd.append(f"{node.target} ({type(module).__name__})")
            elif node.op in ("call_function", "call_method") and not is_flatten(node):
                tensors = all(isinstance(a, fx.Node) for a in node.args) and not node.kwargs
                if self.item_of_pair(node) is None and not (node.target in ADDITIONS and tensors):
                    odd.append(f"{node.name} (the call {node.target})")
            elif node.op not in ("placeholder", "output", "call_function", "call_method"):
                odd.append(f"{node.name} (the attribute {node.target})")
        if odd:
            raise ExportError(f"no NIR node for {', '.join(odd)}", hint=f"supported: {SUPPORTED}")

    def _is_multi_step(self) -> bool:
        modes = {getattr(module, "step_mode", "s") for module in self.net.modules() if isinstance(module, STATEFUL)}
        jelly = [spikingjelly.is_multi_step(module) for module in self.net.modules()]
        modes |= {"m" if many else "s" for many in jelly if many is not None}
        if len(modes) > 1:
            raise ExportError("the net mixes step_mode 's' and 'm'", hint="give all neurons the same step_mode")
        return modes == {"m"}

    def _count_leading(self) -> int:
        leading, form = (2, "(T, B, ...)") if self.multi_step else (1, "(B, ...)")
        for example in self.examples:
            if example.ndim <= leading:
                raise ExportError(
                    f"the example input has shape {tuple(example.shape)}, the net takes {form}",
                    hint=f"for 64 inputs give {', '.join(['1'] * leading)}, 64",
                )
        return leading

    def _run(self) -> dict[str, tuple[int, ...]]:
        """Run the example through and note every shape."""
        trace, shapes = self, {}

        class Recorder(fx.Interpreter):
            def run_node(self, node: fx.Node) -> Any:
                item = trace.item_of_pair(node)
                if item is not None:
                    value = self.env[node.all_input_nodes[0]] if item == 0 else None
                else:
                    value = super().run_node(node)
                if isinstance(value, tuple):  # a single-step neuron: output and state
                    value = value[0]
                if isinstance(value, torch.Tensor):
                    shapes[node.name] = tuple(value.shape)
                return value

        places = [node for node in self.graph.nodes if node.op == "placeholder"]
        signals = [node for node in places if self.carries_signal(node)]
        if len(signals) != len(self.examples):
            raise ExportError(
                f"the net takes {len(signals)} inputs ({', '.join(n.name for n in signals)}), the example has "
                f"{len(self.examples)}",
                hint="give a tuple of tensors, one per input",
            )
        given = dict(zip(signals, self.examples, strict=True))
        shown = ", ".join(str(tuple(example.shape)) for example in self.examples)
        with _untouched(self.net), torch.no_grad():
            try:
                Recorder(fx.GraphModule(self.net, self.graph)).run(*(given.get(node) for node in places))
            except (RuntimeError, TypeError, IndexError, ValueError) as error:
                raise ExportError(
                    f"the example input of shape {shown} does not go through the net: {str(error).splitlines()[0]}",
                    hint="give the shape the net is called with, batch dimension included",
                ) from error
        return shapes


def is_flatten(node: fx.Node) -> bool:
    """Whether a call is torch.flatten, as function or method."""
    numbers = all(isinstance(a, int) for a in (*node.args[1:], *node.kwargs.values()))
    return numbers and (node.target is torch.flatten or (node.op == "call_method" and node.target == "flatten"))


@contextmanager
def _untouched(net: nn.Module) -> Iterator[None]:
    """Run in eval mode; afterwards each module trains or not as before, and SpikingJelly's keep their state."""
    training = {module: module.training for module in net.modules()}
    modules: list[Any] = list(net.modules())
    memories = {m: dict(m._memories) for m in modules if isinstance(getattr(m, "_memories", None), dict)}
    net.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
        for module, memory in memories.items():
            module._memories.update(memory)
