"""Jacobians, Hessians, and derivatives along a direction where there is no matrix, off one sweep.

A vector or matrix F is swept as the functional φ = ⟨g, F⟩ of any g: ∇φ is linear in g, and what it
is linear by is the transposed Jacobian, which is read off (``derive.linear_maps``). A Hessian is
the Jacobian of the gradient. Where the linear map has no matrix form, as of a matrix by a matrix,
the derivative along a direction V is shown: ⟨g, D F[V]⟩ = ⟨∇φ, V⟩ for every g, so that D F[V] is
the gradient of ⟨∇φ, V⟩ by g.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sympy import MatrixSymbol

from derive import build
from derive.build import frobenius, transpose
from derive.derivation import Derivation, Result, conventions
from derive.errors import RefusedError
from derive.graph import is_matrix, postorder, shape_of, weight
from derive.linear_maps import matrix_of
from derive.reverse import STEP_WEIGHT, Sweep, names_in
from derive.shortening import shortened
from derive.structures import STRUCTURES, require_free, usable
from derive.symbols import (
    DERIVATIVE,
    DIRECTIONAL,
    HESSIAN,
    HESSIAN_VECTOR,
    JACOBIAN,
    derivative_symbol,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from derive.language import Formula

__all__ = ["of_matrix", "second"]

_DIRECTIONS, _SEEDS = ("vuwhpq", "VUHGZT"), ("uwvhpq", "GHTUVZ")  # of columns, of matrices


def of_matrix(formula: Formula, names: tuple[str, ...], convention: str) -> Derivation:
    """Return the derivatives of a vector or a matrix."""
    require_free(formula, names, convention, "Jacobian")
    variables = [formula.variables[name] for name in names]
    known = usable(formula.assumptions, names, STRUCTURES)
    seed = _fresh(formula.expr, names_in(formula), _SEEDS)
    sweep = Sweep(formula, formula.expr, variables, assumptions=known, seed=seed)
    found = sweep.run()
    results: list[Result] = []
    for variable in variables:
        gradient, sentences = found[variable]
        function = sweep.program.function.symbol
        kinds = (JACOBIAN, DIRECTIONAL)
        result = _read_off(sweep, gradient, function.name, variable, kinds, _directions(results))
        held = conventions(formula.expr, variable, result.expr)
        stated = tuple(dict.fromkeys((*sentences, *held)))
        results.append(replace(result, assumptions=stated))
    return Derivation(formula, sweep.program, tuple(sweep.steps), tuple(results))


def second(gradients: Derivation) -> Derivation:
    """Return the Hessians: the Jacobian of every gradient by its own variable."""
    formula, function = gradients.formula, gradients.program.function
    defined = {expr: symbol for symbol, expr in gradients.program.expanded.items()}
    steps = list(gradients.steps)
    results: list[Result] = []
    for first in gradients.results:
        variable, gradient = first.variable, first.expr
        assumed = {n: kinds for n, kinds in formula.assumptions.items() if n != first.wrt}
        taken = names_in(formula) | {line.name for line in gradients.program.lines}
        taken |= _directions(results)
        seed = _fresh(gradient, taken) if is_matrix(gradient) else None
        known = {**defined, gradient: first.symbol}
        sweep = Sweep(formula, gradient, [variable], assumptions=assumed, seed=seed, known=known)
        ((along, sentences),) = sweep.run().values()
        if seed is None:
            symbol = derivative_symbol(function.name, variable, kind=HESSIAN)
            sweep.step("derivative of the gradient", symbol, along)
            result = Result(symbol, variable, gradient, along)
        else:
            kinds = (HESSIAN, HESSIAN_VECTOR)
            result = _read_off(sweep, along, function.name, variable, kinds, taken)
        steps += sweep.steps
        stated = tuple(dict.fromkeys((*first.assumptions, *sentences)))
        results.append(replace(result, assumptions=stated))
    return Derivation(formula, gradients.program, tuple(steps), tuple(results), gradients)


def _directions(results: Iterable[Result]) -> set[str]:
    """Return the names of directions that are taken: each variable's has its own shape."""
    return {str(r.direction.name) for r in results if r.direction is not None}


def _read_off(
    sweep: Sweep,
    gradient: Any,
    function: str,
    variable: Any,
    kinds: tuple[str, str],
    taken: set[str],
) -> Result:
    """Return the derivative of a vector or matrix of which the functional's gradient is known."""
    seed, expr = sweep.seed, sweep.expr
    linear = [(sweep.derivative(variable), gradient)] if weight(gradient) <= STEP_WEIGHT else []
    if not is_matrix(variable):
        value = _by_seed(sweep, gradient)
        symbol = derivative_symbol(function, variable, value, DERIVATIVE)
        sweep.step(f"linear in {seed.name}", symbol, value, reason=linear)
        return Result(symbol, variable, expr, value)
    matrix = _matrix(sweep, gradient, variable)
    if matrix is not None:
        if kinds[0] == HESSIAN:  # which is symmetric
            matrix = min(matrix, shortened(transpose(matrix)), key=weight)
        symbol = derivative_symbol(function, variable, matrix, kinds[0])
        sweep.step(f"linear in {seed.name}", symbol, matrix, reason=linear)
        return Result(symbol, variable, expr, matrix)
    if kinds[1] == HESSIAN_VECTOR:  # it is symmetric: along the seed
        symbol = derivative_symbol(function, variable, variable, HESSIAN_VECTOR, seed)
        sweep.step(f"Hessian along {seed.name}", symbol, gradient)
        return Result(symbol, variable, expr, gradient, direction=seed)
    direction = _fresh(variable, names_in(sweep.formula) | taken | {seed.name})
    value = _by_seed(sweep, frobenius(gradient, direction))
    symbol = derivative_symbol(function, variable, value, DIRECTIONAL, direction)
    sweep.step(f"linear in {seed.name}, along {direction.name}", symbol, value, reason=linear)
    return Result(symbol, variable, expr, value, direction=direction)


def _by_seed(sweep: Sweep, scalar: Any) -> Any:
    """Differentiate what is linear in the seed by the seed, without steps."""
    again = Sweep(sweep.formula, scalar, [sweep.seed], assumptions=sweep.assumptions)
    ((value, _),) = again.run().values()
    _require_constant(value, sweep.seed)
    return value


def _require_constant(value: Any, seed: Any) -> None:
    if seed in postorder(value):
        raise RefusedError(f"The derivative is not linear in {seed.name}: {value}.")


def _matrix(sweep: Sweep, gradient: Any, variable: Any) -> Any:
    """Return the Jacobian of a vector by a vector, None where it is no matrix of either."""
    seed = sweep.seed
    if 1 not in seed.shape or 1 not in variable.shape:
        return None
    if seed.shape[1] != 1:
        column = MatrixSymbol(seed.name, seed.shape[1], 1)
        gradient, seed = build.replace(gradient, {seed: transpose(column)}), column
    if is_matrix(gradient) and gradient.shape[1] != 1:
        gradient = transpose(gradient)
    matrix = matrix_of(gradient, seed)
    if matrix is None or seed in postorder(matrix):
        return None
    return shortened(transpose(matrix))


def _fresh(like: Any, taken: Iterable[str], names: tuple[str, str] = _DIRECTIONS) -> Any:
    """Return a new symbol of an expression's shape, for a direction or a seed."""
    used = set(taken)
    column = 1 in shape_of(like)
    letters = [*names[0 if column else 1], *(f"V{n}" for n in range(1, len(used) + 2))]
    return MatrixSymbol(next(letter for letter in letters if letter not in used), *like.shape)
