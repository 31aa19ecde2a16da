"""Sums, scalar multiples, transposes and constant matrices: what needs no product."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Identity, Integer, Mul, OneMatrix, S, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive.errors import InputError
from derive.graph import is_matrix
from derive.nodes import (
    Adjugate,
    Diag,
    Elementwise,
    Hadamard,
    Inverse,
    Kronecker,
    MatrixSum,
    Product,
    PseudoInverse,
)

__all__ = [
    "ONE",
    "add",
    "hashed",
    "identity",
    "in_order",
    "is_scalar_shape",
    "ones",
    "same_size",
    "scale",
    "size_text",
    "split",
    "subtract",
    "transpose",
    "zero_like",
    "zeros",
]

ONE = Integer(1)
# Symmetric where their operands are.
_SYMMETRIC_AS_OPERANDS = (MatrixSum, Hadamard, Inverse, PseudoInverse, Adjugate, Kronecker)
SYMMETRY_DEPTH = 6  # nested operations that are searched for symmetry


def same_size(a: Any, b: Any) -> bool:
    """Say whether two sizes, symbolic or not, are equal."""
    return bool(a == b or sympy.expand(a - b) == 0)


def is_scalar_shape(rows: Any, columns: Any) -> bool:
    """Say whether a shape is 1×1, which is a scalar's and no matrix's."""
    return bool(rows == 1 and columns == 1)


def zeros(rows: Any, columns: Any) -> Any:
    """Return the zero matrix, of shape 1×1 the number 0."""
    return S.Zero if is_scalar_shape(rows, columns) else hashed(ZeroMatrix(rows, columns))


def zero_like(value: Any) -> Any:
    """Return the zero of a value's shape."""
    return zeros(*value.shape) if is_matrix(value) else S.Zero


def ones(rows: Any, columns: Any) -> Any:
    """Return the matrix of ones, of shape 1×1 the number 1."""
    if is_scalar_shape(rows, columns):
        return ONE
    return hashed(OneMatrix(rows, columns, evaluate=False))


def identity(size: Any) -> Any:
    """Return the identity matrix, of shape 1×1 the number 1."""
    return ONE if size == 1 else hashed(Identity(size))


def split(matrix: Any) -> tuple[Any, Any]:
    """Separate the scalar coefficient of a matrix from the rest."""
    if isinstance(matrix, Product) and matrix.coefficient is not ONE:
        return matrix.coefficient, in_order(list(matrix.factors))
    return ONE, matrix


def scale(coefficient: Any, matrix: Any) -> Any:
    """Multiply a matrix by a scalar."""
    if not is_matrix(matrix):
        return Mul(coefficient, matrix)
    inner, rest = split(matrix)
    coefficient = Mul(coefficient, inner)
    if coefficient.is_zero:
        return zeros(*matrix.shape)
    if coefficient == 1 or isinstance(rest, ZeroMatrix):
        return rest
    if isinstance(rest, MatrixSum) and coefficient == -1:
        return add(*(scale(coefficient, term) for term in rest.args))
    return Product(coefficient, *(rest.factors if isinstance(rest, Product) else (rest,)))


def add(*terms: Any) -> Any:
    """Add operands of one shape, like terms together; scalars with scalars."""
    if not is_matrix(terms[0]):
        return Add(*terms)
    shape = terms[0].shape
    like: dict[Any, tuple[Any, list[Any]]] = {}
    for term in terms:
        for part in term.args if isinstance(term, MatrixSum) else (term,):
            if not is_matrix(part) or not all(map(same_size, part.shape, shape)):
                raise InputError(f"a sum of shapes {size_text(terms[0])} and {size_text(part)}")
            c, rest = split(part)
            if not isinstance(rest, ZeroMatrix):
                key = frozenset(rest.args) if isinstance(rest, Hadamard) else rest
                like.setdefault(key, (rest, []))[1].append(c)
    sums = ((rest, c[0] if len(c) == 1 else Add(*c)) for rest, c in like.values())
    parts = [scale(c, rest) for rest, c in sums if not c.is_zero]
    if not parts:
        return zeros(*shape)
    return parts[0] if len(parts) == 1 else MatrixSum(*parts)


