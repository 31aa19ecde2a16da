"""The lines a formula is cut into: which values are named, and how, and that nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from derive.errors import ChainRuleError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.language import read_formula
from derive.notation import TEXT
from derive.program import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lines(text: str, shapes: Mapping[str, str] | None = None, wrt: str = "") -> list[str]:
    formula = read_formula(text, shapes)
    active = {v for name, v in formula.variables.items() if not wrt or name in wrt}
    taken = {*formula.variables, *map(str, formula.sizes)}
    program = cut(formula.expr, taken, active)
    assert program.expand(program.function.expr) == formula.expr
    return [f"{line.name} = {TEXT(line.expr)}" for line in program.lines]


NAMED = [
    ("norm2(relu(W*x))^2", ["z = W*x", "a = relu(z)", "f = norm2(a)^2"]),
    ("norm2(A*x - y)^2", ["r = A*x - y", "f = norm2(r)^2"]),
    ("x'*A*x", ["f = x'*A*x"]),
    ("logdet(A*B)", ["M = A*B", "f = logdet(M)"]),
    (
        "norm2(U*tanh(V*tanh(W*x)))^2",
        ["z1 = W*x", "a1 = tanh(z1)", "z2 = V*a1", "a2 = tanh(z2)", "r = U*a2", "f = norm2(r)^2"],
    ),
    ("sum(tanh(X) .* Y)", ["A = tanh(X)", "f = sum(A .* Y)"]),
    ("sum(tanh(X) .* X)", ["f = sum(X .* tanh(X))"]),
    ("crossentropy(p, y)", ["L = crossentropy(p, y)"]),
    ("a", ["f = a"]),
    ("3", ["f = 3"]),
    # a value that is used twice has one line, and its transpose is its transpose
    ("norm2(A*x)^2 + norm2(x'*A')", ["r = A*x", "t = norm2(r)", "f = t + t^2"]),
    # names that are taken
    ("norm2(relu(z*f))^2", ["u = f*z", "a = relu(u)", "F = norm2(a)^2"]),
    ("exp(f*g)*a", ["t = f*g", "F = a*exp(t)"]),
]


@pytest.mark.parametrize(("text", "expected"), NAMED)
def test_values_are_named_as_a_person_would(text: str, expected: list[str]) -> None:
    assert lines(text) == expected


def test_only_what_depends_on_the_variables_is_named() -> None:
    assert lines("sum(tanh(A*x) .* (B*y))", wrt="y") == ["f = sum(tanh(A*x) .* (B*y))"]


def test_letters_that_run_out_are_numbered() -> None:
    shapes = dict.fromkeys("fFgh", "scalar") | {"x": "n"}
    assert lines("sum(x)*f*F*g*h", shapes) == ["r = F*f*g*h*sum(x)"]


@settings(max_examples=150)
@given(data=st.data())
def test_lines_expand_to_the_formula(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    taken = {*formula.variables, *map(str, formula.sizes)}
    program = cut(formula.expr, set(taken), set(formula.variables.values()))
    names = [line.name for line in program.lines]
    assert len({*names, *taken}) == len(names) + len(taken)
    known = set(formula.variables.values())
    for line in program.lines:
        assert shape_of(line.symbol) == shape_of(line.expr)
        symbols = {node for node in postorder(line.expr) if is_matrix(node) and not operands(node)}
        assert {s for s in symbols if hasattr(s, "name")} <= known
        known.add(line.symbol)
    assert program.expand(program.function.symbol) == formula.expr
    point = drawn.point(formula, lambda values: evaluate(drawn.text, values, drawn.sizes))
    if point is None:
        return
    expected = evaluate(drawn.text, point, drawn.sizes)
    for line in program.lines:
        point[line.name] = evaluate(TEXT(line.expr), point, drawn.sizes)
    assert abs(point[program.function.name] - expected) <= 1e-7 * max(1, abs(expected))


def test_a_line_expands_to_what_was_cut_not_to_what_is_rebuilt() -> None:
    """|t| is a value of its own in |t|², and the square of the name is that of t."""
    formula = read_formula("norm1(erf(v)) + norm1(erf(v))*norm1(erf(v))", {"v": "1"})
    program = cut(formula.expr, {"v"}, set(formula.variables.values()))
    assert program.expand(program.function.symbol) == formula.expr
