"""Hand derivations, line by line: what is right, what is wrong, and what only follows.

Each file of ``tests/derive/hand`` says in its own comments what each stated derivative is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from derive.errors import FormulaError, InputError, RefusedError
from numeric.check import Verdict
from numeric.handnotes import handwork_json, handwork_outcome, handwork_text
from numeric.handwork import check_derivation
from numeric.report import json_text

HAND = Path(__file__).parent.parent / "derive" / "hand"
FILES = sorted(HAND.glob("*.txt"))
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
PAGES = ["relu_l2", "softmax_ce", "chain_of_three", "sizes_disagree", "no_matrix_form", "jacobians"]

LAYER = "z = W*x\na = relu(z)\nf = norm2(a)^2\n"
WORDS = {Verdict.PASS: "right", Verdict.FAIL: "wrong", Verdict.INCONCLUSIVE: "undecided", None: ""}


def expected(text):
    """Return what the comments of a derivation say of its lines, by their numbers."""
    lines = enumerate(text.splitlines(), 1)
    found = {
        number: re.search(r"# (right|wrong|follows|undecided)", line) for number, line in lines
    }
    return {number: match[1] for number, match in found.items() if match}


def verdicts(handwork):
    said = {
        line.number: "follows" if line.follows else WORDS[line.verdict] for line in handwork.lines
    }
    return {number: word for number, word in said.items() if word}


def judged(text, **options):
    """Return the line that comes last."""
    return check_derivation(text, **options).lines[-1]


# --- The collection -------------------------------------------------------------------------------


@EACH_FILE
def test_every_line_gets_the_verdict_that_its_comment_says(path):
    text = path.read_text(encoding="utf-8")
    assert verdicts(check_derivation(text)) == expected(text)


def test_the_collection_has_enough_of_everything():
    said = [word for path in FILES for word in expected(path.read_text(encoding="utf-8")).values()]
    assert len(FILES) >= 30
    assert min(map(said.count, ("right", "wrong", "follows"))) >= 15


@EACH_FILE
@pytest.mark.parametrize("field", ["right", "in_your_names"])
def test_what_is_written_beside_a_line_is_right(path, field):
    """Put into its place, it makes the line right, and every line that follows from it."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for line in check_derivation(text).lines:
        if line.right:
            lines[line.number - 1] = f"{line.name} = {getattr(line, field) or line.right}"
    corrected = check_derivation("\n".join(lines))
    assert {line.verdict for line in corrected.lines} <= {None, Verdict.PASS, Verdict.INCONCLUSIVE}


@pytest.mark.parametrize(("name", "wrong"), [("relu_l2", 11), ("softmax_ce", 13)])
def test_exactly_one_line_of_each_original_derivation_is_wrong(name, wrong):
    found = check_derivation((HAND / f"{name}.txt").read_text(encoding="utf-8"))
    assert [n for n, word in verdicts(found).items() if word != "right"] == [wrong]
    assert found.first_wrong.number == wrong


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_a_teacher_would_write(golden, name):
    found = check_derivation((HAND / f"{name}.txt").read_text(encoding="utf-8"))
    golden(f"hand/{name}.txt", handwork_text(found) + "\n")


# --- Following ------------------------------------------------------------------------------------


def test_a_line_that_follows_says_from_which_and_has_no_mistake_of_its_own():
    line = judged(LAYER + "df/dz = a\ndelta = df/dz\ndf/dW = delta*x'")
    assert (line.verdict, line.follows, line.mistake) == (Verdict.FAIL, True, None)
    assert line.explanation == "It follows from df/dz in line 4."
    assert (line.right, line.in_your_names) == ("2*a*x'", "df/dz*x'")


def test_the_first_wrong_line_is_none_that_follows():
    found = check_derivation(LAYER + "df/da = 2*a\ndf/dz = a\ndf/dW = df/dz*x'\ndf/dx = W*a")
    assert found.first_wrong.number == 5
    assert found.verdict is Verdict.FAIL


def test_a_mistake_beside_an_earlier_one_is_judged_with_the_truth_put_in():
    """As written, the line is wrong by a factor and a sign; its own mistake is the sign alone."""
    line = judged(LAYER + "df/dz = 7*a\ndf/dW = -df/dz*x'")
    assert (line.verdict, line.follows) == (Verdict.FAIL, False)
    worst = line.judgement.worst
    assert worst.got == pytest.approx(-worst.expected)


def test_a_right_line_after_a_wrong_one_is_right():
    found = check_derivation(LAYER + "df/dz = a\ndf/dW = 2*a*x'\ndf/dx = 2*W'*df/dz")
    assert verdicts(found) == {4: "wrong", 5: "right", 6: "right"}


def test_a_wrong_line_that_uses_right_ones_does_not_follow():
    found = check_derivation(LAYER + "df/da = a\ndf/dz = 2*a\ndf/dW = -df/dz*x'")
    assert verdicts(found) == {4: "wrong", 5: "right", 6: "wrong"}


def test_what_a_wrong_line_is_of_instead_is_said():
    line = judged("z = W*x + b\nshape b = m\nf = sum(exp(z))\ndf/dz = exp(z)\ndf/dW = exp(W*x + b)")
    assert line.explanation.startswith("this is df/dz; ")


# --- What is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("df/dz = 2*relu(W*x) .* step(W*x)", Verdict.PASS),  # in the variables: z is W*x
        ("df/dz = 2*z .* step(z)", Verdict.PASS),
        ("df/dz = 2*z", Verdict.FAIL),
        ("df/da = 2*a", Verdict.PASS),
        ("df/da = 2*z", Verdict.FAIL),  # equal on the branch where every entry is positive
        ("da/dx = diag(step(z))*W", Verdict.PASS),
        ("dz/dW = x'", Verdict.INCONCLUSIVE),
        ("df/df = 1", Verdict.PASS),
        ("df/df = 2", Verdict.FAIL),
    ],
)
def test_a_value_moves_alone(lines, verdict):
    assert judged(LAYER + lines).verdict is verdict


