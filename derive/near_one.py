"""Logarithms near 1, exponentials near 0: log(1 + t) and exp(t) − 1 keep a small t's digits.

NumPy's ``log1p`` and ``expm1`` are SymPy's classes of these names here; they stand in code alone,
put in after all simplification.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, OneMatrix
from sympy.codegen.cfunctions import expm1, log1p

from derive.build import add, split
from derive.graph import is_matrix
from derive.nodes import Elementwise, MatrixSum
from derive.scalars import U

__all__ = ["near_one"]


def near_one(node: Any) -> Any:
    """Write log(1 + t) as log1p(t) and exp(t) − 1 as expm1(t), of scalars and of entries.

    >>> a = sympy.Symbol("a", real=True)
    >>> near_one(sympy.log(1 + a)), near_one(sympy.exp(a) - 1)
    (log1p(a), expm1(a))
    """
    if isinstance(node, MatrixSum):
        return _difference_of_entries(node)
    if isinstance(node, Elementwise):
        return _of_entries(node)
    return node if is_matrix(node) else _of_scalar(node)


def _of_scalar(scalar: Any) -> Any:
    if isinstance(scalar, sympy.log) and isinstance(scalar.args[0], Add):
        first, *rest = scalar.args[0].args
        return log1p(Add(*rest), evaluate=False) if first == 1 else scalar
    if isinstance(scalar, Add) and len(scalar.args) == 2 and scalar.args[0] == -1:
        exponential = scalar.args[1]
        if isinstance(exponential, sympy.exp):
            return expm1(exponential.args[0], evaluate=False)
    return scalar


def _of_entries(node: Any) -> Any:
    if node.function == sympy.log(U) and isinstance(node.matrix, MatrixSum):
        rest = [term for term in node.matrix.args if not isinstance(term, OneMatrix)]
        if len(rest) < len(node.matrix.args):
            return Elementwise(log1p(U), add(*rest))
        return node
    inside = node.function.replace(lambda part: isinstance(part, (sympy.log, Add)), _of_scalar)
    return node if inside == node.function else Elementwise(inside, node.matrix)


def _difference_of_entries(node: Any) -> Any:
    ones = [term for term in node.args if isinstance(split(term)[1], OneMatrix)]
    others = [term for term in node.args if term not in ones]
    if len(ones) != 1 or len(others) != 1 or split(ones[0])[0] != -1:
        return node
    (other,) = others
    is_exp = isinstance(other, Elementwise) and other.function == sympy.exp(U)
    return Elementwise(expm1(U), other.matrix) if is_exp else node
