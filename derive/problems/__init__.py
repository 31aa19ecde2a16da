"""Named problems: a formula with its shapes and assumptions, as a TOML file. Data, not code.

A user's own file works the same way. Nothing in a file states a gradient or a step.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive.errors import InputError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_PROBLEMS", "Problem", "load_problem", "problem_names", "read_problem"]

DEFAULT_PROBLEMS = ("relu-l2", "softmax-ce")

_KEYS = {
    "title": str,
    "formula": str,
    "shapes": dict,
    "assume": dict,
    "data": list,
    "batch": list,
    "sizes": dict,
    "references": list,
}


@dataclass(frozen=True)
class Problem:
    """A formula with what is declared of it.

    ``data`` names what is given and not differentiated, ``batch`` what varies by sample; ``sizes``
    are the integers at which entries are written out.
    """

    formula: str
    title: str = ""
    shapes: Mapping[str, str] = field(default_factory=dict)
    assume: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    name: str = ""


def problem_names() -> list[str]:
    """List the built-in problems."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def load_problem(argument: str) -> Problem:
    """Return a built-in problem by name, a ``.toml`` file, or a formula as a problem of its own.

    Raises:
        InputError: for a file that cannot be read or has a wrong key, and a misspelt name.

    >>> load_problem("relu-l2").formula
    'norm2(relu(W*x))^2'
    """
    if argument in problem_names():
        text = resources.files(__name__).joinpath(f"{argument}.toml").read_text("utf-8")
        return read_problem(text, argument)
    if argument.endswith(".toml"):
        try:
            return read_problem(Path(argument).read_text("utf-8"), argument)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{argument}: cannot be read ({_reason(error)}). Give a problem file's path, or "
                "a problem that `cli derive --list` shows."
            ) from None
    _refuse_misspelt(argument)
    return Problem(formula=argument)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def _refuse_misspelt(argument: str) -> None:
    """Tell a name with a typing mistake from a formula: words joined by hyphens, near a name."""
    hint = suggestion(argument, problem_names())
    if hint and re.fullmatch(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*", argument):
        raise InputError(f"No problem '{argument}'.{hint} `cli derive --list` shows them all.")


def read_problem(text: str, where: str) -> Problem:
    """Read a problem file's text.

    Raises:
        InputError: naming the file, the key, what was expected and what was found.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not a TOML file: {error}.") from None
    for key, value in table.items():
        if key not in _KEYS:
            raise InputError(
                f"{where}: unknown key '{key}'.{suggestion(key, _KEYS)} Known: {', '.join(_KEYS)}."
            )
        if not isinstance(value, _KEYS[key]):
            raise InputError(f"{where}: '{key}' should be a {_KEYS[key].__name__}, got {value!r}.")
    if "formula" not in table:
        raise InputError(f"{where}: the key 'formula' is missing.")
    return Problem(
        formula=table["formula"],
        title=table.get("title", ""),
        shapes=_texts(table, "shapes", where),
        assume={k: tuple(v.split()) for k, v in _texts(table, "assume", where).items()},
        data=tuple(map(str, table.get("data", ()))),
        batch=tuple(map(str, table.get("batch", ()))),
        sizes=_sizes(table, where),
        references=tuple(map(str, table.get("references", ()))),
        name=where,
    )


def _texts(table: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    """Read a table of texts; a list of kinds or sizes is joined."""
    texts = {}
    for name, value in table.get(key, {}).items():
        separator = " " if key == "assume" else ","
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, (str, int)) for part in parts):
            raise InputError(f"{where}: [{key}] {name} should be text, got {value!r}.")
        texts[name] = separator.join(map(str, parts))
    return texts


def _sizes(table: Mapping[str, Any], where: str) -> dict[str, int]:
    sizes = table.get("sizes", {})
    for name, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
            raise InputError(f"{where}: sizes.{name} should be 1 to 100, got {value!r}.")
    return dict(sizes)
