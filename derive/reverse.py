"""The reverse sweep: a scalar formula in, the gradient of every variable and the steps there out.

Contract: the formula is cut into named lines; every line is visited once, after all the lines that
use its value; each visit pulls the cotangent of the line's value back to the names in it, and
records the steps it took. The derivation shown is the computation performed.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sympy import Integer, S, Symbol

from derive.build import add, replace, zero_like
from derive.derivation import Derivation, Step, conventions
from derive.entries import by_entries, definition_steps, index_symbols, local_steps
from derive.errors import InputError, RefusedError, suggestion
from derive.graph import is_matrix, operands, postorder, shape_of, weight
from derive.known import known_functions, names_of_functions
from derive.language import STRUCTURES, Formula, read_formula
from derive.nodes import Elementwise
from derive.operations import pull_back, title_of
from derive.program import Line, cut
from derive.shortening import shorter
from derive.simplify import (
    Assumed,
    Definitions,
    assume,
    use_definitions,
)
from derive.symbols import derivative_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["differentiate"]

INLINE_WEIGHT = 40  # a heavier derivative stays a name in the lines that use it


def differentiate(
    formula: Formula | str,
    wrt: Sequence[str] | None = None,
    shapes: Mapping[str, str] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
) -> Derivation:
    """Derive the gradient of a scalar formula by each variable, step by step.

    For f(x) the gradient is ∇f with (∇f)_i = ∂f/∂x_i, in the shape of x (denominator layout).

    Args:
        formula: a formula of the language, or one already read.
        wrt: names of variables; all of them by default.
        shapes: declarations for a text, a name to ``R,C``, ``R`` or ``scalar``.
        assumptions: for a text, a name to kinds such as ``onehot``.

    Raises:
        InputError: for a name that is not a variable.
        RefusedError: where a rule is missing or the formula is not a scalar.

    >>> derivation = differentiate("norm2(relu(W*x))^2")
    >>> derivation.gradient["W"], derivation.gradient["x"]
    (2*relu(W*x)*x', 2*W'*relu(W*x))
    """
    if isinstance(formula, str):
        formula = read_formula(formula, shapes, assumptions)
    names = tuple(formula.variables) if wrt is None else tuple(dict.fromkeys(wrt))
    _require_variables(formula, names)
    _require_scalar(formula.expr)
    _require_real(formula.expr)
    _require_unrestricted(formula, names)
    try:
        return _Sweep(formula, names).run()
    except RecursionError:  # in SymPy, over scalars of scalars; matrices are visited by loops
        raise RefusedError("The formula nests scalar functions too deeply.") from None


def _require_variables(formula: Formula, names: Iterable[str]) -> None:
    for name in names:
        if name not in formula.variables:
            known = ", ".join(formula.variables) or "none"
            hint = suggestion(name, formula.variables)
            raise InputError(f"'{name}' is not a variable of the formula; they are: {known}.{hint}")


def _require_scalar(expr: Any) -> None:
    if is_matrix(expr):
        rows, columns = expr.shape
        raise RefusedError(
            f"The formula has shape ({rows}, {columns}); a gradient needs a scalar. "
            "Wrap it in a functional such as sum(…) or norm2(…)^2."
        )


def _require_real(expr: Any) -> None:
    """Refuse constants that are infinite or complex, such as 1/0 and (-1)^0.5."""
    constants: set[Any] = set()
    for node in postorder(expr):
        scalars = node.function.atoms() if isinstance(node, Elementwise) else {node}
        for scalar in scalars:
            inside = operands(scalar)
            if not is_matrix(scalar) and not isinstance(scalar, Symbol) and constants >= {*inside}:
                constants.add(scalar)
                if scalar is S.NaN or scalar.is_real is False:
                    raise RefusedError(f"The formula holds {scalar}, which is no real number.")


def _require_unrestricted(formula: Formula, names: Iterable[str]) -> None:
    """Refuse variables that are differentiated by and are not free in all their entries."""
    for name in names:
        if set(STRUCTURES) & set(formula.assumptions.get(name, ())):
            raise RefusedError(
                f"'{name}' has an assumed structure and is differentiated by: the gradient on that "
                "subspace is not derived yet. Leave the assumption out for the unrestricted one."
            )


class _Sweep:
    def __init__(self, formula: Formula, wrt: tuple[str, ...]) -> None:
        self.formula = formula
        self.active = {formula.variables[name] for name in wrt}
        taken = set(formula.variables) | {str(size) for size in _sizes(formula)}
        self.known = known_functions(formula.expr)
        self.program = cut(self.known, taken, self.active)
        self.definitions = Definitions(self.program.lines)
        self.targets = [
            *(line.symbol for line in reversed(self.program.lines[:-1])),
            *(formula.variables[name] for name in wrt),
        ]
        self.wrt = wrt
        self.indices = index_symbols(taken | {line.name for line in self.program.lines})
        self.terms: dict[Any, list[Any]] = {target: [] for target in self.targets}
        self.titles: dict[Any, dict[str, None]] = {target: {} for target in self.targets}
        self.values: dict[Any, Any] = {}  # derivative symbol -> its value in the names
        self.heavy: dict[Any, Any] = {}  # the same, of values too long to be put in place
        self.inserted: dict[Any, Any] = {}  # the same, with those they use put in place
        self.used: dict[Any, tuple[str, ...]] = {}  # derivative symbol -> assumptions behind it
        self.steps: list[Step] = []

    def run(self) -> Derivation:
        if self.known != self.formula.expr:
            names = " and ".join(names_of_functions(self.formula.expr, self.known))
            rule = f"known function: {names}" if names else "known function"
            self.step(rule, self.program.function.symbol, self.formula.expr, self.known)
        for line in self.program.lines:
            self.steps += definition_steps(line, self.indices)
        for line in reversed(self.program.lines):
            if line is not self.program.function:
                self.resolve(line.symbol)
            self.visit(line)
        gradient, assumptions = {}, {}
        for name in self.wrt:
            variable = self.formula.variables[name]
            self.resolve(variable)
            gradient[name], sentences = self.result(variable)
            stated = (*sentences, *conventions(self.formula.expr))
            assumptions[name] = tuple(dict.fromkeys(stated))
        return Derivation(
            self.formula,
            self.program,
            tuple(self.steps),
            MappingProxyType(gradient),
            MappingProxyType(assumptions),
        )

    def derivative(self, target: Any) -> Any:
        return derivative_symbol(self.program.function.name, target)

    def step(self, rule: str, left: Any, *right: Any, shape: Any = None, reason: Any = ()) -> None:
        shape = shape_of(left) if shape is None else shape
        self.steps.append(Step(rule, left, right, shape, tuple(reason)))

    def visit(self, line: Line) -> None:
        """Pull the cotangent of a line's value back to the names in the line."""
        seed = Integer(1) if line is self.program.function else self.derivative(line.symbol)
        cotangent = self.values.get(seed, seed)
        for operand in operands(line.expr):
            if operand in self.terms:
                function = self.program.function.symbol
                self.steps += local_steps(line, operand, function, cotangent, self.indices)
        order = postorder(line.expr)
        live = self._live(order)
        cotangents: dict[Any, list[Any]] = {line.expr: [seed]}
        for node in reversed(order):
            if node not in live or not operands(node):
                continue
            g = _total(cotangents[node])
            out = line.symbol if node is line.expr else None
            pulled = list(zip(operands(node), pull_back(g, node, out), strict=True))
            for operand, cotangent in reversed(pulled):
                if operand in live:
                    cotangents.setdefault(operand, []).append(cotangent)
                    if operand in self.terms:
                        self.titles[operand][title_of(node)] = None
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
        value, assumed = assume(defined, self.formula.variables, self.formula.assumptions)
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
        expanded, assumed = assume(expanded, self.formula.variables, self.formula.assumptions)
        if expanded != value:
            reason = [(a.left, a.right) for a in assumed]
            self.step("in the variables", symbol, expanded, reason=reason)
        for rule, expanded in shorter(expanded):  # noqa: B020 - each from the one before
            self.step(rule, symbol, expanded)
        self.require_names(expanded)
        return expanded, (*self.used[symbol], *map(str, assumed))

    def require_names(self, gradient: Any) -> None:
        """Refuse a size as a number where a variable has its name: it could not be written."""
        for node in postorder(gradient):
            if isinstance(node, Symbol) and node.is_integer and node.name in self.formula.variables:
                raise RefusedError(
                    f"The gradient holds the size {node.name} as a number, and {node.name} is a "
                    "variable. Give the size or the variable another name."
                )


def _sizes(formula: Formula) -> set[Any]:
    """Return the sizes that a formula names, in its variables' shapes or in ones, zeros and eye."""
    shapes = (shape_of(node) for node in postorder(formula.expr) if not operands(node))
    return {symbol for shape in shapes for size in shape for symbol in size.free_symbols} | set(
        formula.sizes
    )


def _total(terms: Sequence[Any]) -> Any:
    return terms[0] if len(terms) == 1 else add(*terms)
