"""Entries and scalar factors as rational functions of a few symbols: y·(1 − s) − (1 − y)·s = y − s.

Sums, products and powers of entries, and scalars, obey the algebra of numbers, in which SymPy is
sound: what is neither (a product of matrices, a norm, a function's value) is replaced by a real
symbol first, the shortest of a few equal forms is chosen, and what the symbols stand for is put
back through the constructors. The forms are tried on small expressions only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Add, Integer, Mul, OneMatrix, Pow, Symbol

from derive.build import add, elementwise, fused, hadamard, ones, power, rebuild, scale
from derive.build.linear import in_order
from derive.graph import is_matrix, operands, postorder, weight
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product
from derive.rational import equal_forms
from derive.reading import HEAVY, reading
from derive.scalars import U, absolute, relu, sigmoid, sign, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["shorter_entries", "shorter_scalars"]

ONE = Integer(1)
QUOTIENTS = ((sympy.tanh, sympy.sinh, sympy.cosh), (sympy.tan, sympy.sin, sympy.cos))
MANY = 60  # operations of entries that are looked at together


def shorter_entries(expr: Any) -> Any:
    """Write sums and products of entries in their shortest form, (1 − y) ⊙ s − y ⊙ (1 − s) = s − y.

    >>> from derive.language import read_formula
    >>> entries = "y .* (1 - z) - (1 - y) .* z"
    >>> shorter_entries(read_formula(entries, {"y": "n", "z": "n"}).expr)
    y - z
    """
    return _everywhere(expr, is_matrix)


def shorter_scalars(expr: Any) -> Any:
    """Write scalars in their shortest form, 2·(n/2 + 1/2)·a/(b·(1 + c/b)) = (n + 1)·a/(b + c)."""
    return _everywhere(expr, lambda node: not is_matrix(node))


def _everywhere(expr: Any, concerns: Callable[[Any], bool]) -> Any:
    """Shorten the outermost nodes of arithmetic, those inside others' operands first."""
    order = postorder(expr)
    outermost = {expr}
    for node in order:
        inside = set(_inside(node))
        outermost.update(o for o in operands(node) if o not in inside)
        if isinstance(node, Elementwise):
            outermost.add(node.matrix)
    done: dict[Any, Any] = {}
    for node in order:
        old = operands(node)
        new = tuple(done[operand] for operand in old)
        result = node if new == old else rebuild(node, new)
        if node in outermost and concerns(node) and _inside(result):
            result = _shortest(result)
        done[node] = result
    return done[expr]


def _inside(node: Any) -> tuple[Any, ...]:
    """Return the operands that a node does arithmetic with, entry by entry or as scalars."""
    if isinstance(node, Product):
        coefficient = () if is_matrix(node.args[0]) else node.args[:1]
        return (*coefficient, *(node.factors if len(node.factors) == 1 else ()))
    if isinstance(node, (MatrixSum, Hadamard)):
        return tuple(node.args)
    if isinstance(node, Elementwise):
        return (node.matrix,)
    if is_matrix(node) or not isinstance(node, (Add, Mul, Pow, sympy.Function)):
        return ()
    return tuple(node.args)


@lru_cache(maxsize=1 << 11)
def _shortest(node: Any) -> Any:
    """Return the shortest form of a node of arithmetic."""
    if weight(node) > HEAVY:
        return node
    symbols = _Symbols(node.shape if is_matrix(node) else None)
    rational = symbols.rational(node)
    if rational is None or not symbols.is_promising(rational):
        return node
    best, least = node, reading(node)
    for form in equal_forms(rational, symbols.relations()):
        candidate = symbols.put_back(form)
        effort = reading(candidate)
        if effort < least:
            best, least = candidate, effort
    return best


