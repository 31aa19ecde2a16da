"""Symbols in, formulas and code out: derive gradients as on paper and emit them as NumPy code.

A formula is text, or a SymPy expression:

>>> import derive
>>> derive.differentiate("norm2(A*x - y)^2", wrt=["x"]).gradient["x"]
2*A'*(A*x - y)
>>> from sympy import MatrixSymbol, Trace, symbols
>>> m, n, c = symbols("m n c")
>>> A, X = MatrixSymbol("A", m, n), MatrixSymbol("X", n, n)
>>> derivation = derive.differentiate(c * Trace(X.T * A.T * A * X), wrt=[X, c])
>>> derivation.gradient["X"]
2*c*A'*A*X
>>> derive.formula_text(derivation.gradient["c"])
"tr(X'*A'*A*X)"
>>> derive.read_formula("tr(X'*A'*A*X)").expr
tr(X'*A'*A*X)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.adopt import formula_text
    from derive.derivation import Derivation, Step
    from derive.derivatives import differentiate
    from derive.language import Formula, read_formula

__all__ = ["Derivation", "Formula", "Step", "differentiate", "formula_text", "read_formula"]

_HOMES = {
    "Derivation": "derive.derivation",
    "Formula": "derive.language",
    "Step": "derive.derivation",
    "differentiate": "derive.derivatives",
    "formula_text": "derive.adopt",
    "read_formula": "derive.language",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that errors and help cost no SymPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'derive' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
