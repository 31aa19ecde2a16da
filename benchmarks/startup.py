"""How long a command takes from a cold start, beside what no command can do without.

Every run is a process of its own; the runs of all commands take turns, so that a busy moment of the
machine hits each of them. One round before the first warms the disk's cache and the bytecode.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from statistics import median
from time import perf_counter

from parts.measuring import finish, met, versions

RUNS = 9
CLI = str(Path(sysconfig.get_path("scripts")) / "cli")
COMMANDS = {
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "cli --help": [CLI, "--help"],
    "cli derive relu-l2": [CLI, "derive", "relu-l2"],
    "cli verify relu-l2": [CLI, "verify", "relu-l2"],
}
RATIO_TARGET = 2.0  # cli --help to import click
DERIVE_TARGET = 1.5  # seconds


def main() -> None:
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()}
              for _ in range(1 + RUNS)][1:]  # fmt: skip
    medians = {name: median(times[name] for times in rounds) for name in COMMANDS}
    fastest = {name: min(times[name] for times in rounds) for name in COMMANDS}
    ratio = medians["cli --help"] / medians["python -c 'import click'"]
    derive = medians["cli derive relu-l2"]

    print(f"{'command':<28}{'median s':>10}{'fastest s':>11}   target")
    remarks = {
        "cli --help": f"{ratio:.2f} × import click, target ≤ {RATIO_TARGET}: "
        + met(ratio <= RATIO_TARGET),
        "cli derive relu-l2": f"≤ {DERIVE_TARGET} s: {met(derive <= DERIVE_TARGET)}",
    }
    for name in COMMANDS:
        print(f"{name:<28}{medians[name]:>10.3f}{fastest[name]:>11.3f}   {remarks.get(name, '')}")
    finish(
        "startup",
        runs=RUNS,
        median_seconds={name: round(value, 4) for name, value in medians.items()},
        help_ratio=round(ratio, 3),
        targets={"help_ratio": RATIO_TARGET, "derive_seconds": DERIVE_TARGET},
        versions=versions("click"),
    )


def seconds(command: list[str]) -> float:
    """Return the wall-clock seconds of one run; a command that fails stops the benchmark."""
    start = perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed = perf_counter() - start
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {result.returncode}\n{result.stderr}")
    return elapsed


if __name__ == "__main__":
    main()
