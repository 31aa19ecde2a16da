"""Printed formulas: text reads back, and Unicode and LaTeX leave no doubt about what binds."""

from __future__ import annotations

import math
import runpy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpmath
import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sympy import ImmutableDenseMatrix, Rational, asinh

from derive import scalars
from derive.errors import FormulaError
from derive.forward import evaluate
from derive.functions import CONSTANTS, FUNCTIONS
from derive.graph import is_matrix
from derive.language import Formula, read_formula
from derive.notation import TEXT
from derive.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Callable

# --- What a formula means, by NumPy: the oracle ---------------------------------------------------


def softmax(x: Any) -> Any:
    e = numpy.exp(x - x.max())
    return e / e.sum()


def by_row(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: numpy.vstack([numpy.reshape(function(row), (1, -1)) for row in x])


def log_sum_exp(x: Any) -> Any:
    return numpy.log(numpy.exp(x).sum())


# A row of the table means NumPy's function of its name; those that NumPy lacks stand below.
UFUNCS = [name for name in (*scalars.FUNCTIONS, "log1p", "expm1") if hasattr(numpy, name)]
# Of arrays with two axes; a result without axes is a scalar's.
MEANINGS: dict[str, Callable[..., Any]] = {
    **{name: getattr(numpy, name) for name in UFUNCS},
    "relu": lambda x: numpy.maximum(x, 0),
    "step": lambda x: (x > 0).astype(float),
    "sigmoid": lambda x: 1 / (1 + numpy.exp(-x)),
    "softplus": lambda x: numpy.logaddexp(0, x),
    "erf": numpy.vectorize(math.erf, otypes=[float]),
    "lgamma": numpy.vectorize(math.lgamma, otypes=[float]),
    "digamma": numpy.vectorize(lambda x: float(mpmath.psi(0, x)), otypes=[float]),
    "trigamma": numpy.vectorize(lambda x: float(mpmath.psi(1, x)), otypes=[float]),
    "max": lambda *x: numpy.maximum(*x) if len(x) == 2 else x[0].max(),
    "min": lambda *x: numpy.minimum(*x) if len(x) == 2 else x[0].min(),
    "sum": numpy.sum,
    "mean": numpy.mean,
    "tr": numpy.trace,
    "det": numpy.linalg.det,
    "logdet": lambda x: numpy.linalg.slogdet(x)[1],
    "norm1": lambda x: numpy.abs(x).sum(),
    "norm2": lambda x: numpy.sqrt((x**2).sum()),
    "normF": lambda x: numpy.sqrt((x**2).sum()),
    "logsumexp": log_sum_exp,
    "rowsum": lambda x: x.sum(axis=1, keepdims=True),
    "colsum": lambda x: x.sum(axis=0, keepdims=True),
    "rowmean": lambda x: x.mean(axis=1, keepdims=True),
    "colmean": lambda x: x.mean(axis=0, keepdims=True),
    "rowlogsumexp": by_row(log_sum_exp),
    "rowsoftmax": by_row(softmax),
    "softmax": lambda x: softmax(x) if x.shape[1] == 1 else by_row(softmax)(x),
    "crossentropy": lambda p, y: -(y * numpy.log(p)).sum(),
    "inv": numpy.linalg.inv,
    "pinv": numpy.linalg.pinv,
    "adj": lambda x: numpy.linalg.det(x) * numpy.linalg.inv(x),
    "tril": numpy.tril,
    "triu": numpy.triu,
    "kron": numpy.kron,
    "diag": lambda x: numpy.diag(x[:, 0]),
    "diagvec": lambda x: numpy.diag(x)[:, None],
    "ones": lambda rows, columns=1: numpy.ones((rows, columns)),
    "zeros": lambda rows, columns=1: numpy.zeros((rows, columns)),
    "eye": numpy.eye,
}
OPERATORS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    ".*": lambda a, b: a * b,
    "./": lambda a, b: a / b,
    ".^": lambda a, b: a**b,
    "/": lambda a, b: a / b,
    "*": lambda a, b: a * b if 1 in (a.size, b.size) else a @ b,
    "^": lambda a, b: a**b if a.size == 1 else numpy.linalg.matrix_power(a, int(b.item())),
    "neg": lambda a: -a,
    "'": lambda a: a.T,
}
SIZES = {"m": 2, "n": 3}
SHAPES = {"a": "scalar", "b": "scalar", "x": "n", "y": "n", "u": "m"}
SHAPES |= {"A": "m,n", "B": "m,n", "S": "n,n", "C": "n,m"}


