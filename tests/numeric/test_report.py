"""The table and the JSON of a verification."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import pytest
from sympy import Integer

import derive
from derive import nodes, operations
from derive.build import scale
from numeric.check import Verdict
from numeric.report import exit_code, json_text, verification_json, verification_table
from numeric.verify import verify


@pytest.fixture
def right():
    derivation = derive.differentiate("norm2(A*x - y)^2", wrt=["x"])
    return verify(derivation), derivation


@pytest.fixture
def wrong(monkeypatch):
    row = operations.OPERATIONS[nodes.Norm2]
    broken = replace(row, pullback=lambda g, out, x: (scale(Integer(3), x),))
    table = MappingProxyType({**operations.OPERATIONS, nodes.Norm2: broken})
    monkeypatch.setattr(operations, "OPERATIONS", table)
    derivation = derive.differentiate("norm2(A*x - y)^2", wrt=["x"])
    return verify(derivation), derivation


def test_the_table_has_a_row_for_each_oracle(right):
    lines = verification_table(*right, "Least squares").splitlines()
    assert lines[0] == "Least squares"
    assert lines[1] == "f = norm2(A*x - y)^2"
    header, numeric, exact = lines[3:6]
    assert header.split() == (
        ["variable", "shape", "points", "worst", "entry", "expected", "got", "error", "verdict"]
    )
    assert numeric.split()[:3] == ["x", "4x1", "3"]
    assert numeric.endswith("PASS")
    assert exact.split()[:2] == ["3x1", "exact"]
    assert exact.endswith("PASS")
    assert lines[-1] == "Verdict: PASS"


def test_columns_are_aligned(right):
    header, row = verification_table(*right, "")[1:].splitlines()[2:4]
    assert row[header.index("verdict") :] == "PASS"
    assert row[header.index("points")] == "3"


def test_a_wrong_gradient_is_shown_with_its_entry(wrong):
    text = verification_table(*wrong, "Least squares")
    assert "FAIL" in text
    assert "expected" in text
    assert text.endswith("Verdict: FAIL")
    (result,) = verification_json(*wrong)["results"]
    assert result["verdict"] == "fail"
    assert result["worst"]["got"] != pytest.approx(result["worst"]["expected"])
    assert result["exact"]["verdict"] == "fail"


def test_json_says_what_a_right_gradient_is(right):
    found = verification_json(*right)
    (result,) = found["results"]
    assert (found["schema"], found["formula"]) == (1, "norm2(A*x - y)^2")
    assert (result["wrt"], result["verdict"], result["claim"]) == ("x", "pass", None)
    assert result["right"] == "2*A'*(A*x - y)"
    assert result["max_error"] < 1e-9
    assert result["exact"]["verdict"] == "pass"


def test_what_is_not_finite_is_null_in_json(right):
    verification, derivation = right
    (found,) = verification.report.variables
    worst = replace(found.worst, expected=float("inf"), got=float("nan"))
    variables = (replace(found, worst=worst, error=float("nan")),)
    undecided = replace(verification, report=replace(verification.report, variables=variables))
    for pretty in (False, True):
        text = json_text([verification_json(undecided, derivation)], pretty=pretty)
        (result,) = json.loads(text, parse_constant=pytest.fail)[0]["results"]
        assert result["max_error"] is None
        assert (result["worst"]["expected"], result["worst"]["got"]) == (None, None)
        assert result["detection_floor"] == found.detection_floor


def test_json_of_finite_numbers_is_what_it_was(right):
    found = verification_json(*right)
    assert json.loads(json_text(found)) == json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.PASS, Verdict.PASS], 0),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], 3),
        ([Verdict.INCONCLUSIVE, Verdict.FAIL], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(right, verdicts, code):
    verification = replace(right[0], exact={})
    (found,) = verification.report.variables

    def of(verdict):
        return replace(
            verification,
            report=replace(verification.report, variables=(replace(found, verdict=verdict),)),
        )

    assert exit_code(of(verdict).verdict for verdict in verdicts) == code
