"""A derivation's value and gradients as a function that is called by the variables' names.

It checks what it is given, which emitted code does not: with a vector of one axis NumPy would
broadcast, and compute something else.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import sympy

from derive.emit import emit, size_sources, value_names
from derive.errors import InputError
from derive.graph import shape_of
from derive.kernels import bind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["emit_value_and_grad"]


def emit_value_and_grad(derivation: Any) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Compile a derivation into ``value_and_grad(**variables) -> (value, {name: derivative})``.

    Directions, where derivatives are along some, are arguments after the variables.

    A number is a scalar of the arrays' dtype. The function raises an ``InputError`` for an array of
    another shape than its variable's: with a vector of one axis NumPy would broadcast, and compute
    something else.
    """
    variables = {**derivation.formula.variables, **derivation.directions}
    outputs = (derivation.formula.expr, *derivation.gradient.values())
    names = tuple(derivation.gradient)
    emitted = emit(outputs, variables, value_names(derivation))
    signature = inspect.signature(emitted.function)

    def value_and_grad(*arguments: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        given = signature.bind(*arguments, **named).args
        value, *gradients = emitted.function(*_fitting(variables, given))
        return value, dict(zip(names, gradients, strict=True))

    return value_and_grad


def _fitting(variables: Mapping[str, Any], arguments: Sequence[Any]) -> list[Any]:
    """Return the arguments, NumPy's integers as floating-point numbers; refuse what does not fit.

    The arrays of another library are left as they are.
    """
    import numpy

    own = (numpy.ndarray, numpy.generic)
    arrays = [
        argument
        if hasattr(argument, "shape") and not isinstance(argument, own)
        else numpy.asarray(argument)
        for argument in arguments
    ]
    kinds = [array.dtype.kind if isinstance(array, own) else "f" for array in arrays]
    given = [a.dtype for a in arrays if isinstance(a, own) and a.dtype.kind == "f" and a.ndim]
    floating = numpy.result_type(*given) if given else numpy.dtype(float)
    sizes = _sizes(variables, arrays)
    fitting: list[Any] = []
    for (name, variable), argument, array, kind in zip(
        variables.items(), arguments, arrays, kinds, strict=True
    ):
        if kind not in "fiub":
            raise InputError(f"{name}: expected real numbers, got an array of {array.dtype}.")
        expected = tuple(size.xreplace(sizes) for size in shape_of(variable))
        if tuple(array.shape) != expected:
            raise InputError(
                f"{name}: expected shape ({', '.join(map(str, expected))}), got "
                f"{tuple(array.shape)}. "
                "A column vector is an array of shape (n, 1): reshape(-1, 1) makes one."
            )
        if kind == "f":
            fitting.append(array if array.shape else argument)
        else:
            fitting.append(array.astype(floating) if array.ndim else float(array))
    models = [array for array in fitting if getattr(array, "ndim", 0)] or fitting
    as_scalar = bind(numpy)["_scalar"]
    return [as_scalar(argument, *models) for argument in fitting]


def _sizes(variables: Mapping[str, Any], arrays: Sequence[Any]) -> dict[Any, Any]:
    """Return the number of every symbolic size, as the first array says that has it."""
    sizes: dict[Any, Any] = {}
    given = dict(zip(variables, arrays, strict=True))
    for size, name, axis, others in size_sources(variables):
        number, divisor = given[name].shape[axis : axis + 1], others.xreplace(sizes)
        if number and divisor.is_Integer:
            sizes[size] = sympy.Integer(number[0] // int(divisor))
    return sizes
