"""Time values and gradients of losses, float32: the emitted code beside its peers.

Each loss is a formula in the language of the tool, batched by the tool where it is of one sample.
What is timed is its code as `cli derive --format numpy` prints it (emitted), and as training runs
it on NumPy (in place, and in blocks of rows where there are samples). Beside it: NumPy as a person
writes it who wants it fast (by hand) and as one writes it down at first (on paper), HIPS autograd,
torch and jax.jit on the CPU, and stock `sympy.lambdify`. The formulas are in
``parts/gradient_problems.py``, the NumPy in ``parts/by_hand.py`` and ``parts/on_paper.py``. All
sides agree before any is timed: with the NumPy in float64, to 2e-4 of the largest entry.

Usage: python benchmarks/gradients.py [--runs 7] [--seconds 0.2] [--cores N] [--only TEXT]
                                      [--sides NAME …]
Prints milliseconds a call, ratios to ours in place (above 1: ours is ahead), of medians and of
the fastest calls, which a busy machine disturbs less, the peak of memory beside the NumPy's, and
one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from statistics import median

import numpy as np
from parts.gradient_problems import PROBLEMS
from parts.gradient_sides import PACKAGES, SIDES, NotThereError
from parts.measuring import (
    finish,
    geometric_mean,
    met,
    missing_note,
    peak_bytes,
    seconds_per_call,
    take_turns,
    use_cores,
    versions,
)

OURS, HAND, PAPER = "in place", "by hand", "on paper"
MEMORY = ("emitted", OURS, HAND)
RTOL = 2e-4  # of the largest entry: float32, sums of up to 60,000 terms
TARGETS = {
    "by_hand_least": 1.0,
    "on_paper_least": 1.0,
    "autograd_geometric_mean": 1.0,
    "torch_geometric_mean": 1.0,
    "jax_geometric_mean": 1.0,
    "memory_most": 1.2,
}


def chosen(only):
    return [problem for problem in PROBLEMS if only in problem.name]


def measure(side, options):
    """Measure one side in this process: seconds and peak bytes, or why not, by problem."""
    make, found = SIDES[side], {}
    for problem in chosen(options.only):
        arrays = problem.point(problem.sizes)
        try:
            run, to_numpy = make(problem, arrays)
        except ModuleNotFoundError as error:
            if error.name != PACKAGES.get(side):
                raise
            return {"missing": error.name}
        except NotThereError as error:
            found[problem.name] = {"why_not": str(error)}
            continue
        if options.check:
            error = disagreement(problem, to_numpy(run()), keeps_dtype=side != "lambdify")
            if not error <= RTOL:
                raise SystemExit(f"{problem.name}: {side} is {error:.1e} off the NumPy in float64")
            found[problem.name] = {"error": error}
            if side in MEMORY:
                found[problem.name]["peak_bytes"] = peak_bytes(run)
        else:
            middle, least = seconds_per_call(run, options.seconds)
            found[problem.name] = {"seconds": middle, "fastest": least}
    return found


def disagreement(problem, result, *, keeps_dtype):
    """Return the largest error of a result, in terms of the largest entry of each array."""
    arrays = problem.point(problem.sizes, "float64")
    run, to_numpy = SIDES[HAND](problem, arrays)
    value, gradients = to_numpy(run())
    errors = [abs(result[0] - value) / abs(value)]
    for got, expected in zip(result[1], gradients, strict=True):
        if got.shape != expected.shape or (keeps_dtype and got.dtype != np.float32):
            return float("inf")
        errors.append(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))
    return float(max(errors))


def collect(first, counted, problems):
    """Return a row a problem: the medians of every side, errors, memory, reasons."""
    rows = {}
    for problem in problems:
        row = rows[problem.name] = {"formula": problem.formula, "seconds": {}, "fastest": {}}
        row |= {"error": {}, "peak_bytes": {}, "why_not": {}}
        for side, runs in counted.items():
            start = first[side][problem.name]
            for key in ("error", "peak_bytes", "why_not"):
                if key in start:
                    row[key][side] = start[key]
            if "why_not" not in start:
                times = [run[problem.name] for run in runs]
                row["seconds"][side] = median(time["seconds"] for time in times)
                row["fastest"][side] = min(time["fastest"] for time in times)
    return rows


def ratios(rows, side, of="seconds"):
    """Return how many times our seconds a side takes, by problem."""
    return {
        name: row[of][side] / row[of][OURS] for name, row in rows.items() if side in row["seconds"]
    }


def memory_ratios(rows):
    return {n: row["peak_bytes"][OURS] / row["peak_bytes"][HAND] for n, row in rows.items()}


def tables(rows, sides):
    """Print the milliseconds, the ratios and the memory."""
    width = max(map(len, rows)) + 1
    print(f"{'milliseconds':<{width}}" + "".join(f"{side:>14}" for side in sides))
    for name, row in rows.items():
        times = (row["seconds"].get(side) for side in sides)
        cells = ("–" if time is None else f"{1e3 * time:.3f}" for time in times)
        print(f"{name:<{width}}" + "".join(f"{cell:>14}" for cell in cells))
    others, memory = [side for side in sides if side != OURS], memory_ratios(rows)
    for of, title in (("seconds", "times ours"), ("fastest", "of the fastest calls")):
        head = "".join(f"{side:>14}" for side in (*others, "memory"))
        print(f"\n{title:<{width}}{head}")
        for name in rows:
            cells = [ratios(rows, side, of).get(name) for side in others] + [memory[name]]
            text = "".join(f"{'–' if cell is None else f'{cell:.2f}':>14}" for cell in cells)
            print(f"{name:<{width}}{text}")
    print("memory: our peak in terms of that of the NumPy by hand\n")
    reasons = {}
    for name, row in rows.items():
        for side, why in row["why_not"].items():
            reasons.setdefault((side, why), []).append(name)
    for (side, why), names in reasons.items():
        print(f"no '{side}' of {'; '.join(names)}: {why}")


def targets(rows):
    """Print and return what the targets are about."""
    memory, reached = memory_ratios(rows), {}
    for side in (HAND, PAPER):
        found = ratios(rows, side)
        reached[f"{side.replace(' ', '_')}_least"] = min(found.values(), default=None)
        behind = ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items() if ratio < 1)
        print(f"behind the NumPy {side}: {behind or 'nowhere'}")
    for side in ("autograd", "torch", "jax"):
        reached[f"{side}_geometric_mean"] = geometric_mean(ratios(rows, side).values())
    reached["memory_most"] = max(memory.values())
    print()
    for name, target in TARGETS.items():
        if reached[name] is None:
            continue
        most = name.endswith("_most")
        good = reached[name] <= target if most else reached[name] >= target
        sign, label = "≤" if most else "≥", name.replace("_", " ")
        print(f"{label:<26}{reached[name]:.2f}, target {sign} {target}: {met(good)}")
    return reached


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="a problem, side and run")
    parser.add_argument("--cores", type=int, help="use only so many")
    parser.add_argument("--only", default="", help="problems whose name has this text")
    parser.add_argument("--sides", nargs="+", choices=SIDES, help="measure only these")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options)))
        return
    use_cores(options.cores)
    given = ("--seconds", options.seconds, "--only", options.only)
    first, counted = take_turns(__file__, options.sides or SIDES, options.runs, *given)
    rows = collect(first, counted, chosen(options.only))
    found = versions(*PACKAGES.values())
    tables(rows, list(counted))
    print(missing_note(found), end="")
    reached = targets(rows)
    finish("gradients", runs=options.runs, problems=rows, reached=reached, targets=TARGETS,
           versions=found)  # fmt: skip


if __name__ == "__main__":
    main()
