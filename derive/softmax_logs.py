"""Logarithms of softmaxes, in shifted entries: log softmax(z) = t − log Σ exp(t), t = z − max(z).

The softmax is not formed, whose entries may be too small for a number where their logarithms are
ordinary ones; and of the sum of exponentials, of which the largest is 1, the others are known to
all their digits.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import sympy
from sympy import Add, Integer, Mul, OneMatrix, Pow, S
from sympy.codegen.cfunctions import log1p

from derive import nodes
from derive.build import across, add, elementwise, hadamard, ones, row_sum, scale, split, total
from derive.code_functions import (
    LessOne,
    LogRatio,
    LogWeighted,
    Normalised,
    RowLessOne,
    RowLogRatio,
    RowSoftmaxDifference,
    SoftmaxDifference,
)
from derive.graph import is_matrix
from derive.nodes import (
    CrossEntropy,
    Elementwise,
    Hadamard,
    LogSumExp,
    MatrixSum,
    Product,
    RowSoftmax,
    Softmax,
)
from derive.scalars import U
from derive.weighted import log_of_weighted

__all__ = ["ratios", "shifted_parts", "softmax_powers", "without_softmax"]

ONE = Integer(1)
EXP, LOG = sympy.exp(U), sympy.log(U)


def without_softmax(node: Any) -> Any:
    """Write logarithms of a softmax, and exp(z − logsumexp(z)), in the shifted entries."""
    if isinstance(node, CrossEntropy):
        p, y = node.args
        return Mul(S.NegativeOne, total(hadamard(y, _log(p))))
    if isinstance(node, MatrixSum):
        return _log_of_softmax(node)
    if (found := log_of_weighted(node)) is not None:
        return _log_of_weighted(*found)
    if not isinstance(node, Elementwise):
        return node
    if node.function == LOG:
        return _log(node.matrix)
    if isinstance(node.matrix, (Softmax, RowSoftmax)) and node.function.has(LOG):
        terms = Add.make_args(sympy.expand_mul(node.function))
        return add(*(_with_log(term, node.matrix) for term in terms))
    if node.function == EXP and isinstance(node.matrix, MatrixSum):
        return _normalised(node)
    return node


def _with_log(term: Any, p: Any) -> Any:
    """Return a term such as u·log(u) of a softmax p, its logarithm apart."""
    rest, power = term.as_independent(LOG, as_Add=False)
    if rest.has(LOG) or (power.has(U) and power.as_base_exp()[0] != LOG):
        return elementwise(term, p)  # a logarithm inside another function
    return hadamard(elementwise(rest, p), elementwise(power.subs(LOG, U), _log(p)))


def _log(p: Any) -> Any:
    """Return the logarithm of a product of entries, of softmaxes and exponentials factor by factor.

    Of a quotient of softmaxes it is the difference of their exponents and a number, or one a row.
    """
    softmaxes, rest = softmax_powers(p)
    if not softmaxes:
        return elementwise(LOG, p)
    terms = [] if isinstance(rest, OneMatrix) else [elementwise(LOG, rest)]
    if len(softmaxes) == 2 and sum(softmaxes.values()) == 0 and len({*map(type, softmaxes)}) == 1:
        above, below = sorted(softmaxes, key=softmaxes.__getitem__, reverse=True)
        return add(*terms, _times(softmaxes[above], _log_of_ratio(above, below)))
    logs = (_times(c, _shifted_log(*shifted_parts(s))) for s, c in softmaxes.items())
    return add(*terms, *logs)


def softmax_powers(p: Any) -> tuple[dict[Any, Any], Any]:
    """Return the softmaxes among a matrix's factors, with their exponents, and the other factors.

    >>> from derive.language import read_formula
    >>> softmax_powers(read_formula("2*softmax(x) ./ softmax(y).^2 .* x").expr)
    ({softmax(x): 1, softmax(y): -2}, 2*x)
    """
    coefficient, inside = split(p)
    softmaxes, others = {}, [ones(*p.shape)]
    for factor in inside.args if isinstance(inside, Hadamard) else (inside,):
        base, exponent = factor, ONE
        if isinstance(factor, Elementwise) and isinstance(factor.function, Pow):
            base, exponent = factor.matrix, factor.function.exp
        is_power = factor is base or factor.function.base == U
        if isinstance(base, (Softmax, RowSoftmax)) and is_power:
            softmaxes[base] = exponent
        else:
            others.append(factor)
    return softmaxes, scale(coefficient, hadamard(*others))


def _times(coefficient: Any, difference: Any) -> Any:
    """Multiply a difference as a whole."""
    return difference if coefficient == 1 else Product(coefficient, difference)


def _log_of_ratio(above: Any, below: Any) -> Any:
    """Return log(p/q) of softmaxes: the normalisers' ratio is known where both are nearly equal."""
    t, u = (shifted_parts(softmax)[0] for softmax in (above, below))
    ratio = (LogRatio if isinstance(above, Softmax) else RowLogRatio)(t, u)
    difference = MatrixSum(t, Product(S.NegativeOne, u))
    return MatrixSum(difference, scale(S.NegativeOne, across(ratio, t)))


