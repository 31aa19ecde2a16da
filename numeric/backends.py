"""Where the arithmetic of training is done: the arrays, the call of the gradient, a step.

Contract: an optimizer speaks to a `Backend` alone. Data is placed once, before training; parameters
go to the device and come back as NumPy arrays, since models, checks and evaluations are NumPy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numeric.model import Array, Objective

__all__ = ["Backend"]


class Backend:
    """Compute with NumPy, on the processor; the other backends override what differs.

    >>> from numeric.model import Objective
    >>> def square(w, x, y):
    ...     return w**2, {"w": 2 * w}
    >>> objective = Objective({"w": ()}, lambda **_: 0, square, lambda **_: 0)
    >>> Backend(objective).value_and_grad({"w": 3.0}, {"x": 0, "y": 0})
    (9.0, {'w': 6.0})
    """

    name = "numpy"

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    @property
    def where(self) -> str:
        """Say what computes, for a report."""
        return f"{self.name} on the CPU"

    def place(self, batch: Mapping[str, Array]) -> Any:
        """Bring samples, by their arguments' names, to where they are computed with."""
        return batch

    def to_device(self, array: Array) -> Any:
        """Bring a parameter to the device."""
        return array

    def to_numpy(self, array: Any) -> Array:
        """Bring a parameter back."""
        return np.asarray(array)

    def value_and_grad(self, parameters: Mapping[str, Any], batch: Any) -> Any:
        """Return the mean loss over placed samples, and its gradients by name."""
        return self._objective.value_and_grad(**parameters, **batch)

    def compile(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a step, a function of arrays that changes none of them, in its fastest form."""
        return step

    def moved(self, parameter: Any, direction: Any, rate: Any) -> Any:
        """Return ``parameter - rate * direction`` as a new array, of the parameter's dtype.

        It has the memory order of its direction, since mixing orders costs more than arithmetic.
        """
        result = np.empty_like(direction, parameter.dtype)
        np.multiply(direction, rate, out=result)
        return np.subtract(parameter, result, out=result)
