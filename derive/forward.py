"""The exact oracle: derivatives by single entries, forward through a formula, by SymPy.

Every operation is written out in its entries (``derive.exact``). Where these are linear in every
operand, the rate of the value is the product rule, by the entries themselves; a function of one
entry is differentiated by SymPy's ``diff``; else the entries are written at the value of the
operands plus s times their rates, and ``diff`` by s at 0 gives the rate. No pullback is known here,
and no derivative that this program states: its own functions (relu, sigmoid, …) are written by
their definitions. So that is right by another road than the sweep's rules.

Contract: entries are rational as long as operations are, and numbers of ``DIGITS`` digits after
that. What is carried on from an operation are numbers, never expressions, so that the time grows
with the number of operations; of a formula written out as a whole, SymPy's expressions need not
come to an end.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import sympy
from sympy import ImmutableDenseMatrix as Dense
from sympy import Integer, Rational, S, Symbol
from sympy.matrices.expressions import Transpose

from derive import nodes, scalars
from derive.exact import explicit_node
from derive.graph import is_matrix, operands, postorder
from derive.nodes import EXTREMA, Elementwise, MatrixSum
from derive.scalars import U
from derive.sharing import binarised
from derive.symbols import DERIVATIVE, DIRECTIONAL, HESSIAN_VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from derive.derivation import Result
    from derive.language import Formula

__all__ = ["DIGITS", "entry_derivatives", "evaluate", "exactly"]

DIGITS = 60
_LARGEST = 10**200  # numerator or denominator of a number that is kept exact
_HIGHEST_POWER = 100  # that is taken of a fraction exactly
_S = Symbol("s", real=True)
_LINEAR_IN_EACH = (
    *(nodes.Product, nodes.Hadamard, nodes.Kronecker, nodes.Inner, sympy.Mul),
    *(Transpose, nodes.Diag, nodes.Diagonal, nodes.LowerTriangle, nodes.UpperTriangle),
    *(nodes.Total, nodes.Trace),
)


def entry_derivatives(
    result: Result,
    formula: Formula,
    sizes: Mapping[Any, int],
    point: Mapping[str, Any],
    digits: int = DIGITS,
) -> Iterator[tuple[tuple[int, ...], Any, Any]]:
    """Yield each entry's index, the derivative that it is, and what the result says, at a point.

    Args:
        result: a derivative, of its own function.
        formula: whose variables, with the result's direction, the function has.
        sizes: an integer for every symbolic size.
        point: rational numbers, or nested lists of them, for the variables.
        digits: of the numbers that are not rational.

    Raises:
        ArithmeticError: where the function or the result is no real number, as in 0/0.

    >>> from derive.language import read_formula
    >>> from derive.derivation import Result
    >>> formula = read_formula("x'*x")
    >>> x = formula.variables["x"]
    >>> wrong = Result.of(formula, "x", x)
    >>> list(entry_derivatives(wrong, formula, {x.shape[0]: 2}, {"x": [[3], [4]]}))
    [((0, 0), 6, 3), ((1, 0), 8, 4)]
    """
    values = {v: exactly(point[n]) for n, v in formula.variables.items()}
    forward = _Forward(result.function, values, sizes, digits)
    claimed = evaluate(result.expr, values, sizes, digits)
    if result.kind in (DERIVATIVE, DIRECTIONAL, HESSIAN_VECTOR):
        direction = S.One if result.direction is None else values[result.direction]
        rate = forward.rate(result.variable, direction)
        for index in _indices(claimed.shape):
            yield index, rate[index] if rate != 0 else rate, claimed[index]
        return
    if not is_matrix(result.variable):
        yield (), forward.rate(result.variable, S.One), claimed
        return
    yield from _of_entries(result, forward, claimed, values[result.variable].shape)


def _of_entries(
    result: Result, forward: _Forward, claimed: Any, shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, ...], Any, Any]]:
    """Move a matrix by each of its entries, with those that are tied to it."""
    structure = result.structure
    for place, index in enumerate(_indices(shape)):
        moved = structure.tied(*index) if structure else {index: 1}
        if structure and not moved:  # it follows another entry, and so must what is claimed
            yield index, structure.following(*index, claimed), claimed[index]
            continue
        unit = Dense(*shape, lambda i, j, moved=moved: moved.get((i, j), 0))
        rate = forward.rate(result.variable, unit)
        if not is_matrix(result.function):
            yield index, rate, structure.along(moved, claimed) if structure else claimed[index]
            continue
        for row, entry in enumerate(_indices(forward.values[forward.expr].shape)):
            yield (row, place), rate[entry] if rate != 0 else rate, claimed[row, place]


def _indices(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    return product(range(shape[0]), range(shape[1]))


def evaluate(
    expr: Any, values: Mapping[Any, Any], sizes: Mapping[Any, int], digits: int = DIGITS
) -> Any:
    """Return an expression's value, a dense matrix of numbers or a number.

    Raises:
        ArithmeticError: where a part of it is no real number.

    >>> from sympy import MatrixSymbol
    >>> from derive.build import total
    >>> x = MatrixSymbol("x", 2, 1)
    >>> evaluate(total(x), {x: Dense([1, Rational(1, 3)])}, {})
    4/3
    """
    forward = _Forward(expr, values, sizes, digits)
    return forward.values[forward.expr]


def exactly(value: Any) -> Any:
    """Return a rational number, or a dense matrix of them from nested lists."""
    if isinstance(value, list):
        return Dense([[Rational(entry) for entry in row] for row in value])
    return Rational(value)


class _Forward:
    """The values of all nodes at a point, and the rates at which the last one changes."""

    def __init__(
        self, expr: Any, values: Mapping[Any, Any], sizes: Mapping[Any, int], digits: int
    ) -> None:
        self.sizes, self.digits = sizes, digits
        (self.expr,) = binarised([expr])  # the entries of a long product are long polynomials in s
        self.order = postorder(self.expr)
        self.values = dict(values)
        for node in self.order:
            if node not in self.values:
                arguments = [self.argument(node, operand) for operand in operands(node)]
                self.values[node] = _each(self.number, explicit_node(node, arguments, sizes))

    def rate(self, variable: Any, direction: Any) -> Any:
        """Return the rate of change of the value as a variable moves in a direction."""
        rates = {variable: direction}
        for node in self.order:
            inside = operands(node)
            if node in rates or not any(operand in rates for operand in inside):
                continue
            rate = _each(self.number, self.rate_of(node, inside, rates))
            if any(rate) if is_matrix(node) else rate:
                rates[node] = rate
        return rates.get(self.expr, S.Zero)

    def rate_of(self, node: Any, inside: tuple[Any, ...], rates: Mapping[Any, Any]) -> Any:
        """Return the rate of a node's value, by what the operation is in its operands' entries."""
        at = [self.argument(node, operand) for operand in inside]
        if isinstance(node, (MatrixSum, sympy.Add)):
            moved = [rates.get(o, 0 * v) for o, v in zip(inside, at, strict=True)]
            return explicit_node(node, moved, self.sizes)
        if isinstance(node, _LINEAR_IN_EACH):
            moves = [
                explicit_node(node, [*at[:i], rates[o], *at[i + 1 :]], self.sizes)
                for i, o in enumerate(inside)
                if o in rates
            ]
            return sum(moves[1:], start=moves[0])
        if isinstance(node, Elementwise):
            (values,), (operand,) = at, inside
            return values.applyfunc(lambda u: self.slope(node.function, u)).multiply_elementwise(
                rates[operand]
            )
        if isinstance(node, sympy.Function) and len(inside) == 1:
            return self.slope(node.func(U), at[0]) * rates[inside[0]]
        moved = [v + rates[o] * _S if o in rates else v for v, o in zip(at, inside, strict=True)]
        value = explicit_node(node, moved, self.sizes)
        if _has_own_function(node):
            value = _each(lambda entry: _by_definition(entry, _S, S.Zero), value)
        return _each(lambda entry: sympy.diff(entry, _S).xreplace({_S: S.Zero}), value)

    def slope(self, function: Any, u: Any) -> Any:
        """Return the derivative of a function of U at a number."""
        if function.has(*_DEFINITIONS):
            function = _by_definition(function, U, u)
        return self.number(_derivative(function).xreplace({U: u}))

    def argument(self, node: Any, operand: Any) -> Any:
        """Return an operand's value, of limited digits where a high power would have millions."""
        value, powers = self.values[operand], {node} if isinstance(node, sympy.Pow) else set()
        if isinstance(node, Elementwise):
            powers = node.function.atoms(sympy.Pow)
        if any(power.exp.is_Rational and abs(power.exp) > _HIGHEST_POWER for power in powers):
            return _each(lambda entry: entry.evalf(self.digits), value)
        return value

    def number(self, entry: Any) -> Any:
        """Return a number as it is where it is rational and short, else in so many digits."""
        if not (entry.is_Rational and max(abs(entry.p), entry.q) < _LARGEST):
            entry = entry.evalf(self.digits)
        if not (entry.is_Number and entry.is_finite):
            raise ArithmeticError(f"{entry} is no real number")
        return entry


