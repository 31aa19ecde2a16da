"""A hand derivation judged line by line, each stated derivative against the truth.

Contract: a stated derivative in a later line means what was written, right or wrong. A line that is
wrong so, and right with the true derivatives put in, follows from an earlier one and is no mistake
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from derive import build
from derive.derivatives import differentiate
from derive.errors import RefusedError, SizesError, at_line
from derive.handwritten import HandDerivation, read_derivation
from derive.notation import TEXT
from derive.own_names import other_derivatives, right_forms, with_names
from numeric.check import Verdict
from numeric.claims import Judgement, judge
from numeric.mistakes import Mistake
from numeric.questions import Question
from numeric.wording import stated_wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.statements import Statement

__all__ = ["Handwork", "Line", "check_derivation"]


@dataclass(frozen=True)
class Line:
    """A line of a hand derivation and what is said of it: nothing where it only names a value.

    ``name`` is what it names or states; ``right`` is the right formula in the variables and values,
    ``in_your_names`` the same by the derivatives stated above, each "" where there is none.
    """

    number: int
    text: str
    name: str
    verdict: Verdict | None = None
    follows: bool = False
    mistake: Mistake | None = None
    right: str = ""
    in_your_names: str = ""
    explanation: str = ""
    judgement: Judgement | None = None

    @property
    def decided_by(self) -> str:
        """How the verdict was found."""
        return "" if self.judgement is None else self.judgement.decided_by


@dataclass(frozen=True)
class Handwork:
    """A hand derivation that has been judged: the name and the formula of its function, its lines.

    The formula is in the variables alone.
    """

    function: str
    formula: str
    lines: tuple[Line, ...]

    @property
    def first_wrong(self) -> Line | None:
        """The first line that is wrong and does not follow from an earlier one."""
        wrong = (line for line in self.lines if line.verdict is Verdict.FAIL and not line.follows)
        return next(wrong, None)

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole: one wrong line fails it, an undecided one leaves it open."""
        return Verdict.of(line.verdict for line in self.lines if line.verdict is not None)


def check_derivation(
    text: str,
    shapes: Mapping[str, str | int] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
    *,
    seed: int = 0,
    convention: str = "frobenius",
) -> Handwork:
    r"""Judge every line of a hand derivation.

    Args:
        text: of the file, one statement a line.
        shapes: declarations that add to those in the text.
        assumptions: a name to kinds, that add to those in the text.
        seed: of the random points.
        convention: what an assumed structure of a variable does to the gradient by it.

    Raises:
        InputError: for a text that cannot be read.
        RefusedError: for a function that is not known.

    >>> text = "z = W*x\nf = norm2(z)^2\ndf/dz = z\ndf/dx = W'*df/dz\ndf/dW = 2*z*x'"
    >>> found = check_derivation(text)
    >>> [(line.number, line.verdict.value, line.follows) for line in found.lines if line.verdict]
    [(3, 'fail', False), (4, 'fail', True), (5, 'pass', False)]
    >>> found.first_wrong.right
    '2*z'
    """
    derivation = read_derivation(text, shapes, assumptions)
    judging = _Judging(derivation, seed, convention)
    lines = []
    for statement in derivation.statements:
        with at_line(statement.line):
            lines.append(judging.line(statement))
    return Handwork(
        derivation.function, TEXT(derivation.formula(derivation.function).expr), tuple(lines)
    )


