"""Variables that are not free in all their entries: the gradient on the subspace they move in.

The sweep gives the gradient G of the unrestricted matrix: f(X + E) = f(X) + ⟨G, E⟩ + o(E) for every
E. A structured variable moves by E of a subspace only, and any G + N with N orthogonal to it says
the same. ``frobenius`` shows the one in the subspace, its orthogonal projection; ``entrywise`` the
derivative by each entry together with the entries that are tied to it (The Matrix Cookbook, 2.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import Rational

from derive.build import add, diag, diagonal, lower_triangle, scale, subtract, transpose
from derive.errors import InputError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from derive.language import Formula

__all__ = ["CONVENTIONS", "STRUCTURES", "Structure", "require_free", "structure_of", "usable"]

STRUCTURES = ("symmetric", "spd", "skew", "diagonal", "lower")
CONVENTIONS = ("frobenius", "entrywise", "free")


@dataclass(frozen=True)
class Structure:
    """A subspace of the square matrices, and which gradient on it is shown."""

    name: str
    convention: str = "frobenius"

    def project(self, gradient: Any) -> Any:
        """Return what is shown of the gradient of an unrestricted matrix.

        >>> from sympy import MatrixSymbol
        >>> Structure("symmetric").project(MatrixSymbol("A", 2, 2))
        A/2 + A'/2
        >>> Structure("symmetric", "entrywise").project(MatrixSymbol("A", 2, 2))
        A + A' - diag(diagvec(A))
        """
        return (_ENTRYWISE if self.convention == "entrywise" else _PROJECTIONS)[self.name](gradient)

    def along(self, moved: Mapping[tuple[int, int], int], gradient: Any) -> Any:
        """Return the derivative that a gradient of numbers states for a move of tied entries.

        >>> import numpy
        >>> g = numpy.array([[1, 2], [2, 5]])
        >>> moved = {(1, 0): 1, (0, 1): 1}
        >>> int(Structure("symmetric").along(moved, g))
        4
        >>> int(Structure("symmetric", "entrywise").along(moved, g))
        2
        """
        if self.convention == "entrywise":
            return gradient[next(iter(moved))]
        return sum(sign * gradient[place] for place, sign in moved.items())

    def following(self, i: int, j: int, gradient: Any) -> Any:
        """Return what entry i, j of a gradient must be, where it moves with another one or not."""
        if self.name == "symmetric":
            return gradient[j, i]
        return -gradient[j, i] if self.name == "skew" and i != j else 0 * gradient[i, j]

    def tied(self, i: int, j: int) -> dict[tuple[int, int], int]:
        """Return the entries that move with entry i, j and their signs; none where another leads.

        Of two tied entries the one below the diagonal leads.

        >>> Structure("skew").tied(1, 0), Structure("skew").tied(0, 1)
        ({(1, 0): 1, (0, 1): -1}, {})
        """
        if self.name == "diagonal":
            return {(i, j): 1} if i == j else {}
        if i < j or (i == j and self.name == "skew"):
            return {}
        if i == j or self.name == "lower":
            return {(i, j): 1}
        return {(i, j): 1, (j, i): -1 if self.name == "skew" else 1}

    def __str__(self) -> str:
        return f"{self.name} ({self.convention})"


def structure_of(kinds: Iterable[str], convention: str = "frobenius") -> Structure | None:
    """Return the subspace that several kinds leave, None where entries are free.

    Raises:
        InputError: where they leave the zero matrix alone.

    >>> structure_of(["positive", "spd"]).name, structure_of(["lower", "symmetric"]).name
    ('symmetric', 'diagonal')
    """
    found = {"symmetric" if kind == "spd" else kind for kind in kinds if kind in STRUCTURES}
    if not found or convention == "free":
        return None
    if len(found) == 1:
        return Structure(found.pop(), convention)
    if "skew" in found:
        others = " and ".join(sorted(found - {"skew"}))
        raise InputError(f"a matrix that is skew and {others} is zero. Leave one of them out.")
    return Structure("diagonal", convention)


def require_free(formula: Formula, names: Iterable[str], convention: str, what: str) -> None:
    """Refuse derivatives that are no gradients by variables with a structure.

    Raises:
        RefusedError: naming the variable.
    """
    for name in names:
        if structure_of(formula.assumptions.get(name, ()), convention) is not None:
            raise RefusedError(
                f"'{name}' has an assumed structure, on which no {what} is derived. Take "
                "--convention free for the unrestricted one."
            )


def usable(
    assumptions: Mapping[str, Sequence[str]], names: Iterable[str], without: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return what derivatives may be simplified by: of the named variables nothing of some kinds.

    >>> usable({"X": ("spd", "positive"), "S": ("spd",)}, ["X"], STRUCTURES)
    {'X': ('positive',), 'S': ('spd',)}
    """
    return {
        name: tuple(kind for kind in kinds if name not in names or kind not in without)
        for name, kinds in assumptions.items()
    }


def _of_diagonal(g: Any) -> Any:
    return diag(diagonal(g))


def _half(a: Any) -> Any:
    return scale(Rational(1, 2), a)


def _symmetric(g: Any) -> Any:
    return add(_half(g), _half(transpose(g)))


def _skew(g: Any) -> Any:
    return subtract(_half(g), _half(transpose(g)))


_PROJECTIONS: Mapping[str, Callable[[Any], Any]] = {
    "symmetric": _symmetric,
    "skew": _skew,
    "diagonal": _of_diagonal,
    "lower": lower_triangle,
}
_ENTRYWISE: Mapping[str, Callable[[Any], Any]] = {
    **_PROJECTIONS,
    "symmetric": lambda g: subtract(add(g, transpose(g)), _of_diagonal(g)),
    "skew": lambda g: subtract(g, transpose(g)),
}