def _has_own_function(node: Any) -> bool:
    """Say whether an operation applies functions whose derivatives are this program's."""
    if isinstance(node, EXTREMA):
        return True
    function = node.function if isinstance(node, Elementwise) else node
    return isinstance(node, (Elementwise, sympy.Function)) and function.has(*_DEFINITIONS)


@lru_cache(maxsize=4096)
def _derivative(function: Any) -> Any:
    return sympy.diff(function, U)


def _by_definition(entry: Any, symbol: Any, number: Any) -> Any:
    """Write this program's functions in SymPy's, on the side of a kink where a symbol's number is.

    A function's argument may hold functions of its own: those inside are written first.
    """
    at = {symbol: number}
    for function, definition in _DEFINITIONS.items():
        entry = entry.replace(function, lambda *u, define=definition: define(at, *u))
    return entry


def _on_side(right: Any, left: Any) -> Any:
    """Return a function of u that is one or the other by the sign of u at the symbol's number."""
    return lambda at, u: right(u) if u.xreplace(at) > 0 else left(u, u.xreplace(at))


def _reflected(u: Any) -> Any:
    """Write log|Γ(u)| for a negative u by Γ(u)·Γ(1 − u) = π/sin(πu)."""
    return sympy.log((sympy.pi / sympy.sin(sympy.pi * u)) ** 2) / 2 - sympy.loggamma(1 - u)


