"""Means over samples, of values that are written with one sample a row.

A mean is linear. Of a sum, what does not vary by sample is its own mean, and what is a matrix a
sample is summed up by a product; the mean of the rest is the sum of its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer, Mul, OneMatrix, Pow, S
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build import add, multiply, product, replace, scale, split, total, transpose
from derive.errors import RefusedError
from derive.factoring import factor
from derive.graph import is_matrix, operands, shape_of
from derive.nodes import Hadamard, MatrixSum, Product
from derive.row_sums import summed_rows
from derive.samples import Rows

if TYPE_CHECKING:
    from collections.abc import Collection

    from derive.samples import SampleRewriting

__all__ = ["SampleMeans"]

ONE = Integer(1)
_LINEAR_IN_EACH = (
    *(Product, Hadamard, Transpose, sympy.Mul),
    *(nodes.Inner, nodes.Total, nodes.Trace, nodes.Diag, nodes.Diagonal),
)


class SampleMeans:
    """Take means over the samples of a rewriting; sums in ``whole`` are not taken apart."""

    def __init__(self, rewriting: SampleRewriting, whole: Collection[Any] = ()) -> None:
        self.rewriting, self.whole = rewriting, list(filter(rewriting.varies, whole))
        self.share = Pow(rewriting.size, -1)

    def per_sample(self, expr: Any) -> Any:
        """Return the gradient of the mean by the samples themselves, a row each."""
        kind = "column" if is_matrix(expr) else "scalar"
        rows = self.rewriting.as_rows(self.rewriting.visit(expr), kind)
        return factor(scale(self.share, rows))

    def mean(self, expr: Any) -> Any:
        """Return the mean over samples, in the shape that one sample has.

        What has no form with one sample a row, and is linear in the one part of it that varies, is
        the same function of that part's mean.
        """
        try:
            return self._mean_of_rows(expr)
        except RefusedError:
            varying = [operand for operand in operands(expr) if self.rewriting.varies(operand)]
            if isinstance(expr, (MatrixSum, sympy.Add)):
                return factor(add(*(self.mean(term) for term in expr.args)))
            if len(varying) != 1 or not isinstance(expr, _LINEAR_IN_EACH):
                raise
            return factor(replace(expr, {varying[0]: self.mean(varying[0])}))

    def _mean_of_rows(self, expr: Any) -> Any:
        if not self.rewriting.varies(expr):
            return expr
        coefficient, core = self._scaled(expr)
        if core not in self.whole and (terms := self._apart(core)):
            return factor(multiply(coefficient, add(*map(self.mean, terms))))
        value = self.rewriting.visit(expr)
        if value.kind == "scalar":
            return Mul(self.share, _total(value.matrix))
        if value.kind == "multiple":
            return factor(scale(Mul(self.share, total(value.matrix)), value.right))
        if value.kind == "outer":
            return factor(multiply(self.share, product(transpose(value.matrix), value.right)))
        summed = summed_rows(value.matrix)
        return factor(multiply(self.share, transpose(summed) if value.kind == "column" else summed))

    def _scaled(self, expr: Any) -> tuple[Any, Any]:
        """Separate the scalars that multiply an expression and do not vary."""
        if is_matrix(expr):
            coefficient, core = split(expr)
            return (ONE, expr) if self.rewriting.varies(coefficient) else (coefficient, core)
        factors = Mul.make_args(expr)
        varying = [arg for arg in factors if self.rewriting.varies(arg)]
        return Mul(*(arg for arg in factors if arg not in varying)), Mul(*varying)

    def _apart(self, expr: Any) -> list[Any]:
        """Return the terms of a sum that have means of their own, those summed by row as one.

        There are none where the whole sum is summed by row. What differs from one that is in
        ``whole`` by nothing that varies is that, and the rest.
        """
        if not isinstance(expr, (MatrixSum, sympy.Add)):
            return []
        for value in self.whole if is_matrix(expr) else ():
            if shape_of(value) == expr.shape:
                rest = add(expr, scale(S.NegativeOne, value))
                if not self.rewriting.varies(rest):
                    return [value, rest]
        apart = [term for term in expr.args if not self._is_summed_by_row(term)]
        together = [term for term in expr.args if term not in apart]
        return [*([add(*together)] if together else []), *apart] if apart else []

    def _is_summed_by_row(self, term: Any) -> bool:
        value = self.rewriting.visit(term)
        return isinstance(value, Rows) and value.kind not in ("outer", "multiple")


def _total(column: Any) -> Any:
    """Return the sum of a column; where it adds up sums of rows, the sum of their sums."""
    terms = column.args if isinstance(column, MatrixSum) else (column,)
    return sum(map(total, terms)) if all(map(_is_row_sum, terms)) else total(column)


def _is_row_sum(term: Any) -> bool:
    core = split(term)[1]
    return isinstance(core, Product) and isinstance(core.factors[-1], OneMatrix)
