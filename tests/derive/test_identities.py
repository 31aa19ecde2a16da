"""Published identities: our gradient, read back from its text, against the one in the book.

Both are evaluated by an evaluator of the syntax tree that knows nothing of the program. The corpus
is a development set, kept whole; what the program refuses is listed here by name, so that progress
shows as a failing test.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from derive.derivatives import differentiate
from derive.errors import RefusedError
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORPUS = Path(__file__).parent.parent / "corpus" / "identities.json"
ALL = json.loads(CORPUS.read_text(encoding="utf-8"))
IDENTITIES = [entry for entry in ALL if entry["kind"] in ("gradient", "d_scalar")]

# Why each is refused: a function without a rule yet, a matrix by a scalar, a structured variable.
REFUSED = {
    "cb_spec": "No function 'spectral'",
    "cb059": "a gradient needs a scalar",
    **dict.fromkeys(
        ["st138", "st140", "st_quadf", "st145", "st_diagld", "st_skew", "st_tri"],
        "has an assumed structure",
    ),
}
KINDS = {
    "symmetric": "symmetric",
    "entries sum to 1": "simplex",
    "rows sum to 1": "simplex",
    "entries are +1/-1": "pm1",
    "entrywise_symmetric": "symmetric",
    "diagonal": "diagonal",
    "sym_frobenius": "symmetric",
    "skew_frobenius": "skew",
    "lower_triangular": "lower",
}
ACCEPTED = [entry for entry in IDENTITIES if entry["id"] not in REFUSED]
EACH_ACCEPTED = pytest.mark.parametrize("entry", ACCEPTED, ids=[e["id"] for e in ACCEPTED])
TOLERANCE = 1e-9  # of numbers that two formulas of the same value make
LENGTH = 1.2  # the median of our text's length, in terms of the book's


def derive_entry(entry: Mapping[str, Any]) -> Any:
    shapes = {name: ",".join(size) or "scalar" for name, size in entry["dims"].items()}
    assumed = {name: [KINDS[text]] for name, text in entry.get("assume", {}).items()}
    derivation = differentiate(entry["f"], [entry["wrt"]], shapes, assumed)
    return derivation.gradient[entry["wrt"]]


@EACH_ACCEPTED
def test_gradient_is_the_published_one(
    entry: Mapping[str, Any], evaluate: Callable[..., Any]
) -> None:
    ours = TEXT(derive_entry(entry))
    for seed in range(3):
        values, sizes = draw(entry, seed)
        published = evaluate(entry["grad"], values, sizes)
        got = evaluate(ours, values, sizes)
        assert got.shape == published.shape
        scale = np.max(np.abs(published))
        assert np.max(np.abs(got - published)) <= TOLERANCE * scale, ours


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_names_what_is_missing(name: str) -> None:
    (entry,) = [entry for entry in IDENTITIES if entry["id"] == name]
    with pytest.raises(RefusedError, match=REFUSED[name]):
        derive_entry(entry)


def test_gradients_are_about_as_short_as_in_the_books() -> None:
    ratios = [
        len(TEXT(derive_entry(entry)).replace(" ", "")) / len(entry["grad"].replace(" ", ""))
        for entry in ACCEPTED
    ]
    print(f"{len(ACCEPTED)} of {len(IDENTITIES)} right, median length {statistics.median(ratios)}")
    assert statistics.median(ratios) <= LENGTH


def test_a_wrong_gradient_is_seen(evaluate: Callable[..., Any]) -> None:
    """The oracle is no rubber stamp: the sign of one published gradient is turned."""
    (entry,) = [entry for entry in IDENTITIES if entry["id"] == "ml_ls"]
    with pytest.raises(AssertionError, match=r"A\*x - y"):
        test_gradient_is_the_published_one({**entry, "grad": f"-({entry['grad']})"}, evaluate)


# --- Points, drawn as the corpus says ------------------------------------------------------------


def draw(entry: Mapping[str, Any], seed: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Draw values at distinct sizes; the sizes that come first are the larger ones (X tall)."""
    rng = np.random.default_rng(seed)
    names = dict.fromkeys(n for shape in entry["dims"].values() for n in shape if n != "1")
    sizes = dict(zip(names, range(len(names) + 1 + seed % 2, 1, -1), strict=False))
    values = {
        name: _draw(rng, entry.get("sample", {}).get(name), [sizes.get(n, 1) for n in shape])
        for name, shape in entry["dims"].items()
    }
    return values, sizes


def _draw(rng: np.random.Generator, how: str | None, shape: list[int]) -> Any:
    normal, positive = rng.standard_normal(shape), rng.uniform(0.5, 2.0, shape)
    match how:
        case None:
            return normal
        case "pos":
            return positive
        case "small":
            return 0.3 * normal
        case "unit01":
            return rng.uniform(0.1, 0.9, shape)
        case "pm1":
            return rng.choice([-1.0, 1.0], shape)
        case "bin01":
            return rng.integers(0, 2, shape).astype(float)
        case "prob":
            return positive / positive.sum()
        case "onehot":
            return np.eye(shape[0])[:, [rng.integers(shape[0])]]
        case "rowonehot":
            return np.eye(shape[1])[rng.integers(shape[1], size=shape[0])]
        case "spd":
            return normal @ normal.T / shape[0] + np.eye(shape[0])
        case "sym":
            return (normal + normal.T) / 2
        case "posdet":
            return normal if np.linalg.det(normal) > 0 else normal[::-1]
    raise AssertionError(f"no way to draw '{how}'")
