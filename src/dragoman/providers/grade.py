"""How much of a vendor's real traffic, and of the matrix of features, the codecs have been held to.

The numbers are in `grades.json`, which `make docs` writes from the recordings, their exceptions and the
matrix (`tests/documents/providers_page.py`). A vendor without an entry is untried.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("grades.json")


class Grade(msgspec.Struct, frozen=True, omit_defaults=True):
    """The grade of one vendor.

    recordings: recorded exchanges with the vendor; held: those over which all laws hold. cells: cells of the
    matrix whose provider is the vendor; passed: those in which the client gets its answer.
    """

    recordings: int = 0
    held: int = 0
    cells: int = 0
    passed: int = 0

    def __str__(self) -> str:
        """In words: `40/41 recordings, 90/95 cells`; `untried` for a vendor that has neither."""
        told = []
        if self.recordings:
            told.append(f"{self.held}/{self.recordings} recordings")
        if self.cells:
            told.append(f"{self.passed}/{self.cells} cells")
        return ", ".join(told) or "untried"


UNTRIED: Final = Grade()


@cache
def grades() -> Mapping[str, Grade]:
    """The grade of each vendor that has one, by its name in the catalogue."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Grade])
