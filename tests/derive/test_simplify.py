"""Rewrites: the value stays, the formula gets shorter, and what was assumed is said."""

from __future__ import annotations

from typing import Any

import pytest
from sympy import MatrixSymbol

from derive.graph import weight
from derive.language import read_formula
from derive.notation import TEXT
from derive.program import Line
from derive.simplify import Definitions, assume, use_definitions

SHAPES = {"A": "m,n", "B": "m,n", "C": "n,n", "D": "n,n", "x": "n", "y": "n", "u": "m", "v": "m"}
SHAPES |= {"Y": "m,n", "S": "n,n", "E": "m,m", "a": "scalar", "b": "scalar", "z": "n", "w": "n"}


def read(text: str) -> Any:
    return read_formula(text, SHAPES).expr


# --- Definitions ---------------------------------------------------------------------------------


def defined(name: str, text: str) -> Definitions:
    expr = read(text)
    return Definitions([Line(MatrixSymbol(name, *expr.shape), expr)])


USED = [
    # name, its definition, the expression, what it becomes, the identities that are named
    ("w", "relu(z)", "w .* step(z)", "w", ["relu(z) .* step(z) = relu(z)"]),
    ("w", "relu(z)", "y .* w .* step(z)", "y .* w", ["relu(z) .* step(z) = relu(z)"]),
    ("w", "abs(z)", "w .* sign(z)", "z", ["abs(z) .* sign(z) = z"]),
    ("w", "tanh(z)", "1 - tanh(z).^2", "1 - w.^2", []),
    ("w", "tanh(z)", "w .* (1 - tanh(z).^2)", "w .* (1 - w.^2)", []),
    ("w", "sigmoid(z)", "sigmoid(z) .* (1 - sigmoid(z))", "w .* (1 - w)", []),
    ("w", "exp(z)", "exp(2*z) + z", "exp(2*z) + z", []),
    ("w", "z.^2", "z.^3", "z.^3", []),  # it is no |z|^3
    ("w", "z.^2", "z.^4", "w.^2", []),
    ("w", "relu(z)", "step(x)", "step(x)", []),
    ("w", "relu(z)", "w .* step(x)", "w .* step(x)", []),
]


@pytest.mark.parametrize(("name", "definition", "text", "expected", "identities"), USED)
def test_a_definition_is_used_where_that_is_shorter(
    name: str, definition: str, text: str, expected: str, identities: list[str]
) -> None:
    got, used = use_definitions(read(text), defined(name, definition))
    assert weight(got) <= weight(read(text))
    assert [f"{TEXT(left)} = {TEXT(right)}" for left, right in used] == identities
    assert TEXT(got).replace("ones(n) - ", "1 - ") == expected


# --- Assumptions ---------------------------------------------------------------------------------

ASSUMED = [
    ("y", "onehot", "sum(y)*x", "x", ["sum(y) = 1"]),
    ("y", "simplex", "sum(x)*sum(y)", "sum(x)", ["sum(y) = 1"]),
    ("Y", "simplex", "Y*ones(n)", "ones(m)", ["rowsum(Y) = ones(m)"]),
    (
        "Y",
        "onehot",
        "(A .* B)*ones(n) + Y*ones(n)",
        "rowsum(A .* B) + 1",
        ["rowsum(Y) = ones(m)"],
    ),
    ("Y", "simplex", "ones(1,n)*Y'*A", "colsum(A)", ["rowsum(Y) = ones(m)"]),
    ("Y", "simplex", "ones(1,m)*Y", "colsum(Y)", []),
    ("S", "symmetric", "(S + S')*x", "2*S*x", ["S' = S"]),
    ("S", "spd", "x'*S'*x", "x'*S*x", ["S' = S"]),
    ("S", "symmetric", "inv(S')", "inv(S)", ["S' = S"]),
    ("x", "unit", "norm2(x)*y + x", "y + x", ["norm2(x) = 1"]),
    ("x", "positive", "sum(x)*y", "sum(x)*y", []),
    ("y", "onehot", "y .* x", "y .* x", []),
    ("y", "onehot", "y.^3 .* x", "y .* x", ["y.^2 = y"]),
    ("y", "binary", "y.^2 + sqrt(y)", "2*y", ["y.^2 = y"]),
    ("y", "binary", "1 ./ y.^2", "1 ./ y.^2", []),  # which is not finite at 0
    ("y", "pm1", "y.^2 .* x", "x", ["y.^2 = ones(n)"]),
    ("y", "pm1", "y.^3 + abs(y)", "y + 1", ["y.^2 = ones(n)"]),
    ("b", "pm1", "b^2*x", "x", ["b^2 = 1"]),
    ("S", "skew", "(S + S')*x + y", "y", ["S' = -S"]),
    ("S", "diagonal", "S'*x", "S*x", ["S' = S"]),
]


@pytest.mark.parametrize(("name", "kind", "text", "expected", "sentences"), ASSUMED)
def test_what_is_assumed_is_used_and_said(
    name: str, kind: str, text: str, expected: str, sentences: list[str]
) -> None:
    formula = read_formula(f"sum({text}) + sum({name})", SHAPES)
    got, used = assume(read(text), formula.variables, {name: (kind,)})
    assert TEXT(got) == expected
    assert [str(identity) for identity in used] == sentences
    assert all((identity.name, identity.kind) == (name, kind) for identity in used)
