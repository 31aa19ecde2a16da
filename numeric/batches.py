"""The batched form against a loop over samples: what the rewriting to N samples must not change.

The emitted code is compared in double precision, and the formulas in sixty digits at rational
points, by what every operation means for single entries (``derive.exact``). No pullback and no
rewriting is known to either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import ImmutableDenseMatrix as Dense

from derive.batch import batched
from derive.calling import emit_value_and_grad
from derive.emit import emit
from derive.forward import evaluate, exactly
from derive.graph import postorder, shape_of
from numeric.oracle import EXACT_TOLERANCE, fractions_of
from numeric.points import draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.batch import Batch
    from derive.derivation import Derivation

__all__ = ["Loop", "compare_with_loop"]

SAMPLES = 5
BATCH_TOLERANCE = 1e-10
EXACT_WORK = 10_000  # operations times entries of the largest variable, some 0.1 ms each


@dataclass(frozen=True)
class Loop:
    """What a loop over samples says of the batched form, at ``point``, where a row is a sample.

    ``error`` is the code's largest error, relative to a single sample's result, and ``exact`` the
    formulas', or None where they have too many operations or no value.
    """

    error: float
    exact: float | None
    point: dict[str, Any]

    @property
    def is_right(self) -> bool:
        """Whether both agree with the loop."""
        return self.error <= BATCH_TOLERANCE and (self.exact or 0.0) <= EXACT_TOLERANCE

    @property
    def worst(self) -> float:
        """The larger of both errors."""
        return max(self.error, self.exact or 0.0)

    def sentence(self) -> str:
        """Say what was compared and found.

        >>> Loop(1e-16, 0.0, {}).sentence()
        'The form for N samples equals a loop over samples in sixty digits, its code to 1.0e-16.'
        """
        if self.exact is None:
            return f"The code for N samples equals a loop over samples to {self.error:.1e}."
        return (
            "The form for N samples equals a loop over samples in sixty digits, "
            f"its code to {self.error:.1e}."
        )


def compare_with_loop(
    derivation: Derivation,
    names: Sequence[str],
    point: Mapping[str, Any],
    is_inside: Callable[[Mapping[str, Any]], bool],
    *,
    seed: int = 0,
) -> Loop:
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

    >>> import derive
    >>> derivation = derive.differentiate("norm2(W*x)^2", wrt=["W"])
    >>> point = {"W": np.eye(2, 3), "x": np.ones((3, 1))}
    >>> loop = compare_with_loop(derivation, ["x"], point, lambda point: True)
    >>> loop.error < 1e-14, loop.exact < 1e-50, loop.point["x"].shape
    (True, True, (5, 3))
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
    exact = _exact_error(derivation, batch, samples, stacked, names)
    return Loop(max(errors), exact, stacked)


def _exact_error(
    derivation: Derivation,
    batch: Batch,
    samples: Sequence[Mapping[str, Any]],
    stacked: Mapping[str, Any],
    names: Sequence[str],
) -> float | None:
    """Return the error of the batched formulas in sixty digits, relative to the largest entry."""
    variables = derivation.formula.variables
    singles = [derivation.formula.expr, *derivation.gradient.values()]
    means = [batch.value, *batch.gradient.values()]
    if len(postorder(*means)) * max(map(np.size, stacked.values())) > EXACT_WORK:
        return None
    sizes = {batch.size: len(samples)}
    for name, variable in variables.items():
        shape = np.shape(samples[0][name])
        sizes |= {s: n for s, n in zip(shape_of(variable), shape, strict=True) if s.is_Symbol}
    try:
        points = [_values(variables, sample) for sample in samples]
        rows, worst = _values(batch.variables, stacked), 0.0
        for name, single, mean in zip(("", *batch.gradient), singles, means, strict=True):
            each = [evaluate(single, point, sizes) for point in points]
            got = evaluate(mean, rows, sizes)
            expected = _stacked(each) if name in names else sum(each[1:], each[0])
            worst = max(worst, _relative(got * len(each), expected))
    except ArithmeticError:
        return None
    return worst


def _values(variables: Mapping[str, Any], point: Mapping[str, Any]) -> dict[Any, Any]:
    return {v: exactly(fractions_of(point[name])) for name, v in variables.items()}


def _stacked(each: Sequence[Any]) -> Any:
    """Return columns, or numbers, as the rows of one matrix."""
    return Dense([list(single) if hasattr(single, "shape") else [single] for single in each])


def _relative(got: Any, expected: Any) -> float:
    got, expected = (list(v) if hasattr(v, "shape") else [v] for v in (got, expected))
    if len(got) != len(expected):
        return math.inf
    size = max(map(abs, expected)) or 1
    return float(max(abs(a - b) for a, b in zip(got, expected, strict=True)) / size)


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
