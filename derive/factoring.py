"""Common factors out of sums: A·x + A'·x = (A + A')·x, and A·C·x − A·D·x = A·(C − D)·x.

Cut from the other rewrites because it is a search: of the ways to put terms in brackets, the one
that makes the formula shortest is taken, and again of what results. It keeps the value, and needs
neither names nor assumptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Integer, OneMatrix, S, gcd_list

from derive.build import add, hadamard, multiply, product, split, transform, transpose
from derive.graph import weight
from derive.nodes import Hadamard, MatrixSum, Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["factor"]

ONE = Integer(1)
MANY = 8  # groups of terms that share a factor, above which all are taken out at once
READABLE = 32  # terms of a bracket that is part of a sum; a longer one is no help to anybody


def factor(expr: Any) -> Any:
    """Take common factors out of sums where that is shorter: A·x + A'·x = (A + A')·x.

    What a sum becomes may hold brackets that share factors in turn; they have theirs taken out in
    another pass, for as long as a pass makes the expression shorter.
    """

    def rewrite(node: Any) -> Any:
        if isinstance(node, MatrixSum):
            return _factored(node)
        for rule in (_out_of_brackets, _without_content, _turned):
            node = rule(node) if isinstance(node, Product) else node  # it may become a sum
        return node

    while True:
        before, expr = weight(expr), transform(expr, rewrite)
        if weight(expr) >= before:
            return expr


def _out_of_brackets(node: Any) -> Any:
    """Write 2·(A·x − A·y) as 2·A·(x − y): what a bracket's terms share joins its neighbours."""
    for i, matrix in enumerate(node.factors):
        if isinstance(matrix, MatrixSum) and len(matrix.args) <= READABLE:
            if any(len(_factors(term)) == 1 for term in matrix.args):
                continue
            bracket = _bracketed(matrix.args)
            factors = (*node.factors[:i], bracket, *node.factors[i + 1 :])
            out = multiply(node.coefficient, product(*factors))
            if weight(out) < weight(node):
                return out
    return node


def _without_content(node: Any) -> Any:
    """Write A·(2·x − 2·y) as 2·A·(x − y)."""
    content, factors = ONE, []
    for matrix in node.factors:
        if isinstance(matrix, MatrixSum):
            numbers = [split(term)[0].as_coeff_Mul()[0] for term in matrix.args]
            shared = gcd_list(numbers) if all(n.is_Rational for n in numbers) else ONE
            if all(n.could_extract_minus_sign() for n in numbers):
                shared = -shared
            if shared != 1:
                content = content * shared
                factors.append(add(*(multiply(1 / shared, term) for term in matrix.args)))
                continue
        factors.append(matrix)
    if content == 1:
        return node
    outside = multiply(node.coefficient * content, product(*factors))
    return outside if content.is_Integer or weight(outside) <= weight(node) else node


def _turned(node: Any) -> Any:
    """Write −(Y − S)·A as (S − Y)·A, where the bracket gains no minus sign."""
    if not node.coefficient.could_extract_minus_sign():
        return node
    for i, matrix in enumerate(node.factors):
        others = (*node.factors[:i], *node.factors[i + 1 :])
        turned = _negative(matrix)
        if turned is not None and matrix not in others and transpose(matrix) not in others:
            factors = (*node.factors[:i], turned, *node.factors[i + 1 :])
            return multiply(-node.coefficient, product(*factors))
    return node


def _negative(matrix: Any) -> Any:
    """Return the negative of a difference, or a product of entries with one, else None."""
    if isinstance(matrix, Hadamard):
        for i, part in enumerate(matrix.args):
            turned = _negative(part)
            if turned is not None:
                return hadamard(*matrix.args[:i], turned, *matrix.args[i + 1 :])
    if isinstance(matrix, MatrixSum):
        negative = sum(split(t)[0].could_extract_minus_sign() for t in matrix.args)
        if 2 * negative >= len(matrix.args):
            return add(*(multiply(S.NegativeOne, term) for term in matrix.args))
    return None


