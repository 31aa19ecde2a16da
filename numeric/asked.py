"""What ``cli verify`` is asked to check: derived gradients, claims, code or a hand derivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derive.errors import InputError
from numeric.claimed import check_claims
from numeric.report import Outcome, verification_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numeric.request import Request

__all__ = ["check_request", "require_one"]


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


def check_request(request: Request, claims: Sequence[str]) -> Outcome:
    """Check a formula's derived gradients, or what somebody states of it."""
    if claims:
        return check_claims(request, claims)
    return verification_outcome(request)
