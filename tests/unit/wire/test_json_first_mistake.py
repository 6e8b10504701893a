"""Of several mistakes in a body the first is told."""

from __future__ import annotations

import pytest

from dragoman.errors import WireError
from dragoman.wire.json import decode_object


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (rb'{"a": x, "b": "\ud800"}', "is not valid JSON: line 1, column 7: unexpected 'x'"),
        (rb'{"a": 1} "\ud800"', "is not valid JSON: line 1, column 10: more text after the object"),
        (
            rb'{"a": "\ud800", "b": x}',
            "cannot be read: line 1, column 8: half of a surrogate pair, which is no character",
        ),
    ],
)
def test_the_first_mistake_is_told(body: bytes, message: str) -> None:
    with pytest.raises(WireError) as caught:
        decode_object(body)
    assert str(caught.value) == f"The body {message}"
