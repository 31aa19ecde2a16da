"""Functions of several shapes and nodes: what they are of scalars, how they simplify and print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sympy import Integer, MatrixSymbol

from derive import nodes
from derive.build import first_maximum
from derive.derivatives import differentiate
from derive.errors import FormulaError, RefusedError
from derive.forward import entry_derivatives
from derive.functions import CONSTANTS, FUNCTIONS
from derive.language import read_formula
from derive.notation import TEXT
from derive.operations import pull_back
from derive.render.latex import LATEX
from derive.render.unicode import UNICODE
from numeric.check import Verdict
from numeric.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

# What LANGUAGE.md lists, and trigamma, in which digamma's derivative is written.
LISTED = """
exp log log1p expm1 sqrt sin cos tan sinh cosh tanh arcsin arccos arctan abs sign relu step sigmoid
softplus erf lgamma digamma trigamma max min sum mean tr det logdet norm1 norm2 normF logsumexp
rowsum colsum rowmean colmean rowlogsumexp rowsoftmax softmax crossentropy inv pinv adj diag diagvec
tril triu kron eye ones zeros vector matrix
"""


def test_every_listed_function_is_there() -> None:
    assert set(LISTED.split()) == set(FUNCTIONS) | set(CONSTANTS)


SAME = [
    # Of scalars.
    ("max(a)", "a"),
    ("min(x'*y)", "x'*y"),
    ("kron(a, B)", "a*B"),
    ("kron(B, a)", "a*B"),
    ("tril(a) + triu(b)", "a + b"),
    ("pinv(a)", "1/a"),
    ("adj(a)", "1"),
    ("max(a, a)", "a"),
    ("max(2, 3) + min(2, 3)", "5"),
    ("lgamma(1) + lgamma(2)", "0"),
    # Largest entries.
    ("max(ones(n)) + max(zeros(n,m)) + min(ones(n,m))", "2"),
    ("max(A, A)", "A"),
    # Structure.
    ("pinv(pinv(A))", "A"),
    ("pinv(A')", "pinv(A)'"),
    ("pinv(2*A)", "pinv(A)/2"),
    ("pinv(inv(A))", "A"),
    ("pinv(eye(n)) + adj(eye(n))", "2*eye(n)"),
    ("adj(A')", "adj(A)'"),
    ("pinv(A*A')' + adj(A*A')'", "pinv(A*A') + adj(A*A')"),
    ("tril(tril(A)) + triu(triu(A))", "tril(A) + triu(A)"),
    ("tril(-3*A)", "-3*tril(A)"),
    ("tril(A')", "triu(A)'"),
    ("tril(diag(x)) + triu(eye(n))", "diag(x) + eye(n)"),
    ("tril(x) + triu(x')'", "2*x"),
    # Kronecker products.
    ("kron(2*A, 3*B)", "6*kron(A, B)"),
    ("kron(A, B)'", "kron(A', B')"),
    ("kron(A, B)*kron(C, D)", "kron(A*C, B*D)"),
    ("kron(A, B) .* kron(C, D)", "kron(A .* C, B .* D)"),
    ("kron(A, B)*kron(x, y)", "kron(A*x, B*y)"),
    ("inv(kron(A, B))*kron(A, B)", "kron(eye(m), eye(n))"),
    ("pinv(kron(A, B))", "kron(pinv(A), pinv(B))"),
    ("tr(kron(A, B))", "tr(A)*tr(B)"),
    ("det(kron(A, B))", "det(A)^m*det(B)^n"),
    ("sum(kron(A, B))", "sum(A)*sum(B)"),
    ("norm2(kron(A, B))", "norm2(A)*norm2(B)"),
    ("rowsum(kron(A, B))", "kron(rowsum(A), rowsum(B))"),
    ("kron(x, y')", "x*y'"),
    ("kron(x', y)", "y*x'"),
    ("kron(zeros(n), A)", "kron(zeros(k,m), zeros(n))"),
    ("tr(kron(eye(n), eye(m)))", "sum(ones(m))*sum(ones(n))"),
]


@pytest.mark.parametrize(("text", "expected"), SAME)
def test_what_constructors_make_of_a_function(text: str, expected: str) -> None:
    assert TEXT(read_formula(text).expr) == expected


PRINTED = [
    ("kron(A, B)*x", r"(A \otimes B) \, x", "(A ⊗ B) x"),
    ("kron(A + B, C)", r"(A + B) \otimes C", "(A + B) ⊗ C"),
    ("pinv(A)'", r"(A^{+})^{\top}", "A⁺ᵀ"),
    ("adj(A)", r"\operatorname{adj}(A)", "adj(A)"),
    ("tril(A)", r"\operatorname{tril}(A)", "tril(A)"),
    ("max(x, y)", r"\max(x, y)", "max(x, y)"),
    ("min(A)", r"\min(A)", "min(A)"),
    ("erf(x)", r"\operatorname{erf}(x)", "erf(x)"),
    ("lgamma(x)", r"\log\Gamma(x)", "log Γ(x)"),
    ("digamma(x)", r"\psi(x)", "ψ(x)"),
    ("trigamma(x)", r"\psi_{1}(x)", "ψ₁(x)"),
]


@pytest.mark.parametrize(("text", "latex", "unicode"), PRINTED)
def test_functions_are_printed_as_one_writes_them(text: str, latex: str, unicode: str) -> None:
    expr = read_formula(text).expr
    assert (LATEX(expr), UNICODE(expr)) == (latex, unicode)


def test_the_printed_functions_are_latex(katex: Callable[[list[str]], list[str | None]]) -> None:
    shown = [LATEX(read_formula(text).expr) for text, _, _ in PRINTED]
    shown.append(LATEX(first_maximum(MatrixSymbol("A", 2, 3))))
    assert katex(shown) == [None] * len(shown)


# --- Largest entries -----------------------------------------------------------------------------

TIED = [
    [1.0, 4.0, 4.0, 0.0, 4.0, -2.0],
    [4.0, 1.0, 4.0, 0.0, 3.0, 4.0],
    [0.0, 1.0, 2.0, 2.0, 1.0, 0.0],
    [7.0] * 6,
]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (6, 1), (1, 6)])
@pytest.mark.parametrize("entries", TIED)
@pytest.mark.parametrize("name", ["max", "min"])
def test_the_gradient_of_a_largest_entry_goes_to_the_first(
    name: str, entries: list[float], shape: tuple[int, int], evaluate: Callable[..., Any]
) -> None:
    """The text in the language, the emitted code and the exact oracle agree on ties."""
    declared = {"X": f"{shape[0]},{shape[1]}"}
    derivation = differentiate(f"{name}(X)", shapes=declared)
    sign = 1 if name == "max" else -1
    x = sign * np.reshape(entries, shape)
    expected = np.zeros(6)
    expected[np.argmax(entries)] = 1
    expected = expected.reshape(shape)
    text = TEXT(derivation.gradient["X"])
    np.testing.assert_array_equal(evaluate(text, {"X": x}, {}), expected)
    np.testing.assert_array_equal(derivation.function()(x)[1]["X"], expected)
    again = read_formula(text, declared)
    np.testing.assert_array_equal(evaluate(TEXT(again.expr), {"X": x}, {}), expected)
    (result,) = derivation.results
    exact = entry_derivatives(result, derivation.formula, {}, {"X": x.astype(int).tolist()})
    assert all(of_oracle == claimed for _, of_oracle, claimed in exact)
    assert result.assumptions == ("ties of max and min going to the first argument or entry",)


@pytest.mark.parametrize(("text", "by_x"), [("max(x, y)", 1.0), ("min(x, y)", 1.0)])
def test_the_gradient_of_the_larger_goes_to_the_first_on_a_tie(text: str, by_x: float) -> None:
    for formula, shape in ((f"sum({text})", "2"), (text, "scalar")):
        derivation = differentiate(formula, shapes={"x": shape, "y": shape})
        point = np.ones((2, 1)) if shape == "2" else 1.0
        gradients = derivation.function()(point, point)[1]
        assert np.all(gradients["x"] == by_x)
        assert np.all(gradients["y"] == 1 - by_x)


def test_where_the_first_largest_entry_stands_does_not_change() -> None:
    x = MatrixSymbol("x", 3, 1)
    assert pull_back(MatrixSymbol("g", 3, 1), nodes.FirstMaximum(x)) == (
        read_formula("zeros(3)").expr,
    )
    derivation = differentiate("a'*max(x)*max(x)", shapes={"a": "1", "x": "3"})
    assert verify(derivation).verdict is Verdict.PASS


def test_a_maximum_in_batched_code() -> None:
    """A hinge loss: the larger of a number and what varies by sample."""
    derivation = differentiate("max(0, 1 - b*(w'*x))", ["w"])
    verification = verify(derivation, batch=["x", "b"])
    assert verification.verdict is Verdict.PASS
    assert verification.loop is not None
    assert verification.loop.error < 1e-12
    assert verification.loop.exact == 0


# --- Shapes --------------------------------------------------------------------------------------

SHAPES = [
    ("kron(A, B)", {"A": "2,3", "B": "4,5"}, ("8", "15")),
    ("kron(A, B)", {"A": "2,n", "B": "3,n"}, ("6", "n**2")),
    ("kron(x, A)", {"x": "2", "A": "m,n"}, ("2*m", "n")),
    ("kron(A, B) - C", {"A": "2,3", "B": "4,5"}, ("8", "15")),
    ("C - kron(A, B)", {"A": "2,3", "C": "8,15"}, ("8", "15")),
    ("kron(A, x)*y", {"A": "m,n", "x": "k"}, ("k*m", "1")),
    ("pinv(A)", {"A": "m,n"}, ("n", "m")),
    ("max(x, y')", {"x": "m", "y": "n"}, ("m", "n")),
    ("min(A, a)", {"A": "m,n"}, ("m", "n")),
]


@pytest.mark.parametrize(("text", "shapes", "expected"), SHAPES)
def test_shapes(text: str, shapes: dict[str, str], expected: tuple[str, str]) -> None:
    formula = read_formula(text, shapes)
    assert tuple(map(str, formula.expr.shape)) == expected


def test_a_size_that_is_a_product_tells_its_factor() -> None:
    formula = read_formula("C - kron(A, B)", {"A": "2,3", "C": "8,15"})
    assert formula.variables["B"].shape == (Integer(4), Integer(5))
    derivation = differentiate("tr(kron(eye(m), A)*C)")
    value, gradients = derivation.function()(np.ones((2, 3)), np.ones((12, 8)))
    assert float(value) == 4 * 6
    np.testing.assert_array_equal(gradients["A"], np.full((2, 3), 4.0))


WRONG = [
    ("max(A, x, y)", {}, r"max takes 1 or 2 arguments, got 3"),
    ("max()", {}, "expected an argument of max"),
    ("max(x, y)", {"x": "2", "y": "3"}, r"max: the sizes of its arguments disagree: \(2, 1\) and"),
    ("kron(A)", {}, "kron takes 2 arguments, got 1"),
    ("adj(A)", {"A": "2,3"}, r"adj: expected a square matrix, got \(2, 3\)"),
    ("kron(A, B) + C", {"A": "2,2", "C": "3,3"}, r"disagree: \(2\*\?, 2\*\?\) on the left"),
    ("kron(A, A) + A", {}, r"disagree: \(\?\*\?, \?\*\?\) on the left"),
]


@pytest.mark.parametrize(("text", "shapes", "message"), WRONG)
def test_sizes_that_do_not_fit_are_errors(text: str, shapes: dict[str, str], message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        read_formula(text, shapes)


# --- Domains -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["tr(pinv(A)*B)", "norm2(pinv(A*B))^2", "tr(adj(A'*A)*B)", "sum(kron(A, x) .* y)"]
)
def test_gradients_of_structure_pass_their_check(text: str) -> None:
    assert verify(differentiate(text)).verdict is Verdict.PASS


@pytest.mark.parametrize("text", ["sum(pinv(x*y'))", "tr(adj(x*x' + y*y')*A)"])
def test_points_have_full_rank(text: str) -> None:
    with pytest.raises(RefusedError, match="No point was found"):
        verify(differentiate(text, shapes={"x": "4", "y": "4"}))


def test_code_keeps_single_precision() -> None:
    text = "tr(pinv(A)*B) + tr(adj(A)) + sum(kron(A, B)) + max(A) + sum(erf(max(A, B)))"
    derivation = differentiate(text, shapes={"A": "3,3"})
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((3, 3)).astype(np.float32) for _ in range(2))
    value, gradients = derivation.function()(a, b)
    assert {np.asarray(v).dtype for v in (value, *gradients.values())} == {np.dtype(np.float32)}
