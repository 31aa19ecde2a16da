"""The entries at concrete sizes, as one writes them on paper: every finished step written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from derive.exact import explicit
from derive.graph import is_matrix, postorder
from derive.symbols import PartialDerivative

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.derivation import Derivation

__all__ = ["explicit_lines"]


def explicit_lines(derivation: Derivation, sizes: Mapping[Any, int]) -> list[tuple[Any, ...]]:
    """Return for each variable and each finished value its symbol and its entries.

    A value is written in the entries of the names that come before it, a derivative in the entries
    of values and variables; what a step only passes through is left out.
    """
    lines = [
        (variable, explicit(variable, sizes))
        for variable in derivation.formula.variables.values()
        if is_matrix(variable)
    ]
    finished: dict[Any, Any] = {}
    for step in derivation.steps:
        if isinstance(step.left, (PartialDerivative, sympy.Indexed)):
            continue
        if step.rule == "in the variables" or _has_derivatives(step.right[-1]):
            continue
        if _is_writable(step.right[-1]):
            finished[step.left] = step.right[-1]
    for symbol, value in finished.items():
        lines.append((symbol, explicit(value, sizes)))
    return lines


def _has_derivatives(expr: Any) -> bool:
    return any(hasattr(node, "derivative_of") for node in postorder(expr))


def _is_writable(expr: Any) -> bool:
    return not any(isinstance(node, sympy.Sum) for node in postorder(expr))
