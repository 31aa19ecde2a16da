"""The text of a result, read back: what it is not is refused."""

from __future__ import annotations

import pytest

import numeric.printed
from derive.errors import RefusedError
from derive.notation import TEXT
from numeric.printed import require_printed
from numeric.request import requests

LONG = "sum(" + "tanh(W*" * 90 + "x" + ")" * 90 + ")"
SHOWN = [
    ("norm2(W*x)^2", {}),
    ("max(A*x + b)", {"shape": ["b=m"], "wrt": ["x"]}),
    ("softmax(z)", {}),
    ("A*X*B", {}),
    ("softmax-ce", {"batch": "x,y"}),
    (LONG, {"wrt": ["x"]}),
]


@pytest.mark.parametrize(("text", "how"), SHOWN)
@pytest.mark.parametrize("seed", [0, 3, 5])
def test_what_is_printed_reads_back(text, how, seed):
    (request,) = requests(text, seed=seed, **how)
    require_printed(request.page())


@pytest.mark.parametrize(("text", "how"), SHOWN)
def test_another_text_is_refused(text, how, monkeypatch):
    (request,) = requests(text, **how)
    page = request.page()
    monkeypatch.setattr(numeric.printed, "TEXT", _Doubled())
    with pytest.raises(RefusedError, match=r"cannot be printed: .*is not what was checked"):
        require_printed(page)


class _Doubled:
    """A printer that is wrong by a factor."""

    size = staticmethod(TEXT.size)

    def __call__(self, expr):
        return f"2*({TEXT(expr)})"
