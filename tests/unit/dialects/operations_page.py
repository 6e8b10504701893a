"""The table of operations in docs/endpoints.md: what is asked of which provider, and where.

`python -m tests.unit.dialects.operations_page --write` writes it into the page, `--check` tells whether it is
current (exit code 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dragoman.dialects.request import Operation
from dragoman.dialects.table import DIALECTS, SERVICES
from dragoman.engine.operate import NAMES
from dragoman.upstreams.local.upstream import LocalUpstream
from dragoman.upstreams.simulate.upstream import SimulateUpstream
from dragoman.upstreams.upstream import METHODS
from tests.documents import generated

PAGE: Final = Path(__file__).parents[3] / "docs" / "endpoints.md"
BEGINNING: Final = "<!-- This table is made by `make docs` from the dialects. Do not edit it. -->\n"
END: Final = "<!-- The end of the table. -->\n"
_OWN: Final[Mapping[str, type[Any]]] = {"embedded models": LocalUpstream, "simulator": SimulateUpstream}


def table() -> str:
    """The table, Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in _lines())


def _lines() -> Iterator[list[str]]:
    yield ["a provider that speaks", *NAMES.values()]
    yield ["---"] * (len(NAMES) + 1)
    for dialect in DIALECTS.values():
        codecs = dialect.asked()
        yield [dialect.title, *(_cell(codecs[one].paths) if one in codecs else "–" for one in NAMES)]
    for service in SERVICES.values():
        sides = service.sides
        yield [service.title, *(_cell(sides[one].paths) if one in sides else "–" for one in NAMES)]
    for title, upstream in _OWN.items():
        yield [title, *("yes" if _has(upstream, one) else "–" for one in NAMES)]


def _cell(paths: tuple[str, ...]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


def _has(upstream: type[Any], operation: Operation) -> bool:
    return hasattr(upstream, METHODS[operation])


def written(page: str) -> str:
    """The page with the table as it is now. Raises ValueError for a page that has no place for it."""
    return generated.between(page, BEGINNING, END, table())


def main(arguments: list[str]) -> int:
    """Write or check the table. Returns the exit code."""
    return generated.main(PAGE, written, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
