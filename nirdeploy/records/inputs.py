"""inputs: what a network's inputs may hold, and the whole numbers that a stimulus becomes there.

The one place that decides it: simulators and devices accept the same stimuli, and refuse the others in the same words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, meant
from nirdeploy.records import entries, store

MAX_BITS = 8
Border = tuple[tuple[int, int], ...]
_SLACK = 1e-3  # of a step: what a number may lie beyond its range, as float32 has it


@dataclass(frozen=True)
class InputEncoding:
    """The numbers of one input in ``bits``.

    With a ``scale`` any number x = scale (q - zero), q from 0 to 2^bits - 1; x goes to the nearest q, from halfway to
    the even one. Without (None) the whole numbers q themselves: spikes (1 bit) or counts.

    ``border``: how many q that stand for 0 are sent before and after the numbers, along each of the last axes.
    """

    bits: int = 1
    scale: float | None = None
    zero: int = 0
    border: Border = ()

    @classmethod
    def of_range(cls, bits: int, low: float, high: float) -> InputEncoding:
        """The finest one that holds ``low`` to ``high``, and 0: a range that leaves 0 out is widened to it.

        The zero point of a range that is even on both sides is the middle, 2^(bits - 1). Of numbers on both sides of 0
        one bit holds none.
        """
        low, high, top = min(low, 0.0), max(high, 0.0), (1 << bits) - 1
        if low == 0.0:
            return cls(bits, high / top)
        if high == 0.0:
            return cls(bits, -low / top, top)
        even = -low / (high - low) * top
        zeros = {min(max(zero, 1), top - 1) for zero in (math.floor(even), math.ceil(even))}
        steps = {zero: max(-low / zero, high / (top - zero)) for zero in zeros}
        zero = min(steps, key=lambda zero: (steps[zero], -zero))
        return cls(bits, steps[zero], zero)

    @property
    def top(self) -> int:
        """The largest q."""
        return (1 << self.bits) - 1

    @property
    def step(self) -> float:
        return 1.0 if self.scale is None else self.scale

    @property
    def lowest(self) -> float:
        return self.step * (0 - self.zero)

    @property
    def highest(self) -> float:
        return self.step * (self.top - self.zero)

    def integers(self, x: np.ndarray) -> np.ndarray:
        """uint8 (uint32, of more bits) of numbers that it holds, the border around them.

        Those given, where these are what is sent.
        """
        if self.scale is None and x.dtype == np.uint8:
            return self.around(x, fill=self.zero)
        values = x if self.scale is None else np.rint(x.astype(np.float64) / self.scale) + self.zero
        kind = np.uint8 if self.bits <= MAX_BITS else np.uint32
        return self.around(np.asarray(np.clip(values, 0, self.top).astype(kind)), fill=self.zero)

    def around(self, values: np.ndarray, *, fill: int) -> np.ndarray:
        """Values (..., *shape) with a border of ``fill``."""
        if not self.border:
            return values
        return np.pad(values, (*[(0, 0)] * (values.ndim - len(self.border)), *self.border), constant_values=fill)

    def sent(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what is sent for numbers of that shape: that of both with the border."""
        every = (*[(0, 0)] * (len(shape) - len(self.border)), *self.border)
        return tuple(size + sum(pad) for size, pad in zip(shape, every, strict=True))

    def numbers(self, integers: np.ndarray) -> np.ndarray:
        """float64: what they stand for, without the border."""
        for axis, (before, after) in enumerate(self.border, start=integers.ndim - len(self.border)):
            integers = integers.take(range(before, integers.shape[axis] - after), axis=axis)
        return np.asarray((integers.astype(np.float64) - self.zero) * self.step)

    def as_dict(self) -> dict[str, Any]:
        """For a file; without the border where there is none."""
        border = {"border": [list(pad) for pad in self.border]} if self.border else {}
        return {"bits": self.bits, "input_scale": self.scale, "input_zero": self.zero, **border}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InputEncoding:
        """The inverse of :meth:`as_dict`. Raises KeyError if it is none."""
        return cls(values["bits"], values["input_scale"], values["input_zero"], border_from(values))

    def check(self, shape: tuple[int, ...], most: int = MAX_BITS) -> None:
        """Whether, as a file says it, it is one of an input of that shape, in ``most`` bits. Raises ValueError."""
        entries.whole(self.bits, "bits", 1, most)
        entries.whole(self.zero, "input_zero", 0, self.top)
        if self.scale is not None:
            entries.positive(self.scale, "input_scale")
        for size in (size for pad in self.border for size in pad):
            entries.whole(size, "a border", 0)
        if len(self.border) > len(shape):
            raise ValueError(f"a border around {len(self.border)} dimensions of {len(shape)}")
        entries.shape(self.sent(shape), "the shape with its border")

    def __str__(self) -> str:
        """What it takes, to be read behind "takes"."""
        if self.scale is None:
            return "only 0 and 1 (spikes)" if self.bits == 1 else f"whole numbers from 0 to {self.top}"
        return f"{self.lowest:.6g} to {self.highest:.6g} in steps of {self.scale:.3g} ({self.bits} bits)"

    def holds(self, x: np.ndarray) -> bool:
        """Whether it holds all of these finite numbers."""
        if self.scale is None and x.dtype.kind in "bu":
            return bool(x.max(initial=0) <= self.top)
        return not self.refused(x).any()

    def refused(self, x: np.ndarray) -> np.ndarray:
        """Which finite numbers it does not hold (bool)."""
        if self.scale is None:
            beyond = np.asarray((x < 0) | (x > self.top))
            return beyond | (x != np.floor(x)) if x.dtype.kind == "f" else beyond
        at = x.astype(np.float64) / self.scale + self.zero
        return np.asarray((at < -_SLACK) | (at > self.top + _SLACK))


