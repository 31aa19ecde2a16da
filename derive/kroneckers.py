"""The Hessian by a matrix as a sum of Kronecker products, read off its product with a direction.

Contract: the direction H comes in as Σ A·H·B + Σ C·H'·D, exactly, or there is None. Entries are
taken row by row, as ``reshape(-1)`` takes them: A·H·B is then kron(A, B') times the entries of H.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from sympy import Identity, Mul
from sympy.matrices.expressions import MatrixExpr, Transpose

from derive.build import add, identity, kronecker, product, scale, split, transpose
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Kronecker, MatrixSum, Product
from derive.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Factors", "TurnedKronecker", "factors_of", "matrix_from"]


class Factors(NamedTuple):
    """A·H·B' of a direction H, or A·H'·B' where it is turned."""

    left: Any
    right: Any
    turned: bool


class TurnedKronecker(Stored, MatrixExpr):
    """The matrix that takes the entries of H, row by row, to those of A·H'·B'."""

    name = "kron_turned"

    def __new__(cls, a: Any, b: Any) -> Any:
        size = a.shape[0] * b.shape[0]
        return cls._make((size, size), a, b)


def factors_of(expr: Any, direction: Any) -> tuple[Factors, ...] | None:
    """Return the factors of a map of the direction, None where it is no sum of such products.

    >>> from derive.language import read_formula
    >>> formula = read_formula("2*H*V'*V + 3*H'", {"H": "n,n"})
    >>> [(f.right, f.turned) for f in factors_of(formula.expr, formula.variables["H"])]
    [(2*V'*V, False), (I, True)]
    """
    rows, columns = direction.shape
    straight = [Factors(identity(rows), identity(columns), False)]
    dependent: dict[Any, list[Factors]] = {direction: straight}
    for node in postorder(expr):
        inside = [o for o in operands(node) if o in dependent]
        if not inside or node == direction:
            continue
        found = _factors(node, inside, dependent)
        if found is None:
            return None
        dependent[node] = found
    return _merged(dependent[expr]) if expr in dependent else None


def _factors(
    node: Any, inside: list[Any], dependent: dict[Any, list[Factors]]
) -> list[Factors] | None:
    if isinstance(node, MatrixSum) and len(inside) == len(node.args):
        return [term for operand in inside for term in dependent[operand]]
    if isinstance(node, Transpose):  # (A·H·B')' is B·H'·A'
        return [Factors(b, a, not turned) for a, b, turned in dependent[inside[0]]]
    if not isinstance(node, Product) or len(inside) != 1 or node.factors.count(inside[0]) != 1:
        return None
    place = node.factors.index(inside[0]) if is_matrix(inside[0]) else -1
    if place < 0:
        return None
    before, after = node.factors[:place], node.factors[place + 1 :]
    return [
        _scaled(node.coefficient, _times(before, a), _times(map(transpose, reversed(after)), b), t)
        for a, b, t in dependent[inside[0]]
    ]


def _times(factors: Any, matrix: Any) -> Any:
    return product(*factors, matrix)


def _scaled(coefficient: Any, left: Any, right: Any, turned: bool) -> Factors:
    """Put a coefficient to the factor that is not the identity."""
    if isinstance(right, Identity):
        return Factors(product(coefficient, left), right, turned)
    return Factors(left, product(coefficient, right), turned)


def _merged(factors: list[Factors]) -> tuple[Factors, ...]:
    """Add up terms that share a factor, where an identity's coefficient may be the other's."""
    merged: list[Factors] = []
    for term in factors:
        sums = (_sum(other, term) for other in merged)
        place, found = next(((i, s) for i, s in enumerate(sums) if s), (len(merged), term))
        merged[place : place + 1] = [found]
    return tuple(merged)


def _sum(first: Factors, second: Factors) -> Factors | None:
    """Return A⊗B + A⊗C as A⊗(B + C), None where they share no factor."""
    for (a, b, turned), (c, d, other_turned) in itertools.product(_ways(first), _ways(second)):
        if turned == other_turned and a == c:
            return Factors(a, add(b, d), turned)
        if turned == other_turned and b == d:
            return Factors(add(a, c), b, turned)
    return None


def _ways(factors: Factors) -> Iterator[Factors]:
    """Yield factors; c·I ⊗ B also as I ⊗ c·B, and A ⊗ c·I as c·A ⊗ I."""
    yield factors
    left, right, turned = factors
    (a, left), (b, right) = split(left), split(right)
    if isinstance(left, Identity) and a != 1:
        yield Factors(left, scale(Mul(a, b), right), turned)
    if isinstance(right, Identity) and b != 1:
        yield Factors(scale(Mul(a, b), left), right, turned)


def matrix_from(factors: tuple[Factors, ...]) -> Any:
    """Return the matrix that is the sum of the Kronecker products, which are not simplified.

    That of two identities is one.
    """
    terms = [_matrix(*term) for term in factors]
    return terms[0] if len(terms) == 1 else MatrixSum(*terms)


def _matrix(a: Any, b: Any, turned: bool) -> Any:
    if turned:
        return TurnedKronecker(a, b)
    are_identities = all(isinstance(split(factor)[1], Identity) for factor in (a, b))
    return kronecker(a, b) if are_identities else Kronecker(a, b)
