"""Sums of exponentials that are spelled out, with the largest exponent taken out of them.

log(Σ c_i·exp(t_i)) = m + log(Σ c_i·exp(t_i − m)) with m = max(t_i), and a quotient of such sums is
that of the shifted ones: nothing overflows, and of the shifted terms one is c_i itself. A mean,
Σ c_i = 1, is 1 + Σ c_i·expm1(t_i − m), which keeps the digits of its logarithm near 0; far from
there, where one exponential of many is the largest by far, that of the mean keeps them.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Mul, OneMatrix, Pow, S
from sympy.codegen.cfunctions import expm1

from derive import nodes
from derive.build import across, add, elementwise, entrywise_maximum, row_sum, scale, split, total
from derive.code_functions import EntrywiseLogNearOne, LogNearOne
from derive.nodes import Elementwise, MatrixSum, Product, Total
from derive.scalars import U, maximum

__all__ = ["shifted_sums"]

EXP, LOG = sympy.exp(U), sympy.log(U)
MANY = 8  # exponentials in a sum of scalars


def shifted_sums(node: Any) -> Any:
    """Return a node with the largest exponent apart; its operands are done already.

    >>> from derive.language import read_formula
    >>> shifted_sums(read_formula("log(exp(a) + exp(b))").expr)
    maximum(a, b) + log(exp(a - maximum(a, b)) + exp(b - maximum(a, b)))
    """
    if isinstance(node, Elementwise) and node.function == LOG:
        return _log_of_entries(node)
    if isinstance(node, sympy.log):
        return _log_of_mean(node) or _log(node)
    return _quotient(node) if isinstance(node, (Mul, Pow)) else node


# --- Scalars -------------------------------------------------------------------------------------


def _terms(scalar: Any) -> list[tuple[Any, Any]]:
    """Return c and t of each term c·exp(t) of a sum; none where a term is something else."""
    coefficient, inside = scalar.as_coeff_Mul()
    found = []
    for term in inside.args if isinstance(inside, Add) else ():
        c, rest = term.as_coeff_Mul()
        if rest != 1 and not isinstance(rest, sympy.exp):
            return []
        found.append((coefficient * c, S.Zero if rest == 1 else rest.args[0]))
    return found if 1 < len(found) <= MANY and not _is_shifted(found) else []


def _is_shifted(terms: list[tuple[Any, Any]]) -> bool:
    parts = [part for part in Add.make_args(terms[0][1]) if isinstance(-part, maximum)]
    return any(all(part in Add.make_args(t) for _, t in terms) for part in parts)


def _largest(terms: list[tuple[Any, Any]]) -> Any:
    return maximum(*dict.fromkeys(t for _, t in terms))


def _shifted(terms: list[tuple[Any, Any]], largest: Any, function: Any = sympy.exp) -> Any:
    return Add(*(c * function(Add(t, -largest), evaluate=False) for c, t in terms))


def _log(node: Any) -> Any:
    terms = _terms(node.args[0])
    if not terms or not all(c.is_positive for c, _ in terms) or (S.One, S.Zero) in terms:
        return node  # the logarithm of 1 + … keeps the digits of what is added
    largest = _largest(terms)
    mean = _shifted(terms, largest)
    if sum(c for c, _ in terms) == 1:
        return largest + LogNearOne(mean, _shifted(terms, largest, expm1))
    return largest + sympy.log(mean, evaluate=False)


def _quotient(node: Any) -> Any:
    """Divide the sums of exponentials in a product by the largest one in a denominator."""
    sums = {}
    for factor in Mul.make_args(node):
        base, exponent = factor.args if isinstance(factor, Pow) else (factor, S.One)
        if exponent.is_Integer and (terms := _terms(base)):
            sums[factor] = terms, exponent
    below = [terms for terms, exponent in sums.values() if exponent < 0]
    if not below:
        return _one_exponential(node)
    if not all(c.is_positive for terms in below for c, _ in terms):
        return node
    largest = _largest([pair for terms in below for pair in terms])
    exponents = [S.Zero]
    others, factors = [], []
    for factor in Mul.make_args(node):
        if factor in sums:
            terms, exponent = sums[factor]
            factors.append(Pow(_shifted(terms, largest), exponent))
            exponents.append(exponent * largest)
        elif isinstance(factor, sympy.exp):
            exponents.append(factor.args[0])
        else:
            others.append(factor)
    return Mul(*others, sympy.exp(Add(*exponents)), *factors)


def _one_exponential(node: Any) -> Any:
    """Multiply the exponentials in a product: a quotient's shift belongs to what is above it."""
    found = [factor for factor in Mul.make_args(node) if isinstance(factor, sympy.exp)]
    if len(found) < 2:
        return node
    others = (factor for factor in node.args if factor not in found)
    return Mul(sympy.exp(Add(*(e.args[0] for e in found)), evaluate=False), *others)


