"""The packaged table is what its sources give."""

from __future__ import annotations

import json
import tomllib
from datetime import date

import pytest

pytest.importorskip("genai_prices", reason="the table of prices is not installed")

from scripts.prices import LEFT_OUT, OWN, TABLE, UNITS, table

LINES = [json.loads(line) for line in TABLE.read_text("utf-8").splitlines()]


def test_the_table_in_the_repository_is_current() -> None:
    assert TABLE.read_text("utf-8") == table(date.fromisoformat(LINES[0]["date"]))


def test_our_rows_come_first_and_name_their_pages() -> None:
    own = tomllib.loads(OWN.read_text("utf-8"))
    for vendor, rows in own.items():
        (line,) = [one for one in LINES[1:] if one["vendor"] == vendor]
        assert line["rows"][: len(rows)] == rows
        for row in rows:
            assert row["page"].startswith("https://")
            assert date.fromisoformat(f"{row['read']}-01") <= date.fromisoformat(LINES[0]["date"])


def test_units_have_our_names() -> None:
    assert not UNITS.keys() & LEFT_OUT
    units = {
        unit for line in LINES[1:] for row in line["rows"] for one in row["prices"] for unit in one["units"]
    }
    assert {unit.partition("/")[0] for unit in units} <= {
        *UNITS.values(),
        *("images", "web_fetch_requests", "tool_search_requests", "x_search_requests"),
    }
