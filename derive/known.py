"""What a person does first: write exp(z)/sum(exp(z)) by its name, as softmax(z)."""

from __future__ import annotations

from typing import Any

from derive.build import transform
from derive.graph import is_matrix, postorder
from derive.nodes import Elementwise, LogSumExp, RowLogSumExp, RowSoftmax, Softmax
from derive.recognise import recognised
from derive.scalars import sigmoid, softplus

__all__ = ["known_functions", "names_of_functions"]

LOGISTIC = (sigmoid, softplus)
NAMED = (LogSumExp, RowLogSumExp, RowSoftmax, Softmax)


def known_functions(expr: Any) -> Any:
    """Write an expression in the functions that it spells out, everywhere in it.

    >>> from derive.language import read_formula
    >>> known_functions(read_formula("y'*exp(x)/sum(exp(x))").expr)
    y'*softmax(x)
    """
    return transform(expr, recognised)


def names_of_functions(before: Any, after: Any) -> list[str]:
    """Name the functions that an expression has and another had not, in order."""
    old, new = _functions(before), _functions(after)
    return [name for name in new if name not in old]


def _functions(expr: Any) -> dict[str, None]:
    found: dict[str, None] = {}
    for node in postorder(expr):
        if isinstance(node, NAMED):
            found[type(node).name] = None
        inside = node.function if isinstance(node, Elementwise) else node
        if not is_matrix(inside):
            parts = {inside} if inside is node else inside.atoms(*LOGISTIC)
            names = (part.func.__name__ for part in parts if isinstance(part, LOGISTIC))
            found |= dict.fromkeys(sorted(names))
    return found
