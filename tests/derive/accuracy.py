"""Bits that emitted code loses, against many digits: Herbie's measure, beyond the conditioning.

For an output entry y of inputs x, whose exact value at the rounded inputs mpmath knows, an error of
u·Σ_j |∂y/∂x_j·x_j|, u the unit roundoff, is what rounding the inputs once more would do to it. The
bits lost beyond the condition number are log2 |found − y| / (u·max(|y|, Σ_j |∂y/∂x_j·x_j|)). A sum
of entries also has the condition number of a sum, Σ |terms| / |y|. Where y is below the smallest
normal number, what is as small is right; where it overflows, nothing is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath
import numpy as np
import sympy

from derive.build import multiply
from derive.derivatives import differentiate
from derive.emit import emit, value_names
from derive.exact import entries_of, explicit
from derive.graph import is_matrix
from derive.language import Formula, read_formula
from derive.nodes import Total
from derive.scalars import FUNCTIONS, absolute
from numeric.points import concrete_shape, distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.derive.test_operations import Pulled

SCALES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4)
DTYPES = (np.float32, np.float64)
DIGITS = (50, 120, 400, 1500, 9500)  # exp(1e4) − exp(−1e4) has 8,686
SETTLED = mpmath.mpf(10) ** -15
NEGLIGIBLE = mpmath.mpf(10) ** -350  # of entries that nothing but rounding keeps from zero
UNSCALED = {"onehot", "simplex", "binary", "pm1", "unit"}


class OutsideError(ValueError):
    """A point at which the formula has no real value."""


class Loss(NamedTuple):
    """The bits lost in an entry, beyond its condition number; infinite where it is no number."""

    excess: float
    output: str
    scale: float
    found: float
    exact: float


@dataclass(frozen=True)
class Subject:
    """Expressions over variables, as one emitted function and as exact entries."""

    formula: Formula
    outputs: Mapping[str, Any]
    names: Mapping[Any, str]
    unscaled: tuple[str, ...] = ()

    @classmethod
    def of_operation(cls, rule: Pulled) -> Subject:
        """A row's node and its cotangents, g of ordinary size."""
        return cls(rule.formula, {"value": rule.node, **rule.cotangents}, {}, ("g",))

    @classmethod
    def of_formula(cls, text: str, **assumed: tuple[str, ...]) -> Subject:
        """A formula and its gradients by what is not given, as a module of it computes them."""
        formula = read_formula(text, None, assumed)
        given = tuple(name for name, kinds in assumed.items() if UNSCALED & {*kinds})
        derivation = differentiate(formula, [n for n in formula.variables if n not in given])
        outputs = {"value": derivation.formula.expr, **derivation.gradient}
        return cls(derivation.formula, outputs, value_names(derivation), given)

    def losses(
        self, dtype: Any, scales: Sequence[float] = SCALES, draws: int = 2
    ) -> Iterator[Loss]:
        """Yield the worst entry of each output at each point that is drawn."""
        sizes = distinct_sizes(self.formula, start=2)
        exact = Exact(self.formula, self.outputs, sizes)
        variables = self.formula.variables
        function = emit([*self.outputs.values()], variables, dict(self.names)).function
        for scale in scales:
            for seed in range(draws):
                point, entries, allowed = self._inside(exact, sizes, dtype, scale, seed)
                if entries is None:
                    continue
                with np.errstate(all="ignore"):
                    found = function(*(point[name] for name in variables))
                overflows = any(abs(entry) > np.finfo(dtype).max for entry in entries)
                start = 0
                for name, values in zip(self.outputs, found, strict=True):
                    flat = np.asarray(values, dtype=float).ravel()
                    here = slice(start, start + flat.size)
                    start += flat.size
                    yield max(
                        Loss(excess(f, y, a, dtype, overflows), name, scale, float(f), rounded(y))
                        for f, y, a in zip(flat, entries[here], allowed[here], strict=True)
                    )

    def _inside(self, exact: Exact, sizes: Any, dtype: Any, scale: float, seed: int) -> Any:
        """Draw entries of one kind after another, until the formula has a value there."""
        for kind in ("signed", "positive", "bounded"):
            point = self._drawn(sizes, dtype, scale, seed, kind)
            try:
                return point, *exact(point)
            except OutsideError:
                continue
        return None, None, None

    def _drawn(self, sizes: Any, dtype: Any, scale: float, seed: int, kind: str) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        (point,) = draw_points(self.formula, lambda _: True, sizes=sizes, count=1, seed=seed)
        for name, variable in self.formula.variables.items():
            shape = concrete_shape(variable, sizes)
            if name in self.unscaled:
                entries = np.asarray(point[name])
            elif name in self.formula.assumptions:
                entries = scale * np.asarray(point[name])
            elif kind == "bounded":
                near = np.exp(-scale) if scale < 1 else 0.3 / scale
                entries = rng.choice([-1, 1], shape) * (1 - near * rng.uniform(0.5, 1.5, shape))
            elif kind == "positive":
                entries = scale * rng.uniform(0.5, 2.0, shape)
            else:
                entries = scale * rng.standard_normal(shape)
            point[name] = np.asarray(entries).astype(dtype)[()]
        return dict(point)


# --- Truth ---------------------------------------------------------------------------------------


