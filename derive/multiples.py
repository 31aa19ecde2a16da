"""What is computed already but for a number: -3·A·x of 2·A·x, and tanh(-z) of tanh(z).

Sharing (``derive.sharing``) names equal nodes. Where a product, of matrices or by entry, differs
from one that is computed by a number alone, that is all it is multiplied by; and a function of the
negative of a matrix is one of the matrix, where it is odd or even and known there.

Contract: products have two factors (``derive.sharing.binarised``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Integer, Mul, S
from sympy.matrices.expressions import Transpose

from derive.build import with_operands
from derive.diagonals import times
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, Hadamard, Product
from derive.scalars import U
from derive.sharing import stretched

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

__all__ = ["with_multiples"]

ONE = Integer(1)


def with_multiples(exprs: Sequence[Any]) -> list[Any]:
    """Write products and functions that are multiples of others in terms of those."""
    order = postorder(*exprs)
    known = {(node.function, node.matrix) for node in order if isinstance(node, Elementwise)}
    cores: dict[Any, tuple[Any, Any]] = {}
    first: dict[Any, tuple[Any, Any]] = {}
    done: dict[Any, Any] = {}
    for node in order:
        done[node] = made = with_operands(node, tuple(done[operand] for operand in operands(node)))
        if isinstance(node, Elementwise):
            done[node] = _of_positive(made, known)
        number, core = cores[node] = _core(node, cores)
        if not _is_costly(node):
            continue
        if core in first:
            other, representative = first[core]
            done[node] = _times(number / other, representative)
        else:
            first[core] = number, done[node]
    return [done[expr] for expr in exprs]


def _of_positive(node: Any, known: Container[tuple[Any, Any]]) -> Any:
    """Write f(-Z) as f(Z) where f is even, and as -f(Z) where it is odd and f(Z) is computed."""
    number, matrix = _split(node.matrix)
    if number != -1:
        return node
    mirrored, positive = node.function.subs(U, -U), Elementwise(node.function, matrix)
    if mirrored == node.function:
        return positive
    is_odd = mirrored == -node.function and (node.function, matrix) in known
    return Product(S.NegativeOne, positive) if is_odd else node


def _split(matrix: Any) -> tuple[Any, Any]:
    if isinstance(matrix, Product) and len(matrix.factors) == 1:
        return matrix.coefficient, matrix.factors[0]
    return ONE, matrix


def _core(node: Any, cores: dict[Any, tuple[Any, Any]]) -> tuple[Any, Any]:
    """Separate the number by which a product multiplies, whichever factor it is put to."""
    if isinstance(node, Elementwise):
        number, function = node.function.as_coeff_Mul()
        return (ONE, node) if number == 1 else (number, Elementwise(function, node.matrix))
    if isinstance(node, Transpose):
        number, core = cores[node.args[0]]
        return number, Transpose(core)
    if not isinstance(node, (Product, Hadamard)) or stretched(node) is not None:
        return ONE, node
    parts = [cores[factor] for factor in operands(node) if is_matrix(factor)]
    number = Mul(*(number for number, _ in parts))
    inside = [core for _, core in parts]
    if isinstance(node, Hadamard):
        return number, Hadamard(*inside)
    own, rest = node.coefficient.as_coeff_Mul()
    return number * own, times(rest, inside)


def _times(number: Any, matrix: Any) -> Any:
    """Multiply a matrix by a number, one that it has already included."""
    coefficient, rest = _split(matrix)
    if coefficient.is_number:
        return times(number * coefficient, [rest])
    return times(number, [matrix])


def _is_costly(node: Any) -> bool:
    """Say whether more is computed than a multiple of what has a name."""
    if isinstance(node, Product) and len(node.factors) == 1:
        return not node.coefficient.is_number
    return isinstance(node, (Product, Hadamard)) and stretched(node) is None
