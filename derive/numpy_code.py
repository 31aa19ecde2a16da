"""Code over arrays, as one more notation.

Products are ``@``, scalars ``*``; those with ones are sums along an axis or left to broadcasting.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Identity, OneMatrix, Rational

from derive.errors import RefusedError
from derive.graph import is_matrix, operands
from derive.kernels import KERNELS
from derive.library_calls import ARRAY_NAMES, CALLS
from derive.nodes import (
    Elementwise,
    EntrywiseMaximum,
    EntrywiseMinimum,
    Hadamard,
    Inner,
    Kronecker,
    MatrixSum,
    Product,
)
from derive.notation import Notation
from derive.sharing import stretched
from derive.spelling import ATOM, NAMED, POSTFIX, PRODUCT, Piece, decimal
from derive.squared_norms import squared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NumPyCode"]

LONG = 10**7  # a denominator beyond which a number is not printed as a fraction
SMALL = 4  # the first digit's place from which a decimal is written with a power of ten


class NumPyCode(Notation):
    """Print expressions as Python over NumPy arrays: columns are (n, 1), scalars 0-d."""

    times, dot, over, dot_over = " * ", " * ", " / ", " / "

    def __init__(
        self,
        sizes: Mapping[Any, str],
        names: tuple[str, str],
        like: str,
        calls: Mapping[str, str],
    ) -> None:
        """Take how code finds each size, what it calls the arrays' library and NumPy.

        ``like`` is an argument of the code's dtype; the calls are those of ``PORTABLE`` or
        ``NUMPY``, and what replaces some of them.
        """
        self.sizes, self.like = sizes, like
        self.xp, self.numpy = names
        self.calls = {**CALLS, **calls}

    def _node(self, node: Any, done: dict[Any, Piece], bound: Piece | None) -> Piece:
        """Print a node; constants stay Python's numbers, which change no array's dtype."""
        inside = operands(node)
        constant = not is_matrix(node) and (
            all(done[operand].constant for operand in inside)
            if inside
            else bool(node.is_number or node.is_integer)
        )
        return replace(self._in_code(node, done, bound), constant=constant)

    def _in_code(self, node: Any, done: dict[Any, Piece], bound: Piece | None) -> Piece:
        if isinstance(node, (EntrywiseMaximum, EntrywiseMinimum)):
            cores, pieces = self._entrywise(node.args, done)
            return self.call(node.name, [pieces[core] for core in cores])
        if isinstance(node, (MatrixSum, Hadamard)):
            cores, pieces = self._entrywise(node.args, done)
            if isinstance(node, Hadamard):
                inner = [core.matrix for core in cores if isinstance(core, Elementwise)]
                return self._hadamard(cores, {**{m: done[m] for m in inner}, **pieces})
            return self.sum([pieces[core] for core in cores])
        if isinstance(node, Inner):
            chain = super()._node(node, done, bound)
            return Piece(f"({chain.text})[0, 0]", ATOM, chain.negative)
        if (matrix := squared(node)) is not None:
            inside = done[matrix].signed()
            return self.call("sum", [Piece(f"{self.xp}.square({inside})")])
        if isinstance(node, Kronecker) and any(isinstance(a, Identity) for a in node.args):
            return self._kronecker_with_identity(node, done)
        if isinstance(node, Product) and (core := stretched(node)) is not None:
            return self._materialised(node, core[0], done)
        if isinstance(node, Product) and len(node.args) == 2 and _is_outer(*node.args):
            column, row = (done[factor] for factor in node.args)
            negative = column.negative != row.negative
            left = self.wrap(replace(column, negative=False), PRODUCT)
            right = self.wrap(replace(row, negative=False), NAMED)
            return Piece(f"{left} * {right}", PRODUCT, negative)
        return super()._node(node, done, bound)

    def _entrywise(
        self, operands: Sequence[Any], done: dict[Any, Piece]
    ) -> tuple[Sequence[Any], dict[Any, Piece]]:
        """Print operands; stretching is left to broadcasting where one has the full shape."""
        cores = [stretched(operand) for operand in operands]
        if all(core is not None for core in cores):
            return operands, {operand: done[operand] for operand in operands}
        bare = [o if core is None else core[0] for o, core in zip(operands, cores, strict=True)]
        return bare, {operand: self._operand(operand, done) for operand in bare}

    def _operand(self, core: Any, done: dict[Any, Piece]) -> Piece:
        """Print what broadcasting stretches: ones are 1 there."""
        if isinstance(core, OneMatrix):
            return Piece("1")
        return done[core] if core in done else self._node(core, done, None)

    def _kronecker_with_identity(self, node: Any, done: dict[Any, Piece]) -> Piece:
        """Print a Kronecker product with an identity, which is not formed."""
        a, b = node.args
        if isinstance(a, Identity):
            return self.call("eye_kron", [Piece(self(a.shape[0])), done[b]])
        return self.call("kron_eye", [done[a], Piece(self(b.shape[0]))])

    def _materialised(self, node: Any, core: Any, done: dict[Any, Piece]) -> Piece:
        """Print a stretched value that stands alone."""
        value = self._operand(core, done)
        shape = [Piece(self(size)) for size in node.shape]
        if is_matrix(core):
            rows, columns = (size.text for size in shape)
            return Piece(f"{self.xp}.broadcast_to({value.signed()}, ({rows}, {columns}))")
        if all(symbol.is_integer for symbol in core.free_symbols):
            return self.call("full", [value, *shape])
        # A product, so that the library's rules of promotion choose the dtype.
        text = self.wrap(replace(value, negative=False), PRODUCT)
        ones = self.call("full", [Piece("1"), *shape]).text
        return Piece(f"{text} * {ones}", PRODUCT, value.negative)

    def _product(self, node: Any, done: dict[Any, Piece], dotted: bool) -> Piece:
        """Print a product; one that is scaled as a whole is computed first, so in brackets."""
        inside = node.args[-1]
        scaled = isinstance(node, Product) and len(node.factors) == 1 and node.coefficient != -1
        if scaled and isinstance(inside, Product) and len(inside.factors) > 1:
            whole = done[inside]
            if whole.level == PRODUCT:
                done = {**done, inside: replace(whole, text=f"({whole.text})", level=ATOM)}
        return super()._product(node, done, dotted)

    def _chain(self, factors: tuple[Any, ...], done: dict[Any, Piece]) -> Piece:
        """Print a product of matrices: 2 * A @ B is what it reads as, (2 * A) @ B."""
        first = factors[0]
        if len(factors) > 1 and isinstance(first, Product) and len(first.args) == 2:
            number, matrix = first.args
            if number.is_Integer and done[matrix].level not in (PRODUCT, NAMED):
                done = {**done, first: replace(done[first], level=NAMED)}
        return super()._chain(factors, done)

    def product(self, factors: list[Piece]) -> Piece:
        """Print a product; a sign that is printed with it stays at the factor that has it.

        A minus sign binds more tightly than ``@``: before the first factor it would negate that.
        """
        parts = [self.wrap(replace(f, negative=False), NAMED) for f in factors]
        text = " @ ".join(parts)
        negative = sum(f.negative for f in factors) % 2 == 1
        if len(factors) == 1:
            return replace(factors[0], text=text, level=PRODUCT, negative=negative)
        with_sign = f"-({text})"
        if negative:
            with_sign = " @ ".join(
                f"-{part}" if factor.negative else part
                for part, factor in zip(parts, factors, strict=True)
            )
        return Piece(text, PRODUCT, negative, with_sign=with_sign)

    def elementwise_product(self, above: list[Piece], below: list[Piece]) -> Piece:
        """Print factors; 2 * a * b is what it reads as, (2 * a) * b."""
        first, *rest = above or [Piece(self.one)]
        if first.level == PRODUCT and " @ " not in first.text:
            first = replace(first, level=NAMED)
        return super().elementwise_product([first, *rest], below)

    def transpose(self, matrix: Piece) -> Piece:
        return Piece(f"{self.wrap(matrix, ATOM)}.T", ATOM)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        if exponent == 1:
            return base
        if exponent == 2 and not base.constant:
            return Piece(f"{self.xp}.square({base.signed()})")
        if exponent == Rational(1, 2) and not base.constant:
            return self.call("sqrt", [base])
        halves = 2 * exponent
        if halves.is_Integer and not exponent.is_Integer:
            printed = Piece(decimal(abs(exponent)), ATOM, bool(exponent < 0))
        text = self.wrap(printed or self.piece(exponent), ATOM)
        return Piece(f"{self.wrap(base, ATOM)}**{text}", POSTFIX)

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        if name in ("max", "min") and len(arguments) > 1:
            return self._extremum(name, arguments)
        inside = [argument.signed() for argument in arguments]
        if name in self.calls:
            return Piece(self.calls[name].format(*inside, xp=self.xp, like=self.like))
        constant = all(argument.constant for argument in arguments)
        head = f"{self.numpy if constant else self.xp}.{ARRAY_NAMES.get(name, name)}"
        text = f"{f'_{name}' if f'_{name}' in KERNELS else head}({', '.join(inside)})"
        return Piece(f"float({text})" if constant else text)

    def _extremum(self, name: str, arguments: list[Piece]) -> Piece:
        """Print the larger or smaller of several; constants are bounds of what is not one."""
        constants = [argument.signed() for argument in arguments if argument.constant]
        others = [argument.signed() for argument in arguments if not argument.constant]
        text = reduce(lambda a, b: f"{self.xp}.{name}imum({a}, {b})", others) if others else ""
        bound = "at least" if name == "max" else "at most"
        if constants:
            number = f"{name}({', '.join(constants)})" if len(constants) > 1 else constants[0]
            text = self.calls[bound].format(text, number, xp=self.xp) if others else number
        return Piece(text)

    def first_maximum(self, node: Any, matrix: Piece) -> Piece:
        return self.call(node.name, [matrix])

    def constant(self, name: str, sizes: tuple[Any, ...]) -> Piece:
        shape = [Piece(self(size)) for size in sizes]
        if name == "eye":
            return self.call("eye", shape[:1])
        return self.call("full", [Piece("1" if name == "ones" else "0"), *shape])

    def number(self, number: Any) -> Piece:
        if number.is_Rational and number.q > LONG:
            return Piece(repr(abs(float(number))), ATOM, bool(number < 0))
        piece = super().number(number)
        return replace(piece, text=self.numeral(piece.text))

    def numeral(self, digits: str) -> str:
        """Print the digits of a number, of a small one in powers of ten."""
        place = len(digits) - len(digits.removeprefix("0.").lstrip("0")) - 1
        if not digits.startswith("0.") or place < SMALL:
            return digits
        first, rest = digits[place + 1], digits[place + 2 :]
        return f"{first}{'.' if rest else ''}{rest}e-{place}"

    def symbol(self, node: Any) -> Piece:
        if node in self.sizes:
            return Piece(self.sizes[node])
        if node.is_integer:
            raise RefusedError(
                f"Code cannot know the size {node}: no argument has it in its shape. Declare it as "
                f"a number, for example ones(3) for ones({node})."
            )
        name = {sympy.pi: "pi", sympy.E: "e"}.get(node)
        return Piece(f"{self.numpy}.{name}") if name else super().symbol(node)


def _is_outer(column: Any, row: Any) -> bool:
    """Say whether a product of two is a column times a row, which broadcasting computes."""
    return is_matrix(column) and column.shape[1] == 1 and row.shape[0] == 1
