"""Code over arrays, as one more notation.

Products are ``@``, scalars ``*``; those with ones are sums along an axis or left to broadcasting.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Identity, OneMatrix, Rational

from derive.errors import RefusedError
from derive.graph import is_matrix, operands
from derive.kernels import KERNELS
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
from derive.spelling import ATOM, NAMED, POSTFIX, PRODUCT, Piece
from derive.squared_norms import squared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NUMPY", "PORTABLE", "REDUCTIONS", "NumPyCode"]

# What a call is written as: {xp} is the library, {like} an argument of the code's dtype.
_CALLS = {
    "sum": "{xp}.sum({0})",
    "rowsum": "{xp}.sum({0}, axis=1, keepdims=True)",
    "colsum": "{xp}.sum({0}, axis=0, keepdims=True)",
    "norm2": "{xp}.sqrt({xp}.sum({xp}.square({0})))",
    "logdet": "{xp}.linalg.slogdet({0})[1]",
    "inv": "{xp}.linalg.inv({0})",
    "pinv": "{xp}.linalg.pinv({0})",
    "reshape": "{xp}.reshape({0}, ({1}, {2}))",
    "sums of blocks": "{xp}.sum({xp}.reshape({0}, ({1}, {2}, {3}, {4})), axis=(1, 3))",
    "sum of blocks": "{xp}.sum({xp}.reshape({0}, ({1}, {2}, {3}, {4})), axis=(0, 2))",
    "solve": "{xp}.linalg.solve({0}, {1})",
}
_NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}  # the array-API standard's

# What libraries spell in different ways, once for all of them and once as NumPy spells it.
PORTABLE = MappingProxyType(
    {
        "rowmax": "_rowmax({0})",
        "tr": "{xp}.sum(_diagvec({0}))",
        "diag": "_diag({0})",
        "diagvec": "_diagvec({0})",
        "kron": "_kron({0}, {1})",
        "copy": "_copy({0})",
        "at least": "{xp}.clip({0}, {1}, None)",
        "at most": "{xp}.clip({0}, None, {1})",
        "full": "_full({like}, {0}, {1}, {2})",
        "eye": "_eye({like}, {0})",
        "constant": "_number({like}, {0})",
    }
)
NUMPY = MappingProxyType(
    {
        "relu": "{xp}.maximum({0}, 0)",
        "rowmax": "{xp}.max({0}, axis=1, keepdims=True)",
        "tr": "{xp}.trace({0})",
        "diag": "{xp}.diagflat({0})",
        "diagvec": "{xp}.diag({0})[:, None].copy()",
        "at least": "{xp}.maximum({0}, {1})",
        "at most": "{xp}.minimum({0}, {1})",
        "full": "{xp}.full(({1}, {2}), {0}, {xp}.result_type({like}, 0.5))",
        "eye": "{xp}.eye({0}, dtype={xp}.result_type({like}, 0.5))",
        "constant": "{xp}.full((), {0}, {xp}.result_type({like}, 0.5))",
    }
)

# What np.sum and np.max call in the end, and what the BLAS sums, for code in a loop:
# benchmarks/training.py and benchmarks/gradients.py have the gain.
REDUCTIONS = MappingProxyType(
    {
        "sum": "{xp}.add.reduce({0}, axis=None)",
        "rowsum": "{xp}.add.reduce({0}, axis=1, keepdims=True)",
        "colsum": "{xp}.add.reduce({0}, axis=0, keepdims=True)",
        "vecdot": "{xp}.vecdot({0}, {1}, keepdims=True)",
        "max": "{xp}.maximum.reduce({0}, axis=None)",
        "min": "{xp}.minimum.reduce({0}, axis=None)",
        "rowmax": "{xp}.maximum.reduce({0}, axis=1, keepdims=True)",
        # a training does not need the digits of what is small beside its neighbours
        "balanced": "({0})",
        "rowbalanced": "({0})",
        "rowless_one": "({1} - 1)",
    }
)

LONG = 10**7  # a denominator beyond which a number is not printed as a fraction


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
        self.calls = {**_CALLS, **calls}

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
        text = self.wrap(replace(value, negative=False), NAMED)
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

    def transpose(self, matrix: Piece) -> Piece:
        return Piece(f"{self.wrap(matrix, ATOM)}.T", ATOM)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        if exponent == 1:
            return base
        if exponent == 2 and not base.constant:
            return Piece(f"{self.xp}.square({base.signed()})")
        if exponent == Rational(1, 2) and not base.constant:
            return self.call("sqrt", [base])
        text = self.wrap(printed or self.piece(exponent), ATOM)
        return Piece(f"{self.wrap(base, ATOM)}**{text}", POSTFIX)

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        if name in ("max", "min") and len(arguments) > 1:
            return self._extremum(name, arguments)
        inside = [argument.signed() for argument in arguments]
        if name in self.calls:
            return Piece(self.calls[name].format(*inside, xp=self.xp, like=self.like))
        constant = all(argument.constant for argument in arguments)
        head = f"{self.numpy if constant else self.xp}.{_NAMES.get(name, name)}"
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
        return super().number(number)

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
