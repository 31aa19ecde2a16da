"""Say how near a full-batch step on MNIST comes to what the machine allows.

The step is the value and the gradients of softmax regression on 60,000×784 float32 numbers and ten
classes. No program can be faster than the longer of two times: that of reading the data once, at
the bandwidth of sums by all cores, and that of the arithmetic of its two matrix products, at the
speed of a large product of square matrices. Both are measured here, in turn with the sides: the
emitted code, and NumPy by hand in row blocks (``parts/by_hand.py``), which is one pass over the
data. The last one, for information, is how far NumPy gets: stacks of 60 rows, few enough (at most
10⁶ multiplications) that OpenBLAS takes them by its kernels for small matrices, without copying
them first, shared out to threads of Python.

Usage: python benchmarks/roofline.py [--runs 7] [--seconds 1.0] [--cores N]
Prints the bound, milliseconds a side with the fraction of the bound, and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
from parts.by_hand import cross_entropy
from parts.gradient_problems import PROBLEMS
from parts.gradient_sides import by_hand, ours, ours_in_place
from parts.measuring import cores, finish, met, seconds_per_call, take_turns, use_cores, versions

PROBLEM = next(p for p in PROBLEMS if p.sizes == {"n": 60_000})
TARGET = 0.5
SQUARE = 2048  # rows of the matrices whose product shows the arithmetic's speed
STACK, STACKS = 60, 20  # rows a small product, products a block
MACHINE = "machine"


def stacked(problem, arrays):
    """Take the step on a share of the blocks in each thread, by small products."""
    pool, (W, x, b, y) = ThreadPoolExecutor(cores()), arrays.values()
    rows = STACK * STACKS

    def share(starts):
        value, gradient, column = 0.0, np.zeros_like(W), np.zeros_like(b)
        for start in starts:
            block = x[start : start + rows].reshape(-1, STACK, x.shape[1])
            logits = (block @ W.T).reshape(-1, len(W))
            part, residual, sums = cross_entropy(logits, b, y[start : start + rows], len(x))
            small = residual.reshape(len(W), -1, STACK).transpose(1, 0, 2)
            gradient += (small @ block).sum(axis=0)
            value, column = value + part, column + sums
        return value, gradient, column

    def step():
        shares = [range(i * rows, len(x), cores() * rows) for i in range(cores())]
        values, gradients, columns = zip(*pool.map(share, shares), strict=True)
        return sum(values), (sum(gradients), sum(columns))

    return step, lambda result: result


SIDES = {
    "emitted": ours,
    "in place": ours_in_place,
    "by hand, row blocks": by_hand,
    "by hand, stacks": stacked,
}


def limits(seconds):
    """Return the machine's bytes and operations a second, of float32, by all cores."""
    x = np.ones((60_000, 784), np.float32)
    parts = np.array_split(x, cores())
    with ThreadPoolExecutor(cores()) as pool:
        reading, _ = seconds_per_call(lambda: list(pool.map(np.sum, parts)), seconds)
    square = np.ones((SQUARE, SQUARE), np.float32)
    multiplying, _ = seconds_per_call(lambda: square @ square, seconds)
    return {"bytes_per_second": x.nbytes / reading, "flops": 2 * SQUARE**3 / multiplying}


def measure(side, options):
    if side == MACHINE:
        return limits(options.seconds)
    arrays = PROBLEM.point(PROBLEM.sizes)
    run, to_numpy = SIDES[side](PROBLEM, arrays)
    if options.check:
        expected, result = PROBLEM.by_hand(**arrays)[1], to_numpy(run())[1]
        for got, wanted in zip(result, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    middle, least = seconds_per_call(run, options.seconds)
    return {"seconds": middle, "fastest": least}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="a side and run")
    parser.add_argument("--cores", type=int, help="use only so many")
    parser.add_argument("--side", choices=[MACHINE, *SIDES], help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options)))
        return
    use_cores(options.cores)
    sides = [MACHINE, *SIDES]
    _, found = take_turns(__file__, sides, options.runs, "--seconds", options.seconds)
    bandwidth, flops = (max(run[key] for run in found[MACHINE]) for key in found[MACHINE][0])
    arrays = PROBLEM.point(PROBLEM.sizes)
    size = sum(array.nbytes for array in arrays.values())
    operations = 4 * arrays["x"].size * len(arrays["W"])
    bound = max(size / bandwidth, operations / flops)
    print(f"{size / 1e6:.0f} MB at {bandwidth / 1e9:.1f} GB/s: {1e3 * size / bandwidth:.1f} ms")
    print(f"{operations / 1e9:.2f} Gflop at {flops / 1e9:.0f} Gflop/s: "
          f"{1e3 * operations / flops:.1f} ms")  # fmt: skip
    seconds = {side: median(run["seconds"] for run in found[side]) for side in SIDES}
    fastest = {side: min(run["fastest"] for run in found[side]) for side in SIDES}
    fractions = {side: bound / time for side, time in seconds.items()}
    # fmt: off
    for side in SIDES:
        print(f"{side:<22}{1e3 * seconds[side]:>8.1f} ms, {fractions[side]:.2f} of the bound; of "
              f"the fastest call, {1e3 * fastest[side]:.1f} ms, {bound / fastest[side]:.2f}")
    # fmt: on
    reached = max(fractions["emitted"], fractions["in place"])
    print(f"emitted code {reached:.2f}, target ≥ {TARGET}: {met(reached >= TARGET)}")
    finish("roofline", runs=options.runs, bytes_per_second=bandwidth, flops=flops, bound=bound,
           seconds=seconds, fastest=fastest, fractions=fractions,
           targets={"fraction": TARGET}, versions=versions())  # fmt: skip


if __name__ == "__main__":
    main()
