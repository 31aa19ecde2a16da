"""What was found of somebody's function, as a table that a person reads, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from derive.notation import TEXT
from numeric.check import Verdict
from numeric.report import Outcome
from numeric.tables import aligned, entry_cells, entry_json, floor_sentences, shape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.language import Formula
    from numeric.check import Entry
    from numeric.mistakes import Mistake

__all__ = [
    "FLOAT32",
    "FunctionCheck",
    "Part",
    "function_json",
    "function_outcome",
    "function_table",
]

FLOAT32 = "float32 against float64"
SINGLE = "computes in single precision, and is right to that precision"
_HEADER = ("checked", "shape", "points", "worst entry", "expected", "got", "error", "verdict")


@dataclass(frozen=True)
class Part:
    """What was found of the value, or of the gradient by a variable.

    ``error`` is in terms of the largest entry. ``single`` says that it is computed in single
    precision from float64 arguments. ``float32_error`` and ``float32_dtype`` are those of the
    results for float32 arguments, None where they were not compared.
    """

    wrt: str | None
    verdict: Verdict
    decided_by: str
    shape: tuple[int, ...] = ()
    points: int = 0
    error: float | None = None
    detection_floor: float | None = None
    worst: Entry | None = None
    reason: str = ""
    mistake: Mistake | None = None
    single: bool = False
    float32_error: float | None = None
    float32_dtype: str | None = None

    @property
    def float32_fails(self) -> bool:
        """Say whether it is right in float64 and wrong in float32."""
        return self.decided_by == FLOAT32 and self.verdict is Verdict.FAIL


@dataclass(frozen=True)
class FunctionCheck:
    """What was found of a function: its value first, then its gradients.

    ``right`` are the expressions of the value, by None, and of the gradients, by name.
    """

    spec: str
    title: str
    formula: Formula
    parts: tuple[Part, ...]
    right: Mapping[str | None, Any]
    remarks: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole function."""
        return Verdict.of(part.verdict for part in self.parts)


def function_outcome(found: FunctionCheck) -> Outcome:
    """Return what ``cli verify --function`` says."""
    return Outcome(function_table(found), function_json(found), found.verdict)


def function_table(found: FunctionCheck) -> str:
    """Return the table of what was found, the mistakes, and what the check could have seen."""
    lines = [found.title, f"{found.spec} against f = {TEXT(found.formula.expr)}", ""]
    rows: list[tuple[str, ...]] = [_HEADER]
    for part in found.parts:
        rows.append(_row(part))
        if part.float32_error is not None:
            rows.append(_float32_row(part))
    lines += [*aligned(rows), "", *_sentences(found), f"Verdict: {found.verdict.value.upper()}"]
    return "\n".join(lines)


def _row(part: Part) -> tuple[str, ...]:
    return (
        "value" if part.wrt is None else f"gradient by {part.wrt}",
        shape_text(part.shape),
        str(part.points) if part.points else "-",
        *entry_cells(part.worst),
        "-" if part.error is None else f"{part.error:.1e}",
        part.verdict.value.upper() if not part.float32_fails else "PASS",
    )


def _float32_row(part: Part) -> tuple[str, ...]:
    verdict = "FAIL" if part.float32_fails else "PASS"
    return ("", "", "float32", "-", "-", "-", f"{part.float32_error:.1e}", verdict)


def _sentences(found: FunctionCheck) -> list[str]:
    gradients = (part for part in found.parts if part.wrt is not None)
    lines = floor_sentences(part.detection_floor for part in gradients)
    for part in found.parts:
        name = "value" if part.wrt is None else part.wrt
        if part.reason:
            lines.append(f"{name}: {part.reason}")
        if part.mistake is not None and part.mistake.explanation:
            lines.append(f"{name}: {part.mistake.explanation}")
        if part.verdict is Verdict.FAIL:
            lines.append(f"{name}: the right formula is {TEXT(found.right[part.wrt])}")
    singles = ["value" if p.wrt is None else p.wrt for p in found.parts if p.single]
    if singles:
        lines.append(f"{', '.join(singles)}: {SINGLE}")
    return [*lines, *found.remarks]


def function_json(found: FunctionCheck) -> dict[str, Any]:
    """Return what was found as a JSON object: one result for the value, one a gradient."""
    return {
        "schema": 1,
        "formula": found.formula.source,
        "results": [_result(found, part) for part in found.parts],
        "lines": [],
        "remarks": list(found.remarks),
    }


def _result(found: FunctionCheck, part: Part) -> dict[str, Any]:
    explanations = [part.mistake.explanation if part.mistake else "", part.reason]
    explanations += [SINGLE] if part.single else []
    return {
        "wrt": part.wrt,
        "claim": found.spec,
        "verdict": part.verdict.value,
        "decided_by": part.decided_by,
        "max_error": part.error,
        "mistake": part.mistake and part.mistake.name,
        "explanation": "; ".join(text for text in explanations if text),
        "right": TEXT(found.right[part.wrt]),
        "points": part.points,
        "detection_floor": part.detection_floor,
        "shape": list(part.shape),
        "worst": entry_json(part.worst),
        "float32": None
        if part.float32_error is None
        else {"max_error": part.float32_error, "dtype": part.float32_dtype},
    }
