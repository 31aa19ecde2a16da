"""Results own their memory: which are copied, and which need not be."""

from __future__ import annotations

import numpy as np
import pytest

import derive
from derive.emit import emit


def results(text, **shapes):
    derivation = derive.differentiate(text, shapes=shapes)
    outputs = [derivation.formula.expr, *derivation.gradient.values()]
    return emit(outputs, derivation.formula.variables).results


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x'*y", ("_copy(y)", "_copy(x)")),
        ("tr(A*X)", ("_copy(X.T)", "_copy(A.T)")),
        ("a*b", ("_copy(b)", "_copy(a)")),
        ("norm2(x + y)^2", ("t2", "_copy(t2)")),
        ("norm2(relu(W*x))^2", ("t2 * x.T", "W.T @ t2")),
    ],
)
def test_only_what_would_share_memory_is_copied(text, expected):
    assert results(text)[1:] == expected


def test_what_broadcasting_stretches_can_be_written_to():
    (_, by_W, _) = results("sum(W*x)")
    assert by_W.startswith("_copy(xp.broadcast_to(")


def test_numbers_are_zero_dimensional_arrays_of_the_arguments_dtype():
    derivation = derive.differentiate("3*a + sum(x + 2*b)")
    _, gradients = derivation.function()(np.float32(1), np.ones((4, 1), np.float32), np.float32(2))
    assert {name: float(g) for name, g in gradients.items() if g.ndim == 0} == {"a": 3, "b": 8}
    assert {g.dtype.name for g in gradients.values()} == {"float32"}