def _first(extremum: Any) -> Any:
    """Return the choice of the argument that is the first of the largest at the number."""
    return lambda at, *all_of: extremum.first(all_of, [u.xreplace(at) for u in all_of])


_DEFINITIONS = {
    scalars.sigmoid: lambda _, u: 1 / (1 + sympy.exp(-u)),
    scalars.softplus: lambda _, u: sympy.log(1 + sympy.exp(u)),
    scalars.relu: _on_side(lambda u: u, lambda u, at: S.Zero),
    scalars.absolute: _on_side(lambda u: u, lambda u, at: -u if at < 0 else S.Zero),
    scalars.step: _on_side(lambda u: S.One, lambda u, at: S.Zero),
    scalars.sign: _on_side(lambda u: S.One, lambda u, at: Integer(-1 if at < 0 else 0)),
    scalars.lgamma: _on_side(sympy.loggamma, lambda u, at: _reflected(u)),
    scalars.digamma: lambda _, u: sympy.polygamma(0, u),
    scalars.trigamma: lambda _, u: sympy.polygamma(1, u),
    scalars.maximum: _first(scalars.maximum),
    scalars.minimum: _first(scalars.minimum),
}


def _each(function: Any, value: Any) -> Any:
    return value.applyfunc(function) if hasattr(value, "applyfunc") else function(value)
