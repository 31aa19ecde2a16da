"""The table of operations: one row a node, with its pullback.

A pullback takes the cotangent ``g`` of the node's value, the value ``out`` itself and the node's
arguments, and returns the cotangent of each: the transposed Jacobian applied to ``g`` (None for an
argument that is no operand, such as the bound function of an elementwise node). Rules return
expressions built by ``derive.build``, so that a gradient can be differentiated again; they know
nothing of broadcasting, which is a product with ones. A node without a row is an error, and a row
without a pullback says that no gradient flows; nothing is silently zero.

A row holds only what cannot be computed from the rest of it. ``examples`` are formulas that are the
node and whose arguments are variables: the tests differentiate them at points in their domain.
``letter`` is what a person calls the value in a derivation ("" where one would not name it), and
``linear`` says that a person reads the operand as part of the same expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Mul, Pow, S
from sympy.matrices.expressions import Transpose

from derive import nodes, pullbacks
from derive.build import (
    diag,
    diagonal,
    elementwise,
    frobenius,
    hadamard,
    identity,
    lower_triangle,
    ones,
    power,
    product,
    replace,
    scale,
    transpose,
    upper_triangle,
    zero_like,
)
from derive.errors import RefusedError
from derive.graph import is_matrix, operands
from derive.scalars import FUNCTIONS, U, maximum, minimum, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPERATIONS", "Operation", "operation_of", "pull_back", "title_of"]

Cotangents = tuple[Any, ...]


@dataclass(frozen=True)
class Operation:
    """One row: the node it is about and how a cotangent is pulled back through it."""

    node: type
    title: str
    pullback: Callable[..., Cotangents] | None
    examples: tuple[str, ...] = ()
    linear: bool = False
    letter: str = ""
    argument_letter: str = "z"

    @property
    def name(self) -> str:
        """The node's name in the language, or its class."""
        return str(getattr(self.node, "name", self.node.__name__.lower()))


def _product(g: Any, out: Any, *factors: Any) -> Cotangents:
    """Put the cotangent between the transposed factors to the left and to the right."""
    scalars = [f for f in factors if not is_matrix(f)]
    matrices = [f for f in factors if is_matrix(f)]
    turned = [transpose(matrix) for matrix in matrices]
    cotangents = tuple(
        product(*scalars, *reversed(turned[:i]), g, *reversed(turned[i + 1 :]))
        for i in range(len(matrices))
    )
    return (frobenius(g, product(*matrices)), *cotangents) if scalars else cotangents


def _inner(g: Any, out: Any, *factors: Any) -> Cotangents:
    if len(factors) == 1:
        return (scale(g, ones(*factors[0].shape)),)
    return _product(g, out, *factors)


def _hadamard(g: Any, out: Any, *factors: Any) -> Cotangents:
    return tuple(hadamard(g, *factors[:i], *factors[i + 1 :]) for i in range(len(factors)))


def _elementwise(g: Any, out: Any, function: Any, z: Any) -> Cotangents:
    return None, hadamard(g, elementwise(_derivative(function), z))


@lru_cache(maxsize=4096)
def _derivative(function: Any) -> Any:
    """Differentiate a scalar function of U, by SymPy."""
    return function.diff(U)


def _multiplication(g: Any, out: Any, *factors: Any) -> Cotangents:
    return tuple(Mul(g, *factors[:i], *factors[i + 1 :]) for i in range(len(factors)))


def _power(g: Any, out: Any, base: Any, exponent: Any) -> Cotangents:
    by_exponent = S.Zero if exponent.is_number else Mul(g, out, sympy.log(base))
    return Mul(g, exponent, power(base, Add(exponent, -1))), by_exponent


def _scalar_function(g: Any, out: Any, t: Any) -> Cotangents:
    return (Mul(g, replace(_derivative(out.func(U)), {U: t})),)


def _of_diagonal(g: Any, out: Any, x: Any) -> Cotangents:
    return (scale(g, identity(x.shape[0])),)


def _of_terms(g: Any, out: Any, *terms: Any) -> Cotangents:
    return (g,) * len(terms)


def _norm2(g: Any, out: Any, x: Any) -> Cotangents:
    return (scale(Mul(g, 1 / out), x),)


def _of_entries(g: Any, out: Any, x: Any) -> Cotangents:
    return (scale(g, ones(*x.shape)),)


