"""The right derivative in the names of a hand derivation, as one would write it beside a line.

Two forms: with the named values in the place of what they stand for, ``(s - y)*x'``; and one step
on from the derivatives that are stated above, ``W'*df/dz``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Integer, MatrixSymbol, S

from derive.build import (
    add,
    multiply,
    product,
    replace,
    scale,
    subtract,
    transform,
    transpose,
    zero_like,
)
from derive.derivatives import differentiate
from derive.errors import RefusedError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.language import Formula
from derive.nodes import MatrixSum, Product
from derive.notation import TEXT
from derive.program import Line
from derive.reverse import Sweep
from derive.shortening import shortened
from derive.simplify import Definitions, assume, use_definitions
from derive.structures import structure_of
from derive.symbols import derivative_symbol
from derive.syntax import derivative_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from derive.derivation import Result
    from derive.handwritten import HandDerivation

__all__ = ["by_stated", "other_derivatives", "right_forms", "with_names"]


def right_forms(
    derivation: HandDerivation,
    right: Result,
    of: str,
    stated: Collection[str],
    convention: str = "frobenius",
) -> tuple[str, str]:
    r"""Write a right derivative by the names of values, and by stated derivatives if that is so.

    Args:
        derivation: whose names they are.
        right: the derivative, of a value by a variable or by another value.
        of: the name of the value that it is of.
        stated: names of derivatives.
        convention: what a structure of the variable does to the gradient.

    >>> from derive.handwritten import read_derivation
    >>> read = read_derivation("z = W*x\nf = norm2(relu(z))^2\ndf/dz = 2*relu(z)")
    >>> (right,) = differentiate(read.formula("f"), ["x"]).results
    >>> right_forms(read, right, "f", ["df/dz"])
    ("2*W'*relu(z)", "W'*df/dz")
    """
    named = TEXT(with_names(derivation, right.expr, right.wrt))
    assumed = derivation.assumptions.get(right.wrt, ())
    if structure_of(assumed, convention) is not None:
        return named, ""
    forms = [by_stated(derivation, of, right.wrt, names) for names in (stated, ())]
    if forms[0] is None or forms[1] is None:
        return named, ""
    short = min(named, TEXT(forms[1]), key=len)
    uses = any(str(symbol) in stated for symbol in forms[0].free_symbols)
    return short, TEXT(forms[0]) if uses else ""


def other_derivatives(
    derivation: HandDerivation, name: str, claim: Any, known: Mapping[str, Any]
) -> list[str]:
    r"""Return which other derivatives of the same value, of those that are known, a claim is.

    >>> from derive.handwritten import read_derivation
    >>> read = read_derivation("z = W*x\nf = norm2(z)^2\ndf/dz = 2*z")
    >>> z = read.symbols["z"]
    >>> other_derivatives(read, "df/dx", scale(Integer(2), z), {"df/dz": scale(Integer(2), z)})
    ['df/dz']
    """
    expansion, found = derivation.expansion(), []
    of = name.partition("/")[0]
    for other, expr in known.items():
        if other == name or other.partition("/")[0] != of or shape_of(expr) != shape_of(claim):
            continue
        apart = subtract(replace(claim, expansion), replace(expr, expansion))
        apart, _ = assume(apart, derivation.variables, derivation.assumptions)
        if shortened(apart) == zero_like(expr):
            found.append(other)
    return found


def with_names(derivation: HandDerivation, expr: Any, by: str) -> Any:
    r"""Write values by their names in an expression in the variables and in one value.

    >>> from derive.handwritten import read_derivation
    >>> read = read_derivation("z = W*x\ns = softmax(z)\nf = y'*s\nds/dz = diag(s) - s*s'")
    >>> with_names(read, differentiate(read.formula("f"), ["x"]).gradient["x"], "x")
    W'*(s .* (y - s'*y))
    """
    for symbol, value in reversed([*derivation.expansion(by).items()]):
        if operands(value) and value.free_symbols:
            expr = transform(expr, _named(value, symbol))
    return expr


def _named(value: Any, symbol: Any) -> Callable[[Any], Any]:
    """Return the rule that puts a name in the place of a value, also within a sum or a product."""
    forms = [(value, symbol)]
    if is_matrix(value):
        forms.append((transpose(value), transpose(symbol)))
        forms += [(scale(S.NegativeOne, form), scale(S.NegativeOne, name)) for form, name in forms]

    def rewrite(node: Any) -> Any:
        for form, name in forms:
            if node == form:
                return name
            if isinstance(node, Product) and isinstance(form, Product):
                node = _within_product(node, form, name)
            elif isinstance(node, MatrixSum) and isinstance(form, MatrixSum):
                rest = [term for term in node.args if term not in form.args]
                if len(rest) == len(node.args) - len(form.args):
                    return add(*rest, name)
        return node

    return rewrite


def _within_product(node: Any, form: Any, name: Any) -> Any:
    """Put a name in the place of some neighbours in a product."""
    factors, wanted = node.factors, form.factors
    for i in range(len(factors) - len(wanted) + 1):
        if form.coefficient == 1 and factors[i : i + len(wanted)] == wanted:
            merged = product(*factors[:i], name, *factors[i + len(wanted) :])
            return multiply(node.coefficient, merged)
    return node


def by_stated(derivation: HandDerivation, of: str, by: str, stated: Collection[str] = ()) -> Any:
    r"""Return a derivative one step on from those that are stated; None where there is none.

    ∂P/∂Q = Σ_V ⟨∂P/∂V, ∂V/∂Q⟩ over the values V whose formulas hold Q

    Args:
        derivation: whose values it is of.
        of: the name of P.
        by: the name of Q, a variable or a value.
        stated: names of derivatives, df/dz, which stand for themselves; by default none does.

    >>> from derive.handwritten import read_derivation
    >>> read = read_derivation("z = W*x\nf = norm2(relu(z))^2\ndf/dz = 2*relu(z)")
    >>> by_stated(read, "f", "x", ["df/dz"])
    W'*df/dz
    """
    try:
        found = _Chain(derivation, of, stated).derivative(by)
    except RefusedError:
        return None
    if found is None:
        return None
    for name, expr in derivation.values.items():
        if operands(expr) and name != by:
            found = replace(found, {expr: derivation.symbols[name]})
    lines = [Line(derivation.symbols[name], expr) for name, expr in derivation.values.items()]
    found, _ = use_definitions(found, Definitions(lines))
    found, _ = assume(found, derivation.variables, derivation.assumptions)
    return shortened(found)


class _Chain:
    """The chain rule over the values of a derivation, from a function back."""

    def __init__(self, derivation: HandDerivation, of: str, stated: Collection[str]) -> None:
        self.derivation, self.of, self.stated = derivation, of, stated
        self.is_matrix = is_matrix(derivation.symbols[of])

    def derivative(self, by: str) -> Any:
        """Return the derivative by a name; of the values after it, those that are stated as such.

        None stands for no matrix form, or no dependence.
        """
        names = [*self.derivation.values]
        order = names[: names.index(self.of) + 1]
        order = order[order.index(by) + 1 :] if by in order else order
        known: dict[str, Any] = {}
        for name in [*reversed(order), by]:
            if derivative_name(self.of, name) in self.stated and name != by:
                known[name] = self.symbol(name)
                continue
            users = [u for u in order if u in known and self.uses(u, name)]
            if name == self.of:
                known[name] = None
            elif users:
                known[name] = self.total([self.pulled(u, name, known[u]) for u in users])
        return known.get(by)

    def uses(self, value: str, name: str) -> bool:
        """Say whether a value's formula holds a name."""
        expr, symbol = self.derivation.values[value], self.derivation.symbols[name]
        return any(node == symbol for node in postorder(expr)) or symbol in expr.free_symbols

    def symbol(self, name: str) -> Any:
        """Return the symbol of a stated derivative."""
        variable = self.derivation.symbols[name]
        if not self.is_matrix:
            return derivative_symbol(self.of, variable)
        rows = self.derivation.symbols[self.of].shape[0]
        columns = variable.shape[0] if is_matrix(variable) else 1
        return MatrixSymbol(derivative_name(self.of, name), rows, columns)

    def total(self, terms: list[Any]) -> Any:
        """Add what the users send; nothing is known where one of them is not."""
        return add(*terms) if len(terms) > 1 else terms[0]

    def pulled(self, user: str, name: str, cotangent: Any) -> Any:
        """Return what a value sends to a name in its formula; no cotangent is that of itself."""
        expr, variable = self.derivation.values[user], self.derivation.symbols[name]
        symbols, assumed = self.derivation.symbols, self.derivation.assumptions
        formula = Formula(user, expr, symbols, assumed)
        if self.is_matrix:
            return self.jacobian(formula, variable, cotangent)
        seed = MatrixSymbol("any", *expr.shape) if is_matrix(expr) else None
        ((gradient, _),) = Sweep(formula, expr, [variable], seed=seed).run().values()
        if seed is not None:
            return replace(gradient, {seed: cotangent})
        return multiply(Integer(1) if cotangent is None else cotangent, gradient)

    def jacobian(self, formula: Formula, variable: Any, cotangent: Any) -> Any:
        """Return the product of two Jacobians of columns."""
        columns = all(shape_of(each)[1:] == (1,) for each in (formula.expr, variable))
        (result,) = differentiate(formula, [str(variable.name)]).results
        if not columns or result.direction is not None:
            raise RefusedError("There are no Jacobians to multiply.")
        return result.expr if cotangent is None else product(cotangent, result.expr)
