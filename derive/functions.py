"""The functions of the formula language: the shape each gives, and the node it builds.

One row a function. Elementwise functions come from ``derive.scalars``; many rows are abbreviations
and build no node of their own: a row sum is a product with ones, a mean a scaled total, so that
they need no derivative rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Integer, Pow, S

from derive import build, nodes, scalars
from derive.errors import InputError
from derive.graph import is_matrix
from derive.scalars import U
from derive.shapes import SCALAR, Shape, Sizes, Unknown

__all__ = ["CONSTANTS", "ELSEWHERE", "FUNCTIONS", "FUNCTION_NAMES", "LanguageFunction"]

ShapeRule = Callable[[Sizes, list[Shape]], Shape]

ONE = Integer(1)


@dataclass(frozen=True)
class LanguageFunction:
    """A function of the language: its name, how many arguments, the shape rule, the builder.

    Of the arguments, as many as ``optional`` says may be left out.
    """

    name: str
    arguments: int
    shape: ShapeRule
    build: Callable[..., Any]
    optional: int = 0


def _same(_: Sizes, shapes: list[Shape]) -> Shape:
    return shapes[0]


def _scalar(_: Sizes, __: list[Shape]) -> Shape:
    return SCALAR


def _square(sizes: Sizes, shapes: list[Shape]) -> Shape:
    if not sizes.unify(*shapes[0]):
        raise InputError(f"expected a square matrix, got {sizes.text(shapes[0])}")
    return shapes[0]


def _square_to_scalar(sizes: Sizes, shapes: list[Shape]) -> Shape:
    _square(sizes, shapes)
    return SCALAR


def _square_to_column(sizes: Sizes, shapes: list[Shape]) -> Shape:
    return _square(sizes, shapes)[0], 1


def _vector_to_square(sizes: Sizes, shapes: list[Shape]) -> Shape:
    """Return the shape of a diagonal matrix, of the entries of a column or of a row."""
    rows, columns = sizes.shape(shapes[0])
    if 1 not in (rows, columns):
        raise InputError(
            f"expected a vector, got {sizes.text(shapes[0])}. "
            "The diagonal of a matrix is diagvec(…)"
        )
    return (rows, rows) if columns == 1 else (columns, columns)


def _transposed(_: Sizes, shapes: list[Shape]) -> Shape:
    return shapes[0][1], shapes[0][0]


def _kronecker(sizes: Sizes, shapes: list[Shape]) -> Shape:
    (m, n), (p, q) = shapes
    return sizes.times(m, p), sizes.times(n, q)


def _scalar_or_stretched(sizes: Sizes, shapes: list[Shape]) -> Shape:
    """Return a scalar of one argument, of two the shape to which broadcasting stretches them."""
    if len(shapes) == 1:
        return SCALAR
    shape = sizes.broadcast(*shapes)
    if shape is None:
        left, right = map(sizes.text, shapes)
        raise InputError(f"the sizes of its arguments disagree: {left} and {right}")
    return shape


def _to_column(_: Sizes, shapes: list[Shape]) -> Shape:
    return shapes[0][0], 1


def _to_row(_: Sizes, shapes: list[Shape]) -> Shape:
    return 1, shapes[0][1]


def _equal_to_scalar(sizes: Sizes, shapes: list[Shape]) -> Shape:
    if not all(map(sizes.unify, *shapes)):
        raise InputError(
            f"expected two arguments of one shape, got {sizes.text(shapes[0])} and "
            f"{sizes.text(shapes[1])}"
        )
    return SCALAR


def _new_column(sizes: Sizes, shapes: list[Shape]) -> Shape:
    return _of_scalar(sizes, shapes, (Unknown(), 1))


def _new_matrix(sizes: Sizes, shapes: list[Shape]) -> Shape:
    return _of_scalar(sizes, shapes, (Unknown(), Unknown()))


def _of_scalar(sizes: Sizes, shapes: list[Shape], shape: Shape) -> Shape:
    if shapes[0] != SCALAR:
        raise InputError(f"expected a scalar, got {sizes.text(shapes[0])}")
    return shape


def _entrywise(name: str) -> Callable[[Any], Any]:
    """Return a scalar function, of a scalar or of every entry of a matrix."""
    row = scalars.FUNCTIONS[name]
    return lambda x: build.elementwise(row(U), x) if is_matrix(x) else row(x)


_exp, _log, _abs = map(_entrywise, ("exp", "log", "abs"))


def _on_matrix(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that leaves a scalar as it is."""
    return lambda x: function(x) if is_matrix(x) else x


def _itself(x: Any) -> Any:
    return x


def _plus(x: Any, number: int) -> Any:
    like = build.ones(*x.shape) if is_matrix(x) else ONE
    return build.add(x, build.multiply(Integer(number), like))


def _norm1(x: Any) -> Any:
    return build.total(_abs(x))


def _mean(x: Any) -> Any:
    return build.total(x) / sympy.Mul(*x.shape)


def _row_mean(x: Any) -> Any:
    return build.multiply(Pow(x.shape[1], -1), build.row_sum(x))


def _column_mean(x: Any) -> Any:
    return build.multiply(Pow(x.shape[0], -1), build.column_sum(x))