_ROWS = (
    Operation(nodes.Product, "matrix product", _product, ("A*B", "A*B*C", "a*A*B"), linear=True),
    Operation(nodes.MatrixSum, "sum", _of_terms, ("A + B", "A + B + C"), linear=True),
    Operation(nodes.Hadamard, "elementwise product", _hadamard, ("A .* B .* C",), linear=True),
    Operation(
        nodes.Elementwise,
        "elementwise function",
        _elementwise,
        tuple(f"{f}(A)" for f in FUNCTIONS if FUNCTIONS[f].has_derivative),
    ),
    Operation(Transpose, "transpose", lambda g, out, x: (transpose(g),), ("A'",), linear=True),
    Operation(nodes.Inverse, "inverse", pullbacks.inverse, ("inv(A)",), argument_letter="m"),
    Operation(
        nodes.PseudoInverse,
        "pseudoinverse",
        pullbacks.pseudo_inverse,
        ("pinv(A)",),
        argument_letter="m",
    ),
    Operation(nodes.Adjugate, "adjugate", pullbacks.adjugate, ("adj(A)",), argument_letter="m"),
    Operation(
        nodes.LowerTriangle,
        "lower triangle",
        lambda g, out, x: (lower_triangle(g),),
        ("tril(A)",),
        linear=True,
    ),
    Operation(
        nodes.UpperTriangle,
        "upper triangle",
        lambda g, out, x: (upper_triangle(g),),
        ("triu(A)",),
        linear=True,
    ),
    Operation(
        nodes.Kronecker,
        "Kronecker product",
        pullbacks.kronecker,
        ("kron(A, B)", "kron(x, y)"),
        linear=True,
    ),
    Operation(
        nodes.EntrywiseMaximum,
        "larger entries",
        pullbacks.entrywise_maximum,
        ("max(A, B)", "max(x, y)"),
    ),
    Operation(
        nodes.EntrywiseMinimum,
        "smaller entries",
        pullbacks.entrywise_minimum,
        ("min(A, B)", "min(x, y)"),
    ),
    Operation(nodes.FirstMaximum, "first largest entry", lambda g, out, x: (zero_like(x),)),
    Operation(nodes.Softmax, "softmax", pullbacks.softmax, ("softmax(x)",), letter="s"),
    Operation(
        nodes.RowSoftmax, "softmax of rows", pullbacks.row_softmax, ("softmax(A)",), letter="s"
    ),
    Operation(
        nodes.RowLogSumExp, "log-sum-exp of rows", pullbacks.row_log_sum_exp, ("rowlogsumexp(A)",)
    ),
    Operation(nodes.RowMaximum, "largest entry of rows", None),
    Operation(
        nodes.Diag,
        "diagonal matrix",
        lambda g, out, x: (diagonal(g),),
        ("diag(x)",),
        linear=True,
    ),
    Operation(
        nodes.Diagonal,
        "diagonal",
        lambda g, out, x: (diag(g),),
        ("diagvec(A)",),
        linear=True,
    ),
    Operation(nodes.Inner, "inner product", _inner, ("x'*y", "x'*A*y"), linear=True),
    Operation(nodes.Total, "sum of entries", _of_entries, ("sum(A)",), linear=True),
    Operation(nodes.Trace, "trace", _of_diagonal, ("tr(A)",), linear=True),
    Operation(
        nodes.Determinant, "determinant", pullbacks.determinant, ("det(A)",), argument_letter="m"
    ),
    Operation(
        nodes.LogDet, "log-determinant", pullbacks.log_det, ("logdet(A)",), argument_letter="m"
    ),
    Operation(nodes.Norm2, "norm", _norm2, ("norm2(x)", "norm2(A)"), argument_letter="r"),
    Operation(
        nodes.LogSumExp, "log-sum-exp", pullbacks.log_sum_exp, ("logsumexp(x)", "logsumexp(A)")
    ),
    Operation(nodes.Maximum, "largest entry", pullbacks.maximum, ("max(x)", "max(A)")),
    Operation(nodes.Minimum, "smallest entry", pullbacks.minimum, ("min(x)", "min(A)")),
    Operation(
        nodes.CrossEntropy,
        "cross-entropy",
        pullbacks.cross_entropy,
        ("crossentropy(p, y)", "crossentropy(P, Y)"),
        argument_letter="p",
    ),
    Operation(Add, "sum of scalars", _of_terms, ("a + b",), linear=True),
    Operation(Mul, "product of scalars", _multiplication, ("a*b*c",), linear=True),
    Operation(Pow, "power", _power, ("a^3", "a^0.5", "a^b"), linear=True),
    Operation(
        sympy.Function,
        "scalar function",
        _scalar_function,
        tuple(
            f"{f}(a)"
            for f, row in FUNCTIONS.items()
            if row.has_derivative and isinstance(row(U), sympy.Function)
        ),
        linear=True,
    ),
    Operation(maximum, "larger of two", pullbacks.entrywise_maximum, ("max(a, b)",)),
    Operation(minimum, "smaller of two", pullbacks.entrywise_minimum, ("min(a, b)",)),
)

OPERATIONS = MappingProxyType({row.node: row for row in _ROWS})


def operation_of(node: Any) -> Operation:
    """Return the row of a node.

    Raises:
        RefusedError: where the table has no row.
    """
    row = OPERATIONS.get(type(node))
    if row is None and isinstance(node, sympy.Function) and len(node.args) == 1:
        row = OPERATIONS[sympy.Function]
    if row is None:
        known = ", ".join(sorted(operation.name for operation in OPERATIONS.values()))
        raise RefusedError(f"No derivative rule for '{type(node).__name__}'. Known: {known}.")
    return row


def title_of(node: Any) -> str:
    """Name the operation that a node is, as a step of a derivation says it."""
    if isinstance(node, nodes.Product) and len(node.factors) == 1:
        return "scalar multiple"
    if isinstance(node, nodes.Elementwise) and (name := name_of(node.function.func)):
        return f"elementwise {name}" if node.function.args == (U,) else "elementwise function"
    if isinstance(node, sympy.Function) and len(node.args) == 1 and (name := name_of(node.func)):
        return f"function {name}"
    return operation_of(node).title


def pull_back(g: Any, node: Any, out: Any = None) -> Cotangents:
    """Return the cotangents of a node's operands, given the cotangent of its value.

    ``out`` is a name of the value, where it has one; the rules write it into what they return.

    Raises:
        RefusedError: where no gradient flows through the node.
    """
    row = operation_of(node)
    if row.pullback is None:
        raise RefusedError(f"No gradient flows through '{row.name}'.")
    if out is None or row.node is sympy.Function:  # whose rule is the derivative of its own class
        out = node
    cotangents = row.pullback(g, out, *node.args)
    if len(cotangents) != len(node.args):
        raise AssertionError(f"the rule of {row.name} returned {len(cotangents)} cotangents")
    return cotangents[len(node.args) - len(operands(node)) :]
