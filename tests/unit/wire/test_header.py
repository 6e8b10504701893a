"""Any text becomes a header value that a server can send."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.header import LIMIT, header_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", b""),
        ("up/gpt-4o", b"up/gpt-4o"),
        ("100% a b", b"100% a b"),
        ("x\r\nset-cookie: a=b", b"x%0D%0Aset-cookie: a=b"),
        ("\x00\t\x7f", b"%00%09%7F"),
        ("日", b"%E6%97%A5"),
        ("\ud800", b"?"),
        ("a" * 5000, b"a" * LIMIT),
        ("a" * (LIMIT - 1) + "é", b"a" * (LIMIT - 1)),
        ("a" * (LIMIT - 5) + "éé", b"a" * (LIMIT - 5) + b"%C3"),
    ],
)
def test_values(text: str, value: bytes) -> None:
    assert header_value(text) == value


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="%"), max_size=80))
def test_nothing_is_lost_below_the_limit(text: str) -> None:
    value = header_value(text)
    assert all(0x20 <= byte < 0x7F for byte in value)
    assert unquote(value.decode()) == text


@given(st.text(max_size=3 * LIMIT))
def test_any_text_is_bounded_and_printable(text: str) -> None:
    value = header_value(text)
    assert len(value) <= LIMIT
    assert all(0x20 <= byte < 0x7F for byte in value)
