"""arithmetic: sums, differences, products and quotients of signals, as networks of spikes use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nirdeploy.exchange import ops
from nirdeploy.exchange.reading import Part, Reading, Unreadable
from nirdeploy.exchange.run import Run
from nirdeploy.exchange.signals import HELD, SPIKES, Lost, Node, Value, Zeros
from nirdeploy.exchange.where import calling_line

_ADD = frozenset(
    (
        "add",
        "add_",
        "__add__",
        "__radd__",
        "__iadd__",
    )
)
_SUB = frozenset(
    (
        "sub",
        "sub_",
        "subtract",
        "__sub__",
        "__isub__",
    )
)
_RSUB = frozenset(
    (
        "rsub",
        "__rsub__",
    )
)
_MUL = frozenset(
    (
        "mul",
        "multiply",
        "__mul__",
        "__rmul__",
        "logical_and",
        "__and__",
        "bitwise_and",
    )
)
_DIV = frozenset(
    (
        "div",
        "divide",
        "true_divide",
        "__truediv__",
    )
)
_IN_PLACE = frozenset(
    (
        "mul_",
        "div_",
        "__imul__",
        "__itruediv__",
        "neg_",
        "relu_",
        "clamp_",
        "sigmoid_",
    )
)
#: Sums and differences that are written into their first operand.
ADDS_IN_PLACE = frozenset(("add_", "__iadd__", "sub_", "__isub__"))
HANDLED = _ADD | _SUB | _RSUB | _MUL | _DIV | _IN_PLACE | {"neg", "__neg__", "negative"}


def note(run: Run, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """What an arithmetic call did. Raises :class:`Unreadable` where no node says it."""
    if kwargs.get("alpha", 1) != 1 or kwargs.get("rounding_mode"):
        raise Unreadable("alpha and rounding_mode are not read")
    if name in _IN_PLACE:
        if isinstance(run.book.find(args[0]), Value):
            return  # what reads it finds that it was changed
        raise Unreadable("")
    a = args[0]
    b = args[1] if len(args) > 1 else kwargs.get("other")
    if name in _RSUB:
        a, b = b, a
    if any(isinstance(run.book.find(one), Lost) for one in (a, b)):
        raise Unreadable("")
    if name in _ADD:
        _add(run, a, b, result)
    elif name in _SUB | _RSUB:
        _subtract(run, a, b, result)
    elif name in _MUL:
        _multiply(run, a, b, result)
    elif name in _DIV:
        _scale(run, a, 1 / _number(run, b), result, "div")
    else:
        _scale(run, a, np.array(-1.0), result, "neg")


def _add(run: Run, a: Any, b: Any, result: torch.Tensor) -> None:
    zero_a, zero_b = _nothing(run, a), _nothing(run, b)
    if zero_a or zero_b:
        seen = run.book.find(b if zero_a else a)
        assert seen is not None
        if tuple(seen.tensor.shape) != tuple(result.shape):
            raise Unreadable("zeros of another shape are added")
        run.book.alias(result, seen)
        return
    if not (isinstance(run.book.find(a), Value) and isinstance(run.book.find(b), Value)):
        raise Unreadable("a constant is added")
    _total(run, [_reading(run, a, result), _reading(run, b, result)], result, "add")


def _subtract(run: Run, a: Any, b: Any, result: torch.Tensor) -> None:
    if _nothing(run, b):
        _add(run, a, b, result)
        return
    second = _reading(run, b, result)
    if isinstance(run.book.find(a), Value):
        negative = _scaled(run, second, np.array(-1.0), "sub")
        _total(run, [_reading(run, a, result), negative], result, "sub")
        return
    if _nothing(run, a):
        _scale(run, b, np.array(-1.0), result, "neg")
        return
    constant = _number(run, a)
    if (constant != 1).any() or any(part.node.nature != SPIKES for part in second.parts):
        raise Unreadable("only spikes (0 or 1, not a sum of them) can be subtracted, and from 1")
    _complement(run, second, result)


def _complement(run: Run, reading: Reading, result: torch.Tensor) -> None:
    """One minus spikes: spikes where there was none."""
    placing = run.placing
    whole = placing.total([reading], [0], "complement")
    ones = np.ones(whole.shape[0])
    sources = [(whole, 0)]
    node = placing.once(
        ("complement",),
        sources,
        lambda: placing.add(
            run.title("complement"),
            None,
            whole.shape,
            sources,
            nature=SPIKES,
            channelwise=(-ones, ones),
            complement=whole,
        ),
    )
    run.bear(result, node, reading)


def _multiply(run: Run, a: Any, b: Any, result: torch.Tensor) -> None:
    signals = [one for one in (a, b) if isinstance(run.book.find(one), Value)]
    if len(signals) == 1:
        other = b if signals[0] is a else a
        if _nothing(run, other):
            run.book.zeros(result)
        else:
            _scale(run, signals[0], _number(run, other), result, "mul")
        return
    readings = [_reading(run, one, result) for one in (a, b)]
    if any(part.node.nature != SPIKES for reading in readings for part in reading.parts):
        raise Unreadable("only spikes (0 or 1, not a sum of them) can be multiplied by each other")
    _both(run, readings, result)


def _both(run: Run, readings: list[Reading], result: torch.Tensor) -> None:
    """Spikes where all of two populations spike (or, of a complement, do not)."""
    placing = run.placing
    steps, lates = meet(readings)
    arriving, limit = [], -0.5
    for reading, late in zip(readings, lates, strict=True):
        whole = placing.total([reading], [late], run.title("mul"))
        if whole.complement is not None:
            inner = whole.complement
            made = ops.Times(np.array(-1.0))
            minus = placing.place(made, _all_of(inner, reading), inner.shape, run.title("mul"), ("minus",))
            arriving.append((minus, 0))
        else:
            arriving.append((whole, 0))
            limit += 1.0
    shape = arriving[0][0].shape
    node = placing.gate(arriving, shape, limit, run.title("mul"), ("and",))
    run.bear(result, node, _at(readings[0], steps))


def _all_of(node: Node, like: Reading) -> Reading:
    return Reading((Part(node, 0, None),), node.shape, like.steps, like.samples, like.front)


def _scale(run: Run, a: Any, factor: np.ndarray, result: torch.Tensor, name: str) -> None:
    reading = _reading(run, a, result)
    if not reading.parts:
        run.book.zeros(result)
        return
    if (factor == 1).all():
        seen = run.book.find(a)
        assert seen is not None
        run.book.alias(result, seen)
        return
    run.bear(result, _scaled(run, reading, factor, name).parts[0].node, reading)


def _scaled(run: Run, reading: Reading, factor: np.ndarray, name: str) -> Reading:
    if factor.ndim > len(reading.shape):
        front = factor.shape[: factor.ndim - len(reading.shape)]
        if any(size != 1 for size in front):
            raise Unreadable("a factor changes with batch or time")
        factor = factor.reshape(factor.shape[len(front) :])
    op = ops.Times(factor)
    node = run.placing.place(op, reading, reading.shape, run.title(name), (*op.key(), calling_line()))
    return _all_of(node, reading)


def _total(run: Run, readings: list[Reading], result: torch.Tensor, name: str) -> None:
    readings = [reading for reading in readings if reading.parts]
    if _over_time(readings):
        nodes = [part.node for reading in readings for part in reading.parts]
        run.book.lose(result, (f"{name} at {calling_line()}",), nodes, read_out=True)
        return
    steps, lates = meet(readings)
    node = run.placing.total(readings, lates, run.title(name))
    run.bear(result, node, _at(readings[0], steps))


def _over_time(readings: list[Reading]) -> bool:
    """Whether one signal is added to itself of another step: a count over time."""
    alike = len({tuple((id(p.node), p.late) for p in reading.parts) for reading in readings}) == 1
    return alike and any((r.steps != readings[0].steps).any() for r in readings)


def meet(readings: list[Reading]) -> tuple[np.ndarray, list[int]]:
    """The steps of what is put together, and how late each comes. Raises :class:`Unreadable`."""
    steps = np.max([reading.steps for reading in readings], axis=0)
    lates = []
    for reading in readings:
        late = np.where(reading.steps == HELD, 0, steps - reading.steps)
        if (late != late.flat[0]).any():
            raise Unreadable("signals of several steps are put together")
        lates.append(int(late.flat[0]))
    return steps, lates


def _at(reading: Reading, steps: np.ndarray) -> Reading:
    return Reading(reading.parts, reading.shape, steps, reading.samples, reading.front)


def _reading(run: Run, tensor: Any, result: torch.Tensor) -> Reading:
    """An operand, spread over the result's shape."""
    seen = run.book.find(tensor)
    if seen is None:
        raise Unreadable("a tensor that no module gave")
    if tuple(tensor.shape) != tuple(result.shape):
        if not isinstance(seen, Value):
            raise Unreadable("zeros of another shape")
        numbers = np.broadcast_to(seen.numbered(), tuple(result.shape))
        spread = torch.broadcast_to(tensor, result.shape)
        run.book.moved(spread, np.ascontiguousarray(numbers), seen)
        tensor = spread
    return run.reader.read(tensor)


def _nothing(run: Run, what: Any) -> bool:
    """Whether an operand is zero throughout, and no signal."""
    seen = run.book.find(what)
    if isinstance(seen, Zeros):
        return True
    if seen is not None:
        return False
    return bool((what == 0).all()) if isinstance(what, torch.Tensor) else what == 0


def _number(run: Run, what: Any) -> np.ndarray:
    if run.book.find(what) is not None:
        raise Unreadable("it is divided by a signal")
    if isinstance(what, torch.Tensor):
        return what.detach().cpu().double().numpy()
    return np.array(float(what))
