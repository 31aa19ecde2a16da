"""Stable forms: the last rewriting before code, after which nothing is simplified any more.

softmax and log-sum-exp are written with the largest entry subtracted, and a cross-entropy or a
logarithm of a softmax without ever forming the softmax, so that logits of ±1e4 give finite right
answers. All forms of one argument share its shifted entries t = z − max(z), e = exp(t) and q = Σ e,
which sharing then computes once for the value and the gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Integer, Mul, S

from derive import nodes
from derive.build import (
    across,
    add,
    elementwise,
    hadamard,
    rebuild,
    row_sum,
    scale,
    split,
    total,
    with_operands,
)
from derive.conditioned import apart, conditioned
from derive.graph import is_matrix, operands, postorder
from derive.near_one import near_one
from derive.nodes import CrossEntropy, Elementwise, LogSumExp, MatrixSum, RowSoftmax, Softmax
from derive.recognise import recognised
from derive.scalars import U
from derive.shifts import shifted_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["stable"]

ONE = Integer(1)
LOG = sympy.log(U)


def stable(exprs: Sequence[Any]) -> list[Any]:
    """Rewrite expressions into their stable form; what they share is rewritten once."""
    for rule in (recognised, conditioned, shifted_sums, _without_softmax, _shifted, near_one):
        exprs = _transformed(exprs, rule)
    return apart(exprs)


def _transformed(exprs: Sequence[Any], rule: Callable[[Any], Any]) -> list[Any]:
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        old = operands(node)
        new = tuple(done[operand] for operand in old)
        if new == old:
            done[node] = rule(node)
        elif isinstance(node, MatrixSum) or isinstance(new[-1], MatrixSum):
            done[node] = rule(with_operands(node, new))  # a difference stays one operand
        else:
            done[node] = rule(rebuild(node, new))
    return [done[expr] for expr in exprs]


def _without_softmax(node: Any) -> Any:
    """Write logarithms of a softmax, and exp(z − logsumexp(z)), in the shifted entries."""
    if isinstance(node, CrossEntropy):
        p, y = node.args
        return Mul(S.NegativeOne, total(hadamard(y, _log(p))))
    if isinstance(node, MatrixSum):
        return _log_of_softmax(node)
    if not isinstance(node, Elementwise):
        return node
    if isinstance(node.matrix, (Softmax, RowSoftmax)) and node.function.has(LOG):
        terms = Add.make_args(sympy.expand_mul(node.function))
        return add(*(_with_log(term, node.matrix) for term in terms))
    if node.function == sympy.exp(U) and isinstance(node.matrix, MatrixSum):
        return _normalised(node)
    return node


def _with_log(term: Any, p: Any) -> Any:
    """Return a term such as u·log(u) of a softmax p, its logarithm apart."""
    rest, power = term.as_independent(LOG, as_Add=False)
    if rest.has(LOG) or (power.has(U) and power.as_base_exp()[0] != LOG):
        return elementwise(term, p)  # a logarithm inside another function
    return hadamard(elementwise(rest, p), elementwise(power.subs(LOG, U), _log(p)))


def _log(p: Any) -> Any:
    if not isinstance(p, (Softmax, RowSoftmax)):
        return elementwise(LOG, p)
    return _shifted_log(*_parts(p))


def _shifted_log(t: Any, q: Any) -> Any:
    log_q = elementwise(LOG, q) if is_matrix(q) else sympy.log(q)
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
            return scale(-sign, _shifted_log(*_parts(functional)))
        if len(left.args if isinstance(left, MatrixSum) else (left,)) == fewer:
            return MatrixSum(left, scale(-sign, _shifted_log(*_parts(functional))))
    return node


def _normalised(node: Any) -> Any:
    """Write exp(t − log(q)) as exp(t)/q."""
    t = node.matrix.args[0]
    if isinstance(t, MatrixSum) and len(node.matrix.args) == 2:
        t_of_z, q = _parts(LogSumExp(t.args[0]))
        if t_of_z == t and _shifted_log(t, q) == node.matrix:
            return scale(1 / q, elementwise(sympy.exp(U), t))
    return node


def _shifted(node: Any) -> Any:
    if isinstance(node, Softmax):
        t, q = _parts(node)
        return scale(1 / q, elementwise(sympy.exp(U), t))
    if isinstance(node, RowSoftmax):
        t, q = _parts(node)
        return hadamard(elementwise(sympy.exp(U), t), across(elementwise(1 / U, q), t))
    if isinstance(node, LogSumExp):
        t, q = _parts(node)
        return nodes.Maximum(node.args[0]) + sympy.log(q)
    if isinstance(node, nodes.RowLogSumExp):
        t, q = _parts(node)
        return add(nodes.RowMaximum(node.args[0]), elementwise(LOG, q))
    return node


def _parts(node: Any) -> tuple[Any, Any]:
    """Return the shifted entries t and the sum q of exp(t), of all entries or of each row."""
    z = node.args[0]
    by_row = isinstance(node, (RowSoftmax, nodes.RowLogSumExp))
    largest = nodes.RowMaximum(z) if by_row else nodes.Maximum(z)
    t = MatrixSum(z, scale(S.NegativeOne, across(largest, z)))  # as one difference, unflattened
    e = elementwise(sympy.exp(U), t)
    return t, row_sum(e) if by_row else total(e)
