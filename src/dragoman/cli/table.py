"""Formats rows as aligned lines that fit the width of a terminal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final, TypeAlias

Cell: TypeAlias = str | int | None
"""The value of a cell. `aligned` shows None (there is no value) as `–`, and numbers with commas: `12,000`."""

_GAP: Final = "  "
_LEAST: Final = 20
"""Values are shortened down to this many characters before columns are removed; those of the last left,
further.
"""


def aligned(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, *, names: int = 0, wraps: bool = False
) -> list[str]:
    """Return the lines of a table, the titles first. No line is longer than `width` characters. Each row has
    as many cells as there are titles.

    Columns in which each cell is a number or None are aligned to the right. If the table is too wide, long
    values are shortened in their middle, down to 20 characters; if that cannot suffice, the last columns are
    left out. names: the number of columns, from the left, that are shortened only after the others. wraps:
    True = the last column has sentences, which are not shortened but wrapped onto more lines.
    """
    table = [[_shown(cell) for cell in row] for row in (titles, *rows)]
    columns = list(zip(*table, strict=True))
    needed = [max(map(len, column)) for column in columns]
    if wraps:
        left = width - sum(needed[:-1]) - len(_GAP) * (len(needed) - 1)
        needed[-1] = min(needed[-1], max(_LEAST, left))
    widths = _fitting(needed, width, names)
    sentences = wraps and len(widths) == len(columns)
    numbers = [
        all(cell is None or isinstance(cell, int) for cell in column) for column in zip(*rows, strict=True)
    ]
    right = numbers or [False] * len(columns)
    lines = []
    for row in table:
        sentence, further = row[-1], list[str]()
        if sentences:
            sentence, *further = textwrap.wrap(row[-1], widths[-1]) or [""]
        cells = [
            _cut(cell, room).rjust(room) if to_the_right else _cut(cell, room).ljust(room)
            for cell, room, to_the_right in zip((*row[:-1], sentence), widths, right, strict=False)
        ]
        lines.append(_GAP.join(cells).rstrip())
        margin = " " * (sum(widths[:-1]) + len(_GAP) * (len(widths) - 1))
        lines += [margin + words for words in further]
    return lines


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _fitting(widths: list[int], room: int, names: int) -> list[int]:
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
    if len(text) <= room:
        return text
    head = room // 2
    tail = room - head - 1
    return f"{text[:head]}…{text[len(text) - tail :]}"
