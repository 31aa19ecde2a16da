"""A derivation as the JSON object of schema 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from derive.emit import emit, value_names
from derive.graph import shape_of
from derive.notation import TEXT
from derive.render.latex import LATEX

if TYPE_CHECKING:
    from derive.batch import Batch
    from derive.derivation import Page, Result, Step

__all__ = ["json_object", "json_page"]


def json_page(page: Page) -> str:
    """Render a page as the text of one JSON object."""
    return json.dumps(json_object(page), ensure_ascii=False, indent=2)


def json_object(page: Page) -> dict[str, Any]:
    """Return a page as a JSON object."""
    formula = page.derivation.formula
    result: dict[str, Any] = {
        "schema": 1,
        "formula": formula.source,
        "shapes": {name: _shape(variable) for name, variable in formula.variables.items()},
        "results": [_result(page, result) for result in page.derivation.results],
        "where": [
            {"name": symbol.name, "formula": TEXT(expr), "shape": _shape(symbol)}
            for symbol, expr in page.abbreviated.where
        ],
        "steps": [_step(n, step) for n, step in enumerate(page.derivation.steps, 1)]
        if page.steps
        else [],
    }
    if page.batch is not None:
        result["batch"] = {**_batch(page.batch), "checked": page.batch_checked}
    return result


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "size": str(batch.size),
        "shapes": {name: _shape(variable) for name, variable in batch.variables.items()},
        "value": TEXT(batch.value),
        "results": [
            {"wrt": name, "shape": _shape(batch.variables[name]), "formula": TEXT(gradient)}
            for name, gradient in batch.gradient.items()
        ],
    }


def _shape(expr: Any) -> list[str]:
    return [TEXT.size(size) for size in shape_of(expr)]


def _result(page: Page, result: Result) -> dict[str, Any]:
    variables = dict(page.derivation.formula.variables)
    found: dict[str, Any] = {
        "wrt": result.wrt,
        "kind": result.kind,
        "shape": _shape(result.symbol),
        "formula": TEXT(page.shown(result)),
        "latex": f"{LATEX(result.symbol)} = {LATEX(page.shown(result))}",
    }
    if result.direction is not None:
        name = str(result.direction.name)
        variables[name] = result.direction
        found["direction"] = {"name": name, "shape": _shape(result.direction)}
    emitted = emit([result.expr], variables, value_names(page.derivation), portable=False)
    found["numpy"] = "\n".join((*emitted.statements, emitted.results[0]))
    found["assumptions"] = list(result.assumptions)
    checked = page.checked.get(result.wrt)
    if checked is not None:
        found["checked"] = {
            "points": checked.points,
            "worst_error": checked.worst_error,
            "exact": checked.exact,
        }
    return found


def _step(number: int, step: Step) -> dict[str, Any]:
    return {
        "n": number,
        "rule": step.rule,
        "formula": step.text(TEXT),
        "latex": step.text(LATEX),
        "shape": [TEXT.size(size) for size in step.shape],
        "uses": step.reasons(TEXT),
    }
