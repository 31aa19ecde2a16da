"""How a notation spells a sum, a power, a transpose: the language's way, for others to change.

Nothing here knows a node; ``derive.notation`` walks the expression and asks for these pieces.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import reduce
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer, Mul, Rational, Symbol

from derive.shapes import HiddenSize
from derive.symbols import PartialDerivative

if TYPE_CHECKING:
    from derive.symbols import DerivativeName

__all__ = ["ATOM", "GREEK", "NAMED", "POSTFIX", "PRODUCT", "SUM"]
__all__ += ["Piece", "Spelling", "decimal", "name_parts"]

GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Xi",
    "Pi",
    "Sigma",
    "Phi",
    "Psi",
    "Omega",
]

DECIMALS = 17  # places that a decimal may have
SUM, PRODUCT, NAMED, POSTFIX, ATOM = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Piece:
    """Printed text, how tightly its outermost operator binds, and a minus sign kept apart.

    ``constant`` marks, in code, what is computed from numbers and sizes alone. ``with_sign`` is the
    negative text where that is another than the text after a minus sign.
    """

    text: str
    level: int = ATOM
    negative: bool = False
    constant: bool = False
    with_sign: str = ""

    def signed(self) -> str:
        """Return the text with its sign."""
        if not self.negative:
            return self.text
        return self.with_sign or f"-{self.text}"


class Spelling(ABC):
    """Spell the pieces as the formula language does; subclasses change the symbols."""

    times, dot, over, dot_over = "*", " .* ", "/", " ./ "
    plus, minus = " + ", " - "
    one, equals = "1", " = "
    stacked = False  # whether a quotient is a numerator above a denominator

    @abstractmethod
    def __call__(self, expr: Any) -> str:
        """Print one expression."""

    @abstractmethod
    def piece(self, expr: Any) -> Piece:
        """Print one expression, with how tightly it binds."""

    def signed(self, piece: Piece) -> str:
        """Put its sign before a piece."""
        return piece.signed()

    def wrap(self, piece: Piece, level: int) -> str:
        """Put parentheses around what binds more loosely than its surroundings."""
        if piece.level < level or piece.negative:
            return self.parentheses(self.signed(piece))
        return piece.text

    def parentheses(self, text: str) -> str:
        """Enclose in parentheses."""
        return f"({text})"

    def sum(self, terms: list[Piece]) -> Piece:
        """Print a sum, a term without a minus sign first where there is one."""
        first = next((i for i, term in enumerate(terms) if not term.negative), 0)
        ordered = [terms[first], *terms[:first], *terms[first + 1 :]]
        text = self.signed(ordered[0])
        for term in ordered[1:]:
            text += (self.minus if term.negative else self.plus) + self.wrap(
                replace(term, negative=False), PRODUCT
            )
        return Piece(text, SUM)

    def product(self, factors: list[Piece]) -> Piece:
        """Print a product."""
        negative = sum(f.negative for f in factors) % 2 == 1
        runs: list[tuple[Piece, int]] = []  # equal neighbours, and how many: their power
        for factor in (replace(f, negative=False) for f in factors):
            last, count = runs[-1] if runs else (None, 0)
            runs[-1:] = [(factor, count + 1)] if factor == last else [*runs[-1:], (factor, 1)]
        if len(runs) == 1:
            return replace(
                self.power(runs[0][0], Integer(runs[0][1]), None, False), negative=negative
            )
        powers = [self.power(factor, Integer(count), None, False) for factor, count in runs]
        return Piece(self.times.join(self.wrap(p, NAMED) for p in powers), PRODUCT, negative)

    def quotient(
        self, numerator: list[Piece], denominator: list[Piece], matrices: list[Piece], dotted: bool
    ) -> Piece:
        """Print scalars times a matrix over scalars."""
        times, over = (self.dot, self.dot_over) if dotted else (self.times, self.over)
        factors = [self.wrap(f, NAMED) for f in numerator]
        negative = sum(m.negative for m in matrices) % 2 == 1
        for matrix in matrices:
            whole = not numerator or matrix.level == PRODUCT
            factors.append(self.wrap(replace(matrix, negative=False), PRODUCT if whole else NAMED))
        text = times.join(factors) or self.one
        if denominator:
            bottom = times.join(self.wrap(f, NAMED) for f in denominator)
            text += over + (self.parentheses(bottom) if len(denominator) > 1 else bottom)
        if len(factors) == 1 and not denominator and matrices:
            if matrices[0].level < PRODUCT:  # it is in brackets
                return Piece(text, ATOM, negative)
            return replace(matrices[0], negative=negative)
        return Piece(text, PRODUCT, negative)

    def elementwise_product(self, above: list[Piece], below: list[Piece]) -> Piece:
        """Print factors multiplied and divided entry by entry."""
        negative = sum(f.negative for f in [*above, *below]) % 2 == 1
        above = [replace(f, negative=False) for f in above]
        below = [replace(f, negative=False) for f in below]
        text = self.dot.join(self.wrap(f, NAMED) for f in above) or self.one
        for factor in below:
            text += self.dot_over + self.wrap(factor, NAMED)
        return Piece(text, PRODUCT, negative)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        """Print a power; a square root is a call."""
        if exponent == 1:
            return base
        if exponent == Rational(1, 2):
            return self.call("sqrt", [base])
        exponent_text = self.wrap(printed or self.piece(exponent), ATOM)
        operator = ".^" if dotted else "^"
        return Piece(f"{self.wrap(base, POSTFIX)}{operator}{exponent_text}", POSTFIX)

    def transpose(self, matrix: Piece) -> Piece:
        """Print a transpose."""
        return Piece(f"{self.wrap(matrix, POSTFIX)}'", POSTFIX)

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        """Print a function call."""
        return Piece(f"{name}({', '.join(map(self.signed, arguments))})")

    def constant(self, name: str, sizes: tuple[Any, ...]) -> Piece:
        """Print a constant matrix with its sizes; a product of sizes makes it a Kronecker one."""
        factors = [_factors(size) for size in sizes]
        if max(map(len, factors)) > 1:
            parts = zip_longest(*factors, fillvalue=Integer(1))
            pieces = (self.constant(name, shape) for shape in parts)
            return reduce(lambda a, b: self.call("kron", [a, b]), pieces)
        if len(sizes) == 2 and sizes[1] == 1:
            sizes = sizes[:1]
        return Piece(f"{name}({','.join(map(self.size, sizes))})")

    def size(self, size: Any) -> str:
        """Print a size where nothing but a size can stand."""
        return self.name(size.name) if isinstance(size, HiddenSize) else self(size)

    def number(self, number: Any) -> Piece:
        """Print a number, its sign apart."""
        size = abs(number)
        text, digits = str(size), decimal(size)
        if digits and len(digits) < len(text):
            text = digits
        return Piece(text, PRODUCT if "/" in text else ATOM, bool(number < 0))

    def ratio(self, number: Any) -> tuple[list[Piece], list[Piece]]:
        """Print a positive factor: what stands above and below the line; a decimal if shorter."""
        above = [] if number.p == 1 else [self.number(Integer(number.p))]
        below = [] if number.q == 1 else [self.number(Integer(number.q))]
        digits, fraction = decimal(number), f"{number.p}/{number.q}".removeprefix("1/")
        if below and digits and len(digits) < len(fraction):
            return [Piece(self.numeral(digits))], []
        return above, below

    def numeral(self, digits: str) -> str:
        """Print the digits of a number."""
        return digits

    def symbol(self, node: Any) -> Piece:
        """Print a variable, a size or a constant."""
        if node is sympy.E:
            return self.call("exp", [Piece(self.one)])
        if isinstance(node, HiddenSize):
            return self.call("sum", [self.constant("ones", (Symbol(node.name), Integer(1)))])
        derivative = getattr(node, "derivative_of", None)
        if derivative is not None:
            return Piece(self.derivative(derivative), NAMED)
        if isinstance(node, PartialDerivative):
            return Piece(self.partial(*(done.text for done in map(self.piece, node.quotient))))
        return Piece(self.name(node.name if hasattr(node, "name") else str(node)))

    def name(self, name: str) -> str:
        """Print a name."""
        return name

    def derivative(self, derivative: DerivativeName) -> str:
        """Print the name of a derivative."""
        return str(derivative)

    def partial(self, above: str, below: str) -> str:
        """Print the derivative of one entry by another."""
        return f"d{above}/d{below}"

    def indexed(self, name: str, index: str) -> str:
        """Print an entry of a named vector."""
        return f"{self.name(name)}_{index}"

    def indexed_sum(self, term: Piece, index: Any, first: Any, last: Any) -> Piece:
        """Print a sum over an index."""
        inside = replace(term, negative=False).signed()
        return Piece(f"sum_{index}({inside})", negative=term.negative)

    def cases(self, branches: list[tuple[str, Any]]) -> Piece:
        """Print a function that is defined by cases."""
        return Piece("{" + "; ".join(f"{v} {self.condition(c)}" for v, c in branches) + "}")

    def condition(self, condition: Any) -> str:
        """Print what a case holds for."""
        if condition == True:  # noqa: E712 - SymPy's true is not Python's
            return "otherwise"
        return f"if {self(condition.lhs)} {condition.rel_op} {self(condition.rhs)}"


def decimal(number: Any) -> str:
    """Write a number that is not negative as a decimal, "" where it has none or a long one.

    >>> decimal(Rational(17, 1000)), decimal(Rational(1, 3))
    ('0.017', '')
    """
    if not number.is_Rational or number.is_Integer:
        return ""
    places = next((k for k in range(1, DECIMALS + 1) if 10**k % number.q == 0), None)
    if places is None:
        return ""
    digits = str(number.p * 10**places // number.q).zfill(places + 1)
    return f"{digits[:-places]}.{digits[-places:]}"


def name_parts(name: str) -> tuple[str, str]:
    """Split ``z1`` or ``x_new`` into the name and its index."""
    head, separator, tail = name.partition("_")
    if separator and head and tail:
        return head, tail
    stem = name.rstrip("0123456789")
    return (stem, name[len(stem) :]) if stem else (name, "")


def _factors(size: Any) -> list[Any]:
    """Return the sizes whose product a size is."""
    powers = (factor.as_base_exp() for factor in Mul.make_args(size))
    return [base for base, exponent in powers for _ in range(int(exponent))]
