"""Products and sums of matrices in their shortest form: inverses taken apart, brackets opened.

Each rewrite is tried where it can gain something, and kept where what comes out is shorter to read.
"""

from __future__ import annotations

from itertools import product as combinations
from typing import Any

from sympy import Add, Identity, Mul, S
from sympy.matrices.expressions import Transpose

from derive.build import (
    add,
    hadamard,
    inverse,
    multiply,
    product,
    same_size,
    scale,
    total,
    trace,
    transform,
    transpose,
)
from derive.build.linear import hashed
from derive.factoring import factor
from derive.graph import is_matrix
from derive.nodes import Hadamard, Inner, Inverse, MatrixSum, Product, Total
from derive.reading import easier
from derive.scalar_forms import shorter_entries

__all__ = ["inverses_apart", "like_signs", "multiplied_out", "one_sum", "traces", "transposed"]

MANY = 12  # terms that a product of sums is multiplied out to


def inverses_apart(expr: Any) -> Any:
    """Write inverses of products of square matrices as products where they cancel then.

    A product of square matrices is invertible only if each of them is.

    >>> from derive.language import read_formula
    >>> shapes = {"A": "n,n", "X": "n,n"}
    >>> inverses_apart(read_formula("2*inv(A*X)*A", shapes).expr)
    2*inv(X)
    """
    apart = transform(expr, _inverse_apart)
    if apart == expr:
        return expr
    return easier(factor(apart), expr)


def _inverse_apart(node: Any) -> Any:
    if isinstance(node, Inverse) and isinstance(node.args[0], Product):
        factors = node.args[0].factors
        if all(same_size(*matrix.shape) for matrix in factors):
            return product(*(inverse(matrix) for matrix in reversed(factors)))
    return node


def multiplied_out(expr: Any) -> Any:
    """Open brackets where terms cancel or become like: (x + y)·x' − y·x' = x·x'."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, (MatrixSum, Product)):
            return _multiplied(node)
        if isinstance(node, Total) and isinstance(node.args[0], MatrixSum):
            terms = [total(term) for term in node.args[0].args]
            return easier(Add(*terms), node) if len(terms) <= MANY else node
        return node

    return transform(expr, rewrite)


def _multiplied(node: Any) -> Any:
    """Multiply out what shares a term, once; a long sum stays as it is."""
    terms = node.args if isinstance(node, MatrixSum) else (node,)
    if len(terms) > MANY or not any(map(_has_sum, terms)):
        return node
    opened: list[Any] = []
    for term in terms:
        parts = _opened(term)
        opened += parts
        if len(opened) > MANY:
            return node
    summed = add(*opened)
    if len(summed.args if isinstance(summed, MatrixSum) else (summed,)) >= len(opened):
        return node
    return easier(factor(summed), node)


def _has_sum(term: Any) -> bool:
    return isinstance(term, Product) and any(isinstance(f, MatrixSum) for f in term.factors)


def _opened(term: Any) -> list[Any]:
    """List the terms of a product of sums."""
    if not _has_sum(term):
        return [term]
    choices = [f.args if isinstance(f, MatrixSum) else (f,) for f in term.factors]
    count = int(Mul(*map(len, choices)))
    if count > MANY:
        return [term]
    return [scale(term.coefficient, product(*chosen)) for chosen in combinations(*choices)]


def like_signs(expr: Any) -> Any:
    """Write brackets that differ in their sign alone as the same: (x − y)·(y − x)'.

    >>> from derive.language import read_formula
    >>> like_signs(read_formula("(x - y)*(y - x)'", {"x": "n", "y": "n"}).expr)
    -(x - y)*(x - y)'
    """

    def rewrite(node: Any) -> Any:
        if isinstance(node, MatrixSum) and len(node.args) <= MANY:
            seen: dict[Any, Any] = {}
            terms = [_signed(term, seen) for term in node.args]
            return node if terms == list(node.args) else easier(factor(add(*terms)), node)
        if isinstance(node, Product):
            return _signed(node, {})
        return node

    return transform(expr, rewrite)


def _signed(term: Any, seen: dict[Any, Any]) -> Any:
    """Turn the sign of a product's brackets whose negative has been seen."""
    if not isinstance(term, Product):
        return term
    coefficient, factors = term.coefficient, []
    for matrix in term.factors:
        inside = matrix.args[0] if isinstance(matrix, Transpose) else matrix
        if isinstance(inside, MatrixSum) and len(inside.args) <= MANY:
            opposite = multiply(S.NegativeOne, inside)
            negative = seen.get(frozenset(opposite.args))  # in whatever order its terms are
            if negative is not None:
                coefficient = -coefficient
                factors.append(negative if inside is matrix else transpose(negative))
                continue
            seen.setdefault(frozenset(inside.args), inside)
        factors.append(matrix)
    return multiply(coefficient, product(*factors))


def transposed(expr: Any) -> Any:
    """Write a sum of transposes as one: A'·B' + B'·A' = (B·A + A·B)'."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, MatrixSum) and len(node.args) <= MANY and _transposes(node) > 2:
            inside = transpose(node)
            if isinstance(inside, MatrixSum):
                return easier(hashed(Transpose(inside)), node)
        return node

    return transform(expr, rewrite)


def _transposes(node: Any) -> int:
    factors = (f for t in node.args for f in (t.factors if isinstance(t, Product) else (t,)))
    return sum(isinstance(f, Transpose) for f in factors)


def one_sum(expr: Any) -> Any:
    """Write sums of entries as the sum of one matrix: Σ y ⊙ a − Σ b = Σ (y ⊙ a − b)."""

    def rewrite(node: Any) -> Any:
        if is_matrix(node) or not isinstance(node, Add) or len(node.args) > MANY:
            return node
        by_shape: dict[Any, list[tuple[Any, Any, Any]]] = {}
        for term in node.args:
            for part in Mul.make_args(term):
                matrix = _summed(part)
                if matrix is not None:
                    found = by_shape.setdefault(matrix.shape, [])
                    found.append((term, term / part, matrix))
                    break
        for terms in by_shape.values():
            if len(terms) > 1:
                matrix = shorter_entries(add(*(scale(c, m) for _, c, m in terms)))
                rest = (term for term in node.args if term not in [t for t, _, _ in terms])
                return easier(Add(total(matrix), *rest), node)
        return node

    return transform(expr, rewrite)


def _summed(scalar: Any) -> Any:
    """Return the matrix of which a scalar is the sum of entries, None where there is none."""
    if isinstance(scalar, Total):
        return scalar.args[0]
    if isinstance(scalar, Inner) and len(scalar.args) == 2:
        return hadamard(transpose(scalar.args[0]), scalar.args[1])
    return None


def traces(expr: Any) -> Any:
    """Write sums of products of entries as traces: Σ A' ⊙ B = tr(A·B)."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, Total) and isinstance(node.args[0], Hadamard):
            matrices = node.args[0].args
            turned = [m for m in matrices if _is_turned(m)]
            if len(matrices) == 2 and turned:
                first, second = matrices[:: 1 if matrices[0] == turned[0] else -1]
                return easier(trace(product(transpose(first), second)), node)
        return node

    return transform(expr, rewrite)


def _is_turned(matrix: Any) -> bool:
    """Tell whether a matrix costs nothing to transpose."""
    factors = matrix.factors if isinstance(matrix, Product) else (matrix,)
    return all(isinstance(factor, (Transpose, Identity)) for factor in factors)
