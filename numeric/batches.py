"""The batched code against a loop over samples: what the rewriting to N samples must not change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.batch import batched
from derive.calling import emit_value_and_grad
from derive.emit import emit
from numeric.points import draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.derivation import Derivation

__all__ = ["compare_with_loop"]

SAMPLES = 5


def compare_with_loop(
    derivation: Derivation,
    names: Sequence[str],
    point: Mapping[str, Any],
    is_inside: Callable[[Mapping[str, Any]], bool],
    *,
    seed: int = 0,
) -> tuple[float, dict[str, Any]]:
    """Compare value and gradients of the batched code with the means of single samples'.

    Args:
        derivation: the formula and its gradients.
        names: what varies by sample; samples are drawn for it, the rest is that of the point.
        point: a point in the domain.
        is_inside: says so of a point.
        seed: of the random samples.

    Raises:
        InputError: for a name that is no variable, or neither a column vector nor a scalar.
        RefusedError: where the formula has no batched form.

    Returns the largest error, relative to a single sample's result, and the batched point.

    >>> import derive
    >>> derivation = derive.differentiate("norm2(W*x)^2", wrt=["W"])
    >>> point = {"W": np.eye(2, 3), "x": np.ones((3, 1))}
    >>> error, rows = compare_with_loop(derivation, ["x"], point, lambda point: True)
    >>> error < 1e-14, rows["x"].shape
    (True, (5, 3))
    """
    batch = batched(derivation, names)
    samples = _samples(derivation, names, point, is_inside, seed)
    order = tuple(derivation.formula.variables)
    one = emit_value_and_grad(derivation)
    single = [one(*(sample[name] for name in order)) for sample in samples]
    rows = {name: np.stack([sample[name].reshape(-1) for sample in samples]) for name in names}
    stacked = {**point, **rows}

    function = emit([batch.value, *batch.gradient.values()], batch.variables).function
    got = function(*(stacked[name] for name in order))
    expected = [np.stack([value for value, _ in single])]
    expected += [np.stack([gradient[name] for _, gradient in single]) for name in batch.gradient]
    varies = [False, *(name in names for name in batch.gradient)]
    errors = map(_error, got, expected, varies)
    return max(errors), stacked


def _samples(
    derivation: Derivation,
    names: Sequence[str],
    point: Mapping[str, Any],
    is_inside: Callable[[Mapping[str, Any]], bool],
    seed: int,
) -> list[dict[str, Any]]:
    sizes = {
        str(size): length
        for name, variable in derivation.formula.variables.items()
        for size, length in zip(getattr(variable, "shape", ()), point[name].shape, strict=False)
    }

    def with_the_rest(drawn: Mapping[str, Any]) -> dict[str, Any]:
        return {**point, **{name: drawn[name] for name in names}}

    drawn = draw_points(
        derivation.formula,
        lambda candidate: is_inside(with_the_rest(candidate)),
        sizes=sizes,
        count=SAMPLES,
        seed=seed + 1,
    )
    return [with_the_rest(candidate) for candidate in drawn]


def _error(got: Any, single: Any, varies: bool) -> float:
    """Return the error of a mean, or of the samples' own gradients over their number."""
    expected = single.reshape(len(single), -1) / len(single) if varies else single.mean(axis=0)
    if np.shape(got) != expected.shape:
        return math.inf
    scale = float(np.max(np.abs(single))) or 1.0
    error = float(np.max(np.abs(got - expected))) / scale
    return math.inf if math.isnan(error) else error