def _log_of_weighted(w: Any, e: Any) -> Any:
    """Return log(w'e) of weights and exponentials or a softmax."""
    if not isinstance(e, Softmax):
        return LogWeighted(e.matrix, w)
    t, q = shifted_parts(e)
    return LogWeighted(t, w) - log1p(LessOne(elementwise(EXP, t), q), evaluate=False)


def ratios(node: Any) -> Any:
    """Return a node; differences of two softmaxes, or of their logarithms, in one function.

    c·log(p) − c·log(q) is that of the quotient, and p − q is q·(exp(log(p/q)) − 1). The entries of
    a row of a softmax add up to 1.

    >>> from derive.language import read_formula
    >>> ratios(read_formula("2*softmax(x) - 2*softmax(y)").expr)
    2*softmax_difference(x - max(x), y - max(y))
    """
    if isinstance(node, Product) and len(node.factors) == 2:
        s, last = node.factors
        are_sums = isinstance(s, RowSoftmax) and isinstance(last, OneMatrix)
        return scale(node.coefficient, ones(*node.shape)) if are_sums else node
    found: dict[Any, Any] = {}  # coefficients and softmaxes, by terms
    for term in node.args if isinstance(node, MatrixSum) else ():
        coefficient, rest = split(term)
        if _is_log(rest) or isinstance(rest, (Softmax, RowSoftmax)):
            found[term] = coefficient, rest
    for (above, (c, p)), (below, (d, q)) in combinations(found.items(), 2):
        if c == -d and _kinds(p) == _kinds(q):
            others = [term for term in node.args if term not in (above, below)]
            in_order = p.compare(q) < 0  # so that a difference and its negative are one node
            return add(_difference(c, p, q) if in_order else _difference(d, q, p), *others)
    return node


def _kinds(matrix: Any) -> list[type]:
    return [type(part) for part in (matrix, *matrix.args[1:])]


def _difference(c: Any, p: Any, q: Any) -> Any:
    """Return c·(p − q) of two softmaxes or of two logarithms of such."""
    if isinstance(p, Elementwise):
        return scale(c, elementwise(LOG, hadamard(p.matrix, elementwise(1 / U, q.matrix))))
    kind = SoftmaxDifference if isinstance(p, Softmax) else RowSoftmaxDifference
    return scale(c, kind(shifted_parts(p)[0], shifted_parts(q)[0]))


def _shifted_log(t: Any, q: Any) -> Any:
    """Return t − log(q), where the largest exponential in q is 1, and q may be nearly 1."""
    e = elementwise(EXP, t)
    if is_matrix(q):
        log_q = Elementwise(log1p(U), RowLessOne(e, q))
    else:
        log_q = log1p(LessOne(e, q), evaluate=False)
    return MatrixSum(t, scale(S.NegativeOne, across(log_q, t)))


def _log_of_softmax(node: Any) -> Any:
    """Write z − logsumexp(z) in a sum as t − log(q): both may be large, their difference not."""
    for term in node.args:
        coefficient, rest = split(term)
        sign, functional = coefficient.as_coeff_Mul()
        if not isinstance(functional, LogSumExp) or not isinstance(rest, sympy.OneMatrix):
            continue
        z = functional.args[0]
        if z.shape != node.shape:
            continue
        others = [other for other in node.args if other is not term]
        left = add(*others, scale(sign, z))
        fewer = len(others) - len(z.args if isinstance(z, MatrixSum) else (z,))
        if isinstance(left, sympy.ZeroMatrix):
            return scale(-sign, _shifted_log(*shifted_parts(functional)))
        if len(left.args if isinstance(left, MatrixSum) else (left,)) == fewer:
            return MatrixSum(left, scale(-sign, _shifted_log(*shifted_parts(functional))))
    return node


def _normalised(node: Any) -> Any:
    """Write exp(t − log(q)) as exp(t)/q."""
    t = node.matrix.args[0]
    if isinstance(t, MatrixSum) and len(node.matrix.args) == 2:
        t_of_z, q = shifted_parts(LogSumExp(t.args[0]))
        if t_of_z == t and _shifted_log(t, q) == node.matrix:
            return Normalised(elementwise(EXP, t), q)
    return node


def shifted_parts(node: Any) -> tuple[Any, Any]:
    """Return the shifted entries t and the sum q of exp(t), of all entries or of each row."""
    z = node.args[0]
    by_row = isinstance(node, (RowSoftmax, nodes.RowLogSumExp))
    largest = nodes.RowMaximum(z) if by_row else nodes.Maximum(z)
    t = MatrixSum(z, scale(S.NegativeOne, across(largest, z)))  # as one difference, unflattened
    e = elementwise(EXP, t)
    return t, row_sum(e) if by_row else total(e)


def _is_log(matrix: Any) -> bool:
    """Say whether a matrix is the logarithm of a softmax."""
    is_log = isinstance(matrix, Elementwise) and matrix.function == LOG
    return is_log and isinstance(matrix.matrix, (Softmax, RowSoftmax))
