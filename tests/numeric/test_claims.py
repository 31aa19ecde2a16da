"""Claims against the truth: the verdict, the rung that decided, through the command line's JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import cli
import derive
from derive.language import read_among
from numeric.check import Verdict
from numeric.claims import judge
from numeric.questions import Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CORPUS = Path(__file__).parent.parent / "corpus"
IDENTITIES, WRONG, MISTAKES = (
    json.loads((CORPUS / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("identities", "wrong_identities", "mistakes")
)
# What the corpora say of a variable, and of how it is drawn, as an assumption of ours.
ASSUMED = {
    "symmetric": "symmetric",
    "entrywise_symmetric": "symmetric",
    "sym_frobenius": "symmetric",
    "skew_frobenius": "skew",
    "lower_triangular": "lower",
    "diagonal": "diagonal",
    "entries sum to 1": "simplex",
    "rows sum to 1": "simplex",
    "entries are +1/-1": "pm1",
    "sym": "symmetric",
    "spd": "spd",
    "pm1": "pm1",
    "pos": "positive",
}
LETTERS = {"P": "positive", "S": "spd", "Y": "symmetric", "O": "onehot", "B": "binary"}
LETTERS |= {"D": "simplex", "N": ""}
# The corpus' classes of mistakes that the catalogue has, and what they are called there.
CLASSES = {
    "input/output confusion": {"input-output"},
    "dropped chain factor": {"missing-mask"},
    "wrong loss / dropped chain factor": {"missing-mask"},
    "transpose/order": {"transpose", "order"},
    "dropped product-rule term": {"missing-term"},
    "dropped cross/Jacobian term": {"missing-term"},
    "detached term": {"missing-term"},
    "silent symmetry assumption": {"assumption"},
    "sign": {"sign"},
    "factor 2": {"factor"},
    "dropped scale": {"factor"},
    "sum vs mean": {"sum-vs-mean"},
    "wrong operand": {"wrong-operand"},
    "wrong index/layer (z2 for z1)": {"wrong-operand", "input-output"},
    "scalar for matrix": {"shape"},
    "summed over wrong axis": {"shape"},
}
NAMED = 0.9  # of the mistakes whose class is in the catalogue
UNLISTED = {"cb_spec"}  # whose function the language does not have


def ask(
    formula: str,
    wrt: str,
    claims: Sequence[str],
    shapes: Mapping[str, str] | None = None,
    assumptions: Mapping[str, str] | None = None,
    *options: str,
) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the results of ``cli verify --claim``."""
    arguments = ["verify", formula, "--json", "-q", *options]
    for claim in claims:
        arguments += ["--claim", f"{wrt}={claim}"]
    for name, shape in (shapes or {}).items():
        arguments += ["--shape", f"{name}={shape}"]
    for name, kind in (assumptions or {}).items():
        arguments += ["--assume", f"{name}={kind}"] if kind else []
    found = CliRunner().invoke(cli.main, arguments, catch_exceptions=False)
    return found.exit_code, json.loads(found.stdout)["results"] if found.stdout else []


def symbolic(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: ",".join(sizes) or "scalar" for name, sizes in entry["dims"].items()}


