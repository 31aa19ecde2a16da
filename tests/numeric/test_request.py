"""From the texts of a command to problems, derivations and checked pages."""

from __future__ import annotations

import pytest

from derive.errors import InputError, RefusedError
from derive.problems import Problem
from numeric.request import (
    Request,
    hint_of_two_modules,
    hints,
    listing,
    name_pairs,
    refuse_strange_shapes,
    requests,
    stretched_scalars,
)


def one(argument, **options):
    (request,) = requests(argument, **options)
    return request


def test_without_an_argument_the_two_problems_are_asked_for():
    assert [request.problem.name for request in requests(None)] == ["relu-l2", "softmax-ce"]


def test_data_is_not_differentiated_by_unless_asked_for():
    assert one("softmax-ce").derivation().wrt == ("W", "b")
    assert one("softmax-ce", wrt=["x"]).derivation().wrt == ("x",)
    assert one("x'*A*x").derivation().wrt == ("x", "A")


def test_options_add_to_what_a_problem_declares():
    request = one("softmax-ce", shape=["x=784", "W=10,784", "b=10", "y=10"], assume=["x=unit"])
    formula = request.formula
    assert formula.variables["W"].shape == (10, 784)
    assert formula.assumptions == {"y": ("onehot",), "x": ("unit",)}


def test_kinds_of_one_name_add_up():
    request = one("x'*A*x", assume=["A=spd", "A=positive"])
    assert request.assumptions == {"A": ("spd", "positive")}


@pytest.mark.parametrize(
    ("convention", "gradient"),
    [
        ("frobenius", "(a*b' + b*a')/2"),
        ("entrywise", "a*b' + b*a' - diag(a .* b)"),
        ("free", "a*b'"),
    ],
)
def test_a_structured_variable_has_the_gradient_of_the_convention(convention, gradient):
    shapes = ["a=n", "b=n", "X=n,n"]
    free = one("a'*X*b", shape=shapes, assume=["X=symmetric"], wrt=["X"], convention=convention)
    derivation = free.derivation()
    assert str(derivation.gradient["X"]) == gradient
    point = free.verification(derivation).point["X"]
    assert point == [list(column) for column in zip(*point, strict=True)]


def test_a_page_has_what_it_is_asked_for():
    plain = one("relu-l2").page()
    assert plain.sizes is None
    assert plain.batch is None
    assert set(plain.checked) == {"W", "x"}
    full = one("softmax-ce", batch="x,y").page(steps=False, entries=True)
    assert {str(size): number for size, number in full.sizes.items()} == {"m": 3, "n": 2}
    assert str(full.batch.size) == "N"
    assert not full.steps


def test_a_wrong_gradient_is_refused(monkeypatch):
    from dataclasses import replace
    from types import MappingProxyType

    from derive import nodes, operations

    row = operations.OPERATIONS[nodes.Norm2]
    broken = replace(row, pullback=lambda g, out, x: (x,))
    table = MappingProxyType({**operations.OPERATIONS, nodes.Norm2: broken})
    monkeypatch.setattr(operations, "OPERATIONS", table)
    with pytest.raises(RefusedError, match="fails its check and is not shown"):
        one("norm2(A*x)").page()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": ["x"]}, "expected NAME=VALUE"),
        ({"shape": ["=3"]}, "expected NAME=VALUE"),
        ({"assume": ["x="]}, "expected NAME=VALUE"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        requests("x'*x", **options)


def test_an_unknown_kind_is_told_wherever_it_stands():
    from_option = one("x'*x", assume=["x=onehott"])
    from_problem = Request(Problem("x'*x"), {}, {"x": ("onehott",)})
    for request in (from_option, from_problem):
        with pytest.raises(InputError, match="Did you mean 'onehot'"):
            request.derivation()


def test_order_two_is_the_hessian():
    request = one("x'*x", order=2)
    assert str(request.derivation().gradient["x"]) == "2*eye(n)"
    assert request.page().checked["x"].exact


def test_the_shapes_of_a_problem_are_not_asked_for():
    problem = Problem("x'*x", shapes={"x": "n", "A": "n,n"})
    refuse_strange_shapes([Request(problem, {"x": "3"}, {})])


@pytest.mark.parametrize(
    ("formula", "start", "shape"),
    [
        ("crossentropy(softmax(W*x + b), y)", "b is a scalar and is added to every", "b=m,"),
        ("norm2(W*x - b)^2", "b is a scalar and is subtracted from every", "b=m,"),
        ("sum(relu(b + x'))", "b is a scalar and is added to every entry of a vector", "b=1,n,"),
        ("normF(A*B + c)", "c is a scalar and is added to every entry of a matrix", "c=m,k,"),
        ("norm2(a*(x + b) + b)", "b is a scalar", "b=n,"),
    ],
)
def test_an_undeclared_scalar_that_is_added_to_every_entry_is_told(formula, start, shape):
    (line,) = stretched_scalars(one(formula).formula, [])
    assert line.startswith(f"Hint: {start}")
    assert f"--shape {shape}" in line
    assert stretched_scalars(one(formula).formula, line[6]) == []


@pytest.mark.parametrize(
    "formula", ["norm2(a*x)", "norm2(x)^2 + c", "norm2(x + 2)", "sum(a*x + b*y)", "x'*x + a*b"]
)
def test_a_scalar_that_is_a_factor_or_a_term_of_scalars_is_none(formula):
    assert stretched_scalars(one(formula).formula, []) == []


def test_a_declaration_ends_the_hint_wherever_it_stands():
    problem = Problem("norm2(W*x + b)^2", shapes={"b": "scalar"})
    assert hints([Request(problem, {}, {})]) == []
    assert hints(requests("norm2(W*x + b)^2", shape=["b=scalar"])) == []
    assert hints(requests("norm2(W*x + b)^2", shape=["b=m"])) == []
    assert len(hints(requests("norm2(W*x + b)^2", shape=["x=m"]))) == 1


def test_names_in_a_problem_that_its_formula_has_not_are_told():
    problem = Problem("x'*y", data=("Y",), batch=("x",), shapes={"z": "n"}, name="p.toml")
    assert hints([Request(problem, {}, {})]) == [
        "Warning: p.toml: data: no variable 'Y'. Did you mean 'y'? Known: x, y.",
        "Warning: p.toml: shapes: no variable 'z'. Known: x, y.",
    ]


@pytest.mark.parametrize("output", [None, "-"])
def test_two_modules_are_a_hint_on_a_stream_and_an_error_in_a_file(output):
    assert "Name one problem" in hint_of_two_modules(output)
    with pytest.raises(InputError, match=r"-o two\.py: expected one module.*Name one problem"):
        hint_of_two_modules("two.py")


def test_a_constant_has_nothing_to_differentiate_by():
    with pytest.raises(InputError, match="no variable"):
        one("2 + 3").derivation()


def test_pairs_keep_what_stands_behind_the_first_equals_sign():
    assert name_pairs(["a = b=c", "a=d"], "--claim") == {"a": ["b=c", "d"]}


def test_the_listing_fits_a_terminal():
    assert max(map(len, listing().splitlines())) <= 80
