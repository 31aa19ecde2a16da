"""Products of matrices, what they become where they pass through a size of 1, and inverses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sympy import Identity, Mul, OneMatrix, Pow, S, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build.elementwise import hadamard, power
from derive.build.linear import (
    ONE,
    identity,
    in_order,
    is_scalar_shape,
    ones,
    same_size,
    scale,
    size_text,
    split,
    transpose,
    zeros,
)
from derive.errors import InputError
from derive.graph import is_matrix, weight
from derive.nodes import Diag, Elementwise, Hadamard, Inner, Inverse, Product, Total
from derive.scalars import U, absolute

__all__ = ["boundaries", "frobenius", "inverse", "multiply", "norm2", "product", "total"]


def multiply(a: Any, b: Any) -> Any:
    """Multiply two operands, each a scalar or a matrix."""
    if is_matrix(a):
        return product(a, b) if is_matrix(b) else scale(b, a)
    return scale(a, b) if is_matrix(b) else Mul(a, b)


def product(*factors: Any) -> Any:
    """Multiply matrices and scalars; a product of shape 1×1 comes out as a scalar."""
    coefficients: list[Any] = []
    matrices: list[Any] = []
    for factor in factors:
        c, rest = split(factor) if is_matrix(factor) else (factor, None)
        coefficients.append(c)
        for matrix in rest.factors if isinstance(rest, Product) else (rest,):
            if matrices and matrix is not None:
                _check_inner(matrices[-1], matrix)
            matrices.extend(() if matrix is None else (matrix,))
    coefficient = Mul(*coefficients)
    return scale(coefficient, _chained(matrices)) if matrices else coefficient


def _chained(matrices: list[Any]) -> Any:
    """Multiply matrices without coefficients that fit."""
    rows, columns = matrices[0].shape[0], matrices[-1].shape[1]
    if any(isinstance(m, ZeroMatrix) for m in matrices):
        return zeros(rows, columns)
    chain = _cancel([part for m in matrices for part in _unmerged(m, len(matrices))])
    if not chain:
        return identity(rows)
    applied = _kroneckers_multiplied(_diagonals_applied(chain))
    if len(applied) < len(chain):
        return product(*applied)
    cuts = [i for i, size in enumerate(boundaries(chain)) if size == 1]
    scalars = [_inner(chain[a:b]) for a, b in pairwise(cuts)]
    if is_scalar_shape(rows, columns):
        return Mul(*scalars)
    if cuts:
        chain = chain[: cuts[0]] + chain[cuts[-1] :]
    chain = _merged(chain)
    return scale(Mul(*scalars), in_order(chain))


def _check_inner(left: Any, right: Any) -> None:
    if not same_size(left.shape[1], right.shape[0]):
        raise InputError(
            f"inner sizes differ: a {size_text(left)} matrix times a {size_text(right)} matrix. "
            f"Expected {left.shape[1]} rows on the right."
        )


def boundaries(chain: list[Any]) -> list[Any]:
    """List the sizes that a product passes through, from its rows to its columns."""
    return [chain[0].shape[0], *(m.shape[1] for m in chain)]


def _unmerged(matrix: Any, factors: int) -> tuple[Any, ...]:
    """Split a matrix of ones into a column times a row, so that products cut through it."""
    if isinstance(matrix, OneMatrix) and factors > 1 and 1 not in matrix.shape:
        return ones(matrix.shape[0], ONE), ones(ONE, matrix.shape[1])
    return (matrix,)


def _diagonals_applied(chain: list[Any]) -> list[Any]:
    """Write diag(v)·x as v ⊙ x, and x'·diag(v) as its transpose."""
    result: list[Any] = []
    for matrix in chain:
        last = result[-1] if result else None
        if isinstance(last, Diag) and matrix.shape[1] == 1:
            result[-1] = hadamard(last.args[0], matrix)
        elif isinstance(matrix, Diag) and last is not None and last.shape[0] == 1:
            result[-1] = transpose(hadamard(matrix.args[0], transpose(last)))
        else:
            result.append(matrix)
    return result


def _kroneckers_multiplied(chain: list[Any]) -> list[Any]:
    if not any(isinstance(matrix, nodes.Kronecker) for matrix in chain):
        return chain
    from derive.build.kronecker import multiplied  # which makes products in its turn

    return multiplied(chain)


def _merged(chain: list[Any]) -> list[Any]:
    """Put ones together that are neighbours."""
    result: list[Any] = []
    for matrix in chain:
        last = result[-1] if result else None
        if isinstance(matrix, OneMatrix) and isinstance(last, OneMatrix) and matrix.shape[0] == 1:
            result[-1] = ones(last.shape[0], matrix.shape[1])
        else:
            result.append(matrix)
    return result


def _cancel(chain: list[Any]) -> list[Any]:
    """Drop identities and neighbours that are each other's inverse."""
    result: list[Any] = []
    for matrix in chain:
        if isinstance(matrix, Identity):
            continue
        if result and _are_inverse(result[-1], matrix):
            result.pop()
        else:
            result.append(matrix)
    return result


def _are_inverse(left: Any, right: Any) -> bool:
    return any(
        isinstance(a.args[0] if isinstance(a, Transpose) else a, Inverse) and inverse(a) == b
        for a, b in ((left, right), (right, left))
    )


