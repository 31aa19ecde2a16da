"""Removable singularities: sinh(x)/x is 1 at 0, where it divides 0 by 0, and a series beside it.

A function of one argument is put together from the nodes that it is spelled in. Where it divides
by 0 at 0 and has a limit there, or where terms of it cancel, code has its power series around 0,
and the formula, of arguments that are not small, elsewhere. ``derive.series`` finds the series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Mul, OneMatrix, Pow

from derive.build import add, elementwise, hadamard, ones, replace, scale, split
from derive.code_functions import Away, NearZero, ScalarAway, ScalarNearZero
from derive.functionals import Functional
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product
from derive.scalars import U
from derive.series import in_code, named, series_near_zero

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["mended"]

MANY = 30  # nodes of a function, or terms of a sum, that are looked at


def mended(exprs: Sequence[Any]) -> list[Any]:
    """Return expressions with a series near 0 in the place of what is 0/0 there.

    >>> from derive.language import read_formula
    >>> (expr,) = mended([read_formula("sinh(a)/a").expr])
    >>> type(expr).__name__, expr.args[:3]
    ('ScalarNearZero', (a, sinh(away(a, 1/4))/away(a, 1/4), 1/4))
    """
    functions: dict[Any, tuple[Any, Any]] = {}
    for node in postorder(*exprs):
        functions[node] = _as_function(node, functions)
    changed: dict[Any, Any] = {}
    stack, seen = list(exprs), set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        better = _mended(node, *functions[node]) or _partly_mended(node, functions)
        better = better or _factored(node)
        if better is None:
            stack.extend(operands(node))
        else:  # arguments may have singularities of their own
            changed[node] = better
            stack.extend(part for part in postorder(better, leaves=functions) if part in functions)
    done: dict[Any, Any] = {}
    for node in postorder(*exprs) if changed else ():
        if node in changed:
            done[node] = replace(changed[node], done)
    return [replace(expr, done) for expr in exprs] if done else list(exprs)


def _mended(node: Any, function: Any, argument: Any) -> Any:
    if function == U or argument is None or not function.has(U):
        return None
    if (known := named(function)) is not None:
        return elementwise(known, argument) if is_matrix(node) else known.xreplace({U: argument})
    found = series_near_zero(function)
    if found is None:
        return None
    radius, coefficients = found
    away, near = (Away, NearZero) if is_matrix(node) else (ScalarAway, ScalarNearZero)
    far = replace(node, {argument: away(argument, radius)})
    return near(argument, far, radius, *coefficients)


def _partly_mended(node: Any, functions: Mapping[Any, tuple[Any, Any]]) -> Any:
    """Mend what factors that are functions of one argument make together, among others."""
    if not isinstance(node, (Hadamard, Mul)):
        return None
    members: dict[Any, list[Any]] = {}
    for factor in node.args:
        members.setdefault(functions[factor][1], []).append(factor)
    for argument, factors in members.items():
        if 1 < len(factors) < len(node.args):
            function = Mul(*(functions[factor][0] for factor in factors))
            better = _mended(node.func(*factors), function, argument)
            if better is not None:
                others = (factor for factor in node.args if factor not in factors)
                return (hadamard if is_matrix(node) else Mul)(better, *others)
    return None


def _factored(node: Any) -> Any:
    """Write y − y∘cos(x) as y∘(1 − cos(x)), of which code knows the difference."""
    terms: dict[Any, dict[Any, Any]] = {}  # quotients by a factor, of the terms that have it
    for term in node.args if isinstance(node, MatrixSum) and len(node.args) <= MANY else ():
        coefficient, rest = split(term)
        factors = rest.args if isinstance(rest, Hadamard) else (rest,)
        for factor in factors:
            others = hadamard(ones(*node.shape), *(f for f in factors if f is not factor))
            terms.setdefault(factor, {})[term] = scale(coefficient, others)
    for factor, quotients in terms.items():
        if len(quotients) > 1:
            difference = add(*quotients.values())
            functions: dict[Any, tuple[Any, Any]] = {}
            for part in postorder(difference):
                functions[part] = _as_function(part, functions)
            function, argument = functions[difference]
            better = _mended(difference, function, argument)
            if better is not None or in_code(function) != function:
                others = (term for term in node.args if term not in quotients)
                return add(hadamard(factor, better or difference), *others)
    return None


def _as_function(node: Any, known: Mapping[Any, tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return a node as a function of U and what U stands for; None there for a number."""
    found = _of_matrix(node, known) if is_matrix(node) else _of_scalar(node, known)
    return (U, node) if found is None or _is_large(found[0]) else found


def _is_large(function: Any) -> bool:
    """Say whether a function has many nodes, without counting those of a very large one."""
    stack, seen = [function], 0
    while stack and seen <= MANY:
        seen += 1
        stack.extend(stack.pop().args)
    return seen > MANY


def _of_matrix(node: Any, known: Mapping[Any, tuple[Any, Any]]) -> tuple[Any, Any] | None:
    if isinstance(node, Elementwise):
        function, argument = known[node.matrix]
        return node.function.xreplace({U: function}), argument
    if isinstance(node, (MatrixSum, Hadamard)):
        parts = [_factor(term, known) for term in node.args]
        return _together(Add if isinstance(node, MatrixSum) else Mul, parts)
    if isinstance(node, Product) and len(node.factors) == 1:
        return _factor(node, known)
    return None


def _factor(term: Any, known: Mapping[Any, tuple[Any, Any]]) -> tuple[Any, Any]:
    coefficient, rest = split(term)
    if not coefficient.is_number:
        return U, term
    if isinstance(rest, OneMatrix):
        return coefficient, None
    function, argument = known.get(rest, (U, rest))
    return coefficient * function, argument


def _of_scalar(node: Any, known: Mapping[Any, tuple[Any, Any]]) -> tuple[Any, Any] | None:
    if node.is_number:
        return node, None
    is_function = isinstance(node, sympy.Function) and len(node.args) == 1
    if isinstance(node, Functional) or not (is_function or isinstance(node, (Add, Mul, Pow))):
        return None
    return _together(node.func, [known[arg] for arg in node.args])


def _together(build: Any, parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any] | None:
    arguments = {argument for _, argument in parts if argument is not None}
    if len(arguments) != 1:
        return None
    return build(*(function for function, _ in parts)), arguments.pop()
