"""What somebody states of a derivative, against the truth: a verdict, and how it was decided.

A ladder, of which the first decisive rung wins: the shape; the normal form, which accepts and never
rejects; exact evaluation of fractions; complex steps through the emitted value; high precision;
extrapolated differences. From the third rung on, a claim is held against the function alone: no
rule that derived the right answer is asked, so that a wrong rule cannot hide itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from derive import nodes
from derive.errors import FormulaError, RefusedError, SizesError
from derive.fractions import is_rational
from derive.graph import postorder, shape_of
from derive.nodes import Elementwise
from derive.notation import TEXT
from derive.repairs import repairs
from derive.shortening import shortened
from derive.simplify import assume
from numeric.check import Entry, Verdict, check
from numeric.mistakes import Mistake, name_mistake
from numeric.oracle import Exact, check_exactly
from numeric.trials import POINTS, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numeric.questions import Points, Question
    from numeric.wording import Wording

__all__ = ["Judgement", "judge"]

ATTEMPTS = 3  # at other points, as long as they are inconclusive
EXACT_STARTS = (2, 3)  # the smallest sizes at which entries are compared exactly
DISPUTED = 2.0**-40  # of the largest entry: more than round-off does to a steady claim
ROUNDED = 2.0**-48  # of the largest entry: what writing constants in double precision may change


@dataclass(frozen=True)
class Judgement:
    """Say whether a claim is right, by which rung of the ladder, and what is wrong with it.

    ``error`` is the worst entry's in terms of the derivative's largest entry; ``reason`` is why
    nothing was decided, or what was found at the worst entry.
    """

    verdict: Verdict
    decided_by: str
    error: float | None = None
    detection_floor: float | None = None
    points: int = 0
    worst: Entry | None = None
    reason: str = ""
    mistake: Mistake | None = None


def judge(
    question: Question, claim: Any | SizesError, wording: Wording | None = None, *, seed: int = 0
) -> Judgement:
    """Judge a claim; name the mistake of a wrong one.

    Args:
        question: what is asked for.
        claim: the expression, or the error that says how its sizes disagree.
        wording: how it was written, so that it can be said what should have been.
        seed: of the random points.

    Raises:
        RefusedError: when no point in the formula's domain was found.

    >>> import derive
    >>> from derive.language import read_among
    >>> from numeric.questions import Question
    >>> derivation = derive.differentiate("norm2(relu(W*x))^2")
    >>> claim = read_among("2*relu(W*x)*x'", derivation.formula.variables)
    >>> judge(Question(derivation, "W"), claim).decided_by
    'normal form'
    """
    trial = Trial(question, claim, seed)
    found = Judgement(Verdict.INCONCLUSIVE, "")
    for rung in _RUNGS:
        new = rung(trial)
        found = new or found
        if found.verdict is not Verdict.INCONCLUSIVE:
            break
    if found.verdict is not Verdict.FAIL:
        return found
    expr = None if isinstance(claim, SizesError) else claim
    edits = () if wording is None else _repairs(question, wording)
    points = trial.points() if found.decided_by == "shape" else trial.telling()
    return replace(found, mistake=name_mistake(question, expr, points, repairs=edits))


def _repairs(question: Question, wording: Wording) -> Iterator[tuple[str, str, Any]]:
    """Yield edits of a claim that have the right shape, and what is to be said of each."""
    parts = (n for n in postorder(question.derivation.formula.expr) if isinstance(n, _APPLIED))
    try:
        for edit in repairs(wording.text, wording.names, question.right.shape, [*map(TEXT, parts)]):
            yield edit.name, wording.plain(edit.explanation), wording.meaning(edit.expr)
    except FormulaError:  # a text that only its own reader can parse
        return


_APPLIED = (Elementwise, nodes.Softmax, nodes.RowSoftmax)


def _shape(trial: Trial) -> Judgement | None:
    """Reject what has another shape than the derivative, or none."""
    if isinstance(trial.claim, SizesError):
        return Judgement(Verdict.FAIL, "shape", reason=str(trial.claim))
    expected, got = trial.question.right.shape, shape_of(trial.claim)
    if got == expected:
        return None
    reason = f"its shape is {_size(got)}, the derivative's {_size(expected)}"
    return Judgement(Verdict.FAIL, "shape", reason=reason)


def _normal_form(trial: Trial) -> Judgement | None:
    """Accept what becomes the same expression."""
    formula, right = trial.question.derivation.formula, trial.question.right
    assumed = {n: kinds for n, kinds in formula.assumptions.items() if n != right.wrt}
    claim, _ = assume(trial.claim, formula.variables, assumed)
    if right.expr not in (trial.claim, claim) and shortened(claim) != right.expr:
        return None
    return Judgement(Verdict.PASS, "normal form", error=0.0)


def _exact_evaluation(trial: Trial) -> Judgement | None:
    """Compare fractions, entry by entry, at points of two sizes."""
    question = trial.question
    if question.values or not (is_rational(question.right.function) and is_rational(trial.claim)):
        return None
    return _exactly(trial, "exact evaluation")


def _high_precision(trial: Trial) -> Judgement | None:
    """Compare numbers of sixty digits."""
    return None if trial.question.values else _exactly(trial, "high precision")


def _exactly(trial: Trial, rung: str) -> Judgement | None:
    """Compare at points of several sizes, so that a number is not taken for a size."""
    worst, asked = Exact(0.0), 0
    for start in EXACT_STARTS:
        try:
            sizes, near = trial.question.draw(POINTS, trial.seed, start=start)
        except RefusedError:
            return None
        farther = [*trial.farther(near, sizes), *trial.suspects(start)]
        (found,) = check_exactly(trial.subject, near, farther, sizes).values()
        if found.error is None or not found.says_something:
            return None
        worst, asked = max(worst, found, key=lambda exact: exact.error or 0.0), asked + 1
        if (worst.error or 0.0) > ROUNDED:
            break
    verdict = Verdict.PASS if (worst.error or 0.0) <= ROUNDED else Verdict.FAIL
    if verdict is Verdict.PASS and trial.suspects(EXACT_STARTS[0]):
        return None  # the fractions are not near enough to where it differs
    entry = Entry(worst.index, worst.expected, worst.got, 0)
    reason = "" if verdict is Verdict.PASS else f"{_entry(entry)} at sizes {_sizes(sizes)}"
    return Judgement(verdict, rung, worst.error, ROUNDED, asked, entry, reason)


def _complex_step(trial: Trial) -> Judgement | None:
    """Compare with derivatives along random directions that have no truncation error.

    What passes with an error that is more than round-off, since the claim itself is uncertain by as
    much, is decided in more digits if it can be: near a structured point, a claim that is right
    with that structure alone differs from the derivative.
    """
    found = _numerically(trial, complex_safe=True)
    if found.verdict is Verdict.PASS and (found.error or 0.0) > DISPUTED:
        exact = _high_precision(trial)
        return found if exact is None or exact.verdict is Verdict.INCONCLUSIVE else exact
    return found


def _differences(trial: Trial) -> Judgement | None:
    """Compare with extrapolated differences, which have an error estimate of their own."""
    return _numerically(trial, complex_safe=False)


def _numerically(trial: Trial, *, complex_safe: bool) -> Judgement:
    sizes, _ = trial.question.draw(1, trial.seed)
    for attempt in range(ATTEMPTS):
        near = trial.points(attempt)
        others = [*trial.farther(near, sizes), *trial.suspects(3)]
        found = _measured(trial, [*near, *others], complex_safe)
        if found.verdict is Verdict.INCONCLUSIVE:
            found = _measured(trial, near, complex_safe)
        if found.verdict is not Verdict.INCONCLUSIVE:
            break
    return found


def _measured(trial: Trial, points: Points, complex_safe: bool) -> Judgement:
    subject, method = trial.subject, "complex step" if complex_safe else "finite differences"
    (found,) = check(
        subject.value,
        subject.gradients,
        list(subject.points(points, trial.seed)),
        kinks=subject.kinks,
        wrt=subject.wrt,
        complex_safe=complex_safe,
        seed=trial.seed,
    ).variables
    return Judgement(
        found.verdict,
        method,
        found.error,
        found.detection_floor,
        len(points),
        found.worst,
        found.reason,
    )


def _entry(entry: Entry) -> str:
    where = f"entry {list(entry.index)}" if entry.index else "the value"
    return f"{where}: expected {entry.expected:.9g}, got {entry.got:.9g}"


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items()) or "as declared"


def _size(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(TEXT.size, shape))})" if shape else "a scalar's"


_RUNGS = (
    _shape,
    _normal_form,
    _exact_evaluation,
    _complex_step,
    _high_precision,
    _differences,
)
