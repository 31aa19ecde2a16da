"""Recognise softplus, sigmoid and log-sum-exp where a formula spells them out, for stable code.

log(1 + exp(u)) is softplus(u), 1/(1 + exp(−u)) is sigmoid(u), and their combinations, such as the
log(1 − sigmoid(u)) of a binary cross-entropy, come down to the two: as they are written they
overflow, or divide 0 by 0, where the value and the gradient are ordinary numbers. For this a sum of
functions of one argument, and a logarithm or quotient of it, become one function of the argument.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Integer, Mul, OneMatrix, Pow, S

from derive.build import (
    add,
    elementwise,
    hadamard,
    ones,
    product,
    scale,
    split,
    total,
    transpose,
)
from derive.graph import is_matrix, weight
from derive.logistic import LOGISTIC, functions_spelled_out, spelled_out
from derive.nodes import (
    Elementwise,
    Hadamard,
    Inner,
    LogSumExp,
    MatrixSum,
    Product,
    RowLogSumExp,
    RowSoftmax,
    Softmax,
    Total,
)
from derive.scalars import U
from derive.sharing import stretched

__all__ = ["recognised"]

ONE = Integer(1)
MANY_TERMS = 8  # of a sum that is multiplied out
EXP = sympy.exp(U)


def recognised(node: Any) -> Any:
    """Return a node, or the stable function that it spells out; its operands are done already.

    >>> from derive.language import read_formula
    >>> recognised(read_formula("log(sum(exp(x)))").expr)
    logsumexp(x)
    """
    if isinstance(node, MatrixSum):
        fused = _one_function(node)
        return node if fused is None else _if_simpler(*fused, node)
    if isinstance(node, Elementwise):
        return _elementwise(node)
    if isinstance(node, Product):
        return _softmax(node)
    if isinstance(node, Hadamard):
        return _distributed(_without_distribution(node))
    if isinstance(node, sympy.log) and isinstance(node.args[0], Total):
        inside = node.args[0].args[0]
        return LogSumExp(inside.matrix) if _is_exp(inside) else node
    if isinstance(node, Mul):
        node = _softmax_inside(node)
    return node if is_matrix(node) else spelled_out(node)


def _one_function(node: Any) -> tuple[Any, Any] | None:
    """Return a sum of numbers and functions of one argument as one function, and the argument."""
    argument, function = None, S.Zero
    for term in node.args:
        coefficient, rest = split(term)
        if not coefficient.is_number:
            return None
        of_u, matrix = U, rest
        if isinstance(rest, OneMatrix):
            of_u, matrix = ONE, argument
        elif isinstance(rest, Elementwise):
            of_u, matrix = rest.function, rest.matrix
        if argument is not None and matrix != argument:
            return None
        argument, function = matrix, Add(function, Mul(coefficient, of_u))
    return None if argument is None else (function, argument)


def _if_simpler(function: Any, argument: Any, node: Any) -> Any:
    """Return a function of an argument where something is recognised in it, else the node."""
    simpler = functions_spelled_out(function)
    return node if simpler == function else elementwise(simpler, argument)


def _elementwise(node: Any) -> Any:
    function, inner = node.args
    if function == sympy.log(U) and _is_row_sum(inner) and _is_exp(inner.factors[0]):
        return RowLogSumExp(inner.factors[0].matrix)
    if function.has(sympy.log) or any(power.exp.is_negative for power in function.atoms(Pow)):
        fused = _one_function(inner) if isinstance(inner, MatrixSum) else None
        if isinstance(inner, Elementwise):
            fused = inner.args
        if fused is not None:
            return _if_simpler(function.subs(U, fused[0]), fused[1], node)
    return _if_simpler(function, inner, node)


def _softmax(node: Any) -> Any:
    """Write exp(z)/sum(exp(z)) as exp(z − logsumexp(z)), or by its name for a column."""
    for factor in Mul.make_args(node.coefficient):
        e = _normaliser(factor)
        if e is not None:
            factors = [_divided(matrix, e) for matrix in node.factors]
            if factors != list(node.factors):
                return product(node.coefficient / factor, *factors)
    return node


def _normaliser(scalar: Any) -> Any:
    """Return exp(z) where a scalar is 1/sum(exp(z))."""
    if isinstance(scalar, Pow) and scalar.exp == -1 and isinstance(scalar.base, Total):
        return scalar.base.args[0] if _is_exp(scalar.base.args[0]) else None
    return None


def _divided(matrix: Any, e: Any) -> Any:
    """Return a matrix that has exp(z) as a factor with exp(z)/sum(exp(z)) in its place."""
    if matrix == e:
        if e.shape[1] == 1:
            return Softmax(e.matrix)
        z = e.matrix
        return elementwise(EXP, add(z, scale(-LogSumExp(z), ones(*z.shape))))
    if matrix == transpose(e):
        return transpose(_divided(e, e))
    if isinstance(matrix, Hadamard) and e in matrix.args:
        return hadamard(_divided(e, e), *(other for other in matrix.args if other is not e))
    return matrix


def _softmax_inside(scalar: Any) -> Any:
    """Write a'·exp(z)/sum(exp(z)) as a'·softmax(z)."""
    for factor in scalar.args:
        e = _normaliser(factor)
        for other in scalar.args if e is not None else ():
            if not isinstance(other, (Inner, Total)) or other is factor:
                continue
            matrices = [_divided(matrix, e) for matrix in other.args]
            if matrices != list(other.args):
                build = product if isinstance(other, Inner) else total
                rest = (f for f in scalar.args if f not in (factor, other))
                return Mul(build(*matrices), *rest)
    return scalar


def _row_softmax(node: Any) -> Any:
    """Write exp(z) over the sums of its rows by its name; factors may have fused anew."""
    factors = [_elementwise(part) if isinstance(part, Elementwise) else part for part in node.args]
    if any(new is not old for new, old in zip(factors, node.args, strict=True)):
        return hadamard(*factors)
    sums = {factor: core[0] for factor in node.args if (core := stretched(factor)) and core[2]}
    for e in filter(_is_exp, node.args):
        for factor, core in sums.items():
            inner = (
                core.matrix if isinstance(core, Elementwise) and core.function == 1 / U else None
            )
            if inner is not None and _is_row_sum(inner) and inner.factors[0] == e:
                others = [other for other in node.args if other not in (e, factor)]
                return hadamard(RowSoftmax(e.matrix), *others)
    return node


def _factors_fused(node: Any) -> Any:
    """Make factors that are functions of one argument one, where something is recognised in it.

    σ(z)·(1 − σ(z))/σ(−z), a factor each, is σ(z): as it stands it divides 0 by 0 for a large z.
    """
    if not isinstance(node, Hadamard):
        return node
    functions: dict[Any, dict[Any, Any]] = {}  # by argument, of each factor
    for factor in node.args:
        function, argument = _in_logistic(factor)
        functions.setdefault(argument, {})[factor] = function
    for argument, members in functions.items():
        together = Mul(*members.values())
        simpler = functions_spelled_out(together)
        shorter = weight(simpler) < sum(map(weight, members.values()))
        if len(members) > 1 and (shorter or simpler != together):
            others = [factor for factor in node.args if factor not in members]
            return hadamard(elementwise(simpler, argument), *others)
    return node


def _in_logistic(factor: Any) -> tuple[Any, Any]:
    """Return a factor as a function of the argument of its exponential or sigmoid.

    One function is taken into another, no more: a chain of functions stays as it is.
    """
    function, argument = factor.args if isinstance(factor, Elementwise) else (U, factor)
    if isinstance(argument, Elementwise) and not function.has(*LOGISTIC):
        inside = argument.function
        if inside.has(*LOGISTIC):
            function, argument = function.subs(U, inside), argument.matrix
    coefficient, rest = split(argument)
    if coefficient is not ONE and coefficient.is_number:
        return function.subs(U, coefficient * U), rest
    return function, argument


def _without_distribution(node: Any) -> Any:
    """Recognise in a product of entries, which may have become one function."""
    if isinstance(node, Hadamard):
        return _factors_fused(_row_softmax(node))
    return _elementwise(node) if isinstance(node, Elementwise) else node


def _distributed(node: Any) -> Any:
    """Multiply out the one sum in a product where that leaves no quotient and no exponential.

    Of one short sum alone, and one level of it: products of sums would grow exponentially.
    """
    sums = [arg for arg in node.args if isinstance(arg, MatrixSum)]
    if not isinstance(node, Hadamard) or len(sums) != 1 or len(sums[0].args) > MANY_TERMS:
        return node
    others = [other for other in node.args if other is not sums[0]]
    if not any(isinstance(other, Elementwise) for other in others):
        return node
    terms = (split(term) for term in sums[0].args)
    products = [scale(c, _without_distribution(hadamard(rest, *others))) for c, rest in terms]
    shorter = sum(map(weight, products)) < weight(node)
    return add(*products) if shorter and all(map(_is_bounded, products)) else node


def _is_bounded(term: Any) -> bool:
    """Say whether no factor of a term can be large of itself: an exponential, a quotient."""
    factors = term.args if isinstance(term, (Hadamard, Product)) else (term,)
    functions = [_in_logistic(factor)[0] for factor in factors if is_matrix(factor)]
    return not any(
        function.has(sympy.exp) or any(p.exp.is_negative for p in function.atoms(Pow))
        for function in functions
    )


def _is_row_sum(matrix: Any) -> bool:
    if not isinstance(matrix, Product) or len(matrix.args) != 2 or len(matrix.factors) != 2:
        return False
    last = matrix.factors[1]
    return isinstance(last, OneMatrix) and bool(last.shape[1] == 1)


def _is_exp(matrix: Any) -> bool:
    return isinstance(matrix, Elementwise) and bool(matrix.function == EXP)
