"""Names that stand for derivatives in a derivation: ∇_z f, and ∂s_i/∂z_k."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Symbol

from derive.graph import is_matrix

__all__ = ["MatrixDerivative", "PartialDerivative", "ScalarDerivative", "derivative_symbol"]


class _Derivative:
    """A name ``df/dz`` that stands for the derivative of one named value by another."""

    name: str

    @property
    def derivative_of(self) -> tuple[str, str]:
        """The function's and the variable's name."""
        function, variable = self.name.split("/")
        return function[1:], variable[1:]


class MatrixDerivative(_Derivative, sympy.MatrixSymbol):
    """The gradient by a matrix, as a symbol of the matrix's shape."""


class ScalarDerivative(_Derivative, Symbol):
    """The derivative by a scalar, as a real symbol."""


class PartialDerivative(Symbol):
    """The derivative of one entry by another, ∂s_i/∂z_k, as a symbol."""

    quotient: tuple[Any, Any]

    @classmethod
    def of(cls, above: Any, below: Any) -> Any:
        """Name the derivative of one entry by another."""
        symbol = cls(f"d{above}/d{below}", real=True)
        symbol.quotient = (above, below)
        return symbol


def derivative_symbol(function: str, variable: Any) -> Any:
    """Return the symbol that stands for the derivative of a named function by a variable."""
    name = f"d{function}/d{variable.name}"
    if is_matrix(variable):
        return MatrixDerivative(name, *variable.shape)
    return ScalarDerivative(name, real=True)
