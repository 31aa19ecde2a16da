"""Mistakes in a derivation: a reverse sweep with one change at one node.

Contract: a sweep shares with the right one all that comes before the changed node, and visits every
node below it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy
from sympy import S

from derive import nodes
from derive.build import add, elementwise, hadamard, replace, scale, zero_like
from derive.confusable import Change, named
from derive.errors import ChainRuleError
from derive.graph import is_matrix, operands, postorder, shape_of, symbol_like
from derive.mistakes import changes, replacements
from derive.operations import pull_back, title_of
from derive.scalars import U, name_of, sigmoid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Misstep", "missteps"]

INCOMING = "the incoming derivative"
IN_OUTPUT = {  # derivatives as people write them, in the function's value
    sigmoid: U * (1 - U),
    sympy.tanh: 1 - U**2,
    sympy.exp: U,
}


@dataclass(frozen=True)
class Misstep:
    """A changed gradient, and the node at which it was changed, on the way to which operand."""

    change: Change
    node: Any
    operand: Any


class _Sweep:
    """The cotangents of one function, and what every node sends to its operands."""

    def __init__(self, function: Any, variable: Any, seed: Any) -> None:
        self.function, self.variable = function, variable
        self.seed = S.One if seed is None else seed
        self.order = postorder(function)
        self.live: set[Any] = set()
        for node in self.order:
            if node == variable or any(operand in self.live for operand in operands(node)):
                self.live.add(node)
        self.users: dict[Any, list[tuple[Any, int]]] = {}
        for node in self.order:
            if node in self.live:
                for i, operand in enumerate(operands(node)):
                    self.users.setdefault(operand, []).append((node, i))
        self.sent: dict[Any, list[Any]] = {}
        self.cotangent: dict[Any, Any] = {}
        for node in reversed(self.order):
            if node in self.live:
                self.cotangent[node] = self.received(node, self.sent)
                self.sent[node] = self.pulled(node, self.cotangent[node])

    def received(self, node: Any, sent: dict[Any, list[Any]]) -> Any:
        """Return the sum of what the users of a node send, None where that is nothing."""
        if node == self.function:
            return self.seed
        found = [sent.get(user, self.sent.get(user)) for user, _ in self.users[node]]
        places = [i for _, i in self.users[node]]
        terms = [s[i] for s, i in zip(found, places, strict=True) if s and s[i] is not None]
        return add(*terms) if terms else None

    def pulled(self, node: Any, g: Any) -> list[Any]:
        """Return what a node sends to its operands."""
        if g is None or not operands(node):
            return []
        return list(pull_back(g, node))

    def changed(self, node: Any, place: int, cotangent: Any) -> Any:
        """Return the gradient where a node sends something else to one operand."""
        sent = {node: [*self.sent[node]]}
        sent[node][place] = cotangent
        started = False
        for other in reversed(self.order):
            if other == node:
                started = True
            elif started and any(user in sent for user, _ in self.users.get(other, ())):
                g = self.received(other, sent)
                if other == self.variable:
                    return zero_like(self.variable) if g is None else g
                if other in self.live:
                    sent[other] = self.pulled(other, g)
        return self.cotangent[self.variable]


def missteps(
    function: Any, variable: Any, values: Sequence[Any], seed: Any = None
) -> Iterator[Misstep]:
    """Yield gradients with one mistake each, those with other operands last.

    Args:
        function: what is differentiated.
        variable: by what.
        values: may be taken for one another.
        seed: the cotangent of a function that is no scalar.

    >>> from derive.language import read_formula
    >>> formula = read_formula("sum(relu(W*x))")
    >>> found = missteps(formula.expr, formula.variables["x"], [])
    >>> said = [misstep.change.said for misstep in found]
    >>> 'the derivative of relu is missing: .* step(W*x)' in said
    True
    """
    sweep = _Sweep(function, variable, seed)
    if variable not in sweep.live or variable == function:
        return
    for late in (False, True):
        for node in reversed(sweep.order):
            if node not in sweep.live or sweep.cotangent.get(node) is None:
                continue
            for place, operand in enumerate(operands(node)):
                if operand not in sweep.live:
                    continue
                for change in _sent_otherwise(sweep, node, place, values, late):
                    yield from _swept(sweep, node, place, change)


def _swept(sweep: _Sweep, node: Any, place: int, change: Change) -> Iterator[Misstep]:
    """Carry a change down to the variable, where the sizes fit."""
    operand = operands(node)[place]
    try:
        if change.expr is not None and shape_of(change.expr) != shape_of(operand):
            return
        gradient = sweep.changed(node, place, change.expr)
    except ChainRuleError:
        return
    yield Misstep(Change(change.name, change.said, gradient), node, operand)


_SUMS = (sympy.Add, nodes.MatrixSum)  # of which an operand is the part, and not the whole


def _sent_otherwise(
    sweep: _Sweep, node: Any, place: int, values: Sequence[Any], late: bool
) -> Iterator[Change]:
    """Yield what a node may send by mistake to one operand, given its cotangent."""
    g, operand, right = sweep.cotangent[node], operands(node)[place], sweep.sent[node][place]
    if right is None:
        return
    if not late:
        if isinstance(node, nodes.Elementwise):
            yield from _of_elementwise(g, node)
        if len(sweep.users[operand]) > 1 or sum(o in sweep.live for o in operands(node)) > 1:
            through = named(operand if isinstance(node, _SUMS) else node)
            part = f"the part through {through}" if through else "a part of the chain rule"
            text = named(right) if operand == sweep.variable else ""
            said = f"the term {text}" if text else part
            yield Change("missing-term", f"{said} is missing", None)
            said = f"{part} has the wrong sign"
            yield Change("sign", said, scale(S.NegativeOne, right))
    placeholder = symbol_like(INCOMING, node)
    known = (placeholder, *operands(node), node)
    law = pull_back(placeholder, node)[place]
    where = f"in the derivative of the {title_of(node)}, "
    found = replacements(law, values, known) if late else _of_law(law, node, operand, known)
    for change in found:
        back = replace(change.expr, {placeholder: g})
        text = named(node)
        said = change.said.replace(f"the factor {INCOMING}", INCOMING)
        if text and not said.startswith(INCOMING):
            said = said.replace(INCOMING, f"df/d({text})")
        yield Change(change.name, where + said, back)


def _of_law(law: Any, node: Any, operand: Any, known: tuple[Any, ...]) -> Iterator[Change]:
    yield from changes(law, known)
    if not is_matrix(node) or shape_of(operand) != shape_of(node):
        return
    value = symbol_like("its value", node)
    named_law = pull_back(known[0], node, value)[operands(node).index(operand)]
    if value in postorder(named_law):
        said = "the input stands in place of the output"
        yield Change("input-output", said, replace(named_law, {value: operand}))
    if operand in postorder(law, leaves=(node, operand)):
        said = "the output stands in place of the input"
        yield Change("input-output", said, replace(law, {operand: node}))


def _of_elementwise(g: Any, node: Any) -> Iterator[Change]:
    """Yield mistakes with the derivative of an elementwise function."""
    z = node.matrix
    right = elementwise(node.function.diff(U), z)
    name = name_of(node.function.func) if node.function.args == (U,) else None
    function = name or "the elementwise function"
    text = named(right)
    yield from _of_factors(g, node)
    said = f"the derivative of {function} is missing" + (f": .* {_factor(text)}" if text else "")
    yield Change("missing-mask", said, g)
    said = f"the derivative of {function} is taken at its output"
    yield Change("input-output", said, hadamard(g, elementwise(node.function.diff(U), node)))
    in_output = IN_OUTPUT.get(node.function.func)
    if in_output is not None and node.function.args == (U,):
        said = f"the derivative of {function}, written in its output, is taken at its input"
        yield Change("input-output", said, hadamard(g, elementwise(in_output, z)))
    said = f"{function} stands in place of its derivative"
    yield Change("input-output", said, hadamard(g, node))
    base, exponent = node.function.as_base_exp()
    if exponent.is_number and exponent != 1:
        said = (
            f"the power is not lowered: {text} is the derivative"
            if text
            else ("the power is not lowered")
        )
        yield Change("factor", said, hadamard(g, scale(exponent, node)))
        inner = elementwise(base ** (exponent - 1), z)
        yield Change("factor", f"the factor {exponent} is missing", hadamard(g, inner))


def _of_factors(g: Any, node: Any) -> Iterator[Change]:
    """Yield what lacks one term of the product rule, where the function of an entry is one."""
    factors = [f for f in node.function.as_ordered_factors() if U in f.free_symbols]
    for factor in factors if len(factors) > 1 else ():
        term = elementwise(node.function / factor * factor.diff(U), node.matrix)
        rest = elementwise(
            node.function.diff(U) - node.function / factor * factor.diff(U), node.matrix
        )
        said = f"the term {named(term) or 'of one factor'} of the product rule is missing"
        yield Change("missing-term", said, hadamard(g, rest))


def _factor(text: str) -> str:
    """Put a sum in parentheses."""
    return f"({text})" if " + " in text or " - " in text else text
