"""Trials by what they are about, and tables of their rates with Wilson's bounds."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from numeric.check import Verdict
from tests.numeric.mutants import wilson


class About(NamedTuple):
    """What a trial is about; `kind` is a mutant's class, or that of a right gradient."""

    size: str
    kind: str
    grade: int | None
    loss_scale: float
    tool: str


class Tally:
    """Count the trials and what came of them."""

    def __init__(self):
        self.trials, self.rejected, self.undecided, self.seconds = (Counter() for _ in range(4))
        self.placed, self.misplaced = 0, 0  # wrong entries that were named, rightly or not
        self.surprises = Counter()
        self.values = []  # that it took to see an error of 1e-9 in one entry of many

    def add(self, about, verdict):
        self.trials[about] += 1
        self.rejected[about] += verdict is Verdict.FAIL
        self.undecided[about] += verdict is Verdict.INCONCLUSIVE

    def of(self, condition):
        """Return how many of the trials that meet a condition were rejected, and their number."""
        chosen = [about for about in self.trials if condition(about)]
        return sum(self.rejected[a] for a in chosen), sum(self.trials[a] for a in chosen)

    def undecided_of(self, kind):
        return sum(n for about, n in self.undecided.items() if about.kind == kind)

    def record(self):
        """Return every row for a machine: what it is about, rejected, undecided, trials."""
        return [
            [*about, self.rejected[about], self.undecided[about], trials]
            for about, trials in self.trials.items()
        ]

    def table(self, title, tools, rows, *, low=True):
        """Print one row a condition, one column a tool."""
        print(f"\n{title}")
        print(f"{'':<24}" + "".join(f"{tool:>19}" for tool in tools) + f"{'n':>8}")
        for label, condition in rows:
            counts = [self.of(lambda a, t=t, c=condition: a.tool == t and c(a)) for t in tools]
            if not any(trials for _, trials in counts):
                continue
            cells = "".join(f"{rate(count, low=low):>19}" for count in counts)
            print(f"{label:<24}{cells}{counts[0][1]:>8}")


def rate(counts, *, low=True):
    """Write a rate in per cent with its lower or upper bound, – where there was no trial."""
    some, trials = counts
    if not trials:
        return "–"
    bound = wilson(some, trials)[0 if low else 1]
    return f"{100 * some / trials:.3g} % ({'≥' if low else '≤'} {100 * bound:.3g})"
