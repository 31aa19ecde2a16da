"""The exact oracle: derivatives by single entries, forward through a formula, by SymPy.

Every operation is written out in its entries (``derive.exact``) at the value of its operands plus
s times their rate of change, and ``diff`` by s at 0 gives the rate of its own value. No pullback is
known here, and no derivative of a matrix: that is right by another road than the sweep's rules.

Contract: entries are rational as long as operations are, and numbers of ``DIGITS`` digits after
that. What is carried on from an operation are numbers, never expressions, so that the time grows
with the number of operations; of a formula written out as a whole, SymPy's expressions need not
come to an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import ImmutableDenseMatrix as Dense
from sympy import Rational, S, Symbol

from derive.exact import explicit_node
from derive.graph import is_matrix, operands, postorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from derive.language import Formula

__all__ = ["DIGITS", "entry_derivatives", "evaluate"]

DIGITS = 60
_LARGEST = 10**200  # numerator or denominator of a number that is kept exact
_S = Symbol("s", real=True)


def entry_derivatives(
    formula: Formula,
    name: str,
    gradient: Any,
    sizes: Mapping[Any, int],
    point: Mapping[str, Any],
) -> Iterator[tuple[tuple[int, ...], Any, Any]]:
    """Yield each entry's index, the derivative by it, and what the gradient says, at a point.

    Args:
        formula: the scalar formula.
        name: the variable that it is differentiated by.
        gradient: an expression of the variable's shape, in the variables.
        sizes: an integer for every symbolic size.
        point: rational numbers, or nested lists of them, for the variables.

    >>> from derive.language import read_formula
    >>> formula = read_formula("x'*x")
    >>> x = formula.variables["x"]
    >>> list(entry_derivatives(formula, "x", x, {x.shape[0]: 2}, {"x": [[3], [4]]}))
    [((0, 0), 6, 3), ((1, 0), 8, 4)]
    """
    variable = formula.variables[name]
    values = {v: _exactly(point[n]) for n, v in formula.variables.items()}
    order = postorder(formula.expr)
    claimed = evaluate(gradient, values, sizes)
    values = _evaluated(order, values, sizes)
    if not is_matrix(variable):
        yield (), _rates(order, values, {variable: S.One}, sizes), claimed
        return
    rows, columns = values[variable].shape
    for i, j in ((i, j) for i in range(rows) for j in range(columns)):
        unit = Dense(rows, columns, lambda r, c, at=(i, j): int((r, c) == at))
        yield (i, j), _rates(order, values, {variable: unit}, sizes), claimed[i, j]


def _exactly(value: Any) -> Any:
    if isinstance(value, list):
        return Dense([[Rational(entry) for entry in row] for row in value])
    return Rational(value)


def evaluate(expr: Any, values: Mapping[Any, Any], sizes: Mapping[Any, int]) -> Any:
    """Return an expression's value, a dense matrix of numbers or a number.

    >>> from sympy import MatrixSymbol
    >>> from derive.build import total
    >>> x = MatrixSymbol("x", 2, 1)
    >>> evaluate(total(x), {x: Dense([1, Rational(1, 3)])}, {})
    4/3
    """
    return _evaluated(postorder(expr), values, sizes)[expr]


def _evaluated(
    order: list[Any], variables: Mapping[Any, Any], sizes: Mapping[Any, int]
) -> dict[Any, Any]:
    """Return the value of every node, operands first."""
    values = dict(variables)
    for node in order:
        if node not in values:
            arguments = [values[operand] for operand in operands(node)]
            values[node] = _each(_number, explicit_node(node, arguments, sizes))
    return values


def _rates(
    order: list[Any],
    values: Mapping[Any, Any],
    start: Mapping[Any, Any],
    sizes: Mapping[Any, int],
) -> Any:
    """Return the rate of change of the last node's value, given those of variables."""
    rates = dict(start)
    for node in order:
        inside = operands(node)
        if node in rates or not any(operand in rates for operand in inside):
            continue
        moved = [
            values[operand] + rates[operand] * _S if operand in rates else values[operand]
            for operand in inside
        ]
        rate = _each(_rate_at_zero, explicit_node(node, moved, sizes))
        if any(rate) if is_matrix(node) else rate:
            rates[node] = rate
    return rates.get(order[-1], S.Zero)


def _rate_at_zero(entry: Any) -> Any:
    return _number(sympy.diff(entry, _S).xreplace({_S: S.Zero}))


def _number(entry: Any) -> Any:
    """Return a number as it is where it is rational and short, else in so many digits."""
    if entry.is_Rational and max(abs(entry.p), entry.q) < _LARGEST:
        return entry
    return entry.evalf(DIGITS)


def _each(function: Any, value: Any) -> Any:
    return value.applyfunc(function) if hasattr(value, "applyfunc") else function(value)
