"""The passes before code is shared: the form that each gives, and that none changes a value."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import MatrixSymbol

import derive
from derive import emit as emission
from derive.batch import batched
from derive.emit import emit, value_names
from derive.language import read_formula
from derive.nodes import Hadamard, MatrixSum
from derive.repeats import with_parts

MATRICES = {"A": "3,3", "B": "3,3", "C": "3,3", "v": "3", "w": "3", "u": "3"}
DIAGONALS = {
    "sum(tanh(diag(v)*A))": "xp.sum(xp.tanh(v * A))",
    "sum(tanh(A*diag(v)))": "xp.sum(xp.tanh(A * v.T))",
    "sum(tanh(A'*diag(v)*B))": "xp.sum(xp.tanh(A.T @ (v * B)))",
    "sum(tanh(A'*diag(v)*A))": "xp.sum(xp.tanh(A.T @ (v * A)))",
    "norm2(diagvec(A*B))^2": "xp.sum(xp.square(xp.sum(A * B.T, axis=1, keepdims=True)))",
    "norm2(diagvec(A'*B))^2": "xp.sum(xp.square(xp.sum(A * B, axis=0, keepdims=True)))",
}
TRACES = {
    "tr(A*B)": "xp.sum(A * B.T)",
    "tr(A'*B)": "xp.sum(A * B)",
    "tr(A'*A)": "xp.sum(xp.square(A))",
    "tr(A*B*B')": "xp.sum((A @ B) * B)",
    "tr(A*B*C)": "xp.sum(A.T * (B @ C))",
    "tr(diag(v)*A)": "xp.sum(v * _diagvec(A))",
    "tr((A.*B)*C)": "xp.sum(A * B * C.T)",
    "norm2(rowsum(A'))^2": "xp.sum(xp.square(xp.sum(A, axis=0, keepdims=True)))",
}
SOLUTIONS = {
    "norm2(inv(A)*v)^2": "xp.sum(xp.square(xp.linalg.solve(A, v)))",
    "sum(tanh(v'*inv(A)))": "xp.sum(xp.tanh(xp.linalg.solve(A.T, v).T))",
    "norm2(inv(A)'*v)^2": "xp.sum(xp.square(xp.linalg.solve(A.T, v)))",
    "norm2(inv(A)*B*v)^2": "xp.sum(xp.square(xp.linalg.solve(A, B @ v)))",
    "tr(inv(A)*B)": "xp.sum(_diagvec(xp.linalg.solve(A, B)))",
    "tr(inv(A)*B*C)": "xp.sum(xp.linalg.solve(A, B) * C.T)",
    "v'*inv(A*A')*w": "(v.T @ xp.linalg.solve(A @ A.T, w))[0, 0]",
}
REPEATS = {
    "sum(exp(A*v - w)) + sum(tanh(w - A*v))": ("w - A @ v", "xp.exp(-t1)"),
    "sum(exp(A*v - w)) + sum(tanh(A*v + u - w))": ("A @ v - w", "xp.tanh(t1 + u)"),
    "sum(exp(A.*B)) + sum(tanh(A.*B.*C))": ("A * B", "xp.tanh(t1 * C)"),
    "sum(exp(A*B)) + sum(tanh(B'*A'))": ("A @ B", "xp.tanh(t1.T)"),
    "sum(exp(A + B')) + sum(tanh(A' + B))": ("A + B.T", "xp.tanh(t1.T)"),
    "sum(exp(A - B')) + sum(tanh(B - A'))": ("A - B.T", "xp.tanh(-t1.T)"),
    "sum(exp(A*v)) + sum(tanh(a*A*v))": ("A @ v", "xp.tanh(a * t1)"),
}
KRONECKERS = {
    "norm2(kron(A,B)*x)^2": "xp.reshape(A @ (xp.reshape(x, (4, 5)) @ B.T), (6, 1))",
    "norm2(y'*kron(A,B))^2": "xp.reshape((A.T @ xp.reshape(y, (3, 2))) @ B, (20, 1))",
    "y'*kron(A,B)*x": "xp.reshape(A @ (xp.reshape(x, (4, 5)) @ B.T), (6, 1))",
}
FUNCTIONS = {
    "sum(abs(v)) + sum(v .* abs(v))": ("xp.abs(v)", "xp.sum(v * t1)"),
    "sum(sin(v).^2) + sum(sin(v) .* cos(v))": ("xp.sin(v)", "xp.sum(xp.cos(v) * t1)"),
    "sum(sqrt(v)) + sum(w ./ sqrt(v))": ("xp.sqrt(v)", "xp.sum(w / t1)"),
}
ROOTS = ["exp(v)", "v.^2", "softmax(v)", "sigmoid(v) .* (1 - sigmoid(v))", "abs(v) .* w.^4"]


def read(text, **shapes):
    return read_formula(text, {n: s for n, s in (MATRICES | shapes).items() if n in text})


def code(text, **shapes):
    formula = read(text, **shapes)
    emitted = emit([formula.expr], formula.variables)
    return [line.partition(" = ")[2] for line in emitted.statements], emitted.results[0]


@pytest.mark.parametrize("text", DIAGONALS)
def test_diagonal_matrices_are_broadcast(text):
    assert code(text) == ([], DIAGONALS[text])


@pytest.mark.parametrize("diagonal", ROOTS)
def test_a_product_with_its_transpose_stays_one(diagonal):
    statements, result = code(f"sum(tanh(A'*diag({diagonal})*A))")
    name = f"t{len(statements)}"
    assert statements[-1].endswith(" * A")
    assert f"{name}.T @ {name}" in result


def test_a_softmax_is_one_value_of_which_products_are_made():
    statements, result = code("sum(sin(diag(softmax(v)) - 2*softmax(v)*softmax(v)'))")
    assert statements == ["xp.exp(v - xp.max(v))", "t1 / xp.sum(t1)"]
    assert result == "xp.sum(xp.sin(_diag(t2) - 2 * t2 * t2.T))"


def test_a_sum_is_known_whatever_the_order_of_products_of_entries():
    v, w, x = (MatrixSymbol(name, 3, 1) for name in "vwx")
    exprs = with_parts([MatrixSum(Hadamard(v, w), x), MatrixSum(x, Hadamard(w, v))])
    assert exprs[0] is exprs[1]
    twice, once = Hadamard(v, v, w), Hadamard(v, w)
    assert with_parts([MatrixSum(twice, x), MatrixSum(once, x)])[1] == MatrixSum(once, x)


def test_what_becomes_the_same_makes_sums_the_same():
    v, w, x, u = (MatrixSymbol(name, 3, 1) for name in "vwxu")
    first = Hadamard(MatrixSum(Hadamard(v, w), x), u)
    second = Hadamard(u, MatrixSum(x, Hadamard(w, v)))
    exprs = with_parts([MatrixSum(first, w), MatrixSum(w, second)])
    assert exprs[0] is exprs[1]


def test_a_minus_sign_in_sums_gets_no_name():
    statements, result = code("sum(sin(v - w) + log(1 - w) + (u - w).^3)")
    assert (statements, result.count("-w")) == ([], 1)
    assert code("sum(log(1 - w) + exp(-w))")[0] == ["-w"]


def test_a_product_that_is_symmetric_is_made_of_its_half():
    assert code("sum(tanh(A*B*B'*A'))") == (["A @ B"], "xp.sum(xp.tanh(t1 @ t1.T))")
    long = code("sum(tanh(A*v*v'*A'))")  # a column times a row
    assert long == (["A @ v"], "xp.sum(xp.tanh(t1 * t1.T))")


def test_a_minus_sign_stays_outside_a_transpose():
    _, result = code("sum(sin(A*B - C) + cos(B*A - C'))")
    assert result == "xp.sum(xp.sin(A @ B - C) + xp.cos(B @ A - C.T))"


@pytest.mark.parametrize("diagonal", ["v", "v.^3", "sin(v)", "softmax(v) - w", "sigmoid(v) .* w"])
def test_no_root_is_taken_of_what_may_be_negative(diagonal):
    assert "sqrt" not in "".join(map(str, code(f"sum(tanh(A'*diag({diagonal})*A))")))


@pytest.mark.parametrize("text", TRACES)
def test_traces_take_no_product_that_is_not_needed(text):
    assert code(text) == ([], TRACES[text])


@pytest.mark.parametrize("text", SOLUTIONS)
def test_an_inverse_that_is_only_applied_is_not_formed(text):
    assert code(text) == ([], SOLUTIONS[text])


@pytest.mark.parametrize(
    "text",
    [
        "norm2(inv(A)*v) + sum(inv(A))",
        "tr(inv(A)*B) + norm2(inv(A))",
        "sum(tanh(inv(A)*u)) + sum(tanh(inv(A)*v)) + sum(tanh(inv(A)*w)) + sum(tanh(inv(A)*B))",
        "norm2(inv(A)*inv(A)')",
    ],
)
def test_an_inverse_that_is_needed_or_applied_often_is_formed_once(text):
    written = "".join(map(str, code(text)))
    assert written.count("linalg.inv(") == 1
    assert "solve(" not in written


def test_a_returned_inverse_is_formed():
    derivation = derive.differentiate("logdet(A) + v'*inv(A)*v", ["A"])
    outputs = [derivation.formula.expr, *derivation.gradient.values()]
    emitted = emit([*outputs, read("inv(A)").expr], derivation.formula.variables)
    assert "solve(" not in "".join((*emitted.statements, *emitted.results))


@pytest.mark.parametrize("text", REPEATS)
def test_what_is_computed_already_is_used(text):
    shared, use = REPEATS[text]
    statements, result = code(text)
    assert statements == [shared]
    assert use in result


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_function_of_entries_is_computed_once(text):
    shared, use = FUNCTIONS[text]
    statements, result = code(text)
    assert statements == [shared]
    assert use in result


@pytest.mark.parametrize("text", KRONECKERS)
def test_kronecker_products_are_applied_and_not_formed(text):
    shapes = {"A": "3,4", "B": "2,5", "x": "20", "y": "6"}
    statements, result = code(text, **shapes)
    assert KRONECKERS[text] in result
    rng = np.random.default_rng(3)
    arrays = {
        name: rng.standard_normal([int(n) for n in (*shape.split(","), "1")[:2]])
        for name, shape in shapes.items()
        if name in text
    }
    formula = read(text, **shapes)
    value = emit([formula.expr], formula.variables).function(
        *(arrays[n] for n in formula.variables)
    )
    product = np.kron(arrays["A"], arrays["B"])
    for name, side in (("y", 0), ("x", 1)):
        if name in arrays:
            product = arrays[name].T @ product if side == 0 else product @ arrays[name]
    expected = product if product.size == 1 else np.sum(product**2)
    assert float(value[0]) == pytest.approx(float(np.squeeze(expected)), rel=1e-12)
    assert statements == []


def test_products_with_sums_of_products_are_multiplied_out():
    shapes = {"A": "30,30", "B": "30,30", "v": "30"}
    assert code("sum(tanh((A'*A + B'*B)*v))", **shapes) == (
        [],
        "xp.sum(xp.tanh(A.T @ (A @ v) + B.T @ (B @ v)))",
    )
    assert code("sum(tanh((A + B)*v))", **shapes)[1] == "xp.sum(xp.tanh((A + B) @ v))"
    assert code("sum(tanh((A'*A)*v)) + sum(A'*A + B)", **shapes)[1].count("@") >= 2


def test_a_coefficient_goes_where_it_is_cheapest():
    assert code("sum(tanh(2*A'*A))", A="30,4")[1] == "xp.sum(xp.tanh(2 * (A.T @ A)))"
    assert code("sum(tanh(2*A*v))", A="3,30", v="30")[1] == "xp.sum(xp.tanh(2 * (A @ v)))"
    assert code("sum(tanh(2*A*v))", A="30,3", v="3")[1] == "xp.sum(xp.tanh(A @ (2 * v)))"


def with_gradients(text, shapes, wrt=None, **options):
    """Return the statements and results of a value and its gradients, one a line."""
    formula = read_formula(text, shapes)
    derivation = derive.differentiate(formula, wrt)
    outputs = [formula.expr, *derivation.gradient.values()]
    emitted = emit(outputs, formula.variables, value_names(derivation), **options)
    return [*emitted.statements, *emitted.results]


def test_a_mean_is_divided_where_the_samples_are_summed_up():
    lines = with_gradients("norm2(X*w - y)^2/n", {"X": "n,d", "w": "d", "y": "n"}, ["w"])
    assert lines[-1] == "2 * (X.T @ r) / X.shape[0]"


def test_a_product_of_low_rank_is_scaled_in_its_short_factors():
    lines = with_gradients("norm2(U*V' - T)^2", {"U": "m,k", "V": "n,k", "T": "m,n"}, ["U", "V"])
    assert lines[-2:] == ["2 * (R @ V)", "2 * (R.T @ U)"]
    lines = with_gradients("norm2(W*H - T)^2", {"W": "m,k", "H": "k,n", "T": "m,n"}, ["W", "H"])
    assert lines[-2:] == ["t1 @ H.T", "W.T @ t1"]


def test_a_coefficient_is_multiplied_into_what_all_gradients_are_made_of():
    shapes = {"V": "3,50", "W": "50,400", "X": "400,20", "Y": "3,20"}
    lines = with_gradients("norm2(V*relu(W*X) - Y)^2", shapes, ["V", "W"])
    assert sum("2 * " in line for line in lines) == 1
    assert any(line.endswith("= 2 * R") for line in lines)


def test_a_value_is_computed_from_a_product_of_its_gradients():
    heads = dict.fromkeys("GQKV", "n,d")
    lines = with_gradients("sum(G .* (softmax(Q*K'/sqrt(d))*V))", heads, ["Q", "K", "V"])
    assert sum(line.count("@") for line in lines) == 5
    derivation = derive.differentiate(
        "logdet(S) + (x - u)'*inv(S)*(x - u)", ["S"], {"S": "d,d", "x": "d", "u": "d"}
    )
    batch = batched(derivation, ["x"])
    emitted = emit([batch.value, *batch.gradient.values()], batch.variables)
    assert emitted.statements[1:] == ("t2 = x - u.T", "t3 = t2.T @ t2")
    assert "xp.sum(t1 * t3) / x.shape[0]" in emitted.results[0]


def test_multiples_are_computed_once():
    lines = with_gradients("norm2(inv(A)*(v - w))^2", {"A": "n,n", "v": "n", "w": "n"})
    assert sum("solve(A.T" in line for line in lines) == 1
    assert lines[-2:] == ["-t1", "t1"]
    lines = with_gradients("sum(tanh(v - w)) + sum(tanh(w - v).^2)", {"v": "n", "w": "n"})
    assert sum("xp.tanh(" in line for line in lines) == 1


def test_no_root_is_squared():
    assert "sqrt" not in "".join(with_gradients("norm2(v)^4", {"v": "n"}))
    assert "sqrt" not in "".join(with_gradients("v'*A*v/(v'*v)", {"v": "n", "A": "n,n"}))
    assert "sqrt" in "".join(with_gradients("norm2(v)^3", {"v": "n"}))


def test_long_rows_are_summed_by_the_blas_in_training():
    shapes = {"X": "n,90", "w": "90,40", "Y": "n,40", "Z": "n,4"}
    text = "norm2(X*w - Y)^2 + sum(tanh(rowsum(sin(X*w) .* Y))) + norm2(Z)^2"
    tuned = with_gradients(text, shapes, ["w"], tuned=True)
    assert sum(line.count("vecdot(") for line in tuned) == 2
    assert not any("vecdot(Z" in line for line in tuned)
    assert not any("vecdot(" in line for line in with_gradients(text, shapes, ["w"]))


def test_the_gradient_of_a_kronecker_product_sums_blocks():
    lines = with_gradients("sum(exp(kron(A,B)))", {"A": "3,4", "B": "2,5"})
    for line, axes in zip(lines[-2:], ("(1, 3)", "(0, 2)"), strict=True):
        assert line.startswith("xp.sum(xp.reshape(t1 * _kron(")
        assert line.endswith(f", (3, 2, 4, 5)), axis={axes})")


MIXED = [
    "sum(exp(kron(A,B))) + norm2(kron(A,B))^2",
    "sum(B .* (tanh(A)*C)) + norm2(tanh(A)'*B)^2 + sum(B*C')",
    "sum(tanh(2*A*v + 3*A*w)) + sum(exp(2*A*v - 6*A*w)) + norm2(A*v)^4",
    "sum((A*B) .* C .* (A*B)) / (v'*v) + sum(rowsum((A*B) .* C).^2) + sum((A*B) .* C)",
    "sum(diag(v)*A*diag(v))",
    "tr(diag(v)*A*diag(w)*B) + sum(A*diag(v))",
    "tr(inv(A)*B*inv(A)*C) + v'*inv(A)*w",
    "norm2(inv(A)*B*v)^2 + logdet(A)",
    "tr(A'*B'*C') + tr(A*B) - tr(B*A*C)",
    "norm2(A*B - C)^2 + sum(exp(C - A*B))",
    "sum(log(1 + exp(A*v))) - w'*A*v",
    "norm2((A'*A + v*w')*u)^2",
    "sum(diagvec(A*B*C) .* v) + sum(colsum(A') .* v)",
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("text", [*DIAGONALS, *TRACES, *SOLUTIONS, *REPEATS, *FUNCTIONS, *MIXED])
def test_no_pass_changes_a_value(text, order, monkeypatch):
    formula = read(text)
    derivation = derive.differentiate(formula, order=order)
    outputs = [formula.expr, *derivation.gradient.values()]
    arguments = {**formula.variables, **derivation.directions}
    rng = np.random.default_rng(7)
    arrays = [
        rng.uniform(0.2, 1.0, [int(size) for size in getattr(variable, "shape", ())])
        for variable in arguments.values()
    ]
    arrays = [a + 2 * np.eye(3) if a.shape == (3, 3) else a for a in arrays]
    names = value_names(derivation)
    got = emit(outputs, arguments, names).function(*arrays)
    monkeypatch.setattr(emission, "ready_for_code", lambda exprs, _count: exprs)
    expected = emit(outputs, arguments, names).function(*arrays)
    for ours, plain in zip(got, expected, strict=True):
        size = max(1.0, float(np.max(np.abs(plain))))
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-11 * size)
