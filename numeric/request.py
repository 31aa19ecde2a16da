"""What a command is asked for, from its texts: the formula, the derivation, the checked page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from derive.batch import batched
from derive.derivation import Derivation, Page
from derive.errors import InputError, suggestion
from derive.functions import CONSTANTS, FUNCTIONS
from derive.language import ASSUMPTIONS, Formula, read_formula
from derive.problems import DEFAULT_PROBLEMS, Problem, load_problem, problem_names
from derive.reverse import differentiate
from numeric.verify import Verification, require, verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Request", "listing", "name_pairs", "requests"]

STRUCTURES = ("symmetric", "spd", "skew", "diagonal", "lower")


@dataclass(frozen=True)
class Request:
    """A problem, and what the options add to it."""

    problem: Problem
    shapes: Mapping[str, str]
    assumptions: Mapping[str, tuple[str, ...]]
    wrt: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()
    seed: int = 0
    convention: str = "frobenius"

    @property
    def title(self) -> str:
        """The problem's title, its name, or its formula."""
        return self.problem.title or self.problem.name or self.problem.formula

    def formula(self) -> Formula:
        """Read the formula with all that is declared of it."""
        shapes = {**self.problem.shapes, **self.shapes}
        return read_formula(self.problem.formula, shapes, self.assumptions)

    def derivation(self) -> Derivation:
        """Differentiate by what was asked for, or by every variable that is not data."""
        formula = self.formula()
        given = [name for name in formula.variables if name not in self.problem.data]
        names = self.wrt or tuple(given)
        if not names:
            raise InputError(f"{formula.source} has no variable to differentiate by.")
        if self.convention != "free":
            return differentiate(formula, wrt=names)
        kept = {
            name: tuple(k for k in kinds if name not in names or k not in STRUCTURES)
            for name, kinds in formula.assumptions.items()
        }
        derivation = differentiate(replace(formula, assumptions=kept), wrt=names)
        return replace(derivation, formula=formula)  # points are still drawn with the structure

    def verification(self, derivation: Derivation) -> Verification:
        """Check the gradients, and the batched code where something varies by sample."""
        return verify(derivation, seed=self.seed, batch=self.batch or self.problem.batch)

    def page(self, *, steps: bool = True, entries: bool = False) -> Page:
        """Derive and check, for showing.

        Raises:
            RefusedError: where a gradient cannot be derived, or fails its check.
        """
        derivation = self.derivation()
        verification = verify(derivation, seed=self.seed, batch=self.batch)
        require(verification, derivation)
        small = {**verification.small_sizes, **self.problem.sizes}
        by_symbol = {size: small[str(size)] for size in derivation.formula.sizes}
        return Page(
            derivation,
            title=self.problem.title,
            steps=steps,
            checked=verification.checked(),
            sizes=by_symbol if entries else None,
            references=self.problem.references,
            batch=batched(derivation, self.batch) if self.batch else None,
            point=verification.point,
        )


def requests(
    argument: str | None,
    *,
    shape: Sequence[str] = (),
    assume: Sequence[str] = (),
    wrt: Sequence[str] = (),
    batch: str | None = None,
    seed: int = 0,
    convention: str = "frobenius",
) -> list[Request]:
    """Return what a FORMULA argument and its options ask for; without one, the default problems.

    Raises:
        InputError: for an option that is no NAME=VALUE or names an unknown assumption.
    """
    problems = [
        load_problem(name) for name in (DEFAULT_PROBLEMS if argument is None else [argument])
    ]
    shapes = {name: texts[-1] for name, texts in name_pairs(shape, "--shape").items()}
    kinds = name_pairs(assume, "--assume")
    names = tuple(name.strip() for name in batch.split(",")) if batch else ()
    result = []
    for problem in problems:
        assumed = {name: list(given) for name, given in problem.assume.items()}
        for name, given in kinds.items():
            assumed.setdefault(name, []).extend(given)
        _check_kinds(assumed)
        as_tuples = {name: tuple(given) for name, given in assumed.items()}
        result.append(Request(problem, shapes, as_tuples, tuple(wrt), names, seed, convention))
    return result


def name_pairs(values: Sequence[str], option: str) -> dict[str, list[str]]:
    """Read NAME=VALUE options; a name may come more than once.

    >>> name_pairs(["W=m,n", "x=n"], "--shape")
    {'W': ['m,n'], 'x': ['n']}
    """
    pairs: dict[str, list[str]] = {}
    for value in values:
        name, _, text = (part.strip() for part in value.partition("="))
        if not name or not text:
            raise InputError(f"{option} {value}: expected NAME=VALUE, for example {option} x=….")
        pairs.setdefault(name, []).append(text)
    return pairs


def _check_kinds(assumed: Mapping[str, Sequence[str]]) -> None:
    for name, kinds in assumed.items():
        for kind in kinds:
            if kind not in ASSUMPTIONS:
                raise InputError(
                    f"{name}={kind}: no such assumption.{suggestion(kind, ASSUMPTIONS)} "
                    f"Known: {', '.join(ASSUMPTIONS)}."
                )


def listing() -> str:
    """List the built-in problems and the operations of the language."""
    names = problem_names()
    width = max(map(len, names))
    lines = ["Problems"]
    lines += [f"  {name:{width}}  {load_problem(name).title}" for name in names]
    lines += ["", "Operators", "  + - * / .* ./ ^ .^ '", "", "Functions"]
    row = ""
    for name in sorted([*FUNCTIONS, *CONSTANTS]):
        if len(row) + len(name) > 76:
            lines.append(row)
            row = ""
        row += f"  {name}" if not row else f" {name}"
    return "\n".join([*lines, row])