class _Judging:
    """What has been stated so far: as written, and in truth, in the symbols of all values.

    What is written with sizes that disagree is None. What has no truth in matrices is as written.
    """

    def __init__(self, derivation: HandDerivation, seed: int, convention: str) -> None:
        self.derivation, self.seed, self.convention = derivation, seed, convention
        self.written: dict[str, Any] = {}
        self.true: dict[str, Any] = {}
        self.doubtful: dict[str, tuple[str, ...]] = {}  # what is not right as written, and why

    def line(self, statement: Statement) -> Line:
        """Judge a line, and remember what it states."""
        line = Line(statement.line, statement.text, statement.name)
        if statement.of:
            return self.stated(statement, line)
        return self.made(statement, line) if statement.uses else line

    def made(self, statement: Statement, line: Line) -> Line:
        """Remember a value that is made of stated derivatives."""
        written, true = self.read(statement, self.written), self.read(statement, self.true)
        self.remember(statement, written, None if isinstance(true, SizesError) else true)
        if causes := self.causes(statement):
            self.doubtful[statement.name] = causes
        if isinstance(true, SizesError):
            self.doubtful[statement.name] = (_place(statement),)
            return _misfit(line, true)
        return line

    def causes(self, statement: Statement) -> tuple[str, ...]:
        """Return what is not right of what a line uses."""
        every = (cause for name in statement.uses for cause in self.doubtful.get(name, ()))
        return tuple(dict.fromkeys(every))

    def stated(self, statement: Statement, line: Line) -> Line:
        """Judge a stated derivative."""
        question = self.question(statement)
        shape = None if isinstance(question, str) else question.right.shape
        written, true = (self.read(statement, each, shape) for each in (self.written, self.true))
        if isinstance(question, str):
            self.remember(statement, written, true)
            self.doubtful[statement.name] = (_place(statement),)
            if isinstance(true, SizesError):
                return _misfit(line, true)
            return replace(line, verdict=Verdict.INCONCLUSIVE, explanation=question)
        right, in_your_names = right_forms(
            self.derivation, question.right, statement.of, self.written, self.convention
        )
        line = replace(line, right=right, in_your_names=in_your_names)
        try:
            line = self.judged(statement, question, line, written, true)
        except RefusedError as error:  # no point in the domain was found
            line = replace(line, verdict=Verdict.INCONCLUSIVE, explanation=str(error))
        self.remember(statement, written, question.right.expr)
        self.doubtful.pop(statement.name, None)
        if line.verdict is not Verdict.PASS:
            self.doubtful[statement.name] = (_place(statement),)
        return line

    def question(self, statement: Statement) -> Question | str:
        """Return what is asked for, or why there is no answer in matrices."""
        of, by, derivation = statement.of, statement.by, self.derivation
        formula = derivation.formula(of, by)
        try:
            derived = differentiate(formula, [by], convention=self.convention)
        except RefusedError as error:
            return str(error)
        (right,) = derived.results
        if right.direction is not None:
            return (
                f"The derivative of {of} by {by} is no matrix; nothing can be compared. "
                f"Along a direction {right.direction.name} of the shape of {by}, it is "
                f"{TEXT(with_names(derivation, right.expr, by))}"
            )
        values = {}
        if by in derivation.values:
            values[by] = derivation.expansion()[derivation.symbols[by]]
        return Question(derived, by, values)

    def read(
        self, statement: Statement, stated: Mapping[str, Any], shape: tuple[Any, ...] | None = None
    ) -> Any:
        """Read a formula, as an error where sizes disagree; None where it uses such a one."""
        if any(stated[name] is None for name in statement.uses):
            return None
        try:
            return self.derivation.read(statement, stated, shape)
        except SizesError as error:
            return error

    def remember(self, statement: Statement, written: Any, true: Any) -> None:
        """Keep what a name means in later lines."""
        known = None if isinstance(written, SizesError) else written
        self.written[statement.name] = known
        self.true[statement.name] = known if isinstance(true, SizesError) else true

    def judged(
        self, statement: Statement, question: Question, line: Line, written: Any, true: Any
    ) -> Line:
        """Judge what was written; where earlier lines are wrong, with the truth put in as well."""
        found = self.judge(statement, question, written, self.written)
        causes = self.causes(statement)
        if found.verdict is Verdict.FAIL and causes:
            again = self.judge(statement, question, true, self.true)
            if again.verdict is Verdict.PASS:
                return replace(
                    line,
                    verdict=Verdict.FAIL,
                    follows=True,
                    judgement=replace(found, mistake=None),
                    explanation=f"It follows from {' and '.join(causes)}.",
                )
            if again.verdict is Verdict.FAIL:
                found, written = again, true
        explanations = [found.reason]
        if found.mistake is not None and found.mistake.explanation:
            explanations = [found.mistake.explanation]
        if found.verdict is Verdict.FAIL and not (
            written is None or isinstance(written, SizesError)
        ):
            others = other_derivatives(self.derivation, statement.name, written, self.true)
            explanations = [*(f"this is {other}" for other in others), *explanations]
        return replace(
            line,
            verdict=found.verdict,
            mistake=found.mistake,
            judgement=found,
            explanation="; ".join(filter(None, explanations)),
        )

    def judge(
        self, statement: Statement, question: Question, claim: Any, stated: Mapping[str, Any]
    ) -> Judgement:
        """Judge an expression in the symbols of all values; None is one that has no value."""
        if claim is None:
            reason = "it uses a line whose sizes disagree"
            return Judgement(Verdict.FAIL, "shape", reason=reason)
        expansion = self.derivation.expansion(statement.by)
        if not isinstance(claim, SizesError):
            claim = build.replace(claim, expansion)
        wording = stated_wording(self.derivation, statement, stated)
        return judge(question, claim, wording, seed=self.seed)


def _misfit(line: Line, error: SizesError) -> Line:
    """Return a line whose sizes disagree where no derivative can be asked for."""
    judgement = Judgement(Verdict.FAIL, "shape", reason=error.message)
    mistake = Mistake("shape", error.message)
    return replace(
        line,
        verdict=Verdict.FAIL,
        mistake=mistake,
        judgement=judgement,
        explanation=error.message,
    )


def _place(statement: Statement) -> str:
    return f"{statement.name} in line {statement.line}"