def _inner(chain: list[Any]) -> Any:
    """Return the scalar that a chain of shape 1×1 is."""
    if isinstance(chain[0], OneMatrix) and chain[0].shape[1] != 1:
        return total(product(*chain[1:]) if len(chain) > 1 else chain[0])
    if isinstance(chain[-1], OneMatrix) and chain[-1].shape[0] != 1:
        return total(product(*chain[:-1]))
    if len(chain) == 1:
        return Total(chain[0])
    if len(chain) == 2:
        left, right = transpose(chain[0]), chain[1]
        if left == right:
            return Pow(norm2(right), 2)
        merged = hadamard(left, right)
        if weight(merged) <= weight(left) + weight(right) - 1:
            return total(merged)
    return Inner(*chain)


def inverse(matrix: Any) -> Any:
    """Invert a square matrix.

    Raises:
        InputError: where the matrix is not square, or zero.
    """
    if not is_matrix(matrix):
        return Pow(matrix, -1)
    if not same_size(*matrix.shape) or isinstance(matrix, ZeroMatrix):
        raise InputError(f"the inverse of a {size_text(matrix)} matrix that has none")
    if isinstance(matrix, Inverse):
        return matrix.args[0]
    if isinstance(matrix, Identity):
        return matrix
    if isinstance(matrix, Transpose):
        return transpose(inverse(matrix.args[0]))
    if isinstance(matrix, nodes.Kronecker):
        from derive.build.kronecker import kronecker, square_factors

        if square_factors(matrix):
            return kronecker(*map(inverse, matrix.args))
    coefficient, rest = split(matrix)
    if coefficient is not ONE:
        return scale(1 / coefficient, inverse(rest))
    return Inverse(matrix)


def total(matrix: Any) -> Any:
    """Sum all entries."""
    if not is_matrix(matrix):
        return matrix
    coefficient, rest = split(matrix)
    return Mul(coefficient, _total(rest))


def _total(matrix: Any) -> Any:
    if isinstance(matrix, ZeroMatrix):
        return S.Zero
    if isinstance(matrix, OneMatrix):
        return Mul(*matrix.shape)
    if isinstance(matrix, Identity):
        return matrix.shape[0]
    if isinstance(matrix, (Transpose, Diag)):
        return total(matrix.args[0])
    if isinstance(matrix, nodes.Softmax):
        return ONE
    if isinstance(matrix, nodes.Kronecker):
        return Mul(*map(total, matrix.args))
    if isinstance(matrix, Elementwise) and matrix.function == U**2:
        return power(norm2(matrix.matrix), 2)
    if isinstance(matrix, Hadamard) and len(matrix.args) == 2:
        chain = _chain_of_outer(*matrix.args)
        if chain is not None:
            return chain
    if isinstance(matrix, Product):
        if _is_lighter_transposed(matrix):
            return total(transpose(matrix))
        parts = [part for f in matrix.factors for part in _unmerged(f, 2)]
        cuts = [i for i, size in enumerate(boundaries(parts)) if size == 1]
        if cuts and 0 < cuts[0] < len(parts):
            left, right = in_order(parts[: cuts[0]]), in_order(parts[cuts[-1] :])
            return Mul(total(left), total(right))
        if isinstance(parts[-1], OneMatrix) and len(parts) > 1:
            return total(in_order(parts[:-1]))
        if isinstance(parts[0], OneMatrix) and len(parts) > 1:
            return total(in_order(parts[1:]))
    return Total(matrix)


def norm2(matrix: Any) -> Any:
    """Return the Euclidean or Frobenius norm."""
    if not is_matrix(matrix):
        return _size(matrix)
    coefficient, rest = split(matrix)
    if isinstance(rest, ZeroMatrix):
        return S.Zero
    if isinstance(rest, OneMatrix):
        return Mul(_size(coefficient), power(Mul(*rest.shape), S.Half))
    if isinstance(rest, nodes.Kronecker):
        return Mul(_size(coefficient), *map(norm2, rest.args))
    turned = transpose(rest) if _is_lighter_transposed(rest) else rest
    return Mul(_size(coefficient), nodes.Norm2(turned))


def _is_lighter_transposed(matrix: Any) -> bool:
    """Say whether a transpose, or a product of some, is shorter when it is transposed."""
    if isinstance(matrix, Product):
        turned = sum(isinstance(factor, Transpose) for factor in matrix.factors)
        return 2 * turned > len(matrix.factors)
    return isinstance(matrix, Transpose)


def _size(scalar: Any) -> Any:
    """Return |t|, which is t where that is known not to be negative."""
    if scalar.is_number:
        return abs(scalar)
    return scalar if scalar.is_nonnegative else absolute(scalar)


def frobenius(a: Any, b: Any) -> Any:
    """Return Σ_ij a_ij·b_ij, the inner product of two matrices of one shape (or two scalars)."""
    if not is_matrix(a):
        return Mul(a, b)
    if a.shape[1] == 1:
        return product(transpose(a), b)
    if a.shape[0] == 1:
        return product(a, transpose(b))
    chain = _chain_of_outer(a, b)
    return total(hadamard(a, b)) if chain is None else chain


def _chain_of_outer(a: Any, b: Any) -> Any:
    """Return Σ_ij u_i·v_j·b_ij as u'·B·v where one matrix is an outer product u·v'."""
    for left, right in ((a, b), (b, a)):
        coefficient, rest = split(left)
        if isinstance(rest, Product):
            cuts = [i for i, f in enumerate(rest.factors) if i and f.shape[0] == 1]
            if cuts:
                u = in_order(list(rest.factors[: cuts[0]]))
                v = in_order(list(rest.factors[cuts[0] :]))
                return Mul(coefficient, product(transpose(u), right, transpose(v)))
    return None
