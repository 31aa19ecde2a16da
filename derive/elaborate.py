"""A syntax tree whose shapes are known, to a SymPy expression built through ``derive.build``.

Every constant is computed in floating point as well: a number that is not real, or beyond the range
of double precision, is refused before SymPy is asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy
from sympy import Float, Mul, Pow, Rational, S

from derive import build
from derive.chains import Entries, Factors, Terms, whole
from derive.errors import FormulaError, InputError
from derive.functions import CONSTANTS, FUNCTIONS
from derive.graph import is_matrix, postorder
from derive.inference import size_arguments
from derive.nodes import Elementwise, Product
from derive.scalars import U, multiply, power
from derive.shapes import SCALAR, Shape, Sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.syntax import Syntax

__all__ = ["elaborate"]

MAX_DIGITS = 308  # of a numerator or a denominator: the range of double precision
MAX_BITS = 1_024  # as many in binary
MAX_EXPONENT = 2**53
MAX_MATRIX_POWER = 50
MAX_SCALAR_DEPTH = 120  # nested functions of scalars, which SymPy compares by recursion
MAX_FACTORS = MAX_MATRIX_POWER**2  # of a power of a product, and of a power of a power
MAX_POWERS = 40  # powers of scalars within each other, whose time in SymPy is more than linear

_POLES = (S.ComplexInfinity, S.NaN, S.Infinity, S.NegativeInfinity)


def elaborate(
    tree: Syntax,
    source: str,
    sizes: Sizes,
    shapes: Mapping[Syntax, Shape],
    variables: Mapping[str, Any],
) -> Any:
    """Build the expression of a formula.

    Raises:
        FormulaError: for a number or a power that cannot be computed with.
    """
    return _Elaborator(source, sizes, shapes, variables).run(tree)


class _Elaborator:
    def __init__(
        self,
        source: str,
        sizes: Sizes,
        shapes: Mapping[Syntax, Shape],
        variables: Mapping[str, Any],
    ) -> None:
        self.source, self.sizes, self.variables = source, sizes, variables
        self.shapes = shapes
        self.rough: dict[Syntax, Any] = {}  # the constants, in floating point
        self.powers: dict[Syntax, int] = {}  # how deep powers of scalars are nested
        self.calls: dict[Syntax, int] = {}  # how deep functions of scalars are

    def run(self, tree: Syntax) -> Any:
        values: dict[Syntax, Any] = {}
        is_size = size_arguments(tree)
        for node in tree.postorder():
            if node not in is_size:
                arguments = [values.pop(child) for child in node.children if child not in is_size]
                try:
                    values[node] = self.checked_value(node, arguments)
                except FormulaError:
                    raise
                except InputError as error:
                    raise self.error(str(error), node) from None
                except RecursionError:  # in what SymPy asks itself about scalars
                    raise self.error("scalars are nested too deep here", node) from None
        result = whole(values[tree])
        self.check_numbers(result, tree)
        return result

    def error(self, message: str, node: Syntax) -> FormulaError:
        return FormulaError(message, self.source, node.position)

    # Limits.

    def checked_value(self, node: Syntax, arguments: list[Any]) -> Any:
        self.limit_powers(node)
        self.limit_calls(node)
        known = [self.rough[child] for child in node.children if child in self.rough]
        if arguments and len(known) == len(arguments) and self.shapes[node] == SCALAR:
            self.rough[node] = self.in_range(whole(self.value(node, known)), node)
        value = self.value(node, arguments)
        if any(value is pole for pole in _POLES):
            raise self.error("this is not a real number", node)
        if not arguments and not is_matrix(value) and value.is_number:
            self.rough[node] = Float(value)
        return value

    def in_range(self, number: Any, node: Syntax) -> Any:
        """Return a number that is real and in the range of double precision."""
        number = number.evalf()  # softmax(2) is the integer 1, of which exp makes no float
        if not number.is_Number or not number.is_finite:
            raise self.error("this is not a real number", node)
        if abs(number) > Float("1e308"):
            raise self.error("this number is beyond the range of double precision, 1e308", node)
        return number

    def limit_calls(self, node: Syntax) -> None:
        """Limit the functions of scalars within each other; those of matrices have no limit."""
        if self.shapes[node] != SCALAR:
            return
        of_scalar = node.kind == "call" and self.shapes[node.children[0]] == SCALAR
        depth = max((self.calls.get(child, 0) for child in node.children), default=0) + of_scalar
        self.calls[node] = depth
        if depth > MAX_SCALAR_DEPTH:
            limit = f"more than {MAX_SCALAR_DEPTH} nested functions of scalars, the limit"
            raise self.error(f"{limit}; of vectors and matrices there may be any number", node)

    def limit_powers(self, node: Syntax) -> None:
        """Limit the powers of scalars within each other; functions of functions are none."""
        if self.shapes[node] != SCALAR:
            return
        depths = [self.powers.get(child, 0) for child in node.children] or [0]
        if node.kind in ("^", ".^", "/", "./"):
            depths[1] += 1
        if node.kind in ("^", ".^") or _is_power_of_sum(node):
            depths[0] += 1
        self.powers[node] = max(depths)
        if self.powers[node] > MAX_POWERS:
            raise self.error(f"more than {MAX_POWERS} nested powers of scalars, the limit", node)

    def check_numbers(self, expr: Any, node: Syntax) -> None:
        """Refuse a number that came out not real, or beyond the range of double precision."""
        for part in postorder(expr):
            inside = part.function.atoms() if isinstance(part, Elementwise) else {part}
            if any(number.is_Rational and _bits(number) > MAX_BITS for number in inside):
                raise self.error(f"this makes a number of more than {MAX_DIGITS} digits", node)
            if not inside.isdisjoint((*_POLES, S.ImaginaryUnit)):
                raise self.error("this is not a real number", node)

    # Nodes.

    def value(self, node: Syntax, arguments: list[Any]) -> Any:
        if node.kind == "number":
            return self.number(node)
        if node.kind == "name":
            return self.name(node)
        if node.kind in ("+", "-", ".*", "./"):
            return self.entrywise(node, *arguments)
        if node.kind in ("*", "/"):
            return self.product(node, *arguments)
        done = [whole(value) for value in arguments]
        if node.kind == "call":
            return self.call(node, done)
        if node.kind == "neg":
            return _negative(done[0])
        if node.kind == "'":
            return build.transpose(done[0])
        return (self.power if node.kind == "^" else self.entrywise_power)(node, *done)

    def number(self, node: Syntax) -> Any:
        mantissa, _, exponent = node.value.lower().partition("e")
        exponent = exponent.lstrip("+-0")  # how large it is
        short = len(mantissa) <= 2 * MAX_DIGITS and len(exponent) <= len(str(MAX_DIGITS))
        if short and int(exponent or 0) <= 2 * MAX_DIGITS:
            number = Rational(node.value)
            if _bits(number) <= MAX_BITS:
                return number
        raise self.error(f"a number of more than {MAX_DIGITS} digits", node)

    def name(self, node: Syntax) -> Any:
        if node.value in self.variables:
            return self.variables[node.value]
        return sympy.pi if node.value == "pi" else self.sizes.symbol(node.value)

    def call(self, node: Syntax, arguments: list[Any]) -> Any:
        if node.value in CONSTANTS:
            rows, columns = map(self.sizes.symbol, self.shapes[node])
            return CONSTANTS[node.value](rows, columns)
        return self.stretch(FUNCTIONS[node.value].build(*arguments), node)

    def stretch(self, value: Any, node: Syntax) -> Any:
        """Stretch a scalar, a row or a column to the shape of a node, by products with ones."""
        rows, columns = map(self.sizes.symbol, self.shapes[node])
        return build.stretch(value, rows, columns)

    def entrywise(self, node: Syntax, left: Any, right: Any) -> Any:
        """Collect the operands of a sum or an elementwise product, each of the node's shape."""
        kind = Terms if node.kind in ("+", "-") else Entries
        stretched = self.sizes.shape(self.shapes[node]) != self.sizes.shape(
            self.shapes[node.children[0]]
        )
        if stretched or not isinstance(left, kind):
            left = kind(self.stretch(whole(left), node))
        right = whole(right)
        if node.kind == "-":
            right = _negative(right)
        elif node.kind == "./":
            right = self.reciprocal(right)
        left.append(self.stretch(right, node))
        return left

    def product(self, node: Syntax, left: Any, right: Any) -> Any:
        chain = left if isinstance(left, Factors) else Factors(whole(left))
        right = whole(right)
        chain.append(self.reciprocal(right) if node.kind == "/" else right)
        return chain

    # Powers.

    def reciprocal(self, value: Any) -> Any:
        if value == 0 or isinstance(value, sympy.ZeroMatrix):
            raise InputError("division by 0")
        return (build.power if is_matrix(value) else power)(value, S.NegativeOne)

    def power(self, node: Syntax, base: Any, exponent: Any) -> Any:
        self.limit_power(node, base, exponent)
        if not is_matrix(base):
            return power(base, exponent)
        if not exponent.is_Integer or abs(exponent) > MAX_MATRIX_POWER:
            raise self.error(
                f"a matrix takes integer powers up to {MAX_MATRIX_POWER}, got {exponent}. "
                "Use .^ for a power of the entries",
                node,
            )
        factors = len(base.factors) if isinstance(base, Product) else 1
        if factors * abs(exponent) > MAX_FACTORS:
            raise self.error(f"a power of more than {MAX_FACTORS} factors, the limit", node)
        if exponent == 0:
            return build.identity(base.shape[0])
        factor = build.inverse(base) if exponent < 0 else base
        return build.product(*[factor] * abs(int(exponent)))

    def entrywise_power(self, node: Syntax, base: Any, exponent: Any) -> Any:
        if self.sizes.shape(self.shapes[node]) == SCALAR:
            return self.power(node, base, exponent)
        if node.children[1] in self.rough:
            self.limit_power(node, base, exponent)
            return build.power(base, exponent)
        known = self.rough.get(node.children[0], base)
        if known.is_Number and known <= 0:
            raise self.error("this is not a real number", node)
        if base.is_Rational:
            return build.elementwise(Pow(base, U), exponent)
        logarithm = FUNCTIONS["log"].build(base)
        if is_matrix(base) and is_matrix(exponent):
            logarithm = build.hadamard(self.stretch(exponent, node), self.stretch(logarithm, node))
        else:
            logarithm = build.multiply(exponent, logarithm)
        return FUNCTIONS["exp"].build(logarithm)

    def limit_power(self, node: Syntax, base: Any, exponent: Any) -> None:
        """Refuse a power that cannot be computed with, before it is computed."""
        if not exponent.is_Rational:
            return
        if exponent != 0 and not 1 <= abs(exponent) * MAX_EXPONENT <= MAX_EXPONENT**2:
            raise self.error(f"exponents go from 1/{MAX_EXPONENT} to {MAX_EXPONENT}", node)
        scalar = build.split(base)[0] if is_matrix(base) else base
        if scalar == 0 and exponent < 0:
            raise self.error("division by 0", node)
        bits = sum(_bits_of_power(*factor.as_base_exp()) for factor in Mul.make_args(scalar))
        if bits * abs(exponent) > MAX_BITS:
            raise self.error(f"a power of more than {MAX_DIGITS} digits", node)


def _negative(value: Any) -> Any:
    return (build.scale if is_matrix(value) else multiply)(S.NegativeOne, value)


def _is_power_of_sum(node: Syntax) -> bool:
    is_power = node.kind == "call" and node.value in ("exp", "sqrt", "inv")
    return is_power and node.children[0].kind != "call"


def _bits(number: Any) -> int:
    return max(abs(int(number.p)).bit_length(), int(number.q).bit_length())


def _bits_of_power(base: Any, exponent: Any) -> Any:
    """Return how many binary digits a power of a number has; of a symbol none.

    Of a sum those of its content count: (2·s + 2·t)^n is 2^n·(s + t)^n.
    """
    if base.is_Add:
        base = base.primitive()[0]
    if not base.is_Rational or not exponent.is_Rational:
        return 0
    return (_bits(base) - 1) * abs(exponent)
