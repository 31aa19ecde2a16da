"""Rewriting one sample's values to N samples': a row a sample.

Every value that varies by sample is rewritten from the leaves up: a column v into the matrix V
whose rows are v', a scalar into a column with one entry a sample, a row into V itself, marked as
transposed. What a product does to one sample is done to all rows (A·v becomes V·A'); a sum over
samples of outer products u·v' becomes one matrix product U'·V.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer, MatrixSymbol, Pow, S, Symbol
from sympy.matrices.expressions import Transpose

from derive import nodes, scalars
from derive.build import (
    across,
    add,
    elementwise,
    entrywise_maximum,
    entrywise_minimum,
    hadamard,
    multiply,
    ones,
    product,
    row_sum,
    scale,
    transpose,
)
from derive.errors import InputError, RefusedError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product
from derive.operations import title_of
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["Rows", "SampleRewriting"]

ONE = Integer(1)


@dataclass(frozen=True)
class Rows:
    """A value that varies by sample, as a matrix with one sample a row.

    ``kind`` is ``scalar``, ``column``, ``row`` (a column's transpose), ``outer`` (a column times
    the row of ``right``) or ``multiple`` (a scalar times the constant matrix ``right``).
    """

    kind: str
    matrix: Any
    right: Any = None


class SampleRewriting:
    """Rewrite expressions of one sample; ``variables`` are the arguments with their new shapes."""

    def __init__(self, variables: Mapping[str, Any], names: Sequence[str]) -> None:
        shapes = (shape_of(variable) for variable in variables.values())
        taken = set(variables) | {str(size) for shape in shapes for size in shape}
        letters = ("N", "B", "M", *(f"N_{i}" for i in range(len(taken) + 1)))
        letter = next(name for name in letters if name not in taken)
        self.size = Symbol(letter, integer=True, positive=True)
        self.variables = dict(variables)
        self.samples: set[Any] = set()  # the variables that vary
        self.done: dict[Any, Any] = {}
        for name in names:
            self._declare(name, variables)

    def _declare(self, name: str, variables: Mapping[str, Any]) -> None:
        if name not in variables:
            raise InputError(f"--batch {name}: no such variable. Known: {', '.join(variables)}.")
        variable = variables[name]
        if is_matrix(variable) and variable.shape[1] != 1:
            raise InputError(
                f"--batch {name}: a sample is a column vector or a scalar, and '{name}' has shape "
                f"({variable.shape[0]}, {variable.shape[1]})."
            )
        columns = variable.shape[0] if is_matrix(variable) else ONE
        self.variables[name] = MatrixSymbol(name, self.size, columns)
        kind = "column" if is_matrix(variable) else "scalar"
        self.samples.add(variable)
        self.done[variable] = Rows(kind, self.variables[name])

    def varies(self, expr: Any) -> bool:
        """Say whether a sample enters an expression."""
        return any(node in self.samples for node in postorder(expr))

    def visit(self, expr: Any) -> Any:
        """Return the batched form of an expression, or the expression where no sample enters."""
        for node in postorder(expr):
            if node not in self.done:
                parts = [self.done[operand] for operand in operands(node)]
                varies = any(isinstance(part, Rows) for part in parts)
                self.done[node] = self._rewritten(node, parts) if varies else node
        return self.done[expr]

    def rows(self, expr: Any) -> Any:
        """Return an intermediate value with one sample a row."""
        value = self.visit(expr)
        return value.matrix if isinstance(value, Rows) else value

    def _rewritten(self, node: Any, parts: list[Any]) -> Any:
        if isinstance(node, (Product, nodes.Inner, sympy.Mul)) and not isinstance(node, Hadamard):
            return self._product(parts)
        if isinstance(node, (MatrixSum, sympy.Add)):
            return self._entrywise(add, parts)
        if isinstance(node, Transpose):
            turned = {"column": "row", "row": "column"}
            if parts[0].kind in turned:
                return Rows(turned[parts[0].kind], parts[0].matrix)
            if parts[0].kind == "multiple":
                return Rows("multiple", parts[0].matrix, transpose(parts[0].right))
            return Rows("outer", parts[0].right, parts[0].matrix)
        if isinstance(node, Hadamard):
            return self._entrywise(hadamard, parts)
        if isinstance(node, Elementwise) and not node.function.free_symbols.isdisjoint(
            self.samples
        ):
            raise RefusedError("No batched form for a function with a parameter that varies.")
        if isinstance(node, Elementwise) and parts[0].kind in ("column", "row"):
            return Rows(parts[0].kind, elementwise(node.function, parts[0].matrix))
        if isinstance(node, sympy.Pow) and not isinstance(parts[1], Rows):
            return Rows("scalar", elementwise(Pow(U, parts[1]), parts[0].matrix))
        if isinstance(node, (scalars.maximum, nodes.EntrywiseMaximum)):
            return self._entrywise(entrywise_maximum, parts)
        if isinstance(node, (scalars.minimum, nodes.EntrywiseMinimum)):
            return self._entrywise(entrywise_minimum, parts)
        if isinstance(node, sympy.Function):
            return Rows("scalar", elementwise(node.func(U), parts[0].matrix))
        return self._functional(node, parts)

    def _functional(self, node: Any, parts: list[Any]) -> Any:
        """Rewrite a functional of columns: it becomes the same functional of every row."""
        kinds = {part.kind for part in parts if isinstance(part, Rows)}
        if kinds in ({"column"}, {"row"}):
            rows = [self.as_rows(part, *kinds) for part in parts]
            if isinstance(node, nodes.Softmax):
                return Rows("column", nodes.RowSoftmax(*rows))
            if isinstance(node, nodes.LogSumExp):
                return Rows("scalar", nodes.RowLogSumExp(*rows))
            if isinstance(node, nodes.Total):
                return Rows("scalar", row_sum(*rows))
            if isinstance(node, nodes.Norm2):
                squares = row_sum(elementwise(U**2, *rows))
                return Rows("scalar", elementwise(sympy.sqrt(U), squares))
            if isinstance(node, nodes.CrossEntropy):
                p, y = rows
                logarithms = hadamard(y, elementwise(sympy.log(U), p))
                return Rows("scalar", scale(S.NegativeOne, row_sum(logarithms)))
        raise RefusedError(f"No batched form for the {title_of(node)} of this argument.")

    def _product(self, parts: list[Any]) -> Any:
        """Multiply from the left: what comes so far, times the next factor; scalars last."""
        ordered = sorted(parts, key=_is_scalar)
        result = ordered[0]
        for part in ordered[1:]:
            result = self._times(result, part)
        return result

    def _times(self, a: Any, b: Any) -> Any:
        if not isinstance(a, Rows) and not isinstance(b, Rows):
            return multiply(a, b)
        if _is_scalar(a) or _is_scalar(b):
            return self._scaled(a, b) if _is_scalar(a) else self._scaled(b, a)
        if not isinstance(a, Rows):
            return self._constant_times(a, b)
        if not isinstance(b, Rows):
            return self._times_constant(a, b)
        if a.kind == "row" and b.kind == "column":
            return Rows("scalar", row_sum(hadamard(a.matrix, b.matrix)))
        if a.kind == "column" and b.kind == "row":
            return Rows("outer", a.matrix, b.matrix)
        if a.kind == "row" and b.kind == "outer":
            inner = Rows("scalar", row_sum(hadamard(a.matrix, b.matrix)))
            return self._scaled(inner, Rows("row", b.right))
        if a.kind == "outer" and b.kind == "column":
            inner = Rows("scalar", row_sum(hadamard(a.right, b.matrix)))
            return self._scaled(inner, Rows("column", a.matrix))
        raise RefusedError("No batched form for a product of matrices that vary by sample.")

    def _constant_times(self, a: Any, b: Rows) -> Any:
        """A·v for every sample is V·A'; A·u·v' keeps v; a constant column times v' is an outer."""
        if b.kind == "multiple":
            return self._scaled(Rows("scalar", b.matrix), multiply(a, b.right))
        if b.kind == "row":
            return Rows("outer", self._repeated(a), b.matrix)
        left = product(b.matrix, transpose(a))
        if a.shape[0] == 1:
            scalar = Rows("scalar", left)
            return self._scaled(scalar, Rows("row", b.right)) if b.kind == "outer" else scalar
        return Rows(b.kind, left, b.right)

    def _times_constant(self, a: Rows, b: Any) -> Any:
        if a.kind == "multiple":
            return self._scaled(Rows("scalar", a.matrix), multiply(a.right, b))
        if a.kind == "column":
            return Rows("outer", a.matrix, self._repeated(transpose(b)))
        right = product(a.right if a.kind == "outer" else a.matrix, b)
        if b.shape[1] == 1:
            scalar = Rows("scalar", right)
            return self._scaled(scalar, Rows("column", a.matrix)) if a.kind == "outer" else scalar
        return Rows("outer", a.matrix, right) if a.kind == "outer" else Rows("row", right)

    def _repeated(self, column: Any) -> Any:
        return product(ones(self.size, ONE), transpose(column))

    def _scaled(self, scalar: Any, value: Any) -> Any:
        """Multiply by a scalar that may vary by sample."""
        if not isinstance(scalar, Rows):
            return Rows(value.kind, scale(scalar, value.matrix), value.right)
        if not isinstance(value, Rows):
            if not is_matrix(value):
                return Rows("scalar", scale(value, scalar.matrix))
            if value.shape[1] == 1:
                return Rows("column", product(scalar.matrix, transpose(value)))
            if value.shape[0] == 1:
                return Rows("row", product(scalar.matrix, value))
            return Rows("multiple", scalar.matrix, value)
        if value.kind == "multiple":
            return Rows("multiple", hadamard(scalar.matrix, value.matrix), value.right)
        factor = across(scalar.matrix, value.matrix)
        return Rows(value.kind, hadamard(factor, value.matrix), value.right)

    def as_rows(self, part: Any, kind: str) -> Any:
        """Stretch what does not vary by sample to one row a sample.

        Raises:
            RefusedError: for what varies as another kind.
        """
        if isinstance(part, Rows):
            if part.kind != kind:
                raise RefusedError("No batched form for a sum or product of mixed orientations.")
            return part.matrix
        if not is_matrix(part):
            return scale(part, ones(self.size, ONE))
        return product(ones(self.size, ONE), transpose(part) if kind == "column" else part)

    def _entrywise(self, operation: Any, parts: list[Any]) -> Any:
        kind = next(part.kind for part in parts if isinstance(part, Rows))
        if kind in ("outer", "multiple"):
            raise RefusedError("No batched form for a function of a matrix that varies by sample.")
        return Rows(kind, operation(*(self.as_rows(part, kind) for part in parts)))


def _is_scalar(value: Any) -> bool:
    return value.kind == "scalar" if isinstance(value, Rows) else not is_matrix(value)
