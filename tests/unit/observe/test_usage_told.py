"""Usage as JSON and CSV."""

from __future__ import annotations

import csv
import io

import pytest

from dragoman.observe.usage_told import record_told, records_csv, report_csv, row, told, usd
from dragoman.state.periods import DAY
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_report import Bucket, Found, Query, Report
from dragoman.state.usage_sums import Sums

BEGIN = 20_000 * DAY
ACME = Sums(
    {"requests": 3, "failed": 1, "cost": 1_822_400_000_000}, {"input": 5, "cache_read": 2}, {}, {20: 10}
)
NOBODY = Sums({"requests": 1, "unpriced": 1, "cost": 12_500}, {"images": 2})
WHOLE = Sums({"requests": 4})
QUERY = Query(begin=BEGIN, end=BEGIN + DAY, by=("tenant",), step="day")
GROUPS = [Found(("acme",), ACME), Found(("",), NOBODY), Found(None, WHOLE)]
REPORT = Report(BEGIN, BEGIN + DAY, GROUPS, WHOLE, [Bucket(BEGIN, BEGIN + DAY, True, GROUPS[:2])])


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00"),
        (1_822_400_000_000, "1822.40"),
        (12_500, "0.0000125"),
        (1, "0.000000001"),
        (5 * 10**8, "0.50"),
    ],
)
def test_money_keeps_every_digit(nano: int, text: str) -> None:
    assert usd(nano) == text


def test_a_report_as_json() -> None:
    answer = told(QUERY, REPORT)
    acme, nobody, other = answer["data"]
    assert (acme["tenant"], acme["other"], acme["cost_usd"], acme["cost_complete"]) == (
        "acme",
        False,
        "1822.40",
        True,
    )
    assert (acme["input_tokens"], acme["cached_tokens"]) == (7, 2)
    assert 1_000_000 <= acme["ttft_us"]["p50"] <= 1_420_000
    assert acme["total_us"] == {"p50": None, "p95": None}
    assert (nobody["tenant"], nobody["cost_usd"], nobody["cost_complete"], nobody["unpriced"]) == (
        None,
        "0.0000125",
        False,
        1,
    )
    assert (other["tenant"], other["other"]) == (None, True)
    assert [(one["t"], one["complete"], len(one["groups"])) for one in answer["buckets"]] == [
        (BEGIN, True, 2)
    ]
    assert answer["totals"]["requests"] == 4


def test_a_report_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(told(QUERY, REPORT)))))
    assert [(row["day"], row["tenant"], row["requests"], row["images"]) for row in rows] == [
        (str(BEGIN), "acme", "3", "0"),
        (str(BEGIN), "", "1", "2"),
    ]
    assert rows[1]["cost_complete"] == "false"
    whole = Query(begin=BEGIN, end=BEGIN + DAY)
    (row,) = csv.DictReader(io.StringIO(report_csv(told(whole, REPORT._replace(groups=GROUPS[2:])))))
    assert row["requests"] == "4"


def test_records_as_json_and_csv() -> None:
    line = UsageLine("p/m", "p", {"input": 3}, None, 5, price="2026-01-01")
    one = UsageRecord(
        id="ex_1", created=1.5, ended=2.0, tags=("a",), units={"input": 3}, priced=5, lines=(line,)
    )
    found = record_told(one)
    assert (found["cost_usd"], found["cost_complete"]) == ("0.000000005", False)
    assert (found["lines"][0]["cost_usd"], found["lines"][0]["cost_complete"]) == ("0.000000005", False)
    assert found["lines"][0]["price"] == "2026-01-01"
    (row,) = csv.DictReader(io.StringIO(records_csv([one], titles=True)))
    assert (row["id"], row["created"], row["tags"], row["units"]) == ("ex_1", "1.5", '["a"]', '{"input":3}')
    assert records_csv([one], titles=False).count("\r\n") == 1


def test_what_nothing_is_known_of_is_not_zero() -> None:
    line = UsageLine("p/m", "p", {"input": 3}, None, 0)
    one = UsageRecord(id="ex_1", created=1.5, ended=2.0, units={"input": 3}, lines=(line,))
    found = record_told(one)
    for cost in (found, found["lines"][0], row(Sums({"requests": 1, "unpriced": 1}))):
        assert (cost["cost_usd"], cost["cost_complete"]) == (None, False)
    (line_of_csv,) = csv.DictReader(io.StringIO(records_csv([one], titles=True)))
    assert (line_of_csv["cost_usd"], line_of_csv["cost_complete"]) == ("", "false")
    free = record_told(UsageRecord(id="ex_1", created=1.5, ended=2.0, cost=0))
    assert (free["cost_usd"], free["cost_complete"]) == ("0.00", True)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_a_text_of_a_client_is_no_formula_of_a_spreadsheet(text: str) -> None:
    groups = [Found((text,), ACME)]
    (row,) = csv.DictReader(
        io.StringIO(
            report_csv(
                told(
                    QUERY, REPORT._replace(groups=groups, buckets=[Bucket(BEGIN, BEGIN + DAY, True, groups)])
                )
            )
        )
    )
    assert row["tenant"] == f"'{text}"
    one = UsageRecord(id="ex_1", created=1.5, ended=2.0, end_user=text)
    (row,) = csv.DictReader(io.StringIO(records_csv([one], titles=True)))
    assert (row["end_user"], row["created"]) == (f"'{text}", "1.5")
