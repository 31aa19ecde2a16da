"""A training as one HTML page that needs nothing else: what was trained, how it went, what it got.

Contract: the page is well-formed XML, has no script and asks for nothing over a network; what comes
from a user stands in it escaped. Formula and gradients are set by `derive.render`, as anywhere.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from derive.batch import batched
from derive.derivation import Page
from derive.render.html_page import html_article, html_document
from derive.render.mathml import escape
from numeric import model as models
from numeric.data import scale
from numeric.pictures import curve, picture
from numeric.tables import loss_text, shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numeric.check import VariableReport
    from numeric.model import Array
    from numeric.session import Session

__all__ = ["training_page"]

_SHOWN = 24  # misclassified images
_STYLE = """\
svg { width: 100%; max-width: 38rem; height: auto; display: block; }
svg text { fill: var(--faint); font: 12px system-ui, sans-serif; }
svg .rule { stroke: var(--line); }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .dot { fill: var(--accent); }
.numbers td, .numbers th { text-align: right; padding: 0.3rem 0.6rem; }
.numbers .right { outline: 2px solid var(--accent); outline-offset: -2px; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }
.images > li { width: 7rem; font-size: 0.85rem; color: var(--faint); }
.images img { width: 5.25rem; height: auto; display: block; image-rendering: pixelated; }
"""


def training_page(session: Session) -> str:
    """Report a training that has ended and been evaluated.

    The test images are looked at for the confusion matrix and for those taken for another digit.
    """
    images = scale(session.dataset.test.images, session.settings.dtype)
    objective, parameters = session.classifier.objective, session.training.parameters
    logits = models.predict(objective, parameters, images)
    title = f"Training of {escape(session.classifier.formula.source)}"
    parts = [
        ("Outcome", _outcome(session)),
        ("Course", _course(session)),
        ("Test images by digit", _confusion(session, logits)),
        ("Taken for another digit", _mistaken(session, logits)),
        ("Check of the gradient on the data", _check(session)),
        ("Settings", _settings(session)),
    ]
    sections = [f"<section>\n<h2>{heading}</h2>\n{body}\n</section>" for heading, body in parts]
    body = [f"<h1>{title}</h1>", *sections, html_article(_page(session), level=2)]
    return html_document(title, body, _STYLE)


def _page(session: Session) -> Page:
    """Return the derivation, for one sample and for many."""
    order, derivation = session.order, session.classifier.derivation
    rows = batched(derivation, [order.sample, order.label])
    problem = order.problem
    return Page(derivation, title=problem.title, references=problem.references, batch=rows)


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", *, caption: str = ""
) -> str:
    """Set a table of cells in HTML, the first of each row being its heading."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = [f'<div class="wide"><table class="{kind}">']
    lines += [f"<caption>{caption}</caption>"] if caption else []
    lines += [f"<thead><tr>{columns}</tr></thead>"] if head else []
    lines.append("<tbody>")
    for first, *others in rows:
        cells = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody>", "</table></div>"])


def _outcome(session: Session) -> str:
    test = session.test or session.evaluate()
    rows = [
        ("Test accuracy", f"{100 * test.accuracy:.2f} %"),
        ("Test loss", loss_text(test.loss)),
        ("Epochs", f"{session.training.epochs_done}"),
        ("Optimisation", f"{session.training.seconds:.2f} s"),
        ("Ended", escape(session.training.ended)),
    ]
    return _table([], rows)


def _course(session: Session) -> str:
    """Draw loss and validation accuracy by epoch; the numbers follow, folded."""
    numbers = [epoch.number for epoch in session.history]
    lines = [curve(numbers, [epoch.loss for epoch in session.history], "epoch", "training loss")]
    accuracies = [e.validation.accuracy for e in session.history if e.validation is not None]
    if accuracies:
        percent = [100 * accuracy for accuracy in accuracies]
        lines.append(curve(numbers, percent, "epoch", "validation accuracy, %"))
    rows = (tuple(map(escape, _epoch(session.line(epoch)))) for epoch in session.history)
    lines += ["<details><summary>Numbers</summary>", _table([], rows), "</details>"]
    return "\n".join(lines)


def _epoch(line: str) -> list[str]:
    return [" ".join(part.split()) for part in line.split("   ") if part.strip()]


def _confusion(session: Session, logits: Array) -> str:
    """Count the test images by what they are, a row each, and by what they are taken for."""
    count, labels = session.dataset.classes, session.dataset.test.labels
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (labels, logits.argmax(axis=1)), 1)
    rows = []
    for digit, row in enumerate(matrix):
        cells = [
            f'<td class="right">{n}</td>' if digit == taken else f"<td>{n or ''}</td>"
            for taken, n in enumerate(row)
        ]
        share = 100 * row[digit] / max(1, row.sum())
        rows.append((str(digit), *cells, f"{share:.1f} %"))
    head = ("is", *(f"taken for {digit}" for digit in range(count)), "right")
    return _table(head, rows, "numbers", caption="Numbers of test images")


def _mistaken(session: Session, logits: Array) -> str:
    """Show the images that are taken for another digit by the widest margin."""
    test = session.dataset.test
    taken, every = logits.argmax(axis=1), np.arange(len(test))
    margin = logits[every, taken] - logits[every, test.labels]
    wrong = np.flatnonzero(taken != test.labels)
    worst = wrong[np.argsort(-margin[wrong], kind="stable")][:_SHOWN]
    if not len(worst):
        return "<p>None.</p>"
    items = []
    for index in worst:
        told = f"test image {index}: {test.labels[index]}, taken for {taken[index]}"
        image = picture(test.images[index].reshape(session.dataset.image_shape), told)
        items.append(f"<li>{image}{told}</li>")
    first = f"<p>{len(wrong)} of {len(test)}, the surest first.</p>"
    return "\n".join([first, '<ul class="images">', *items, "</ul>"])


def _check(session: Session) -> str:
    head = ("variable", "shape", "verdict", "worst error", "an error that would have been seen")
    rows = map(_checked, session.check.variables)
    return "<p>At the data's full size, by differences of the loss.</p>\n" + _table(head, rows)


def _checked(found: VariableReport) -> tuple[str, ...]:
    numbers = ("-" if n is None else f"{n:.1e}" for n in (found.error, found.detection_floor))
    verdict = f"{found.verdict.value}, by {found.method}" if found.method else found.verdict.value
    return (escape(found.name), shape_text(found.shape), escape(verdict), *numbers)


def _settings(session: Session) -> str:
    """List what was asked for, the data, and what computed."""
    settings = {**asdict(session.settings), "lr": session.training.rate}
    rows = [(name.replace("_", " "), str(value)) for name, value in settings.items()]
    rows += [("data", line.split(maxsplit=1)[1]) for line in session.header if "Data " in line]
    rows += {**models.versions(), **session.backend.versions}.items()
    return _table([], [(escape(name), escape(value)) for name, value in rows])
