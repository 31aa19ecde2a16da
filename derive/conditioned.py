"""Functions of one argument without cancellation, wherever their parts stand in a formula.

What is a function of exp(u) may be one function, a sum of several, a product of several with one
argument, or a function of such: it is made one function, which ``derive.exponentials`` rewrites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Mul, OneMatrix, Pow

from derive.build import add, elementwise, hadamard, ones, scale, split, with_operands
from derive.code_functions import erfc, logcosh, logsoftplus, positive, softplus_rate
from derive.differences import subtracted, subtracted_inside
from derive.exponentials import OF_EXP, without_cancellation, without_cancellation_inside
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["apart", "conditioned"]

IN_CODE = (erfc, logcosh, logsoftplus, positive, softplus_rate)
MANY = 20  # terms or factors that are looked at together


def conditioned(node: Any) -> Any:
    """Return a node without cancellation of exponentials; its operands are done already.

    >>> from derive.language import read_formula
    >>> conditioned(read_formula("1 - tanh(x).^2", {"x": "n"}).expr)
    4*sigmoid_slope(2 .* x)
    """
    if isinstance(node, (MatrixSum, Hadamard)):
        few = len(node.args) <= MANY
        return (_sum if isinstance(node, MatrixSum) else _product)(node) if few else node
    if isinstance(node, Elementwise):
        function, argument = _as_function(node)
        return _if_better(function, argument, node)
    if isinstance(node, Product):
        coefficient, rest = split(node)
        better = conditioned(rest) if isinstance(rest, (Elementwise, Hadamard)) else rest
        return node if better is rest else scale(coefficient, better)
    return node if is_matrix(node) else subtracted(without_cancellation(node))


def _better(function: Any) -> Any:
    return subtracted_inside(without_cancellation_inside(function))


def _if_better(function: Any, argument: Any, node: Any) -> Any:
    better = _better(function)
    return node if better == function else elementwise(better, argument)


def _as_function(matrix: Any) -> tuple[Any, Any]:
    """Return a matrix as a function of an argument that has no numerical coefficient.

    Arithmetic and logarithms of one function are taken into it: a chain stays as it is.
    """
    if isinstance(matrix, Elementwise) and not matrix.function.has(*OF_EXP):
        inside = _one_function(matrix.matrix)
        of_sum = isinstance(matrix.function, (Pow, sympy.log)) and matrix.function.count(U) == 1
        if inside is not None and (of_sum or inside[0].has(*OF_EXP)):
            return matrix.function.subs(U, inside[0]), inside[1]
    return _as_it_stands(matrix)


def _as_it_stands(matrix: Any) -> tuple[Any, Any]:
    function, argument = matrix.args if isinstance(matrix, Elementwise) else (U, matrix)
    coefficient, rest = split(argument)
    if coefficient.is_Rational and coefficient != 1 and function.has(*OF_EXP):
        return function.subs(U, coefficient * U), rest
    return function, argument


def _one_function(matrix: Any) -> tuple[Any, Any] | None:
    """Return a function, or numbers and functions of one argument in a sum, as one function."""
    coefficient, rest = split(matrix)
    if isinstance(rest, Elementwise) and coefficient.is_Rational:
        function, argument = _as_it_stands(rest)
        return coefficient * function, argument
    if not isinstance(rest, MatrixSum) or not coefficient.is_Rational or len(rest.args) > MANY:
        return None
    parts, others = _parts(rest, _as_it_stands)
    if others or len(parts) != 1:
        return None
    ((argument, function),) = parts.items()
    return coefficient * function, argument


def _parts(
    node: MatrixSum, as_function: Callable[[Any], tuple[Any, Any]]
) -> tuple[dict[Any, Any], list[Any]]:
    """Return the functions in a sum, added up by argument, and the other terms.

    A constant goes with the functions where they are of one argument.
    """
    functions: dict[Any, Any] = {}
    constants, others = [], []
    for term in node.args:
        coefficient, rest = split(term)
        if not coefficient.is_Rational:
            others.append(term)
        elif isinstance(rest, OneMatrix):
            constants.append(term)
        else:
            function, argument = as_function(rest)
            functions[argument] = Add(functions.get(argument, 0), Mul(coefficient, function))
    risky = [a for a, f in functions.items() if f.has(*OF_EXP, sympy.erf) or len(functions) == 1]
    if len(risky) == 1:
        numbers = (split(term)[0] for term in constants)
        functions[risky[0]] = Add(functions[risky[0]], *numbers)
        constants = []
    return functions, [*others, *constants]


def _sum(node: Any) -> Any:
    functions, others = _parts(node, _as_function)
    better = {argument: _better(function) for argument, function in functions.items()}
    if better == functions:
        return node
    return add(*(elementwise(function, a) for a, function in better.items()), *others)


def _product(node: Any) -> Any:
    """Multiply the factors that are functions of one argument, where that is better."""
    functions: dict[Any, dict[Any, Any]] = {}  # by argument, of each factor
    for factor in node.args:
        function, argument = _as_function(factor)
        if isinstance(factor, MatrixSum) and (found := _one_function(factor)) is not None:
            function, argument = found
        functions.setdefault(argument, {})[factor] = function
    for argument, members in functions.items():
        together = Mul(*members.values())
        better = _better(together)
        if better != together:
            others = [factor for factor in node.args if factor not in members]
            fused = elementwise(better, argument)
            node = hadamard(fused, *others) if others else fused
            if not isinstance(node, Hadamard):
                break
    return node


def apart(exprs: Sequence[Any]) -> list[Any]:
    """Write products and sums of functions as nodes of their own, which sharing can name."""
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        new = with_operands(node, tuple(done[operand] for operand in operands(node)))
        several = isinstance(new, Elementwise) and new.function.args != (U,)
        several = several and new.function.has(*OF_EXP, *IN_CODE)
        done[node] = _apart(*_as_it_stands(new)) if several else new
    return [done[expr] for expr in exprs]


def _apart(function: Any, x: Any) -> Any:
    """Apply a function to entries, each function in it a node; nothing is simplified any more."""
    if function == U:
        return x
    if not function.has(U):
        return scale(function, ones(*x.shape))
    coefficient, rest = function.as_coeff_Mul()
    if coefficient != 1:
        return scale(coefficient, _apart(rest, x))
    if isinstance(function, Pow) and function.exp.is_number:
        base = _apart(function.base, x)
        return Elementwise(Pow(U, function.exp), base)
    if isinstance(function, (Add, Mul)):
        parts = (_apart(part, x) for part in function.args)
        return MatrixSum(*parts) if isinstance(function, Add) else Hadamard(*parts)
    if len(function.args) == 1 and function.args[0].as_coeff_Mul()[1] != U:
        return Elementwise(function.func(U, evaluate=False), _apart(function.args[0], x))
    return Elementwise(function, x)
