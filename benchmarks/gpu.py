"""Time a full-batch step of softmax regression on MNIST on a GPU, beside torch, JAX and CuPy.

The step is the value, the gradients and the new parameters, on 60,000×784 float32 numbers and ten
classes that stay on the GPU. Ours is what ``cli train --backend torch --device cuda`` does: the
emitted code as kernels of rows (``numeric/row_kernels.py``), recorded (``numeric/cuda_graphs.py``).
The same code is timed as it is, recorded without those kernels, compiled by JAX, and on CuPy.

Usage: python benchmarks/gpu.py [--runs 3]
Prints microseconds a step and one line of JSON; without torch and a GPU it says so and ends.
With ``--side NAME`` it measures one side alone, held against double precision by ``--check``.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache
from statistics import median

import numpy as np
from parts.gradient_problems import PROBLEMS
from parts.measuring import finish, met, take_turns, versions

from derive.errors import InputError
from numeric.backends import Backend, Torch
from numeric.classifier import build_classifier

TARGET = 160  # microseconds, on an H100
STEPS, REPEATS = 50, 9
RATE = 0.5
PROBLEM = next(p for p in PROBLEMS if p.sizes == {"n": 60_000})


@cache
def arrays():
    """Return the images, the one-hot labels and parameters, in single precision."""
    point = PROBLEM.point(PROBLEM.sizes)
    return {name: np.ascontiguousarray(point[name]) for name in ("x", "y", "W", "b")}


def emitted():
    """Return the emitted value and gradients, as `cli train` takes them."""
    from derive.problems import load_problem

    return build_classifier(load_problem("softmax-ce"), 784, 10, portable=True).objective


def stepping(backend, compiled):
    """Return a step of the emitted code, as it is repeated, and its first result."""
    value_and_grad = backend.of_placed(emitted().value_and_grad)

    def step(parameters, batch, rate):
        value, gradients = value_and_grad(parameters, batch)
        moved = {n: backend.moved(p, gradients[n], rate) for n, p in parameters.items()}
        return value, moved

    step = compiled(step)
    found = arrays()
    batch = backend.place({name: found[name] for name in ("x", "y")})
    state = {name: backend.to_device(found[name]) for name in ("W", "b")}
    first = [float(step(state, batch, RATE)[0])]
    first += [backend.to_numpy(a).copy() for a in step(state, batch, RATE)[1].values()]

    def run():
        nonlocal state
        _, state = step(state, batch, RATE)

    return run, first


class Plain(Torch):
    """Compute with torch alone."""

    of_placed = Backend.of_placed


def ours():
    backend = Torch("cuda")
    return (*stepping(backend, backend.compile), backend._torch.cuda.synchronize)


def recorded():
    backend = Plain("cuda")
    return (*stepping(backend, backend.compile), backend._torch.cuda.synchronize)


def as_it_is():
    backend = Plain("cuda")
    return (*stepping(backend, lambda step: step), backend._torch.cuda.synchronize)


def jax_emitted():
    import jax

    from numeric.backends import Jax

    backend = Jax("cuda")
    return (*stepping(backend, backend.compile), lambda: jax.effects_barrier() or wait_for_jax())


def wait_for_jax():
    """Wait until JAX's device has done what it was asked for, in order."""
    import jax

    jax.block_until_ready(jax.device_put(np.zeros(1)) + 1)


def jax_by_hand():
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")
    found = {name: jax.device_put(array) for name, array in arrays().items()}

    def loss(parameters, x, y):
        W, b = parameters
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ W.T + b.T), axis=1))

    @jax.jit
    def step(parameters, x, y):
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        return value, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    state = [found["W"], found["b"]]
    value, moved = step(state, found["x"], found["y"])

    def run():
        nonlocal state
        _, state = step(state, found["x"], found["y"])

    return run, [float(value), *map(np.asarray, moved)], lambda: jax.block_until_ready(state)


def torch_tensors():
    import torch

    return torch, {name: torch.asarray(array, device="cuda") for name, array in arrays().items()}


def torch_step(wrap):
    """Return a step written by hand for torch, in place, wrapped."""
    torch, found = torch_tensors()
    x, y, W, b = (found[name] for name in ("x", "y", "W", "b"))
    value = torch.zeros((), device="cuda")

    def step():
        logits = torch.addmm(b.T, x, W.T)
        logs = torch.log_softmax(logits, 1)
        value.copy_(-(y * logs).sum() / len(x))
        residual = torch.exp(logs) - y
        W.sub_(residual.T @ x, alpha=RATE / len(x))
        b.sub_(residual.sum(0)[:, None], alpha=RATE / len(x))

    step()
    first = [float(value), W.cpu().numpy(), b.cpu().numpy()]
    return wrap(torch, step), first, torch.cuda.synchronize


