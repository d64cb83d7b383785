"""vectors: what the loops do with several numbers at once, in LLVM's vectors, which it has instructions for everywhere.

Arrays of one axis without gaps, indexed from their start; nothing here is checked against their ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nirdeploy.sim.engine.compiler import cgutils, intrinsic, ir, types

WORD = 64  # signals that are looked at together


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any, count: int) -> Any:
    """Where ``count`` numbers of an array stand, from ``index`` on, and how they are aligned."""
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [index])
    vector = ir.VectorType(context.get_data_type(kind.dtype), count)
    return builder.bitcast(start, vector.as_pointer()), kind.dtype.bitwidth // 8


def _load(context: Any, builder: Any, kind: Any, array: Any, index: Any, count: int) -> Any:
    place, align = _place(context, builder, kind, array, index, count)
    return builder.load(place, align=align)


def _widened(builder: Any, vector: Any, kind: Any) -> Any:
    """Numbers in another vector's type, that holds them all."""
    if vector.type == kind:
        return vector
    whole = isinstance(kind.element, ir.IntType)
    return builder.sext(vector, kind) if whole else builder.sitofp(vector, kind)


def _adding(count: int, rows: int, scaled: bool = False) -> Callable[..., Any]:
    """``add(into, at, row, starts)``: into[at:at + count] += the sum of what stands in ``row`` from each start on.

    ``add(into, at, row, starts, factor)``: that times a factor of the type of ``into``.
    """

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        into, at, row, starts, *factor = arguments
        place, align = _place(context, builder, signature.args[0], into, at, count)
        before = builder.load(place, align=align)
        if isinstance(before.type.element, ir.IntType):
            add, multiply = builder.add, builder.mul
        else:
            add, multiply = builder.fadd, builder.fmul
        total = None
        for index in cgutils.unpack_tuple(builder, starts, rows):
            found = _widened(builder, _load(context, builder, signature.args[2], row, index, count), before.type)
            total = found if total is None else add(total, found)
        for value in factor:
            whole = ir.Constant(before.type, ir.Undefined)
            for lane in range(count):
                whole = builder.insert_element(whole, value, ir.Constant(ir.IntType(32), lane))
            total = multiply(total, whole)
        builder.store(add(before, total), place, align=align)
        return context.get_dummy_value()

    if scaled:

        @intrinsic  # type: ignore[untyped-decorator]
        def add_scaled(context: Any, into: Any, at: Any, row: Any, starts: Any, factor: Any) -> Any:
            return types.void(into, types.intp, row, types.UniTuple(types.intp, rows), into.dtype), generated

        return add_scaled  # type: ignore[no-any-return]

    @intrinsic  # type: ignore[untyped-decorator]
    def add(context: Any, into: Any, at: Any, row: Any, starts: Any) -> Any:
        return types.void(into, types.intp, row, types.UniTuple(types.intp, rows)), generated

    return add  # type: ignore[no-any-return]


add_32, add_16, add_4 = (_adding(count, 1) for count in (32, 16, 4))
add_four_32, add_four_16, add_four_4 = (_adding(count, 4) for count in (32, 16, 4))
add_scaled_32, add_scaled_16, add_scaled_4 = (_adding(count, 1, scaled=True) for count in (32, 16, 4))


@intrinsic  # type: ignore[untyped-decorator]
def nonzero(context: Any, values: Any, at: Any) -> Any:
    """Which of the WORD numbers from ``at`` on are not 0: the bits of an int64, the first the lowest."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = _load(context, builder, signature.args[0], arguments[0], arguments[1], WORD)
        zero = ir.Constant(found.type, None)
        whole = isinstance(found.type.element, ir.IntType)
        other = builder.icmp_unsigned("!=", found, zero) if whole else builder.fcmp_unordered("!=", found, zero)
        return builder.bitcast(other, ir.IntType(WORD))

    return types.int64(values, types.intp), generated


@intrinsic  # type: ignore[untyped-decorator]
def lowest(context: Any, word: Any) -> Any:
    """The place of the lowest bit of an int64 that is set (there is one)."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.int64(types.int64), generated


@intrinsic  # type: ignore[untyped-decorator]
def clear(context: Any, into: Any, at: Any, count: Any) -> Any:
    """into[at:at + count] = 0."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        into, at, count = arguments
        kind = signature.args[0]
        start = builder.gep(context.make_array(kind)(context, builder, into).data, [at])
        size = builder.mul(count, ir.Constant(count.type, kind.dtype.bitwidth // 8))
        cgutils.memset(builder, start, size, 0)
        return context.get_dummy_value()

    return types.void(into, types.intp, types.intp), generated
