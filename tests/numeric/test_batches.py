"""The comparison of batched code with a loop over samples, itself put to the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import derive
from derive.batch import batched
from derive.build import scale
from derive.errors import InputError
from numeric.batches import compare_with_loop

POINT = {"W": np.arange(6.0).reshape(2, 3) / 5, "x": np.ones((3, 1)), "s": np.asarray(2.0)}


def derivation():
    return derive.differentiate("s*norm2(W*x)^2", shapes={"s": "scalar"})


def compare(names, **how):
    return compare_with_loop(derivation(), names, POINT, lambda _: True, **how)


@pytest.mark.parametrize("names", [["x"], ["s"], ["x", "s"]])
def test_a_right_form_differs_by_round_off(names):
    loop = compare(names)
    rows = loop.point
    assert loop.error < 1e-14
    assert loop.exact < 1e-50
    assert rows["x"].shape == ((5, 3) if "x" in names else (3, 1))
    assert rows["s"].shape == ((5, 1) if "s" in names else ())
    assert rows["W"] is POINT["W"]


@pytest.mark.parametrize("name", ["value", "W", "x", "s"])
@pytest.mark.parametrize("factor", [1 + 1e-6, -1])
def test_a_wrong_form_is_seen(monkeypatch, name, factor):
    def wrong(derivation, names):
        batch = batched(derivation, names)
        if name == "value":
            return replace(batch, value=factor * batch.value)
        changed = dict(batch.gradient)
        g = changed[name]
        changed[name] = scale(factor, g) if getattr(g, "is_Matrix", False) else factor * g
        return replace(batch, gradient=changed)

    monkeypatch.setattr("numeric.batches.batched", wrong)
    assert compare(["x", "s"]).error > 1e-8


def test_a_form_of_another_shape_is_infinitely_wrong(monkeypatch):
    def wrong(derivation, names):
        batch = batched(derivation, names)
        return replace(batch, gradient=dict(batch.gradient) | {"W": batch.value})

    monkeypatch.setattr("numeric.batches.batched", wrong)
    assert compare(["x"]).error == np.inf


def test_means_that_cancel_are_measured_by_the_samples():
    # The mean of the gradients by a is tiny beside those of single samples.
    cancelling = derive.differentiate("a*sin(10^8*s)", wrt=["a"], shapes={"s": "scalar"})
    point = {"a": np.asarray(1.0), "s": np.asarray(0.5)}
    assert compare_with_loop(cancelling, ["s"], point, lambda _: True).error < 1e-12


def test_samples_repeat_for_a_seed():
    one, same, other = (compare(["x"], seed=seed).point["x"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_what_cannot_vary_is_an_error():
    with pytest.raises(InputError, match="no such variable"):
        compare(["z"])
