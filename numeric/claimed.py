"""Claims beside a formula: read, judged, and shown as a teacher would write, or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from derive.derivation import Page
from derive.errors import InputError, SizesError, suggestion
from derive.language import read_among
from derive.notation import TEXT
from numeric.check import Verdict
from numeric.claims import Judgement, judge
from numeric.printed import require_printed
from numeric.questions import Question
from numeric.report import Outcome
from numeric.request import name_pairs
from numeric.tables import entry_json
from numeric.verify import require
from numeric.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from derive.derivation import Derivation, Result
    from numeric.check import VariableReport
    from numeric.request import Request

__all__ = ["check_claims", "judgement_json", "judgement_lines"]


@dataclass(frozen=True)
class _Claim:
    """What was claimed, what is right, and how the right derivative itself was checked."""

    text: str
    right: Result
    judgement: Judgement
    checked: VariableReport


def check_claims(request: Request, claims: Sequence[str]) -> Outcome:
    """Judge every ``NAME=FORMULA`` as the derivative of a formula by NAME.

    Raises:
        InputError: for a claim that cannot be read, or of a name that is no variable.
        RefusedError: where the right derivative cannot be derived and checked.

    >>> from numeric.request import requests
    >>> (request,) = requests("norm2(x)^2")
    >>> check_claims(request, ["x=2*x"]).verdict
    <Verdict.PASS: 'pass'>
    """
    if request.batch:
        raise InputError("--claim is of the formula as it stands: leave out --batch.")
    texts = name_pairs(claims, "--claim")
    variables = request.formula.variables
    for name in texts:
        if name not in variables:
            known = f"{suggestion(name, variables)} Known: {', '.join(variables)}."
            raise InputError(f"--claim {name}=…: no variable '{name}'.{known}")
    derivation = replace(request, wrt=tuple(texts), batch=()).derivation()
    verification = replace(request, batch=()).verification(derivation)
    require(verification, derivation)
    require_printed(Page(derivation, point=verification.point))
    checked = {found.name: found for found in verification.report.variables}
    found = [
        _judged(derivation, name, text, checked[name], request.seed)
        for name, given in texts.items()
        for text in given
    ]
    return Outcome(
        _text(derivation, found),
        {
            "schema": 1,
            "formula": derivation.formula.source,
            "results": [_json(claim) for claim in found],
            "lines": [],
        },
        Verdict.of(claim.judgement.verdict for claim in found),
    )


def _judged(
    derivation: Derivation, name: str, text: str, checked: VariableReport, seed: int
) -> _Claim:
    question = Question(derivation, name)
    variables = {**derivation.formula.variables, **derivation.directions}
    try:
        claim = read_among(text, variables, question.right.shape)
    except SizesError as error:
        claim = error
    found = judge(question, claim, Wording(text, variables), seed=seed)
    return _Claim(text, question.right, found, checked)


def _text(derivation: Derivation, claims: Sequence[_Claim]) -> str:
    formula = derivation.formula
    lines = [f"{derivation.program.function.name} = {TEXT(formula.expr)}"]
    for claim in claims:
        lines += ["", f"claim     {claim.right.kind} by {claim.right.wrt} = {claim.text}"]
        lines += judgement_lines(claim.judgement)
        if claim.judgement.decided_by != "normal form" or TEXT(claim.right.expr) != claim.text:
            lines.append(f"right     {TEXT(claim.right.expr)}")
    verdict = Verdict.of(claim.judgement.verdict for claim in claims)
    return "\n".join([*lines, "", f"Verdict: {verdict.value.upper()}"])


def judgement_lines(judgement: Judgement) -> list[str]:
    """Say what was found, how, and what the mistake is."""
    verdict = judgement.verdict.value.upper()
    lines = [f"verdict   {verdict} by {judgement.decided_by}{_how(judgement)}"]
    if judgement.reason:
        first, *rest = judgement.reason.splitlines()
        lines += [f"          {line}" for line in (first, *rest)]
    mistake = judgement.mistake
    if mistake is not None and mistake.explanation:
        lines.append(f"mistake   {mistake.explanation} ({mistake.name})")
        if mistake.step:
            lines.append(f"step      {mistake.step}")
    return lines


def _how(judgement: Judgement) -> str:
    if judgement.error is None or not judgement.points:
        return ""
    points = "1 point" if judgement.points == 1 else f"{judgement.points} points"
    how = f" at {points}, worst error {judgement.error:.1e}"
    if judgement.detection_floor is not None and judgement.verdict is Verdict.PASS:
        how += f"; an error of {judgement.detection_floor:.0e} in one entry would have been seen"
    return how


def _json(claim: _Claim) -> dict[str, Any]:
    seen = claim.judgement if claim.judgement.verdict is Verdict.PASS else claim.checked
    floor = seen.detection_floor
    return {
        "wrt": claim.right.wrt,
        "claim": claim.text,
        **judgement_json(claim.judgement),
        "right": TEXT(claim.right.expr),
        "points": claim.judgement.points or claim.checked.points,
        "detection_floor": claim.checked.detection_floor if floor is None else floor,
    }


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Return the fields of a judgement in JSON."""
    mistake = judgement.mistake
    return {
        "verdict": judgement.verdict.value,
        "decided_by": judgement.decided_by,
        "max_error": judgement.error,
        "mistake": mistake and mistake.name,
        "explanation": (mistake and mistake.explanation) or judgement.reason,
        "step": mistake and mistake.step,
        "worst": entry_json(judgement.worst),
    }
