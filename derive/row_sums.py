"""Sums over rows: that of the multiples c of rows V is c'·V."""

from __future__ import annotations

from typing import Any

from sympy import Integer

from derive.build import add, hadamard, ones, product, scale, split, transpose
from derive.graph import is_matrix
from derive.nodes import Hadamard, MatrixSum
from derive.sharing import stretched

__all__ = ["summed_rows"]


def summed_rows(matrix: Any) -> Any:
    """Return the sum of a matrix's rows, as a row.

    >>> from derive.language import read_formula
    >>> summed_rows(read_formula("c.*V", {"c": "n", "V": "n,m"}).expr)
    c'*V
    """
    coefficient, core = split(matrix)
    if isinstance(core, MatrixSum) and all(map(_weight, core.args)):
        return scale(coefficient, add(*map(summed_rows, core.args)))
    weight = _weight(core)
    if weight is None:  # a sum of other rows stays whole: mostly it is there already
        return product(ones(Integer(1), matrix.shape[0]), matrix)
    arg, column = weight
    others = hadamard(*(other for other in core.args if other is not arg))
    return scale(coefficient, product(transpose(column), others))


def _weight(matrix: Any) -> tuple[Any, Any] | None:
    """Return the factor that multiplies rows by numbers, and its column, where there is one."""
    core = split(matrix)[1]
    for arg in core.args if isinstance(core, Hadamard) else ():
        found = stretched(arg)
        if found is not None and is_matrix(found[0]) and found[0].shape[1] == 1:
            return arg, found[0]
    return None