def _softmax(x: Any) -> Any:
    column = not is_matrix(x) or x.shape[1] == 1
    return build.softmax(x) if column else build.row_softmax(x)


def _cross_entropy(p: Any, y: Any) -> Any:
    return nodes.CrossEntropy(p, y) if is_matrix(p) else -y * _log(p)


def _diagonal_matrix(x: Any) -> Any:
    is_row = is_matrix(x) and x.shape[1] != 1
    return build.diag(build.transpose(x) if is_row else x)


def _inverse(x: Any) -> Any:
    return build.inverse(x) if is_matrix(x) else scalars.power(x, S.NegativeOne)


def _extremum(
    of_entries: Callable[[Any], Any], of_two: Callable[[Any, Any], Any]
) -> Callable[..., Any]:
    """Return a function of the entries of one argument, or of the entries of two in pairs."""
    return lambda x, *others: of_two(x, *others) if others else of_entries(x)


def _log_det(x: Any) -> Any:
    return build.log_det(x) if is_matrix(x) else _log(_abs(x))


_ROWS = (
    *(LanguageFunction(name, 1, _same, _entrywise(name)) for name in scalars.FUNCTIONS),
    LanguageFunction("log1p", 1, _same, lambda x: _log(_plus(x, 1))),
    LanguageFunction("expm1", 1, _same, lambda x: _plus(_exp(x), -1)),
    LanguageFunction("sum", 1, _scalar, build.total),
    LanguageFunction("mean", 1, _scalar, _on_matrix(_mean)),
    LanguageFunction(
        "max", 2, _scalar_or_stretched, _extremum(build.maximum, build.entrywise_maximum), 1
    ),
    LanguageFunction(
        "min", 2, _scalar_or_stretched, _extremum(build.minimum, build.entrywise_minimum), 1
    ),
    LanguageFunction("tr", 1, _square_to_scalar, build.trace),
    LanguageFunction("det", 1, _square_to_scalar, build.determinant),
    LanguageFunction("logdet", 1, _square_to_scalar, _log_det),
    LanguageFunction("norm1", 1, _scalar, _norm1),
    LanguageFunction("norm2", 1, _scalar, build.norm2),
    LanguageFunction("normF", 1, _scalar, build.norm2),
    LanguageFunction("logsumexp", 1, _scalar, build.log_sum_exp),
    LanguageFunction("rowsum", 1, _to_column, _on_matrix(build.row_sum)),
    LanguageFunction("colsum", 1, _to_row, _on_matrix(build.column_sum)),
    LanguageFunction("rowmean", 1, _to_column, _on_matrix(_row_mean)),
    LanguageFunction("colmean", 1, _to_row, _on_matrix(_column_mean)),
    LanguageFunction("rowlogsumexp", 1, _to_column, build.row_log_sum_exp),
    LanguageFunction("rowsoftmax", 1, _same, build.row_softmax),
    LanguageFunction("softmax", 1, _same, _softmax),
    LanguageFunction("crossentropy", 2, _equal_to_scalar, _cross_entropy),
    LanguageFunction("inv", 1, _square, _inverse),
    LanguageFunction("pinv", 1, _transposed, build.pseudo_inverse),
    LanguageFunction("adj", 1, _square, build.adjugate),
    LanguageFunction("tril", 1, _same, build.lower_triangle),
    LanguageFunction("triu", 1, _same, build.upper_triangle),
    LanguageFunction("kron", 2, _kronecker, build.kronecker),
    LanguageFunction("diag", 1, _vector_to_square, _diagonal_matrix),
    LanguageFunction("diagvec", 1, _square_to_column, build.diagonal),
    LanguageFunction("vector", 1, _new_column, _itself),  # stretched to the shape it is given
    LanguageFunction("matrix", 1, _new_matrix, _itself),
)

FUNCTIONS = MappingProxyType({row.name: row for row in _ROWS})


# Their arguments are sizes, and they are built from the rows and columns that these make.
CONSTANTS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "ones": build.ones,
        "zeros": build.zeros,
        "eye": lambda rows, _: build.identity(rows),
    }
)

FUNCTION_NAMES = frozenset(FUNCTIONS) | frozenset(CONSTANTS)

# What other systems call our functions, for a message: the name here, or what is typed instead.
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "trace": "'tr'",
        "ln": "'log'",
        "determinant": "'det'",
        "inverse": "'inv'",
        **dict.fromkeys(("norm", "fro", "frobenius"), "'norm2'"),
        **{f"a{name}": f"'arc{name}'" for name in ("sin", "cos", "tan")},
        **dict.fromkeys(("gammaln", "loggamma"), "'lgamma'"),
        "psi": "'digamma'",
        **dict.fromkeys(("logistic", "expit"), "'sigmoid'"),
        "heaviside": "'step'",
        **dict.fromkeys(("identity", "id"), "'eye'"),
        **{name: f"'{name[:3]}'" for name in ("maximum", "minimum")},
        "log2": "log(x)/log(2)",
        "log10": "log(x)/log(10)",
        "transpose": "A'",
        "dot": "x'*y",
        **dict.fromkeys(("power", "pow"), "x.^y"),
        **dict.fromkeys(("square", "sqr"), "x.^2"),
        **dict.fromkeys(("mm", "matmul"), "A*B"),
    }
)
