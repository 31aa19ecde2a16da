"""Right functions pass in float64 and float32; wrong ones fail, with the mistake and its place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from textwrap import dedent

import pytest

from derive.errors import InputError, RefusedError
from numeric.check import Verdict
from numeric.given_code import check_function
from numeric.given_report import FLOAT32, function_json, function_table
from numeric.report import json_text
from numeric.request import requests

RIGHT = Path(__file__).with_name("given") / "right.py"
SPEC = importlib.util.spec_from_file_location("given_right", RIGHT)
RIGHT_FUNCTIONS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(RIGHT_FUNCTIONS)
LEAST_SQUARES = "norm2(A*x - y)^2"


def request_of(formula, *, shape=(), assume=(), **options):
    (request,) = requests(formula, shape=shape, assume=assume, **options)
    return request


def named_request(name):
    formula, shapes, kinds = RIGHT_FUNCTIONS.FORMULAS[name]
    return request_of(
        formula,
        shape=[f"{variable}={shape}" for variable, shape in shapes.items()],
        assume=[f"{variable}={kind}" for variable, each in kinds.items() for kind in each],
    )


@pytest.fixture
def judge(tmp_path):
    """Check the function ``f`` of a text against a formula."""

    def check(text, formula, seed=0, **options):
        path = tmp_path / "loss.py"
        path.write_text("import numpy as np\n" + dedent(text))
        return check_function(request_of(formula, **options), f"{path}:f", seed)

    return check


def part_of(found, wrt):
    return next(part for part in found.parts if part.wrt == wrt)


def least_squares(*, value="(r.T @ r).item()", A="2 * r @ x.T", x="2 * A.T @ r", y="-2 * r"):
    return f"""
    def f(A, x, y):
        r = A @ x - y
        return {value}, {{"A": {A}, "x": {x}, "y": {y}}}
    """


# --- Right ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RIGHT_FUNCTIONS.FORMULAS)
def test_a_right_function_passes_in_both_precisions(name, seed):
    found = check_function(named_request(name), f"{RIGHT}:{name}", seed)
    assert found.verdict is Verdict.PASS, function_table(found)
    assert len(found.parts) > 1
    assert all(part.points >= 4 and not part.single for part in found.parts)
    smooth = [part.float32_error for part in found.parts if part.float32_error is not None]
    assert len(smooth) == len(found.parts)
    assert 0 < max(smooth) < 1e-4


@pytest.mark.parametrize(
    ("formula", "text", "options"),
    [
        ("norm2(x)^2", "def f(x):\n return np.array([[np.sum(x**2)]])", {}),
        ("norm2(x)^2", "def f(x):\n return float(np.sum(x**2)), 2 * x", {}),
        ("norm2(x)^2 + a^2", "def f(x, a):\n return (x**2).sum() + a**2, (2*x, 2*a)", {}),
        ("a*b", "def f(a, b):\n return a * b, {'a': b, 'b': a}", {}),
        ("a*b", "def f(a, b):\n return a * b, (a, b)", {"wrt": ["b", "a"]}),
        ("A*x", "def f(A, x):\n return A @ x", {}),
        ("A*x", "def f(A, x):\n return A @ x, A", {"wrt": ["x"]}),
        ("tanh(A*x)", "def f(A, x):\n z = np.tanh(A @ x)\n return z, (1 - z**2) * A", {"wrt": "x"}),
        ("a*x", "def f(a, x):\n return a * x, {'a': x}", {}),
        ("lambda*norm2(x)", "def f(lambda_, x):\n n = np.linalg.norm(x)\n"
         " return lambda_ * n, {'lambda': n, 'x': lambda_ * x / n}", {"shape": ["lambda=scalar"]}),
        ("lambda*a", "def f(lambda_, a):\n return lambda_ * a, {'lambda_': a, 'a': lambda_}",
         {"shape": ["lambda=scalar"]}),
        ("tr(A*B)", "def f(A, B):\n return np.trace(A @ B), {'A': (B + B.T) / 2}",
         {"assume": ["A=symmetric"]}),
        ("sum(sqrt(x))", "def f(x):\n return np.sqrt(x).sum(), 0.5 / np.sqrt(x)", {}),
        ("sum(relu(x - 300))", "def f(x):\n return np.maximum(x - 300, 0).sum(), 1.0 * (x > 300)",
         {}),
        ("1e-12*norm2(x)", "def f(x):\n n = np.linalg.norm(x)\n"
         " return 1e-12 * n, 1e-12 * x / n", {}),
        ("1e9*norm2(x)", "def f(x):\n n = np.linalg.norm(x)\n return 1e9 * n, 1e9 * x / n", {}),
    ],
)  # fmt: skip
def test_all_forms_of_arguments_and_results_are_understood(judge, formula, text, options):
    found = judge(text, formula, **options)
    assert found.verdict is Verdict.PASS, function_table(found)


def test_the_gradients_are_limited_to_those_asked_for(judge):
    wrong = least_squares(A="r @ x.T")
    assert judge(wrong, LEAST_SQUARES).verdict is Verdict.FAIL
    found = judge(wrong, LEAST_SQUARES, wrt=["x"])
    assert found.verdict is Verdict.PASS
    assert [part.wrt for part in found.parts] == [None, "x"]


@pytest.mark.parametrize("order", ["(2 * A.T @ r,)", "(2 * r @ x.T, 2 * A.T @ r, -2 * r)"])
def test_a_sequence_may_be_of_what_is_asked_for_or_of_all(judge, order):
    text = f"def f(A, x, y):\n r = A @ x - y\n return (r**2).sum(), {order}"
    assert judge(text, LEAST_SQUARES, wrt=["x"]).verdict is Verdict.PASS


def test_data_of_a_problem_need_no_gradient(judge):
    text = """
    def f(W, x):
        z = np.maximum(W @ x, 0)
        return (z**2).sum(), {"W": 2 * z @ x.T}
    """
    found = judge(text, "relu-l2")
    assert found.verdict is Verdict.PASS
    assert part_of(found, "W").points >= 4


def test_labels_stay_labels(judge):
    text = """
    def f(W, x, y):
        assert set(np.unique(y)) == {0.0, 1.0} and y.sum() == 1
        z = W @ x
        p = np.exp(z) / np.exp(z).sum()
        return -np.log(p[np.argmax(y)]), {"W": (p - y) @ x.T, "x": W.T @ (p - y)}
    """
    found = judge(text, "crossentropy(softmax(W*x), y)", assume=["y=onehot"])
    assert found.verdict is Verdict.PASS, function_table(found)
    assert "No gradient by y is returned." in found.remarks


# --- Wrong ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrt", "wrong", "mistake"),
    [
        ("A", "-2 * r @ x.T", "sign"),
        ("A", "r @ x.T", "factor"),
        ("A", "2 * r @ x.T * (1 + 1e-8)", None),
        ("A", "2 * x @ r.T", "transpose"),
        ("A", "(2 * r @ x.T).ravel()", "shape"),
        ("A", "2 * (A @ x) @ x.T", "other"),
        ("x", "2 * A.T @ r / x.size", "sum-vs-mean"),
        ("x", "2 * A.T @ r * len(r)", "sum-vs-mean"),
        ("x", "(2 * A.T @ r).ravel()", "shape"),
        ("x", "(2 * A.T @ r).T", "transpose"),
        ("x", "2 * A.T @ r + 1e-6 * (np.arange(len(x)) == 1)[:, None]", "other"),
        ("x", "np.full_like(x, np.nan)", "other"),
        ("x", "0 * x", None),
        ("y", "2 * r", "sign"),
        ("y", "-2 * np.roll(r, 1)", "other"),
        ("y", "1.0", "shape"),
    ],
)
def test_a_wrong_gradient_fails_alone_with_its_mistake(judge, wrt, wrong, mistake):
    found = judge(least_squares(**{wrt: wrong}), LEAST_SQUARES)
    assert {part.wrt: part.verdict for part in found.parts} == {
        name: Verdict.FAIL if name == wrt else Verdict.PASS for name in (None, "A", "x", "y")
    }
    part = part_of(found, wrt)
    assert mistake is None or part.mistake.name == mistake
    assert (part.decided_by == "shape") is (part.reason.startswith("shape"))
    assert found.verdict is Verdict.FAIL


def test_one_wrong_entry_is_named(judge):
    wrong = "2 * A.T @ r + 1e-6 * (np.arange(len(x)) == 1)[:, None]"
    part = part_of(judge(least_squares(x=wrong), LEAST_SQUARES), "x")
    assert part.worst.index == (1, 0)
    assert part.worst.got - part.worst.expected == pytest.approx(1e-6, rel=1e-3)


def test_a_dropped_mask_is_named(judge):
    text = """
    def f(W, x):
        z = W @ x
        return (np.maximum(z, 0) ** 2).sum() + z.sum(), {"x": W.T @ (2 * z + 1)}
    """
    found = judge(text, "norm2(relu(W*x))^2 + sum(W*x)")
    assert part_of(found, "x").verdict is Verdict.FAIL
    text = "def f(x):\n return np.maximum(x, 0).sum(), np.ones_like(x)"
    assert part_of(judge(text, "sum(relu(x))"), "x").mistake.name == "missing-mask"


def test_a_gradient_that_is_wrong_in_a_far_branch_fails(judge):
    text = "def f(x):\n return np.maximum(x - 300, 0).sum(), 0 * x"
    assert part_of(judge(text, "sum(relu(x - 300))"), "x").verdict is Verdict.FAIL


def test_a_size_that_is_written_as_a_number_is_found(judge):
    found = judge("def f(x):\n return x.sum() / 3, np.ones_like(x) / 3", "mean(x)")
    assert [part.verdict for part in found.parts] == [Verdict.FAIL, Verdict.FAIL]


def test_a_gradient_that_belongs_to_a_wrong_value_fails_with_it(judge):
    text = "def f(x):\n return (x**3).sum(), 3 * x**2"
    assert [part.verdict for part in judge(text, "norm2(x)^2").parts] == [Verdict.FAIL] * 2


@pytest.mark.parametrize("factor", ["(1 + 1e-9)", "(1 - 1e-11)", "2", "-1", "np.nan", "np.inf"])
def test_a_wrong_value_fails(judge, factor):
    found = judge(least_squares(value=f"(r.T @ r).item() * {factor}"), LEAST_SQUARES)
    assert [part.verdict for part in found.parts] == [Verdict.FAIL, *[Verdict.PASS] * 3]
    assert found.parts[0].decided_by == "value"


@pytest.mark.parametrize("value", ["r", "r.T @ r * np.ones(2)", "np.broadcast_to(1.0, (99999, 9))"])
def test_a_value_of_another_shape_fails_by_shape(judge, value):
    part = judge(least_squares(value=value), LEAST_SQUARES).parts[0]
    assert (part.verdict, part.decided_by) == (Verdict.FAIL, "shape")


@pytest.mark.parametrize(
    "value",
    [
        "sum(float(t) * float(t) for t in r[::-1, 0])",
        "((A @ x).T @ (A @ x) - 2 * y.T @ A @ x + y.T @ y)",
        "np.linalg.norm(r) ** 2",
    ],
)
def test_a_value_in_another_order_of_operations_passes(judge, value):
    found = judge(least_squares(value=value), LEAST_SQUARES)
    assert found.verdict is Verdict.PASS, function_table(found)


def test_arguments_changed_in_place_are_a_warning(judge):
    text = "def f(x):\n v = (x**2).sum()\n x *= 2\n return v, x"
    found = judge(text, "norm2(x)^2")
    assert found.verdict is Verdict.PASS
    assert found.remarks[0] == "Warning: the function changes its arguments in place: x."


# --- Single precision -----------------------------------------------------------------------------

IN_SINGLE = """
def f(A, x, y):
    A, x, y = (v.astype(np.float32) for v in (A, x, y))
    r = A @ x - y
    return RESULT
