"""One sample's derivation to N samples' formula.

A sample's column vector becomes a matrix with one sample a row, under the same name; the value
becomes the mean over the samples. A value that couples samples cannot arise: the formula speaks of
one sample only. What has no form with one sample a row is refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import Integer, S

from derive.build import scale
from derive.emit import value_names
from derive.errors import RefusedError
from derive.means import SampleMeans
from derive.samples import SampleRewriting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from derive.derivation import Derivation

__all__ = ["Batch", "batched", "batched_rows"]

ONE = Integer(1)


@dataclass(frozen=True)
class Batch:
    """The batched form of a derivation: the mean over samples of the value and the gradients.

    ``variables`` are the arguments in order, the batched ones as matrices with a sample a row;
    ``values`` maps intermediate names to their batched form.
    """

    variables: Mapping[str, Any]
    size: Any
    value: Any
    gradient: Mapping[str, Any]
    values: Mapping[str, Any]


def batched(derivation: Derivation, names: Sequence[str]) -> Batch:
    """Rewrite a derivation for N samples, of which the named variables are given a row each.

    Raises:
        InputError: for a name that is no variable, or no column vector or scalar.
        RefusedError: where the formula has no form with one sample a row.

    >>> import derive
    >>> batch = batched(derive.differentiate("norm2(W*x - y)^2", wrt=["W"]), ["x", "y"])
    >>> batch.gradient["W"]
    2*(x*W' - y)'*x/N
    """
    if not derivation.is_gradient:
        raise RefusedError(
            "Only gradients of a scalar have a batched form: the mean over samples. Leave --batch "
            "out, or take a functional such as sum(…)."
        )
    named = value_names(derivation)
    whole = [*named, *(scale(S.NegativeOne, expr) for expr in named)]  # the code has their rows
    rewriting = SampleRewriting(derivation.formula.variables, names)
    means = SampleMeans(rewriting, whole)
    with _advice():
        gradient = {
            name: means.per_sample(expr) if name in names else means.mean(expr)
            for name, expr in derivation.gradient.items()
        }
        value = means.mean(derivation.formula.expr)
        values = {name: rewriting.rows(expr) for expr, name in named.items()}
    return Batch(rewriting.variables, rewriting.size, value, gradient, values)


def batched_rows(
    expr: Any, variables: Mapping[str, Any], names: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
    """Rewrite one expression for N samples: a row a sample, and the variables with their shapes.

    Raises:
        InputError: as ``batched``.
        RefusedError: as ``batched``.

    >>> from derive.language import read_formula
    >>> formula = read_formula("W*x + y")
    >>> batched_rows(formula.expr, formula.variables, ["x"])[0]
    x*W' + y'
    """
    rewriting = SampleRewriting(variables, names)
    with _advice():
        return rewriting.rows(expr), rewriting.variables


@contextmanager
def _advice() -> Iterator[None]:
    """Say what can be done where there is no batched form."""
    try:
        yield
    except RefusedError as error:
        raise RefusedError(
            f"{error} Let fewer variables vary by sample, or write the formula with products of "
            "matrices and columns, functions of entries, and sums."
        ) from None
