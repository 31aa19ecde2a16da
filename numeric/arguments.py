"""A command's arguments in the order that an option parser wants: options first, then the rest.

A formula is full of signs that look like options, and its place among the options is free. What is
an option is decided here, token by token, by the options that the command has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["options_first"]


def options_first(arguments: Sequence[str], takes_value: Mapping[str, bool]) -> list[str]:
    """Move what is no option behind ``--``, where a parser takes it as it is.

    ``takes_value`` says of every option of the command, by name, whether a value follows it.

    >>> options_first(["-x'*x", "--wrt", "x", "-q"], {"--wrt": True, "-q": False})
    ['--wrt', 'x', '-q', '--', "-x'*x"]
    """
    options, operands, rest = [], [], list(arguments)
    while rest:
        token = rest.pop(0)
        if token == "--":
            operands += rest
            break
        name = token.split("=", 1)[0] if token.startswith("--") else token
        if name in takes_value:
            options.append(token)
            if takes_value[name] and token == name and rest:
                options.append(rest.pop(0))
        elif re.fullmatch(r"--[a-z][a-z-]+(=.*)?", token, re.DOTALL):
            options.append(token)  # a misspelt option, for which the parser suggests another
        else:
            operands.append(token)
    return [*options, "--", *operands]
