"""What ``cli verify`` is asked to check: derived gradients, claims, code or a hand derivation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive.errors import InputError
from numeric.claimed import check_claims
from numeric.given_code import check_function
from numeric.given_report import function_outcome
from numeric.handnotes import handwork_outcome
from numeric.handwork import check_derivation
from numeric.report import Outcome, verification_outcome
from numeric.request import name_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numeric.request import Request

__all__ = ["check_notes", "check_request", "require_one"]


def require_one(
    formula: str | None, claims: Sequence[str], derivation: str | None, function: str | None
) -> None:
    """Refuse options that do not go together.

    Raises:
        InputError: naming what to leave out.

    >>> require_one("norm2(x)", ["x=x"], None, None)
    """
    given = {"--claim": claims, "--derivation": derivation, "--function": function}
    asked = [option for option, value in given.items() if value]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)}: one thing is checked at a time. Leave one out.")
    if derivation and formula is not None:
        raise InputError(
            f"--derivation {derivation} states its own formula: leave out {formula[:60]}."
        )
    if formula is None and asked and not derivation:
        raise InputError(f"{asked[0]} needs the FORMULA that it is about: cli verify FORMULA …")


def check_request(request: Request, claims: Sequence[str], function: str | None) -> Outcome:
    """Check a formula's derived gradients, what somebody states of it, or somebody's code."""
    if claims:
        return check_claims(request, claims)
    if function:
        return function_outcome(check_function(request, function, request.seed))
    return verification_outcome(request)


def check_notes(path: str, standard_input: str, given: Mapping[str, Any]) -> Outcome:
    """Judge the hand derivation in a file, or that from standard input where the path is ``-``.

    Raises:
        InputError: for options that a hand derivation does not take, or a file that is not read.
    """
    for option, default in (("wrt", ()), ("batch", None), ("order", 1), ("explicit", False)):
        if given.get(option, default) != default:
            raise InputError(f"--derivation states what it is of: leave out --{option}.")
    shapes = {name: texts[-1] for name, texts in name_pairs(given["shape"], "--shape").items()}
    return handwork_outcome(
        check_derivation(
            standard_input if path == "-" else _text_of(path),
            shapes,
            name_pairs(given["assume"], "--assume"),
            seed=given["seed"],
            convention=given["convention"],
        )
    )


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"--derivation {path}: {error.strerror}. Give a text file.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--derivation {path}: byte {error.start} is no UTF-8.") from None
