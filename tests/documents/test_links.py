"""Every link of the documents leads to a file, and its anchor to a heading of that file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "CHANGELOG.md"})
"""The change log is left out: a link of an earlier version may lead to a page of that version."""
_LINK = re.compile(r"\]\((?!https?:|mailto:|data:)([^)\s#]*)(?:#([^)\s]*))?\)")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title)).lower().replace(" ", "-") for title in headings
    }


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found: list[str] = []
    for path, anchor in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(f"{path}#{anchor}" if anchor else path)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other page\n\n## With `code`, and more\n")
    page = tmp_path / "page.md"
    page.write_text("[a](gone.md) [b](other.md#with-code-and-more) [c](other.md#none) [d](#none)\n")
    assert broken(page) == ["gone.md", "other.md#none", "#none"]
