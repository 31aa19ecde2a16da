"""The sweep: gradients against differences of the value, and every line of a derivation true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import MatrixSymbol, Symbol

from derive import build, nodes, problems, scalars
from derive.build import replace
from derive.derivatives import differentiate
from derive.emit import emit
from derive.errors import ChainRuleError, InputError, RefusedError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.language import Formula, read_formula
from derive.notation import TEXT
from derive.reverse import INLINE_WEIGHT
from derive.symbols import MatrixDerivative, ScalarDerivative
from numeric.check import Verdict
from numeric.functions import value_function
from numeric.points import distinct_sizes, draw_points
from numeric.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# --- Random formulas -----------------------------------------------------------------------------


def read(drawn: Any) -> Any:
    """Read a drawn formula; what the language refuses is no example, nor what code cannot size."""
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    assume(formula.variables)
    nodes_of = postorder(formula.expr)
    sizes = {s for node in nodes_of for size in shape_of(node) for s in size.free_symbols}
    sizes |= {node for node in nodes_of if isinstance(node, Symbol) and node.is_integer}
    assume(sizes <= set(formula.sizes))
    return formula


@settings(max_examples=500)
@given(data=st.data())
def test_gradient_is_what_differences_of_the_value_say(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    """Differences of the emitted value, and the text of the gradient through an evaluator."""
    drawn = data.draw(formulas())
    formula = read(drawn)
    names = sorted(formula.variables)
    wrt = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    derivation = differentiate(formula, wrt)
    try:
        found = verify(derivation, points=1, exact=False, seed=drawn.seed % 1000)
    except RefusedError:
        assume(False)
    assert found.verdict is not Verdict.FAIL, found.report
    assume(found.verdict is Verdict.PASS)
    point = {name: np.array(value) for name, value in found.point.items()}
    sizes = {str(s): n for v in formula.variables.values() for s, n in _sizes(v, point[v.name])}
    emitted = derivation.function()(**point)[1]
    for name in wrt:
        got = evaluate(TEXT(derivation.gradient[name]), point, sizes)
        np.testing.assert_allclose(
            got, emitted[name].reshape(got.shape), rtol=1e-6, atol=1e-9 * _size(emitted[name])
        )


def _sizes(variable: Any, value: Any) -> list[tuple[Any, int]]:
    return list(zip(shape_of(variable), value.shape, strict=False))


def _size(value: Any) -> float:
    return max(1.0, float(np.max(np.abs(value))))


@settings(max_examples=60)
@given(data=st.data())
def test_derivation_is_deterministic(data: st.DataObject, formulas: Any) -> None:
    drawn = data.draw(formulas())
    one, two = differentiate(read(drawn)), differentiate(read(drawn))
    assert [step.text() for step in one.steps] == [step.text() for step in two.steps]
    assert one.gradient == two.gradient


@settings(max_examples=100)
@given(data=st.data())
def test_every_line_of_a_derivation_is_true(data: st.DataObject, formulas: Any) -> None:
    """Every right side of ∇_z f has one value, when names and derivatives are put in."""
    drawn = data.draw(formulas())
    lines_are_true(differentiate(read(drawn)), drawn.seed % 1000)


@pytest.mark.parametrize("name", problems.problem_names())
def test_every_line_of_a_problem_is_true(name: str) -> None:
    problem = problems.load_problem(name)
    formula = read_formula(problem.formula, problem.shapes, problem.assume)
    lines_are_true(differentiate(formula), 0)


def lines_are_true(derivation: Any, seed: int) -> None:
    formula, program = derivation.formula, derivation.program
    final: dict[Any, Any] = {}
    claims: list[tuple[Any, Any]] = []
    for step in derivation.steps:
        assert step.rule
        assert isinstance(step.shape, tuple)
        for side in step.right:
            if isinstance(step.left, (MatrixDerivative, ScalarDerivative)):
                expanded = program.expand(replace(side, final))
                assert shape_of(expanded) == shape_of(step.left) == step.shape
                claims.append((step.left, expanded))
        if isinstance(step.left, (MatrixDerivative, ScalarDerivative)):
            final[step.left] = claims[-1][1]
    value, sizes = value_function(formula), distinct_sizes(formula)

    def is_inside(point: Mapping[str, Any]) -> bool:
        with np.errstate(all="ignore"):
            return bool(abs(value(**point)) < 1e6)

    try:
        (point,) = draw_points(formula, is_inside, sizes=sizes, count=1, seed=seed)
    except (RefusedError, np.linalg.LinAlgError):
        return
    outputs = tuple(side for _, side in claims)
    with np.errstate(all="ignore"):
        values = emit(outputs, formula.variables).function(*(point[n] for n in formula.variables))
    first: dict[Any, Any] = {}
    for (left, side), got in zip(claims, values, strict=True):
        expected = first.setdefault(left, got)
        if np.all(np.isfinite(expected)):
            np.testing.assert_allclose(
                np.broadcast_to(got, np.shape(expected)), expected, rtol=1e-6,
                atol=1e-8 * _size(expected), err_msg=f"{left} = {TEXT(side)}",
            )  # fmt: skip


# --- Names and shapes that collide ---------------------------------------------------------------

INDICES = dict.fromkeys("ijklpqrst", "n")
AWKWARD = [
    # values named like variables of the formula
    ("norm2(relu(f*z))^2", {"f": "m,n", "z": "n"}),
    ("crossentropy(softmax(L*s + z), a)", {"L": "m,n", "s": "n", "z": "m", "a": "m"}),
    ("sum(tanh(a1*x)) + sum(tanh(a2*x))", {"a1": "m,n", "a2": "m,n", "x": "n"}),
    (
        "sum(softmax(i .* j .* k .* l .* p .* q .* r .* s .* t) .* i)",
        INDICES,
    ),
    # sizes named like values of the derivation
    ("norm2(relu(W*x))^2", {"W": "z,a", "x": "a"}),
    ("norm2(tanh(W*x))^2 + sum(W)", {"W": "f,n", "x": "n"}),
    # sizes of 1, and sizes that are equal
    ("norm2(relu(W*x))^2", {"W": "1,n", "x": "n"}),
    ("norm2(relu(W*x))^2", {"W": "m,1", "x": "1"}),
    ("crossentropy(softmax(W*x + b), y)", {"W": "3,1", "x": "1", "b": "3", "y": "3"}),
    ("sum(rowsoftmax(X*W + b) .* Y)", {"X": "1,4", "W": "4,3", "b": "1,3", "Y": "1,3"}),
    ("sum(rowlogsumexp(X*W))", {"X": "1,4", "W": "4,3"}),
    ("logdet(A)*sum(x)", {"A": "2,2", "x": "2"}),
    ("x'*A*x + tr(A*A)", {"A": "2,2", "x": "2"}),
    ("(t + 1)^2*sum(x*t)", {"t": "1,1", "x": "n"}),
    # a scalar inside matrices, and broadcasting of all kinds
    ("norm2(inv(A + a*B)*x)^2", {"A": "n,n", "B": "n,n", "x": "n", "a": "scalar"}),
    ("sum(exp(a*X + b) .* (x' - a))", {"X": "m,n", "x": "n", "b": "m", "a": "scalar"}),
    ("sum((X - rowmean(X)).^2 ./ (1 + colsum(X).^2))", {"X": "m,n"}),
    ("sum(x.^a) + a^b", {"x": "n", "a": "scalar", "b": "scalar"}),
    # the same value more than once
    ("norm2(A*x)^2 + sum(tanh(A*x))*norm2(A*x)", {"A": "m,n", "x": "n"}),
    ("x'*x + sum(x) + x'*x*sum(x)", {"x": "n"}),
    ("crossentropy(softmax(x), softmax(x))", {"x": "n"}),
    ("sum(softmax(x) .* log(softmax(x)))", {"x": "n"}),
    # coefficients that hold sums of matrices
    ("max(max(sum(sin(x))*(ones(m)*x'), rowsum(-0.5*A)))", {"A": "m,n", "x": "n"}),
    # values that are constant, and a formula that is a variable or a number
    ("sum(softmax(zeros(n)) .* x)", {"x": "n"}),
    ("crossentropy(softmax(ones(n)), x)", {"x": "n"}),
    ("a", {"a": "scalar"}),
    ("sum(A)", {"A": "m,n"}),
]


@pytest.mark.parametrize(("text", "shapes"), AWKWARD)
def test_awkward_names_and_shapes(text: str, shapes: Mapping[str, str]) -> None:
    derivation = differentiate(text, shapes=shapes)
    formula = derivation.formula
    names = [line.name for line in derivation.program.lines]
    assert len(set(names)) == len(names)
    assert not set(names) & {*formula.variables, *map(str, formula.sizes)}
    for name, gradient in derivation.gradient.items():
        assert shape_of(gradient) == shape_of(formula.variables[name])
    lines_are_true(derivation, 0)
    assert verify(derivation).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "name", "zero"),
    [
        ("sum(x) + 0*sum(A)", "A", "zeros(2,3)"),
        ("sum(x) + 0*a", "a", "0"),
        ("sum(x) - sum(x) + sum(A)", "x", "zeros(4)"),
        ("sum(softmax(x)) + sum(A)", "x", "zeros(4)"),
        ("sum(sign(x))", "x", "zeros(4)"),
        ("3", None, None),
    ],
)
def test_what_does_not_matter_has_gradient_zero(text: str, name: str, zero: str) -> None:
    derivation = differentiate(text, shapes={"A": "2,3", "x": "4"})
    if name is None:
        assert derivation.gradient == {}
    else:
        assert TEXT(derivation.gradient[name]) == zero


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "error", "message"),
    [
        ("A*x", {"order": 2}, RefusedError, r"The formula has shape \(m, 1\); a Hessian needs a"),
        ("sum(x)", {"wrt": ["X"]}, InputError, "'X' is not a variable of the formula"),
        ("x'*y", {"wrt": ["x,y"]}, InputError, "Write --wrt x --wrt y"),
        (
            "A*x",
            {"assumptions": {"A": ["symmetric"]}},
            RefusedError,
            "'A' has an assumed structure, on which no Jacobian is derived",
        ),
        ("a^2", {"assumptions": {"a": ["onehot"]}}, InputError, "a=onehot: expected a vector"),
        (
            "norm2(x)^2/n + n*mean(x)",
            {"shapes": {"n": "scalar", "x": "n"}},
            RefusedError,
            "size n as a number, and n is a variable",
        ),
    ],
)
def test_refusals_name_what_is_wrong(
    text: str, arguments: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        differentiate(text, **arguments)


@pytest.mark.parametrize("number", [sympy.I, sympy.zoo, sympy.nan, sympy.oo, sympy.sqrt(-2)])
def test_numbers_that_are_not_real_are_refused(number: Any) -> None:
    x = MatrixSymbol("x", 3, 1)
    formula = Formula("", number * build.total(x), {"x": x})
    with pytest.raises(RefusedError, match="which is no real number"):
        differentiate(formula)
    inside = build.total(nodes.Elementwise(number + scalars.U, x))
    with pytest.raises(RefusedError, match="which is no real number"):
        differentiate(Formula("", inside, {"x": x}))


# --- Depth and width -----------------------------------------------------------------------------


def swept(text: str, shapes: Mapping[str, str] | None = None) -> None:
    """Differentiate, and look at the shapes."""
    formula = read_formula(text, shapes)
    derivation = differentiate(formula)
    for name, gradient in derivation.gradient.items():
        assert shape_of(gradient) == shape_of(formula.variables[name])


def nested(before: str, count: int, after: str = ")") -> str:
    return before * count + "x" + after * count


LARGE = [
    pytest.param(f"sum({nested('tanh(', 1000)})", id="a thousand nested functions"),
    pytest.param(f"norm2({nested('W*tanh(', 300)})^2", id="a network of 300 layers"),
    pytest.param(f"norm2({nested('W*(', 200)})^2", id="a product of 200 matrices"),
    pytest.param(f"norm2({nested('W*(y + ', 100)})^2", id="a hundred nested sums"),
    pytest.param(" + ".join(["norm2(x - 2*y)^2"] * 5000 + ["sum(x)"]), id="5,000 equal terms"),
    pytest.param(" + ".join(f"{i}*sum(exp({i}*x))" for i in range(1, 2001)), id="2,000 terms"),
]


@pytest.mark.parametrize("text", LARGE)
def test_large_formulas_take_no_recursion(text: str) -> None:
    swept(text, {"W": "n,n", "x": "n", "y": "n"})


def test_a_gradient_through_names_of_heavy_derivatives_is_right() -> None:
    """Some derivatives are too long to be put in place; they are expanded in the result."""
    text = f"sum({nested('W*tanh(y + ', 12)})"
    derivation = differentiate(text, shapes={"W": "n,n", "x": "n", "y": "n"})
    heavy = [step.right[-1] for step in derivation.steps if is_matrix(step.left)]
    assert any(isinstance(o, MatrixDerivative) for side in heavy for o in operands(side))
    for gradient in derivation.gradient.values():
        leaves = {node for node in postorder(gradient) if not operands(node)}
        assert leaves >= set(derivation.formula.variables.values()) & leaves
        assert not any(isinstance(leaf, MatrixDerivative) for leaf in leaves)
    assert INLINE_WEIGHT < 100
    assert verify(derivation, points=1, exact=False).verdict is Verdict.PASS


def test_scalars_nested_beyond_sympy_are_refused() -> None:
    assert "a" in differentiate("tanh(" * 120 + "a" + ")" * 120).gradient
    with pytest.raises(InputError, match="more than 120 nested functions of scalars, the limit"):
        read_formula("tanh(" * 121 + "a" + ")" * 121)
    products = read_formula("(" * 600 + "a" + " + 2)*a" * 600)
    with pytest.raises(RefusedError, match="nests scalar functions too deeply"):
        differentiate(products)


def test_a_sum_of_rows_is_no_sum_of_scalars() -> None:
    """SymPy's matrix sums are sums of its own, too: a rewrite of scalars must not take them."""
    shapes = {"A": "1,3", "B": "3,1", "y": "3"}
    derivation = differentiate("sum(kron(min(B'*A'*B', colsum(B')), y))", shapes=shapes)
    assert verify(derivation).verdict is Verdict.PASS
