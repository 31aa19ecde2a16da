"""Memory order, for code that is called many times on arrays of known sizes.

A reduction along rows of a few entries is a loop over few entries, started once a row. With the
columns contiguous it is a few loops over all rows. So a matrix product with short rows that are
reduced is put into column order, and what is computed from it entry by entry inherits that: every
value is kept. It costs a reader something, so that only code asks for it that nobody reads:
training's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import OneMatrix

from derive.build import with_operands
from derive.graph import operands, postorder
from derive.nodes import Elementwise, Hadamard, MatrixFunction, MatrixSum, Product, RowMaximum
from derive.sharing import stretched

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ColumnOrder", "arranged"]

SHORT_ROW = 32  # entries; copying rows of more costs more than the reductions gain


class ColumnOrder(MatrixFunction):
    """A matrix as it is, its columns contiguous in memory."""

    name = "asfortranarray"


def arranged(
    named: Sequence[tuple[Any, Any]], results: Sequence[Any]
) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Choose memory orders in named values, in the order of computation, and in the results."""
    by_column = _in_column_order(named, results)
    return (
        [(symbol, _rewritten(body, by_column)) for symbol, body in named],
        [_rewritten(result, by_column) for result in results],
    )


def _in_column_order(named: Sequence[tuple[Any, Any]], results: Sequence[Any]) -> set[Any]:
    """Find the products from which entrywise operations lead to a reduction along short rows."""
    reached: set[Any] = set()
    bodies = [*named, *((None, result) for result in results)]
    for symbol, body in reversed(bodies):
        if symbol in reached:
            reached.add(body)
        for node in reversed(postorder(body)):
            argument = _reduced_along_rows(node)
            if argument is not None and _has_short_rows(argument):
                reached.add(argument)
            if node in reached and _is_entrywise(node):
                reached.update(o for o in operands(node) if getattr(o, "shape", ()) == node.shape)
    return {node for node in reached if _is_matrix_product(node)}


def _reduced_along_rows(node: Any) -> Any:
    if isinstance(node, RowMaximum):
        return node.args[0]
    if isinstance(node, Product) and len(node.factors) == 2:
        left, right = node.factors
        if isinstance(right, OneMatrix) and right.shape[1] == 1:
            return left
    return None


def _has_short_rows(matrix: Any) -> bool:
    rows, columns = matrix.shape
    if not columns.is_Integer or not 1 < columns <= SHORT_ROW:
        return False
    return bool(not rows.is_Integer or rows > columns)


def _is_entrywise(node: Any) -> bool:
    if isinstance(node, Product):
        return len(node.factors) == 1
    return isinstance(node, (Elementwise, MatrixSum, Hadamard))


def _is_matrix_product(node: Any) -> bool:
    return isinstance(node, Product) and len(node.factors) > 1 and stretched(node) is None


def _rewritten(expr: Any, by_column: set[Any]) -> Any:
    done: dict[Any, Any] = {}
    for node in postorder(expr):
        rebuilt = with_operands(node, tuple(done[operand] for operand in operands(node)))
        done[node] = ColumnOrder(rebuilt) if node in by_column else rebuilt
    return done[expr]
