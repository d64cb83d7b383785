"""calls: torch's functions between the modules of a net, each by its name: what it does to the signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nirdeploy.errors import ExportError
from nirdeploy.exchange import arithmetic, functions
from nirdeploy.exchange.reading import Unreadable, Unwritten
from nirdeploy.exchange.run import Run
from nirdeploy.exchange.signals import Given, Lost, Seen, Value, Zeros, same
from nirdeploy.exchange.where import calling_line

#: Calls that only move what they take.
MOVES = frozenset(
    (
        "view",
        "reshape",
        "flatten",
        "permute",
        "transpose",
        "movedim",
        "moveaxis",
        "swapaxes",
        "swapdims",
        "t",
        "unsqueeze",
        "squeeze",
        "__getitem__",
        "unbind",
        "chunk",
        "split",
        "tensor_split",
        "narrow",
        "select",
        "expand",
        "expand_as",
        "repeat",
        "stack",
        "cat",
        "concat",
        "concatenate",
        "hstack",
        "vstack",
        "flip",
        "roll",
        "view_as",
        "reshape_as",
        "unflatten",
        "index_select",
        "tile",
        "repeat_interleave",
        "broadcast_to",
        "ravel",
        "squeeze_",
        "unsqueeze_",
        "transpose_",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "unfold",
    )
)
#: Calls that give the same values.
KEEPS = frozenset(
    (
        "contiguous",
        "clone",
        "detach",
        "to",
        "float",
        "double",
        "half",
        "type",
        "type_as",
        "cuda",
        "cpu",
        "requires_grad_",
        "alias",
    )
)
ZEROS = frozenset(
    (
        "zeros",
        "zeros_like",
        "new_zeros",
        "zero_",
    )
)
#: Read-outs: over time they end a network.
REDUCES = frozenset(
    (
        "mean",
        "sum",
        "max",
        "amax",
    )
)
AFTER = frozenset(
    (
        "softmax",
        "log_softmax",
        "argmax",
        "max",
        "amax",
        "mean",
        "sum",
        "div",
        "mul",
        "exp",
        "add",
        "add_",
        "__iadd__",
        "__radd__",
    )
)
TRUTH = frozenset(("__bool__",))


class Calls:
    """Sees every torch call of a run outside of leaves."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry a call out and note what it did."""
        if self.run.depth:
            return func(*args, **kwargs)
        name = _name(func)
        found = list(self._seen((args, kwargs)))
        if not found and name not in ZEROS:
            return func(*args, **kwargs)
        if name in TRUTH and any(not isinstance(seen, Zeros) for seen in found):
            raise ExportError(
                f"cannot trace {type(self.run.net).__name__}.forward: it has control flow on a tensor's values "
                f"(at {calling_line()}), which a graph has not",
                hint="decide by shapes and attributes only, or export the branch that is taken",
            )
        changed = self.run.book.find(args[0]) if args and name in arithmetic.ADDS_IN_PLACE else None
        fresh = isinstance(changed, Value) and same(args[0], changed)
        result = func(*args, **kwargs)
        if isinstance(changed, Value) and fresh:  # what it held is the first operand still
            changed.version = args[0]._version
        try:
            self._note(name, func, args, kwargs, result, found)
        except Unreadable as error:
            self._lose(name, result, found, str(error))
        except Unwritten as error:
            self.run.problems.missing(f"{self.run.title(name)} (a call)", error.why, error.remedy)
            for one in result if isinstance(result, (tuple, list)) else [result]:
                self.run.book.lose(one, ())
        return result

    def _note(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, found: list[Seen]
    ) -> None:
        if name in ZEROS:
            self.run.book.zeros(result)
        elif name == "__setitem__":
            self._set(args)
        elif name in ("data", "T", "mT", "H", "mH") or name in MOVES or _pads_zeros(name, args, kwargs):
            self._move(name, func, args, kwargs, result, found)
        elif name in KEEPS or functions.is_dropout(name, args, kwargs):
            self.run.book.alias(result, found[0])
        elif name in arithmetic.HANDLED:
            arithmetic.note(self.run, name, args, kwargs, result)
        elif name in functions.HANDLED:
            functions.note(self.run, name, args, kwargs, result)
        elif name in REDUCES and self._reduced(name, args, kwargs, result):
            return
        else:
            self._lose(name, result, found)

    # --- moves ------------------------------------------------------------------------

    def _move(
        self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, found: list[Seen]
    ) -> None:
        if any(isinstance(seen, Lost) for seen in found):
            self._lose(name, result, found)
            return
        if name in ("select", "__getitem__", "unbind"):
            self._watch_time(name, args)
        numbers = func(*self._numbers(args), **self._numbers(kwargs))
        like = next((seen for seen in found if isinstance(seen, Value)), None)
        many = isinstance(result, (tuple, list))
        for one, its in zip(result if many else [result], numbers if many else [numbers], strict=True):
            if like is None:
                self.run.book.zeros(one)
            else:
                self.run.book.moved(one, its.numpy().astype(np.int64), self._likest(its, like, found))

    def _likest(self, numbers: torch.Tensor, like: Value, found: list[Seen]) -> Value:
        """Of the values that were put together the first with the right count of own dimensions."""
        return next((seen for seen in found if isinstance(seen, Value)), like)

    def _numbers(self, what: Any) -> Any:
        """The arguments with numbers in the place of signals."""
        if isinstance(what, torch.Tensor):
            seen = self.run.book.find(what)
            if isinstance(seen, (Value, Zeros)):
                return torch.from_numpy(seen.numbered())
            if what.is_floating_point() or what.is_complex():
                if bool((what == 0).all()):
                    return torch.zeros(what.shape, dtype=torch.int64)
                raise Unreadable("numbers that are no signals stand among them")
            return what
        if isinstance(what, (tuple, list)):
            return type(what)(self._numbers(one) for one in what)
        if isinstance(what, dict):
            return {key: self._numbers(value) for key, value in what.items()}
        return what

    def _watch_time(self, name: str, args: tuple[Any, ...]) -> None:
        """A net that takes single elements along a dimension of its input takes steps."""
        value = self.run.book.find(args[0])
        if not (isinstance(value, Value) and isinstance(value.birth, Given)) or value.birth.leading is not None:
            return
        dim = _taken(name, args, len(value.shape))
        if dim is None or len(value.shape) < 3:
            return
        numbers = np.moveaxis(value.numbered(), dim, 0).reshape(value.shape[dim], -1)
        if len(numbers) > 1:
            first, second = (np.unravel_index(numbers[i, 0] - value.first, value.birth.shape) for i in (0, 1))
            dim = next((axis for axis, (a, b) in enumerate(zip(first, second, strict=True)) if a != b), dim)
        if dim < 2:
            value.birth.time = dim

    def _set(self, args: tuple[Any, ...]) -> None:
        target, place, source = args
        there, put = self.run.book.find(target), self.run.book.find(source)
        if isinstance(put, Lost):
            self.run.book.lose(target, put.why, put.nodes, membrane=put.membrane, read_out=put.read_out)
            return
        if isinstance(there, Lost):
            return
        if put is None:
            if there is not None:
                self.run.book.lose(target, (f"__setitem__ at {calling_line()}",))
            return
        numbers = (
            torch.zeros(target.shape, dtype=torch.int64) if there is None else torch.from_numpy(there.numbered().copy())
        )
        numbers[place] = torch.from_numpy(put.numbered())
        like = put if isinstance(put, Value) else there
        if isinstance(like, Value):
            self.run.book.moved(target, numbers.numpy(), like)

    # --- what is lost -----------------------------------------------------------------

    def _reduced(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
        """A reduction over time, which is a read-out; over space it is a pool."""
        seen = self.run.book.find(args[0])
        dims = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
        if not isinstance(seen, Value) or dims is None:
            return False
        count = len(seen.shape)
        axes = [d % count for d in (dims if isinstance(dims, (tuple, list)) else [dims])]
        if axes == [0] and self._is_time(seen):
            nodes = [part.node for part in self._nodes(seen)]
            for one in result if isinstance(result, tuple) else [result]:
                self.run.book.lose(one, (f"{name} at {calling_line()}",), nodes, read_out=True)
            return True
        return name in ("mean", "sum") and functions.over_space(self.run, name, axes, args[0], result)

    def _nodes(self, seen: Value) -> Any:
        return self.run.reader.read(seen.tensor).parts

    def _is_time(self, seen: Value) -> bool:
        """Whether the first dimension counts steps."""
        if isinstance(seen.birth, Given):
            return False
        which, steps, _, own = self.run.reader.decode(seen.numbered(), seen.shape[1:])
        alike = bool((own == own[:1]).all()) and bool((which == which[:1]).all())
        return alike and ((len(steps) == 1 and seen.leading > 1) or bool((np.diff(steps, axis=0) != 0).any()))

    def _lose(self, name: str, result: Any, found: list[Seen], why: str = "") -> None:
        """A call that no node says: whatever reads its result is refused."""
        here = f"{name} at {calling_line()}" + (f": {why}" if why else "")
        before = [seen for seen in found if isinstance(seen, Lost)]
        values = [seen for seen in found if isinstance(seen, Value)]
        nodes = [node for seen in before for node in seen.nodes]
        membrane = bool(before) and not values and all(seen.membrane for seen in before)
        counted = all(seen.birth.node in nodes for seen in values)
        read_out = bool(before) and counted and all(seen.read_out for seen in before) and name in AFTER | MOVES
        silent = any(not seen.why and not seen.membrane for seen in before)
        reasons = [] if silent else [*(one for seen in before for one in seen.why), here]
        for one in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(one, torch.Tensor):
                self.run.book.lose(one, reasons, nodes, membrane=membrane, read_out=read_out)

    def _seen(self, what: Any) -> Any:
        """What is known of the tensors in the arguments."""
        if isinstance(what, torch.Tensor):
            seen = self.run.book.find(what)
            if seen is not None:
                yield seen
        elif isinstance(what, (tuple, list)):
            for one in what:
                yield from self._seen(one)
        elif isinstance(what, dict):
            yield from self._seen(tuple(what.values()))


def _name(func: Any) -> str:
    """The call's name; of a property, the property's."""
    name = str(getattr(func, "__name__", func))
    return str(getattr(func.__self__, "__name__", name)) if name == "__get__" else name


def _taken(name: str, args: tuple[Any, ...], dims: int) -> int | None:
    """The dimension along which single elements are taken."""
    if name == "unbind":
        return int(args[1]) % dims if len(args) > 1 else 0
    if name == "select":
        return int(args[1]) % dims
    place = args[1] if isinstance(args[1], tuple) else (args[1],)
    return next((dim for dim, one in enumerate(place) if isinstance(one, int) and not isinstance(one, bool)), None)


def _pads_zeros(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if name != "pad":
        return False
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "constant")
    value = kwargs.get("value", args[3] if len(args) > 3 else None)
    return mode == "constant" and not value
