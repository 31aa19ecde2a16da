"""Results that are too long to read: named intermediates that lead to the same value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

import cli
import derive
from derive.abbreviations import LONGEST, abbreviated, is_long
from derive.derivation import Page
from derive.notation import TEXT
from derive.render import FORMS, render

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = {
    "layers": "sum(" + "tanh(W*" * 90 + "x" + ")" * 90 + ")",
    "terms": " + ".join(f"sum(sin({i + 2}*x))" for i in range(1500)),
    "shared": "norm2(" + "relu(" * 3 + "W*x" + ") .* (W*x)" * 3 + " .* x)^2",
}


def values() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {"W": rng.standard_normal((3, 3)), "x": rng.standard_normal((3, 1))}


@pytest.mark.parametrize("name", ["layers", "terms"])
def test_where_leads_to_the_gradient(name: str, evaluate: Callable[..., Any]) -> None:
    """Through the command line's JSON and an evaluator that knows nothing of the program."""
    arguments = ["derive", "-", "--wrt", "x", "--format", "json", "--no-steps", "-q"]
    shown = CliRunner().invoke(cli.main, arguments, input=LONG[name], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert found["where"]
    point, sizes = values(), {"n": 3}
    expected = derive.differentiate(LONG[name], ["x"]).function()(
        **{n: point[n] for n in found["shapes"]}
    )[1]["x"]
    for line in found["where"]:
        assert len(line["formula"]) <= LONGEST
        point[line["name"]] = evaluate(line["formula"], point, sizes)
    (result,) = found["results"]
    assert len(result["formula"]) <= LONGEST
    got = evaluate(result["formula"], point, sizes)
    assert got.shape == (3, 1)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_a_short_result_is_shown_in_the_variables_alone() -> None:
    derivation = derive.differentiate(LONG["shared"], ["x"])
    assert not is_long(derivation.gradient["x"])
    assert abbreviated(derivation).where == ()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_long_result_is_in_proportion(form: str) -> None:
    """Twice the layers make about twice the text, and no exponential of it."""
    lengths = []
    for layers in (60, 120):
        text = "sum(" + "tanh(W*" * layers + "x" + ")" * layers + ")"
        page = Page(derive.differentiate(text, ["x"]))
        assert is_long(page.derivation.gradient["x"])
        lengths.append(len(render(page, form)))
    assert lengths[1] < 2.6 * lengths[0]


def test_the_names_are_of_nothing_else() -> None:
    shapes = {"t1": "scalar", "t2": "n", "W": "n,n"}
    text = f"t1*sum(t2 .* {'tanh(W*' * 60 + 't2' + ')' * 60})"
    derivation = derive.differentiate(text, ["t2"], shapes)
    names = [symbol.name for symbol, _ in abbreviated(derivation).where]
    assert len(set(names)) == len(names)
    assert not {"t1", "t2", "W", "n"} & set(names)
    assert TEXT(abbreviated(derivation).results["t2"])
