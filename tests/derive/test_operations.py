"""The table of operations: every row against two oracles; a new row gets all of this by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sympy
from sympy import MatrixSymbol, Symbol

from derive import nodes, operations, scalars
from derive.build import frobenius
from derive.derivation import Result
from derive.derivatives import differentiate
from derive.emit import emit
from derive.errors import RefusedError
from derive.forward import entry_derivatives
from derive.graph import is_matrix, operands, shape_of
from derive.language import Formula, read_formula
from derive.operations import OPERATIONS, Operation, operation_of, pull_back, title_of
from numeric.check import Verdict, check
from numeric.functions import kink_function, value_function
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Mapping

ZERO = Fraction(1, 10**40)  # to the exact oracle


# --- A row's example as a formula: Σ G ⊙ node, every operand a variable of its own ---------------


@dataclass(frozen=True)
class Pulled:
    """A rule applied to placeholders: the value whose gradients its cotangents are."""

    formula: Formula
    node: Any
    cotangents: Mapping[str, Any]

    def points(self, start: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        sizes, value = distinct_sizes(self.formula, start=start), value_function(self.formula)

        def is_inside(point: Mapping[str, Any]) -> bool:
            with np.errstate(all="ignore"):
                return math.isfinite(value(**point))

        return sizes, draw_points(self.formula, is_inside, sizes=sizes, count=2, seed=1)


# Nodes that no formula is: they arise in gradients.
ARISING = {
    "first_maximum of a column": nodes.FirstMaximum(MatrixSymbol("x", 4, 1)),
    "first_maximum of a row": nodes.FirstMaximum(MatrixSymbol("x", 1, 4)),
    "first_maximum of a matrix": nodes.FirstMaximum(MatrixSymbol("A", 3, 2)),
}


def pulled(row: Operation, text: str) -> Pulled:
    if not text:
        pytest.fail(
            f"The row of '{row.name}' has no example. Add to it, in derive/operations.py, "
            'examples=("…",): a formula that is this node, of variables, such as "inv(A)".',
            pytrace=False,
        )
    node = ARISING[text] if text in ARISING else read_formula(text).expr
    assert operation_of(node) is row, f"'{text}' is no {row.name} but {type(node).__name__}"
    inside = operands(node)
    variables = [_placeholder(f"v{i}", operand) for i, operand in enumerate(inside)]
    node = node.func(*node.args[: len(node.args) - len(inside)], *variables)
    g = _placeholder("g", node)
    free = {v.name: v for v in (*variables, g) if not v.is_number}
    pairs = zip(variables, pull_back(g, node), strict=True)
    return Pulled(
        Formula(text, frobenius(g, node), MappingProxyType(free)),
        node,
        {variable.name: cotangent for variable, cotangent in pairs if not variable.is_number},
    )


def _placeholder(name: str, like: Any) -> Any:
    if is_matrix(like):
        return MatrixSymbol(name, *like.shape)
    return like if like.is_number else Symbol(name, real=True)


def examples(row: Operation) -> tuple[str, ...]:
    arising = tuple(text for text, node in ARISING.items() if type(node) is row.node)
    return row.examples or arising or ("",)


EXAMPLES = [(row, text) for row in OPERATIONS.values() if row.pullback for text in examples(row)]
EACH_EXAMPLE = pytest.mark.parametrize(
    ("row", "text"), EXAMPLES, ids=[f"{row.name}-{text}" for row, text in EXAMPLES]
)


@EACH_EXAMPLE
def test_pullback_matches_entrywise_diff(row: Operation, text: str) -> None:
    """Oracle 1: SymPy's derivative of the explicit entries, exactly, at small distinct sizes."""
    rule = pulled(row, text)
    sizes, drawn = rule.points(start=2)
    by_symbol = {size: sizes[str(size)] for size in rule.formula.sizes}
    point = {name: _fractions(value) for name, value in drawn[0].items()}
    for name, cotangent in rule.cotangents.items():
        assert shape_of(cotangent) == shape_of(rule.formula.variables[name])
        pairs = [
            (expected, got)
            for _, expected, got in entry_derivatives(
                Result.of(rule.formula, name, cotangent), rule.formula, by_symbol, point
            )
        ]
        largest = max(abs(expected) for expected, _ in pairs)
        assert max(abs(a - b) for a, b in pairs) <= float(ZERO) * max(1, largest)


def _fractions(value: Any) -> Any:
    nested = np.asarray(value).tolist()
    if isinstance(nested, list):
        return [[Fraction(entry).limit_denominator(50) for entry in row] for row in nested]
    return Fraction(nested).limit_denominator(50)


