"""Tell right gradients from wrong ones, beside other people's gradient checkers.

Twelve functions are differentiated, and their gradients changed on purpose: by the mistakes that
people make, and by factors 1 + 10⁻ᵏ, at three points and with the loss times 1e-6, 1 and 1e6. What
counts is how many of them a checker rejects, that it rejects no right gradient, and that ours names
an entry that is wrong. The functions are in ``tests/numeric/losses.py``, the mutants in
``tests/numeric/mutants.py``. Other checkers take part where they are installed (the extra
``peers``), each with its defaults, at the points of the first seed. The first seed of ours, a
tenth, runs in the test suite.

Usage: python benchmarks/mutation.py [--fraction 1.0] [--seed 0]
Prints tables, the targets, and one line of JSON. `≥` is the lower end, `≤` the upper end of
Wilson's 95 % interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from parts.gradient_checkers import CHECKERS, installed
from parts.measuring import finish, met, missing_note, versions
from parts.tally import About, Tally, rate

from numeric.check import Verdict
from tests.numeric.losses import LOSSES
from tests.numeric.mutants import (
    ALL_ENTRIES,
    DISTANCES,
    GRADES,
    LOSS_SCALES,
    ONE_ENTRY,
    Problem,
    agrees_in_float32,
    examine,
    mutants,
)

SEEDS, GRADED_SEEDS, RIGHT_SEEDS = 10, 3, 84
RIGHT_POINTS, KINK_POINTS = 1000, 2000  # added to a seed, for points of their own
OURS = "ours"
SMALL, DENSE, SPARSE, HUGE = "6–60 entries", "784×10", "784×10, sparse", "10⁶ entries"
FEW_GRADES = (3, 6, 9)  # where a check takes seconds
RIGHT, KINK, FLOAT32, OFF = "right", "beside a kink", "float32", "float32, 1e-3 off"
VALUES_TARGET = 5
TOOLS = (OURS, *(checker.name for checker in CHECKERS))


def mutate(tally, size, problem, points, seed, *, grades=GRADES, scales=LOSS_SCALES, checkers=()):
    """Put the mutants of a problem before our check and before others, at every scale."""
    chosen = [
        mutant
        for mutant in mutants(problem, points, seed)
        if mutant.grade in (None, *grades) and mutant.differs(problem, points)
    ]
    for loss_scale in scales:
        others = [
            (checker, [checker.at(problem, point, loss_scale) for point in points])
            for checker in checkers
        ]
        for mutant in chosen:
            ours(tally, size, problem, mutant, points, loss_scale, seed)
            claims = [np.asarray(loss_scale * mutant.gradient(**point)) for point in points]
            about = About(size, mutant.kind, mutant.grade, loss_scale, OURS)
            for checker, rejects in others:
                judged(tally, about._replace(tool=checker.name), rejects, claims)


def one_entry_of_many(tally, problem, point, seed, checkers):
    """Put three one-entry errors before checkers whose cost goes with the entries, at a point."""
    for mutant in mutants(problem, [point], seed):
        if mutant.kind == ONE_ENTRY and mutant.grade in FEW_GRADES:
            for checker in checkers:
                rejects, claims = [checker.at(problem, point, 1.0)], [mutant.gradient(**point)]
                about = About(DENSE, mutant.kind, mutant.grade, 1.0, checker.name)
                judged(tally, about, rejects, claims)


def ours(tally, size, problem, mutant, points, loss_scale, seed):
    """Put a mutant, or the right gradient (None), before our check."""
    began = time.perf_counter()
    found = examine(problem, mutant, points, loss_scale, seed=seed)
    tally.seconds[OURS] += time.perf_counter() - began
    kind, grade = (RIGHT, None) if mutant is None else (mutant.kind, mutant.grade)
    tally.add(About(size, kind, grade, loss_scale, OURS), found.verdict)
    expected = Verdict.PASS if mutant is None else Verdict.FAIL
    if grade is None and found.verdict is not expected:
        tally.surprises[f"{size}, {problem.name}, {kind}: {found.verdict}, {found.reason}"] += 1
    if (kind, grade) == (ONE_ENTRY, 9) and size in (DENSE, SPARSE):
        tally.values.append(found.seen_after)
    if found.located is not None:
        tally.placed += 1
        tally.misplaced += not found.located


def judged(tally, about, rejects, claims):
    """Count what another checker says, which rejects what it rejects at one of the points."""
    began = time.perf_counter()
    rejected = any(reject(claim) for reject, claim in zip(rejects, claims, strict=True))
    tally.seconds[about.tool] += time.perf_counter() - began
    tally.add(about, Verdict.FAIL if rejected else Verdict.PASS)


def classifier_points(problem, seed, *, sparse):
    """Draw points of a large classifier: inputs as they come, or most of them 0, as in images."""
    rng = np.random.default_rng(seed)
    for point in problem.points(seed):
        shape = point["X"].shape
        inputs = rng.uniform(0, 1, shape) * (rng.random(shape) < 0.2) if sparse else point["X"]
        yield {**point, "X": inputs, "W": point["W"] / 28}  # so that the softmax is not saturated


def large(tally, seed, seeds, checkers):
    """Put the mutants of large gradients before all; after the first seed, a few before ours."""
    by_name = {loss.name: loss for loss in LOSSES}
    few = [checker for checker in checkers if not checker.by_entry]
    many = [checker for checker in checkers if checker.by_entry]
    shapes = {"X": "m,784", "W": "784,10", "Y": "m,10"}
    problem = Problem(replace(by_name["softmax cross-entropy"], shapes=shapes), {"m": 16})
    for size, sparse in ((DENSE, False), (SPARSE, True)):
        for number in range(seed, seed + seeds):
            points = list(classifier_points(problem, number, sparse=sparse))
            how = {"checkers": few} if number == seed else {}
            right(tally, size, problem, points, number, **how)
            grades = GRADES if number == seed else FEW_GRADES
            mutate(tally, size, problem, points, number, grades=grades, **how)
            if how and not sparse:
                one_entry_of_many(tally, problem, points[0], number, many)
    shapes = {"A": "m,1000", "X": "1000,1000", "B": "m,1000"}
    problem = Problem(replace(by_name["least squares"], shapes=shapes), {"m": 4})
    points, how = problem.points(seed, 1), {"scales": (1.0,), "checkers": few}
    right(tally, HUGE, problem, points, seed, **how)
    mutate(tally, HUGE, problem, points, seed, grades=FEW_GRADES, **how)


def right(tally, size, problem, points, seed, *, scales=LOSS_SCALES, checkers=()):
    """Put a right gradient before our check and before others, at every scale."""
    for loss_scale in scales:
        ours(tally, size, problem, None, points, loss_scale, seed)
        claims = [np.asarray(loss_scale * problem.gradient(**point)) for point in points]
        for checker in checkers:
            rejects = [checker.at(problem, point, loss_scale) for point in points]
            judged(tally, About(size, RIGHT, None, loss_scale, checker.name), rejects, claims)


def in_float32(tally, problem, point):
    """Compare code in float32 with float64: as it was emitted, and a thousandth off."""
    verdicts = {True: Verdict.PASS, False: Verdict.FAIL, None: Verdict.INCONCLUSIVE}
    for loss_scale in LOSS_SCALES:
        for kind, factor in ((FLOAT32, 1.0), (OFF, 1.001)):
            agrees = agrees_in_float32(problem, point, loss_scale, factor)
            tally.add(About(SMALL, kind, None, loss_scale, OURS), verdicts[agrees])


def beside_kinks(tally, problem, seed):
    """Check a right gradient at points on either side of a kink."""
    (drawn,) = problem.points(KINK_POINTS + seed, 1)
    for distance in (side * distance for distance in DISTANCES for side in (1, -1)):
        point = problem.loss.beside_kink(drawn, distance)
        for loss_scale in LOSS_SCALES:
            found = examine(problem, None, [point], loss_scale, seed=seed)
            tally.add(About(SMALL, KINK, None, loss_scale, OURS), found.verdict)


def structural(about):
    return about.grade is None and about.kind not in (RIGHT, KINK, FLOAT32, OFF)


def tables(tally):
    """Print what was rejected, one column a tool."""
    small = [about for about in tally.trials if about.size == SMALL and structural(about)]
    rows = [(f"loss × {scale:g}", lambda a, s=scale: a.loss_scale == s) for scale in LOSS_SCALES]
    tally.table(f"Structural mutants rejected, {SMALL}", TOOLS, within(rows, SMALL, structural))
    kinds = dict.fromkeys(about.kind for about in small)
    rows = [(kind, lambda a, k=kind: a.kind == k) for kind in sorted(kinds)]
    tally.table(f"Of each class, {SMALL}, all scales", TOOLS, within(rows, SMALL, structural))
    for kind in (ALL_ENTRIES, ONE_ENTRY):
        for size in (SMALL, DENSE, SPARSE, HUGE):
            rows = [(f"k = {k}", lambda a, k=k: a.grade == k) for k in GRADES]
            chosen = within(rows, size, lambda a, kind=kind: a.kind == kind)
            tally.table(f"{kind}, {size}, all scales", TOOLS, chosen)
    rows = [(size, lambda a, s=size: a.size == s) for size in (DENSE, SPARSE, HUGE)]
    tally.table("Structural mutants rejected, all scales", TOOLS, within(rows, None, structural))
    rows = [(f"loss × {scale:g}", lambda a, s=scale: a.loss_scale == s) for scale in LOSS_SCALES]
    chosen = within(rows, SMALL, lambda a: a.kind == RIGHT)
    tally.table(f"Right gradients rejected, {SMALL}", TOOLS, chosen, low=False)
    rows = [(size, lambda a, s=size: a.size == s) for size in (DENSE, SPARSE, HUGE)]
    chosen = within(rows, None, lambda a: a.kind == RIGHT)
    tally.table("Right gradients rejected, all scales", TOOLS, chosen, low=False)


def within(rows, size, condition):
    """Narrow the conditions of rows."""
    return [
        (label, lambda a, c=chosen: (size in (None, a.size)) and condition(a) and c(a))
        for label, chosen in rows
    ]


def targets(tally):
    """Print and return the targets of ours, with what was measured."""

    def count(condition):
        return tally.of(lambda a: a.tool == OURS and condition(a))

    found = {}
    for scale in LOSS_SCALES:
        killed, trials = count(lambda a, s=scale: structural(a) and a.loss_scale == s)
        found[f"structural mutants rejected, loss × {scale:g}"] = killed, trials, trials
    for size in (DENSE, SPARSE):
        seen, trials = count(lambda a, s=size: a[:3] == (s, ONE_ENTRY, 9))
        found[f"1e-9 in one entry of {size} rejected"] = seen, trials, trials
    for kind in (RIGHT, KINK, FLOAT32):
        found[f"false alarms, {kind}"] = (*count(lambda a, k=kind: a.kind == k), 0)
    found["wrong entries named"] = tally.misplaced, tally.placed, 0
    print()
    for label, (some, trials, wanted) in found.items():
        bound = rate((some, trials), low=wanted > 0)
        print(f"{label:<45}{some} of {trials}: {bound}, target {wanted}: {met(some == wanted)}")
    most = max(tally.values, key=lambda n: n or float("inf"))
    good = most is not None and most <= VALUES_TARGET
    label = "values until 1e-9 in one of 7,840 is seen"
    print(f"{label:<45}{most}, target ≤ {VALUES_TARGET}: {met(good)}")
    undecided = {kind: tally.undecided_of(kind) for kind in (RIGHT, KINK, FLOAT32)}
    off = count(lambda a: a.kind == OFF)
    print("undecided: " + ", ".join(f"{n} {kind}" for kind, n in undecided.items()))
    print(f"float32 that is 1e-3 off rejected: {rate(off)}")
    for what, times in tally.surprises.items():
        print(f"{times} × {what}")
    return {
        "targets": found,
        "values": tally.values,
        "undecided": undecided,
        "float32_1e-3_off": off,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    checkers, packages = installed()
    tally, began = Tally(), time.perf_counter()
    seeds, graded_seeds, right_seeds = (
        max(1, round(options.fraction * most)) for most in (SEEDS, GRADED_SEEDS, RIGHT_SEEDS)
    )
    for problem in [Problem(loss) for loss in LOSSES]:
        for number in range(right_seeds):
            seed, others = options.seed + number, {} if number else {"checkers": checkers}
            points = problem.points(RIGHT_POINTS + seed)
            right(tally, SMALL, problem, points, seed, **others)
            in_float32(tally, problem, points[0])
            if number < seeds:
                grades = GRADES if number < graded_seeds else ()
                points = problem.points(seed)
                mutate(tally, SMALL, problem, points, seed, grades=grades, **others)
                if problem.loss.beside_kink:
                    beside_kinks(tally, problem, seed)
    large(tally, options.seed, seeds, checkers)
    seconds = time.perf_counter() - began
    tables(tally)
    judged = targets(tally)
    found = versions(*packages)
    print(missing_note(found) + f"{seconds:.0f} s")
    record = {**vars(options), **judged, "trials": tally.record()}
    record["seconds"] = {"all": seconds, **tally.seconds}
    finish("mutation", **record, versions=found)


if __name__ == "__main__":
    main()
