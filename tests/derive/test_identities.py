"""Published identities: our formula, from the command line's JSON, against the one in the book.

Both texts are evaluated by an evaluator of the syntax tree that knows nothing of the program. The
corpus is a development set, kept whole; what the program refuses is listed here by name, so that
progress shows as a failing test.
"""

from __future__ import annotations

import json
import statistics
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORPUS = Path(__file__).parent.parent / "corpus" / "identities.json"
IDENTITIES = json.loads(CORPUS.read_text(encoding="utf-8"))

REFUSED = {"cb_spec": "No function 'spectral'"}
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
KIND = {"gradient": "gradient", "d_scalar": "derivative"}
ACCEPTED = [entry for entry in IDENTITIES if entry["id"] not in REFUSED]
EACH_ACCEPTED = pytest.mark.parametrize("entry", ACCEPTED, ids=[e["id"] for e in ACCEPTED])
TOLERANCE = 1e-9  # of numbers that two formulas of the same value make
LENGTH = 1.0  # the median of our text's length, in terms of the book's


def ask(entry: Mapping[str, Any]) -> tuple[int, Any, float]:
    """Return the exit code, the object and the seconds that the command line takes."""
    arguments = ["derive", entry["f"], "--wrt", entry["wrt"], "--format", "json", "-q"]
    for name, size in entry["dims"].items():
        arguments += ["--shape", f"{name}={','.join(size) or 'scalar'}"]
    for name, text in entry.get("assume", {}).items():
        arguments += ["--assume", f"{name}={KINDS[text]}"]
        if text.startswith("entrywise"):
            arguments += ["--convention", "entrywise"]
    if entry["kind"] == "hessian":
        arguments += ["--order", "2"]
    began = perf_counter()
    result = CliRunner().invoke(cli.main, arguments, catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout), perf_counter() - began


@cache
def derived(name: str) -> tuple[dict[str, Any], float]:
    """Return the result that is printed for an entry, and the seconds that it took."""
    (entry,) = [entry for entry in IDENTITIES if entry["id"] == name]
    code, shown, seconds = ask(entry)
    assert code == 0, shown
    (result,) = shown["results"]
    return result, seconds


@EACH_ACCEPTED
def test_the_printed_formula_is_the_published_one(
    entry: Mapping[str, Any], evaluate: Callable[..., Any]
) -> None:
    result, _ = derived(entry["id"])
    assert result["kind"] == KIND.get(entry["kind"], entry["kind"])
    assert result["wrt"] == entry["wrt"]
    assert result["checked"]["worst_error"] is not None
    for seed in range(3):
        values, sizes = draw(entry, seed)
        published = evaluate(entry["grad"], values, sizes)
        got = evaluate(result["formula"], values, sizes)
        assert got.shape == published.shape
        scale = np.max(np.abs(published))
        assert np.max(np.abs(got - published)) <= TOLERANCE * scale, result["formula"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_what_is_missing(name: str) -> None:
    (entry,) = [entry for entry in IDENTITIES if entry["id"] == name]
    code, shown, _ = ask(entry)
    assert code == 3
    assert REFUSED[name] in shown["refused"]


def test_formulas_are_about_as_short_as_in_the_books() -> None:
    pairs = [(derived(entry["id"]), entry["grad"].replace(" ", "")) for entry in ACCEPTED]
    ratios = [len(found["formula"].replace(" ", "")) / len(book) for (found, _), book in pairs]
    seconds = [taken for (_, taken), _ in pairs]
    print(
        f"{len(ACCEPTED)} of {len(IDENTITIES)} derived; length in terms of the book's: "
        f"median {statistics.median(ratios):.2f}, mean {statistics.fmean(ratios):.2f}, "
        f"{sum(ratio > 1.1 for ratio in ratios)} above 1.1, longest {max(ratios):.2f}; "
        f"seconds: median {statistics.median(seconds):.3f}, slowest {max(seconds):.2f}"
    )
    assert statistics.median(ratios) <= LENGTH


def test_a_wrong_gradient_is_seen(evaluate: Callable[..., Any]) -> None:
    """The oracle is no rubber stamp: the sign of one published gradient is turned."""
    (entry,) = [entry for entry in IDENTITIES if entry["id"] == "ml_ls"]
    with pytest.raises(AssertionError, match=r"A\*x - y"):
        test_the_printed_formula_is_the_published_one(
            {**entry, "grad": f"-({entry['grad']})"}, evaluate
        )


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
        case "skew":
            return (normal - normal.T) / 2
        case "tril":
            return np.tril(normal)
        case "diagmat":
            return np.diag(np.diag(normal))
        case "posdiag":
            return np.diag(np.diag(positive))
        case "posdet":
            return normal if np.linalg.det(normal) > 0 else normal[::-1]
    raise AssertionError(f"no way to draw '{how}'")
