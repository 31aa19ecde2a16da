"""L-BFGS over all data at once: a direction from the last few steps, a length from a line search.

Contract: what it spends is counted in passes over the data, one for each evaluation of loss and
gradient, those of the line search included, and it never takes more than it was given. `parameters`
are always those after a whole iteration, also when one is interrupted.

Vectors over the parameters are NumPy's, in double precision, whatever computes the gradient: they
are small beside the data, and a difference of two gradients loses digits.

Source: Nocedal & Wright, Numerical Optimization (2nd ed., 2006), algorithms 7.4 (`_direction`) and
7.5 (`advance`), the first Hessian by (7.20).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numeric.line_search import Trial, search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numeric.backends import Backend
    from numeric.model import Array, Parameters

__all__ = ["GRADIENT_TOLERANCE", "LBFGS", "MEMORY"]

MEMORY = 10
GRADIENT_TOLERANCE = 1e-5  # of the largest entry, as in SciPy


class _Point(NamedTuple):
    """A place that an iteration ended in: all parameters in one vector, loss, and gradient."""

    place: Array
    loss: float
    gradient: Array


class LBFGS:
    """Minimise a loss over one batch that holds all samples, in at most `passes` passes.

    It ends where the passes are used up, where no entry of the gradient exceeds the tolerance, or
    where no decrease can be seen any more at the parameters' precision.

    >>> from numeric.backends import Backend
    >>> def bowl(w, x, y):
    ...     return np.sum((w - x) ** 2 * y), {"w": 2 * (w - x) * y}
    >>> data = {"x": np.array([1.0, 2.0]), "y": np.array([1.0, 100.0])}
    >>> minimum = LBFGS(Backend(), bowl, {"w": np.zeros(2)}, data, passes=20)
    >>> while not minimum.ended:
    ...     _ = minimum.advance(0)
    >>> minimum.parameters["w"].round(6).tolist()
    [1.0, 2.0]
    """

    def __init__(
        self,
        backend: Backend,
        value_and_grad: Callable[..., Any],
        start: Mapping[str, Array],
        batch: Mapping[str, Array],
        *,
        passes: int,
    ) -> None:
        self._backend, self._batch = backend, backend.place(batch)
        self._value_and_grad = backend.compile(backend.of_placed(value_and_grad))
        self._like = dict(start)
        self._left = passes
        self._pairs: deque[tuple[Array, Array]] = deque(maxlen=MEMORY)
        self._at = _Point(np.concatenate([a.ravel() for a in start.values()]), np.inf, np.empty(0))
        self.ended = ""

    @property
    def parameters(self) -> Parameters:
        """The parameters after the last whole iteration."""
        return self._split(self._at.place)

    def advance(self, _: int) -> tuple[int, float]:
        """Do one iteration; return the passes over the data that it took, and the loss after it.

        Raises: FloatingPointError where the loss at the start is not a finite number.
        """
        given = self._left
        at = self._at if self._at.gradient.size else self._evaluated(self._at.place)
        if not (np.isfinite(at.loss) and np.isfinite(at.gradient).all()):
            raise FloatingPointError("the loss or its gradient at the start")
        found = self._searched(at)
        if found is None and self._left and self._pairs:
            self._pairs.clear()  # what they say of the curvature may be round-off
            found = self._searched(at)
        if found is not None:
            change, turn = found.place - at.place, found.gradient - at.gradient
            if change @ turn > np.finfo(float).eps * (turn @ turn):
                self._pairs.append((change, turn))
            at = found
        self._at = at
        if np.abs(at.gradient).max(initial=0) <= GRADIENT_TOLERANCE:
            self.ended = f"converged, no entry of the gradient exceeds {GRADIENT_TOLERANCE:g}"
        elif not self._left:
            self.ended = "all passes over the data used"
        elif found is None:
            self.ended = f"no further decrease can be seen in {self._dtype}"
        return given - self._left, at.loss

    def _searched(self, at: _Point) -> _Point | None:
        """Return where the line search along the quasi-Newton direction ends."""
        if np.abs(at.gradient).max(initial=0) <= GRADIENT_TOLERANCE:
            return None
        direction = self._direction(at.gradient)

        def evaluate(step: float) -> Trial | None:
            if not self._left:
                return None
            point = self._evaluated(at.place + step * direction)
            return Trial(step, point.loss, float(point.gradient @ direction), point)

        first = 1.0 if self._pairs else 1 / float(np.linalg.norm(at.gradient))
        start = Trial(0.0, at.loss, float(at.gradient @ direction), at)
        rounding = 4 * float(np.finfo(self._dtype).eps) * abs(at.loss)
        found = search(evaluate, start, first, rounding)
        if found is None or np.array_equal(found.state.place, at.place):
            return None
        point: _Point = found.state
        return point

    def _direction(self, gradient: Array) -> Array:
        """Return −H∇f, H being the inverse Hessian that the last steps tell of."""
        result = -gradient
        products = []
        for change, turn in reversed(self._pairs):
            products.append((change @ result) / (change @ turn))
            result = result - products[-1] * turn
        if self._pairs:
            change, turn = self._pairs[-1]
            result = result * ((change @ turn) / (turn @ turn))
        for (change, turn), product in zip(self._pairs, reversed(products), strict=True):
            result = result + (product - (turn @ result) / (change @ turn)) * change
        return result

    def _evaluated(self, place: Array) -> _Point:
        """Spend a pass over the data, at a place rounded to the parameters' dtype."""
        self._left -= 1
        parameters = self._split(place)
        placed = {name: self._backend.to_device(array) for name, array in parameters.items()}
        value, gradients = self._value_and_grad(placed, self._batch)
        gradient = [self._backend.to_numpy(gradients[name]).ravel() for name in parameters]
        rounded = np.concatenate([array.ravel() for array in parameters.values()])
        return _Point(rounded.astype(float), float(value), np.concatenate(gradient).astype(float))

    def _split(self, place: Array) -> Parameters:
        """Cut a vector into the parameters."""
        parameters, end = {}, 0
        for name, like in self._like.items():
            begin, end = end, end + like.size
            parameters[name] = place[begin:end].astype(like.dtype).reshape(like.shape)
        return parameters

    @property
    def _dtype(self) -> str:
        return str(np.result_type(*self._like.values()))
