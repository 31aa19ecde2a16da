"""The first seed of the mutation benchmark, of ``benchmarks/mutation.py``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from numeric.check import Verdict
from tests.numeric.losses import LOSSES, Loss
from tests.numeric.mutants import (
    DISTANCES,
    LOSS_SCALES,
    ONE_ENTRY,
    Problem,
    agrees_in_float32,
    examine,
    mutants,
    wilson,
)

SEED = 0
RIGHT_SEEDS = 8  # times 12 losses and 3 scales: a tenth of 3,000
EACH_LOSS = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
KINKED = [loss for loss in LOSSES if loss.beside_kink]

problem_of = cache(lambda name: Problem(next(loss for loss in LOSSES if loss.name == name)))


@EACH_LOSS
def test_independent_value_is_that_of_the_formula(loss: Loss) -> None:
    problem = problem_of(loss.name)
    for point in problem.points(SEED):
        np.testing.assert_allclose(loss.by_hand(np, **point), problem.value(**point), rtol=1e-12)


@EACH_LOSS
def test_every_structural_mutant_is_rejected_at_every_scale(loss: Loss) -> None:
    problem = problem_of(loss.name)
    points = problem.points(SEED)
    structural = [m for m in mutants(problem, points, SEED) if m.grade is None]
    chosen = [mutant for mutant in structural if mutant.differs(problem, points)]
    assert len(chosen) >= 10
    for mutant in chosen:
        for scale in LOSS_SCALES:
            found = examine(problem, mutant, points, scale, SEED)
            assert found.verdict is Verdict.FAIL, (mutant.kind, scale, found.reason)
            assert found.located is not False, (mutant.kind, scale, found.reason)


@EACH_LOSS
def test_small_errors_of_one_entry_are_found_and_located(loss: Loss) -> None:
    problem = problem_of(loss.name)
    points = problem.points(SEED)
    for mutant in mutants(problem, points, SEED):
        for scale in LOSS_SCALES if mutant.kind == ONE_ENTRY and mutant.grade in (1, 5, 9) else ():
            found = examine(problem, mutant, points, scale, SEED)
            assert (found.verdict, found.located) == (Verdict.FAIL, True), (mutant.grade, scale)


@EACH_LOSS
def test_no_right_gradient_is_rejected(loss: Loss) -> None:
    problem = problem_of(loss.name)
    verdicts = {
        (seed, scale): examine(problem, None, problem.points(1000 + seed), scale, seed).verdict
        for seed in range(RIGHT_SEEDS)
        for scale in LOSS_SCALES
    }
    assert verdicts == dict.fromkeys(verdicts, Verdict.PASS)


@pytest.mark.parametrize("loss", KINKED, ids=lambda loss: loss.name)
def test_no_right_gradient_is_rejected_beside_a_kink(loss: Loss) -> None:
    problem = problem_of(loss.name)
    (drawn,) = problem.points(SEED, 1)
    failing = {}
    for distance in (side * distance for distance in DISTANCES for side in (1, -1)):
        point = loss.beside_kink(drawn, distance)
        nearest = min(np.abs(argument).min() for argument in problem.kinks(**point))
        assert nearest <= 1.001 * abs(distance)
        for scale in LOSS_SCALES:
            found = examine(problem, None, [point], scale, SEED)
            if found.verdict is Verdict.FAIL:
                failing[distance, scale] = found.reason
    assert failing == {}


@EACH_LOSS
def test_code_in_float32_agrees_with_float64_unless_it_is_wrong(loss: Loss) -> None:
    problem = problem_of(loss.name)
    for seed in range(RIGHT_SEEDS):
        (point,) = problem.points(1000 + seed, 1)
        assert {agrees_in_float32(problem, point, scale) for scale in LOSS_SCALES} == {True}
        assert agrees_in_float32(problem, point, 1.0, factor=1.001) is False


def test_an_error_of_one_in_many_entries_takes_few_values() -> None:
    loss = next(loss for loss in LOSSES if loss.name == "softmax cross-entropy")
    shapes = {"X": "m,784", "W": "784,10", "Y": "m,10"}
    problem = Problem(replace(loss, shapes=shapes), {"m": 16})
    points = [{**point, "W": point["W"] / 28} for point in problem.points(SEED)]
    one = next(m for m in mutants(problem, points, SEED) if (m.kind, m.grade) == (ONE_ENTRY, 9))
    for scale in LOSS_SCALES:
        found = examine(problem, one, points, scale, SEED)
        assert (found.verdict, found.located) == (Verdict.FAIL, True)
        assert found.seen_after is not None
        assert found.seen_after <= 5


def test_bounds_are_those_of_wilson() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 3000) == pytest.approx((0.0, 0.00128), abs=1e-5)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
