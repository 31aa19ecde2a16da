"""What a command is asked for, from its texts: the formula, the derivation, the checked page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sympy import OneMatrix

from derive.batch import batched
from derive.build import split
from derive.derivation import Derivation, Page
from derive.derivatives import differentiate
from derive.errors import InputError, suggestion
from derive.functions import CONSTANTS, FUNCTIONS
from derive.graph import is_matrix, postorder
from derive.language import Formula, read_formula
from derive.nodes import MatrixSum
from derive.problems import DEFAULT_PROBLEMS, Problem, load_problem, problem_names
from numeric.printed import require_printed
from numeric.verify import Verification, require, verify

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

__all__ = ["Request", "hint_of_two_modules", "hints", "listing", "name_pairs"]
__all__ += ["refuse_strange_shapes", "requests", "scalars_to_train", "stretched_scalars"]


_EXAMPLES = {"--assume": "positive", "--claim": "2*x"}


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
    order: int = 1

    @property
    def title(self) -> str:
        """The problem's title, its name, or its formula."""
        return self.problem.title or self.problem.name or self.problem.formula

    @cached_property
    def formula(self) -> Formula:
        """The formula, read with all that is declared of it."""
        return read_formula(self.problem.formula, self.declared, self.assumptions)

    @property
    def declared(self) -> dict[str, str]:
        """The shapes that the problem and the options declare."""
        return {**self.problem.shapes, **self.shapes}

    def variables_of_size(self, name: str) -> list[str]:
        """Return the variables with a size in their shapes, where nothing declares its name."""
        shapes = {other: text for other, text in self.declared.items() if other != name}
        formula = read_formula(self.problem.formula, shapes, self.assumptions)
        return [
            f"{n}={v.shape[0]},{v.shape[1]}"
            for n, v in formula.variables.items()
            if is_matrix(v) and any(str(size) == name for size in v.shape)
        ]

    def derivation(self) -> Derivation:
        """Differentiate by what was asked for, or by every variable that is not data."""
        formula = self.formula
        given = [name for name in formula.variables if name not in self.problem.data]
        names = self.wrt or tuple(given)
        if not names:
            raise InputError(f"{formula.source} has no variable to differentiate by.")
        return differentiate(formula, names, order=self.order, convention=self.convention)

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
        page = Page(
            derivation,
            title=self.problem.title,
            steps=steps,
            checked=verification.checked(),
            sizes=by_symbol if entries else None,
            references=self.problem.references,
            batch=batched(derivation, self.batch) if self.batch else None,
            batch_checked=verification.loop.sentence() if verification.loop else "",
            point=verification.point,
        )
        require_printed(page)
        return page


