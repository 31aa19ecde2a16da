"""What every benchmark does alike: runs that take turns, medians, the machine, the record."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import numpy as np

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def met(condition):
    return "met" if condition else "MISSED"


def versions(*names):
    """Return the versions of packages by name, None for one that is not installed.

    chainrule itself may run from its folder without being installed.
    """
    found = {}
    for name in dict.fromkeys(("chainrule", "numpy", "sympy", *names)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def processor():
    """Return the processor's name, which only Linux keeps from platform.processor()."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def machine():
    """Return what the times depend on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cores": cores(),
        "processor": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "blas_threads": os.environ.get(THREADS[0], "default"),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def use_cores(number):
    """Let this process and those that it starts use so many cores; None leaves all of them.

    Every library finds the limit by itself then; BLAS and OpenMP are told as well.
    """
    if number is None:
        return
    os.environ.update(dict.fromkeys(THREADS, str(number)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:number]))


def seconds_per_call(function, seconds, least=3):
    """Return the median and the fewest seconds of calls, after one that does not count."""
    function()
    times, began = [], time.perf_counter()
    while len(times) < least or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times), min(times)


def peak_bytes(function):
    """Return the most memory that a call holds beyond its arguments, of what Python counts.

    What the call before has left, as memory to be used again, is counted too.
    """
    tracemalloc.start()
    try:
        function()
        tracemalloc.reset_peak()
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def take_turns(script, sides, runs, *arguments):
    """Run ``script --side NAME`` in processes that take turns, after one round that checks.

    The first round gets ``--check`` and does not count. A side whose last line has ``missing`` is
    left out from then on. A process that fails stops the benchmark.

    Returns the records of each side, of the first round and of the counted ones.
    """
    first = {side: process(script, "--side", side, "--check", *arguments) for side in sides}
    present = [side for side in sides if "missing" not in first[side]]
    counted = {side: [] for side in present}
    for _ in range(runs):
        for side in present:
            counted[side].append(process(script, "--side", side, *arguments))
    return first, counted


def process(script, *arguments):
    """Return the JSON object that is the last line of a process."""
    command = [sys.executable, script, *map(str, arguments)]
    root = str(Path(__file__).parent.parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def geometric_mean(ratios):
    """Return the geometric mean, None of nothing."""
    ratios = list(ratios)
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def missing_note(found):
    """Say which packages are not installed."""
    missing = [name for name, number in found.items() if number is None and name != "chainrule"]
    return "".join(f"{name} is not installed and left out\n" for name in missing)


def finish(benchmark, **record):
    """Print the one line of JSON that a benchmark ends with."""
    print(json.dumps({"schema": 1, "benchmark": benchmark, **record, "machine": machine()}))