def test_other_values_of_the_layer_are_held_fixed():
    text = "u = exp(x)\nv = sin(x)\nf = u'*v\n"
    assert judged(text + "df/du = v").verdict is Verdict.PASS
    assert judged(text + "df/dx = u .* v + u .* cos(x)").verdict is Verdict.PASS
    assert judged(text + "df/du = v + u .* cos(x) ./ exp(x)").verdict is Verdict.FAIL


def test_assumptions_and_the_convention_hold():
    text = "f = a'*X*b\nshape a = n\nshape b = n\ndf/dX = {}"
    symmetric = {"assumptions": {"X": ["symmetric"]}}
    assert judged(text.format("a*b'")).verdict is Verdict.PASS
    assert judged(text.format("(a*b' + b*a')/2"), **symmetric).verdict is Verdict.PASS
    assert judged(text.format("a*b'"), **symmetric).verdict is Verdict.FAIL
    entrywise = text.format("a*b' + b*a' - diag(a .* b)")
    assert judged(entrywise, **symmetric).verdict is Verdict.FAIL
    assert judged(entrywise, **symmetric, convention="entrywise").verdict is Verdict.PASS
    assert judged(text.format("a*b'"), **symmetric, convention="free").verdict is Verdict.PASS


def test_labels_that_sum_to_one_make_the_short_form_right():
    text = "s = softmax(z)\nL = crossentropy(s, y)\ndL/dz = s - y"
    assert judged(text).verdict is Verdict.FAIL
    assert judged(text, assumptions={"y": ["onehot"]}).verdict is Verdict.PASS


def test_a_jacobian_by_a_variable_with_a_structure_is_undecided():
    line = judged("z = x'*S*x*x\nassume S = spd\nf = sum(z)\ndz/dS = x")
    assert line.verdict is Verdict.INCONCLUSIVE
    assert "assumed structure" in line.explanation


def test_what_has_no_point_in_its_domain_is_undecided():
    line = judged("z = log(-exp(x))\nf = sum(z)\ndf/dx = 2*ones(n)\nshape x = n")
    assert line.verdict is Verdict.INCONCLUSIVE
    assert "No point was found" in line.explanation


def test_a_value_of_stated_derivatives_whose_sizes_disagree_is_wrong_by_shape():
    found = check_derivation(LAYER + "shape W = m,n\ndf/dz = 2*a\ng = W*df/dz\ndf/dW = g*x'")
    assert verdicts(found) == {5: "right", 6: "wrong", 7: "wrong"}
    assert found.lines[-2].decided_by == "shape"
    assert found.lines[-2].mistake.name == "shape"


def test_sizes_that_disagree_where_there_is_no_matrix_form_are_wrong():
    line = judged(LAYER + "shape W = m,n\ndz/dW = W*W")
    assert (line.verdict, line.decided_by, line.right) == (Verdict.FAIL, "shape", "")


# --- JSON, text, exit -----------------------------------------------------------------------------


def test_json_has_a_line_for_each_statement_and_none_for_a_declaration():
    text = "shape W = m,n\n\nz = W*x\nf = norm2(z)^2\ndf/dz = z\ndf/dx = W'*df/dz"
    found = handwork_json(check_derivation(text))
    assert (found["schema"], found["formula"], found["results"]) == (1, "norm2(W*x)^2", [])
    assert [line["line"] for line in found["lines"]] == [3, 4, 5, 6]
    assert [line["verdict"] for line in found["lines"]] == [None, None, "fail", "fail"]
    assert [line["follows"] for line in found["lines"]] == [False, False, False, True]
    assert [line["right"] for line in found["lines"]] == [None, None, "2*z", "2*W'*z"]
    assert found["lines"][0]["mistake"] is found["lines"][3]["mistake"] is None
    assert found["lines"][3]["text"] == "df/dx = W'*df/dz"
    assert found["first_wrong"] == 5
    assert json.loads(json_text(found)) == found


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ("df/da = 2*a", Verdict.PASS),
        ("df/da = 2*a\ndz/dW = x'", Verdict.INCONCLUSIVE),
        ("df/da = a\ndz/dW = x'", Verdict.FAIL),
    ],
)
def test_one_wrong_line_fails_the_whole_and_an_undecided_one_leaves_it_open(lines, verdict):
    found = check_derivation(LAYER + lines)
    assert found.verdict is verdict
    outcome = handwork_outcome(found)
    assert outcome.verdict is verdict
    assert outcome.json == handwork_json(found)
    assert outcome.text.splitlines()[-1] == f"Verdict: {verdict.value.upper()}"


def test_the_seed_changes_the_points_and_no_verdict():
    text = (HAND / "two_mistakes.txt").read_text(encoding="utf-8")
    for seed in range(1, 6):
        assert verdicts(check_derivation(text, seed=seed)) == expected(text)


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ("df/da = 2*)", FormulaError, "line 4: expected a value before"),
        ("df/da = 2*q", FormulaError, "line 4: no variable 'q' here"),
        ("df/da = rel(a)", RefusedError, "line 4: No function 'rel'"),
        ("df/dq = a", FormulaError, "line 4: nothing is named 'q'"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_line(lines, kind, message):
    with pytest.raises(kind) as error:
        check_derivation(LAYER + lines)
    assert message in str(error.value)
    assert issubclass(kind, RefusedError) or isinstance(error.value, InputError)
