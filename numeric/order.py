"""What a training is asked to do, beside how its parameters are found: the formula and its data.

Contract: the fields are the options of ``cli train`` under their names there; what is refused here
is refused before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from derive.errors import InputError
from numeric.request import Request, refuse_strange_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.problems import Problem

__all__ = ["Order", "refuse_strange_names"]


@dataclass(frozen=True)
class Order:
    """What a training is asked to do beside its settings."""

    problem: Problem
    shapes: Mapping[str, str]
    sample: str = "x"
    label: str = "y"
    logits: str | None = None
    data: str | None = None
    validation: int | None = None
    limit: int | None = None
    save: str | None = None
    resume: str | None = None
    report: str | None = None
    backend: str = "numpy"
    device: str | None = None
    engine: str = "local"
    scheduler: str | None = None


def refuse_strange_names(order: Order) -> None:
    """Refuse what a problem gives as data and training has no value for, and strange shapes.

    Raises:
        InputError: for the first of them.
    """
    problem, names = order.problem, {order.sample, order.label}
    if order.sample == order.label:
        raise InputError(
            f"--input and --label are both '{order.sample}'. Name the sample and its one-hot label."
        )
    request = Request(problem, order.shapes, problem.assume)
    refuse_strange_shapes([request])
    if names >= set(problem.data):
        return
    variables = request.formula.variables
    others = [name for name in problem.data if name in variables and name not in names]
    if others and names <= set(variables):
        raise InputError(
            f"{problem.name}: data: expected the input '{order.sample}' and the label "
            f"'{order.label}' alone, got '{others[0]}', which has no value in training. Write "
            f"the number into the formula, or leave '{others[0]}' out of data to train it."
        )
