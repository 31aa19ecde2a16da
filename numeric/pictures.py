"""Pictures that stand inside an HTML page: a curve as SVG, an image of bytes as PNG.

Contract: each is one element of well-formed XHTML, with a text for those who do not see it, and
needs no script, no font and no network. Colours are those of the page's style sheet.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from derive.render.mathml import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numeric.model import Array

__all__ = ["curve", "picture"]

_WIDTH, _HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 44


def curve(x: Sequence[float], y: Sequence[float], across: str, up: str) -> str:
    """Draw y over x as a line with a dot at each point, its axes named `across` and `up`.

    Points that are no finite numbers are left out.

    >>> curve([1, 2], [0.5, 0.25], "epoch", "loss").count("<circle")
    2
    """
    points = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if not points:
        return f"<p>No finite number to draw: {escape(up)}.</p>"
    horizontal, vertical = (_ticks([point[axis] for point in points]) for axis in (0, 1))
    places = [(_across(a, horizontal), _up(b, vertical)) for a, b in points]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dots = (f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="2.5"></circle>' for a, b in places)
    (first, begin), (last, end) = points[0], points[-1]
    told = f"{up} over {across}: from {begin:.4g} at {first:g} to {end:.4g} at {last:g}"
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(told)}">',
            f"<title>{escape(told)}</title>",
            *_grid(horizontal, vertical),
            f'<text class="name" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" '
            f'text-anchor="middle">{escape(across)}</text>',
            f'<text class="name" transform="translate(14 {(_TOP + _HEIGHT - _BOTTOM) / 2}) '
            f'rotate(-90)" text-anchor="middle">{escape(up)}</text>',
            f'<polyline class="curve" points="{line}"></polyline>',
            *dots,
            "</svg>",
        ]
    )


def picture(pixels: Array, told: str) -> str:
    """Show bytes, 0 black to 255 white, as an image of one pixel each, with its alternative text.

    Shapes: pixels (height, width).

    Source of the format: PNG Specification (Third Edition), W3C 2025, sections 5 and 9.

    >>> picture(np.zeros((2, 3), np.uint8), "nothing")[:34]
    '<img width="3" height="2" alt="not'
    """
    height, width = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels.astype(np.uint8)])  # 0: no filter
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)  # eight bits of grey
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)
    source = base64.b64encode(png).decode("ascii")
    return (
        f'<img width="{width}" height="{height}" alt="{escape(told)}" '
        f'src="data:image/png;base64,{source}"/>'
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers, evenly apart, the outer ones around all values."""
    least, most = min(values), max(values)
    spread = (most - least) or abs(most) or 1.0
    unit = 10.0 ** math.floor(math.log10(spread / 4))
    apart = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= spread / 4)
    first = math.floor(least / apart + 1e-9)
    count = max(1, math.ceil(most / apart - 1e-9) - first)
    return [apart * (first + i) for i in range(count + 1)]


def _across(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(value: float, ticks: Sequence[float]) -> float:
    share = (value - ticks[0]) / (ticks[-1] - ticks[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _grid(horizontal: Sequence[float], vertical: Sequence[float]) -> list[str]:
    """Draw the numbers along both axes, and a line at each of the vertical one's."""
    bottom, lines = _HEIGHT - _BOTTOM, []
    for value in vertical:
        y = _up(value, vertical)
        lines.append(
            f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}">'
            f'</line><text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>'
        )
    lines += [
        f'<text x="{_across(value, horizontal):.1f}" y="{bottom + 18}" text-anchor="middle">'
        f"{value:.6g}</text>"
        for value in horizontal
    ]
    return lines
