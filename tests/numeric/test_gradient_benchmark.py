"""The losses of ``benchmarks/gradients.py``: every side is about the same function."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.parts.gradient_problems import PROBLEMS, Problem
from benchmarks.parts.gradient_sides import by_hand, ours, ours_in_place
from numeric.check import Verdict, check

EACH_PROBLEM = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)


@EACH_PROBLEM
@pytest.mark.parametrize("side", [ours, ours_in_place])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 1e-4)])
def test_emitted_code_agrees_with_what_is_written_by_hand(
    problem: Problem, side: object, dtype: str, rtol: float
) -> None:
    arrays = problem.point(problem.small, dtype)
    run, read = side(problem, arrays)
    value, gradients = read(run())
    run, read = by_hand(problem, problem.point(problem.small, "float64"))
    expected, by_hand_gradients = read(run())
    assert value == pytest.approx(expected, rel=rtol)
    assert len(gradients) == len(by_hand_gradients) == len(problem.wrt)
    for got, wanted in zip(gradients, by_hand_gradients, strict=True):
        assert got.dtype == dtype
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=0, atol=rtol * np.abs(wanted).max())


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if p.rate is None], ids=lambda p: p.name)
def test_what_is_written_by_hand_passes_our_check(problem: Problem) -> None:
    point = problem.point(problem.small, "float64")

    def gradients(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(problem.wrt, problem.by_hand(**arrays)[1], strict=True))

    def value(**arrays: np.ndarray) -> float:
        return problem.by_hand(**arrays)[0]

    report = check(value, gradients, [point], wrt=list(problem.wrt), max_entries=16)
    assert report.verdict is Verdict.PASS


def test_row_blocks_by_hand_are_the_whole() -> None:
    problem = next(p for p in PROBLEMS if p.name.startswith("softmax, MNIST, all"))
    arrays = problem.point({"n": 2500}, "float64")
    value, (by_W, by_b) = problem.by_hand(**arrays)
    whole, (whole_W, whole_b) = ours(problem, arrays)[0]()
    assert value == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(by_W, whole_W, atol=1e-12)
    np.testing.assert_allclose(by_b, whole_b, atol=1e-12)
