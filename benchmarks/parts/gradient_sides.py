"""The sides of `gradients.py`: each turns a problem into a function that computes it, ready to run.

A side is called with a problem and its arrays, and returns a function without arguments and one
that reads its result as NumPy: the value and the gradients, or what an epoch leaves behind.
"""

from __future__ import annotations

import numpy as np

from derive.batch import batched
from derive.derivatives import differentiate
from derive.emit import emit, value_names
from derive.language import read_formula
from numeric.in_place import InPlace
from numeric.row_blocks import RowBlocks

from . import gradient_losses as losses
from . import on_paper
from . import stock_sympy as stock


class NotThereError(Exception):
    """A side has no such function, and why."""


def derived(problem, shapes=None):
    """Return what code is emitted from: expressions, variables, names of intermediate values."""
    formula = read_formula(problem.formula, shapes or problem.shapes, problem.assume)
    derivation = differentiate(formula, problem.wrt)
    if not problem.batch:
        outputs = (formula.expr, *derivation.gradient.values())
        return outputs, formula.variables, value_names(derivation)
    batch = batched(derivation, problem.batch)
    names = {expr: name for name, expr in batch.values.items()}
    return (batch.value, *batch.gradient.values()), batch.variables, names


def emitted(problem):
    """Return the function whose code is that of ``cli derive --format numpy``, and its code."""
    return emit(*derived(problem))


def emitted_in_place(problem, arrays):
    """Return the function as training runs it: of samples at the data's sizes, in blocks."""
    if not problem.batch:
        code = emit(*derived(problem), tuned=True)
        return code.arguments, InPlace(code)
    shapes = {}
    for name, text in problem.shapes.items():
        sizes = arrays[name].shape[-1:] if name in problem.batch else arrays[name].shape
        shapes[name] = text if text == "scalar" else ",".join(map(str, sizes))
    code = emit(*derived(problem, shapes), tuned=True)
    return code.arguments, RowBlocks(code, problem.batch)


def ours(problem, arrays):
    code = emitted(problem)
    return on_numpy(problem, arrays, with_names(code.arguments, code.function))


def ours_in_place(problem, arrays):
    return on_numpy(problem, arrays, with_names(*emitted_in_place(problem, arrays)))


def with_names(order, function):
    """Let a function take its arguments by name, and return a value and a tuple."""

    def value_and_grad(**arrays):
        value, *gradients = function(*[arrays[name] for name in order])
        return value, gradients

    return value_and_grad


def by_hand(problem, arrays):
    return on_numpy(problem, arrays, problem.by_hand)


def written_down(problem, arrays):
    return on_numpy(problem, arrays, getattr(on_paper, problem.by_hand.__name__))


def on_numpy(problem, arrays, value_and_grad):
    """Run a function of named arrays, once or for an epoch."""
    if problem.rate is None:
        return lambda: value_and_grad(**arrays), read
    return lambda: epoch(problem, arrays, value_and_grad), read


def epoch(problem, arrays, value_and_grad):
    """Take a step a batch, and return the sum of the losses and the parameters."""
    parameters = {name: arrays[name].copy() for name in problem.wrt}
    total, rate = 0.0, problem.rate
    for rows in zip(*(arrays[name] for name in problem.batch), strict=True):
        batch = dict(zip(problem.batch, rows, strict=True))
        value, gradients = value_and_grad(**parameters, **batch)
        for parameter, gradient in zip(parameters.values(), gradients, strict=True):
            parameter -= rate * gradient
        total += value
    return total, tuple(parameters.values())


def read(result):
    value, gradients = result
    return float(value), [np.asarray(gradient) for gradient in gradients]


def stock_lambdify(problem, arrays):
    """Compile what a person writes in stock SymPy, by its own printer and sharing.

    Raises:
        NotThereError: with what SymPy, or the code that it wrote, says.
    """
    import sympy

    if problem.rate is not None:
        raise NotThereError("as for the whole set")
    symbols = {name: sympy.MatrixSymbol(name, *array.shape) for name, array in arrays.items()}
    for cse in (True, False):  # its sharing fails on some that its printer would not refuse
        try:
            outputs = getattr(stock, problem.peer)(sympy, **symbols)
            function = sympy.lambdify(list(symbols.values()), outputs, "numpy", cse=cse)
            function(*arrays.values())
            break
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            if isinstance(error, SyntaxError):  # an elementwise function, as it stands in SymPy
                reason = "it writes what is not Python, as in " + " ".join(error.text.split())[:60]
    else:
        raise NotThereError(reason)
    return lambda: function(*arrays.values()), read_scalar_first


def read_scalar_first(result):
    """Read a result whose value is an array of one entry."""
    return float(np.squeeze(result[0])), [np.asarray(gradient) for gradient in result[1:]]


def hips_autograd(problem, arrays):
    import autograd
    import autograd.numpy as anp

    loss = getattr(losses, problem.peer)(losses.Autograd(anp))
    differentiated = autograd.value_and_grad(lambda wrt, given: loss(**wrt, **given))

    def value_and_grad(**named):
        wrt = {name: named[name] for name in problem.wrt}
        value, gradients = differentiated(wrt, {n: a for n, a in named.items() if n not in wrt})
        return value, [gradients[name] for name in problem.wrt]

    return on_numpy(problem, arrays, value_and_grad)


def torch_autograd(problem, arrays):
    import torch

    loss = getattr(losses, problem.peer)(losses.Torch(torch))
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def value_and_grad(**named):
        wrt = [named[name].detach().requires_grad_() for name in problem.wrt]
        value = loss(**{**named, **dict(zip(problem.wrt, wrt, strict=True))})
        return value.detach(), torch.autograd.grad(value, wrt)

    if problem.rate is None:
        return lambda: value_and_grad(**tensors), read

    def torch_epoch():
        parameters = {name: tensors[name].clone() for name in problem.wrt}
        total = torch.zeros(())
        for rows in zip(*(tensors[name] for name in problem.batch), strict=True):
            batch = dict(zip(problem.batch, rows, strict=True))
            value, gradients = value_and_grad(**parameters, **batch)
            for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                parameter.sub_(gradient, alpha=problem.rate)
            total += value
        return total, tuple(parameters.values())

    return torch_epoch, read


def jax_jit(problem, arrays):
    import jax
    import jax.numpy as jnp

    if next(iter(arrays.values())).dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    loss = getattr(losses, problem.peer)(losses.Jax(jax, jnp))
    on_device = {name: jnp.asarray(array) for name, array in arrays.items()}
    wrt = {name: on_device.pop(name) for name in problem.wrt}
    value_and_grad = jax.value_and_grad(lambda wrt, given: loss(**wrt, **given))
    whole = value_and_grad
    if problem.rate is not None:

        def whole(wrt, given):
            def step(parameters, batch):
                value, gradients = value_and_grad(parameters, batch)
                moved = jax.tree.map(lambda p, g: p - problem.rate * g, parameters, gradients)
                return moved, value

            parameters, values = jax.lax.scan(step, wrt, given)
            return values.sum(), parameters

    compiled = jax.jit(whole)

    def read_by_name(result):
        return read((result[0], [result[1][name] for name in problem.wrt]))

    return lambda: jax.block_until_ready(compiled(wrt, on_device)), read_by_name


SIDES = {
    "emitted": ours,
    "in place": ours_in_place,
    "by hand": by_hand,
    "on paper": written_down,
    "autograd": hips_autograd,
    "torch": torch_autograd,
    "jax": jax_jit,
    "lambdify": stock_lambdify,
}
PACKAGES = {"autograd": "autograd", "torch": "torch", "jax": "jax"}
