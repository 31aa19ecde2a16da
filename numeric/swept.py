"""Changes of the derivation itself, for derivatives of every kind.

A derivative of a matrix F that is no scalar is compared through ⟨g, F⟩ for a random g: what its
gradient is, the claim says as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import MatrixSymbol

from derive.build import frobenius
from derive.graph import is_matrix, operands, shape_of
from derive.missteps import Misstep, missteps
from derive.symbols import DERIVATIVE, DIRECTIONAL, GRADIENT, HESSIAN, HESSIAN_VECTOR, JACOBIAN
from numeric.comparing import Values, equal, values_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from derive.derivation import Derivation
    from numeric.mistakes import Looking

__all__ = ["Candidate", "seeded", "steps_changed", "unstructured"]

SEED = "seed_of_the_sweep"
MISSTEPS = 300  # of each kind


@dataclass(frozen=True)
class Candidate:
    """A changed answer; ``claimed`` is what it is to be compared with, where not with the claim."""

    name: str
    said: str
    expr: Any
    claimed: Values | None = None
    derivation: Derivation | None = None
    misstep: Misstep | None = None

    def step(self) -> str:
        """Return the line of the derivation that has the change, "" where none is found."""
        if self.derivation is None or self.misstep is None:
            return ""
        named = {expr: symbol for symbol, expr in self.derivation.program.expanded.items()}
        stack = [self.misstep.operand]
        while stack:
            node = stack.pop(0)
            wanted = str(named.get(node, node).name) if node in named or _is_name(node) else None
            for step in self.derivation.steps if wanted else ():
                name = getattr(step.left, "derivative_of", None)
                if name is not None and name.variable == wanted:
                    return step.text()
            stack += operands(node)
        return ""


def _is_name(node: Any) -> bool:
    return hasattr(node, "name") and not operands(node)


def seeded(looking: Looking) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the variables and the points, with the seed and a random value of it."""
    seed = _seed(looking)
    if seed is None:
        return looking.variables, looking.points
    function = looking.question.right.function
    rng = np.random.default_rng(0)
    shapes = [v.shape for v in next(values_at([function], looking.variables, looking.points)) or ()]
    points = [
        {**point, SEED: rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)}
        for point, shape in zip(looking.points, shapes, strict=False)
    ]
    return {**looking.variables, SEED: seed}, points


def _seed(looking: Looking) -> Any:
    function = looking.question.right.function
    return MatrixSymbol(SEED, *function.shape) if is_matrix(function) else None


def steps_changed(
    looking: Looking, values: Sequence[Any]
) -> tuple[Iterator[Candidate], Iterator[Candidate]]:
    """Yield answers with one mistake on the way to them: in structure, then in operands."""
    early = _candidates(looking, [])
    return early, _candidates(looking, values)


def _candidates(looking: Looking, values: Sequence[Any]) -> Iterator[Candidate]:
    question, right = looking.question, looking.question.right
    claimed = _paired(looking)
    found = missteps(right.function, right.variable, values, _seed(looking))
    for misstep in islice(found, MISSTEPS * (2 if values else 1)):
        expr = misstep.change.expr
        if right.kind in (DIRECTIONAL, HESSIAN_VECTOR):
            expr = frobenius(expr, right.direction)
        elif right.structure is not None:
            expr = right.structure.project(expr)
        said, name = misstep.change.said, misstep.change.name
        yield Candidate(name, said, expr, claimed, question.derivation, misstep)


def _paired(looking: Looking) -> Values | None:
    """Return what the claim says of the gradient of ⟨g, F⟩."""
    kind = looking.question.right.kind
    if kind == GRADIENT or _seed(looking) is None or looking.claimed is None:
        return None
    _, points = seeded(looking)
    seeds = [point[SEED] for point in points]
    pairs = list(zip(looking.claimed, seeds, strict=True))
    if kind in (DIRECTIONAL, HESSIAN_VECTOR, DERIVATIVE):
        return tuple(np.sum(claim * seed) for claim, seed in pairs)
    if kind in (JACOBIAN, HESSIAN):
        rows = looking.question.right.variable.shape
        found = tuple(claim.T @ seed.reshape(-1, 1) for claim, seed in pairs)
        return tuple(f.reshape(1, -1) if rows[0] == 1 else f for f in found)
    return None


def unstructured(looking: Looking) -> tuple[str, str] | None:
    """Compare with the gradient by a variable whose structure is left out."""
    right = looking.question.right
    if right.structure is None or is_matrix(right.function):
        return None
    from derive.derivatives import differentiate

    free = differentiate(looking.question.derivation.formula, right.wrt, convention="free")
    name = right.wrt
    (values,) = looking.values([free.gradient[name]])
    if shape_of(looking.claim) and equal(values, looking.claimed):
        return "assumption", f"right if the entries of {name} moved freely: {name} is assumed " + (
            f"{right.structure.name}, and that is left out"
        )
    return None
