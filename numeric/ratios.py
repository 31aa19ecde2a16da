"""What a claim is of the right answer: a number of times, or one of its values times."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import ChainRuleError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.mistakes import named, related, values_of
from derive.notation import TEXT
from numeric.comparing import RTOL, Values, constant_ratio, equal, values_at
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numeric.mistakes import Looking

__all__ = ["factored", "in_numbers", "number_text", "terms_scaled"]

LARGEST_DENOMINATOR = 1_000
OTHER_START = 7  # the first of other sizes, which tell a size from a number
POWERS = (1, -1, 2, -2)
FACTORS = 80  # values that are tried


def in_numbers(looking: Looking) -> tuple[str, str] | None:
    """Name a claim that is a number of times the right answer.

    >>> number_text(-0.5), number_text(3**0.5)
    ('-1/2', 'sqrt(3)')
    """
    ratio = constant_ratio(looking.claimed, looking.right)
    if ratio is None or abs(ratio - 1) <= RTOL:
        return None
    sign = " and the sign is wrong" if ratio < 0 else ""
    if abs(ratio + 1) <= RTOL:
        return "sign", "the right answer with the opposite sign"
    size = _size(looking, abs(ratio))
    if size is not None:
        return "sum-vs-mean", size + sign
    return "factor", factor_sentence(abs(ratio)) + sign


def factor_sentence(ratio: float) -> str:
    """Say which factor is missing or too many."""
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


def _size(looking: Looking, ratio: float) -> str | None:
    """Say that a ratio is a number of rows or columns, or one over it."""
    formula = looking.question.derivation.formula
    elsewhere = _ratio_elsewhere(looking) if formula.sizes else None
    symbolic = elsewhere is not None and abs(abs(elsewhere) - ratio) > RTOL * ratio
    if formula.sizes and not symbolic and elsewhere is not None:
        return None
    for size, text in _sizes(looking).items():
        for beside in (1.0, 2.0, 0.5):
            tail = "" if beside == 1 else f", and a factor {number_text(beside)} is left"
            for times, said in (
                (float(size), f"the factor 1/{text} is missing: a mean taken for a sum"),
                (1 / size, f"a factor 1/{text} too many: a sum taken for a mean"),
            ):
                if abs(times * beside - ratio) <= RTOL * ratio and (
                    symbolic or (beside == 1 and _divides(looking, size))
                ):
                    return said + tail
    return None


def _sizes(looking: Looking) -> dict[int, str]:
    """Return the numbers of rows, columns and entries of the variables, with their names."""
    found: dict[int, str] = {}
    variables = looking.question.derivation.formula.variables
    for name, variable in variables.items():
        if is_matrix(variable) and name in looking.points[0]:
            numbers = np.shape(looking.points[0][name])
            for number, size in zip(numbers, variable.shape, strict=True):
                found.setdefault(int(number), TEXT.size(size))
            entries = int(np.prod(numbers))
            found.setdefault(entries, "(" + "*".join(map(TEXT.size, variable.shape)) + ")")
    return {number: text for number, text in found.items() if number > 1}


def _divides(looking: Looking, size: int) -> bool:
    """Say whether the formula or the claim divides by a size that is written as a number."""
    order = postorder(looking.question.derivation.formula.expr, looking.claim)
    numbers = (n for n in order if getattr(n, "is_Rational", False) and size > 2)
    return any(n.q % size == 0 for n in numbers)


def _ratio_elsewhere(looking: Looking) -> float | None:
    """Return the ratio at points of other sizes."""
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
    return constant_ratio(*both(point))


def factored(looking: Looking) -> tuple[str, str] | None:
    """Name a claim that is the right answer times one of the values in question, or over it."""
    if looking.claimed is None or looking.right is None:
        return None
    exprs = list(dict.fromkeys(_factors(looking)))[:FACTORS]
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
    variable = looking.question.right.variable
    if expr == variable or related(expr, variable):
        beside += ": the power is not lowered" if expr == variable else ""
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
