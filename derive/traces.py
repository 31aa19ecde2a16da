"""Traces and sums along an axis in code.

tr(A·B) is Σ A ⊙ B', in as many operations as the matrices have entries; of a longer chain two
factors remain, the cheapest. Sums of a transposed matrix are the matrix's, along the other axis. A
sum over samples of quadratic forms is a trace, for ``derive.known_products`` to cut.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Integer, Mul, OneMatrix, Pow
from sympy.matrices.expressions import Transpose

from derive.build import ones, split, total
from derive.chain_order import LONG_PRODUCT, product_cost, sizes_of
from derive.diagonals import diagonal, is_inverse, times, turned
from derive.graph import is_matrix, operands
from derive.nodes import Hadamard, MatrixSum, Norm2, Product, Total, Trace

__all__ = ["sum_of_products", "without_traces"]

ONE = Integer(1)


def without_traces(node: Any) -> Any:
    """Rewrite the trace of a product, or the sums of a transposed matrix.

    >>> from derive.language import read_formula
    >>> without_traces(read_formula("tr(A*B)").expr)
    sum(A .* B')
    """
    if isinstance(node, Trace):
        return _trace(node.args[0])
    if isinstance(node, (Total, Norm2)) and isinstance(node.args[0], Transpose):
        return node.func(node.args[0].args[0])
    if isinstance(node, Total) and isinstance(node.args[0], MatrixSum):
        return _total_of_sum(node)
    if isinstance(node, Mul) and not is_matrix(node):
        return _mean_of_sum(node)
    return _sums(node) if isinstance(node, Product) and len(node.factors) == 2 else node


def _sums(node: Any) -> Any:
    """Sum the columns of A where the rows of A' are summed, and the other way round."""
    left, right = node.factors
    rows, columns = node.shape
    if isinstance(left, Transpose) and isinstance(right, OneMatrix) and columns == 1 != rows:
        return Transpose(times(node.coefficient, [ones(ONE, right.shape[0]), left.args[0]]))
    if isinstance(right, Transpose) and isinstance(left, OneMatrix) and rows == 1 != columns:
        return Transpose(times(node.coefficient, [right.args[0], ones(left.shape[1], ONE)]))
    return node


def _total_of_sum(node: Any) -> Any:
    """Sum quadratic forms of rows apart from what else is in a sum, and what is constant in it."""
    terms = node.args[0].args
    forms = [term for term in terms if _is_of_forms(split(term)[1])]
    if not forms:
        return node
    constant = [term for term in terms if isinstance(split(term)[1], OneMatrix)]
    others = [term for term in terms if term not in forms and term not in constant]
    rest = [MatrixSum(*others)] if len(others) > 1 else others
    return Add(*map(total, (*forms, *constant, *rest)))


def _is_of_forms(matrix: Any) -> bool:
    """Say whether a matrix is the row sums of A·B ⊙ C, or the column sums."""
    if not isinstance(matrix, Product) or len(matrix.factors) != 2:
        return False
    entries = [factor for factor in matrix.factors if isinstance(factor, Hadamard)]
    summed = any(isinstance(factor, OneMatrix) for factor in matrix.factors)
    return summed and any(isinstance(arg, Product) for form in entries for arg in form.args)


def _mean_of_sum(node: Any) -> Any:
    """Divide the terms of a sum one by one, where one of them is a multiple of the divisor."""
    sums = [arg for arg in node.args if isinstance(arg, Add)]
    if len(sums) != 1:
        return node
    rest = Mul(*(arg for arg in node.args if arg is not sums[0]))
    divisors = {1 / arg for arg in node.args if isinstance(arg, Pow) and arg.exp == -1}
    if not any(divisors & set(Mul.make_args(term)) for term in sums[0].args):
        return node
    return Add(*(Mul(rest, term) for term in sums[0].args))


def _trace(matrix: Any) -> Any:
    if isinstance(matrix, Transpose):
        return _trace(matrix.args[0])
    if isinstance(matrix, Hadamard):
        return Total(diagonal(matrix))
    if not isinstance(matrix, Product):
        return Trace(matrix)
    coefficient, factors = matrix.coefficient, list(matrix.factors)
    if len(factors) == 1:
        return Mul(coefficient, _trace(factors[0]))
    place = next((i for i, f in enumerate(factors) if is_inverse(f)), None)
    if place is not None:
        factors = factors[place:] + factors[:place]
        if len(factors) == 2:  # which derive.solving decides about
            return Mul(coefficient, Trace(Product(*factors)))
    return Mul(coefficient, sum_of_products(*_halves(factors, place is not None)))


def sum_of_products(left: Any, right: Any) -> Any:
    """Return tr(P·Q) as Σ P ⊙ Q', with as few transposes as can be."""
    if turned(left) == right:
        return Pow(Norm2(left if operands(left) == () else right), 2, evaluate=False)
    if _is_a_square(right):
        return Total(Hadamard(left, right))
    if _cost_to_turn(left) < _cost_to_turn(right):
        return Total(Hadamard(turned(left), right))
    return Total(Hadamard(left, turned(right)))


def _is_a_square(matrix: Any) -> bool:
    """Say whether a matrix is A'·A, which is its own transpose."""
    return isinstance(matrix, Product) and turned(matrix.args[0]) == matrix.args[-1]


def _cost_to_turn(matrix: Any) -> int:
    """Order what can be transposed: a transpose, a name, what is computed."""
    if isinstance(matrix, Transpose):
        return 0
    return 2 if operands(matrix) else 1


def _halves(factors: list[Any], inverse_first: bool) -> tuple[Any, Any]:
    """Cut the cycle of a trace into the two products that cost least.

    An inverse that comes first is multiplied with what follows it.
    """
    count = len(factors)
    starts = range(1 if inverse_first or count > LONG_PRODUCT else count)
    prices = []
    for start in starts:
        chain = factors[start:] + factors[:start]
        sizes = sizes_of(chain)
        for cut in range(2 if inverse_first else 1, count):
            cost = product_cost(sizes[: cut + 1]) + product_cost(sizes[cut:])
            singles = [part[0] for part in (chain[:cut], chain[cut:]) if len(part) == 1]
            turns = min(map(_cost_to_turn, singles), default=2)
            prices.append((cost + sizes[0] * sizes[cut], turns, start, cut))
    *_, start, cut = min(prices)
    chain = factors[start:] + factors[:start]
    return times(ONE, chain[:cut]), times(ONE, chain[cut:])
