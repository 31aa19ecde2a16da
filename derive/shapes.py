"""Sizes of a formula: declared, invented and unified.

A size is an integer, a declared name (a string) or an ``Unknown`` that unification binds. Sizes
that nothing binds are invented: never 1, and never a name that the formula uses.
"""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

from sympy import Integer, Symbol

from derive.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MAX_SIZE", "SCALAR", "HiddenSize", "Shape", "Size", "Sizes", "Unknown"]
__all__ += ["declared_shape", "letter_shape"]


class Unknown:
    """A size that is not declared, bound to another size by unification."""

    __slots__ = ("bound",)

    def __init__(self) -> None:
        self.bound: Size | None = None


MAX_SIZE = 10_000_000

Size = int | str | Unknown
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
        kind = Symbol if known in self.visible else HiddenSize
        return kind(known, integer=True, positive=True)

    def resolve(self, size: Size) -> Size:
        """Follow what a size is bound to."""
        while isinstance(size, Unknown) and size.bound is not None:
            size = size.bound
        return size

    def shape(self, shape: Shape) -> Shape:
        """Resolve both sizes of a shape."""
        return self.resolve(shape[0]), self.resolve(shape[1])

    def unify(self, a: Size, b: Size) -> bool:
        """Make two sizes equal; say whether they can be. An invented size is never 1."""
        a, b = self.resolve(a), self.resolve(b)
        if a == b:
            return True
        if isinstance(a, Unknown) and b != 1:
            a.bound = b
            return True
        if isinstance(b, Unknown) and a != 1:
            b.bound = a
            return True
        return False

    def text(self, shape: Shape) -> str:
        """Print a shape for a message; ``?`` is a size that is not known yet."""
        rows, columns = ("?" if isinstance(s, Unknown) else s for s in self.shape(shape))
        return f"({rows}, {columns})"

    def invent(self, shapes: Iterable[Shape], taken: Iterable[str]) -> None:
        """Give every size that is still unknown a name, matrices' columns before their rows."""
        used = set(taken)
        fresh = (name for name in chain(_INVENTED, map("n{}".format, count(1))) if name not in used)
        for shape in shapes:
            for size in reversed(shape):
                unknown = self.resolve(size)
                if isinstance(unknown, Unknown):
                    unknown.bound = next(fresh)

    def show(self, shapes: Mapping[str, Shape]) -> None:
        """Make the sizes of variables visible as scalars, where no variable has the name."""
        names = {size for shape in shapes.values() for size in self.shape(shape)}
        shown = {name for name in names if isinstance(name, str)}
        self.visible = frozenset(shown - set(shapes) - {"pi"})
