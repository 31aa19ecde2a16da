"""One file a form: the same steps as LaTeX, text, Markdown, HTML, JSON or a NumPy module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from derive.derivation import Page

__all__ = ["FORMS", "render", "render_all"]

FORMS = ("latex", "pretty", "markdown", "html", "numpy", "json")


def render(page: Page, form: str) -> str:
    """Render a page in one of FORMS; ``json`` gives the text of one object.

    >>> import derive
    >>> from derive.derivation import Page
    >>> print(render(Page(derive.differentiate("x'*x"), steps=False), "pretty"))
    f = ‖x‖²    x: n×1
    <BLANKLINE>
    Result
      ∇_x f = 2 x    n×1
    """
    return render_all([page], form)


def render_all(pages: Sequence[Page], form: str) -> str:
    """Render pages one after the other; as ``html``, in one document."""
    if form == "html":
        from derive.render.html_page import html_page

        return html_page(pages)
    return "\n\n".join(map(_renderer(form), pages))


def _renderer(form: str) -> Callable[[Page], str]:
    from derive.render import json_page, latex_page, numpy_module, text_page

    renderers: dict[str, Callable[[Page], str]] = {
        "latex": latex_page.latex_page,
        "pretty": text_page.pretty_page,
        "markdown": text_page.markdown_page,
        "numpy": numpy_module.numpy_module,
        "json": json_page.json_page,
    }
    return renderers[form]
