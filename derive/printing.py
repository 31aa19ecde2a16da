"""One printer for every notation: the formula language, Unicode, LaTeX and NumPy code.

The traversal, the signs and the quotients are the same in all of them and live in ``Notation``;
what a transpose, a norm or a fraction looks like is the spelling's. Nodes are printed from the
leaves up, so that depth is no limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy
from sympy import (
    Add,
    Identity,
    Indexed,
    KroneckerDelta,
    MatrixSymbol,
    Mul,
    OneMatrix,
    Piecewise,
    Pow,
    ZeroMatrix,
)
from sympy.matrices.expressions import Transpose

from derive.build import all_largest, first_of, transpose
from derive.code_functions import Normalised
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, FirstMaximum, Hadamard, Inner, MatrixSum, Product
from derive.scalars import U, name_of
from derive.spelling import NAMED, SUM, Piece, Spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Notation"]

MANY_TRANSPOSES = 4  # factors whose transposes are longer than one transpose around them


class Notation(Spelling):
    """Print expressions, nodes from the leaves up, in the spelling of a subclass."""

    def __call__(self, expr: Any) -> str:
        """Print one expression."""
        return self.signed(self.piece(expr))

    def piece(self, expr: Any, bound: Piece | None = None) -> Piece:
        """Print from the leaves up; ``bound`` is what stands for U in an elementwise function."""
        done: dict[Any, Piece] = {}
        for node in postorder(expr):
            done[node] = bound if bound is not None and node == U else self._node(node, done, bound)
        return done[expr]

    def equation(self, sides: Sequence[Any]) -> str:
        """Print expressions that are equal, one after the other."""
        return self.equals.join(self(side) for side in sides)

    # One method a kind of node.

    def _node(self, node: Any, done: dict[Any, Piece], bound: Piece | None) -> Piece:
        dotted = bound is not None
        if isinstance(node, (Product, Mul)) and not isinstance(node, Hadamard):
            return self._product(node, done, dotted)
        if isinstance(node, (MatrixSum, Add)):
            return self.sum([done[term] for term in node.args])
        if isinstance(node, Hadamard):
            return self._hadamard(node.args, done)
        if isinstance(node, Elementwise):
            return self.piece(node.function, self._argument(node, done[node.matrix]))
        if isinstance(node, Transpose):
            return self.transpose(done[node.args[0]])
        if isinstance(node, Normalised):
            return self.quotient([], [done[node.args[1]]], [done[node.args[0]]], dotted)
        if isinstance(node, FirstMaximum):
            return self.first_maximum(node, done[node.args[0]])
        if isinstance(node, Inner):
            return self._chain(node.args, done)
        if isinstance(node, Pow):
            return self._power(node, done, dotted)
        if isinstance(node, Indexed):
            return Piece(self.indexed(node.base.name, ",".join(map(str, node.indices))))
        if isinstance(node, KroneckerDelta):
            return Piece(self.indexed("delta", "".join(map(str, node.indices))))
        if isinstance(node, sympy.Sum):
            return self.indexed_sum(done[node.function], *node.limits[0])
        if isinstance(node, Piecewise):
            return self.cases([(self(value), condition) for value, condition in node.args])
        return self._leaf_or_call(node, [done[operand] for operand in operands(node)])

    def first_maximum(self, node: Any, matrix: Piece) -> Piece:
        """Print where the first largest entry stands, by what the language has."""
        placeholder = MatrixSymbol("_", *node.shape)
        spelled = first_of(all_largest(placeholder))
        done = {placeholder: matrix}
        for part in postorder(spelled):
            if part not in done:
                done[part] = self._node(part, done, None)
        return done[spelled]

    def _leaf_or_call(self, node: Any, arguments: list[Piece]) -> Piece:
        if isinstance(node, OneMatrix):
            return self.constant("ones", node.shape)
        if isinstance(node, ZeroMatrix):
            return self.constant("zeros", node.shape)
        if isinstance(node, Identity):
            return self.constant("eye", node.shape[:1])
        if node.is_Number:
            return self.number(node)
        if not arguments:
            return self.symbol(node)
        name = getattr(type(node), "name", None) or name_of(node.func)
        return self.call(name or node.func.__name__, arguments)

    def _argument(self, node: Elementwise, piece: Piece) -> Piece:
        """Return what U prints as: a name or a call as it is, all else ready for an operator."""
        return piece

    def _power(self, node: Any, done: dict[Any, Piece], dotted: bool) -> Piece:
        base, exponent = node.args
        if exponent.is_number and exponent.is_negative:
            return self._quotient([], [(base, -exponent)], done, dotted)
        return self.power(done[base], exponent, done[exponent], dotted)

    def _product(self, node: Any, done: dict[Any, Piece], dotted: bool) -> Piece:
        scalars: list[Any] = []
        matrices: list[Any] = []
        for arg in node.args:
            if is_matrix(arg):
                matrices.append(arg)
            else:
                flat = isinstance(arg, Mul) and isinstance(node, Product)
                scalars.extend(arg.args if flat else (arg,))
        chain = [self._chain(tuple(matrices), done)] if matrices else []
        return self._quotient(chain, [(s, None) for s in scalars], done, dotted)

    def _quotient(
        self,
        matrices: list[Piece],
        scalars: list[tuple[Any, Any]],
        done: dict[Any, Piece],
        dotted: bool,
    ) -> Piece:
        """Sort factors into numerator and denominator, numbers first, and a sign."""
        numerator: list[Piece] = []
        denominator: list[Piece] = []
        inner: list[Piece] = []
        negative = False
        for factor, exponent in scalars:
            if factor.is_Rational and exponent is None:
                negative ^= bool(factor < 0)
                above, below = self.ratio(abs(factor))
                numerator[:0] = above
                denominator[:0] = below
                continue
            base = factor
            if exponent is None and isinstance(factor, Pow) and factor.exp.is_number:
                base, exponent = (factor.base, -factor.exp) if factor.exp < 0 else (factor, None)
            if exponent is None:
                negative ^= done[base].negative
                column = inner if isinstance(base, Inner) else numerator
                column.append(replace(done[base], negative=False))
            else:
                denominator.append(self.power(done[base], exponent, None, dotted))
        if matrices or len(inner) > 1 or (denominator and self.stacked):
            numerator += inner
        else:  # a product of vectors after the scalars needs no brackets
            matrices = inner
        numerator.sort(key=lambda factor: factor.level == SUM)  # a bracket after the names
        piece = self.quotient(numerator, denominator, matrices, dotted)
        return replace(piece, negative=negative ^ piece.negative)

    def _chain(self, factors: tuple[Any, ...], done: dict[Any, Piece]) -> Piece:
        """Print a product of matrices; a product with ones is a sum over rows or columns."""
        if len(factors) == 1:
            return done[factors[0]]
        first, last = factors[0], factors[-1]
        if isinstance(last, OneMatrix) and last.shape[1] == 1 and factors[-2].shape[1] != 1:
            return self.call("rowsum", [self._chain(factors[:-1], done)])
        if isinstance(first, OneMatrix) and first.shape[0] == 1 and factors[1].shape[0] != 1:
            return self.call("colsum", [self._chain(factors[1:], done)])
        return self._turned(factors, done) or self.product([done[f] for f in factors])

    def _turned(self, factors: tuple[Any, ...], done: dict[Any, Piece]) -> Piece | None:
        """Print a product of transposes as one transpose, A'·B'·C'·D' as (D·C·B·A)'.

        Neighbours that are equal print as one power and count once.
        """
        distinct = [f for i, f in enumerate(factors) if i == 0 or f != factors[i - 1]]
        turned = sum(isinstance(f, Transpose) for f in distinct)
        if turned < MANY_TRANSPOSES or any(isinstance(f, (MatrixSum, Hadamard)) for f in distinct):
            return None
        pieces: list[Piece] = []
        for matrix in reversed(factors):
            if isinstance(matrix, Transpose):
                pieces.append(done[matrix.args[0]])
            else:
                itself = matrix.shape[0] == matrix.shape[1] and transpose(matrix) == matrix
                pieces.append(done[matrix] if itself else self.transpose(done[matrix]))
                turned -= not itself
        if turned < MANY_TRANSPOSES:
            return None
        inside = self.product(pieces)
        return replace(self.transpose(replace(inside, negative=False)), negative=inside.negative)

    def _hadamard(self, factors: Sequence[Any], done: dict[Any, Piece]) -> Piece:
        """Print numerators first, then what is divided by, entry by entry."""
        above, below = [], []
        for factor in factors:
            function = factor.function if isinstance(factor, Elementwise) else None
            if isinstance(function, Pow) and function.exp.is_number and function.exp < 0:
                bound = done[factor.matrix]
                below.append(self.piece(1 / function, bound))
            else:
                flat = isinstance(function, Mul)  # a product of entries, in another
                above.append(replace(done[factor], level=NAMED) if flat else done[factor])
        return self.elementwise_product(above, below)
