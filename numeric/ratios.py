"""What a claim is of the right answer: a number of times, or one of its values times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.confusable import named, values_of
from derive.errors import ChainRuleError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.notation import TEXT
from numeric.comparing import RTOL, Values, constant_ratio, equal, values_at
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numeric.mistakes import Looking

__all__ = ["factored", "in_numbers", "number_text", "terms_scaled"]

LARGEST_DENOMINATOR = 1_000
OTHER_START = 7  # the first of other sizes, which tell a size from a number
POWERS = (1, -1, 2, -2)
FACTORS = 80  # values that are tried


def in_numbers(looking: Looking) -> tuple[str, str] | None:
    """Name a claim that is a number of times the right answer, or a size of times.

    >>> number_text(-0.5), number_text(3**0.5)
    ('-1/2', 'sqrt(3)')
    """
    ratios = _ratios(looking.claimed, looking.right)
    if ratios is None:
        return None
    sign = " and the sign is wrong" if ratios[0] < 0 else ""
    size = _of_size(looking, [abs(ratio) for ratio in ratios])
    if size is not None:
        return size[0], size[1] + sign
    ratio = constant_ratio(looking.claimed, looking.right)
    if ratio is None or abs(ratio - 1) <= RTOL:
        return None
    if abs(ratio + 1) <= RTOL:
        return "sign", "the right answer with the opposite sign"
    return "factor", factor_sentence(abs(ratio)) + sign


def _ratios(claimed: Values | None, right: Values | None) -> list[float] | None:
    """Return the claim over the right answer at every point, None where that is no number."""
    found = [constant_ratio((c,), (r,)) for c, r in zip(claimed or (), right or (), strict=True)]
    numbers = [ratio for ratio in found if ratio is not None]
    return numbers if numbers and len(numbers) == len(found) else None


def factor_sentence(ratio: float) -> str:
    """Say which factor is missing or too many."""
    if number_text(ratio) == "1":
        return f"{ratio:.12g} times the right answer, which is not the right answer"
    if ratio < 1:
        return f"the right answer with the factor {number_text(1 / ratio)} dropped"
    text = number_text(ratio)
    if text.isdigit():
        return f"{text} times the right answer: a factor {text} too many"
    return f"{text} times the right answer: the factor 1/{text} is missing"


def number_text(number: float) -> str:
    """Print a number as a fraction, a root or a multiple of pi, where it is one."""
    for value, shown in (
        (number, "{}"),
        (number * abs(number), "sqrt({})"),
        (number / np.pi, "{}*pi"),
    ):
        close = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
        if close and abs(float(close) - value) <= RTOL * abs(value):
            sign = "-" if value < 0 and shown != "{}" else ""
            return sign + shown.format(abs(close) if sign else close).replace("1*pi", "pi")
    return f"{number:.6g}"


def _of_size(looking: Looking, ratios: list[float]) -> tuple[str, str] | None:
    """Name ratios that are numbers of rows, columns or entries, or one over them."""
    points = list(looking.points)
    if looking.question.derivation.formula.sizes and len(set(map(_shapes, points))) == 1:
        elsewhere = _elsewhere(looking)
        if elsewhere is None:
            return None
        point, ratio = elsewhere
        points, ratios = [*points, point], [*ratios, abs(ratio)]
    for text, numbers in _sizes(looking, points).items():
        varies = len(set(numbers)) > 1
        for power in (1.0, -1.0, 0.5, -0.5):
            left = [r / n**power for r, n in zip(ratios, numbers, strict=True)]
            beside = next((b for b in (1.0, 2.0, 0.5) if _are(left, b)), None)
            written = beside == 1 and abs(power) == 1 and _divides(looking, numbers[0])
            if beside is not None and (varies or written):
                return _size_sentence(text, power, beside)
    return None


def _are(numbers: list[float], value: float) -> bool:
    return all(abs(number - value) <= RTOL * value for number in numbers)


def _size_sentence(text: str, power: float, beside: float) -> tuple[str, str]:
    tail = "" if beside == 1 else f", and a factor {number_text(beside)} is left"
    root = text if abs(power) == 1 else f"sqrt({text})"
    said = f"the factor 1/{root} is missing" if power > 0 else f"a factor 1/{root} too many"
    if root != text:
        return "factor", said + tail
    mean = "a mean taken for a sum" if power > 0 else "a sum taken for a mean"
    return "sum-vs-mean", f"{said}: {mean}{tail}"


def _shapes(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(np.shape(value) for value in point.values())


def _sizes(looking: Looking, points: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Return the numbers of rows, columns and entries of the variables at points, by name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, variable in looking.question.derivation.formula.variables.items():
        if is_matrix(variable) and name in points[0]:
            rows, columns = zip(*(np.shape(point[name]) for point in points), strict=True)
            m, n = map(TEXT.size, variable.shape)
            entries = tuple(r * c for r, c in zip(rows, columns, strict=True))
            found |= {m: rows, n: columns, f"({m}*{n})": entries}
    return {text: numbers for text, numbers in found.items() if max(numbers) > 1}


def _divides(looking: Looking, size: int) -> bool:
    """Say whether the formula or the claim divides by a size that is written as a number."""
    order = postorder(looking.question.derivation.formula.expr, looking.claim)
    numbers = (n for n in order if getattr(n, "is_Rational", False) and size > 2)
    return any(n.q % size == 0 for n in numbers)


def _elsewhere(looking: Looking) -> tuple[Mapping[str, Any], float] | None:
    """Return a point of other sizes, and the ratio there."""
    formula = looking.question.derivation.formula
    exprs = [looking.claim, looking.question.right.expr]
    if set(looking.variables) - set(formula.variables):
        return None

    def both(point: Mapping[str, Any]) -> list[Values | None]:
        return list(values_at(exprs, looking.variables, [point]))

    def is_inside(point: Mapping[str, Any]) -> bool:
        return all(v is not None and np.isfinite(v[0]).all() for v in both(point))

    sizes = distinct_sizes(formula, start=OTHER_START)
    try:
        (point,) = draw_points(formula, is_inside, sizes=sizes, count=1)
    except ChainRuleError:
        return None
    ratio = constant_ratio(*both(point))
    return None if ratio is None else (point, ratio)


def factored(looking: Looking, *, by_matrix: bool = False) -> tuple[str, str] | None:
    """Name a claim that is the right answer times one of the values in question, or over it.

    The values are scalars, or matrices as factors entry by entry.
    """
    if looking.claimed is None or looking.right is None:
        return None
    wanted = (e for e in _factors(looking) if is_matrix(e) is by_matrix)
    exprs = list(dict.fromkeys(wanted))[:FACTORS]
    for expr, values in zip(exprs, looking.values(exprs), strict=True):
        if values is None or not all(np.isfinite(v).all() for v in values):
            continue
        if not is_matrix(expr):
            found = _scalar_factor(looking, expr, values)
        else:
            found = _matrix_factor(looking, expr, values)
        if found is not None:
            return found
    return None


def _factors(looking: Looking) -> Iterator[Any]:
    formula, right = looking.question.derivation.formula, looking.question.right.expr
    yield from formula.variables.values()
    order = postorder(right, formula.expr, looking.claim)
    yield from (n for n in order if not is_matrix(n) and n.free_symbols and operands(n))
    yield from values_of(right, formula.expr, looking.claim)


def _scalar_factor(looking: Looking, expr: Any, values: Values) -> tuple[str, str] | None:
    for power in POWERS:
        with np.errstate(all="ignore"):
            times = tuple(r * v**power for r, v in zip(looking.right or (), values, strict=True))
        ratio = constant_ratio(looking.claimed, times)
        if ratio is not None:
            text = named(expr) or "a value"
            factor = text if abs(power) == 1 else f"({text})^2"
            beside = "" if abs(ratio - 1) <= RTOL else f", and a factor {number_text(ratio)}"
            if power < 0:
                return "factor", f"the factor {factor} is missing{beside}"
            return "factor", f"the right answer times {factor}: a factor too many{beside}"
    return None


def _matrix_factor(looking: Looking, expr: Any, values: Values) -> tuple[str, str] | None:
    if not _broadcasts(values, looking.right):
        return None
    text = named(expr) or "an elementwise factor"
    times = tuple(c * v for c, v in zip(looking.claimed or (), values, strict=True))
    ratio = constant_ratio(times, looking.right)
    if ratio is not None:
        beside = "" if abs(ratio - 1) <= RTOL else f", beside a factor {number_text(ratio)}"
        return "missing-mask", f"the elementwise factor .* {text} is missing{beside}"
    times = tuple(r * v for r, v in zip(looking.right or (), values, strict=True))
    ratio = constant_ratio(looking.claimed, times)
    if ratio is None:
        return None
    beside = "" if abs(ratio - 1) <= RTOL else f", beside a factor {number_text(ratio)}"
    if not beside and expr == looking.question.right.variable:
        beside = ": the power is not lowered"
    return "factor", f"the right answer times .* {text}{beside}"


def _broadcasts(values: Values, right: Values | None) -> bool:
    return right is not None and all(
        v.ndim == r.ndim == 2 and all(a in (1, b) for a, b in zip(v.shape, r.shape, strict=True))
        for v, r in zip(values, right, strict=True)
    )


def terms_scaled(looking: Looking) -> tuple[str, str] | None:
    """Name a claim of which one term is a number of times what it should be."""
    right = looking.question.right.expr
    if not (right.is_Add or right.is_MatAdd) or looking.claimed is None or looking.right is None:
        return None
    excess = tuple(c - r for c, r in zip(looking.claimed, looking.right, strict=True))
    for term, values in zip(right.args, looking.values(right.args), strict=True):
        more = constant_ratio(excess, values)
        if more is None or shape_of(term) != shape_of(right):
            continue
        whole = tuple(r + more * v for r, v in zip(looking.right, values or (), strict=True))
        if not equal(whole, looking.claimed):
            continue
        text = f"the term {named(term)}" if named(term) else "a term"
        if abs(more + 1) <= RTOL:
            return "missing-term", f"{text} is missing"
        if abs(more + 2) <= RTOL:
            return "sign", f"{text} has the wrong sign"
        return "factor", f"{text} stands {number_text(more + 1)} times"
    return None
