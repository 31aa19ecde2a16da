"""Time Hessians in matrix form: emitted, by hand in NumPy, by jax.hessian and torch.func.hessian.

The problems are logistic regression, sum(log(1 + exp(-y.*(X*w)))) by w with X of 5000 x 300, and
the factorisation norm2(U*V' - T)^2 by U of 60 x 4 with V of 50 x 4, all in float64. Ours are the
functions of the module that `cli derive --order 2 --format numpy` prints: `hessian` of the first;
of the second `hessian_matrix`, 240 x 240, and `hessian_factors`, which keeps it as a Kronecker
product. Every side runs in a process of its own, in turn with the others, and first compares its
matrix with the one made by hand; a peer that is not installed is left out.

Usage: python benchmarks/hessians.py [--runs 7]
Prints the machine, one line a side, and one line of JSON.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from parts.measuring import finish, machine, met, versions

ROOT = Path(__file__).parent.parent
MISSING = 3  # the exit code of a side whose package is not installed
LOGISTIC, FACTORISATION = "logistic 5000x300", "factorisation 60x50 k=4"
SIDES = {
    LOGISTIC: ("by hand", "emitted", "jax", "torch"),
    FACTORISATION: ("by hand", "emitted", "emitted factors", "jax", "torch"),
}
# How many times as fast ours is to be, by problem, our side and the peer.
TARGETS = {
    (LOGISTIC, "emitted", "jax"): 2,
    (LOGISTIC, "emitted", "torch"): 10,
    (FACTORISATION, "emitted", "jax"): 8,
    (FACTORISATION, "emitted factors", "jax"): 100,
}


def point(problem):
    """Return the arrays of a problem, columns as columns."""
    rng = np.random.default_rng(0)
    if problem == LOGISTIC:
        X = rng.standard_normal((5000, 300))
        y = np.where(rng.standard_normal((5000, 1)) > 0, 1.0, -1.0)
        return {"y": y, "X": X, "w": rng.standard_normal((300, 1)) * 0.1}
    m, n, k = 60, 50, 4
    shapes = {"U": (m, k), "V": (n, k), "T": (m, n)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def by_hand(problem, arrays):
    if problem == LOGISTIC:
        X, w = arrays["X"], arrays["w"]

        def hessian():
            s = 1 / (1 + np.exp(-X @ w))
            return (X * (s * (1 - s))).T @ X

        return hessian
    V = arrays["V"]
    return lambda: np.kron(np.eye(60), 2 * V.T @ V)


def emitted(problem, arrays, function):
    from derive.derivation import Page
    from derive.derivatives import differentiate
    from derive.render.numpy_module import numpy_module

    text, name = {
        LOGISTIC: ("sum(log(1 + exp(-y.*(X*w))))", "w"),
        FACTORISATION: ("norm2(U*V' - T)^2", "U"),
    }[problem]
    module = {}
    exec(numpy_module(Page(differentiate(text, [name], order=2))), module)
    return lambda: module[function](**arrays)[name]


def by_jax(problem, arrays):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    a = {name: jnp.asarray(array) for name, array in arrays.items()}
    if problem == LOGISTIC:
        X, y, w = a["X"], a["y"][:, 0], a["w"][:, 0]
        found = jax.jit(jax.hessian(lambda w: jnp.sum(jnp.logaddexp(0.0, -y * (X @ w)))))
        return lambda: jax.block_until_ready(found(w))
    found = jax.jit(jax.hessian(lambda U: jnp.sum((a["T"] - U @ a["V"].T) ** 2)))
    return lambda: jax.block_until_ready(found(a["U"]))


def by_torch(problem, arrays):
    import torch

    a = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if problem == LOGISTIC:
        X, y, w = a["X"], a["y"][:, 0], a["w"][:, 0]

        def loss(w):
            return torch.nn.functional.softplus(-y * (X @ w)).sum()

        return lambda: torch.func.hessian(loss)(w)
    return lambda: torch.func.hessian(lambda U: ((a["T"] - U @ a["V"].T) ** 2).sum())(a["U"])


def matrix_of(found):
    """Return what a side computes as one matrix."""
    if isinstance(found, list):
        ((left, right, turned),) = found
        assert left is None
        assert not turned
        return np.kron(np.eye(60), right)
    array = np.asarray(found)
    size = int(np.sqrt(array.size))
    return array.reshape(size, size)


def seconds(problem, side):
    """Check a side against the matrix made by hand, and return the seconds of one call."""
    arrays = point(problem)
    function = {
        "by hand": lambda: by_hand(problem, arrays),
        "emitted": lambda: emitted(
            problem, arrays, "hessian" if problem == LOGISTIC else "hessian_matrix"
        ),
        "emitted factors": lambda: emitted(problem, arrays, "hessian_factors"),
        "jax": lambda: by_jax(problem, arrays),
        "torch": lambda: by_torch(problem, arrays),
    }[side]()
    np.testing.assert_allclose(
        matrix_of(function()), by_hand(problem, arrays)(), rtol=1e-9, atol=1e-9
    )
    began = time.perf_counter()
    function()
    calls = max(1, int(0.05 / max(time.perf_counter() - began, 1e-6)))
    times = []
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - began) / calls)
    return median(times)


def measured(problem, side):
    """Time a side in a process of its own, None where its package is not installed."""
    command = [sys.executable, __file__, "--problem", problem, "--side", side]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == MISSING:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def compare(runs):
    """Return the median seconds by problem and side, of interleaved runs."""
    times = {(problem, side): [] for problem, sides in SIDES.items() for side in sides}
    for _ in range(1 + runs):
        for (problem, side), known in times.items():
            if None not in known:
                known.append(measured(problem, side))
    return {key: median(known[1:]) for key, known in times.items() if None not in known}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--problem", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        try:
            print(seconds(options.problem, options.side))
        except ImportError:
            raise SystemExit(MISSING) from None
        return
    found = compare(options.runs)
    packages = versions("jax", "torch")
    print(", ".join(f"{name} {value}" for name, value in {**machine(), **packages}.items()))
    for (problem, side), value in found.items():
        print(f"{problem:<24} {side:<16} {value * 1e3:10.4f} ms")
    ratios = {}
    for (problem, side, peer), target in TARGETS.items():
        if (problem, peer) in found:
            ratio = found[problem, peer] / found[problem, side]
            ratios[f"{problem}: {side} to {peer}"] = ratio
            reached = met(ratio >= target)
            print(f"{problem:<24} {side} beside {peer}: {ratio:.1f} x, target {target}: {reached}")
    finish(
        "hessians",
        runs=options.runs,
        seconds={f"{problem}: {side}": value for (problem, side), value in found.items()},
        ratios=ratios,
        targets={": ".join(k[:2]) + f" to {k[2]}": v for k, v in TARGETS.items()},
        versions=packages,
    )


if __name__ == "__main__":
    main()
