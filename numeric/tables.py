"""What every report of a check has: rows in columns, an entry, what would have been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numeric.check import Entry

__all__ = ["aligned", "entry_cells", "entry_json", "floor_sentences", "loss_text", "shape_text"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows of cells in columns, two blanks apart.

    >>> aligned([("variable", "shape"), ("x", "3x1")])
    ['variable  shape', 'x         3x1']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def shape_text(shape: tuple[int, ...]) -> str:
    """Write an array's shape.

    >>> shape_text((3, 4)), shape_text(())
    ('3x4', 'scalar')
    """
    return "x".join(map(str, shape)) or "scalar"


def loss_text(loss: float) -> str:
    """Write a loss to four decimals, or to as many digits of one that is very large or small.

    >>> loss_text(0.27123), loss_text(1e30), loss_text(3.2e-7), loss_text(0.0)
    ('0.2712', '1.0000e+30', '3.2000e-07', '0.0000')
    """
    return f"{loss:.4f}" if loss == 0 or 1e-3 <= abs(loss) < 1e6 else f"{loss:.4e}"


def entry_cells(entry: Entry | None) -> tuple[str, str, str]:
    """Return an entry's place, what was expected there and what was got, for a table.

    >>> from numeric.check import Entry
    >>> entry_cells(Entry((0, 1), 2.0, 0.5, point=0)), entry_cells(None)
    (('[0, 1]', '2', '0.5'), ('-', '-', '-'))
    """
    if entry is None:
        return "-", "-", "-"
    place = str(list(entry.index)) if entry.index else "-"
    return place, f"{entry.expected:.9g}", f"{entry.got:.9g}"


def entry_json(entry: Entry | None) -> dict[str, Any] | None:
    """Return an entry as a JSON object, null where there is none.

    >>> entry_json(None) is None
    True
    """
    if entry is None:
        return None
    return {"index": list(entry.index), "expected": entry.expected, "got": entry.got}


def floor_sentences(floors: Iterable[float | None]) -> list[str]:
    """Say which error of one entry would have been seen, where that is known of every variable.

    >>> floor_sentences([1e-12, 3e-11])
    ['An error of 3e-11 in one entry would have been seen.']
    >>> floor_sentences([1e-12, None])
    []
    """
    every = list(floors)
    known = [floor for floor in every if floor is not None]
    if not known or len(known) < len(every):
        return []
    return [f"An error of {max(known):.0e} in one entry would have been seen."]