def _factored(node: Any) -> Any:
    """Take out of a sum what shortens it most, and again of the rest; brackets stay as they come.

    Every group of terms is tried once a round, so that the time is a power of the number of terms;
    to factor the brackets before they are compared would double it with every level.
    """
    coefficient, best = _content(node)
    while isinstance(best, MatrixSum):
        shorter = min(_factorings(best), key=weight, default=best)
        whole = not isinstance(shorter, MatrixSum)  # one bracket is better than none
        if weight(shorter) >= weight(best) + whole:
            break
        best = shorter
    return multiply(coefficient, best)


def _content(node: Any) -> tuple[Any, Any]:
    """Separate the coefficient that all terms of a sum are integer multiples of."""
    first = split(node.args[0])[0]
    common = abs(first) if first.is_number else first
    if len(node.args) == 2 and any(isinstance(split(t)[1], OneMatrix) for t in node.args):
        return ONE, node  # 3·x² − 3 is shorter
    ratios = [split(term)[0] / common for term in node.args] if common is not ONE else []
    if sum(ratio in (1, -1) for ratio in ratios) > 1 and all(r.is_Integer for r in ratios):
        bracket = add(*(multiply(1 / common, term) for term in node.args))
        if weight(multiply(common, bracket)) <= weight(node):
            return common, bracket
    return ONE, node


def _factorings(node: Any) -> Iterable[Any]:
    """Yield what becomes of a sum when the terms that share factors are put in brackets."""
    terms = node.args
    for side in (0, -1):
        groups = _sharing(terms, side)
        if len(groups) > MANY:
            yield _taken_out(terms, groups)
        else:
            yield from (_taken_out(terms, [group]) for group in groups)


def _factors(term: Any) -> tuple[Any, ...]:
    rest = split(term)[1]
    return tuple(rest.factors) if isinstance(rest, Product) else (rest,)


def _sharing(terms: Sequence[Any], side: int) -> list[list[Any]]:
    """Group the terms that begin, or end, with the same factor and have others."""
    groups: dict[Any, list[Any]] = {}
    for term in terms:
        factors = _factors(term)
        if len(factors) > 1:
            groups.setdefault(factors[side], []).append(term)
    shared = (group for group in groups.values() if len(group) > 1)
    return [group for group in shared if len(group) <= READABLE or len(group) == len(terms)]


def _taken_out(terms: Sequence[Any], groups: Sequence[Sequence[Any]]) -> Any:
    """Take the longest product that all terms of a group begin with out of them, and end with."""
    bracketed = {group[0]: _bracketed(group) for group in groups}
    alone = set(terms).difference(*groups)
    kept = (term for term in terms if term in alone or term in bracketed)
    return add(*(bracketed.get(term, term) for term in kept))


def _bracketed(group: Sequence[Any]) -> Any:
    inside = [_factors(term) for term in group]
    most = min(map(len, inside)) - 1  # one factor is left in the bracket
    left = _shared_length(inside, most)
    right = _shared_length([factors[::-1] for factors in inside], most - left)
    numbers = [split(term)[0] for term in group]
    shared = _shared_coefficient(numbers)
    bracket = add(
        *(
            multiply(number / shared, product(*factors[left : len(factors) - right]))
            for number, factors in zip(numbers, inside, strict=True)
        )
    )
    first = inside[0]
    return product(shared, *first[:left], bracket, *first[len(first) - right :])


def _shared_coefficient(numbers: Sequence[Any]) -> Any:
    """Return what all coefficients are integer multiples of, if they differ in a number alone."""
    parts = [number.as_coeff_Mul() for number in numbers]
    if any(rest != parts[0][1] or not number.is_Rational for number, rest in parts):
        return ONE
    return gcd_list([number for number, _ in parts]) * parts[0][1]


def _shared_length(chains: Sequence[Sequence[Any]], most: int) -> int:
    """Return how many factors all chains begin with, up to a limit."""
    shared = 0
    while shared < most and all(chain[shared] == chains[0][shared] for chain in chains):
        shared += 1
    return shared