def border_from(values: Mapping[str, Any]) -> Border:
    """The border in an entry of a saved product."""
    return tuple((int(before), int(after)) for before, after in values.get("border", ()))


def encodings_to(encodings: Mapping[str, InputEncoding]) -> dict[str, Any]:
    """Encodings by input as an entry of a saved product; none where there are none."""
    return {"encodings": {name: own.as_dict() for name, own in encodings.items()}} if encodings else {}


def encodings_from(meta: Mapping[str, Any]) -> dict[str, InputEncoding]:
    """The inverse of :func:`encodings_to`."""
    return {name: InputEncoding.from_dict(values) for name, values in meta.get("encodings", {}).items()}


Inputs = Sequence[tuple[str, tuple[int, ...]]]


def stimulus(
    x: Any, inputs: Inputs, encodings: Mapping[str, InputEncoding] | None = None, *, ranged: bool = True
) -> dict[str, np.ndarray]:
    """Check a stimulus and return what goes into each input: uint8 (T, B, *shape), its border around it.

    Args:
        x: array of any numeric type, (T, B, *input shape); or a dict of such arrays by the name of the
            input population where there are several.
        inputs: (name, shape) of the network's inputs.
        encodings: what each may hold, by name; spikes, where nothing is said.
        ranged: whether the target can be built for numbers of a range, for the hint.

    Raises:
        InputShapeError: says which shape was expected and what came; or the first number that is not held, where it
            stands and what the input takes.
    """
    known = encodings or {}
    found = {}
    for name, values in shaped(x, inputs).items():
        encoding = known.get(name, InputEncoding())
        if not encoding.holds(values):
            refused = encoding.refused(values)
            prefix = "" if len(inputs) == 1 else f"{name}="
            hint = _remedy(prefix, values, encoding) if ranged else "encode it as spike trains"
            raise _not_held(name, values, refused, encoding, hint)
        found[name] = encoding.integers(values)
    return found


def analog(x: Any, inputs: Inputs) -> dict[str, np.ndarray]:
    """The same for a network that takes any finite number: float64 (T, B, *shape)."""
    return {name: values.astype(np.float64) for name, values in shaped(x, inputs).items()}


