"""Time the operations of NumPy that decisions about emitted code rest on, one core each.

- Products with ten columns, by the rows of one product (``docs/decisions/small-products.md``).
- An inverse beside systems, and A'·diag(v)·A beside a square
  (``docs/decisions/inverses-and-squares.md``).

Usage: python benchmarks/primitives.py [--seconds 0.3]
Prints tables of medians and one line of JSON. Nothing here has a target: it says what costs what.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from parts.measuring import THREADS, finish, process, seconds_per_call, versions

ROWS = (64, 128, 256, 512)  # of one product, 128 rows of samples at least
SIZES = (50, 200, 600)


def products(seconds):
    """Return microseconds per 128 rows of X·W' and E'·X, by the rows of one product."""
    random, found = np.random.default_rng(0), {}
    W = random.random((10, 784), dtype=np.float32)
    for rows in ROWS:
        stack = max(128, rows) // rows
        x = random.random((stack, rows, 784), dtype=np.float32)
        e = random.random((stack, 10, rows), dtype=np.float32)  # E' of E in column order
        logits = np.empty((stack, rows, 10), np.float32)
        gradients = np.empty((stack, 10, 784), np.float32)
        ways = (
            lambda x=x, out=logits: np.matmul(x, W.T, out=out),
            lambda e=e, x=x, out=gradients: np.matmul(e, x, out=out).sum(axis=0),
        )
        share = 1e6 * 128 / (stack * rows)
        found[rows] = [share * seconds_per_call(way, seconds)[0] for way in ways]
    return found


def systems(seconds):
    """Return milliseconds of an inverse, of systems, and of a product with an inverse, by size."""
    random, found = np.random.default_rng(0), {}
    for n in SIZES:
        A, B = random.standard_normal((n, n)) + n * np.eye(n), random.standard_normal((n, n))
        ways = {
            "inv(A)": lambda A=A: np.linalg.inv(A),
            "solve(A, b), one column": lambda A=A, B=B: np.linalg.solve(A, B[:, :1]),
            "solve(A, B), n columns": lambda A=A, B=B: np.linalg.solve(A, B),
            "inv(A) @ B": lambda A=A, B=B: np.linalg.inv(A) @ B,
        }
        found[n] = {name: 1e3 * seconds_per_call(way, seconds)[0] for name, way in ways.items()}
    return found


def squares(seconds):
    """Return milliseconds of A'·(v·A) and of the square of the root of v times A."""
    random = np.random.default_rng(0)
    A, v = random.standard_normal((5000, 300)), random.random((5000, 1))

    def square():
        B = np.sqrt(v) * A
        return B.T @ B

    ways = {"A.T @ (v * A)": lambda: A.T @ (v * A), "B.T @ B, B = sqrt(v) * A": square}
    return {name: 1e3 * seconds_per_call(way, seconds)[0] for name, way in ways.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="a number")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measured = (products(options.seconds), systems(options.seconds), squares(options.seconds))
        finish("primitives", found=measured)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))  # which a BLAS reads when it is loaded
    found = process(__file__, "--one", "--seconds", options.seconds)["found"]
    print("µs for 128 rows of 784 numbers and ten columns, float32")
    print(f"{'rows of a product':<28}{'X·W′':>8}{'E′·X':>8}")
    for rows, (left, right) in found[0].items():
        print(f"{rows:<28}{left:>8.1f}{right:>8.1f}")
    print(f"\nms, float64, n ={'':<17}" + "".join(f"{n:>9}" for n in SIZES))
    for name in next(iter(found[1].values())):
        print(f"{name:<28}" + "".join(f"{found[1][str(n)][name]:>9.3f}" for n in SIZES))
    print("\nms, float64, A of 5000×300")
    for name, time in found[2].items():
        print(f"{name:<28}{time:>9.1f}")
    finish("primitives", found=found, versions=versions())


if __name__ == "__main__":
    main()
