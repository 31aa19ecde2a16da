"""What SymPy's own nodes mean in the formula language: one row a class.

A row says which arguments of a node are its operands and how the node is made from their values by
the constructors of ``derive.build``. Rules get the node and the values, scalars and matrices of
ours; what SymPy takes for a 1×1 matrix is a scalar there. A class without a row has no counterpart
and is refused by its name. Functions of one scalar are those of ``derive.scalars``.

Heaviside(u) is ½ at 0 and step(u) is 0: it is (1 + sign(u))/2, equal everywhere. Of the
arguments of Max and Min that are equal the gradient goes to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer, Pow, S
from sympy.core.function import AppliedUndef
from sympy.matrices import expressions as of_sympy
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.matexpr import MatrixElement

from derive import build, scalars
from derive.elaborate import MAX_MATRIX_POWER
from derive.errors import InputError, RefusedError, suggestion
from derive.functions import FUNCTIONS
from derive.graph import is_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["COUNTERPARTS", "Counterpart", "counterpart_of", "shown"]

ONE = Integer(1)
SHOWN_NODES = 40  # of an expression that a message shows


@dataclass(frozen=True)
class Counterpart:
    """A node's operands, the constructor ``(node, *values)``, and whether it acts by entries.

    Entry by entry is what an operation of scalars does with the argument of ``applyfunc``.
    """

    build: Callable[..., Any]
    operands: Callable[[Any], tuple[Any, ...]] = attrgetter("args")
    entrywise: bool = False


def _first(node: Any) -> tuple[Any, ...]:
    return tuple(node.args[:1])


def counterpart_of(node: Any) -> Counterpart:
    """Return the row of a node's class.

    Raises:
        RefusedError: where there is none.

    >>> x = sympy.MatrixSymbol("x", 3, 1)
    >>> counterpart_of(x.T * x).entrywise, counterpart_of(sympy.sin(x[0, 0])).entrywise
    (False, True)
    """
    kind = type(node)
    if kind in COUNTERPARTS:
        return COUNTERPARTS[kind]
    name = scalars.name_of(kind) or _NAMES.get(kind)
    if name and name in scalars.FUNCTIONS and len(node.args) == 1:
        return Counterpart(lambda _, u: _function(name, u), entrywise=True)
    raise _refusal(node)


def _refusal(node: Any) -> RefusedError:
    if isinstance(node, AppliedUndef):
        name = type(node).__name__
        hint = suggestion(name, scalars.FUNCTIONS) or f" Known: {', '.join(scalars.FUNCTIONS)}."
        if name in scalars.FUNCTIONS:
            hint = " Use SymPy's own function, or the one in derive.scalars."
        return RefusedError(f"{shown(node)}: '{name}' is a function without a definition.{hint}")
    kind = type(node).__name__
    what, hint = _HINTS.get(kind, (f"SymPy's {kind} has", "Write it by other operations."))
    return RefusedError(f"{shown(node)}: {what} no counterpart in the formula language. {hint}")


def shown(node: Any) -> str:
    """Print a node for a message, by its class where it is large."""
    count, stack = 0, [node]
    while stack and count <= SHOWN_NODES:
        stack.extend(stack.pop().args)
        count += 1
    return type(node).__name__ if stack else " ".join(str(node).split())


# Shapes.


def _require_square(value: Any) -> None:
    if is_matrix(value) and not build.same_size(*value.shape):
        rows, columns = value.shape
        raise InputError(f"expected a square matrix, got ({rows}, {columns}).")


def _column(vector: Any) -> Any:
    if not is_matrix(vector) or vector.shape[1] == 1:
        return vector
    if vector.shape[0] != 1:
        raise InputError(f"expected a vector, got {vector.shape}.")
    return build.transpose(vector)


def _of_square(function: Callable[[Any], Any]) -> Counterpart:
    def build_square(_: Any, matrix: Any) -> Any:
        _require_square(matrix)
        return function(matrix)

    return Counterpart(build_square, _first)


def _of_one_shape(function: Callable[..., Any]) -> Counterpart:
    """Require all scalars or all matrices, whose sizes the constructor compares."""

    def build_alike(_: Any, *values: Any) -> Any:
        if len(set(map(is_matrix, values))) > 1:
            raise InputError("the shapes differ, one is 1x1 and another is not.")
        return function(*values)

    return Counterpart(build_alike)


# Matrices.


def _product(node: Any, *factors: Any) -> Any:
    """Multiply in order; what is 1×1 for SymPy has to fit as such, and is a scalar then."""
    pairs = zip(node.args, factors, strict=True)
    shapes = [f.shape if is_matrix(f) else (ONE, ONE) for arg, f in pairs if is_matrix(arg)]
    for left, right in pairwise(shapes):
        if not build.same_size(left[1], right[0]):
            raise InputError(f"inner sizes differ, {left} times {right}.")
    return build.product(*factors)


def _matrix_power(node: Any, base: Any, exponent: Any) -> Any:
    if is_matrix(exponent):
        raise RefusedError(f"{shown(node)}: a power with a matrix as its exponent is not known.")
    if not is_matrix(base):
        return scalars.power(base, exponent)
    _require_square(base)
    if not exponent.is_Integer or abs(exponent) > MAX_MATRIX_POWER:
        raise RefusedError(
            f"{shown(node)}: a matrix takes integer powers up to {MAX_MATRIX_POWER}, got "
            f"{shown(exponent)}. HadamardPower is a power of the entries."
        )
    if exponent == 0:
        return build.identity(base.shape[0])
    factor = build.inverse(base) if exponent < 0 else base
    return build.product(*[factor] * abs(int(exponent)))


def _dot(left: Any, right: Any) -> Any:
    return build.product(build.transpose(_column(left)), _column(right))


def _only_entry(node: Any, value: Any) -> Any:
    """Return the entry of what SymPy takes for a 1×1 matrix."""
    if is_matrix(value) or any(index != 0 for index in node.args[1:]):
        raise _refusal(node)
    return value


# Scalars, and matrices entry by entry.


def _stretched(values: tuple[Any, ...]) -> tuple[Any, ...]:
    like = next(filter(is_matrix, values), None)
    if like is None:
        return values
    return tuple(v if is_matrix(v) else build.across(v, like) for v in values)


def _entry_sum(_: Any, *terms: Any) -> Any:
    return build.add(*_stretched(terms))


def _multiplied(_: Any, *factors: Any) -> Any:
    matrices = [f for f in factors if is_matrix(f)]
    scalar = scalars.multiply(*(f for f in factors if not is_matrix(f)))
    return build.scale(scalar, build.hadamard(*matrices)) if matrices else scalar


def _entry_power(_: Any, base: Any, exponent: Any) -> Any:
    if not is_matrix(exponent) and (exponent.is_number or not is_matrix(base)):
        return build.power(base, exponent)
    if base.is_Rational and base > 0:
        return build.elementwise(Pow(base, scalars.U), exponent)
    return _function("exp", _multiplied(_, exponent, _function("log", base)))


def _function(name: str, argument: Any) -> Any:
    return FUNCTIONS[name].build(argument)


def _negative(value: Any) -> Any:
    return _multiplied(None, S.NegativeOne, value)


def _heaviside(node: Any, u: Any) -> Any:
    at_zero = node.args[1]
    if at_zero == 0:
        return _function("step", u)
    if at_zero == 1:
        return _entry_sum(node, ONE, _negative(_function("step", _negative(u))))
    if at_zero != S.Half:
        raise RefusedError(f"{shown(node)}: expected the value 0, 1/2 or 1 at 0, got {at_zero}.")
    return _entry_sum(node, S.Half, _multiplied(node, S.Half, _function("sign", u)))


def _maximum(_: Any, *values: Any) -> Any:
    return reduce(build.entrywise_maximum, values)


def _minimum(_: Any, *values: Any) -> Any:
    return reduce(build.entrywise_minimum, values)


def _digamma(node: Any, u: Any) -> Any:
    if node.args[0] != 0 or "digamma" not in scalars.FUNCTIONS:
        raise _refusal(node)
    return _function("digamma", u)


def _kronecker(node: Any, *factors: Any) -> Any:
    if "kron" not in FUNCTIONS:
        raise _refusal(node)
    result = factors[0]
    for factor in factors[1:]:
        result = FUNCTIONS["kron"].build(result, factor)
    return result


COUNTERPARTS: Mapping[type, Counterpart] = MappingProxyType(
    {
        of_sympy.MatAdd: _of_one_shape(build.add),
        of_sympy.MatMul: Counterpart(_product),
        of_sympy.MatPow: Counterpart(_matrix_power),
        of_sympy.Inverse: _of_square(FUNCTIONS["inv"].build),
        of_sympy.Transpose: Counterpart(lambda _, x: build.transpose(x)),
        of_sympy.Adjoint: Counterpart(lambda _, x: build.transpose(x)),
        of_sympy.HadamardProduct: _of_one_shape(build.hadamard),
        of_sympy.HadamardPower: Counterpart(_entry_power),
        of_sympy.Trace: _of_square(build.trace),
        of_sympy.Determinant: _of_square(build.determinant),
        of_sympy.DiagMatrix: Counterpart(lambda _, x: build.diag(_column(x))),
        of_sympy.DiagonalMatrix: _of_square(lambda x: build.diag(build.diagonal(x))),
        of_sympy.DiagonalOf: _of_square(build.diagonal),
        of_sympy.DotProduct: _of_one_shape(_dot),
        of_sympy.KroneckerProduct: Counterpart(_kronecker),
        ElementwiseApplyFunction: Counterpart(build.across, lambda node: (node.expr,)),
        MatrixElement: Counterpart(_only_entry, _first),
        sympy.Add: Counterpart(_entry_sum, entrywise=True),
        sympy.Mul: Counterpart(_multiplied, entrywise=True),
        sympy.Pow: Counterpart(_entry_power, entrywise=True),
        sympy.conjugate: Counterpart(lambda _, u: u, entrywise=True),
        sympy.re: Counterpart(lambda _, u: u, entrywise=True),
        sympy.Heaviside: Counterpart(_heaviside, _first, entrywise=True),
        **dict.fromkeys((sympy.Max, scalars.maximum), Counterpart(_maximum, entrywise=True)),
        **dict.fromkeys((sympy.Min, scalars.minimum), Counterpart(_minimum, entrywise=True)),
        sympy.polygamma: Counterpart(_digamma, lambda node: node.args[1:], entrywise=True),
    }
)

# SymPy's classes whose name in the language ``derive.scalars`` need not know.
_NAMES: Mapping[type, str] = MappingProxyType({sympy.erf: "erf", sympy.loggamma: "lgamma"})

_HINTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "Sum": (
            "a sum over an index has",
            "Write it with whole matrices, x.T*A*x for (x.T*A*x)[0, 0].",
        ),
        "MatrixElement": ("single entries of a matrix have", "Write it with whole matrices."),
        "MatrixSlice": ("a part of a matrix has", "Write it with whole matrices."),
        "BlockMatrix": ("a matrix of blocks has", "Multiply the blocks out."),
        "ImmutableDenseMatrix": ("a matrix of given entries has", "Use a MatrixSymbol for it."),
        "Piecewise": ("a function by cases has", "Use Max, Min, Abs, sign or Heaviside."),
        "ImaginaryUnit": ("a complex number has", "Everything is real here."),
    }
)