def concrete(entry: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return shapes and assumptions of an entry whose sizes are numbers."""
    drawn = {n: how for n, how in entry["dims"].items() if isinstance(how, list)}
    shapes = {n: f"{drawn[n][1]},{drawn[n][2]}" if n in drawn else "scalar" for n in entry["dims"]}
    kinds = {name: LETTERS[how[0]] for name, how in drawn.items()}
    if kinds.get(entry["wrt"]) == "simplex":  # which says where it is drawn; it moves freely
        kinds[entry["wrt"]] = "positive"
    return shapes, kinds


@pytest.mark.parametrize("entry", MISTAKES, ids=[e["id"] for e in MISTAKES])
def test_mistakes_of_people_are_rejected_and_equivalents_accepted(entry):
    code, (wrong, right) = ask(
        entry["f"], entry["wrt"], [entry["wrong"], entry["right"]], *concrete(entry)
    )
    expected = entry["expected_verdict"]
    assert wrong["verdict"] == ("pass" if expected == "accept" else "fail")
    assert (wrong["decided_by"] == "shape") == (expected == "reject-shape")
    assert right["verdict"] == "pass"
    assert code == (0 if expected == "accept" else 1)


def test_mistakes_are_called_what_they_are():
    known = [entry for entry in MISTAKES if entry["mistake_class"] in CLASSES]
    misnamed = []
    for entry in known:
        _, (result,) = ask(entry["f"], entry["wrt"], [entry["wrong"]], *concrete(entry))
        if result["mistake"] not in CLASSES[entry["mistake_class"]]:
            misnamed.append((entry["id"], result["mistake"], result["explanation"]))
    named = len(known) - len(misnamed)
    print(f"{named} of {len(known)} mistakes named rightly, not {misnamed}")
    assert named >= NAMED * len(known)


@pytest.mark.parametrize("entry", WRONG, ids=[e["id"] for e in WRONG])
def test_wrong_identities_are_rejected(entry):
    assumed = {name: ASSUMED[how] for name, how in entry["sample"].items()}
    entrywise = str(entry["structure"]).startswith("entrywise")
    options = ("--convention", "entrywise") if entrywise else ()
    claims = [entry["claimed"], entry["correct"]]
    code, (wrong, right) = ask(entry["f"], entry["wrt"], claims, symbolic(entry), assumed, *options)
    assert (code, wrong["verdict"], right["verdict"]) == (1, "fail", "pass")


def test_published_formulas_and_their_equivalents_are_accepted():
    rejected, decided = [], Counter()
    for entry in IDENTITIES:
        if entry["id"] in UNLISTED:
            continue
        assumed = {name: ASSUMED[kind] for name, kind in entry.get("assume", {}).items()}
        entrywise = "entrywise_symmetric" in entry.get("assume", {}).values()
        options = ["--convention", "entrywise"] if entrywise else []
        options += ["--order", "2"] if entry["kind"] == "hessian" else []
        claims = [entry["grad"], *entry.get("alt", [])]
        code, results = ask(entry["f"], entry["wrt"], claims, symbolic(entry), assumed, *options)
        decided.update(result["decided_by"] for result in results)
        rejected += [entry["id"]] if code else []
    print(f"{sum(decided.values())} formulas accepted by {dict(decided)}")
    assert rejected == []


# formula, variable, claim, exit code, rung
RUNGS = [
    ("x'*x", "x", "x + x", 0, "normal form"),
    ("x'*A*x", "x", "A*x + A'*x", 0, "normal form"),
    ("sum(max(x,y))", "x", "step(x - y)", 0, "exact evaluation"),
    ("det(A)", "A", "adj(A)'", 0, "exact evaluation"),
    ("x'*A*x", "x", "2*A*x", 1, "exact evaluation"),
    ("sum(tanh(x))", "x", "4./(exp(x) + exp(-x)).^2", 0, "complex step"),
    ("sum(erf(x))", "x", "2/sqrt(pi)*exp(-x.^2)", 0, "complex step"),
    ("logdet(X'*X)", "X", "2*pinv(X)'", 0, "complex step"),
    ("norm2(x)", "x", "x", 1, "complex step"),
    ("A*x", "x", "A'", 1, "shape"),
    ("x'*y", "x", "y'", 1, "shape"),
    ("norm2(W*x)^2", "x", "2*W*(W*x)", 1, "shape"),
    ("norm2(x)^2", "x", "2", 1, "shape"),
    # A number is not taken for a size, nor a size for a number.
    ("mean(x)", "x", "vector(1)/n", 0, "normal form"),
    ("mean(x)", "x", "vector(1)/2", 1, "exact evaluation"),
    ("mean(x)", "x", "vector(1)/3", 1, "exact evaluation"),
    ("mean(exp(x))", "x", "exp(x)/4", 1, "complex step"),
    # In a branch that points near the origin do not enter.
    ("sum(relu(x - 5))", "x", "zeros(n,1)", 1, "exact evaluation"),
    ("sum(exp(relu(x - 5)))", "x", "0*x", 1, "complex step"),
    # In a narrow branch, of the claim's own.
    ("sum(relu(x))", "x", "step(x - 0.001)", 1, "complex step"),
    ("sum(relu(x))", "x", "step(x - 0.01*x.^3)", 1, "exact evaluation"),
    ("norm1(x)", "x", "tanh(1000*x)", 1, "complex step"),
    ("sum(relu(1 - x.*y))", "x", "-step(1 - 2*x.*y).*y", 1, "exact evaluation"),
    # Of any scale, and to the digits that double precision has.
    ("1e-200*sum(exp(x))", "x", "1.001e-200*exp(x)", 1, "complex step"),
    ("1e-30*sum(tanh(x))", "x", "4e-30./(exp(x) + exp(-x)).^2", 0, "complex step"),
    ("x'*x", "x", "2.000000001*x", 1, "complex step"),
    ("sum(exp(sqrt(2)*x))", "x", "1.4142135623730951*exp(sqrt(2)*x)", 0, "complex step"),
    # Other derivatives than gradients.
    ("x.^2", "x", "diag(2*x)", 0, "exact evaluation"),
    ("A*X", "X", "A*V", 0, "normal form"),
    ("A*X", "X", "V*A", 1, "shape"),
    ("X'*X", "X", "X'*V", 1, "exact evaluation"),
    ("X*X", "X", "(X + V)*(X + V) - X*X - V*V", 0, "exact evaluation"),
    ("A*tanh(X)", "X", "A*V", 1, "complex step"),
    ("a*exp(x)", "a", "exp(x)", 0, "normal form"),
    ("softmax(z)", "z", "diag(softmax(z))", 1, "complex step"),
]


@pytest.mark.parametrize(("formula", "wrt", "claim", "code", "rung"), RUNGS)
def test_the_first_decisive_rung_is_named(formula, wrt, claim, code, rung):
    found, (result,) = ask(formula, wrt, [claim])
    assert (found, result["decided_by"]) == (code, rung), result


LOGISTIC = "sum(log(1 + exp(-y.*(X*w))))/m"
HIDDEN = "crossentropy(softmax(V*relu(W*x)), y)"
# formula, variable, claim, the mistake's name, a part of what is said, shapes
SAID = [
    ("norm2(W*x)^2", "x", "2*W*(W*x)", "transpose", "W should be W': 2*W'*(W*x)", {}),
    ("norm2(X - W*H)^2", "H", "-2*(X - W*H)*W'", "order", "should be W'*(-2*(X - W*H))", {}),
    ("norm2(W*x)^2", "W", "2*x*(W*x)'", "transpose", "the transpose of the right answer", {}),
    ("x'*A*y", "y", "x'*A", "layout", "numerator layout", {}),
    ("norm2(x)^2", "x", "2.000000003*x", "factor", "1.0000000015 times the right answer", {}),
    ("x'*A*y", "x", "A'*y", "transpose", "A' should be A", {}),
    ("x'*A*x", "x", "2*A*x", "assumption", "right if A is symmetric", {}),
    ("det(X)", "X", "det(X)*tr(inv(X))", "shape", "the trace of", {}),
    (LOGISTIC, "w", "-X'*(y.*sigmoid(-y.*(X*w)))", "sum-vs-mean", "1/m is missing", {"X": "m,k"}),
    (LOGISTIC, "w", "-X'*sigmoid(-y.*(X*w))/m", "missing-mask", "y is missing", {"X": "m,k"}),
    (LOGISTIC, "w", "X'*(y.*sigmoid(-y.*(X*w)))/m", "sign", "opposite sign", {"X": "m,k"}),
    (HIDDEN, "W", "V'*(softmax(V*relu(W*x)) - y)*x'", "missing-mask", "relu is missing", {}),
    (HIDDEN, "V", "(softmax(V*relu(W*x)) - y)*(W*x)'", "input-output", "should be relu(W*x)", {}),
    (HIDDEN, "x", "V'*(softmax(V*relu(W*x)) - y)", "shape", "only a part of", {}),
    (
        "norm2(X*w - y)^2 + c*norm2(w)^2",
        *("w", "2*X'*(X*w - y)", "missing-term", "the part through c*norm2(w)^2 is missing", {}),
    ),
    (
        "norm2(X*w - y)^2 + c*norm2(w)^2",
        *("w", "2*X'*(X*w - y) + 2*c*sum(w)", "shape", "sum(w) should be w", {}),
    ),
    (
        "sum(softmax(X*W).*Y)",
        *("W", "X'*(softmax(X*W).*(1 - softmax(X*W)).*Y)", "missing-term", "for itself alone", {}),
    ),
    (
        "norm2(A*x - b)^2",
        *("x", "2*(A*x - b).*rowsum(A)", "wrong-operand", "adds up the entries of A alone"),
        {"A": "n,n", "b": "n"},
    ),
]


@pytest.mark.parametrize(("formula", "wrt", "claim", "name", "said", "shapes"), SAID)
def test_what_is_said_of_a_mistake(formula, wrt, claim, name, said, shapes):
    assumed = {"y": "onehot"} if formula == HIDDEN else {}
    code, (result,) = ask(formula, wrt, [claim], shapes, assumed)
    assert (code, result["mistake"]) == (1, name), result["explanation"]
    assert said in result["explanation"]


@pytest.mark.parametrize(("factor", "code"), [("1", 0), ("1.000000001", 1)])
def test_a_claim_that_needs_the_structure_is_judged_in_all_digits(factor, code):
    """Where X moves freely, inv(X) is the derivative at symmetric points alone."""
    options = ["--convention", "free"]
    claim = f"{factor}*inv(X)"
    found, (result,) = ask("logdet(X)", "X", [claim], {}, {"X": "spd"}, *options)
    assert found == code, result


def test_a_wrong_rule_cannot_hide_itself():
    """What is claimed is held against the value, not against what was derived."""
    derivation = derive.differentiate("sum(sin(x))")
    wrong = derivation.with_gradient({"x": read_among("sin(x)", derivation.formula.variables)})
    claim = read_among("cos(x)", derivation.formula.variables)
    assert judge(Question(wrong, "x"), claim).verdict is Verdict.PASS


def test_a_claim_that_is_not_a_number_where_the_derivative_is_one_is_wrong():
    code, (result,) = ask("x'*x", "x", ["2*x + sqrt(-1 - x'*x)*x"])
    assert (code, result["verdict"], result["worst"]["got"]) == (1, "fail", None)
    assert "is an extra term" in result["explanation"]


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("x=2*(x", "'(' is never closed"),
        ("x=2*y", "no variable 'y' here"),
        ("y=2*x", "no variable 'y'. Known: x."),
        ("2*x", "expected NAME=VALUE, for example --claim x=2*x"),
        ("x=x^T", "A transpose is '"),
        ("x=foo(x)", "No function 'foo'"),
    ],
)
def test_what_cannot_be_read_is_told(claim, message):
    found = CliRunner().invoke(cli.main, ["verify", "x'*x", "--claim", claim])
    assert found.exit_code == (3 if "foo" in claim else 2)
    assert message in found.stderr


def test_options_that_do_not_go_together_are_refused():
    for options, message in (
        (["--claim", "x=x"], "--claim needs the FORMULA"),
        (["x'*x", "--claim", "x=x", "--batch", "x"], "leave out --batch"),
        (["x'*x", "--derivation", "notes.txt"], "states its own formula"),
        (["x'*x", "--claim", "x=x", "--function", "f.py:f"], "one thing is checked at a time"),
    ):
        found = CliRunner().invoke(cli.main, ["verify", *options])
        assert found.exit_code == 2
        assert message in found.stderr
