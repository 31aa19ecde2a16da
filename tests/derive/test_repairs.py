"""Edits of wrong claims: with sizes that all differ, one of them is the right answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.edits import edited, negative, printed, transposed
from derive.emit import emit
from derive.errors import FormulaError, SizesError
from derive.language import read_among, read_formula
from derive.repairs import repairs
from derive.syntax import parse

SHAPES = {
    **dict.fromkeys("WV", "m,n"),
    **dict.fromkeys("GZ", "m,k"),
    "X": "n,k",
    **dict.fromkeys("xu", "n"),
    **dict.fromkeys("za", "m"),
}
FORMULA = "sum(W*x) + sum(V*u) + sum(G) + sum(Z) + sum(X) + z'*a"
VARIABLES = read_formula(FORMULA, SHAPES).variables
SIZES = {"m": 3, "n": 4, "k": 5}


def value(expr):
    rng = np.random.default_rng(7)
    shapes = [[SIZES[str(size)] if not size.is_Integer else int(size) for size in v.shape]
              for v in VARIABLES.values()]  # fmt: skip
    arrays = [rng.uniform(0.2, 0.9, shape) for shape in shapes]
    with np.errstate(invalid="ignore"):  # an edit may leave the domain, and then is not equal
        return np.asarray(emit([expr], VARIABLES).function(*arrays)[0])


def names(claim, right, subterms=()):
    """Return the mistakes by which a claim becomes the right answer."""
    answer = read_among(right, VARIABLES)
    expected, found = value(answer), []
    for repair in repairs(claim, VARIABLES, answer.shape, subterms):
        assert repair.expr.shape == answer.shape
        if np.allclose(value(repair.expr), expected, rtol=1e-10, atol=0):
            found.append(repair.name)
    return found


UNREADABLE = [
    ("W*z", "W'*z", "transpose"),
    ("2*W*(z - a)", "2*W'*(z - a)", "transpose"),
    ("G*X", "G*X'", "transpose"),
    ("x*z", "z*x'", "order"),
    ("G*W'", "W'*G", "order"),
    ("X'*W*G", "W'*G*X'*X", None),
    ("G*V'*Z", "G*X'", None),
    ("G*x'", "G*X'", "wrong-operand"),
    ("W'*u", "W'*z", "wrong-operand"),
    ("W'*(a*z)", "W'*(a.*z)", "order"),
]

READABLE = [
    ("z + a", "z - a", "sign"),
    ("-W'*z", "W'*z", "sign"),
    ("2*W'*z", "W'*z", "factor"),
    ("W'*z + u", "2*W'*z + u", "factor"),
    ("W'*z + u", "W'*z", "other"),
    ("V'*z", "W'*z", "wrong-operand"),
    ("G*X'", "G*X'/m", "sum-vs-mean"),
    ("sigmoid(log(1 + exp(z)))", "sigmoid(z)", "input-output"),
    ("rowmean(G)", "rowsum(G)", "sum-vs-mean"),
    ("z.*colsum(X)*x", "z.*rowsum(G)", None),
    ("z.*(1 - z)", "sigmoid(z).*(1 - sigmoid(z))", "input-output"),
    ("sigmoid(sigmoid(z)).*a", "sigmoid(z).*a", "input-output"),
    ("softmax(z).*(a - z'*a)", "softmax(z).*(a - softmax(z)'*a)", "input-output"),
]


@pytest.mark.parametrize(("claim", "right", "name"), UNREADABLE + READABLE)
def test_the_repair_is_the_right_answer(claim, right, name):
    found = names(claim, right, ["sigmoid(z)", "softmax(z)", "log(1 + exp(z))"])
    assert found[0] == name if name else found == []


@pytest.mark.parametrize("claim", [claim for claim, _, name in UNREADABLE if name])
def test_unreadable_claims_are_unreadable(claim):
    with pytest.raises(SizesError):
        read_among(claim, VARIABLES, VARIABLES["G"].shape)


def test_sum_over_the_wrong_axis():
    assert names("colsum(G)", "rowsum(G)")[0] == "shape"


def test_the_explanation_says_what_to_write():
    first = next(repairs("W*z", VARIABLES, VARIABLES["x"].shape))
    assert first.explanation == "W should be W': W'*z"


def test_a_scalar_is_repaired_to_a_scalar():
    variables = read_formula("b*x'*u", {"x": "n", "u": "n"}).variables
    found = [repair.explanation for repair in repairs("x*u", variables, ())]
    assert found[0] == "x should be x': x'*u"


def test_text_that_is_no_formula():
    with pytest.raises(FormulaError):
        next(repairs("W*", VARIABLES, VARIABLES["x"].shape))


def test_long_claims_have_few_edits_and_always_the_same():
    claim = "W*z" + " + u.*x" * 500
    edits = [repair.explanation for repair in repairs(claim, VARIABLES, VARIABLES["x"].shape)]
    assert edits[0].startswith("W should be W'")
    assert len(edits) <= 300
    again = repairs(claim, VARIABLES, VARIABLES["x"].shape)
    assert [repair.explanation for repair in again] == edits


@pytest.mark.parametrize(
    "text",
    ["-x^2", "(-x)^2", "(a + b)'*c^2", "a - (b - c)", "a*(b*c)", "-(a + b)", "2^-x", "a'^b'"],
)
def test_what_is_printed_is_read_back(text):
    def structure(node):
        return node.kind, node.value, [structure(child) for child in node.children]

    assert structure(parse(printed(parse(text)))) == structure(parse(text))


RIGHT = ["2*W'*(z - a)", "G*X' + V", "W'*(G - 3*Z)", "(z.*a)*x' - W"]
KINDS = {"transpose": transposed, "sign": negative}


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(RIGHT), st.sampled_from(sorted(KINDS)), st.integers(0, 20))
def test_an_edit_is_undone(right, kind, place):
    tree = parse(right)
    nodes = [node for node in tree.postorder() if node.kind not in ("number", "'")]
    node = nodes[place % len(nodes)]
    claim = printed(edited(tree, {node: KINDS[kind](node)}))
    found = names(claim, right)
    assert found
    assert kind == found[0] or {kind, *found} <= {"transpose", "order", "wrong-operand", "sign"}
