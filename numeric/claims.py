"""What somebody states of a derivative, against the truth: a verdict, and how it was decided.

A ladder, of which the first decisive rung wins: the shape; the normal form, which only accepts;
exact evaluation in fractions; complex steps through the emitted value; high precision; differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.derivation import Derivation, Result
    from derive.errors import SizesError
    from numeric.check import Entry, Verdict
    from numeric.mistakes import Mistake

__all__ = ["Judgement", "Question", "judge"]


@dataclass(frozen=True)
class Question:
    """Ask for one derivative of a derivation.

    ``values`` are variables of the formula that stand for values of the others: what they are, by
    name. They move alone when the formula is differentiated by them, and have their value at every
    point.
    """

    derivation: Derivation
    wrt: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def right(self) -> Result:
        """The derivative that was derived."""
        return next(r for r in self.derivation.results if r.wrt == self.wrt)


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


def judge(question: Question, claim: Any | SizesError, text: str, *, seed: int = 0) -> Judgement:
    """Judge a claim; name the mistake of a wrong one.

    Args:
        question: what is asked for.
        claim: the expression, or the error that says how its sizes disagree.
        text: what was written.
        seed: of the random points.
    """
    raise NotImplementedError
