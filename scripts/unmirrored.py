"""Source modules without a unit test of their own, grouped by the reason. `check_tree` reads this table.

The paths are below src/dragoman; a path that ends with a slash stands for all modules of that folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNMIRRORED: Final[Mapping[str, tuple[str, ...]]] = {}
