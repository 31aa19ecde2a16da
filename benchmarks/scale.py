"""Time deriving and emitting formulas of 10 to 10,000 operations, and the published identities.

Each shape of formula is read, differentiated by x with its steps, and emitted as code; what counts
is the time per operation, which is the same at every length where the time is linear. Lengths are
interleaved over the runs, each in its own process. The identities of ``tests/corpus`` are derived,
simplified and checked through the command line in one warm process, and their formulas' lengths
compared with the published ones.

Usage: python benchmarks/scale.py [--runs 3]
Prints the machine, one line a shape, the identities, and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median

SHAPES = {
    "layers": lambda n: "sum(" + "tanh(W*" * n + "x" + ")" * n + ")",
    "functions": lambda n: "sum(" + "sin(" * n + "x" + ")" * n + ")",
    "terms": lambda n: " + ".join(f"sum(sin({i + 2}*x))" for i in range(n)),
    "norms": lambda n: " + ".join(f"norm2(A*x - {i + 2}*y)^2" for i in range(n)),
}
LENGTHS = {"layers": (10, 100, 1000), "functions": (10, 100, 1000)}
LONGER = (10, 100, 1000, 10_000)
TARGET = 2.0  # the largest time per operation to the smallest, at 10, 100 and 1,000
ROOT = Path(__file__).parent.parent


def seconds_per_operation(shape: str, length: int) -> float:
    """Read, differentiate and emit a formula once, after a small one that does not count."""
    from derive.calling import emit_value_and_grad
    from derive.derivatives import differentiate

    emit_value_and_grad(differentiate(SHAPES[shape](9), ["x"]))
    text = SHAPES[shape](length)
    began = time.perf_counter()
    emit_value_and_grad(differentiate(text, ["x"]))
    return (time.perf_counter() - began) / length


def measured(shape: str, length: int) -> float:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, "--shape", shape, "--length", str(length)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def identities() -> dict[str, float]:
    """Derive and check the published identities, one after the other, in this process."""
    sys.path.insert(0, str(ROOT))
    from tests.derive.test_identities import ACCEPTED, IDENTITIES, ask

    ask(ACCEPTED[0])
    ratios, seconds = [], []
    for entry in ACCEPTED:
        code, shown, taken = ask(entry)
        if code == 0:
            ours = shown["results"][0]["formula"].replace(" ", "")
            ratios.append(len(ours) / len(entry["grad"].replace(" ", "")))
            seconds.append(taken)
    return {
        "derived": len(ratios),
        "of": len(IDENTITIES),
        "median_seconds": median(seconds),
        "slowest_seconds": max(seconds),
        "median_length_ratio": median(ratios),
        "mean_length_ratio": fmean(ratios),
        "above_1.1": sum(ratio > 1.1 for ratio in ratios),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--length", type=int, default=10)
    given = parser.parse_args()
    if given.shape:
        print(seconds_per_operation(given.shape, given.length))
        return
    machine = f"{platform.machine()}, Python {platform.python_version()}, SymPy {version('sympy')}"
    print(machine)
    table: dict[str, dict[int, float]] = {}
    for shape in SHAPES:
        lengths = LENGTHS.get(shape, LONGER)
        runs = [[measured(shape, length) for length in lengths] for _ in range(given.runs)]
        table[shape] = {n: median(r[i] for r in runs) for i, n in enumerate(lengths)}
        upto = [table[shape][n] for n in (10, 100, 1000)]
        ratio = max(upto) / min(upto)
        times = ", ".join(f"{1e3 * t:.2f} ms at {n}" for n, t in table[shape].items())
        verdict = "" if ratio <= TARGET else "  MISSED"
        print(f"{shape:10} per operation {times}; ratio {ratio:.2f} (target {TARGET}){verdict}")
    found = identities()
    print(
        f"identities {found['derived']} of {found['of']}: median {found['median_seconds']:.3f} s "
        f"(target 0.1), slowest {found['slowest_seconds']:.2f} s (target 10); length in terms of "
        f"the book's: median {found['median_length_ratio']:.2f} (target 1.0), "
        f"{found['above_1.1']:.0f} above 1.1"
    )
    print(json.dumps({"schema": 1, "machine": machine, "per_operation": table, **found}))


if __name__ == "__main__":
    main()
