"""Chunks that continue a text, recognized by their bytes."""

from __future__ import annotations

import pytest

from dragoman.dialects.gemini.words import decode_words, repeated

FRAME = b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"n":1},"modelVersion":"g"}'


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_other_words_and_counts_are_read(end: bytes) -> None:
    same = repeated(FRAME, decode_words(FRAME))
    assert same is not None
    event = b"data: " + FRAME.replace(b'"a"', b'"\\"b"').replace(b'{"n":1}', b'{"n":22}') + end
    found = same.read(event)
    assert found is not None
    assert (found[0], bytes(found[1])) == ('"b', b'{"n":22}')
    for odd in (event * 2, event[:-1], event[1:], event.replace(b'"g"', b'"h"'), event.replace(b"22", b"2,")):
        assert same.read(odd) is None


def test_a_chunk_without_counts_has_none() -> None:
    frame = FRAME.replace(b',"usageMetadata":{"n":1}', b"")
    same = repeated(frame, decode_words(frame))
    assert same is not None
    found = same.read(b"data: " + frame.replace(b'"a"', b'"b"') + b"\n\n")
    assert found is not None
    assert (found[0], bytes(found[1])) == ("b", b"")


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.replace(b'"a"', b'"text"'),  # found first in the name of its member
        FRAME.replace(b'"a"', b'"\\u0061"'),  # written in another way
        FRAME.replace(b"{", b"{\n", 1),
    ],
)
def test_a_chunk_whose_text_is_not_found_is_not_repeated(frame: bytes) -> None:
    assert repeated(frame, decode_words(frame)) is None
