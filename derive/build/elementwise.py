"""Elementwise functions, powers and products: factors that are functions of one argument merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Identity, Mul, OneMatrix, Pow, S, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive.build.linear import ONE, ones, same_size, scale, size_text, split, transpose
from derive.errors import InputError, RefusedError
from derive.graph import is_matrix, weight
from derive.nodes import Elementwise, Hadamard, Kronecker, Product
from derive.scalars import U, absolute, relu, sign, step
from derive.scalars import power as scalar_power

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["elementwise", "fused", "hadamard", "power"]


def hadamard(*factors: Any) -> Any:
    """Multiply elementwise; factors that are functions of one argument become one function."""
    if not is_matrix(factors[0]):
        return Mul(*factors)
    coefficient, shape = ONE, factors[0].shape
    functions: dict[Any, Any] = {}  # by argument
    alone: dict[Any, Any] = {}  # the factor that an argument occurs in, where there is but one
    for factor in factors:
        c, rest = split(factor)
        coefficient = Mul(coefficient, c)
        for part in rest.args if isinstance(rest, Hadamard) else (rest,):
            if not is_matrix(part) or not all(map(same_size, part.shape, shape)):
                sizes = f"{size_text(factors[0])} and {size_text(part)}"
                raise InputError(f"an elementwise product of {sizes}")
            if isinstance(part, ZeroMatrix):
                return part
            base, function = _as_function(part, functions)
            alone[base] = None if base in functions else part
            known = functions.get(base)
            functions[base] = function if known is None else fused(Mul(known, function))
    parts = []
    for base, function in functions.items():
        c, rest = split(alone[base] or elementwise(function, base))
        coefficient = Mul(coefficient, c)
        if not isinstance(rest, OneMatrix):
            parts.append(rest)
    if not parts:
        return scale(coefficient, ones(*shape))
    if len(parts) > 1 and any(isinstance(part, Kronecker) for part in parts):
        from derive.build.kronecker import merged  # which multiplies elementwise in its turn

        fewer = merged(parts)
        if len(fewer) < len(parts):
            return scale(coefficient, hadamard(*fewer))
    return scale(coefficient, parts[0] if len(parts) == 1 else Hadamard(*parts))


def _as_function(part: Any, known: dict[Any, Any]) -> tuple[Any, Any]:
    """Return a factor as a function of an argument; f(A)' is a function of A'."""
    if part in known:
        return part, U
    if isinstance(part, Elementwise):
        return part.matrix, part.function
    if isinstance(part, Transpose) and isinstance(part.args[0], Elementwise):
        return transpose(part.args[0].matrix), part.args[0].function
    return part, U


def fused(function: Any) -> Any:
    """Simplify a product of scalar functions by what holds at every real u.

    relu(u)·step(u) = relu(u), abs(u)·sign(u) = u, u·uᵖ = uᵖ⁺¹.
    """
    if not isinstance(function, Mul):
        return function
    function = _of_distinct_bases(function)
    factors = list(function.args)
    for factor in function.args:
        base, exponent = factor.as_base_exp()
        if isinstance(base, relu) and exponent.is_positive and step(base.args[0]) in factors:
            factors.remove(step(base.args[0]))
        if isinstance(factor, absolute) and sign(factor.args[0]) in factors:
            factors.remove(sign(factor.args[0]))
            factors[factors.index(factor)] = factor.args[0]
    return function if len(factors) == len(function.args) else Mul(*factors)


def _of_distinct_bases(function: Any) -> Any:
    """Add the exponents of a base that has several, one of them of a symbol."""
    exponents: dict[Any, list[Any]] = {}
    for factor in function.args:
        base, exponent = factor.as_base_exp() if isinstance(factor, Pow) else (factor, S.One)
        exponents.setdefault(base, []).append(exponent)
    if len(exponents) == len(function.args):
        return function
    return Mul(*(Pow(base, Add(*found)) for base, found in exponents.items()))


def elementwise(function: Any, matrix: Any) -> Any:
    """Apply a scalar function, an expression in U, to every entry."""
    if function == U:
        return matrix
    if not function.has(U):
        return scale(function, ones(*matrix.shape))
    if function.free_symbols != {U}:
        raise RefusedError(f"{function} is no elementwise function of one argument.")
    constant, function = function.as_independent(U, as_Add=False)
    if isinstance(function, sympy.Function) and function.args[0] == -U:
        function, matrix = function.func(U), scale(S.NegativeOne, matrix)
    coefficient, rest = split(matrix)
    if isinstance(function, Pow) and function.base == U and function.exp.is_Integer:
        constant, matrix = Mul(constant, scalar_power(coefficient, function.exp)), rest
    if isinstance(matrix, (OneMatrix, ZeroMatrix, Identity)):
        return scale(constant, _of_constant(function, matrix))
    if isinstance(matrix, Elementwise) and isinstance(function, (Pow, sympy.log)):
        composed = _own_absolute(function.subs(U, matrix.function))
        if weight(composed) <= weight(matrix.function):
            return scale(constant, elementwise(composed, matrix.matrix))
    if isinstance(matrix, Transpose):
        return scale(constant, transpose(elementwise(function, matrix.args[0])))
    if isinstance(matrix, Product) and (stretch := _stretched(matrix)) is not None:
        return scale(constant, stretch(function))
    return scale(constant, Elementwise(function, matrix))


def _stretched(matrix: Any) -> Callable[[Any], Any] | None:
    """Return how a function of a stretched column or row is made: f(v·1') = f(v)·1'."""
    from derive.build.products import product  # which needs elementwise products in its turn

    factors = matrix.factors
    if len(factors) < 2:
        return None
    if isinstance(factors[-1], OneMatrix) and factors[-1].shape[0] == 1:
        column = product(matrix.coefficient, *factors[:-1])
        return lambda function: product(elementwise(function, column), factors[-1])
    if isinstance(factors[0], OneMatrix) and factors[0].shape[1] == 1:
        row = product(matrix.coefficient, *factors[1:])
        return lambda function: product(factors[0], elementwise(function, row))
    return None


def _of_constant(function: Any, matrix: Any) -> Any:
    """Apply a function to ones, zeros, or ones among zeros."""
    if function == U:
        return matrix
    at_zero, at_one = (function.xreplace({U: number}) for number in (S.Zero, ONE))
    if isinstance(matrix, OneMatrix):
        return scale(at_one, matrix)
    if not at_zero.is_finite:
        raise InputError("a function that is not finite at 0, of entries that are always 0")
    if isinstance(matrix, ZeroMatrix):
        return scale(at_zero, ones(*matrix.shape))
    return scale(at_one, matrix) if at_zero == 0 else Elementwise(function, matrix)


def power(base: Any, exponent: Any) -> Any:
    """Raise a scalar to a power, or every entry of a matrix to a scalar power."""
    if is_matrix(base):
        return elementwise(Pow(U, exponent), base)
    return scalar_power(base, sympy.sympify(exponent))


def _own_absolute(expr: Any) -> Any:
    """Write SymPy's Abs, into which it turns the root of a square, as the function of our own."""
    if isinstance(expr, sympy.Abs):
        return absolute(expr.args[0])
    if isinstance(expr, (Add, Mul, Pow)):
        parts = [_own_absolute(arg) for arg in expr.args]
        if any(new is not old for new, old in zip(parts, expr.args, strict=True)):
            return expr.func(*parts)
    return expr
