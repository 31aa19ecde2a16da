"""Python statements in lines of limited length, broken as the common formatters break them."""

from __future__ import annotations

__all__ = ["WIDTH", "statement"]

WIDTH = 100
_OPERATORS = ((" + ", " - "), (" * ", " / ", " @ "))


def statement(head: str, expression: str, tail: str = "", indent: int = 4) -> list[str]:
    r"""Write ``head`` and an expression and ``tail``, in several lines where one is too long.

    >>> print("\n".join(statement("total = ", " + ".join(["first_term"] * 10))))
        total = (
            first_term
            + first_term
            + first_term
            + first_term
            + first_term
            + first_term
            + first_term
            + first_term
            + first_term
            + first_term
        )
    """
    margin = " " * indent
    line = f"{margin}{head}{expression}{tail}"
    if len(line) <= WIDTH:
        return [line]
    for ending in (".T", "[0, 0]"):
        before = expression.removesuffix(ending)
        if before != expression and _last_bracket(before) is not None:
            return statement(head, before, f"{ending}{tail}", indent)
    opening = _last_bracket(expression)
    if opening is not None:
        before = expression[:opening][-1:]
        is_call = before.isalnum() or before == "_"  # else brackets around an operand
        inside = _arguments(expression[opening + 1 : -1])
        first = f"{margin}{head}{expression[: opening + 1]}"
        together = " " * (indent + 4) + ", ".join(inside)
        if len(together) <= WIDTH:
            return [first, together, f"{margin}{expression[-1]}{tail}"]
        comma = "," if is_call or len(inside) > 1 else ""
        lines = [line for part in inside for line in statement("", part, comma, indent + 4)]
        return [first, *lines, f"{margin}{expression[-1]}{tail}"]
    parts = _operands(expression)
    if len(parts) == 1:
        return [line]
    if not head and tail in (",", "") and indent:  # within brackets already
        lines = [line for part in parts for line in _operand(part, indent)]
        return [*lines[:-1], f"{lines[-1]}{tail}"]
    lines = [line for part in parts for line in _operand(part, indent + 4)]
    return [f"{margin}{head}(", *lines, f"{margin}){tail}"]


def _operand(part: str, indent: int) -> list[str]:
    operator = part[:2] if part[1:2] == " " else ""
    return statement(operator, part[len(operator) :], "", indent)


def _last_bracket(expression: str) -> int | None:
    """Return where the bracket opens that a call, and nothing but a call, ends with."""
    if not expression.endswith(")"):
        return None
    depth, opening = 0, None
    for position, character in enumerate(expression):
        if depth == 0 and character == " ":
            return None
        if depth == 0 and character in "([{":
            opening = position
        depth += (character in "([{") - (character in ")]}")
    return opening


def _arguments(inside: str) -> list[str]:
    """Split at the commas between arguments, and not at those of a lambda's own."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(inside):
        depth += (character in "([{") - (character in ")]}")
        part = inside[start:position].strip() if character == "," and depth == 0 else ""
        if part and (":" in part or not part.startswith("lambda ")):
            parts.append(part)
            start = position + 1
    return [part for part in [*parts, inside[start:].strip()] if part]


def _operands(expression: str) -> list[str]:
    """Split before the operators that bind loosest, each with its operator in front."""
    for operators in _OPERATORS:
        cuts, depth = [0], 0
        for position, character in enumerate(expression):
            depth += (character in "([{") - (character in ")]}")
            if depth == 0 and expression[position : position + 3] in operators:
                cuts.append(position + 1)
        if len(cuts) > 1:
            return [expression[a:b].strip() for a, b in zip(cuts, [*cuts[1:], None], strict=True)]
    return [expression]
