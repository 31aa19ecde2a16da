"""Structured variables: the subspaces, and the gradients that each convention shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import derive
from derive.errors import InputError, RefusedError
from derive.notation import TEXT
from derive.structures import Structure, structure_of
from numeric.check import Verdict
from numeric.verify import verify

SHOWN = [
    # the formula by X, what is assumed, the convention, the gradient
    ("tr(A*X)", "symmetric", "frobenius", "(A' + A)/2"),
    ("tr(A*X)", "symmetric", "entrywise", "A' + A - diag(diagvec(A))"),
    ("tr(A*X)", "symmetric", "free", "A'"),
    ("tr(A*X)", "skew", "entrywise", "A' - A"),
    ("tr(A*X)", "diagonal", "frobenius", "diag(diagvec(A))"),
    ("tr(A*X)", "diagonal", "entrywise", "diag(diagvec(A))"),
    ("logdet(X)", "spd", "frobenius", "inv(X)"),
    ("logdet(X)", "spd", "entrywise", "2*inv(X) - diag(diagvec(inv(X)))"),
    ("logdet(X)", "spd", "free", "inv(X)'"),
    ("u'*X*v", "skew", "frobenius", "u*v'/2 - v*u'/2"),
    ("tr(A*X)", "lower", "frobenius", "tril(A')"),
    ("tr(X'*A*X)", "lower", "entrywise", "tril((A + A')*X)"),
]


def derived(text: str, kind: str, convention: str) -> Any:
    return derive.differentiate(text, ["X"], {"X": "n,n"}, {"X": [kind]}, convention=convention)


@pytest.mark.parametrize(("text", "kind", "convention", "gradient"), SHOWN)
def test_the_gradient_is_the_one_of_the_convention(
    text: str, kind: str, convention: str, gradient: str
) -> None:
    derivation = derived(text, kind, convention)
    (result,) = derivation.results
    expected = derive.read_formula(gradient, {"X": "n,n", "u": "n", "v": "n"}).expr
    assert TEXT(result.expr).replace(" ", "") in (
        TEXT(expected).replace(" ", ""),
        gradient.replace(" ", ""),
    )
    found = verify(derivation)
    assert found.verdict is Verdict.PASS
    assert found.exact["X"].verdict is Verdict.PASS
    if convention != "free":
        name = "symmetric" if kind == "spd" else kind
        assert f"X is {name} ({convention})" in result.assumptions


@pytest.mark.parametrize("kind", ["symmetric", "skew", "diagonal", "lower"])
@pytest.mark.parametrize("convention", ["frobenius", "entrywise"])
def test_a_gradient_of_another_convention_fails(kind: str, convention: str) -> None:
    """Both oracles: the factor of two off the diagonal, and what is outside of the subspace."""
    text = "tr(A*X) + norm2(X*B)^2"
    right = derived(text, kind, convention)
    wrongs = [derived(text, kind, "free")]
    if kind in ("symmetric", "skew"):
        wrongs.append(derived(text, kind, {"frobenius": "entrywise"}.get(convention, "frobenius")))
    for wrong in wrongs:
        found = verify(right.with_gradient(wrong.gradient), exact=False)
        assert found.verdict is Verdict.FAIL
        exactly = verify(right.with_gradient(wrong.gradient))
        assert exactly.exact["X"].verdict is Verdict.FAIL


def test_kinds_add_up() -> None:
    assert structure_of(["positive", "onehot"]) is None
    assert structure_of(["spd"], "free") is None
    assert structure_of(["spd", "lower"]) == Structure("diagonal")
    with pytest.raises(InputError, match="skew and symmetric is zero"):
        structure_of(["skew", "spd"])


@pytest.mark.parametrize("name", ["symmetric", "skew", "diagonal", "lower"])
def test_tied_entries_span_the_subspace(name: str) -> None:
    structure, n = Structure(name), 4
    moves = [structure.tied(i, j) for i, j in np.ndindex(n, n)]
    dimension = {"symmetric": 10, "skew": 6, "diagonal": 4, "lower": 10}[name]
    assert sum(map(bool, moves)) == dimension
    places = [place for move in moves for place in move]
    assert len(places) == len(set(places))


def test_what_is_no_gradient_is_refused_on_a_subspace() -> None:
    for text, order in (("X*v", 1), ("logdet(X)", 2)):
        with pytest.raises(RefusedError, match="--convention free"):
            derive.differentiate(text, ["X"], {"X": "n,n"}, {"X": ["spd"]}, order=order)
    free = derive.differentiate(
        "logdet(X)", ["X"], {"X": "n,n"}, {"X": ["spd"]}, order=2, convention="free"
    )
    assert verify(free).verdict is Verdict.PASS
