"""Stable forms: the last rewriting before code, after which nothing is simplified any more.

softmax and log-sum-exp are written with the largest entry subtracted, and a cross-entropy or a
logarithm of a softmax without ever forming the softmax, so that logits of ±1e4 give finite right
answers. All forms of one argument share its shifted entries t = z − max(z), e = exp(t) and q = Σ e,
which sharing then computes once for the value and the gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer

from derive import nodes
from derive.build import (
    across,
    add,
    elementwise,
    hadamard,
    rebuild,
    with_operands,
)
from derive.code_functions import Normalised
from derive.conditioned import apart, conditioned
from derive.determinants import determinants
from derive.graph import operands, postorder
from derive.near_one import near_one
from derive.nodes import LogSumExp, MatrixSum, RowSoftmax, Softmax
from derive.powers import powers
from derive.recognise import recognised
from derive.removable import mended
from derive.saturated import balanced
from derive.scalars import U
from derive.shifts import shifted_sums
from derive.softmax_logs import ratios, shifted_parts, without_softmax
from derive.weighted import weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["stable"]

ONE = Integer(1)
LOG = sympy.log(U)


def stable(exprs: Sequence[Any]) -> list[Any]:
    """Rewrite expressions into their stable form; what they share is rewritten once.

    Each rule sees the whole graph before the next one does, and the order matters: singularities
    and functions are recognised as they are spelled, before other rules spell them otherwise;
    ``ratios``, ``balanced`` and ``weighted`` look for softmaxes, which ``without_softmax`` and
    ``_shifted`` then replace; ``near_one`` and ``powers`` take what is left.
    """
    exprs = mended(exprs)
    softmaxes = (ratios, balanced, weighted, without_softmax, _shifted)
    for rule in (determinants, recognised, conditioned, shifted_sums, *softmaxes, near_one, powers):
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


def _shifted(node: Any) -> Any:
    if isinstance(node, Softmax):
        t, q = shifted_parts(node)
        return Normalised(elementwise(sympy.exp(U), t), q)
    if isinstance(node, RowSoftmax):
        t, q = shifted_parts(node)
        return hadamard(elementwise(sympy.exp(U), t), across(elementwise(1 / U, q), t))
    if isinstance(node, LogSumExp):
        t, q = shifted_parts(node)
        return nodes.Maximum(node.args[0]) + sympy.log(q)
    if isinstance(node, nodes.RowLogSumExp):
        t, q = shifted_parts(node)
        return add(nodes.RowMaximum(node.args[0]), elementwise(LOG, q))
    return node
