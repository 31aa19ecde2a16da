"""Diagonal matrices in code: never formed where their diagonal can be broadcast.

diag(v)·A is v·1' ⊙ A, A·diag(v) is A ⊙ 1·v', and the diagonal of A·B is the row sums of A ⊙ B'.
A'·diag(v)·A with v ≥ 0 is B'·B of B = √v·1' ⊙ A, which the BLAS computes in half the operations.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sympy import Integer, OneMatrix
from sympy.matrices.expressions import Transpose

from derive.build import ones
from derive.chain_order import column_times_row, entries, product_cost, sizes_of
from derive.code_functions import Normalised, logcosh, sigmoid_slope
from derive.graph import is_matrix
from derive.nodes import (
    Diag,
    Diagonal,
    Elementwise,
    Hadamard,
    Inner,
    Inverse,
    Product,
    RowSoftmax,
    Softmax,
)
from derive.scalars import U, absolute, power, relu, sigmoid, softplus, step
from derive.sharing import stretched

__all__ = ["diagonal", "entrywise_product", "is_inverse", "times", "turned", "without_diagonals"]

ONE = Integer(1)
_HALF = Integer(1) / 2


def without_diagonals(node: Any) -> Any:
    """Rewrite a product with a diagonal matrix, or the diagonal of a product.

    >>> from derive.language import read_formula
    >>> without_diagonals(read_formula("diag(x)*A").expr)
    x .* A
    """
    if isinstance(node, (Product, Inner)):
        return _applied(node)
    return diagonal(node.args[0]) if isinstance(node, Diagonal) else node


def times(coefficient: Any, factors: list[Any]) -> Any:
    """Return a product of factors as it is, without a coefficient of 1."""
    if coefficient == 1:
        return factors[0] if len(factors) == 1 else Product(*factors)
    return Product(coefficient, *factors)


def turned(matrix: Any) -> Any:
    """Return the transposed matrix, twice transposed itself."""
    return matrix.args[0] if isinstance(matrix, Transpose) else Transpose(matrix)


def _applied(node: Any) -> Any:
    factors = list(node.factors if isinstance(node, Product) else node.args)
    if len(factors) == 1 or not any(isinstance(factor, Diag) for factor in factors):
        return node
    while len(factors) > 1:
        place = next((i for i, factor in enumerate(factors) if isinstance(factor, Diag)), None)
        if place is None:
            break
        factors = _without(factors, place)
    return times(node.coefficient, factors) if isinstance(node, Product) else Inner(*factors)


def _without(factors: list[Any], place: int) -> list[Any]:
    """Multiply the diagonal matrix at a place into a neighbour, or its root into both."""
    (v,) = factors[place].args
    inside = 0 < place < len(factors) - 1
    if inside and turned(factors[place - 1]) == factors[place + 1] and _is_nonnegative(v):
        right = _rows_times(_square_root(v), factors[place + 1])
        return [*factors[: place - 1], turned(right), right, *factors[place + 2 :]]
    neighbours = [i for i in (place + 1, place - 1) if 0 <= i < len(factors)]
    chosen = min(neighbours, key=lambda i: _cost_of_neighbour(factors[i]))
    if chosen > place:
        return [*factors[:place], _rows_times(v, factors[chosen]), *factors[chosen + 1 :]]
    scaled = turned(_rows_times(v, turned(factors[chosen])))
    return [*factors[:chosen], scaled, *factors[place + 1 :]]


def _cost_of_neighbour(factor: Any) -> tuple[Any, ...]:
    """Order neighbours: last an inverse, which is applied and not formed."""
    return is_inverse(factor), entries(*factor.shape), isinstance(factor, Transpose)


def _square_root(v: Any) -> Any:
    """Return a matrix whose square is v."""
    parts = v.args if isinstance(v, Hadamard) else (v,)
    roots = [part.matrix for part in parts if _is_square(part)]
    rest = [part for part in parts if not _is_square(part)]
    if rest:
        roots.append(Elementwise(power(U, _HALF), entrywise_product(*rest)))
    return roots[0] if len(roots) == 1 else Hadamard(*roots)


def _is_square(v: Any) -> bool:
    return isinstance(v, Elementwise) and bool(v.function == U**2)


def is_inverse(factor: Any) -> bool:
    """Say whether a factor is an inverse, transposed or not."""
    inner = factor.args[0] if isinstance(factor, Transpose) else factor
    return isinstance(inner, Inverse)


def _rows_times(v: Any, matrix: Any) -> Any:
    """Return diag(v)·M: every row of M times an entry of a column."""
    if isinstance(matrix, Transpose):  # diag(v)·A' = (A ⊙ 1·v')'
        (inner,) = matrix.args
        if inner.shape[0] != 1:
            return Transpose(
                entrywise_product(inner, Product(ones(inner.shape[0], ONE), Transpose(v)))
            )
    if isinstance(matrix, Diag):
        return Diag(entrywise_product(v, *matrix.args))
    columns = matrix.shape[1]
    across = v if columns == 1 else Product(v, ones(ONE, columns))
    return across if isinstance(matrix, OneMatrix) else entrywise_product(across, matrix)


def entrywise_product(*factors: Any) -> Any:
    """Multiply entry by entry, the factors of a product in line."""
    counts = Counter(p for m in factors for p in (m.args if isinstance(m, Hadamard) else (m,)))
    parts = [m if count == 1 else Elementwise(U**count, m) for m, count in counts.items()]
    return parts[0] if len(parts) == 1 else Hadamard(*parts)


def _factors(matrix: Any) -> tuple[Any, ...]:
    return tuple(matrix.args) if isinstance(matrix, Product) else (matrix,)


def _is_nonnegative(v: Any) -> bool:
    """Say whether no entry is negative, for whatever the variables are."""
    if isinstance(v, Hadamard):
        return all(map(_is_nonnegative, v.args))
    if isinstance(v, Product):
        rest = v.factors[0] if len(v.factors) == 1 else None
        return bool(v.coefficient.is_nonnegative) and rest is not None and _is_nonnegative(rest)
    if isinstance(v, Elementwise):
        factors = v.function.as_ordered_factors()
        return all(_never_negative(factor, v.matrix) for factor in factors)
    return isinstance(v, (*_SOFTMAXES, OneMatrix))


def _never_negative(function: Any, matrix: Any) -> bool:
    """Say whether a function is never negative at the entries of a matrix."""
    if function.is_nonnegative or isinstance(function, _NEVER_NEGATIVE):
        return True
    inside = matrix.function if isinstance(matrix, Elementwise) else None
    bounded = isinstance(matrix, _SOFTMAXES) or isinstance(inside, sigmoid)
    return isinstance(1 - function, sigmoid) or (function in (U, 1 - U) and bounded)


_SOFTMAXES = (Softmax, RowSoftmax, Normalised)
_NEVER_NEGATIVE = (sigmoid, softplus, relu, step, absolute, sigmoid_slope, logcosh)


def diagonal(matrix: Any) -> Any:
    """Return the diagonal of a square matrix as a column, without forming a product for it."""
    if isinstance(matrix, Diag):
        return matrix.args[0]
    if isinstance(matrix, Transpose):
        return diagonal(matrix.args[0])
    core = stretched(matrix)
    if core is not None and is_matrix(core[0]) and not isinstance(matrix, OneMatrix):
        return core[0] if core[0].shape[1] == 1 else turned(core[0])
    if isinstance(matrix, Hadamard):
        return entrywise_product(*map(diagonal, matrix.args))
    if isinstance(matrix, Product) and len(matrix.factors) > 1:
        return _diagonal_of_product(matrix)
    return Diagonal(matrix)


def _diagonal_of_product(node: Any) -> Any:
    factors = [p for f in node.factors for p in column_times_row(f)]
    sizes = sizes_of(factors)
    prices = [
        (product_cost(sizes[: i + 1]) + product_cost(sizes[i:]) + sizes[0] * sizes[i], i)
        for i in range(1, len(factors))
    ]
    cut = min(prices)[1]
    left, right = times(ONE, factors[:cut]), times(ONE, factors[cut:])
    inner = left.shape[1]
    if inner == 1:
        found = _times_column(left, turned(right))
    elif isinstance(left, Transpose):
        row = Product(ones(ONE, inner), entrywise_product(left.args[0], right))
        found = Transpose(row)
    else:
        found = Product(entrywise_product(left, turned(right)), ones(inner, ONE))
    return found if node.coefficient == 1 else Product(node.coefficient, *_factors(found))


def _times_column(left: Any, right: Any) -> Any:
    if isinstance(left, OneMatrix):
        return right
    return left if isinstance(right, OneMatrix) else entrywise_product(left, right)