def requests(
    argument: str | None,
    *,
    shape: Sequence[str] = (),
    assume: Sequence[str] = (),
    wrt: Sequence[str] = (),
    batch: str | None = None,
    seed: int = 0,
    convention: str = "frobenius",
    order: int = 1,
) -> list[Request]:
    """Return what a FORMULA argument and its options ask for; without one, the default problems.

    Raises:
        InputError: for an option that is no NAME=VALUE, and a shape of what no formula has.
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
        as_tuples = {name: tuple(given) for name, given in assumed.items()}
        result.append(
            Request(problem, shapes, as_tuples, tuple(wrt), names, seed, convention, order)
        )
    refuse_strange_shapes(result)
    return result


def _near(name: str, known: Iterable[str]) -> str:
    return suggestion(name, known) or suggestion(name.swapcase(), known)


def refuse_strange_shapes(found: Sequence[Request]) -> None:
    """Refuse a declared shape of what no formula has, which would be without effect.

    Raises:
        InputError: with the names that there are, and where a size is meant, how it is declared.

    >>> refuse_strange_shapes([Request(Problem("norm2(W*x)"), {"w": "2,3"}, {})])
    Traceback (most recent call last):
    derive.errors.InputError: --shape w=2,3: no variable 'w'. Did you mean 'W'? Known: W, x.
    """
    shapes = found[0].shapes
    if not shapes:
        return
    known = {name: variable for one in found for name, variable in one.formula.variables.items()}
    for name, text in shapes.items():
        if name in known:
            continue
        near = _near(name, known)
        if sized := [n for one in found for n in one.variables_of_size(name)]:
            near = f" '{name}' is a size: write its number in --shape {sized[0]}."
        raise InputError(
            f"--shape {name}={text}: no variable '{name}'.{near} "
            f"Known: {', '.join(known) or 'none'}."
        )


def name_pairs(values: Sequence[str], option: str) -> dict[str, list[str]]:
    """Read NAME=VALUE options; a name may come more than once.

    >>> name_pairs(["W=m,n", "x=n"], "--shape")
    {'W': ['m,n'], 'x': ['n']}
    """
    pairs: dict[str, list[str]] = {}
    for value in values:
        name, _, text = (part.strip() for part in value.partition("="))
        if not name or not text:
            example = f"{option} x={_EXAMPLES.get(option, '3')}"
            raise InputError(f"{option} {value}: expected NAME=VALUE, for example {example}.")
        pairs.setdefault(name, []).append(text)
    return pairs


def hints(found: Sequence[Request]) -> list[str]:
    """Tell, a line each, of a problem's names that are none, and of scalars that may be vectors.

    >>> hints(requests("norm2(x + b)", shape=["b=scalar"]))
    []
    """
    lines = []
    for request in found:
        lines += _strange_names(request)
        lines += stretched_scalars(request.formula, request.declared)
    return lines


def _strange_names(request: Request) -> list[str]:
    """Warn of names in a problem file that its formula has not, as a misspelt one of its data."""
    problem, known = request.problem, request.formula.variables
    named = {"data": problem.data, "batch": problem.batch, "shapes": problem.shapes}
    return [
        f"Warning: {problem.name}: {key}: no variable '{name}'.{_near(name, known)} "
        f"Known: {', '.join(known)}."
        for key, names in named.items()
        for name in names
        if name not in known
    ]


def stretched_scalars(formula: Formula, declared: Container[str]) -> list[str]:
    """Tell, a line a name, of undeclared scalars that are added to every entry of a vector.

    Where it stands alone, as a bias does: a sum has a term b*ones(m).

    >>> stretched_scalars(read_formula("norm2(a*x + b)"), declared=[])[0][:59]
    'Hint: b is a scalar and is added to every entry of a vector'
    """
    return list(_by_name(formula, declared).values())


def scalars_to_train(formula: Formula, declared: Container[str]) -> list[str]:
    """Tell, a line a name, of undeclared scalars, all of which training would change.

    >>> scalars_to_train(read_formula("norm2(W*x)^2 + c*norm2(W)^2"), declared=[])[0][:53]
    'Hint: c is a scalar by its letter, and is trained. To'
    """
    stretched = _by_name(formula, declared)
    return [
        stretched.get(name)
        or f"Hint: {name} is a scalar by its letter, and is trained. To keep it fixed write a "
        f"number in its place, to train it --shape {name}=scalar."
        for name, variable in formula.variables.items()
        if name not in declared and not is_matrix(variable)
    ]


def _by_name(formula: Formula, declared: Container[str]) -> dict[str, str]:
    letters = {}
    for name, variable in formula.variables.items():
        if name not in declared and not is_matrix(variable):
            letters[variable] = name, "added to"
            letters[-variable] = name, "subtracted from"
    lines: dict[str, str] = {}
    for node in postorder(formula.expr):
        for coefficient, rest in map(split, node.args if isinstance(node, MatrixSum) else ()):
            if isinstance(rest, OneMatrix) and coefficient in letters:
                name, how = letters[coefficient]
                lines.setdefault(name, _stretched(name, how, *rest.shape))
    return lines


def _stretched(name: str, how: str, rows: Any, columns: Any) -> str:
    what = "vector" if 1 in (rows, columns) else "matrix"
    shape = rows if columns == 1 else f"{rows},{columns}"
    return (
        f"Hint: {name} is a scalar and is {how} every entry of a {what}; "
        f"for a {what} declare --shape {name}={shape}, to keep it --shape {name}=scalar."
    )


def hint_of_two_modules(output: str | None) -> str:
    """Warn that the default problems are two modules, of which a file runs the first's check.

    Raises:
        InputError: where the output is a file.
    """
    advice = "Name one problem, for example: cli derive relu-l2 --format numpy"
    if output not in (None, "-"):
        raise InputError(
            f"-o {output}: expected one module, without a FORMULA there are two. {advice}"
        )
    return f"Warning: as one file, these two modules check the first alone. {advice}"


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
