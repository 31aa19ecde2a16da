"""Explicit matrices of entries at small sizes: what every operation means, without a pullback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import ImmutableDenseMatrix as Dense
from sympy import MatrixSymbol, Symbol
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.errors import InputError
from derive.graph import is_matrix, operands, postorder
from derive.scalars import U, maximum, minimum, step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["entries_of", "entrywise_gradient", "explicit", "explicit_node"]


def entries_of(variable: Any, sizes: Mapping[Any, int]) -> Any:
    """Return the entries of a variable at concrete sizes: real symbols, named as on paper.

    >>> entries_of(MatrixSymbol("W", 2, 2), {})
    Matrix([
    [W_11, W_12],
    [W_21, W_22]])
    """
    if not is_matrix(variable):
        return variable
    rows, columns = (_number(size, sizes) for size in variable.shape)
    separator = "," if max(rows, columns) > 9 else ""

    def name(i: int, j: int) -> str:
        index = f"{i + 1}" if columns == 1 else f"{i + 1}{separator}{j + 1}"
        return f"{variable.name}_{index}"

    return Dense(rows, columns, lambda i, j: Symbol(name(i, j), real=True))


def _number(size: Any, sizes: Mapping[Any, int]) -> int:
    number = sympy.sympify(size).subs(sizes)
    if not number.is_Integer:
        raise InputError(f"the size '{number}' has no number: entries are written at integer sizes")
    return int(number)


def explicit(
    expr: Any, sizes: Mapping[Any, int] | None = None, values: Mapping[Any, Any] | None = None
) -> Any:
    """Write an expression out at concrete sizes: a dense matrix of scalars, or a scalar.

    Args:
        expr: the expression.
        sizes: an integer for every symbolic size.
        values: explicit matrices to take for variables; their entries as symbols by default.
    """
    sizes, done = sizes or {}, dict(values or {})
    for node in postorder(expr):
        if node not in done:
            arguments = [done[operand] for operand in operands(node)]
            done[node] = explicit_node(node, arguments, sizes)
    return done[expr]


def explicit_node(node: Any, arguments: Sequence[Any], sizes: Mapping[Any, int]) -> Any:
    """Apply the one operation that a node is to the explicit forms of its operands."""
    if isinstance(node, MatrixSymbol):
        return entries_of(node, sizes)
    if isinstance(node, (sympy.OneMatrix, sympy.ZeroMatrix, sympy.Identity)):
        rows, columns = (_number(size, sizes) for size in node.shape)
        fill = {sympy.OneMatrix: Dense.ones, sympy.ZeroMatrix: Dense.zeros}
        return fill[type(node)](rows, columns) if type(node) in fill else Dense.eye(rows)
    rule = _RULES.get(type(node))
    if rule is not None:
        return rule(*arguments)
    if isinstance(node, nodes.Elementwise):
        return arguments[0].applyfunc(lambda value: node.function.xreplace({U: value}))
    if is_matrix(node) or isinstance(node, nodes.Functional):
        raise InputError(f"'{type(node).__name__}' has no explicit form")
    return node.func(*arguments) if arguments else sympy.sympify(node).subs(sizes)


def _product(*factors: Any) -> Any:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def _hadamard(*factors: Any) -> Any:
    result = factors[0]
    for factor in factors[1:]:
        result = result.multiply_elementwise(factor)
    return result


def _sum(*terms: Any) -> Any:
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def _determinant(x: Any) -> Any:
    """Return the determinant without a division, which SymPy would simplify: that need not end."""
    return x.det(method="berkowitz")


def _inverse(x: Any) -> Any:
    """Return the inverse by Cramer's rule, for the same reason.

    Raises:
        ZeroDivisionError: where the determinant is zero.
    """
    determinant = _determinant(x)
    if determinant == 0:
        raise ZeroDivisionError("the inverse of a singular matrix")
    return x.adjugate(method="berkowitz") / determinant


def _total(x: Any) -> Any:
    return sympy.Add(*x)


def _by_row(of_row: Any) -> Any:
    return lambda x: Dense.vstack(*(of_row(x[i, :]) for i in range(x.rows)))


def _softmax(x: Any) -> Any:
    exponentials = x.applyfunc(sympy.exp)
    return exponentials / _total(exponentials)


def _log_sum_exp(x: Any) -> Any:
    return sympy.log(_total(x.applyfunc(sympy.exp)))


def _cross_entropy(p: Any, y: Any) -> Any:
    return -_total(y.multiply_elementwise(p.applyfunc(sympy.log)))


def _pseudo_inverse(x: Any) -> Any:
    """Return the left inverse or the right one: the matrix is taken to have full rank."""
    if x.rows >= x.cols:
        return _inverse(x.T * x) * x.T
    return x.T * _inverse(x * x.T)


def _adjugate(x: Any) -> Any:
    return x.adjugate(method="berkowitz")


def _kronecker(a: Any, b: Any) -> Any:
    rows, columns = b.shape
    shape = (a.rows * rows, a.cols * columns)
    return Dense(*shape, lambda i, j: a[i // rows, j // columns] * b[i % rows, j % columns])


def _where(keeps: Any) -> Any:
    return lambda x: Dense(*x.shape, lambda i, j: x[i, j] if keeps(i, j) else sympy.S.Zero)


def _entrywise(function: Any) -> Any:
    return lambda a, b: Dense(*a.shape, lambda i, j: function(a[i, j], b[i, j]))


def _first_maximum(x: Any) -> Any:
    entries = list(x)
    chosen = [
        sympy.Mul(*(step(u - v) for v in entries[:k]), *(1 - step(v - u) for v in entries[k + 1 :]))
        for k, u in enumerate(entries)
    ]
    return Dense(*x.shape, chosen)


_RULES: dict[type, Any] = {
    nodes.Product: _product,
    nodes.MatrixSum: _sum,
    nodes.Hadamard: _hadamard,
    Transpose: lambda x: x.T,
    nodes.Inverse: _inverse,
    nodes.Softmax: _softmax,
    nodes.RowSoftmax: _by_row(_softmax),
    nodes.RowLogSumExp: _by_row(lambda row: Dense([[_log_sum_exp(row)]])),
    nodes.RowMaximum: _by_row(lambda row: Dense([[maximum(*row)]])),
    nodes.Diag: lambda x: Dense.diag(*x),
    nodes.Diagonal: lambda x: Dense([x[i, i] for i in range(x.rows)]),
    nodes.Inner: lambda *factors: _product(*factors)[0, 0],
    nodes.Total: _total,
    nodes.Trace: lambda x: x.trace(),
    nodes.Determinant: _determinant,
    nodes.LogDet: lambda x: sympy.log(sympy.Abs(_determinant(x))),
    nodes.Norm2: lambda x: sympy.sqrt(sympy.Add(*(value**2 for value in x))),
    nodes.LogSumExp: _log_sum_exp,
    nodes.Maximum: lambda x: maximum(*x),
    nodes.CrossEntropy: _cross_entropy,
    nodes.Minimum: lambda x: minimum(*x),
    nodes.EntrywiseMaximum: _entrywise(maximum),
    nodes.EntrywiseMinimum: _entrywise(minimum),
    nodes.FirstMaximum: _first_maximum,
    nodes.PseudoInverse: _pseudo_inverse,
    nodes.Adjugate: _adjugate,
    nodes.LowerTriangle: _where(lambda i, j: i >= j),
    nodes.UpperTriangle: _where(lambda i, j: i <= j),
    nodes.Kronecker: _kronecker,
}


def entrywise_gradient(expr: Any, variable: Any, sizes: Mapping[Any, int]) -> Any:
    """Differentiate a scalar expression by every entry of a variable with SymPy's ``diff``.

    Returns a dense matrix of the variable's shape, or a scalar, in the entries as symbols.
    """
    scalar = explicit(expr, sizes)
    if not is_matrix(variable):
        return sympy.diff(scalar, variable)
    return entries_of(variable, sizes).applyfunc(lambda symbol: sympy.diff(scalar, symbol))
