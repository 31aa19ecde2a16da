"""Other people's gradient checkers, each as they are called by default.

A checker takes a problem at a point and returns the function that says whether it rejects an array
that is claimed to be the gradient there. The value is the loss's `by_hand` in the checker's own
library, in float64; a gradient of another shape than the variable's is rejected, be it that the
checker sees only flat arrays.
"""

from __future__ import annotations

import importlib
from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

SCIPY_LIMIT = 1e-6  # of the 2-norm that check_grad returns, as tests usually have it
CENTRAL_STEP, CENTRAL_LIMIT = 1e-5, 1e-7  # |g − n| / (|g| + |n|), as courses teach it


def torch_gradcheck(problem, point, loss_scale, *, fast):
    """Check by torch.autograd.gradcheck: eps 1e-6, atol 1e-5, rtol 1e-3."""
    import torch

    given = {name: torch.tensor(array) for name, array in point.items()}
    wrt, by_hand = problem.wrt, problem.loss.by_hand
    x = given[wrt].clone().requires_grad_()

    class Claimed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, gradient):
            ctx.save_for_backward(gradient)
            return loss_scale * by_hand(torch, **{**given, wrt: x})

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent * ctx.saved_tensors[0], None

    # After it has rejected a gradient, the fast mode runs the slow one for a message: for hours at
    # 10⁶ entries.
    message = "_run_slow_mode_and_get_error"
    module = importlib.import_module("torch.autograd.gradcheck")

    def rejects(gradient):
        claimed = torch.tensor(gradient)
        try:
            with patch.object(module, message, lambda *_: "rejected"):
                return not torch.autograd.gradcheck(
                    lambda x: Claimed.apply(x, claimed), (x,), fast_mode=fast, raise_exception=False
                )
        except RuntimeError:
            return True

    return rejects


def jax_check_grads(problem, point, loss_scale):
    """Check by jax.test_util.check_grads of order 1 in reverse mode, with its own tolerances."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    given = {name: jax.numpy.asarray(array) for name, array in point.items()}
    wrt, by_hand = problem.wrt, problem.loss.by_hand
    value = jax.jit(lambda x: loss_scale * by_hand(jax.numpy, **{**given, wrt: x}))

    def rejects(gradient):
        claimed = jax.numpy.asarray(gradient)
        function = jax.custom_vjp(value)
        function.defvjp(lambda x: (value(x), None), lambda _, cotangent: (cotangent * claimed,))
        try:
            check_grads(function, (given[wrt],), order=1, modes=["rev"])
        except (AssertionError, TypeError, ValueError):
            return True
        return False

    return rejects


def scipy_check_grad(problem, point, loss_scale):
    """Check by scipy.optimize.check_grad against SCIPY_LIMIT."""
    from scipy.optimize import check_grad

    value, x = _flat(problem, point, loss_scale)

    def rejects(gradient):
        other_shape = gradient.shape != point[problem.wrt].shape
        return other_shape or not check_grad(value, lambda _: gradient.ravel(), x) < SCIPY_LIMIT

    return rejects


def central_differences(problem, point, loss_scale):
    """Check by central differences of every entry, |g − n| / (|g| + |n|) < 1e-7."""
    value, x = _flat(problem, point, loss_scale)
    measured = np.empty(x.size)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = CENTRAL_STEP
        measured[i] = (value(x + step) - value(x - step)) / (2 * CENTRAL_STEP)

    def rejects(gradient):
        if gradient.shape != point[problem.wrt].shape:
            return True
        apart = np.linalg.norm(gradient.ravel() - measured)
        return not apart < CENTRAL_LIMIT * (np.linalg.norm(gradient) + np.linalg.norm(measured))

    return rejects


def _flat(problem, point, loss_scale):
    wrt, by_hand = problem.wrt, problem.loss.by_hand
    shape = point[wrt].shape

    def value(x):
        return loss_scale * float(by_hand(np, **{**point, wrt: x.reshape(shape)}))

    return value, point[wrt].ravel()


def _checker(name, package, at, by_entry):
    return SimpleNamespace(name=name, package=package, at=at, by_entry=by_entry)


# `by_entry` says that a check costs values in proportion to the gradient's entries.
CHECKERS = (
    _checker("torch slow", "torch", partial(torch_gradcheck, fast=False), True),
    _checker("torch fast", "torch", partial(torch_gradcheck, fast=True), False),
    _checker("jax", "jax", jax_check_grads, False),
    _checker("scipy", "scipy", scipy_check_grad, True),
    _checker("central 1e-7", "numpy", central_differences, True),
)


def installed():
    """Return the checkers whose package imports, and the names of all packages."""
    imported = {}
    for package in dict.fromkeys(checker.package for checker in CHECKERS):
        try:
            importlib.import_module(package)
            imported[package] = True
        except ImportError:
            imported[package] = False
    return [checker for checker in CHECKERS if imported[checker.package]], list(imported)