"""


@pytest.mark.parametrize("cast", ["", ".astype(float)"])
@pytest.mark.parametrize("seed", range(3))
def test_a_function_that_computes_in_single_precision_is_told_so(judge, cast, seed):
    result = f"(r.T @ r){cast}, (2 * r @ x.T{cast}, (2 * A.T @ r){cast}, -2 * r{cast})"
    found = judge(IN_SINGLE.replace("RESULT", result), LEAST_SQUARES, seed)
    assert found.verdict is Verdict.PASS, function_table(found)
    assert all(part.single for part in found.parts)
    assert "value, A, x, y: computes in single precision" in function_table(found)


@pytest.mark.parametrize(
    "result",
    [
        "(r.T @ r) * np.float32(1 + 1e-4), (2 * r @ x.T, 2 * A.T @ r, -2 * r)",
        "(r.T @ r), (2 * r @ x.T, 2 * A.T @ r * np.float32(1 + 2e-4), -2 * r)",
        "(r.T @ r), (2 * r @ x.T, 2 * A.T @ r, 2 * r)",
    ],
)
def test_a_wrong_function_in_single_precision_fails(judge, result):
    found = judge(IN_SINGLE.replace("RESULT", result), LEAST_SQUARES)
    assert [part.verdict for part in found.parts].count(Verdict.FAIL) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("A = A.astype(np.float16)", "in float32 it is off by"),
        ("A = np.round(A, 2)", "in float32 it is off by"),
        ("A = np.zeros_like(A)", "in float32 it is off by"),
        ("A = A * np.float32(np.nan)", "in float32 it is off by nan"),
    ],
)
def test_what_float32_arguments_spoil_fails_in_float32(judge, change, reason):
    text = f"""
    def f(A, x):
        if A.dtype == np.float32:
            {change}
        z = A @ x
        return (z**2).sum(), {{"A": 2 * z @ x.T, "x": 2 * A.T @ z}}
    """
    found = judge(text, "norm2(A*x)^2")
    assert {part.verdict for part in found.parts} == {Verdict.FAIL}
    assert all(part.decided_by == FLOAT32 for part in found.parts)
    assert all(part.reason.startswith(reason) for part in found.parts)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("sum(softmax(x)) + 0*a", "def f(x, a):\n p = np.exp(x) / np.exp(x).sum()\n"
         " return p.sum() + 0 * a, {'x': p * (1 - p.sum())}"),
        ("norm2(x - y)", "def f(x, y):\n r = x - y\n n = np.linalg.norm(r)\n"
         " return n, (r / n, -r / n)"),
    ],
)  # fmt: skip
def test_what_cancels_is_no_error_in_float32(judge, formula, text):
    for seed in range(3):
        found = judge(text, formula, seed, assume=["x=unit"] if "y" in formula else [])
        assert not any(part.float32_fails for part in found.parts), function_table(found)


def test_dtypes_that_are_not_kept_and_arguments_that_are_refused_are_remarks(judge):
    found = judge("def f(x):\n return np.float64((x**2).sum()), 2 * x", "norm2(x)^2")
    assert found.verdict is Verdict.PASS
    assert found.remarks == ("Given float32, the function returns float64 for the value.",)
    text = "def f(x):\n assert x.dtype == float\n return (x**2).sum(), 2 * x"
    found = judge(text, "norm2(x)^2")
    assert found.verdict is Verdict.PASS
    assert "float32 arguments are refused" in found.remarks[0]


# --- What cannot be checked -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "options", "expected"),
    [
        ("a * b", {"wrt": ["a"]}, "returned a value alone, --wrt asks for gradients"),
        ("a * b, {'a': b}", {"wrt": ["b"]}, "returned no gradient by b, got a"),
        ("a * b, {}", {}, "returned no gradient by a, b, got none"),
        ("a * b, {'alpha': b}", {}, "a gradient by 'alpha', which is no variable"),
        ("a * b, b", {}, "returned one gradient, expected 2: a, b"),
        ("a * b, (b, a, 1)", {}, "returned 3 gradients, expected 2: a, b. Return a dict"),
        ("a * b", {"order": 2}, "without --order 2"),
        ("a * b", {"batch": "a"}, "without --batch"),
        ("a * b / (a - a)", {"wrt": ["a", "b"]}, "returned a value alone"),
        ("undefined", {}, "NameError: name 'undefined' is not defined"),
    ],
)
def test_what_does_not_fit_the_question_is_an_input_error(judge, returned, options, expected):
    with pytest.raises(InputError, match=expected) as caught:
        judge(f"def f(a, b):\n return {returned}", "a*b", **options)
    assert caught.value.exit_code == 2


def test_derivatives_of_a_matrix_by_a_matrix_are_not_checked(judge):
    text = "def f(A, X):\n return A @ X, {'X': A}"
    with pytest.raises(InputError, match="derivatives of a matrix by a matrix"):
        judge(text, "A*X")


def test_a_random_function_is_not_judged(judge):
    with pytest.raises(RefusedError, match="other numbers when it was called again"):
        judge("def f(x):\n return (x**2).sum() * np.random.rand(), 2 * x", "norm2(x)^2")


# --- What is shown --------------------------------------------------------------------------------


def test_json_has_a_result_for_the_value_and_for_each_gradient(judge):
    found = judge(least_squares(x="-2 * A.T @ r"), LEAST_SQUARES)
    page = function_json(found)
    assert (page["schema"], page["formula"], page["lines"]) == (1, LEAST_SQUARES, [])
    assert [result["wrt"] for result in page["results"]] == [None, "A", "x", "y"]
    assert {result["claim"] for result in page["results"]} == {found.spec}
    value, _, x, _ = page["results"]
    assert (value["verdict"], value["decided_by"], value["right"]) == (
        "pass",
        "value",
        LEAST_SQUARES,
    )
    assert (x["verdict"], x["mistake"], x["right"]) == ("fail", "sign", "2*A'*(A*x - y)")
    assert x["explanation"].startswith("the right answer with the other sign; entry [")
    assert x["detection_floor"] < 1e-6
    assert value["float32"]["max_error"] < 1e-5
    assert x["float32"] is None
    assert '"schema": 1' in json_text(page)


def test_the_table_says_what_is_wrong_and_what_is_right(judge):
    found = judge(least_squares(A="2 * x @ r.T"), LEAST_SQUARES)
    lines = function_table(found).splitlines()
    assert lines[0] == LEAST_SQUARES
    assert lines[1] == f"{found.spec} against f = {LEAST_SQUARES}"
    assert lines[4].split()[0] == "value"
    assert lines[5].split()[:2] == ["float32", "-"]
    assert "A: shape (4, 3), expected (3, 4)" in lines
    assert "A: the transpose of the right answer" in lines
    assert "A: the right formula is 2*(A*x - y)*x'" in lines
    assert lines[-1] == "Verdict: FAIL"
    assert judge(least_squares(), LEAST_SQUARES).verdict is Verdict.PASS