def claims(rule: Pulled, factor: float) -> Any:
    """Return the emitted cotangents times a factor, and a wrong constant where they are zero."""
    order, names = tuple(rule.formula.variables), tuple(rule.cotangents)
    function = emit(tuple(rule.cotangents.values()), rule.formula.variables).function

    def gradients(**point: Any) -> dict[str, Any]:
        found = zip(names, function(*(point[name] for name in order)), strict=True)
        return {name: factor * value + (factor != 1) * (not np.any(value)) for name, value in found}

    return gradients


def verdict(rule: Pulled, factor: float) -> Verdict:
    _, points = rule.points(start=3)
    value, kinked = value_function(rule.formula), kink_function(rule.formula)
    names = tuple(rule.cotangents)
    return check(value, claims(rule, factor), points, kinks=kinked, wrt=names).verdict


@EACH_EXAMPLE
def test_emitted_pullback_matches_differences(row: Operation, text: str) -> None:
    """Oracle 2: numbers, from emitted code, inside the domain and away from the kinks."""
    assert verdict(pulled(row, text), 1) is Verdict.PASS


@EACH_EXAMPLE
@pytest.mark.parametrize("factor", [1 + 1e-6, -1, 0])
def test_checker_rejects_a_broken_pullback(row: Operation, text: str, factor: float) -> None:
    assert verdict(pulled(row, text), factor) is Verdict.FAIL


# --- The table itself ----------------------------------------------------------------------------


def test_a_row_without_an_example_fails_and_says_what_to_add() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"row of 'inv' has no example.*examples="):
        pulled(replace(OPERATIONS[nodes.Inverse], examples=()), "")


def test_every_elementwise_function_of_the_language_is_an_example() -> None:
    tested = {text.partition("(")[0] for _, text in EXAMPLES}
    assert {name for name, row in scalars.FUNCTIONS.items() if row.has_derivative} <= tested


def test_a_function_without_a_derivative_is_refused_by_name() -> None:
    for text in ("sum(trigamma(x))", "trigamma(a)", "sum(exp(trigamma(A)))"):
        with pytest.raises(RefusedError, match="No derivative rule for 'trigamma'"):
            differentiate(text)


def test_every_node_has_a_row() -> None:
    abstract = {nodes.Functional, nodes.MatrixFunction}
    named = (getattr(nodes, name) for name in nodes.__all__)
    classes = {node for node in named if isinstance(node, type)} - abstract
    assert classes - set(OPERATIONS) == set()


def test_rows_are_distinct_and_named() -> None:
    assert len(OPERATIONS) == len(operations._ROWS)
    assert all(row.title for row in OPERATIONS.values())
    with pytest.raises(TypeError):
        OPERATIONS[nodes.Inverse] = None  # type: ignore[index]


@pytest.mark.parametrize("row", [row for row in OPERATIONS.values() if row.pullback is None])
def test_no_gradient_is_an_explicit_row(row: Operation) -> None:
    node = row.node(MatrixSymbol("A", 2, 3))
    with pytest.raises(RefusedError, match=f"No gradient flows through '{row.name}'"):
        pull_back(_placeholder("g", node), node)


def test_a_missing_rule_is_an_error_that_names_the_node() -> None:
    kronecker = sympy.kronecker_product(MatrixSymbol("A", 2, 2), MatrixSymbol("B", 2, 2))
    with pytest.raises(RefusedError, match="No derivative rule for 'KroneckerProduct'"):
        operation_of(kronecker)
    with pytest.raises(RefusedError, match="No derivative rule for 'Max'"):
        operation_of(sympy.Max(Symbol("a", real=True), Symbol("b", real=True)))


def test_a_rule_that_forgets_an_argument_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(OPERATIONS[nodes.Trace], pullback=lambda g, out, x: ())
    monkeypatch.setattr(operations, "OPERATIONS", {**OPERATIONS, nodes.Trace: row})
    with pytest.raises(AssertionError, match="the rule of tr returned 0 cotangents"):
        pull_back(sympy.Integer(1), nodes.Trace(MatrixSymbol("A", 2, 2)))


def test_a_step_names_the_operation() -> None:
    A, a = MatrixSymbol("A", 2, 2), Symbol("a", real=True)
    assert title_of(nodes.Product(A, A)) == "matrix product"
    assert title_of(nodes.Product(a, A)) == "scalar multiple"
    assert title_of(sympy.sin(a)) == "function sin"
    assert title_of(nodes.Elementwise(sympy.sin(scalars.U), A)) == "elementwise sin"
