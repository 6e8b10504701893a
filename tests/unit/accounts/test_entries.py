"""Entries of the journal: whatever happens to the bytes, whole entries are found and no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.entries import (
    CLOSED,
    END,
    HEAD,
    OPENED,
    closed_in,
    entry_of,
    head,
    position_in,
    position_of,
    read,
)

BODIES = [b"first", b"", b"\xff\xfeJ\x01 looks like a mark", b"last" * 40]
WHOLE = b"".join(bytes(entry_of(CLOSED, body)) for body in BODIES)


def bodies(data: bytes, *, final: bool = True) -> list[bytes]:
    return [entry.body for entry in read(data, final=final).entries]


def test_entries_are_read_as_they_were_written() -> None:
    found = read(WHOLE + bytes(entry_of(END)), final=True)
    assert [entry.body for entry in found.entries] == [*BODIES, b""]
    assert [entry.kind for entry in found.entries] == [CLOSED] * 4 + [END]
    assert (found.end, found.damaged, found.torn) == (len(WHOLE) + 13, 0, 0)


def test_an_entry_that_is_not_whole_yet_waits_and_at_the_end_of_all_it_is_torn() -> None:
    data = WHOLE + bytes(entry_of(CLOSED, b"cut off"))[:-3]
    assert read(data, final=False).end == len(WHOLE)
    found = read(data, final=True)
    assert (len(found.entries), found.end, found.damaged, found.torn) == (4, len(data), 0, 17)


def test_reading_goes_on_behind_damage() -> None:
    first, second, third = (bytes(entry_of(CLOSED, body)) for body in (b"1", b"2", b"3"))
    for place in range(len(second)):
        spoilt = bytearray(second)
        spoilt[place] ^= 0x40
        found = read(first + bytes(spoilt) + third, final=True)
        assert [entry.body for entry in found.entries] == [b"1", b"3"], place
        assert (found.damaged, found.torn) == (1, 0)


def test_a_torn_write_in_the_middle_hides_no_later_entry() -> None:
    torn = bytes(entry_of(CLOSED, b"x" * 50))[:20]
    assert bodies(torn + WHOLE) == BODIES


def test_the_position_in_a_head() -> None:
    assert position_in(head(77)) == 77
    assert position_in(head()) == HEAD
    assert len(head()) == HEAD
    spoilt = bytearray(head(77))
    spoilt[9] ^= 1
    assert position_in(bytes(spoilt)) == HEAD
    assert position_in(b"") == HEAD
    assert position_in(b"DRAGOMAN" + position_of(3)) == HEAD


@given(st.integers(0, len(WHOLE)))
def test_what_is_cut_off_leaves_the_entries_before(length: int) -> None:
    found = bodies(WHOLE[:length])
    assert found == BODIES[: len(found)]
    assert len(found) >= sum(len(WHOLE) - len(rest) <= length for rest in _rests()) - 1


def _rests() -> list[bytes]:
    return [WHOLE[entry.end :] for entry in read(WHOLE, final=True).entries]


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), max_size=6))
def test_damage_gives_a_part_of_the_entries_in_order_and_nothing_else(flips: list[tuple[int, int]]) -> None:
    spoilt = bytearray(WHOLE)
    for place, bits in flips:
        spoilt[place] ^= bits
    found = bodies(bytes(spoilt))
    rest = iter(BODIES)
    assert all(body in rest for body in found)
    assert len(found) >= len(BODIES) - len(flips)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert read(data, final=True).end == len(data)
    assert read(data, final=False).end <= len(data)


def test_closed_entries_are_counted_up_to_the_first_that_is_not_whole() -> None:
    whole = entry_of(OPENED, b"a") + entry_of(CLOSED, b"b") + entry_of(CLOSED, b"c")
    assert closed_in(whole) == (2, len(whole))
    assert closed_in(whole + entry_of(CLOSED, b"dd")[:-1]) == (2, len(whole))
    assert closed_in(whole + b"?" * 20 + entry_of(CLOSED)) == (2, len(whole))
    assert closed_in(b"") == closed_in(whole[:5]) == (0, 0)
