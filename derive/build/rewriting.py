"""Making nodes again: through the constructors, or for code as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Function, Pow
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build.elementwise import elementwise, hadamard, power
from derive.build.extrema import (
    entrywise_maximum,
    entrywise_minimum,
    first_maximum,
    maximum,
    minimum,
    row_maximum,
)
from derive.build.kronecker import kronecker
from derive.build.linear import add, transpose
from derive.build.products import inverse, norm2, product, total
from derive.build.structure import (
    adjugate,
    determinant,
    diag,
    diagonal,
    log_det,
    log_sum_exp,
    lower_triangle,
    pseudo_inverse,
    row_log_sum_exp,
    row_softmax,
    softmax,
    trace,
    upper_triangle,
)
from derive.graph import operands, postorder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["rebuild", "replace", "rewritten", "transform", "with_operands"]

CONSTRUCTORS: Mapping[type, Callable[..., Any]] = {
    nodes.Product: product,
    nodes.MatrixSum: add,
    nodes.Hadamard: hadamard,
    Transpose: transpose,
    nodes.Inverse: inverse,
    nodes.Diag: diag,
    nodes.Diagonal: diagonal,
    nodes.Softmax: softmax,
    nodes.RowSoftmax: row_softmax,
    nodes.RowLogSumExp: row_log_sum_exp,
    nodes.RowMaximum: row_maximum,
    nodes.Maximum: maximum,
    nodes.Minimum: minimum,
    nodes.EntrywiseMaximum: entrywise_maximum,
    nodes.EntrywiseMinimum: entrywise_minimum,
    nodes.FirstMaximum: first_maximum,
    nodes.PseudoInverse: pseudo_inverse,
    nodes.Adjugate: adjugate,
    nodes.LowerTriangle: lower_triangle,
    nodes.UpperTriangle: upper_triangle,
    nodes.Kronecker: kronecker,
    nodes.Inner: product,
    nodes.Total: total,
    nodes.Trace: trace,
    nodes.Determinant: determinant,
    nodes.LogDet: log_det,
    nodes.Norm2: norm2,
    nodes.LogSumExp: log_sum_exp,
    Pow: power,
}


def rebuild(node: Any, new_operands: tuple[Any, ...]) -> Any:
    """Make a node again from other operands, through its constructor."""
    if isinstance(node, nodes.Elementwise):
        return elementwise(node.function, *new_operands)
    if isinstance(node, Function) and not all(operand.is_Atom for operand in new_operands):
        return node.func(*new_operands, evaluate=False)  # which would ask SymPy about the argument
    constructor = CONSTRUCTORS.get(type(node), node.func)
    return constructor(*new_operands)


def transform(expr: Any, rule: Callable[[Any], Any]) -> Any:
    """Apply a rule to every node from the leaves up, through the constructors."""
    done: dict[Any, Any] = {}
    for node in postorder(expr):
        done[node] = rule(_remade(node, done))
    return done[expr]


def replace(expr: Any, mapping: Mapping[Any, Any]) -> Any:
    """Replace nodes, and make everything above them again through the constructors."""
    done: dict[Any, Any] = {}
    for node in postorder(expr, leaves=mapping):
        done[node] = mapping[node] if node in mapping else _remade(node, done)
    return done[expr]


def _remade(node: Any, done: Mapping[Any, Any]) -> Any:
    old = operands(node)
    new = tuple(done[operand] for operand in old)
    unchanged = all(a is b for a, b in zip(old, new, strict=True))
    return node if unchanged or new == old else rebuild(node, new)


def rewritten(exprs: Sequence[Any], rule: Callable[[Any], Any]) -> list[Any]:
    """Apply a rule to every node from the leaves up, and simplify nothing else."""
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        done[node] = rule(with_operands(node, tuple(done[operand] for operand in operands(node))))
    return [done[expr] for expr in exprs]


def with_operands(node: Any, new: tuple[Any, ...]) -> Any:
    """Make a node again from other operands as it is, nothing simplified."""
    if new == operands(node):
        return node
    return (
        node.func(node.function, *new) if isinstance(node, nodes.Elementwise) else node.func(*new)
    )
