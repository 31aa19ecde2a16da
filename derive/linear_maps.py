"""The matrix of a linear map, read off an expression: M where the expression is M·g.

The pullback of a Jacobian is an expression that is linear in its cotangent g, a column; what the
expression is linear by is the transposed Jacobian. Every part that depends on g is kept as a sum of
terms A·diag(K·g)·B, a form that products, transposes, diagonals, traces and elementwise products
with constants do not leave; a column of that form is A·diag(B)·K times g.

Contract: the matrix is exact, or there is None: where an expression is not linear in g, or has a
part of another form, nothing is guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sympy import Add, Identity, Integer, Mul
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build import (
    add,
    diag,
    diagonal,
    hadamard,
    identity,
    ones,
    product,
    scale,
    transpose,
    zero_like,
    zeros,
)
from derive.graph import is_matrix, operands, postorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["matrix_of"]

ONE = Integer(1)


class _Term(NamedTuple):
    """A·diag(K·g)·B."""

    left: Any
    weights: Any
    right: Any


Terms = list[_Term]


class _NotLinearError(Exception):
    """The expression has a part that is not of the form."""


def matrix_of(expr: Any, g: Any) -> Any:
    """Return M of a column, or a scalar, that is M·g for a column g; None where it is not seen.

    >>> from derive.language import read_formula
    >>> formula = read_formula("A'*(h .* x) + (h'*x)*y", {"A": "n,n"})
    >>> matrix_of(formula.expr, formula.variables["h"])
    A'*diag(x) + y*x'
    """
    dependent: dict[Any, Terms] = {}
    try:
        for node in postorder(expr):
            if node == g:
                dependent[node] = _column(identity(g.shape[0]))
            elif any(operand in dependent for operand in operands(node)):
                dependent[node] = _rule(node)(node, dependent)
    except _NotLinearError:
        return None
    rows = expr.shape[0] if is_matrix(expr) else ONE
    if expr not in dependent:
        return zeros(rows, g.shape[0]) if expr == zero_like(expr) else None
    return _matrix(dependent[expr])


def _matrix(terms: Terms) -> Any:
    """Return M of a column Σ A·diag(K·g)·b = Σ A·diag(b)·K·g."""
    return add(*(product(left, diag(right), weights) for left, weights, right in terms))


def _column(matrix: Any) -> Terms:
    """Return the column M·g as a term."""
    rows = matrix.shape[0]
    return [_Term(identity(rows), matrix, ones(rows, ONE))]


def _scalar(terms: Terms) -> Any:
    """Return the row k of a scalar k·g, as a matrix of one row."""
    return _matrix(terms)


def _normal(terms: Terms, shape: tuple[Any, Any]) -> Terms:
    """Write a column as diag(M·g)·1, and a row as 1'·diag(M·g): what factors can be put into."""
    rows, columns = shape
    if columns == 1:
        return [part for term in terms for part in _column(_matrix([term]))]
    return _transposed(_normal(_transposed(terms), (columns, rows))) if rows == 1 else terms


def _transposed(terms: Terms) -> Terms:
    return [_Term(transpose(right), weights, transpose(left)) for left, weights, right in terms]


def _only(parts: Sequence[Any], dependent: dict[Any, Terms]) -> int:
    """Return the place of the one part that depends on g."""
    places = [i for i, part in enumerate(parts) if part in dependent]
    if len(places) != 1:
        raise _NotLinearError
    return places[0]


def _product(node: Any, dependent: dict[Any, Terms]) -> Terms:
    place = _only(node.args, dependent)
    terms = dependent[node.args[place]]
    if not is_matrix(node.args[place]):  # a scalar k·g times a constant matrix M is M·diag(1·k·g)
        rest = product(*node.args[:place], *node.args[place + 1 :])
        return _times_scalar(_scalar(terms), rest)
    scalars = [arg for arg in node.args if not is_matrix(arg)]
    before = [arg for arg in node.args[:place] if is_matrix(arg)]
    left = product(*scalars, *before) if scalars or before else ONE
    right = product(*node.args[place + 1 :]) if node.args[place + 1 :] else ONE
    return [_Term(product(left, a), k, product(b, right)) for a, k, b in terms]