def point(formula: Formula) -> dict[str, Any]:
    """Draw the variables, scalars too as arrays with two axes."""
    random = numpy.random.default_rng(7)
    values = {}
    for name, variable in sorted(formula.variables.items()):
        shape = [SIZES.get(str(size)) or int(size) for size in getattr(variable, "shape", (1, 1))]
        values[name] = random.uniform(-1, 1, shape)
    return values


def meaning(text: str, values: dict[str, Any], moved: float = 0.0) -> Any:
    """Evaluate a formula by NumPy, node by node of its syntax tree, arguments of jumps moved."""
    done: dict[Any, Any] = {}
    names = {**values, "pi": numpy.array([[numpy.pi]])}
    names |= {n: numpy.array([[s]]) for n, s in SIZES.items() if n not in names}
    for node in parse(text).postorder():
        arguments = [done[child] for child in node.children]
        if node.value in ("sign", "step"):
            arguments = [argument + moved for argument in arguments]
        if node.kind == "number":
            value = numpy.array([[float(node.value)]])
        elif node.kind == "name":
            value = names[node.value]
        elif node.value in CONSTANTS:
            value = MEANINGS[node.value](*(int(size.item()) for size in arguments))
        else:
            value = (MEANINGS[node.value] if node.value else OPERATORS[node.kind])(*arguments)
        done[node] = numpy.reshape(value, (1, 1)) if numpy.ndim(value) == 0 else value
    return done[node]


def value_of(formula: Formula, values: dict[str, Any]) -> Any:
    """Evaluate the expression that was read, entry by entry, by SymPy."""
    entries = {}
    for name, variable in formula.variables.items():
        numbers = ImmutableDenseMatrix(*values[name].shape, list(map(Rational, values[name].flat)))
        entries[variable] = numbers if is_matrix(variable) else numbers[0]
    sizes = {s: SIZES[s.name] for s in formula.expr.free_symbols if s.name in SIZES}
    result = evaluate(formula.expr, entries, sizes)
    rows = result.tolist() if is_matrix(formula.expr) else [[result]]
    return numpy.array([[complex(entry) for entry in row] for row in rows])


# --- Random formulas from the table -------------------------------------------------------------

SCALAR, COLUMN, ROW, MATRIX, SQUARE = ("1", "1"), ("n", "1"), ("1", "n"), ("m", "n"), ("n", "n")
LEAVES = {
    SCALAR: ["a", "b", "2", "0.5", "1e-1", "pi", "n"],
    COLUMN: ["x", "y", "ones(n)", "x", "y"],
    ROW: ["x'", "y'", "ones(1,n)"],
    MATRIX: ["A", "B", "ones(m,n)", "zeros(m,n)"],
    SQUARE: ["S", "S'", "eye(n)"],
}
REDUCTIONS = ["max", "min", "sum", "mean", "norm1", "norm2", "normF", "logsumexp"]
BY_ROW = ["rowsum", "rowmean", "rowlogsumexp"]
ANYWHERE = [*scalars.FUNCTIONS, "log1p", "expm1", "softmax", "rowsoftmax"]
# Inside the domain of a function, where that is not everything.
INSIDE = {"log": "1 + abs({})", "sqrt": "1 + abs({})", "log1p": "abs({})", "tan": "tanh({})"}
INSIDE |= dict.fromkeys(["lgamma", "digamma", "trigamma"], "0.5 + abs({})")
INSIDE |= {"arcsin": "0.9*tanh({})", "arccos": "0.9*tanh({})"}
INVERTIBLE = "({0})'*({0}) + eye(n)"