class Exact:
    """The entries of expressions, evaluated by mpmath in as many digits as they need."""

    def __init__(
        self, formula: Formula, outputs: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> None:
        """Write the outputs in their entries, and compile those."""
        by_symbol = {size: sizes[str(size)] for size in formula.sizes}
        self.variables = tuple(formula.variables)
        written = (entries_of(v, by_symbol) for v in formula.variables.values())
        symbols = [s for v in written for s in (v if is_matrix(v) else (v,))]
        entries: list[Any] = []
        terms: list[Any] = []  # of an entry that is a sum over others, their sizes
        for expr in outputs.values():
            dense = explicit(expr, by_symbol)
            entries.extend(dense if is_matrix(dense) else (dense,))
            summed = explicit(_summed(expr), by_symbol)
            terms.append(sympy.Add(*map(absolute, summed)))
            terms.extend([sympy.S.Zero] * (len(entries) - len(terms)))
        self._of, self._terms_of = (
            sympy.lambdify(symbols, each, [TRUTH, "mpmath"], cse=True) for each in (entries, terms)
        )

    def __call__(self, point: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """Return the entries at a point, and of each Σ_j |∂y/∂x_j·x_j| or the terms it adds up.

        Raises:
            OutsideError: where one is no real number.
        """
        x = [mpmath.mpf(float(e)) for name in self.variables for e in np.ravel(point[name])]
        before: list[Any] | None = None
        for digits in DIGITS:
            with mpmath.workdps(digits):
                entries = self._entries(x)
                if settled(before, entries):
                    spread = self._spread(x, entries, mpmath.mpf(10) ** (-digits // 4))
                    return entries, list(map(max, spread, self._terms_of(*x)))
                before = entries
        raise OutsideError

    def _entries(self, x: Sequence[Any]) -> list[Any] | None:
        try:
            found = [mpmath.mpmathify(entry) for entry in self._of(*x)]
        except ZeroDivisionError:
            return None
        if any(isinstance(entry, mpmath.mpc) and entry.imag for entry in found):
            raise OutsideError
        return [entry.real for entry in found]

    def _spread(self, x: Sequence[Any], entries: Sequence[Any], step: Any) -> list[Any]:
        spread = [mpmath.mpf(0)] * len(entries)
        for j, value in enumerate(x):
            if value:
                moved = self._entries([*x[:j], value * (1 + step), *x[j + 1 :]]) or entries
                differences = zip(spread, moved, entries, strict=True)
                spread = [total + abs(new - old) / step for total, new, old in differences]
        return spread


def _summed(expr: Any) -> Any:
    """Return the entries that an expression adds up, times what is before the sum; else none."""
    sums = [factor for factor in sympy.Mul.make_args(expr) if isinstance(factor, Total)]
    if len(sums) != 1 or is_matrix(expr):
        return sympy.ZeroMatrix(1, 1)
    return multiply(
        sympy.Mul(*(f for f in sympy.Mul.make_args(expr) if f not in sums)), sums[0].args[0]
    )


def settled(before: Sequence[Any] | None, entries: Sequence[Any] | None) -> bool:
    """Say whether more digits changed nothing."""
    if before is None or entries is None or not all(map(mpmath.isfinite, entries)):
        return False
    return all(
        abs(new - old) <= SETTLED * abs(new) or abs(new) < NEGLIGIBLE
        for old, new in zip(before, entries, strict=True)
    )


def _inside_domain(name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    low, high = FUNCTIONS[name].domain

    def checked(u: Any) -> Any:
        if isinstance(u, mpmath.mpc) or not low < u < high:
            raise OutsideError
        return function(u)

    return checked


TRUTH: dict[str, Any] = {
    "relu": lambda u: max(u, mpmath.mpf(0)),
    "step": lambda u: mpmath.mpf(u > 0),
    "sign": mpmath.sign,
    "absolute": abs,
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log(1 + mpmath.exp(u)),
    "lgamma": _inside_domain("lgamma", mpmath.loggamma),
    "digamma": _inside_domain("digamma", lambda u: mpmath.psi(0, u)),
    "trigamma": _inside_domain("trigamma", lambda u: mpmath.psi(1, u)),
    "maximum": max,
    "minimum": min,
}


# --- Bits ----------------------------------------------------------------------------------------


def excess(found: float, exact: Any, spread: Any, dtype: Any, overflows: bool = False) -> float:
    """Return the bits lost beyond the condition number; 0 where the exact value has no place.

    Where some entry overflows, so may what is computed of it.
    """
    kind = np.finfo(dtype)
    unit, tiny, largest = (float(v) for v in (kind.eps / 2, kind.tiny, kind.max))
    if abs(exact) > largest:
        return 0.0
    if not math.isfinite(found):
        return 0.0 if overflows else math.inf
    error = abs(mpmath.mpf(found) - exact)
    allowed = unit * max(abs(exact), spread)
    if abs(exact) < tiny:
        allowed = max(allowed, mpmath.mpf(tiny))
    if error <= allowed:
        return 0.0
    return float(mpmath.log(error / allowed, 2)) if allowed else math.inf


def rounded(exact: Any) -> float:
    """Return an exact value as a number to print."""
    return float(exact) if abs(exact) < 1e308 else math.copysign(math.inf, exact)
