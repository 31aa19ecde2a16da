"""Pullbacks through a softmax that is nearly certain, without cancellation.

The entries of s∘(g − s'g) add up to 0. The one where s is nearly 1 is the difference of two numbers
that are nearly equal, the others are not: so in code it is minus the sum of the others, wherever
s > 1/2, which holds for one entry at most. A number that all of g share drops out of g − s'g, so
that log s, which is z − logsumexp(z), is as good as z − max(z) there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Mul, OneMatrix, Pow, S
from sympy.matrices.expressions import Transpose

from derive.build import (
    across,
    add,
    elementwise,
    frobenius,
    hadamard,
    product,
    row_sum,
    scale,
    split,
    transpose,
)
from derive.code_functions import Balanced, RowBalanced
from derive.graph import weight
from derive.nodes import (
    Elementwise,
    Hadamard,
    Inner,
    MatrixSum,
    Norm2,
    Product,
    RowSoftmax,
    Softmax,
    Total,
)
from derive.scalars import U
from derive.softmax_logs import shifted_parts, softmax_powers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["balanced"]

LOG = sympy.log(U)
MANY = 20  # terms that are looked at together


def balanced(node: Any) -> Any:
    """Return a node; the pullback through a softmax has its largest entry from the others.

    >>> from derive.language import read_formula
    >>> balanced(read_formula("softmax(x) .* (y - sum(softmax(x) .* y))").expr)
    balanced(softmax(x) .* (y - softmax(x)'*y), softmax(x))
    """
    if isinstance(node, Hadamard):
        for s in filter(_is_softmax, node.args):
            for factor in node.args:
                coefficient, difference = split(factor)
                if (g := _cotangent(difference, s)) is not None:
                    others = [other for other in node.args if other not in (s, factor)]
                    return scale(coefficient, hadamard(_pullback(g, s), *others))
    return _balanced_sum(node) if isinstance(node, MatrixSum) else node


def _balanced_sum(node: Any) -> Any:
    """Return a sum of s∘g and −(s'g)·s, and of others, with these two together."""
    factors = {f for term in node.args for f in _factors(term) if _is_softmax(f)}
    for s in sorted(factors, key=weight) if len(node.args) <= MANY else ():
        pairs = [(term, *split(term)) for term in node.args]
        inside = {term: _without_factor(rest, s) for term, _, rest in pairs}
        scaled = [scale(c, inside[term]) for term, c, _ in pairs if inside[term] is not None]
        if len(scaled) > 1 and (g := _cotangent(add(*scaled), s)) is not None:
            return add(_pullback(g, s), *(term for term in node.args if inside[term] is None))
    return node


def _factors(term: Any) -> tuple[Any, ...]:
    """Return a term's factors, entry by entry, of a function its argument."""
    _, rest = split(term)
    factors = rest.args if isinstance(rest, Hadamard) else (rest,)
    return tuple(f.matrix if isinstance(f, Elementwise) else f for f in factors)


def _is_softmax(matrix: Any) -> bool:
    return isinstance(matrix, (Softmax, RowSoftmax))


def _pullback(g: Any, s: Any) -> Any:
    mean = _mean(g, s)
    if split(mean)[0].could_extract_minus_sign():
        return scale(S.NegativeOne, _pullback(scale(S.NegativeOne, g), s))
    kind = Balanced if isinstance(s, Softmax) else RowBalanced
    return kind(Hadamard(s, MatrixSum(g, scale(S.NegativeOne, mean))), s)


def _mean(g: Any, s: Any) -> Any:
    """Return s'g, across all entries, or of each row."""
    mean = frobenius(s, g) if isinstance(s, Softmax) else row_sum(hadamard(s, g))
    return across(mean, s)


def _cotangent(difference: Any, s: Any) -> Any:
    """Return g of a difference g − s'g, without what all entries share; None of another sum."""
    if not isinstance(difference, MatrixSum) or len(difference.args) > MANY:
        return None
    weighted: dict[Any, Any] = {}  # g's terms and their coefficients
    direct: dict[Any, Any] = {}
    for term in difference.args:
        means = list(_means(term, s))
        if None in means:
            return None
        for coefficient, g in means:
            _collect(weighted, coefficient, g)
        if not means:
            _collect(direct, S.One, term)
    none = (S.Zero, None)
    sums = {key: Add(c, weighted.pop(key, none)[0]) for key, (c, _) in direct.items()}
    number = Add(sums.pop(S.One, S.Zero), weighted.pop(S.One, none)[0])
    if not sums or weighted or number != 0 or any(sums.values()):
        return None
    terms = (pair for key, pair in direct.items() if key is not S.One)
    return _sum([part for c, g in terms for part in _without_normaliser(g, c, s)])


def _sum(terms: list[Any]) -> Any:
    """Add terms, of which one that is a difference is computed as a whole."""
    return terms[0] if len(terms) == 1 else MatrixSum(*terms)


def _collect(terms: dict[Any, Any], coefficient: Any, matrix: Any) -> None:
    """Add a matrix to terms, with their coefficients; ones are a number."""
    parts: list[tuple[Any, Any]] = []
    for term in matrix.args if isinstance(matrix, MatrixSum) else (matrix,):
        c, rest = split(term)
        if isinstance(rest, Elementwise) and isinstance(rest.function, Add):
            parts += [split(scale(c, elementwise(f, rest.matrix))) for f in rest.function.args]
        else:
            parts.append((c, rest))
    for c, rest in parts:
        key = frozenset(rest.args) if isinstance(rest, Hadamard) else rest
        key = S.One if isinstance(rest, OneMatrix) else key
        terms[key] = Add(terms.get(key, (S.Zero, rest))[0], Mul(coefficient, c)), rest


def _means(term: Any, s: Any) -> Iterator[Any]:
    """Yield c and g of every c·s'g in a term that is one number, or one a row; None of another."""
    coefficient, rest = split(term)
    if isinstance(s, RowSoftmax):
        yield from _means_of_rows(coefficient, rest, s)
    elif isinstance(rest, OneMatrix):
        for part in Add.make_args(coefficient):
            yield (part, rest) if part.is_number else _mean_in(part, s)


def _means_of_rows(coefficient: Any, rest: Any, s: Any) -> Iterator[Any]:
    if isinstance(rest, OneMatrix):
        yield (coefficient, rest) if coefficient.is_number else None
    if not isinstance(rest, Product) or not isinstance(rest.factors[-1], OneMatrix):
        return
    inside = rest.factors[0]
    for part in inside.args if isinstance(inside, MatrixSum) else (inside,):
        c, weighted = split(part)
        g = _without_factor(weighted, s)
        yield None if g is None or len(rest.factors) != 2 else (Mul(coefficient, c), g)


def _without_factor(weighted: Any, s: Any) -> Any:
    if isinstance(weighted, Hadamard):
        found = [g for part in weighted.args if (g := _without_factor(part, s)) is not None]
        others = (part for part in weighted.args if _without_factor(part, s) is None)
        return hadamard(*found, *others) if len(found) == 1 else None
    if isinstance(weighted, Elementwise) and weighted.matrix is s:
        return elementwise(sympy.expand_mul(weighted.function / U), s)
    return OneMatrix(*s.shape) if weighted is s else None


def _mean_in(scalar: Any, s: Any) -> Any:
    """Return c and g of a scalar c·s'g, None of another."""
    for factor in Mul.make_args(scalar):
        rest = Mul(*(f for f in Mul.make_args(scalar) if f is not factor))
        if factor == Pow(Norm2(s), 2):
            return rest, s
        if isinstance(factor, Inner) and factor.args[-1] is s:
            return rest, transpose(product(*factor.args[:-1]))
        if isinstance(factor, Inner) and factor.args[0] == Transpose(s):
            return rest, product(*factor.args[1:])
        if isinstance(factor, Total) and (g := _without_factor(factor.args[0], s)) is not None:
            return rest, g
    return None


def _without_normaliser(g: Any, c: Any, s: Any) -> list[Any]:
    """Return the terms of c·g; of the logarithm of softmaxes without the normalisers.

    Those are the same in all entries over which the mean is taken.
    """
    is_log = isinstance(g, Elementwise) and g.function == LOG
    softmaxes, rest = softmax_powers(g.matrix) if is_log else ({}, None)
    if not softmaxes or any(type(softmax) is not type(s) for softmax in softmaxes):
        return [scale(c, g)]
    powers = ((Mul(c, k), shifted_parts(softmax)[0]) for softmax, k in softmaxes.items())
    terms = [t if k == 1 else Product(k, t) for k, t in powers]
    return terms if isinstance(rest, OneMatrix) else [*terms, scale(c, elementwise(LOG, rest))]
