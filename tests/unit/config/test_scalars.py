"""Durations, sizes and paths as people write them."""

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.scalars import Amount, Day, Duration, FilePath, Moment, PathPrefix, Share, Size


@pytest.mark.parametrize(
    ("written", "seconds", "shown"),
    [
        ("30s", 30, "30s"),
        ("5m", 300, "5m"),
        ("5min", 300, "5m"),
        ("250ms", 0.25, "250ms"),
        ("1h", 3600, "1h"),
        ("90m", 5400, "90m"),
        ("2d", 172800, "2d"),
        ("1.5h", 5400, "90m"),
        ("0.1s", 0.1, "100ms"),
        (" 10 s ", 10, "10s"),
        ("10S", 10, "10s"),
        ("45", 45, "45s"),
        (45, 45, "45s"),
        (0.2, 0.2, "200ms"),
        (0, 0, "0s"),
        ("0s", 0, "0s"),
        ("0.0001s", 0.0001, "0.0001s"),
        ("10000d", 864000000, "10000d"),
    ],
)
def test_a_duration(written: object, seconds: float, shown: str) -> None:
    duration = Duration.parse(written)
    assert float(duration) == seconds
    assert str(duration) == shown


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "-1s",
        "1 s m",
        "1w",
        "1e3",
        "1e3s",
        "thirty",
        "1:30",
        ".s",
        "1.",
        "٣s",
        "10001d",
        True,
        None,
        [],
        {},
        *(-1, math.inf, -math.inf, math.nan, 10**400, "9" * 18 + "d", "9" * 5000),
    ],
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="."):  # noqa: RUF043 - any sentence
        Duration.parse(written)


@pytest.mark.parametrize(
    ("written", "size", "shown"),
    [
        ("2MB", 2_000_000, "2MB"),
        ("64MB", 64_000_000, "64MB"),
        ("1.1MB", 1_100_000, "1100kB"),
        ("512kB", 512_000, "512kB"),
        ("512 KiB", 524_288, "512KiB"),
        ("1GiB", 1_073_741_824, "1GiB"),
        ("1g", 1_000_000_000, "1GB"),
        ("10b", 10, "10B"),
        ("100", 100, "100B"),
        (100, 100, "100B"),
        (1e6, 1_000_000, "1MB"),
        (2**53 + 1, 2**53 + 1, "9007199254740993B"),
        (0, 0, "0B"),
    ],
)
def test_a_size(written: object, size: int, shown: str) -> None:
    parsed = Size.parse(written)
    assert int(parsed) == size
    assert str(parsed) == shown


@pytest.mark.parametrize(
    "written",
    [
        "",
        "MB",
        "-1MB",
        "1TB",
        "1.5",
        "0.5B",
        "1.0001kB",
        1.5,
        -1,
        True,
        None,
        [],
        math.inf,
        math.nan,
        2**63,
        "9" * 20 + "G",
    ],
)
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="."):  # noqa: RUF043 - any sentence
        Size.parse(written)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/api", "/api"),
        ("api/", "/api"),
        ("/a/b/", "/a/b"),
        ("//a", "/a"),
        ("/v1.5", "/v1.5"),
    ],
)
def test_a_path_prefix(written: str, path: str) -> None:
    assert PathPrefix.parse(written) == path


@pytest.mark.parametrize(
    "written", ["a b", "/a?b", "/a#b", "/a/../b", "..", "a\\b", "http://h/v1", "a\x00", 1, None]
)
def test_what_is_no_path_prefix(written: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        PathPrefix.parse(written)


@pytest.mark.parametrize("written", ["", "a\0b", None, 1, []])
def test_what_is_no_file_path(written: object) -> None:
    with pytest.raises(ValueError, match="not a path"):
        FilePath.parse(written)


AMOUNTS = st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False, places=3)


@given(AMOUNTS, st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_is_the_nearest_microsecond_and_says_itself_back(amount: Decimal, unit: str) -> None:
    factor = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}[unit]
    exact = amount * factor
    if exact > 10_000 * 86_400:
        return
    parsed = Duration.parse(f"{amount}{unit}")
    assert abs(Decimal(float(parsed)) - exact) <= Decimal("0.000002")
    assert Duration.parse(str(parsed)) == parsed


@given(st.integers(0, 2**63 - 1))
def test_a_size_says_itself_back(size: int) -> None:
    assert Size.parse(str(Size(size))) == size