def subtract(a: Any, b: Any) -> Any:
    """Subtract operands of one shape."""
    return add(a, scale(S.NegativeOne, b))


def transpose(matrix: Any) -> Any:
    """Transpose, pushed to the factors of a product, and inside where that is not longer."""
    if not is_matrix(matrix) or _is_symmetric(matrix, SYMMETRY_DEPTH):
        return matrix
    if isinstance(matrix, Transpose):
        return matrix.args[0]
    if isinstance(matrix, OneMatrix):
        return ones(matrix.shape[1], matrix.shape[0])
    if isinstance(matrix, ZeroMatrix):
        return zeros(matrix.shape[1], matrix.shape[0])
    if isinstance(matrix, Product):
        coefficient, factors = matrix.coefficient, reversed(matrix.factors)
        return scale(coefficient, in_order([transpose(f) for f in factors]))
    if isinstance(matrix, Kronecker):
        return _kronecker(*map(transpose, matrix.args))
    if isinstance(matrix, Elementwise) and _growth(matrix.matrix) < 0:
        return _elementwise(matrix.function, transpose(matrix.matrix))
    if isinstance(matrix, (MatrixSum, Hadamard)) and sum(map(_growth, matrix.args)) <= 0:
        # What was a transposed sum in a sum, or product in a product, is now one with it.
        return (add if isinstance(matrix, MatrixSum) else _hadamard)(*map(transpose, matrix.args))
    return hashed(Transpose(matrix))


def _hadamard(*factors: Any) -> Any:
    from derive.build.elementwise import hadamard  # which transposes in its turn

    return hadamard(*factors)


def _kronecker(a: Any, b: Any) -> Any:
    from derive.build.kronecker import kronecker  # which transposes in its turn

    return kronecker(a, b)


def _elementwise(function: Any, matrix: Any) -> Any:
    from derive.build.elementwise import elementwise  # which transposes in its turn

    return elementwise(function, matrix)


def _growth(matrix: Any) -> int:
    """Return how many transposes more the transposed matrix has than the matrix."""
    if isinstance(matrix, (Product, Kronecker)):
        factors = matrix.factors if isinstance(matrix, Product) else matrix.args
        return sum(map(_growth, factors))
    if isinstance(matrix, Transpose):
        return -1
    return 0 if isinstance(matrix, (OneMatrix, ZeroMatrix, Identity, Diag)) else 1


def _is_symmetric(matrix: Any, depth: int) -> bool:
    """Say whether a matrix equals its transpose for whatever its variables are."""
    if isinstance(matrix, (Identity, Diag)):
        return True
    if depth == 0 or matrix.shape[0] != matrix.shape[1]:
        return False
    if isinstance(matrix, (OneMatrix, ZeroMatrix)):
        return True
    if isinstance(matrix, Product):
        factors = matrix.factors
        pairs = zip(factors[: (len(factors) + 1) // 2], reversed(factors), strict=False)
        return all(_are_transposed(left, right, depth - 1) for left, right in pairs)
    if isinstance(matrix, _SYMMETRIC_AS_OPERANDS):
        return all(_is_symmetric(arg, depth - 1) for arg in matrix.args)
    return isinstance(matrix, Elementwise) and _is_symmetric(matrix.matrix, depth - 1)


def _are_transposed(left: Any, right: Any, depth: int) -> bool:
    """Say whether two factors are visibly each other's transpose."""
    if isinstance(left, Transpose) or isinstance(right, Transpose):
        return bool(hashed(Transpose(left)) == right or hashed(Transpose(right)) == left)
    if isinstance(left, OneMatrix) and isinstance(right, OneMatrix):
        return bool(left.shape == right.shape[::-1])
    return bool(left == right) and _is_symmetric(left, depth)


def in_order(factors: list[Any]) -> Any:
    """Return a product of factors that is known to be in order, or the one factor."""
    return factors[0] if len(factors) == 1 else Product(*factors)


def size_text(matrix: Any) -> str:
    """Print a shape for a message."""
    return f"{matrix.shape[0]}x{matrix.shape[1]}" if is_matrix(matrix) else "scalar"


def hashed(node: Any) -> Any:
    """Hash a node of SymPy's own while its operands are hashed and it is no recursion."""
    hash(node)
    return node
