"""Emitted code keeps its digits: values and gradients within 3 bits of what conditioning allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest

from tests.derive.accuracy import Subject, excess
from tests.derive.spelled import LOOSE, LOSING, SPELLED
from tests.derive.test_operations import EXAMPLES, pulled

if TYPE_CHECKING:
    from derive.operations import Operation

BITS = 3.0
# Of the scales and points of benchmarks/accuracy.py, a few; beyond 1e3 it takes 10⁴ digits.
SCALES = ((np.float32, (1.0, 1e3)), (np.float64, (1e-8, 1e2)))


def mark(text: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(text in LOSING, reason=LOSING.get(text, ""), strict=True)


def limit(text: str) -> float:
    return LOOSE[text][0] if text in LOOSE else BITS


def worst(subject: Subject) -> float:
    return max(loss.excess for d, scales in SCALES for loss in subject.losses(d, scales, draws=1))


@pytest.mark.parametrize(
    ("row", "text"),
    [pytest.param(row, text, marks=mark(text), id=f"{row.name}-{text}") for row, text in EXAMPLES],
)
def test_operations_keep_their_digits(row: Operation, text: str) -> None:
    assert worst(Subject.of_operation(pulled(row, text))) <= limit(text)


@pytest.mark.parametrize("text", [pytest.param(text, marks=mark(text)) for text in SPELLED])
def test_formulas_as_people_spell_them_keep_their_digits(text: str) -> None:
    assert worst(Subject.of_formula(text, **SPELLED[text])) <= limit(text)


# --- The measure itself --------------------------------------------------------------------------


def test_bits_are_counted_beyond_the_condition_number() -> None:
    one, unit = mpmath.mpf(1), 2.0**-53
    assert excess(1.0, one, one, np.float64) == 0
    assert excess(1 + 16 * unit, one, one, np.float64) == pytest.approx(4)
    assert excess(1 + 16 * unit, one, 4 * one, np.float64) == pytest.approx(2)
    assert excess(1 + 16 * unit, one, one, np.float32) == 0
    assert math.isinf(excess(math.nan, one, one, np.float64))
    assert math.isinf(excess(1e-300, mpmath.mpf(0), mpmath.mpf(0), np.float32)) is False
    assert excess(math.inf, mpmath.mpf(10) ** 400, one, np.float64) == 0
    assert excess(0.0, mpmath.mpf(10) ** -320, one * 0, np.float64) == 0


def test_what_cancels_is_seen_to_lose() -> None:
    """Bits are counted of what code computes: a determinant less 1 loses nearly all near 1."""
    assert worst(Subject.of_formula("det(eye(2) + X'*X) - 1")) > 20