def digest(stimulus: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) of what goes into each input, as :func:`stimulus` gives it: of one network the same in a simulator
    and on a device, whatever types of numbers they were given."""
    return store.digest({}, stimulus)


def shaped(x: Any, inputs: Inputs) -> dict[str, np.ndarray]:
    """A stimulus' finite numbers (T, B, *shape) by input, of their own type. Raises :class:`InputShapeError`."""
    if not isinstance(x, Mapping):
        if len(inputs) != 1:
            raise InputShapeError(
                f"the network has {len(inputs)} inputs",
                hint=f"give a dict of arrays with the keys {', '.join(name for name, _ in inputs)}",
            )
        x = {inputs[0][0]: x}
    missing = [name for name, _ in inputs if name not in x]
    unknown = sorted(set(x) - {name for name, _ in inputs})
    if missing or unknown:
        hint = meant(unknown, [name for name, _ in inputs], "the network's inputs:")
        raise InputShapeError(f"inputs missing: {missing}; unknown: {unknown}", hint=hint)
    checked = {name: _one(x[name], name, shape) for name, shape in inputs}
    if len({values.shape[:2] for values in checked.values()}) > 1:
        raise InputShapeError(
            f"the inputs differ in steps or batch: { {n: v.shape for n, v in checked.items()} }",
            hint="give all of them the same steps and samples: (T, B, ...)",
        )
    return checked


def _one(x: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    where, expected = f"input {name!r}", f"(T, B, {', '.join(str(size) for size in shape)})"
    if values.shape[1:] == shape:
        raise InputShapeError(
            f"the stimulus has shape {values.shape}, expected {expected}: the batch dimension is missing",
            where=where,
            hint="add it with x[:, None]",
        )
    if values.ndim != 2 + len(shape) or values.shape[2:] != shape:
        raise InputShapeError(f"the stimulus has shape {values.shape}, expected {expected}", where=where)
    if 0 in values.shape:
        raise InputShapeError(
            f"the stimulus is empty: shape {values.shape}",
            where=where,
            hint="give at least one step and one sample: (T, B, ...)",
        )
    if values.dtype.kind not in "biuf":
        raise InputShapeError(
            f"the stimulus must hold finite numbers, this is {values.dtype}",
            where=where,
            hint="save it as numbers, such as float32 or uint8",
        )
    odd = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros((), bool)
    if odd.any():
        raise InputShapeError(
            f"the stimulus must hold finite numbers: {_first(values, odd)}",
            where=where,
            hint="look at how it was made: a mean of nothing, or a division by 0",
        )
    return values


def _first(values: np.ndarray, odd: np.ndarray) -> str:
    """The first odd number in the order of samples and steps, and where it stands."""
    sample, step, *index = np.argwhere(np.swapaxes(odd, 0, 1))[0].tolist()
    value = values[(step, sample, *index)]
    number = str(value) if values.dtype.kind == "b" else f"{value:.6g}" if values.dtype.kind == "f" else str(int(value))
    return f"{number} in sample {sample}, step {step}, index {index[0] if len(index) == 1 else tuple(index)}"


def _not_held(
    name: str, values: np.ndarray, refused: np.ndarray, encoding: InputEncoding, hint: str
) -> InputShapeError:
    count = int(refused.sum())
    more = f", and {count - 1:,} more like it" if count > 1 else ""
    return InputShapeError(
        f"the stimulus holds {_first(values, refused)}{more}: this build takes {encoding}",
        where=f"input {name!r}",
        hint=hint,
    )


def _remedy(prefix: str, values: np.ndarray, encoding: InputEncoding) -> str:
    """The option of ``build`` that takes all of a stimulus."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if encoding.scale is not None:
        low, high = min(low, encoding.lowest), max(high, encoding.highest)
    ways = f"--input-range {prefix}{outward(low)}:{outward(high)}"
    whole = values.dtype.kind != "f" or bool((values == np.floor(values)).all())
    if encoding.scale is None and whole and low == 0 and high < 1 << MAX_BITS:
        ways = f"--input-bits {prefix}{int(high).bit_length()} (or {ways})"
    encode = "encode it as spike trains, or " if encoding.scale is None and encoding.bits == 1 else ""
    return f"{encode}build with {ways}"


def outward(value: float) -> str:
    """A number in four digits that is not nearer to 0."""
    if abs(value) < 1e-300:  # four digits of it are none that a float64 has
        return repr(value) if value else "0"
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return f"{math.copysign(math.ceil(round(abs(value) / unit, 6)) * unit, value):.4g}"
