"""The grades of vendors. A grade says how many recordings of real traffic with a vendor there are, how many
cells the vendor has in the matrix of features, and how many of both pass the tests.

The numbers are in `grades.json`, which `make docs` writes from the recordings, their list of exceptions and
the matrix (`tests/documents/providers_page.py`). A vendor without an entry is untried.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("grades.json")


class Grade(msgspec.Struct, frozen=True, omit_defaults=True):
    """The grade of one vendor; all fields are numbers.

    recordings: the recorded exchanges with the vendor. held: the recordings for which every rule that the
    tests check on recordings holds; the others are in the list of exceptions. cells: the cells of the matrix
    of features whose provider is the vendor; a cell is one feature that the official client of one protocol
    asks for. passed: the cells in which the client gets its answer.
    """

    recordings: int = 0
    held: int = 0
    cells: int = 0
    passed: int = 0

    def __str__(self) -> str:
        """The grade in words: `40/41 recordings, 90/95 cells`. A part without any recordings or cells is left
        out; `untried` = both are left out.
        """
        told = []
        if self.recordings:
            told.append(f"{self.held}/{self.recordings} recordings")
        if self.cells:
            told.append(f"{self.passed}/{self.cells} cells")
        return ", ".join(told) or "untried"


UNTRIED: Final = Grade()


@cache
def grades() -> Mapping[str, Grade]:
    """Return the grades by the vendor's name in the catalogue, for the vendors that have one."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Grade])
