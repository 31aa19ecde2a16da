"""The name of a mistake: what was changed on one side to give the other.

Contract: a mistake is named only if the formula with that change equals the other side numerically,
at every point that was given. The simplest changes come first; how many are tried is bounded, and
not the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from derive.build import transpose
from derive.confusable import values_of
from derive.graph import shape_of
from derive.mistakes import changes, replacements
from numeric.assumed import assumed
from numeric.comparing import RTOL, Values, constant_ratio, equal, values_at
from numeric.layouts import reshaped
from numeric.ratios import factored, in_numbers, terms_scaled
from numeric.swept import Candidate, seeded, steps_changed, unstructured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
CANDIDATES = 400  # of each kind of change
_OF_PARTS = ("transpose", "order", "wrong-operand")  # that give a part, and so the whole, its shape


@dataclass(frozen=True)
class Mistake:
    """A mistake that a claim has: its name, one of ``MISTAKES``, and what a teacher would say.

    ``step`` is the line of the right derivation in question, "" where it is none in particular.
    """

    name: str
    explanation: str
    step: str = ""


def name_mistake(
    question: Question,
    claim: Any,
    points: Sequence[Mapping[str, Any]],
    *,
    repairs: Iterable[tuple[str, str, Any]] = (),
) -> Mistake:
    """Name the mistake of a claim that has been found wrong.

    Args:
        question: what was asked.
        claim: the expression, None where its sizes disagree.
        points: at which the claim is wrong, with the values of all of the question's variables.
        repairs: changes of the claim, as names, explanations and expressions, one of which may be
            the right answer.
    """
    looking = Looking.of(question, claim, points, repairs)
    if claim is None:
        return looking.repaired() or Mistake("shape", "its sizes disagree")
    return looking.found() or Mistake("other", "")


@dataclass(frozen=True)
class Looking:
    """A claim and the right answer, with their values at the points."""

    question: Question
    claim: Any
    variables: Mapping[str, Any]
    points: Sequence[Mapping[str, Any]]
    claimed: Values | None
    right: Values | None
    repairs: Iterable[tuple[str, str, Any]] = ()

    @classmethod
    def of(
        cls,
        question: Question,
        claim: Any,
        points: Sequence[Mapping[str, Any]],
        repairs: Iterable[tuple[str, str, Any]] = (),
    ) -> Looking:
        """Evaluate both sides."""
        derivation = question.derivation
        among = {**derivation.formula.variables, **derivation.directions}
        variables = {name: among[name] for name in among if name in points[0]}
        exprs = [question.right.expr, *([] if claim is None else [claim])]
        right, *rest = values_at(exprs, variables, points)
        claimed = rest[0] if rest else None
        return cls(question, claim, variables, points, claimed, right, repairs)

    @property
    def is_right_somewhere(self) -> bool:
        """Say whether the claim is right at one of the points."""
        sides = zip(self.claimed or (), self.right or (), strict=True)
        return any(equal((claimed,), (right,)) for claimed, right in sides)

    def values(self, exprs: Iterable[Any]) -> Iterator[Values | None]:
        """Evaluate expressions at the points."""
        return values_at(exprs, self.variables, self.points)

    def found(self) -> Mistake | None:
        """Return the mistake, if it is one that is known."""
        if self.claimed is None or self.right is None:
            return None
        if shape_of(self.claim) != shape_of(self.question.right.expr):
            return self.of_other_shape()
        if equal(self.claimed, self.right):
            return Mistake("other", f"right to {-math.log10(RTOL):.0f} digits, and not beyond")
        return self.of_same_shape()

    def repaired(self) -> Mistake | None:
        """Return what an edit of the claim mends, where one gives the right answer."""
        edits = [*islice(self.repairs, CANDIDATES)]
        values = self.values(expr for _, _, expr in edits)
        return next(
            (
                Mistake(name, said)
                for (name, said, _), found in zip(edits, values, strict=True)
                if equal(found, self.right)
            ),
            None,
        )

    def of_other_shape(self) -> Mistake:
        """Say why the shape is another one."""
        expected = shape_of(self.question.right.expr)
        if shape_of(self.claim) == expected[::-1]:
            name = "layout" if self.is_vector else "transpose"
            turned = Looking.of(self.question, transpose(self.claim), self.points)
            if equal(turned.claimed, self.right):
                return Mistake(name, self.turned_sentence())
            beside = turned.of_same_shape()
            if beside is not None:
                said = f"{self.turned_sentence()}, and beside that {beside.explanation}"
                return replace(beside, name=name, explanation=said)
        mended = self.repaired()
        if mended is not None and mended.name in _OF_PARTS:
            return mended
        return Mistake("shape", reshaped(self))

    @property
    def is_vector(self) -> bool:
        """Say whether the transpose of the right answer is one in another layout."""
        return 1 in shape_of(self.question.right.expr) or self.question.right.kind != "gradient"

    def turned_sentence(self) -> str:
        """Say what the transpose of the right answer is."""
        if self.question.right.kind != "gradient":
            return "the transpose of the right Jacobian (gradient layout)"
        return "the transpose of the right answer (numerator layout)"

    def of_same_shape(self) -> Mistake | None:
        """Try the changes, the simplest first."""
        simple = self.in_layout() or self.from_pair(in_numbers(self))
        if simple is not None:
            return simple
        for found in (
            unstructured(self),
            assumed(self, strictly=True),
            factored(self),
            terms_scaled(self),
        ):
            if found is not None:
                return self.from_pair(found)
        exactly, nearly = self.first_equal(self.candidates())
        if exactly is not None:
            return exactly
        by_matrix = self.from_pair(factored(self, by_matrix=True))
        return by_matrix or self.from_pair(assumed(self, strictly=False)) or nearly

    def in_layout(self) -> Mistake | None:
        """Compare with the transpose of the right answer, where that has its shape."""
        shape = shape_of(self.claim)
        if len(shape) != 2 or shape[0] != shape[1] or self.right is None:
            return None
        turned = tuple(value.T for value in self.right)
        name = "transpose" if self.question.right.kind == "gradient" else "layout"
        ratio = constant_ratio(self.claimed, turned)
        if ratio is None or equal(self.right, turned):
            return None
        if equal(self.claimed, turned):
            said = "the transpose of the right answer"
            return Mistake(name, self.turned_sentence() if name == "layout" else said)
        return Mistake(name, f"{ratio:.6g} times the transpose of the right answer")

    @staticmethod
    def from_pair(found: tuple[str, str] | None) -> Mistake | None:
        """Return a name and an explanation as a mistake."""
        return None if found is None else Mistake(*found)

    def candidates(self) -> Iterator[Candidate]:
        """Yield changes of the right answer and of the way to it; and those of the claim here."""
        right, formula = self.question.right.expr, self.question.derivation.formula
        values = [*formula.variables.values(), *values_of(formula.expr, right)]
        values = list(dict.fromkeys(values))
        early, late = steps_changed(self, values)
        for change in islice((c for c in changes(right) if c.name == "sign"), CANDIDATES):
            yield Candidate(change.name, change.said, change.expr)
        yield from early
        for change in islice(changes(right), CANDIDATES):
            yield Candidate(change.name, change.said, change.expr)
        for name, said, expr in islice(self.repairs, CANDIDATES):
            if shape_of(expr) == shape_of(right):
                yield Candidate(name, said, expr, self.right)
        yield from late
        for change in islice(replacements(right, values), CANDIDATES):
            yield Candidate(change.name, change.said, change.expr)

    def first_equal(self, candidates: Iterable[Candidate]) -> tuple[Mistake | None, Mistake | None]:
        """Return the first mistake that gives the claim, and the first up to a factor."""
        nearly = None
        for candidate, values in self.evaluated(candidates):
            claimed = candidate.claimed or self.claimed
            ratio = constant_ratio(values, claimed)
            if ratio is None:
                continue
            step = candidate.step()
            if equal(values, claimed):
                return Mistake(candidate.name, candidate.said, step), nearly
            if nearly is None:
                said = f"{candidate.said}, and the answer is off by the factor {1 / ratio:.6g}"
                nearly = Mistake(candidate.name, said, step)
        return None, nearly

    def evaluated(
        self, candidates: Iterable[Candidate]
    ) -> Iterator[tuple[Candidate, Values | None]]:
        """Evaluate candidates, each expression once."""
        waiting: list[Candidate] = []

        def fresh() -> Iterator[Any]:
            seen: set[Any] = set()
            for candidate in candidates:
                if (key := (candidate.expr, id(candidate.claimed))) not in seen:
                    seen.add(key)
                    waiting.append(candidate)
                    yield candidate.expr

        variables, points = seeded(self)
        for i, values in enumerate(values_at(fresh(), variables, points)):
            yield waiting[i], values
