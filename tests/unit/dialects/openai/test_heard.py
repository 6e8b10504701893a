"""The JSON of a response to an audio operation."""

from __future__ import annotations

import pytest

from dragoman.dialects.openai.heard import object_of
from dragoman.errors import WireError


def test_an_object_or_a_text() -> None:
    assert object_of(b' {"a": 1}') == {"a": 1}
    assert object_of(b' "text"') == "text"


@pytest.mark.parametrize("data", [b'"\xff"', b'"a', b'"a" b', b'{"a": "\xff"}', b"[]", b"\xff", b""])
def test_any_other_bytes_are_a_mistake_of_the_wire(data: bytes) -> None:
    with pytest.raises(WireError):
        object_of(data)