@cache
def formulas(shape: tuple[str, str], depth: int = 4) -> st.SearchStrategy[str]:
    """Draw the text of a formula of a shape."""
    leaf = st.sampled_from(LEAVES[shape])
    if depth == 0:
        return leaf
    same = st.deferred(lambda: formulas(shape, depth - 1))
    scalar = st.deferred(lambda: formulas(SCALAR, depth - 1))
    column = st.deferred(lambda: formulas(COLUMN, depth - 1))
    square = st.deferred(lambda: formulas(SQUARE, depth - 1))
    narrow = st.sampled_from([SCALAR, COLUMN, ROW] if shape == SQUARE else [SCALAR, shape])
    stretched = narrow.flatmap(lambda s: formulas(s, depth - 1))
    anything = st.sampled_from(list(LEAVES)).flatmap(lambda s: formulas(s, depth - 1))

    def call(name: str, argument: str) -> str:
        return f"{name}({INSIDE.get(name, '{}').format(argument)})"

    options = [
        leaf,
        st.builds(call, st.sampled_from(ANYWHERE), same),
        st.builds("-({})".format, same),
        st.builds("({}) + {}".format, same, stretched),
        st.builds("{} - ({}) + {}".format, same, stretched, same),
        st.builds("({}) .* ({})".format, same, stretched),
        st.builds("({}) ./ (1 + abs({})) ./ 3".format, same, stretched),
        st.builds("({}).^{}".format, same, st.sampled_from("23")),
        st.builds("(1 + abs({})).^(-{})".format, same, st.sampled_from(["1", "0.5", "2.5", "2"])),
        st.builds("2.^({})".format, same),
        st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), same, stretched),
        st.builds("({})*({})".format, scalar, same),
        st.builds("({})/(1 + abs({}))/2".format, same, scalar),
    ]
    if shape == SCALAR:
        vector = st.builds("({})'*({})".format, column, column)
        options += [
            st.builds(call, st.sampled_from(REDUCTIONS), anything),
            st.builds(call, st.sampled_from(["tr", "det"]), square),
            st.builds(f"logdet({INVERTIBLE})".format, square),
            vector,
            st.builds("({})'*({})*({})".format, column, square, column),
            st.builds("norm2(kron({}, {}))".format, anything, anything),
            st.builds("sum(exp(kron({}, {})))".format, column, anything),
            st.builds("crossentropy(softmax({}), {})".format, column, column),
        ]
    if shape == COLUMN:
        options += [
            st.builds("({})*({})".format, square, same),
            st.builds("A'*({})*({})".format, formulas(MATRIX, depth - 1), same),
            st.builds(call, st.sampled_from([*BY_ROW, "diagvec"]), square),
            st.builds(f"inv({INVERTIBLE})*({{1}})".format, square, same),
        ]
    if shape == ROW:
        options += [
            st.builds("({})'".format, column),
            st.builds(call, st.sampled_from(["colsum", "colmean"]), square),
        ]
    if shape == SQUARE:
        options += [
            st.builds("({})*({})'".format, column, column),
            st.builds("diag({})".format, column),
            st.builds("({})'".format, same),
            st.builds("({})*({})*S".format, same, same),
            st.builds("({})^2".format, same),
            st.builds(f"inv({INVERTIBLE})".format, same),
            st.builds("kron({}, {})".format, column, formulas(ROW, depth - 1)),
            st.builds(f"{{1}}({INVERTIBLE})".format, same, st.sampled_from(["pinv", "adj"])),
        ]
    if shape in (MATRIX, SQUARE):
        options += [st.builds("{}({})".format, st.sampled_from(["tril", "triu"]), same)]
    if shape == MATRIX:
        options += [st.builds("({})*({})".format, same, square)]
    return st.one_of(options)


FORMULAS = st.sampled_from(list(LEAVES)).flatmap(formulas)


def test_random_formulas_cover_the_table_of_functions() -> None:
    """A new row of the table needs a meaning: NumPy's by its name, or one that is written here."""
    assert set(MEANINGS) | {"vector", "matrix"} == set(FUNCTIONS) | set(CONSTANTS)


