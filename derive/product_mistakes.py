"""Mistakes in a product of matrices: factors that are lost, transposed, in the wrong order, summed.

Cut from the other changes since a product has the most ways to go wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Mul, OneMatrix

from derive.build import hadamard, ones, product, scale, transpose
from derive.confusable import Change, mention, named
from derive.graph import is_matrix
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RUN", "of_product"]

RUN = 4  # factors of a product that are transposed together, at most


def of_product(node: Any) -> Iterator[Change]:
    """Yield a product, of matrices or inner, with one mistake.

    >>> from derive.language import read_formula
    >>> [change.expr for change in of_product(read_formula("2*W*x").expr)][:1]
    [W*x]
    """
    factors = [f for f in node.args if is_matrix(f)]
    coefficient = Mul(*(f for f in node.args if not is_matrix(f)))
    if coefficient != 1:
        said = f"the factor {TEXT(coefficient)} is missing"
        yield Change("factor", said, product(*factors))
        if not coefficient.is_number:
            yield Change(
                "factor", f"{TEXT(coefficient)} is inverted", product(1 / coefficient, *factors)
            )
    for length in range(1, min(RUN, len(factors)) + 1):
        for i in range(len(factors) - length + 1):
            run = product(*factors[i : i + length])
            if is_matrix(run) and run.shape[0] == run.shape[1] and run.shape[0] != 1:
                turned = product(coefficient, *factors[:i], transpose(run), *factors[i + length :])
                yield Change("transpose", mention("factor", run, "is transposed"), turned)
    for i in range(len(factors) - 1):
        a, b = factors[i : i + 2]
        if a.shape[0] == a.shape[1] == b.shape[0] == b.shape[1]:
            swapped = product(coefficient, *factors[:i], b, a, *factors[i + 2 :])
            both = f"{named(a) or 'one'} and {named(b) or 'the next'}"
            yield Change("order", f"the factors {both} are in the wrong order", swapped)
    for i, factor in enumerate(factors):
        if len(factors) > 1 and factor.shape[0] == factor.shape[1] and factor.shape[0] != 1:
            rest = product(coefficient, *factors[:i], *factors[i + 1 :])
            name, said = "factor", mention("factor", factor, "is missing")
            if isinstance(factor, OneMatrix):
                name, said = (
                    "missing-term",
                    "the sum is missing: each entry stands for itself alone",
                )
            yield Change(name, said, rest)
    if len(factors) > 1 and factors[0].shape[0] == factors[-1].shape[1]:
        moved = product(coefficient, *factors[1:], factors[0])
        yield Change("order", mention("factor", factors[0], "is on the wrong side"), moved)
        moved = product(coefficient, factors[-1], *factors[:-1])
        yield Change("order", mention("factor", factors[-1], "is on the wrong side"), moved)
    if len(factors) > 1 and factors[-1].shape[1] == 1:
        yield from _summed(coefficient, product(*factors[:-1]), factors[-1])


def _summed(coefficient: Any, matrix: Any, column: Any) -> Iterator[Change]:
    """Sum a matrix's rows, or its transpose's, apart from the column that it is multiplied by."""
    for summed in (transpose(matrix), matrix):
        text = TEXT(product(matrix, column))
        if summed.shape[0] != column.shape[0]:
            continue
        sums = product(summed, ones(summed.shape[1], 1))
        alone = f"{TEXT(sums)} adds up the entries of {TEXT(summed)} alone"
        said = f"{text} is a sum of products, while {alone}"
        yield Change("wrong-operand", said, hadamard(scale(coefficient, column), sums))
