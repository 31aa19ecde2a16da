"""Linear maps read off expressions: the matrix times any g is the expression, or there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from derive.language import read_formula
from derive.linear_maps import matrix_of
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"A": "n,n", "B": "n,n", "C": "m,n", "x": "n", "y": "n", "h": "n", "a": "scalar"}
SIZES = {"n": 3, "m": 2}

LINEAR = {
    # the expression, what it is linear by
    "h": "eye(n)",
    "2*h - h": "eye(n)",
    "-a*A*h": "-a*A",
    "A'*(h .* x) + (h'*x)*y": "A'*diag(x) + y*x'",
    "(h'*A)'": "A'",
    "h .* x .* y": "diag(x .* y)",
    "diag(h)*A*x": "diag(A*x)",
    "(A .* (h*x'))*y": "diag((A .* x')*y)",
    "rowsum(A .* (h*ones(1,n)))": "diag(rowsum(A))",
    "diagvec(A*diag(h)*B)": "A .* B'",
    "tr(A*diag(h)*B)*x": "x*diagvec(B*A)'",
    "sum(C*h)": "colsum(C)",
    "h'*A*x": "x'*A'",
    "norm2(x)^2*h": "norm2(x)^2*eye(n)",
    "(x'*h)*(x'*y)*A*y": "(x'*y)*A*y*x'",
    "A*diag(B*h)*x": "A*diag(x)*B",
    "0*h": "zeros(n,n)",
}
NOT_LINEAR = ["(A .* (h + x'))*y", "A*(h*h')*x", "softmax(h)", "h + x", "h .* h", "exp(h)", "x"]


def read(text: str) -> tuple[Any, Any]:
    formula = read_formula(text, SHAPES)
    return formula.expr, read_formula("h", SHAPES).expr


@pytest.mark.parametrize("text", LINEAR)
def test_the_matrix_is_the_one_written_by_hand(text: str, evaluate: Callable[..., Any]) -> None:
    matrix = matrix_of(*read(text))
    assert TEXT(matrix).replace(" ", "") == LINEAR[text].replace(" ", "")
    rng = np.random.default_rng(0)
    shapes = {n: [SIZES[s] for s in shape.split(",") if s in SIZES] for n, shape in SHAPES.items()}
    values = {n: rng.standard_normal([*s, 1][:2] if s else ()) for n, s in shapes.items()}
    applied = evaluate(TEXT(matrix), values, SIZES) @ values["h"]
    expected = evaluate(text, values, SIZES)
    assert np.allclose(np.ravel(applied), np.ravel(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", NOT_LINEAR)
def test_what_is_not_linear_or_of_another_form_has_none(text: str) -> None:
    assert matrix_of(*read(text)) is None
