"""Products in the cheapest order, and what gets a name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.build import add, elementwise, replace, total
from derive.emit import emit
from derive.graph import operands, postorder
from derive.language import read_formula
from derive.nodes import Inner, Product
from derive.notation import TEXT
from derive.scalars import U
from derive.sharing import binarised, share, stretched


def cut(text, **shapes):
    return binarised([read_formula(text, shapes).expr])[0]


def multiplications(expr):
    """Count the scalar multiplications of all products of two matrices below a node."""
    count = 0
    for node in postorder(expr):
        if isinstance(node, Product) and len(node.factors) == 2:
            left, right = node.factors
            count += int(left.shape[0] * left.shape[1] * right.shape[1])
    return count


def cheapest(sizes):
    """Try every order."""
    if len(sizes) == 2:
        return 0
    return min(
        cheapest(sizes[: k + 1]) + cheapest(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1]
        for k in range(1, len(sizes) - 1)
    )


@given(st.lists(st.integers(2, 30), min_size=3, max_size=7))
def test_a_product_is_taken_in_the_cheapest_order(sizes):
    names = "ABCDEFG"[: len(sizes) - 1]
    shapes = {n: f"{a},{b}" for n, (a, b) in zip(names, itertools.pairwise(sizes), strict=True)}
    formula = read_formula(f"norm2({'*'.join(names)})", shapes)
    (expr,) = binarised([formula.expr])
    assert multiplications(expr) == cheapest(sizes)


def test_every_product_has_two_factors():
    expr = cut("norm2(2*A*B*A*B*x)", A="m,n", B="n,m", x="m")
    for node in postorder(expr):
        if isinstance(node, (Product, Inner)):
            assert len([f for f in node.args if f.is_Matrix]) <= 2


def test_a_scalar_goes_to_the_smallest_factor():
    assert TEXT(cut("sum(sin(a*W*x))", W="5,4", x="4")) == "sum(sin(W*(a*x)))"
    assert "a*u" in TEXT(cut("sum(sin(a*u*x'))", u="3", x="4"))


def test_a_very_long_product_is_taken_from_its_narrow_end():
    factors = "*".join(["A"] * 300)
    expr = cut(f"norm2({factors}*x)", A="9,9", x="9")
    assert multiplications(expr) == 300 * 81
    transposed = cut(f"norm2(x'*{factors})", A="9,9", x="9")
    assert multiplications(transposed) == 300 * 81


@pytest.mark.parametrize(
    ("text", "core", "rows", "columns"),
    [
        ("x*ones(4)'", "x", False, True),
        ("ones(4)*x'", "x'", True, False),
        ("2*x*ones(4)'", "2*x", False, True),
        ("a*ones(3,4)", "a", True, True),
    ],
)
def test_a_stretched_value_is_recognised(text, core, rows, columns):
    found = stretched(read_formula(text).expr)
    assert (TEXT(found[0]), *found[1:]) == (core, rows, columns)


@pytest.mark.parametrize("text", ["W*x", "x*y'", "W*ones(n)", "2*x"])
def test_other_products_are_no_stretch(text):
    assert stretched(read_formula(text).expr) is None


def shared(*texts, preferred=None, taken=()):
    formulas = [read_formula(text) for text in texts]
    named, reduced = share([f.expr for f in formulas], preferred or {}, set(taken))
    return [f"{symbol} = {TEXT(body)}" for symbol, body in named], [TEXT(e) for e in reduced]


def test_what_is_used_twice_gets_a_name():
    named, reduced = shared("norm2(W*x)^2 + sum(W*x)")
    assert named == ["t1 = W*x"]
    assert reduced == ["norm2(t1)^2 + sum(t1)"]


def test_expressions_share_with_one_another():
    named, reduced = shared("sum(exp(W*x))", "norm2(exp(W*x))")
    assert named == ["t1 = exp(W*x)"]
    assert reduced == ["sum(t1)", "norm2(t1)"]


def test_variables_transposes_sizes_and_stretches_get_none():
    named, _ = shared("x'*W*x + sum(sin(W'*x)) + sum(cos(W'*x .* x))")
    assert named == ["t1 = W'*x"]
    assert shared("mean(x)", "mean(cos(x))")[0] == []


def test_the_argument_of_a_function_that_prints_it_twice_gets_one():
    x = read_formula("norm2(3*x)").variables["x"]
    argument = elementwise(U**3, x)
    named, _ = share([total(elementwise(1 / (1 + U + U**2), argument))], {}, set())
    assert [TEXT(body) for _, body in named][:1] == [TEXT(argument)]


def test_the_names_of_a_derivation_are_used_and_taken_ones_are_not():
    wx = read_formula("norm2(W*x)").expr.args[0]
    named, reduced = shared("norm2(W*x)", preferred={wx: "z"})
    assert (named, reduced) == (["z = W*x"], ["norm2(z)"])
    named, _ = shared("norm2(W*x) + sum(W*x)", taken=["t1", "t2"])
    assert named == ["t3 = W*x"]


def test_what_is_used_inside_two_stretches_is_computed_once():
    formula = read_formula("sum(sin(exp(x)*ones(4)') + cos(2*exp(x)*ones(4)'))", {"x": "n"})
    named, _ = share([formula.expr], {}, set())
    assert TEXT(named[0][1]) == "exp(x)"


def test_statements_are_of_limited_depth():
    text = "x"
    for _ in range(200):
        text = f"tanh({text})"
    named, _ = shared(f"sum({text})")
    assert len(named) == 6
    assert all(body.count("tanh") <= 31 for body in named)


def test_a_deep_shared_graph_is_not_walked_as_a_tree():
    expr = read_formula("sum(x)").variables["x"]
    for _ in range(60):
        expr = add(elementwise(U**2, expr), elementwise(U**3, expr))
    named, _ = share([total(expr)], {}, set())
    assert len(named) >= 59
    assert all(len(operands(body)) <= 2 for _, body in named)


def test_sharing_keeps_the_value():
    formula = read_formula("x'*W'*W*x + norm2(W*x)^2 + sum(exp(W*x))*sum(W*x)")
    named, (reduced,) = share([formula.expr], {}, set())
    rng = np.random.default_rng(0)
    restored = reduced
    for symbol, body in reversed(named):
        restored = replace(restored, {symbol: body})
    arrays = [rng.random((3, 4)), rng.random((4, 1))]
    order = ["W", "x"]
    values = dict(zip(order, arrays, strict=True))
    results = [
        emit([expr], formula.variables).function(*(values[n] for n in formula.variables))[0]
        for expr in (formula.expr, restored)
    ]
    assert float(results[0]) == pytest.approx(float(results[1]))
