"""inputs: what the user says that the inputs of a network hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nirdeploy.errors import UsageProblem, meant
from nirdeploy.records.inputs import MAX_BITS, InputEncoding, outward

Range = tuple[float, float]
Bits = int | Mapping[str, int] | None
Ranges = Range | Mapping[str, Range] | None
Scales = float | Mapping[str, float] | None


def declared(
    names: Sequence[str], bits: Bits = None, ranges: Ranges = None, scales: Scales = None
) -> tuple[int, dict[str, InputEncoding]]:
    """What the inputs of a network are said to hold.

    Args:
        names: of the inputs.
        bits: of their numbers, 1 to 8: of all, or by name. By default 8 where a range or a scale is given, else 1.
        ranges: (lowest, highest), of all or by name.
        scales: steps of their numbers, of all or by name. The zero point is 0 then; or the middle, 2^(bits - 1), where
            a range is given too that goes below 0.

    Returns:
        the bits of whole numbers, and the encodings of those inputs that are said to hold something else.

    Raises:
        UsageProblem: no such input, no such numbers, a range that the bits do not hold in steps of the scale.
    """
    of_bits, of_range, of_scale = (_by_name(given, names) for given in (bits, ranges, scales))
    common = 1 if bits is None or isinstance(bits, Mapping) else int(bits)
    found = {}
    for name in names:
        own = of_bits.get(name, 8 if name in of_range or name in of_scale else 1)
        if own not in range(1, MAX_BITS + 1):
            raise UsageProblem(f"input_bits = {own}", hint=f"1 (spikes) to {MAX_BITS}")
        made = _declared(name, int(own), of_range.get(name), of_scale.get(name))
        if made != InputEncoding(common):
            found[name] = made
    return common, found


def _by_name(given: Any, names: Sequence[str]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    if unknown := sorted(set(given) - set(names)):
        raise UsageProblem(
            f"there is no input {', '.join(map(repr, unknown))}", hint=meant(unknown, names, "the network's inputs:")
        )
    return dict(given)


def _declared(name: str, bits: int, within: Range | None, scale: float | None) -> InputEncoding:
    where = f"input {name!r}"
    if within is not None:
        low, high = within
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise UsageProblem(f"an input range of {low:g} to {high:g}", where=where, hint="the lower number first")
        if bits == 1 and low < 0 < high:
            raise UsageProblem(
                "one bit holds no numbers on both sides of 0", where=where, hint="give it more input bits"
            )
    if scale is None:
        return InputEncoding(bits) if within is None else InputEncoding.of_range(bits, *within)
    if not (math.isfinite(scale) and scale > 0):
        raise UsageProblem(f"an input scale of {scale:g}", where=where, hint="the step of its numbers, above 0")
    if within is None:
        return InputEncoding(bits, scale)
    made = InputEncoding(bits, scale, 1 << (bits - 1) if low < 0 else 0)
    if made.refused(np.array(within)).any():
        finest = max(-low / made.zero if made.zero else 0.0, high / (made.top - made.zero))
        raise UsageProblem(
            f"an input range of {low:g} to {high:g} in steps of {scale:g} is more than {bits} bits hold "
            f"({made.lowest:g} to {made.highest:g})",
            where=where,
            hint=f"a scale of {outward(finest)} or more, or no scale: the range alone says it",
        )
    return made
