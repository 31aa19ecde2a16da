"""What is written beside the lines of a hand derivation: as a teacher would, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numeric.check import Verdict
from numeric.report import Outcome

if TYPE_CHECKING:
    from numeric.claims import Judgement
    from numeric.handwork import Handwork, Line

__all__ = ["handwork_json", "handwork_outcome", "handwork_text"]

_MARKS = {Verdict.PASS: "right", Verdict.FAIL: "WRONG", Verdict.INCONCLUSIVE: "undecided"}
_WIDEST = 60  # characters of a line that its mark stands beside, and of what the end repeats
_LONGEST = 300  # characters of a formula that is shown beside a shorter one


def handwork_outcome(handwork: Handwork) -> Outcome:
    r"""Return what ``cli verify --derivation`` says.

    >>> from numeric.handwork import check_derivation
    >>> handwork_outcome(check_derivation("f = exp(c)\ndf/dc = f")).verdict
    <Verdict.PASS: 'pass'>
    """
    return Outcome(handwork_text(handwork), handwork_json(handwork), handwork.verdict)


def handwork_text(handwork: Handwork) -> str:
    r"""Return the lines with what is said of each, the first wrong one and the verdict.

    >>> from numeric.handwork import check_derivation
    >>> print(handwork_text(check_derivation("f = norm2(x)^2\ndf/dx = 2*x")))
    f = norm2(x)^2
    <BLANKLINE>
    1  f = norm2(x)^2
    2  df/dx = 2*x     right
    <BLANKLINE>
    The stated derivative is right.
    Verdict: PASS
    """
    width = max(len(line.text) for line in handwork.lines if len(line.text) <= _WIDEST)
    digits = len(str(max(line.number for line in handwork.lines)))
    written = []
    for line in handwork.lines:
        written.append(f"{line.number:{digits}}  {line.text:{width}}  {_mark(line)}".rstrip())
        written += [f"{' ' * (digits + 4)}{remark}" for remark in _remarks(line)]
    return "\n".join(
        [
            f"{handwork.function} = {handwork.formula}",
            "",
            *written,
            "",
            *_closing(handwork),
            f"Verdict: {handwork.verdict.value.upper()}",
        ]
    )


def _mark(line: Line) -> str:
    if line.verdict is None:
        return ""
    return "follows" if line.follows else _MARKS[line.verdict]


def _remarks(line: Line) -> list[str]:
    """Say what is wrong with a line, what is right, and which step of the derivation that is."""
    if line.verdict is None or line.verdict is Verdict.PASS:
        return []
    remarks = _sentence(line.explanation).splitlines()
    if line.verdict is Verdict.INCONCLUSIVE:
        return [*remarks, *([f"Right: {line.name} = {line.right}"] if line.right else [])]
    if line.follows:
        return remarks
    if line.judgement is not None and _adds(line.judgement, line.explanation):
        remarks += _sentence(line.judgement.reason).splitlines()
    if line.in_your_names:
        remarks.append(f"Right: {line.name} = {line.in_your_names}")
        if line.right != line.in_your_names and len(line.right) <= _LONGEST:
            remarks.append(f"That is {line.right}")
    elif line.right:
        remarks.append(f"Right: {line.name} = {line.right}")
        if line.mistake is not None and line.mistake.step:
            remarks.append(f"The step in question: {line.mistake.step}")
    return remarks


def _adds(judgement: Judgement, explanation: str) -> bool:
    """Say whether there is more to tell than the explanation does: an entry, not only sizes."""
    mistake, reason = judgement.mistake, judgement.reason
    told = judgement.decided_by == "shape" and bool(mistake and mistake.explanation)
    unnamed = mistake is None or mistake.name == "shape"
    return reason not in explanation and not (told and not (unnamed and "\n" in reason))


def _sentence(text: str) -> str:
    """Begin a sentence with a capital letter, unless it begins with a name."""
    first, _, rest = text.partition(" ")
    is_name = len(first) == 1 and (first != "a" or rest.startswith("should"))
    if is_name or not (first.isalpha() and first.islower()):
        return text
    return text[:1].upper() + text[1:]


def _closing(handwork: Handwork) -> list[str]:
    """Name the first wrong line, and say how many of the others are right."""
    judged = [line for line in handwork.lines if line.verdict is not None]
    good = sum(line.verdict is Verdict.PASS for line in judged)
    first = handwork.first_wrong
    if first is None and good == len(judged):
        every = f"All {good} stated derivatives are" if good > 1 else "The stated derivative is"
        return [f"{every} right."]
    found = []
    if first is not None:
        right = first.in_your_names or first.right
        should = f": {first.name} is {right}" if 0 < len(right) <= _WIDEST else ""
        found.append(f"Line {first.number} is the first wrong one{should}.")
    counts = [
        (sum(line.verdict is Verdict.FAIL and not line.follows for line in judged), "wrong"),
        (sum(line.follows for line in judged), "wrong as a consequence"),
        (sum(line.verdict is Verdict.INCONCLUSIVE for line in judged), "undecided"),
        (good, "right"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    return [*found, f"Of {len(judged)} stated derivatives: {said}."]


def handwork_json(handwork: Handwork) -> dict[str, Any]:
    r"""Return a hand derivation that has been judged as a JSON object of schema 1.

    >>> from numeric.handwork import check_derivation
    >>> found = handwork_json(check_derivation("f = norm2(x)^2\ndf/dx = x"))
    >>> [(line["line"], line["verdict"], line["right"]) for line in found["lines"]]
    [(1, None, None), (2, 'fail', '2*x')]
    """
    first = handwork.first_wrong
    return {
        "schema": 1,
        "formula": handwork.formula,
        "results": [],
        "lines": [_line(line) for line in handwork.lines],
        "function": handwork.function,
        "verdict": handwork.verdict.value,
        "first_wrong": None if first is None else first.number,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "line": line.number,
        "text": line.text,
        "verdict": None if line.verdict is None else line.verdict.value,
        "follows": line.follows,
        "mistake": None if line.mistake is None else line.mistake.name,
        "right": line.right or None,
        "explanation": line.explanation,
        "in_your_names": line.in_your_names or None,
        **_measured(line.judgement),
    }


def _measured(judgement: Judgement | None) -> dict[str, Any]:
    if judgement is None:
        return {"decided_by": None, "max_error": None, "points": 0, "detection_floor": None}
    seen = judgement.verdict is Verdict.PASS
    return {
        "decided_by": judgement.decided_by or None,
        "max_error": judgement.error,
        "points": judgement.points,
        "detection_floor": judgement.detection_floor if seen else None,
    }
