"""A verification as a table that a person reads, and as the JSON object of schema 1.

The text of JSON, of this and of every other command, is written here alone: it has no NaN.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from derive.notation import TEXT
from numeric.check import Entry, VariableReport, Verdict
from numeric.tables import aligned, entry_cells, entry_json, floor_sentences, shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from derive.derivation import Derivation
    from numeric.request import Request
    from numeric.verify import Verification

__all__ = ["Outcome", "exit_code", "json_text"]
__all__ += ["verification_json", "verification_outcome", "verification_table"]

_HEADER = ("variable", "shape", "points", "worst entry", "expected", "got", "error", "verdict")


@dataclass(frozen=True)
class Outcome:
    """What ``cli verify`` says of one formula: as text, as JSON of schema 1, and the verdict."""

    text: str
    json: Mapping[str, Any]
    verdict: Verdict


def verification_outcome(request: Request) -> Outcome:
    """Check a request's derivatives, and say what both oracles found.

    >>> from numeric.request import requests
    >>> (request,) = requests("norm2(x)^2")
    >>> verification_outcome(request).text.splitlines()[-1]
    'Verdict: PASS'
    """
    derivation = request.derivation()
    verification = request.verification(derivation)
    return Outcome(
        verification_table(verification, derivation, request.title),
        verification_json(verification, derivation),
        verification.verdict,
    )


def verification_table(verification: Verification, derivation: Derivation, title: str) -> str:
    """Return the table of both oracles' findings, and what the check could have seen."""
    formula = derivation.formula
    lines = [title, f"{derivation.program.function.name} = {TEXT(formula.expr)}", ""]
    rows: list[tuple[str, ...]] = [_HEADER]
    for found in verification.report.variables:
        rows.append(_row(found))
        rows.append(_exact_row(verification, found.name))
    lines += [*aligned(rows), "", *_remarks(verification)]
    return "\n".join(lines)


def _row(found: VariableReport) -> tuple[str, ...]:
    return (
        found.name,
        shape_text(found.shape),
        str(found.points),
        *entry_cells(found.worst),
        "-" if found.error is None else f"{found.error:.1e}",
        found.verdict.value.upper(),
    )


def _exact_row(verification: Verification, name: str) -> tuple[str, ...]:
    exact = verification.exact[name]
    shape = shape_text(exact.shape)
    if exact.error is None:
        return ("", shape, "exact", "-", "-", "-", "-", "NOT DONE")
    return (
        "",
        shape,
        "exact",
        *entry_cells(Entry(exact.index, exact.expected, exact.got, point=0)),
        f"{exact.error:.1e}",
        exact.verdict.value.upper(),
    )


def _remarks(verification: Verification) -> list[str]:
    lines = floor_sentences(found.detection_floor for found in verification.report.variables)
    if verification.loop is not None:
        loop = verification.loop
        lines.append(
            loop.sentence()
            if loop.is_right
            else f"The form for N samples differs from a loop over samples by {loop.worst:.1e}."
        )
    for found in verification.report.variables:
        if found.reason:
            lines.append(f"{found.name}: {found.reason}")
        if found.worst is not None and found.worst.left is not None:
            lines.append(
                f"{found.name}: one-sided derivatives {found.worst.left:.6g} from the left, "
                f"{found.worst.right:.6g} from the right; the gradient says {found.worst.got:.6g}"
            )
    return [*lines, f"Verdict: {verification.verdict.value.upper()}"]


def verification_json(verification: Verification, derivation: Derivation) -> dict[str, Any]:
    """Return the verification as a JSON object: one result a variable, no claims."""
    loop = verification.loop
    return {
        "schema": 1,
        "formula": derivation.formula.source,
        "results": [
            _result(verification, derivation, found) for found in verification.report.variables
        ],
        "lines": [],
        "batch_error": loop and loop.worst,
    }


def _result(
    verification: Verification, derivation: Derivation, found: VariableReport
) -> dict[str, Any]:
    exact = verification.exact[found.name]
    failed_exactly = exact.verdict is Verdict.FAIL
    return {
        "wrt": found.name,
        "claim": None,
        "verdict": "fail" if failed_exactly else found.verdict.value,
        "decided_by": "exact derivative by entries" if failed_exactly else "finite differences",
        "max_error": found.error,
        "mistake": None,
        "explanation": found.reason,
        "right": TEXT(derivation.gradient[found.name]),
        "points": found.points,
        "detection_floor": found.detection_floor,
        "shape": list(found.shape),
        "worst": entry_json(found.worst),
        "exact": {"verdict": exact.verdict.value, "max_error": exact.error},
    }


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return 0 where all is right, 1 where something is wrong, else 3: something is undecided.

    >>> exit_code([Verdict.PASS, Verdict.INCONCLUSIVE])
    3
    """
    return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(Verdict.of(verdicts), 3)


def json_text(value: Any, *, pretty: bool = False) -> str:
    """Write JSON in a line, or indented; a number that is not finite is null.

    >>> json_text({"expected": 1.5, "got": float("nan")})
    '{"expected": 1.5, "got": null}'
    """
    style: dict[str, Any] = {"ensure_ascii": False, "indent": 2} if pretty else {}
    return json.dumps(_finite(value), allow_nan=False, **style)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
