"""Mathematics in two dimensions: what LaTeX and MathML have in common.

A fraction, a script or a root encloses its parts, so that no parentheses are needed inside; how
each is written down is left to a subclass.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from sympy import Integer, Rational

from derive.nodes import Total
from derive.notation import Notation
from derive.spelling import ATOM, NAMED, POSTFIX, PRODUCT, Piece
from derive.symbols import (
    DERIVATIVE,
    DIRECTIONAL,
    HESSIAN,
    HESSIAN_VECTOR,
    JACOBIAN,
    DerivativeName,
)

__all__ = ["Typeset"]


class Typeset(Notation):
    """Print with fractions above each other, scripts, roots, and bold constants."""

    stacked = True
    nabla, along, applied = "nabla", "D", " "
    turned, entrywise, by, reals, apart = "T", ".", "*", "R", " "

    @abstractmethod
    def superscript(self, base: str, script: str) -> str:
        """Put a script above."""

    @abstractmethod
    def subscript(self, base: str, script: str) -> str:
        """Put a script below."""

    @abstractmethod
    def fraction(self, above: str, below: str) -> str:
        """Put one over the other."""

    @abstractmethod
    def root(self, inside: str) -> str:
        """Print a square root."""

    @abstractmethod
    def bold(self, digit: str) -> str:
        """Print the digit that a constant matrix is full of."""

    def transpose(self, matrix: Piece) -> Piece:
        return Piece(self.superscript(self._base(matrix), self.turned), NAMED)

    def _leaf_or_call(self, node: Any, arguments: list[Piece]) -> Piece:
        if isinstance(node, Total) and node.args[0].shape[1] == 1:
            row = self.superscript(self.bold("1"), self.turned)
            return Piece(f"{row}{self.apart}{self.wrap(arguments[0], NAMED)}", PRODUCT)
        return super()._leaf_or_call(node, arguments)

    def _base(self, piece: Piece) -> str:
        return self.wrap(piece, POSTFIX)

    def quotient(
        self, numerator: list[Piece], denominator: list[Piece], matrices: list[Piece], dotted: bool
    ) -> Piece:
        if not denominator:
            return super().quotient(numerator, denominator, matrices, dotted)
        above = super().quotient(numerator, [], [], dotted)
        top = self.signed(numerator[0]) if len(numerator) == 1 else above.text
        below = super().quotient(denominator, [], [], dotted)
        bottom = self.signed(denominator[0]) if len(denominator) == 1 else below.text
        fraction = Piece(self.fraction(top, bottom), NAMED)
        if not matrices:
            return fraction
        return super().quotient([replace(fraction, level=ATOM)], [], matrices, dotted)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        if exponent == 1:
            return base
        if exponent == Rational(1, 2):
            return Piece(self.root(self.signed(base)))
        text = self.signed(printed or self.piece(exponent))
        mark = self.entrywise if dotted else ""
        return Piece(self.superscript(self._base(base), mark + text), NAMED)

    def number(self, number: Any) -> Piece:
        if number.is_Rational and number.q != 1:
            above, below = (self.number(Integer(part)).text for part in (abs(number.p), number.q))
            return Piece(self.fraction(above, below), ATOM, bool(number < 0))
        return super().number(number)

    def constant(self, name: str, sizes: tuple[Any, ...]) -> Piece:
        if name == "eye":
            return Piece(self.subscript(self.name("I"), self(sizes[0])))
        symbol = self.bold({"ones": "1", "zeros": "0"}[name])
        if len(sizes) == 2 and sizes[0] == 1:
            row = self.subscript(symbol, self(sizes[1]))
            return Piece(self.superscript(row, self.turned), NAMED)
        shape = self.by.join(self(size) for size in sizes if size != 1)
        return Piece(self.subscript(symbol, shape))

    def derivative(self, derivative: DerivativeName) -> str:
        function, variable = self.name(derivative.function), self.name(derivative.variable)
        if derivative.kind in (JACOBIAN, DERIVATIVE):
            return self.partial(function, variable)
        operator = self.along if derivative.kind == DIRECTIONAL else self.nabla
        if derivative.kind in (HESSIAN, HESSIAN_VECTOR):
            operator = self.superscript(operator, self.number(Integer(2)).text)
        along = self.brackets(self.name(derivative.direction)) if derivative.direction else ""
        return f"{self.subscript(operator, variable)}{self.applied}{function}{along}"

    def brackets(self, text: str) -> str:
        """Enclose in square brackets."""
        return f"[{text}]"

    def space(self, shape: tuple[Any, ...]) -> str:
        """Print the set of the matrices of a shape."""
        sizes = [size for size in shape if size != 1] if shape[1:] == (1,) else shape
        power = self.by.join(map(self.size, sizes))
        return self.superscript(self.reals, power) if power else self.reals
