"""The bodies of the journal's entries: read as they were written, by this version and by the next one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.bodies import decode, encode, id_of, named
from dragoman.state.usage import UsageLine, UsageRecord

TEXTS = st.text(max_size=8)
NUMBERS = st.integers(0, 2**53)
UNITS = st.dictionaries(TEXTS, NUMBERS, max_size=3)
LINES = st.builds(
    UsageLine, TEXTS, TEXTS, UNITS, st.none() | NUMBERS, st.none() | NUMBERS, st.booleans(), price=TEXTS
)
RECORDS = st.builds(
    UsageRecord,
    TEXTS,
    st.floats(0, 2e9),
    st.floats(0, 2e9),
    client=st.none() | TEXTS,
    tags=st.lists(TEXTS, max_size=2).map(tuple),
    units=UNITS,
    cost=st.none() | NUMBERS,
    settled=st.lists(st.tuples(TEXTS, NUMBERS), max_size=2).map(tuple),
    cut=st.booleans(),
    seconds=st.none() | st.floats(0, 10),
    lines=st.lists(LINES, max_size=2).map(tuple),
    process=TEXTS,
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: UsageRecord) -> None:
    assert decode(encode(record)) == record


@given(RECORDS)
def test_a_map_of_the_version_before_is_the_same_record(record: UsageRecord) -> None:
    assert decode(msgspec.msgpack.encode(named(record))) == record


def test_the_bytes_of_the_version_before() -> None:
    body = (
        b"\x85\xa2id\xa1a\xa7created\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa5ended\xcb@\x00\x00\x00\x00\x00\x00\x00"
        b"\xa7settled\x91\x92\xa1k\x05\xa5lines\x91\x83\xaadeployment\xa5one/m\xa8provider\xa3one\xa4cost\x07"
    )
    assert decode(body) == UsageRecord(
        "a", 1.0, 2.0, settled=(("k", 5),), lines=(UsageLine("one/m", "one", cost=7),)
    )


def test_fields_that_the_next_version_adds_are_left_out() -> None:
    row = [*msgspec.structs.astuple(UsageRecord("a", 1.0, 2.0, process="p")), "new"]
    assert decode(msgspec.msgpack.encode(row)) == UsageRecord("a", 1.0, 2.0, process="p")
    fields = named(UsageRecord("a", 1.0, 2.0)) | {"new": 1}
    assert decode(msgspec.msgpack.encode(fields)) == UsageRecord("a", 1.0, 2.0)


def test_the_place_of_a_field_never_changes() -> None:
    assert [field.name for field in msgspec.structs.fields(UsageRecord)] == [
        *("id", "created", "ended", "client", "key", "tenant", "team", "user", "end_user", "tags", "face"),
        *("operation", "model", "deployment", "provider", "streamed", "units", "cost", "priced", "estimated"),
        *("settled", "end", "failed", "cut", "status", "first", "seconds", "overhead", "attempts", "lines"),
        *("process",),
    ]
    assert [field.name for field in msgspec.structs.fields(UsageLine)] == [
        *("deployment", "provider", "units", "cost", "priced", "estimated", "outcome", "key", "own", "price"),
    ]


def test_the_names_of_what_is_stated() -> None:
    line = UsageLine("one/m", "one", {"input": 3})
    assert named(UsageRecord("a", 1.0, 2.0, lines=(line,))) == {
        "id": "a",
        "created": 1.0,
        "ended": 2.0,
        "lines": [{"deployment": "one/m", "provider": "one", "units": {"input": 3}}],
    }


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"\xc1",
        b"\x91",
        *map(
            msgspec.msgpack.encode, [7, "a", [], ["a"], {}, {"id": "a"}, {"id": 1, "created": 1, "ended": 1}]
        ),
        *map(msgspec.msgpack.encode, [{"lines": 1}, {"lines": [1]}, {"lines": [{}]}, {1: 2}]),
        b"\xdc\xff\xff" + encode(UsageRecord("a", 1.0, 2.0))[3:] + b"\x91" * 5000,
        b"\x82\xa2id\xa1a\xa1x" + b"\x91" * 100_000 + b"\xc0",
    ],
)
def test_what_is_no_record_is_an_error(odd: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(odd)


def test_the_id_of_a_body_is_read_without_the_rest() -> None:
    record = UsageRecord("ex_1", 1.0, 2.0, units={"input": 3})
    assert id_of(encode(record)) == "ex_1"
    assert id_of(msgspec.msgpack.encode({"id": "ex_2", "created": 1.0, "ended": 2.0})) == "ex_2"
    assert id_of(b"") is id_of(b"\x90") is id_of(b"\x91\x05") is id_of(b"\x91\xa2\xff\xfe") is None
    assert id_of(b"\xdc\xff\xff\xa1a" + b"\x91" * 5000) is None