@pytest.mark.parametrize(
    ("file", "meanings"), [("conftest.py", "ELEMENTWISE"), ("test_notation.py", "MEANINGS")]
)
def test_a_row_that_numpy_has_needs_no_meaning_of_its_own(
    file: str, meanings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = scalars.ScalarFunction("arcsinh", asinh)
    monkeypatch.setattr(scalars, "FUNCTIONS", {**scalars.FUNCTIONS, "arcsinh": row})
    module = runpy.run_path(str(Path(__file__).with_name(file)), run_name="with_another_row")
    assert module[meanings]["arcsinh"] is numpy.arcsinh


@given(text=FORMULAS)
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_formula_means_what_numpy_computes_and_reads_back(text: str) -> None:
    try:
        formula = read_formula(text, SHAPES)
    except FormulaError as error:
        assume("range of double precision" not in error.message)  # 2.^(2.^(2.^(2.^2)))
        raise
    values = point(formula)
    with numpy.errstate(all="ignore"):
        expected = meaning(text, values)
        beside = [meaning(text, values, moved) for moved in (-1e-12, 1e-12)]
    assume(numpy.isfinite(expected).all() and abs(expected).max() < 1e9)
    scale = 1 + abs(expected).max()
    # sign(det(x*x')) is a matter of round-off.
    assume(all(abs(other - expected).max() <= 1e-8 * scale for other in beside))
    got = value_of(formula, values)
    assert got.shape == expected.shape
    assert abs(got - expected).max() <= 1e-8 * scale, TEXT(formula.expr)

    printed = TEXT(formula.expr)
    again = read_formula(printed, SHAPES)
    with numpy.errstate(all="ignore"):
        assert abs(meaning(printed, values) - expected).max() <= 1e-8 * scale, printed
    once = TEXT(again.expr)
    assert TEXT(read_formula(once, SHAPES).expr) == once


SHORT = [
    ("ones(m,n) - A", "1 - A"),
    ("A + u*ones(1,n)", "A + u"),
    ("A + ones(m)*x'", "A + x'"),
    ("u*ones(1,n) + ones(m)*x'", "u + x'"),
    ("(u*ones(1,n)) .* A", "u .* A"),
    ("A ./ (u*ones(1,n))", "A ./ u"),
    ("u*ones(1,n)", "u*ones(1,n)"),
    ("a*(1 ./ x)", "a ./ x"),
    ("a*(1 ./ x + 1)", "a*(1 ./ x + 1)"),
    ("sum(abs(x))", "norm1(x)"),
    ("A'*ones(m)", "colsum(A)'"),
    ("S*S*S", "S^3"),
    ("S'*S'*x", "S'^2*x"),
    ("inv(S)'*inv(S)'", "inv(S)'^2"),
    ("-inv(S)'*A'*C'*inv(S)'", "-(inv(S)*C*A*inv(S))'"),
    ("S'*A'*B", "S'*A'*B"),
    ("A - ones(m)*colmean(A)", "A - colmean(A)"),
    ("A - rowmean(A)", "A - rowmean(A)"),
    ("A'*ones(m)/m", "colmean(A)'"),
    ("2*A*ones(n)/n", "2*rowmean(A)"),
    ("x - 2*mean(x)", "x - 2*mean(x)"),
    ("x - mean(A)", "x - mean(A)"),
    ("2*a*x'*y", "2*a*x'*y"),
    ("(x'*y)*x", "(x'*y)*x"),
    ("exp(a*log(x))", "x.^a"),
    ("exp(2*log(x))", "exp(2*log(x))"),
    ("exp(-a*log(abs(x)))", "abs(x).^(-a)"),
    ("0.017*x", "0.017*x"),
    ("x/2", "x/2"),
    ("0.75*x", "3*x/4"),
    ("x/1000", "x/1000"),
    ("x/3", "x/3"),
    ("0.001 + a", "0.001 + a"),
]


@pytest.mark.parametrize(("text", "expected"), SHORT)
def test_text_is_short_and_reads_back_as_the_same(text: str, expected: str) -> None:
    expr = read_formula(text, SHAPES).expr
    assert TEXT(expr) == expected
    assert read_formula(expected, SHAPES).expr == expr