def _times_scalar(row: Any, matrix: Any) -> Terms:
    if not is_matrix(matrix):
        return [_Term(ONE, scale(matrix, row), ONE)]
    inner = matrix.shape[1]
    return [_Term(matrix, product(ones(inner, ONE), row), identity(inner))]


def _sum(node: Any, dependent: dict[Any, Terms]) -> Terms:
    if any(arg not in dependent for arg in node.args):
        raise _NotLinearError
    return [term for arg in node.args for term in dependent[arg]]


def _hadamard(node: Any, dependent: dict[Any, Terms]) -> Terms:
    place = _only(node.args, dependent)
    others = [*node.args[:place], *node.args[place + 1 :]]
    constant = hadamard(*others)
    found = []
    for left, weights, right in _normal(dependent[node.args[place]], node.shape):
        if left is ONE or isinstance(left, Identity):
            found.append(_Term(left, weights, hadamard(constant, right)))
        elif right is ONE or isinstance(right, Identity):
            found.append(_Term(hadamard(constant, left), weights, right))
        else:
            raise _NotLinearError
    return found


def _transpose(node: Any, dependent: dict[Any, Terms]) -> Terms:
    return _transposed(dependent[node.args[0]])


def _diag(node: Any, dependent: dict[Any, Terms]) -> Terms:
    size = node.shape[0]
    return [_Term(identity(size), _matrix(dependent[node.args[0]]), identity(size))]


def _diagonal(node: Any, dependent: dict[Any, Terms]) -> Terms:
    """diagvec(A·diag(K·g)·B) = (A ⊙ B')·K·g."""
    terms = dependent[node.args[0]]
    return _column(add(*(product(hadamard(a, transpose(b)), k) for a, k, b in terms)))


def _inner(node: Any, dependent: dict[Any, Terms]) -> Terms:
    place = _only(node.args, dependent)
    left = product(*node.args[:place]) if place else ONE
    right = product(*node.args[place + 1 :]) if node.args[place + 1 :] else ONE
    terms = dependent[node.args[place]]
    return _row([_Term(product(left, a), k, product(b, right)) for a, k, b in terms])


def _row(terms: Terms) -> Terms:
    """Return a scalar Σ a·diag(K·g)·b as one term."""
    return [_Term(ONE, _matrix(terms), ONE)]


def _total(node: Any, dependent: dict[Any, Terms]) -> Terms:
    rows, columns = node.args[0].shape
    terms = dependent[node.args[0]]
    left, right = ones(ONE, rows), ones(columns, ONE)
    return _row([_Term(product(left, a), k, product(b, right)) for a, k, b in terms])


def _trace(node: Any, dependent: dict[Any, Terms]) -> Terms:
    """tr(A·diag(K·g)·B) = diagvec(B·A)'·K·g."""
    terms = dependent[node.args[0]]
    rows = (product(transpose(diagonal(product(b, a))), k) for a, k, b in terms)
    return [_Term(ONE, add(*rows), ONE)]


def _multiple(node: Any, dependent: dict[Any, Terms]) -> Terms:
    place = _only(node.args, dependent)
    rest = Mul(*node.args[:place], *node.args[place + 1 :])
    return _times_scalar(_scalar(dependent[node.args[place]]), rest)


def _rule(node: Any) -> Callable[[Any, dict[Any, Terms]], Terms]:
    rule = _RULES.get(type(node))
    if rule is None:
        raise _NotLinearError
    return rule


_RULES: dict[type, Callable[[Any, dict[Any, Terms]], Terms]] = {
    nodes.Product: _product,
    nodes.MatrixSum: _sum,
    nodes.Hadamard: _hadamard,
    Transpose: _transpose,
    nodes.Diag: _diag,
    nodes.Diagonal: _diagonal,
    nodes.Inner: _inner,
    nodes.Total: _total,
    nodes.Trace: _trace,
    Add: _sum,
    Mul: _multiple,
}
