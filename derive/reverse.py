"""The reverse sweep: a function in, its derivative by every variable and the steps there out.

Contract: the function is cut into named lines; every line is visited once, after all the lines that
use its value; each visit pulls the cotangent of the line's value back to the names in it, and
records the steps it took. The derivation shown is the computation performed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Integer, Symbol
from sympy.matrices.expressions import Transpose

from derive.build import add, frobenius, replace, zero_like
from derive.derivation import Step
from derive.entries import by_entries, definition_steps, index_symbols, local_steps
from derive.errors import RefusedError
from derive.graph import operands, postorder, shape_of, weight
from derive.known import known_functions, names_of_functions
from derive.operations import pull_back, title_of
from derive.program import Line, Program, cut
from derive.shortening import shortened, shorter
from derive.simplify import (
    Assumed,
    Definitions,
    assume,
    use_definitions,
)
from derive.symbols import derivative_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from derive.language import Formula
    from derive.structures import Structure

__all__ = ["STEP_WEIGHT", "Sweep", "names_in"]

INLINE_WEIGHT = 40  # a heavier derivative stays a name in the lines that use it
STEP_WEIGHT = 1_000  # a heavier result in the variables is no step, and shown at the end alone
_FUNCTIONALS = ("phi", "psi", "chi", "omega")


class Sweep:
    """The derivatives of one function by some of its variables, and the steps to them.

    A scalar function is differentiated itself. Of a vector or a matrix F it is the functional
    φ = ⟨g, F⟩, for any ``seed`` g: its derivatives are linear in g.
    """

    def __init__(
        self,
        formula: Formula,
        expr: Any,
        variables: Sequence[Any],
        *,
        assumptions: Mapping[str, Sequence[str]] | None = None,
        seed: Any = None,
        known: Mapping[Any, Any] | None = None,
    ) -> None:
        """Cut the function into lines.

        Args:
            formula: whose variables and sizes the function has.
            expr: the function.
            variables: symbols, by which it is differentiated.
            assumptions: what derivatives may be simplified by; default: what the formula assumes.
            seed: the symbol g, of the function's shape.
            known: values that have been defined already, with their symbols.
        """
        self.formula, self.expr, self.seed, self.known = formula, expr, seed, dict(known or {})
        self.assumptions = formula.assumptions if assumptions is None else assumptions
        self.variables = tuple(variables)
        symbols = {*self.variables, *self.known.values(), *postorder(expr), seed}
        taken = names_in(formula) | {str(getattr(symbol, "name", "")) for symbol in symbols}
        self.recognised = known_functions(expr)
        if expr in self.known:
            self.known[self.recognised] = self.known[expr]
        self.program: Program = cut(self.recognised, taken, set(self.variables), self.known)
        taken |= {line.name for line in self.program.lines}
        self.functional = next(name for name in _FUNCTIONALS if name not in taken)
        self.definitions = Definitions(self.program.lines)
        self.targets = [
            *(line.symbol for line in reversed(self.program.lines[:-1])),
            *self.variables,
        ]
        self.indices = index_symbols(taken)
        self.terms: dict[Any, list[Any]] = {target: [] for target in self.targets}
        self.titles: dict[Any, dict[str, None]] = {target: {} for target in self.targets}
        self.values: dict[Any, Any] = {}  # derivative symbol -> its value in the names
        self.heavy: dict[Any, Any] = {}  # the same, of values too long to be put in place
        self.inserted: dict[Any, Any] = {}  # the same, with those they use put in place
        self.used: dict[Any, tuple[str, ...]] = {}  # derivative symbol -> assumptions behind it
        self.steps: list[Step] = []

    def run(self) -> dict[Any, tuple[Any, tuple[str, ...]]]:
        """Return for each variable the derivative in the variables, and what it assumes."""
        if self.recognised != self.expr:
            names = " and ".join(names_of_functions(self.expr, self.recognised))
            rule = f"known function: {names}" if names else "known function"
            self.step(rule, self.program.function.symbol, self.expr, self.recognised)
        defined = set(self.known.values())
        for line in self.program.lines:
            if line.symbol not in defined:
                self.steps += definition_steps(line, self.indices)
        if self.seed is not None:
            law = frobenius(self.seed, self.program.function.symbol)
            self.step(f"for any {self.seed.name}", self.function, law)
        for line in reversed(self.program.lines):
            if line is not self.program.function:
                self.resolve(line.symbol)
            self.visit(line)
        results = {}
        for variable in self.variables:
            self.resolve(variable)
            results[variable] = self.result(variable)
        return results

    @property
    def function(self) -> Any:
        """The symbol of the scalar that is differentiated: the function, or the functional."""
        if self.seed is None:
            return self.program.function.symbol
        return Symbol(self.functional, real=True)

    def derivative(self, target: Any) -> Any:
        """Return the symbol of the derivative by a name."""
        return derivative_symbol(self.function.name, target)

    def step(self, rule: str, left: Any, *right: Any, shape: Any = None, reason: Any = ()) -> None:
        """Record a step."""
        shape = shape_of(left) if shape is None else shape
        self.steps.append(Step(rule, left, right, shape, tuple(reason)))

    def visit(self, line: Line) -> None:
        """Pull the cotangent of a line's value back to the names in the line."""
        if line is self.program.function:
            seed = Integer(1) if self.seed is None else self.seed
        else:
            seed = self.derivative(line.symbol)
        cotangent = self.values.get(seed, seed)
        for operand in operands(line.expr):
            if operand in self.terms:
                self.steps += local_steps(line, operand, self.function, cotangent, self.indices)
        order = postorder(line.expr)
        live = self._live(order)
        cotangents: dict[Any, list[Any]] = {line.expr: [seed]}
        turned: dict[Any, str] = {}  # a transpose -> the title of what it is an operand of
        for node in reversed(order):
            if node not in live or not operands(node):
                continue
            g = _total(cotangents[node])
            out = line.symbol if node is line.expr else None
            title = turned.get(node) or title_of(node)
            pulled = list(zip(operands(node), pull_back(g, node, out), strict=True))
            for operand, cotangent in reversed(pulled):
                if operand in live:
                    cotangents.setdefault(operand, []).append(cotangent)
                    if isinstance(operand, Transpose):
                        turned[operand] = title
                    if operand in self.terms:
                        self.titles[operand][title] = None
        for node in order:
            if node in self.terms:
                self.terms[node].extend(cotangents[node])

    def _live(self, order: Iterable[Any]) -> set[Any]:
        live: set[Any] = set()
        for node in order:
            if node in self.terms or any(operand in live for operand in operands(node)):
                live.add(node)
        return live

    def resolve(self, target: Any) -> None:
        """Record how a derivative is the sum of what its users send, and simplify it."""
        symbol, terms = self.derivative(target), self.terms[target][::-1]  # as in the formula
        if not terms:
            self.step("no dependence", symbol, zero_like(target))
            self.values[symbol], self.used[symbol] = zero_like(target), ()
            return
        law = _total(terms)
        self.step(f"derivative of the {' and the '.join(self.titles[target])}", symbol, law)
        inserted = [node for node in postorder(law) if node in self.used]
        value = replace(law, self.values)
        if value != law:
            self.step("insert", symbol, value, reason=inserted)
        value, assumed = self.simplify(symbol, value)
        inherited = [sentence for node in inserted for sentence in self.used[node]]
        self.used[symbol] = tuple(dict.fromkeys([*inherited, *map(str, assumed)]))
        if weight(value) <= INLINE_WEIGHT:
            self.values[symbol] = value
        else:
            self.heavy[symbol] = value
            self.inserted[symbol] = replace(value, self.inserted)

    def simplify(self, symbol: Any, value: Any) -> tuple[Any, list[Assumed]]:
        """Shorten a derivative, each rewrite a step; return the assumptions used as well."""
        defined, identities = use_definitions(value, self.definitions)
        if defined != value:
            rule = "functions of the same argument" if identities else "in terms of the value"
            self.step(rule, symbol, defined, reason=identities)
        value, assumed = assume(defined, self.formula.variables, self.assumptions)
        if assumed:
            self.assumption_step(symbol, value, assumed)
        for rule, value in shorter(value):  # noqa: B020 - each from the one before
            self.step(rule, symbol, value)
        return value, assumed

    def assumption_step(self, symbol: Any, value: Any, assumed: Sequence[Assumed]) -> None:
        rule = " and ".join(f"{a.name} is {a.kind}" for a in assumed)
        reason = [(a.left, *by_entries(a.left, self.indices), a.right) for a in assumed]
        self.step(f"assumption: {rule}", symbol, value, reason=reason)

    def result(self, variable: Any) -> tuple[Any, tuple[str, ...]]:
        """Return a gradient in the variables alone and what it assumes; record it if it is new."""
        symbol = self.derivative(variable)
        value = self.values.get(symbol, self.heavy.get(symbol))
        expanded = self.program.expand(replace(value, self.inserted))
        expanded, assumed = assume(expanded, self.formula.variables, self.assumptions)
        if expanded != value and weight(expanded) <= STEP_WEIGHT:
            reason = [(a.left, a.right) for a in assumed]
            self.step("in the variables", symbol, expanded, reason=reason)
        for rule, expanded in shorter(expanded):  # noqa: B020 - each from the one before
            if weight(expanded) <= STEP_WEIGHT:
                self.step(rule, symbol, expanded)
        self.require_names(expanded)
        return expanded, (*self.used[symbol], *map(str, assumed))

    def project(
        self, variable: Any, gradient: Any, sentences: tuple[str, ...], structure: Structure
    ) -> tuple[Any, tuple[str, ...]]:
        """Return what is shown of a gradient by a variable that moves in a subspace."""
        symbol = self.derivative(variable)
        projected = structure.project(gradient)
        if projected != gradient:
            self.step(f"{variable.name} is {structure}", symbol, projected)
        shown, assumed = assume(projected, self.formula.variables, self.assumptions)
        shown = shortened(shown)
        if shown != projected:
            reason = [(a.left, a.right) for a in assumed]
            self.step("in the variables", symbol, shown, reason=reason)
        stated = (*sentences, *map(str, assumed), f"{variable.name} is {structure}")
        return shown, tuple(dict.fromkeys(stated))

    def require_names(self, gradient: Any) -> None:
        """Refuse a size as a number where a variable has its name: it could not be written."""
        for node in postorder(gradient):
            if isinstance(node, Symbol) and node.is_integer and node.name in self.formula.variables:
                raise RefusedError(
                    f"The gradient holds the size {node.name} as a number, and {node.name} is a "
                    "variable. Give the size or the variable another name."
                )


def names_in(formula: Formula) -> set[str]:
    """Return the names of a formula's variables and of its sizes, those of ones and eye as well."""
    shapes = (shape_of(node) for node in postorder(formula.expr) if not operands(node))
    sizes = {symbol for shape in shapes for size in shape for symbol in size.free_symbols}
    return {*formula.variables, *map(str, sizes), *map(str, formula.sizes)}


def _total(terms: Sequence[Any]) -> Any:
    return terms[0] if len(terms) == 1 else add(*terms)
