"""Every error that a user can cause, in one tree.

ChainRuleError
├── InputError            bad usage or bad input                          exit code 2
│   └── FormulaError      a formula that cannot be read, with its place   exit code 2
│       └── SizesError    one that can, but whose sizes disagree          exit code 2
├── RefusedError          what cannot be derived, or not be decided       exit code 3
└── DataError             data missing or corrupt                         exit code 4

A message says where, what was expected, what was found and what to do next. The exit code is an
attribute, so that the command line translates errors in one place.
"""

from __future__ import annotations

from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ChainRuleError",
    "DataError",
    "FormulaError",
    "InputError",
    "RefusedError",
    "SizesError",
    "reason_of",
    "suggestion",
]


class ChainRuleError(Exception):
    """Be the root of all errors that are the input's fault and not the program's."""

    exit_code: ClassVar[int] = 1


class InputError(ChainRuleError):
    """Report an option, a file or a value that cannot be used."""

    exit_code = 2


class FormulaError(InputError):
    """Report a formula that cannot be read, and point at the place.

    >>> print(FormulaError("expected a value", "2 * ", 4))
    expected a value
      2 *
          ^
    """

    def __init__(self, message: str, source: str, position: int) -> None:
        self.message, self.source, self.position = message, source, position
        super().__init__(message)

    def __str__(self) -> str:
        before = self.source[: self.position]
        line_start = before.rfind("\n") + 1
        line = self.source[line_start:].split("\n", 1)[0]
        column = self.position - line_start
        start = max(0, column - 60)
        shown = line[start : start + 100]
        return f"{self.message}\n  {shown.rstrip()}\n  {' ' * (column - start)}^"


class SizesError(FormulaError):
    """Report a formula whose sizes disagree; as somebody's answer it is wrong, not unreadable."""


class RefusedError(ChainRuleError):
    """Refuse a result that cannot be derived, or that failed its check."""

    exit_code = 3


class DataError(ChainRuleError):
    """Report data that is missing, corrupt or of the wrong kind."""

    exit_code = 4


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """Say in an error in which line of a file it is; line 0 is that of no file.

    >>> with at_line(7):
    ...     raise InputError("expected a value")
    Traceback (most recent call last):
    derive.errors.InputError: line 7: expected a value
    """
    try:
        yield
    except FormulaError as error:
        if not number:
            raise
        message = f"line {number}: {error.message}"
        raise type(error)(message, error.source, error.position) from None
    except (InputError, RefusedError) as error:
        if not number:
            raise
        raise type(error)(f"line {number}: {error}") from None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'nearest'?`` for a misspelt name, or nothing when none is near.

    >>> suggestion("sofmax", ["softmax", "sum"])
    " Did you mean 'softmax'?"
    >>> suggestion("quux", ["softmax", "sum"])
    ''
    """
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def reason_of(error: BaseException) -> str:
    """Return an error's message; where recursion or memory is exhausted, with what to do next.

    >>> reason_of(InputError("no such file"))
    'no such file'
    """
    if isinstance(error, ChainRuleError):
        return str(error)
    return (
        f"Too large ({str(error) or 'not enough memory'}). Split the formula, declare smaller "
        "sizes with --shape, or train with a lower --limit or --batch-size."
    )
