"""What emitted code returns: arrays of their own, of the arguments' dtype.

The gradient of x'·a is a. Returned as it is, a step ``gradient *= rate`` of its receiver would
change the argument a; so would the view a', and a value stretched by broadcasting cannot be written
to at all. Such results are copied, and so is one that another result already is. A number that
depends on no argument's entries becomes a 0-d array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import OneMatrix
from sympy.matrices.expressions import Transpose

from derive.graph import is_matrix, operands
from derive.nodes import Functional, MatrixFunction
from derive.sharing import stretched

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["owned"]


class Copy(MatrixFunction):
    """A matrix of the same entries in memory of its own."""

    name = "copy"


class ScalarCopy(Functional):
    """A scalar in memory of its own."""

    name = "copy"


class Constant(Functional):
    """A number, or a function of sizes, as a 0-d array."""

    name = "constant"


def owned(results: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """Copy the results that would be an argument, a view of one, or of an earlier result."""
    shared: set[Any] = set(arguments)
    return [_owned(result, shared) for result in results]


def _owned(result: Any, shared: set[Any]) -> Any:
    if not is_matrix(result):
        if all(symbol.is_integer for symbol in result.free_symbols):
            return Constant(result)
        return ScalarCopy(result) if result in shared else result
    core = result
    while isinstance(core, Transpose):
        core = core.args[0]
    if core in shared or _is_broadcast(core):
        return Copy(result)
    if not operands(core):
        shared.add(core)
    return result


def _is_broadcast(matrix: Any) -> bool:
    """Say whether code stretches a column or a row over a matrix without computing entries."""
    core = stretched(matrix)
    return core is not None and is_matrix(core[0]) and not isinstance(core[0], OneMatrix)
