"""How a claim was written, so that it can be said what should have been."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from derive import build
from derive.edits import edited, printed
from derive.graph import symbol_like

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from derive.handwritten import HandDerivation
    from derive.statements import Statement

__all__ = ["Wording", "stated_wording"]


@dataclass(frozen=True)
class Wording:
    """How a claim was written: its text, and what the names in it stand for.

    ``meaning`` puts an expression of the symbols in ``names`` in terms of the question's variables.
    ``aliases`` are names in the text for what has another in the claim, such as df/dz.

    >>> Wording("df_dz*x'", {}, aliases={"df_dz": "df/dz"}).plain("x should be x': df_dz*x'")
    "x should be x': df/dz*x'"
    """

    text: str
    names: Mapping[str, Any]
    meaning: Callable[[Any], Any] = lambda expr: expr
    aliases: Mapping[str, str] = field(default_factory=dict)

    def plain(self, said: str) -> str:
        """Return what is said of the text in the names of the claim."""
        for alias, name in self.aliases.items():
            said = said.replace(alias, name)
        return said


def stated_wording(
    derivation: HandDerivation, statement: Statement, stated: Mapping[str, Any]
) -> Wording:
    """Return how a line was written, with a plain name for each stated derivative in it."""
    names, meanings, aliases = dict(derivation.symbols), {}, {}
    for name in statement.uses:
        alias = name.replace("/", "_")
        while alias in names:
            alias += "_"
        names[alias] = symbol = symbol_like(alias, stated[name])
        aliases[alias], meanings[symbol] = name, stated[name]
    plain = {name: alias for alias, name in aliases.items()}
    edits = {
        node: replace(node, value=plain[node.value])
        for node in statement.tree.postorder()
        if node.kind == "name" and node.value in plain
    }
    expansion = derivation.expansion(statement.by)

    def meaning(expr: Any) -> Any:
        return build.replace(build.replace(expr, meanings), expansion)

    return Wording(printed(edited(statement.tree, edits)), names, meaning, aliases)
