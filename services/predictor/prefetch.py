"""Asks the processor for memory that is read soon: lists of neighbours lie anywhere, and waiting for one after the
other takes longer than reading them.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LINE_BYTES: Final = 64


@intrinsic
def _prefetch(typing_context: Any, array: Any, place: Any) -> Any:
    """LLVM's `llvm.prefetch` (Language Reference) of one line of a one-dimensional array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        found = context.make_array(kind)(context, builder, arguments[0])
        at = cgutils.get_item_pointer(context, builder, kind, found, [arguments[1]])
        address = builder.bitcast(at, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        does = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, does, "llvm.prefetch.p0")
        # To read, to be kept in all caches, data.
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@njit(cache=True)
def prefetch(row: Any, count: int) -> None:
    """Ask for the first `count` numbers of a row."""
    for place in range(0, count, LINE_BYTES // row.itemsize):
        _prefetch(row, place)