def graphed(torch, step):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def torch_autograd():
    torch, found = torch_tensors()
    x, y = found["x"], found["y"].argmax(1)
    W, b = (found[name].requires_grad_() for name in ("W", "b"))
    optimizer = torch.optim.SGD([W, b], lr=RATE)

    def step():
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(x @ W.T + b.T, y)
        value.backward()
        optimizer.step()
        return value

    value = float(step())
    return step, [value, *(p.detach().cpu().numpy() for p in (W, b))], torch.cuda.synchronize


def cupy_by_hand():
    import cupy

    found = {name: cupy.asarray(array) for name, array in arrays().items()}
    x, y, W, b = (found[name] for name in ("x", "y", "W", "b"))

    def step():
        logits = x @ W.T + b.T
        logits -= logits.max(axis=1, keepdims=True)
        weights = cupy.exp(logits)
        total = weights.sum(axis=1, keepdims=True)
        value = (cupy.log(total).sum() - (y * logits).sum()) / len(x)
        weights /= total
        weights -= y
        W[...] -= np.float32(RATE / len(x)) * (weights.T @ x)
        b[...] -= np.float32(RATE / len(x)) * weights.sum(axis=0)[:, None]
        return value

    value = float(step())
    return step, [value, cupy.asnumpy(W), cupy.asnumpy(b)], cupy.cuda.Device().synchronize


def cupy_emitted():
    import cupy

    found = {name: cupy.asarray(array) for name, array in arrays().items()}
    samples = {name: found[name] for name in ("x", "y")}
    state = {name: found[name] for name in ("W", "b")}
    function = emitted().value_and_grad

    def step():
        nonlocal state
        value, gradients = function(**state, **samples)
        state = {name: p - np.float32(RATE) * gradients[name] for name, p in state.items()}
        return value

    value = float(step())
    return step, [value, *map(cupy.asnumpy, state.values())], cupy.cuda.Device().synchronize


def reading():
    torch, found = torch_tensors()
    return found["x"].sum, None, torch.cuda.synchronize


SIDES = {
    "ours": ours,
    "emitted, recorded": recorded,
    "emitted, as it is": as_it_is,
    "emitted, jax.jit": jax_emitted,
    "emitted, CuPy": cupy_emitted,
    "torch by hand": lambda: torch_step(lambda _, step: step),
    "torch by hand, CUDA graph": lambda: torch_step(graphed),
    "torch by hand, compiled": lambda: torch_step(lambda torch, step: torch.compile(step)),
    "torch autograd": torch_autograd,
    "jax.jit": jax_by_hand,
    "CuPy by hand": cupy_by_hand,
    "reading X once": reading,
}


def truth():
    """Return the value and the parameters after a step, by NumPy in double precision."""
    x, y, W, b = (np.asarray(array, np.float64) for array in arrays().values())
    logits = x @ W.T + b.T
    logits -= logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    residual = (np.exp(logs) - y) / len(x)
    return [-(y * logs).sum() / len(x), W - RATE * residual.T @ x,
            b - RATE * residual.sum(axis=0)[:, None]]  # fmt: skip # three results


def measure(side, check):
    try:
        step, first, wait = SIDES[side]()
    except (ImportError, InputError) as error:
        return {"missing": str(error)}
    error = None
    if check and first is not None:
        pairs = list(zip(first, truth(), strict=True))
        error = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
        if not error < 1e-5:
            raise SystemExit(f"{side}: differs from double precision by {error:.1e}")
    times = []
    for _ in range(REPEATS + 1):
        wait()
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        wait()
        times.append((time.perf_counter() - start) / STEPS)
    return {"seconds": median(times[1:]), "error": error}


def gpu():
    """Return the name of the GPU, or nothing."""
    try:
        import torch
    except ImportError:
        return ""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.check)))
        return
    name = gpu()
    if not name:
        print("no GPU that torch computes on: nothing is measured")
        finish("gpu", gpu=None, versions=versions("torch"))
        return
    first, found = take_turns(__file__, SIDES, options.runs)
    seconds = {side: median(run["seconds"] for run in runs) for side, runs in found.items()}
    print(f"a step on all of MNIST, float32, on one {name}")
    for side, time_ in seconds.items():
        error = first[side]["error"]
        note = "" if error is None else f", {error:.1e} from double precision"
        print(f"{side:<28}{1e6 * time_:>8.1f} µs, {time_ / seconds['ours']:.2f} × ours{note}")
    reached = 1e6 * seconds["ours"]
    print(f"ours {reached:.1f} µs, target ≤ {TARGET} on an H100: {met(reached <= TARGET)}")
    finish("gpu", gpu=name, runs=options.runs, seconds=seconds, targets={"microseconds": TARGET},
           errors={side: first[side]["error"] for side in found},
           versions=versions("torch", "jax", "cupy"))  # fmt: skip # as in the other scripts


if __name__ == "__main__":
    main()
