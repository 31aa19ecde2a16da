"""Sizes of a formula: declared, invented and unified.

A size is an integer, a declared name (a string), an ``Unknown`` that unification binds, or a
product of such. Sizes that nothing binds are invented: never 1, and never a name that the formula
uses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from sympy import Integer, Mul, Symbol

from derive.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["MAX_SIZE", "SCALAR", "HiddenSize", "Shape", "Size", "SizeProduct", "Sizes", "Unknown"]
__all__ += ["declared_shape", "letter_shape", "size_of", "symbol_shape"]


class Unknown:
    """A size that is not declared, bound to another size by unification."""

    __slots__ = ("bound",)

    def __init__(self) -> None:
        self.bound: Size | None = None


@dataclass(frozen=True)
class SizeProduct:
    """A size that is the product of others, as a Kronecker product has."""

    factors: tuple[int | str | Unknown, ...]


MAX_SIZE = 10_000_000
MAX_FACTORS = 60  # of a size that is a product

Size = int | str | Unknown | SizeProduct
Shape = tuple[Size, Size]
SCALAR: Shape = (1, 1)

_INVENTED = ["n", "m", "k", "p", "q", "r", "l", "d", "h", "s", "t", "c"]


class HiddenSize(Symbol):
    """A size that its bare name does not mean where a scalar stands.

    The name is a variable's too, or pi, or of a size that no variable's shape shows; as a scalar it
    is written sum(ones(n)).
    """


def declared_shape(text: str) -> Shape:
    """Read ``R,C``, ``R`` (a column vector) or ``scalar``; R and C are integers or size names.

    >>> declared_shape("10,784"), declared_shape("n"), declared_shape("scalar")
    ((10, 784), ('n', 1), (1, 1))
    """
    parts = [part.strip() for part in text.split(",")]
    if parts == ["scalar"]:
        return 1, 1
    if len(parts) > 2:
        raise InputError(f"shape '{text}': expected R,C or R or scalar, got {len(parts)} sizes.")
    sizes = [_declared_size(part, text) for part in parts]
    return sizes[0], (sizes[1] if len(sizes) == 2 else 1)


def _declared_size(part: str, text: str) -> Size:
    if part.isascii() and part.isdigit():
        if len(part) > 8 or not 1 <= int(part) <= MAX_SIZE:
            raise InputError(f"shape '{text[:60]}': expected sizes from 1 to {MAX_SIZE}.")
        return int(part)
    if part.isascii() and part.isidentifier() and part[0].isalpha():
        return part
    raise InputError(f"shape '{text}': expected an integer or a size's name, got '{part}'.")


def letter_shape(name: str) -> Shape:
    """Return the shape that a one-letter name has unless declared.

    a–g are scalars, h–z column vectors, A–Z matrices.
    """
    if name.isupper():
        return Unknown(), Unknown()
    return (1, 1) if name <= "g" else (Unknown(), 1)


def symbol_shape(variable: Any) -> Shape:
    """Return the shape of a variable that has been read, as sizes."""
    shape = getattr(variable, "shape", ())
    return (size_of(shape[0]), size_of(shape[1])) if shape else SCALAR


def size_of(size: Any) -> Size:
    """Return a size that SymPy knows: a number, a name, or a product of such.

    >>> size_of(Integer(3)), size_of(Symbol("n", integer=True, positive=True))
    (3, 'n')
    """
    if isinstance(size, int):
        return size
    if size.is_Symbol:
        return str(size.name)
    if size.is_Mul:
        return SizeProduct(tuple(int(f) if f.is_Integer else str(f.name) for f in size.args))
    return int(size)


class Sizes:
    """The unification of sizes, and the symbols that they are in the end."""

    def __init__(self) -> None:
        self.visible: frozenset[str] = frozenset()  # what a bare name means where a scalar stands

    def symbol(self, size: Size) -> Any:
        """Return a size as SymPy knows it: an integer or a positive integer symbol."""
        known = self.resolve(size)
        if isinstance(known, Unknown):
            raise AssertionError("a size that was neither unified nor invented")
        if isinstance(known, int):
            return Integer(known)
        if isinstance(known, SizeProduct):
            return Mul(*map(self.symbol, known.factors))
        kind = Symbol if known in self.visible else HiddenSize
        return kind(known, integer=True, positive=True)

    def resolve(self, size: Size) -> Size:
        """Follow what a size is bound to."""
        while isinstance(size, Unknown) and size.bound is not None:
            size = size.bound
        return self.times(*size.factors) if isinstance(size, SizeProduct) else size

    def times(self, *sizes: Size) -> Size:
        """Multiply sizes: a number where all are, else a number first and what is no number.

        Raises:
            InputError: for a product that no array has.
        """
        factors = [factor for size in sizes for factor in self._factors(size)]
        number = math.prod(factor for factor in factors if isinstance(factor, int))
        others = [factor for factor in factors if not isinstance(factor, int)]
        if number > MAX_SIZE or len(others) > MAX_FACTORS:
            raise InputError(
                f"this makes a size beyond the limit, {MAX_SIZE} or {MAX_FACTORS} factors"
            )
        if not others:
            return number
        product = (*((number,) if number != 1 else ()), *others)
        return product[0] if len(product) == 1 else SizeProduct(product)

    def _factors(self, size: Size) -> Iterator[int | str | Unknown]:
        """Yield what a size is a product of, all resolved."""
        waiting = [size]
        while waiting:
            size = waiting.pop()
            if isinstance(size, SizeProduct):
                waiting += reversed(size.factors)
            elif isinstance(size, Unknown) and size.bound is not None:
                waiting.append(size.bound)
            else:
                yield size

    def shape(self, shape: Shape) -> Shape:
        """Resolve both sizes of a shape."""
        return self.resolve(shape[0]), self.resolve(shape[1])

    def unify(self, a: Size, b: Size) -> bool:
        """Make two sizes equal; say whether they can be. An invented size is never 1."""
        a, b = self.resolve(a), self.resolve(b)
        if a == b:
            return True
        for unknown, size in ((a, b), (b, a)):
            if isinstance(unknown, Unknown):
                if size == 1 or unknown in self._factors(size):
                    return False
                unknown.bound = size
                return True
        if isinstance(a, SizeProduct) or isinstance(b, SizeProduct):
            return self._unify_products(list(self._factors(a)), list(self._factors(b)))
        return False

    def _unify_products(
        self, left: list[int | str | Unknown], right: list[int | str | Unknown]
    ) -> bool:
        """Unify what is left without common factors: one unknown with it, or each with its peer."""
        for factor in left[:]:
            if factor in right:
                left.remove(factor)
                right.remove(factor)
        numbers = [math.prod(f for f in side if isinstance(f, int)) for side in (left, right)]
        common = math.gcd(*numbers)
        left, right = (
            [*((n // common,) if n != common else ()), *(f for f in side if not isinstance(f, int))]
            for n, side in zip(numbers, (left, right), strict=True)
        )
        if len(left) == len(right):
            return all(map(self.unify, left, right))
        for one, others in ((left, right), (right, left)):
            if len(one) == 1 and isinstance(one[0], Unknown) and others:
                return self.unify(one[0], self.times(*others))
        return False

    def broadcast(self, left: Shape, right: Shape) -> Shape | None:
        """Unify two shapes, a side of a size known to be 1 stretched; None if they differ."""
        result: list[Size] = []
        for a, b in zip(self.shape(left), self.shape(right), strict=True):
            if a == 1 or b == 1:
                result.append(b if a == 1 else a)
            elif self.unify(a, b):
                result.append(a)
            else:
                return None
        return result[0], result[1]

    def text(self, shape: Shape) -> str:
        """Print a shape for a message; ``?`` is a size that is not known yet."""
        rows, columns = (
            "*".join("?" if isinstance(f, Unknown) else str(f) for f in self._factors(size))
            for size in shape
        )
        return f"({rows}, {columns})"

    def invent(self, shapes: Iterable[Shape], taken: Iterable[str]) -> None:
        """Give every size that is still unknown a name, matrices' columns before their rows."""
        used = set(taken)
        fresh = (name for name in chain(_INVENTED, map("n{}".format, count(1))) if name not in used)
        for shape in shapes:
            for size in reversed(shape):
                for unknown in self._factors(size):
                    if isinstance(unknown, Unknown):
                        unknown.bound = next(fresh)

    def show(self, shapes: Mapping[str, Shape]) -> None:
        """Make the sizes of variables visible as scalars, where no variable has the name."""
        names = {
            name for shape in shapes.values() for size in shape for name in self._factors(size)
        }
        shown = {name for name in names if isinstance(name, str)}
        self.visible = frozenset(shown - set(shapes) - {"pi"})