def _log_of_mean(node: Any) -> Any:
    """Shift log(c·sum(exp(z))), None for another logarithm."""
    c, functional = _functional(node.args[0])
    if functional is None:
        return None
    z = functional.args[0].matrix
    if c * Mul(*z.shape) != 1:
        return Add(sympy.log(c), nodes.LogSumExp(z))
    largest = nodes.Maximum(z)
    apart = MatrixSum(z, scale(S.NegativeOne, across(largest, z)))
    less, mean = (c * total(elementwise(function, apart)) for function in (expm1(U), EXP))
    return largest + LogNearOne(mean, less)


def _functional(scalar: Any) -> tuple[Any, Any]:
    if not isinstance(scalar, Mul):
        return None, None
    found = [f for f in scalar.args if isinstance(f, Total) and _is_exp(f.args[0])]
    rest = Mul(*(f for f in scalar.args if f not in found))
    return (rest, found[0]) if len(found) == 1 and rest.is_positive else (None, None)


def _is_exp(matrix: Any) -> bool:
    return isinstance(matrix, Elementwise) and bool(matrix.function == EXP)


# --- Entries -------------------------------------------------------------------------------------


def _log_of_entries(node: Any) -> Any:
    coefficient, inside = split(node.matrix)
    if isinstance(inside, Product) and len(inside.factors) == 2 and coefficient.is_positive:
        return _log_of_rows(node, coefficient, *inside.factors)
    if not isinstance(inside, MatrixSum) or len(inside.args) > MANY:
        return node
    pairs = [(coefficient * c, rest) for c, rest in map(split, inside.args)]
    if len(pairs) < 2 or not all(c.is_number and c.is_positive for c, _ in pairs):
        return node
    if not all(_is_exp(rest) for _, rest in pairs):
        return node
    largest = pairs[0][1].matrix
    for _, rest in pairs[1:]:
        largest = entrywise_maximum(largest, rest.matrix)
    minus = scale(S.NegativeOne, largest)
    apart = [(c, MatrixSum(e.matrix, minus)) for c, e in pairs]
    mean = add(*(scale(c, elementwise(EXP, t)) for c, t in apart))
    if sum(c for c, _ in pairs) != 1:
        return add(largest, elementwise(LOG, mean))
    less = add(*(scale(c, elementwise(expm1(U), t)) for c, t in apart))
    return add(largest, EntrywiseLogNearOne(mean, less))


def _log_of_rows(node: Any, c: Any, e: Any, last: Any) -> Any:
    """Shift the logarithm of c times the sums of the rows of exp(z)."""
    if not (_is_exp(e) and isinstance(last, OneMatrix) and last.shape[1] == 1):
        return node
    z = e.matrix
    if c * z.shape[1] != 1:
        constant = scale(sympy.log(c), OneMatrix(*node.shape))
        return add(nodes.RowLogSumExp(z), constant)
    largest = nodes.RowMaximum(z)
    apart = MatrixSum(z, scale(S.NegativeOne, across(largest, z)))
    less, mean = (scale(c, row_sum(elementwise(f, apart))) for f in (expm1(U), EXP))
    return add(largest, EntrywiseLogNearOne(mean, less))
