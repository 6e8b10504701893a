"""Rows as aligned lines that fit a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

Cell: TypeAlias = str | int | None
"""None: there is no value."""

_GAP: Final = "  "
_LEAST: Final = 20
"""A longer value is cut down to this many characters before its column is given up."""


def aligned(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, *, names: int = 0
) -> list[str]:
    """The lines of a table, the titles first, none longer than `width` characters.

    Columns of numbers are aligned to the right. Where the room is short, long values are cut in their
    middle; where that is not enough, columns go from the right. names: how many columns, from the left, are
    cut last.
    """
    table = [[_shown(cell) for cell in row] for row in (titles, *rows)]
    columns = list(zip(*table, strict=True))
    widths = _fitting([max(map(len, column)) for column in columns], width, names)
    numbers = [
        all(cell is None or isinstance(cell, int) for cell in column) for column in zip(*rows, strict=True)
    ]
    right = numbers or [False] * len(columns)
    lines = []
    for row in table:
        cells = [
            _cut(cell, room).rjust(room) if to_the_right else _cut(cell, room).ljust(room)
            for cell, room, to_the_right in zip(row, widths, right, strict=False)
        ]
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _fitting(widths: list[int], room: int, names: int) -> list[int]:
    """The widths of the columns that stay."""
    while (excess := sum(widths) + len(_GAP) * (len(widths) - 1) - room) > 0:
        slack = sum(max(0, width - _LEAST) for width in widths)
        if slack < excess and len(widths) > 1:
            widths.pop()
            continue
        for _ in range(excess):
            later = [place for place, width in enumerate(widths) if place >= names and width > _LEAST]
            place = max(later or range(len(widths)), key=lambda one: (widths[one], one))
            widths[place] = max(1, widths[place] - 1)
        break
    return widths


def _cut(text: str, room: int) -> str:
    """The text with its middle left out where it is longer than `room`."""
    if len(text) <= room:
        return text
    head = room // 2
    tail = room - head - 1
    return f"{text[:head]}…{text[len(text) - tail :]}"
