"""Links in the documents lead somewhere, and every page is found from the index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
INDEX: Final = DOCS / "README.md"
_LINK: Final = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_CODE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PAGES: Final = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *DOCS.rglob("*.md")])


def anchors(page: Path) -> Iterator[str]:
    """What a link may name behind the #, as GitHub makes it of each heading."""
    for heading in _HEADING.findall(_CODE.sub("", page.read_text("utf-8"))):
        plain = re.sub(r"\[([^]]*)]\([^)]*\)", r"\1", heading)
        yield re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in set(anchors(target)), link


def test_the_index_names_every_page_once() -> None:
    listed = [link for link in _LINK.findall(INDEX.read_text("utf-8")) if link.endswith(".md")]
    pages = [page.name for page in DOCS.glob("*.md") if page != INDEX]
    assert sorted(name for name in listed if "/" not in name) == sorted(pages)
