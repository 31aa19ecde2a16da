"""Names that stand for derivatives in a derivation: ∇_z f, ∂f/∂x, ∇²_x f, and ∂s_i/∂z_k."""

from __future__ import annotations

from typing import Any, NamedTuple

import sympy
from sympy import Symbol

from derive.graph import is_matrix

__all__ = ["DERIVATIVE", "DIRECTIONAL", "GRADIENT", "HESSIAN", "HESSIAN_VECTOR", "JACOBIAN"]
__all__ += ["DerivativeName", "MatrixDerivative", "PartialDerivative", "ScalarDerivative"]
__all__ += ["derivative_symbol"]

# What a derivative is, by what it is of and what it is by.
GRADIENT = "gradient"  # a scalar's, in the variable's shape
JACOBIAN = "jacobian"  # a vector's by a vector
DERIVATIVE = "derivative"  # a vector's or a matrix's by a scalar, in the function's shape
DIRECTIONAL = "directional derivative"  # of a vector or a matrix along a direction of the variable
HESSIAN = "hessian"  # a scalar's, by a vector or a scalar
HESSIAN_VECTOR = "hessian-vector product"  # a scalar's by a matrix, along a direction


class DerivativeName(NamedTuple):
    """What a derivative is of, by, of which kind, and along which direction, as names."""

    function: str
    variable: str
    kind: str = GRADIENT
    direction: str = ""

    def __str__(self) -> str:
        second = self.kind in (HESSIAN, HESSIAN_VECTOR)
        quotient = f"d{self.function}/d{self.variable}"
        if second:
            quotient = f"d2{self.function}/d{self.variable}2"
        return f"{quotient}[{self.direction}]" if self.direction else quotient


class _Derivative:
    """A name that stands for the derivative of one named value by another."""

    derivative_of: DerivativeName


class MatrixDerivative(_Derivative, sympy.MatrixSymbol):
    """A derivative that is a matrix, as a symbol of its shape."""


class ScalarDerivative(_Derivative, Symbol):
    """A derivative that is a scalar, as a real symbol."""


class PartialDerivative(Symbol):
    """The derivative of one entry by another, ∂s_i/∂z_k, as a symbol."""

    quotient: tuple[Any, Any]

    @classmethod
    def of(cls, above: Any, below: Any) -> Any:
        """Name the derivative of one entry by another."""
        symbol = cls(f"d{above}/d{below}", real=True)
        symbol.quotient = (above, below)
        return symbol


def derivative_symbol(
    function: str, variable: Any, like: Any = None, kind: str = GRADIENT, direction: Any = None
) -> Any:
    """Return the symbol that stands for a derivative of a named function by a variable.

    It has the shape of the variable, or of an expression that it is ``like``.

    >>> from sympy import MatrixSymbol
    >>> derivative_symbol("f", MatrixSymbol("x", 3, 1)).name
    'df/dx'
    >>> derivative_symbol("f", Symbol("t"), kind=HESSIAN).name
    'd2f/dt2'
    """
    along = "" if direction is None else str(direction.name)
    name = DerivativeName(function, str(variable.name), kind, along)
    like = variable if like is None else like
    symbol: Any
    if is_matrix(like):
        symbol = MatrixDerivative(str(name), *like.shape)
    else:
        symbol = ScalarDerivative(str(name), real=True)
    symbol.derivative_of = name
    return symbol
