"""Which expressions are fractions of the variables' entries, so that exact arithmetic decides."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.matrices.expressions import Transpose

from derive import nodes, scalars
from derive.graph import operands, postorder
from derive.nodes import EXTREMA, Elementwise, MatrixSum
from derive.scalars import U

__all__ = ["is_rational"]

_PIECEWISE = (
    *(scalars.relu, scalars.absolute, scalars.step, scalars.sign),
    *(scalars.maximum, scalars.minimum),
)
_RATIONAL = (
    *(nodes.Product, nodes.Hadamard, nodes.Kronecker, nodes.Inner, sympy.Mul, sympy.Add),
    *(Transpose, nodes.Diag, nodes.Diagonal, nodes.LowerTriangle, nodes.UpperTriangle),
    *(nodes.Total, nodes.Trace, MatrixSum, *EXTREMA),
    *(nodes.Inverse, nodes.PseudoInverse, nodes.Adjugate, nodes.Determinant),
)


def is_rational(expr: Any) -> bool:
    """Say whether an expression's entries are fractions wherever the variables' are.

    Branches do not matter: relu, abs, step, sign, max and min are fractions on each.

    >>> from derive.language import read_formula
    >>> is_rational(read_formula("x'*inv(A)*x").expr), is_rational(read_formula("exp(a)").expr)
    (True, False)
    """
    return all(_is_rational(node) for node in postorder(expr))


def _is_rational(node: Any) -> bool:
    if isinstance(node, Elementwise):
        function = node.function.replace(lambda f: isinstance(f, _PIECEWISE), lambda f: f.args[0])
        return bool(function.is_rational_function(U))
    if isinstance(node, sympy.Pow):
        return bool(node.exp.is_Integer)
    if isinstance(node, (*_RATIONAL, *_PIECEWISE)):
        return True
    return not operands(node) and (node.is_Rational or not node.is_number)
