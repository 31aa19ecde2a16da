"""The name of a mistake: what was changed on one side to give the other.

Contract: a mistake is named only if the formula with that change equals the other side numerically,
at every point that was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numeric.questions import Question

__all__ = ["MISTAKES", "Mistake", "name_mistake"]

MISTAKES = (
    "transpose",
    "factor",
    "sign",
    "missing-term",
    "missing-mask",
    "sum-vs-mean",
    "wrong-operand",
    "input-output",
    "order",
    "layout",
    "shape",
    "assumption",
    "other",
)


@dataclass(frozen=True)
class Mistake:
    """A mistake that a claim has: its name, one of ``MISTAKES``, and what a teacher would say.

    ``step`` is the line of the right derivation in question, "" where it is none in particular.
    """

    name: str
    explanation: str
    step: str = ""


def name_mistake(
    question: Question, claim: Any, text: str, points: Sequence[Mapping[str, Any]]
) -> Mistake:
    """Name the mistake of a claim that has been found wrong.

    Args:
        question: what was asked.
        claim: the expression, None where its sizes disagree.
        text: what was written.
        points: at which the claim is wrong, with the values of all of the question's variables.
    """
    if claim is None:
        return Mistake("shape", "its sizes disagree")
    return Mistake("other", "")
