"""The training loop: an optimizer, epoch by epoch, on functions it knows nothing of.

Contract: the parameters that `Training` shows are always those after a whole number of steps, also
when a step is interrupted; and the same seed on the same machine gives the same parameters, bit by
bit.

Gradient descent (`sgd`): one epoch uses every sample once. Batches are runs of neighbouring
samples, the last one shorter if need be; what is shuffled, anew each epoch, is their order. The
learning rate falls linearly, from its initial value at the first step to zero after the last, so
that the noise of single batches dies out. The initial value, unless given, is the first of 1, 1/4,
1/16, … at which 64 trial steps keep the loss below three times where it began; with momentum m all
of them times 1 - m.

L-BFGS (`lbfgs`): the epochs are the passes over all samples that it may use, one for each
evaluation of loss and gradient; an iteration takes one or more, and is recorded as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from derive.errors import InputError, RefusedError
from numeric.backends import Backend
from numeric.descent import Descent, steady_rate
from numeric.lbfgs import LBFGS
from numeric.model import Array, Evaluation, Objective, Parameters, evaluate, initialise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Epoch", "Settings", "Training"]

Batch = dict[str, Array]


@dataclass(frozen=True)
class Settings:
    """Hold how to train.

    `lr` is the initial learning rate, None to have it chosen by a short trial. `momentum` is the
    share of the previous step's direction that is added to the gradient. `batch_size` is that of
    gradient descent, 128 unless given; L-BFGS takes all samples, and has neither of the others.

    Raises: InputError for a value out of range.

    >>> Settings(epochs=0)
    Traceback (most recent call last):
    ...
    derive.errors.InputError: --epochs 0: expected a whole number from 1.
    """

    epochs: int = 10
    batch_size: int | Literal["all"] | None = None
    lr: float | None = None
    momentum: float = 0.0
    dtype: Literal["float32", "float64"] = "float32"
    seed: int = 0
    optimizer: Literal["sgd", "lbfgs"] = "sgd"

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"--epochs {self.epochs}: expected a whole number from 1.")
        if self.batch_size is None:
            object.__setattr__(self, "batch_size", 128 if self.optimizer == "sgd" else "all")
        elif self.batch_size != "all" and self.batch_size < 1:
            raise InputError(
                f"--batch-size {self.batch_size}: expected a whole number from 1, or 'all'."
            )
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise InputError(f"--lr {self.lr}: expected a finite number above 0, such as 0.5.")
        if not 0 <= self.momentum < 1:
            raise InputError(f"--momentum {self.momentum}: expected a number from 0, below 1.")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: expected a whole number from 0.")
        if self.optimizer == "lbfgs":
            self._refuse_what_lbfgs_has_not()

    def _refuse_what_lbfgs_has_not(self) -> None:
        reasons = {
            f"--batch-size {self.batch_size}": self.batch_size != "all" and "takes all samples",
            f"--lr {self.lr}": self.lr is not None and "finds its steps by a line search",
            f"--momentum {self.momentum}": self.momentum and "has its memory of earlier steps",
        }
        for option, reason in reasons.items():
            if reason:
                raise InputError(
                    f"{option}: --optimizer lbfgs {reason}. Drop the option, or take "
                    "--optimizer sgd."
                )


@dataclass(frozen=True)
class Epoch:
    """Record an epoch, or an iteration of L-BFGS.

    `number` counts the passes over the data so far, of which this took `passes`. `loss` is the mean
    over the training samples, in gradient descent each at the parameters of its own step, in L-BFGS
    at those reached. `seconds` are those of all optimisation so far, without evaluation.
    """

    number: int
    loss: float
    validation: Evaluation | None
    seconds: float
    passes: int = 1


class Training:
    """Train the parameters of an objective, one epoch after another.

    Shapes: inputs (N, d) and targets (N, k), one-hot, one sample a row; both of the dtype of the
    settings. The `backend` computes, by default NumPy. `start` continues from earlier parameters
    after `epochs_done` epochs, with another order of batches and the learning rate's fall anew.

    >>> def loss(w, x, y):
    ...     return np.mean((x @ w - y) ** 2)
    >>> def loss_and_gradient(w, x, y):
    ...     return loss(w, x, y), {"w": 2 * x.T @ (x @ w - y) / len(x)}
    >>> line = Objective({"w": (1, 1)}, loss, loss_and_gradient, logits=lambda w, x: x @ w)
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> training = Training(line, x, 3 * x, Settings(batch_size=8))
    >>> for epoch in training.epochs():
    ...     pass
    >>> round(float(training.parameters["w"][0, 0]), 3)
    3.0
    """

    def __init__(
        self,
        objective: Objective,
        inputs: Array,
        targets: Array,
        settings: Settings,
        *,
        validation: tuple[Array, Array] | None = None,
        start: Mapping[str, Array] | None = None,
        epochs_done: int = 0,
        backend: Backend | None = None,
    ) -> None:
        self.epochs_done = epochs_done
        self.seconds = 0.0
        self.rate: float | None = None
        self._objective, self._validation = objective, validation
        self._backend = backend or Backend()
        self._optimizer = self._begin(inputs, targets, settings, start)

    def _begin(
        self, inputs: Array, targets: Array, settings: Settings, start: Mapping[str, Array] | None
    ) -> Descent | LBFGS:
        """Prepare the optimizer at the start; for gradient descent, find the initial rate."""
        objective, backend = self._objective, self._backend
        function = objective.in_place or objective.value_and_grad
        batches = _cut(objective, inputs, targets, settings.batch_size)
        if start is None:
            start = initialise(objective.parameters, settings.seed)
        begin = {name: np.array(start[name], settings.dtype) for name in objective.parameters}
        if settings.optimizer == "lbfgs":
            return LBFGS(backend, function, begin, batches[0][0], passes=settings.epochs)
        momentum = settings.momentum
        self.rate = settings.lr or steady_rate(objective, begin, batches, momentum)
        return Descent(
            backend,
            function,
            begin,
            batches,
            epochs=settings.epochs,
            rate=self.rate,
            momentum=momentum,
            seed=settings.seed,
        )

    @property
    def parameters(self) -> Parameters:
        """Return the parameters after the last whole step."""
        return self._optimizer.parameters

    @property
    def ended(self) -> str:
        """Say why training is over, or nothing where it is not."""
        return self._optimizer.ended

    def epochs(self) -> Iterator[Epoch]:
        """Train for the epochs of the settings, and yield a record after each.

        Raises: RefusedError when the loss or a parameter is no longer a finite number.
        """
        while not self.ended:
            try:
                passes, loss = self._advance()
            except FloatingPointError as error:
                raise RefusedError(self._divergence(error)) from error
            self.epochs_done += passes
            report = None
            if self._validation is not None:
                report = evaluate(self._objective, self.parameters, *self._validation)
            yield Epoch(self.epochs_done, loss, report, self.seconds, passes)

    def _advance(self) -> tuple[int, float]:
        """Let the optimizer advance, and take its time."""
        began = perf_counter()
        try:
            # What overflows ends in a loss that is not finite, and is reported as such.
            with np.errstate(all="ignore"):
                done = self._optimizer.advance(self.epochs_done)
        finally:
            self.seconds += perf_counter() - began
        for name, array in self.parameters.items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"an entry of {name}")
        return done

    def _divergence(self, error: FloatingPointError) -> str:
        where = f"Training diverged in epoch {self.epochs_done + 1}: {error} is not a finite number"
        if self.rate is None:
            return f"{where}. Start from other parameters, with --seed or --resume."
        return f"{where}, with --lr {self.rate:g}. Lower --lr, for example to {self.rate / 10:g}."


def _cut(
    objective: Objective, inputs: Array, targets: Array, batch_size: int | Literal["all"] | None
) -> list[tuple[Batch, int]]:
    """Return neighbouring samples under their arguments' names, and how many they are.

    Inputs are views; targets, which are small, are copies in the memory order that emitted code
    gives to rows of few entries (see `derive.layout`), since mixing orders costs.
    """
    size = batch_size if isinstance(batch_size, int) else len(inputs)
    batches = []
    for start in range(0, len(inputs), size):
        rows = slice(start, start + size)
        batch = {
            objective.input: inputs[rows],
            objective.label: np.asfortranarray(targets[rows]),
        }
        batches.append((batch, len(inputs[rows])))
    return batches
