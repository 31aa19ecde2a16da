"""Count the bits that emitted code loses beyond the condition number, operation by operation.

Every example of the table of operations, its value and its cotangents, and the formulas of
``tests/derive/spelled.py``, their values and gradients, are emitted and run in float32 and float64
at random points of scales 1e-8 … 1e4, of both signs where the formula is defined there. The truth
is mpmath's, of the expressions in their entries, with as many digits as it takes; how a bit is
counted is written in ``tests/derive/accuracy.py``.

Usage: python benchmarks/accuracy.py [--draws 2] [--only TEXT] [--all]
Prints the rows that lose most (all of them with `--all`), and one line of JSON.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from parts.measuring import finish

from tests.derive.accuracy import DTYPES, Subject
from tests.derive.spelled import LOOSE, LOSING, SPELLED
from tests.derive.test_operations import EXAMPLES, pulled

TARGET = 3.0  # bits
REASONS = {**LOSING, **{text: reason for text, (_, reason) in LOOSE.items()}}


def subjects(only):
    """Yield what is measured, by a title, one after the other."""
    for row, text in EXAMPLES:
        if only in text:
            yield (
                f"{row.title}: {text}",
                lambda row=row, t=text: Subject.of_operation(pulled(row, t)),
            )
    for text, assumed in SPELLED.items():
        if only in text:
            yield text, lambda t=text, a=assumed: Subject.of_formula(t, **a)


def worst(subject, draws):
    """Return the worst loss of a subject by dtype, and how many entries' points were looked at."""
    found: dict[str, Any] = {}
    points = 0
    for dtype in DTYPES:
        losses = list(subject.losses(dtype, draws=draws))
        points += len(losses)
        found[np.dtype(dtype).name] = max(losses, default=None)
    return found, points


def cell(loss):
    if loss is None:
        return f"{'no point':>30}"
    bits = "NaN/inf" if math.isinf(loss.excess) else f"{loss.excess:.1f}"
    mark = " !" if loss.excess > TARGET else "  "
    return f"{bits:>8}{mark} {loss.output + ' at ' + format(loss.scale, 'g'):>19}"


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true")
    given = parser.parse_args()
    rows, points = {}, 0
    for title, build in subjects(given.only):
        rows[title], count = worst(build(), given.draws)
        points += count
    missed = [t for t, row in rows.items() if any(x and x.excess > TARGET for x in row.values())]
    print(f"{'bits beyond the condition number':<64}{'float32':>30}{'float64':>30}")
    for title in rows if given.all else missed:
        reason = REASONS.get(title.rpartition(": ")[2], "") if title in missed else ""
        print(f"{title:<64}" + "".join(map(cell, rows[title].values())) + f"  {reason}".rstrip())
    verdict = "" if not missed else "  MISSED"
    print(
        f"{len(missed)} of {len(rows)} formulas lose more than {TARGET:g} bits or overflow, at "
        f"{points} outputs and points (target 0){verdict}"
    )
    record = {
        title: {d: None if x is None else as_json(x) for d, x in row.items()}
        for title, row in rows.items()
    }
    finish("accuracy", targets={"bits": TARGET, "above": 0}, above=len(missed), worst=record)


def as_json(loss):
    """Return the bits, None for an overflow or what is no number, and where."""
    bits = None if math.isinf(loss.excess) else round(loss.excess, 2)
    return [bits, loss.output, loss.scale]


if __name__ == "__main__":
    main()