@given(st.integers(0, 10**6), st.sampled_from([("kB", 1000), ("MiB", 1024**2), ("GB", 1000**3)]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    assert Size.parse(f"{number}{unit[0]}") == number * unit[1]


@pytest.mark.parametrize("kind", [Duration, Size, PathPrefix, FilePath])
@given(value=st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary(), st.lists(st.text())))
def test_any_value_is_read_or_refused(kind: Any, value: object) -> None:
    try:
        parsed = kind.parse(value)
    except ValueError:
        return
    assert type(parsed) is kind
    if isinstance(value, str):
        assert any(
            re.search(schema["pattern"], value) if "pattern" in schema else value
            for schema in kind.schema.get("anyOf", [kind.schema])
            if schema["type"] == "string"
        )


@pytest.mark.parametrize(
    ("written", "iso", "shown"),
    [
        ("2026-12-31", "2027-01-01T00:00:00+00:00", "2026-12-31"),
        (" 2024-02-29 ", "2024-03-01T00:00:00+00:00", "2024-02-29"),
        ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00+00:00", "2026-12-31T18:00:00Z"),
        ("2026-12-31 18:00 +01:00", "2026-12-31T17:00:00+00:00", "2026-12-31T17:00:00Z"),
        ("2026-12-31t18:00:00.5z", "2026-12-31T18:00:00.500000+00:00", "2026-12-31T18:00:00.500000Z"),
        ("2026-12-31T00:30:00+0130", "2026-12-30T23:00:00+00:00", "2026-12-30T23:00:00Z"),
    ],
)
def test_a_moment(written: str, iso: str, shown: str) -> None:
    """A date is good until its last moment in UTC."""
    moment = Moment.parse(written)
    assert float(moment) == datetime.fromisoformat(iso).timestamp()
    assert str(moment) == shown
    assert Moment.parse(shown) == moment
    assert re.search(Moment.schema["pattern"], written)


@pytest.mark.parametrize(
    "written",
    [
        *("", "tomorrow", "2026-02-30", "2026-13-01", "31.12.2026", "2026-12", "20261231", 1_800_000_000),
        *("2026-12-31T18:00:00", "2026-12-31T25:00:00Z", "2026-12-31T18:00:00+99:00", "9999-12-31", None),
        "\u0662026-12-31",
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"),
    ],
)
def test_no_moment(written: object) -> None:
    """A time without its zone would end hours apart on two machines."""
    with pytest.raises(ValueError, match=r"\S"):
        Moment.parse(written)


@pytest.mark.parametrize(
    ("written", "value", "shown"),
    [("3", 3.0, "3"), (" 0.25 ", 0.25, "0.25"), ("1e-06", 1e-06, "1e-06"), (2, 2.0, "2"), (0.5, 0.5, "0.5")],
)
def test_amounts(written: object, value: float, shown: str) -> None:
    amount = Amount.parse(written)
    assert (amount, str(amount)) == (value, shown)


@pytest.mark.parametrize("written", ["", "-1", -1, "nan", float("nan"), "inf", "1e10", True, "3 EUR", None])
def test_what_is_no_amount(written: object) -> None:
    with pytest.raises(ValueError, match=r"no|negative"):
        Amount.parse(written)


@pytest.mark.parametrize(
    ("written", "value", "shown"),
    [
        ("5%", 0.05, "5%"),
        (" 12.5 % ", 0.125, "12.5%"),
        ("0.05", 0.05, "5%"),
        (0.05, 0.05, "5%"),
        (1, 1.0, "100%"),
        ("100%", 1.0, "100%"),
        ("0%", 0.0, "0%"),
    ],
)
def test_shares(written: object, value: float, shown: str) -> None:
    share = Share.parse(written)
    assert (share, str(share)) == (value, shown)
    assert Share.parse(str(share)) == share


@pytest.mark.parametrize(
    "written",
    ["", "%", "-1%", "101%", 10**400, 1.01, -0.1, "5%%", "5% of all", "nan", float("nan"), True, None],
)
def test_what_is_no_share(written: object) -> None:
    with pytest.raises(ValueError, match=r"no|negative"):
        Share.parse(written)


def test_a_day_begins_at_midnight_in_utc() -> None:
    assert float(Day.parse(" 2026-12-31 ")) == 1_798_675_200
    assert str(Day.parse("2026-12-31")) == "2026-12-31"


@pytest.mark.parametrize("value", ["2026-12-31T00:00:00Z", "2026-02-30", "tomorrow", 5, None, ""])
def test_what_is_no_day(value: object) -> None:
    with pytest.raises(ValueError, match=r"not a date|day is out of range"):
        Day.parse(value)
