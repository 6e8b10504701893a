"""Files, folders and tables that ARCHITECTURE.md names exist: a recipe leads to its places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "dragoman"
PAGE: Final = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
_FILE: Final = re.compile(r"(?<![\w./*-])([a-z_0-9./-]*[a-z_0-9]\.(?:py|toml|md))\b")
_DECISION: Final = re.compile(r"\b\d{4}-[a-z-]+\.md")
_ROOM: Final = re.compile(r"^  ([a-z]+)/ ", re.MULTILINE)
_TABLE: Final = re.compile(r"`(_?[A-Z][A-Z_]{3,})`")
_CODE: Final = [
    path for folder in ("src", "tests", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))
]


def paths() -> set[str]:
    """Every file and folder of the repository that the page may name, below its root."""
    found: set[str] = set()
    for folder in ("src", "tests", "scripts", "docs", "bench"):
        found |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*")}
    return found | {path.name for path in ROOT.iterdir()}


PATHS: Final = paths()


def exists(named: str) -> bool:
    """Whether a path ends in this one: `server/app.py`, `app.py`."""
    return named in PATHS or any(path.endswith(f"/{named}") for path in PATHS)


@pytest.mark.parametrize("named", sorted({*_FILE.findall(PAGE), *_DECISION.findall(PAGE)}))
def test_a_file_that_is_named_exists(named: str) -> None:
    assert exists(named)


def test_the_rooms_are_those_of_the_tree() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if any(path.glob("*.py"))}
    assert sorted(_ROOM.findall(PAGE)) == sorted(rooms)


def test_a_module_that_is_named_with_its_room_exists() -> None:
    rooms = "|".join(_ROOM.findall(PAGE))
    named = set(re.findall(rf"(?<![\w./-])((?:{rooms})/[a-z_0-9]+(?:/[a-z_0-9]+)*)(?![\w./-])", PAGE))
    assert len(named) > 10
    assert [one for one in sorted(named) if not ((SOURCE / one).is_dir() or exists(f"{one}.py"))] == []


def test_a_table_that_is_named_exists() -> None:
    text = "\n".join(path.read_text("utf-8") for path in _CODE if path != Path(__file__))
    named = set(_TABLE.findall(PAGE)) - {"FOLDER"}
    assert len(named) > 10
    stated = set(re.findall(r"^ *(_?[A-Z][A-Z_]+)(?:: [^=\n]+)? =", text, re.MULTILINE))
    assert sorted(named - stated) == []
