"""The formula language as a notation: its text parses back to the same expression.

The language stretches a scalar, a row or a column to its neighbours, has names for means and norms,
and powers entry by entry: none of them is a node of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Integer, Mul, OneMatrix, Pow
from sympy.matrices.expressions import Transpose

from derive.build import ones
from derive.graph import is_matrix
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product, Total
from derive.printing import Notation
from derive.scalars import U, absolute
from derive.sharing import stretched
from derive.spelling import NAMED, PRODUCT, Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TEXT", "Notation", "power_of_entries"]


class _Text(Notation):
    """The formula language, which stretches a scalar, a row or a column to its neighbours."""

    def _node(self, node: Any, done: dict[Any, Piece], bound: Piece | None) -> Piece:
        if isinstance(node, (MatrixSum, Hadamard)) and (bare := _bare(node)) is not None:
            pieces = {core: self._operand(core, done) for core in bare}
            if isinstance(node, MatrixSum):
                return self.sum([pieces[core] for core in bare])
            inner = {core.matrix: done[core.matrix] for core in bare if _is_function(core)}
            return self._hadamard(bare, {**inner, **pieces})
        if isinstance(node, Total) and _is_function(node.args[0]):
            function, matrix = node.args[0].args
            if function == absolute(U):
                return self.call("norm1", [done[matrix]])
        if isinstance(node, Elementwise) and (parts := power_of_entries(node)) is not None:
            function, matrix, exponent = parts
            base = self.piece(function, done[matrix])
            return self.power(base, exponent, done[exponent], True)
        return super()._node(node, done, bound)

    def _operand(self, core: Any, done: dict[Any, Piece]) -> Piece:
        """Print what its neighbours stretch: ones are 1 there."""
        if isinstance(core, OneMatrix):
            return Piece("1")
        return done[core] if core in done else self._node(core, done, None)

    def _product(self, node: Any, done: dict[Any, Piece], dotted: bool) -> Piece:
        if isinstance(node, Product) and len(node.args) == 2 and node.args[0] == -1:
            function, matrix = node.args[1].args if _is_function(node.args[1]) else (U, None)
            if isinstance(function, Add):
                return self.piece(-function, done[matrix])
        if isinstance(node, Product) and not is_matrix(node.args[0]) and len(node.factors) > 1:
            sums = self._chain(node.factors, done)
            over = Pow(_summed_size(node.factors), -1)
            scalars = Mul.make_args(node.coefficient)
            if over in scalars:
                means = replace(sums, text=sums.text.replace("sum(", "mean(", 1))
                rest = [(scalar, None) for scalar in scalars if scalar != over]
                return self._quotient([means], rest, done, dotted)
        return super()._product(node, done, dotted)

    def _quotient(
        self,
        matrices: list[Piece],
        scalars: list[tuple[Any, Any]],
        done: dict[Any, Piece],
        dotted: bool,
    ) -> Piece:
        """Print a sum over its size as a mean."""
        present = {scalar for scalar, exponent in scalars if exponent is None}
        for scalar in present:
            if isinstance(scalar, Total):
                inverses = set(Mul.make_args(1 / Mul(*scalar.args[0].shape)))
                if inverses <= present and all(isinstance(i, Pow) for i in inverses):
                    mean = self.call("mean", [done[scalar.args[0]]])
                    scalars = [pair for pair in scalars if pair[0] not in inverses]
                    return super()._quotient(matrices, scalars, {**done, scalar: mean}, dotted)
        return super()._quotient(matrices, scalars, done, dotted)

    def _chain(self, factors: tuple[Any, ...], done: dict[Any, Piece]) -> Piece:
        if len(factors) == 2 and isinstance(factors[0], Transpose):
            inner, last = factors[0].args[0], factors[1]
            if isinstance(last, OneMatrix) and last.shape[1] == 1 != inner.shape[0]:
                return self.transpose(self.call("colsum", [done[inner]]))
        return super()._chain(factors, done)

    def quotient(
        self, numerator: list[Piece], denominator: list[Piece], matrices: list[Piece], dotted: bool
    ) -> Piece:
        """Print t times 1 ./ x as t ./ x."""
        start = f"1{self.dot_over}"
        is_quotient = len(matrices) == 1 and matrices[0].level == PRODUCT
        if numerator and is_quotient and matrices[0].text.startswith(start):
            last = numerator[-1]
            text = f"{self.wrap(last, NAMED)}{self.dot_over}{matrices[0].text[len(start) :]}"
            matrices, numerator = [replace(matrices[0], text=text)], numerator[:-1]
        return super().quotient(numerator, denominator, matrices, dotted)


def _summed_size(factors: Sequence[Any]) -> Any:
    """Return the size that a product sums over, where it is printed as row or column sums."""
    first, last = factors[0], factors[-1]
    if isinstance(last, OneMatrix) and last.shape[1] == 1 != factors[-2].shape[1]:
        return last.shape[0]
    if isinstance(first, OneMatrix) and first.shape[0] == 1 != factors[1].shape[0]:
        return first.shape[1]
    return Integer(1)


def _is_function(node: Any) -> bool:
    return isinstance(node, Elementwise)


def power_of_entries(node: Any) -> tuple[Any, Any, Any] | None:
    """Return g, x and p where a node is exp(p·log(g(x))), as x.^p is read, entry by entry."""
    inside = node.matrix
    if node.function != sympy.exp(U) or len(inside.args) != 2:
        return None
    exponent, logarithm = inside.args
    if isinstance(inside, Hadamard) and _is_function(exponent) and not _is_function(logarithm):
        exponent, logarithm = logarithm, exponent
    if not isinstance(inside, Hadamard) and (
        not isinstance(inside, Product) or is_matrix(exponent) or exponent.is_number
    ):
        return None
    if not _is_function(logarithm):
        return None
    if not isinstance(logarithm.function, sympy.log):
        return None
    return logarithm.function.args[0], logarithm.matrix, exponent


def _bare(node: Any) -> Sequence[Any] | None:
    """Return the operands without the ones that stretch them, where the others have the shape."""
    cores = [stretched(operand) or _means(operand) for operand in node.args]
    if all(core is None for core in cores):
        return None
    if all(core is not None and core[1] for core in cores) or all(
        core is not None and core[2] for core in cores
    ):
        return None
    return [o if core is None else core[0] for o, core in zip(node.args, cores, strict=True)]


def _means(node: Any) -> tuple[Any, bool, bool] | None:
    """Recognise the sums of rows or columns, times ones, in a product with a square of ones."""
    if not isinstance(node, Product) or len(node.factors) == 1:
        return None
    factors = node.factors
    coefficient = node.args[: len(node.args) - len(factors)]
    if isinstance(factors[0], OneMatrix) and 1 not in factors[0].shape:
        row = ones(1, factors[0].shape[1])
        return Product(*coefficient, row, *factors[1:]), True, False
    if isinstance(factors[-1], OneMatrix) and 1 not in factors[-1].shape:
        column = ones(factors[-1].shape[0], 1)
        return Product(*coefficient, *factors[:-1], column), False, True
    return None


TEXT = _Text()
