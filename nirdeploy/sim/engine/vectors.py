"""vectors: what the loops do with several numbers at once, in LLVM's vectors, which every processor's compiler knows.

NumPy's arrays of one axis without gaps, indexed from their start; nothing here is checked against their ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = 64  # signals that are looked at together
WIDE, NARROW = 16, 4  # numbers that are added together


def _vector(context: Any, builder: Any, kind: Any, array: Any, index: Any, count: int) -> Any:
    """Where ``count`` numbers of an array stand, from ``index`` on."""
    made = context.make_array(kind)(context, builder, array)
    start = builder.gep(made.data, [index])
    return builder.bitcast(start, ir.VectorType(context.get_data_type(kind.dtype), count).as_pointer())


def _add(count: int, rows: int, scaled: bool) -> Any:
    """into[at:at + count] += the sum of ``rows`` runs of ``row``, or ``factor`` times the only one."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        into, at, row, *starts = arguments
        kind, align = signature.args[0], signature.args[0].dtype.bitwidth // 8
        factor = starts.pop() if scaled else None
        runs = [
            builder.load(_vector(context, builder, signature.args[2], row, start, count), align=align)
            for start in starts
        ]
        while len(runs) > 1:
            runs = [builder.fadd(a, b) for a, b in zip(runs[::2], runs[1::2], strict=True)]
        total = runs[0]
        if factor is not None:
            whole = ir.Constant(total.type, ir.Undefined)
            for lane in range(count):
                whole = builder.insert_element(whole, factor, ir.Constant(ir.IntType(32), lane))
            total = builder.fmul(total, whole)
        place = _vector(context, builder, kind, into, at, count)
        builder.store(builder.fadd(builder.load(place, align=align), total), place, align=align)
        return context.get_dummy_value()

    return generated


def _adding(count: int, rows: int = 1, scaled: bool = False) -> Callable[..., Any]:
    generated = _add(count, rows, scaled)
    if scaled:

        @intrinsic
        def scaled_row(context: Any, into: Any, at: Any, row: Any, start: Any, factor: Any) -> Any:
            return types.void(into, types.intp, row, types.intp, row.dtype), generated

        return scaled_row
    if rows == 4:

        @intrinsic
        def four_rows(context: Any, into: Any, at: Any, row: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
            return types.void(into, types.intp, row, *[types.intp] * 4), generated

        return four_rows

    @intrinsic
    def one_row(context: Any, into: Any, at: Any, row: Any, start: Any) -> Any:
        return types.void(into, types.intp, row, types.intp), generated

    return one_row


add_wide, add_narrow = _adding(WIDE), _adding(NARROW)
add_four_wide, add_four_narrow = _adding(WIDE, rows=4), _adding(NARROW, rows=4)
add_scaled_wide, add_scaled_narrow = _adding(WIDE, scaled=True), _adding(NARROW, scaled=True)


@intrinsic
def nonzero(context: Any, values: Any, at: Any) -> Any:
    """Which of the WORD numbers from ``at`` on are not 0: the bits of an int64, the first the lowest."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, align = signature.args[0], signature.args[0].dtype.bitwidth // 8
        found = builder.load(_vector(context, builder, kind, *arguments, WORD), align=align)
        zero = ir.Constant(found.type, None)
        if isinstance(kind.dtype, types.Float):
            other = builder.fcmp_unordered("!=", found, zero)
        else:
            other = builder.icmp_unsigned("!=", found, zero)
        return builder.bitcast(other, ir.IntType(WORD))

    return types.int64(values, types.intp), generated


@intrinsic
def lowest(context: Any, word: Any) -> Any:
    """The place of the lowest bit of an int64 that is set (there is one)."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.int64(types.int64), generated