class _Symbols:
    """Symbols for what is no arithmetic, and what each of them stands for."""

    def __init__(self, shape: tuple[Any, Any] | None) -> None:
        self.shape = shape
        self.of: dict[Any, Any] = {}  # a node, or a function and its argument -> the symbol
        self.meaning: dict[Any, Any] = {}
        self.repeated = False
        self.constants = 0  # numbers that are added to entries

    def symbol(self, meaning: Any) -> Any:
        if meaning not in self.of:
            found = _numbered(len(self.of))
            self.of[meaning], self.meaning[found] = found, meaning
        else:
            self.repeated = True
        return self.of[meaning]

    def rational(self, root: Any) -> Any:
        """Return a node as a rational function of symbols, None where it is too large for that."""
        order = _arithmetic(root)
        if order is None:
            return None
        uses = [operand for node in order for operand in _inside(node) if not operand.is_number]
        self.repeated = len(uses) > len(set(uses))
        done: dict[Any, Any] = {}
        for node in order:
            done[node] = self._rational(node, done)
        return done[root]

    def _rational(self, node: Any, done: dict[Any, Any]) -> Any:
        if isinstance(node, OneMatrix):
            self.constants += 1
            return ONE
        if isinstance(node, (MatrixSum, Add)):
            return Add(*(done[term] for term in node.args))
        if isinstance(node, Product):
            rest = node.factors
            alone = done[rest[0]] if len(rest) == 1 else self.symbol(in_order(list(rest)))
            return Mul(done.get(node.args[0], ONE) if not is_matrix(node.args[0]) else ONE, alone)
        if isinstance(node, (Hadamard, Mul)):
            return _product([done[factor] for factor in node.args])
        if isinstance(node, Elementwise):
            return self._applied(node.function, done[node.matrix])
        if isinstance(node, (Pow, sympy.Function)) and not is_matrix(node):
            return self._function(node.func, *(done[arg] for arg in node.args))
        return node if not is_matrix(node) and node.is_number else self.symbol(node)

    def _applied(self, function: Any, argument: Any) -> Any:
        """Return a function of U at an argument."""
        done: dict[Any, Any] = {U: argument}
        for part in postorder(function):
            if part in done:
                continue
            inside = tuple(done[arg] for arg in part.args)
            self.constants += isinstance(part, Add) and part.args[0].is_number
            if not inside or isinstance(part, (Add, Mul)):
                done[part] = part.func(*inside) if inside else part
            else:
                done[part] = self._function(part.func, *inside)
        return done[function]

    def _function(self, function: Any, *arguments: Any) -> Any:
        """Return a power or a function's value: a root is a symbol, its powers are powers."""
        if function is Pow:
            base, exponent = arguments
            if exponent.is_Integer:
                return base**exponent
            if exponent.is_Rational:
                return self.symbol((Pow, base, Integer(1) / exponent.q)) ** exponent.p
            number, rest = exponent.as_coeff_Add()
            if number.is_Integer and number > 0:
                return base**number * self.symbol((Pow, base, rest))
        return self.symbol((function, *arguments))

    def is_promising(self, rational: Any) -> bool:
        """Say whether something occurs twice, functions may cancel, or a sum has a content."""
        sums = (part for part in sympy.preorder_traversal(rational) if part.is_Add)
        contents = any(part.primitive()[0] != 1 for part in sums)
        return self.repeated or self.constants > 1 or contents or bool(self.relations())

    def relations(self) -> tuple[tuple[Any, Any], ...]:
        """List what symbols equal in terms of others, f(u) = g: something may cancel then."""
        return tuple(
            (symbol, value)
            for meaning, symbol in tuple(self.of.items())
            if isinstance(meaning, tuple) and len(meaning) == 2
            for value in self._equals(*meaning)
        )

    def _equals(self, function: Any, u: Any) -> Iterable[Any]:
        """Yield what f(u) equals, of functions that occur of the same argument."""
        if function is sigmoid and (sigmoid, -u) in self.of:
            yield 1 - self.of[sigmoid, -u]
        elif function is sigmoid and u.could_extract_minus_sign():
            yield 1 - self.symbol((sigmoid, -u))
        for quotient, above, below in QUOTIENTS:
            if function is above and (below, u) in self.of:
                yield self.symbol((quotient, u)) * self.of[below, u]
        if function is sign and (absolute, u) in self.of:
            yield u / self.of[absolute, u]
        if function is sign:
            yield self.symbol((absolute, u)) / u
        if function is step and (relu, u) in self.of:
            yield self.of[relu, u] / u
        if function is sympy.exp:
            yield from self._logistic(u)
            for logarithm in Mul.make_args(u):
                meaning = self.meaning.get(logarithm, ())
                if isinstance(meaning, tuple) and meaning[:1] == (sympy.log,):
                    yield meaning[1] * self.symbol((sympy.exp, sympy.expand(u - logarithm)))

    def _logistic(self, u: Any) -> Iterable[Any]:
        """Yield exp(u) in terms of exp(v) and sigmoid(u − v) where v is the one other exponent."""
        others = [m[1] for m in self.of if isinstance(m, tuple) and m[0] is sympy.exp and m[1] != u]
        if len(others) == 1:
            share = self.symbol((sigmoid, u - others[0]))
            yield self.of[sympy.exp, others[0]] * share / (1 - share)

    def put_back(self, form: Any) -> Any:
        """Return the node that a rational function of the symbols stands for."""
        done: dict[Any, Any] = {}
        pending = [form]
        while pending:
            part = pending[-1]
            inside = self._needed(part)
            missing = [p for p in inside if p not in done]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            done[part] = self._node(part, [done[p] for p in inside])
        result = done[form]
        if self.shape is not None and not is_matrix(result):
            return scale(result, ones(*self.shape))
        return result

    def _needed(self, part: Any) -> tuple[Any, ...]:
        meaning = self.meaning.get(part)
        if meaning is not None:
            return tuple(meaning[1:]) if isinstance(meaning, tuple) else ()
        return tuple(part.args)

    def _node(self, part: Any, inside: list[Any]) -> Any:
        meaning = self.meaning.get(part)
        if meaning is not None:
            if not isinstance(meaning, tuple):
                return meaning
            if meaning[0] is Pow:
                base, exponent = inside
                number_to = is_matrix(exponent)
                return elementwise(Pow(base, U), exponent) if number_to else power(base, exponent)
            if is_matrix(inside[0]):
                return elementwise(meaning[0](U), inside[0])
            return meaning[0](*inside, evaluate=inside[0].is_Atom)
        if isinstance(part, Add):
            return self._sum(inside)
        if isinstance(part, Mul):
            scalars = fused(Mul(*(f for f in inside if not is_matrix(f))))
            matrices = [f for f in inside if is_matrix(f)]
            return scale(scalars, hadamard(*matrices)) if matrices else scalars
        return power(*inside) if isinstance(part, Pow) else part

    def _sum(self, terms: list[Any]) -> Any:
        if self.shape is None or not any(map(is_matrix, terms)):
            return Add(*terms)
        stretched = (t if is_matrix(t) else scale(t, ones(*self.shape)) for t in terms)
        return add(*stretched)


def _product(factors: list[Any]) -> Any:
    """Multiply, differences all with one sign: (a − b)·(b − a) is −(a − b)²."""
    turned = [isinstance(f, Add) and f.could_extract_minus_sign() for f in factors]
    sign = (-1) ** sum(turned)
    return Mul(sign, *(-f if turn else f for f, turn in zip(factors, turned, strict=True)))


@lru_cache(maxsize=256)
def _numbered(number: int) -> Any:
    return Symbol(f"_{number}", real=True)


def _arithmetic(root: Any) -> Iterable[Any] | None:
    """List the nodes of arithmetic below a node, operands first, and what they operate on."""
    order: dict[Any, None] = {}
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(_inside(node)))
            if len(stack) + len(order) > MANY:
                return None
    return order
