"""Hessians by a matrix, as matrices and as Kronecker factors, against products with directions."""

from __future__ import annotations

import numpy as np
import pytest

import derive
from derive.derivation import Page
from derive.emit import emit
from derive.kroneckers import matrix_from
from derive.render.numpy_module import numpy_module

HESSIANS = {  # formula, variable: how many factors there are, and how many of them are turned
    ("norm2(U*V' - T)^2", "U"): (1, 0),
    ("norm2(U*V' - T)^2", "V"): (1, 0),
    ("norm2(A*X*B)^2 + norm2(X)^2", "X"): (2, 0),
    ("tr(X*A*X*B)", "X"): (2, 2),
    ("norm2(X*X' - S)^2", "X"): (3, 1),
    ("logdet(Y)", "Y"): (1, 1),
    ("norm2(U*V' - T)^2 + 3*norm2(U)^2", "U"): (1, 0),
    ("3*norm2(B*X)^2 + norm2(A*X)^2 - norm2(X)^2", "X"): (1, 0),
    ("norm2(X*B)^2 + 3*norm2(X)^2 + norm2(A*X*B)^2", "X"): (2, 0),
    ("2*norm2(X - S)^2 + norm2(X)^2", "X"): (1, 0),
}
SHAPES = {"U": "4,2", "V": "3,2", "T": "4,3", "X": "3,3", "A": "3,3", "B": "3,3", "S": "3,3"}
SHAPES["Y"] = "3,3"
NO_SUM = [("sum(exp(X))", "X"), ("norm2(X)^4", "X"), ("sum(log(1 + exp(X*w)))", "X")]


def second(text, name, **shapes):
    shapes = {n: s for n, s in (SHAPES | shapes).items() if n in text}
    return derive.differentiate(text, [name], shapes, order=2)


def point(variables, seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal([int(size) for size in v.shape]) for n, v in variables.items()}


@pytest.mark.parametrize(("text", "name"), HESSIANS)
def test_the_matrix_is_the_product_with_every_direction(text, name):
    derivation = second(text, name)
    (result,) = derivation.results
    assert (len(result.factors), sum(f.turned for f in result.factors)) == HESSIANS[text, name]
    variables = derivation.formula.variables
    arrays = point(variables | dict(derivation.directions))
    direction = arrays.pop(result.direction.name)
    (matrix,) = emit([matrix_from(result.factors)], variables).function(*arrays.values())
    along = emit([result.expr], {**variables, **derivation.directions}).function
    (moved,) = along(*arrays.values(), direction)
    np.testing.assert_allclose(matrix @ direction.reshape(-1), moved.reshape(-1), rtol=1e-9)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("text", "name"), NO_SUM)
def test_other_maps_are_not_guessed(text, name):
    (result,) = second(text, name, w="3").results
    assert result.factors is None
    assert "hessian_matrix" not in numpy_module(Page(second(text, name, w="3")))


def test_a_gradient_has_no_factors():
    (result,) = derive.differentiate("norm2(A*x)^2", ["A"]).results
    assert result.factors is None


def test_the_module_offers_the_matrix_and_the_factors():
    derivation = second("norm2(U*V' - T)^2", "U")
    names = {}
    exec(numpy_module(Page(derivation)), names)  # the module itself is what is tested
    arrays = point(derivation.formula.variables)
    expected = np.kron(np.eye(4), 2 * arrays["V"].T @ arrays["V"])
    np.testing.assert_allclose(names["hessian_matrix"](**arrays)["U"], expected, rtol=1e-12)
    ((left, right, turned),) = names["hessian_factors"](**arrays)["U"]
    assert (left, turned) == (None, False)
    np.testing.assert_allclose(right, 2 * arrays["V"].T @ arrays["V"], rtol=1e-12)


def test_terms_that_share_a_factor_are_one():
    shapes = {"U": "m,r", "V": "n,r", "T": "m,n", "c": "scalar"}
    derivation = derive.differentiate("norm2(U*V' - T)^2 + c*norm2(U)^2", ["U"], shapes, order=2)
    (factors,) = derivation.results[0].factors
    assert (str(factors.left), str(factors.right)) == ("I", "2*V'*V + 2*c*eye(r)")
    plain = derive.differentiate("norm2(V - U)^2", ["U"], {"U": "m,r", "V": "m,r"}, order=2)
    (matrix,) = emit([matrix_from(plain.results[0].factors)], plain.formula.variables).results
    assert matrix == "2 * _eye(V, V.shape[0] * V.shape[1])"


def test_turned_factors_are_what_the_module_says():
    derivation = second("tr(X*A*X*B)", "X")
    names = {}
    exec(numpy_module(Page(derivation)), names)  # the module itself is what is tested
    arrays = point(derivation.formula.variables | dict(derivation.directions))
    direction = arrays[derivation.results[0].direction.name]
    along = names["hessian"](**arrays)["X"]
    arrays.pop(derivation.results[0].direction.name)
    moved = [
        (np.eye(3) if left is None else left)
        @ (direction.T if turned else direction)
        @ (np.eye(3) if right is None else right).T
        for left, right, turned in names["hessian_factors"](**arrays)["X"]
    ]
    np.testing.assert_allclose(sum(moved), along, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kronecker_product_with_an_identity_keeps_the_dtype(dtype):
    formula = derive.language.read_formula("sum(kron(eye(2), A) .* B) + sum(kron(A, eye(2)) .* B)")
    function = emit([formula.expr], formula.variables).function
    rng = np.random.default_rng(1)
    A, B = (rng.standard_normal(shape).astype(dtype) for shape in ((3, 3), (6, 6)))
    (value,) = function(A, B)
    expected = np.sum((np.kron(np.eye(2), A) + np.kron(A, np.eye(2))) * B)
    assert value.dtype == dtype
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
