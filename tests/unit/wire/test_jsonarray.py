"""One JSON array as a stream: its elements, whatever the cuts."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire.jsonarray import JSONArraySplitter
from dragoman.wire.sse import ErrorFrame

ERROR = {"error": {"code": 503, "message": 'It said "}]" and left.', "status": "UNAVAILABLE"}}
ELEMENTS: list[Any] = [{"a": ['x]}\\"{', {"b": " \\"}], "n": n} for n in range(3)]


def frames(*chunks: bytes) -> list[bytes]:
    splitter = JSONArraySplitter()
    found = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return found + splitter.close()


def pretty(*elements: Any) -> bytes:
    """An array as Google writes it."""
    inner = ",\r\n".join(json.dumps(element, indent=2, ensure_ascii=False) for element in elements)
    return f"[{inner}\r\n]".encode()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("data", [pretty(*ELEMENTS), json.dumps(ELEMENTS).encode()], ids=["pretty", "dense"])
def test_elements(data: bytes) -> None:
    assert [json.loads(frame) for frame in frames(data)] == ELEMENTS
    assert frames(*bytewise(data)) == frames(data)


def test_an_element_is_given_as_soon_as_it_is_whole() -> None:
    splitter = JSONArraySplitter()
    assert splitter.feed(b'[{"a": 1}') == [b'{"a": 1}']
    assert splitter.feed(b',\r\n{"a"') == []
    assert splitter.feed(b": 2}") == [b'{"a": 2}']
    assert splitter.feed(b"]") == splitter.close() == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"[]", []),
        (b" \r\n[\n]\n", []),
        (b'\xef\xbb\xbf[{"a":1}]', [b'{"a":1}']),
        (b'{"error": {\n"code": 1}}', [b'{"error": {\n"code": 1}}']),
        (b'[{"a":1},\n{"error":{}}', [b'{"a":1}', b'{"error":{}}']),
        (b'[{"a":1}\n{"error":{}}', [b'{"a":1}', b'{"error":{}}']),
        (b'[{"a":1}]\n[{"error":{}}]', [b'{"a":1}', b'{"error":{}}']),
        (b'[{"a":1}, [{"error":{}}]]', [b'{"a":1}', b'[{"error":{}}]']),
        (b'[{"a":"cut', [b'{"a":"cut']),
        (b'[{"a":"cut\\', [b'{"a":"cut\\']),
        (b'[{"a":{"b":1}', [b'{"a":{"b":1}']),
    ],
)
def test_shapes(data: bytes, expected: list[bytes]) -> None:
    assert frames(data) == expected
    assert frames(*bytewise(data)) == expected
    assert not any(isinstance(frame, ErrorFrame) for frame in frames(data))


@pytest.mark.parametrize(
    ("data", "other"),
    [
        (b'<html class="x">Bad gateway</html>', b'<html class="x">Bad gateway</html>'),
        (b'[{"a":1},\nupstream gone', b"upstream gone"),
        (b'[{"a":1}]}', b"}"),
        (b'"text"', b'"text"'),
        (b"[1, 2]", b"1, 2"),
    ],
)
def test_what_is_no_element_comes_last_as_an_error(data: bytes, other: bytes) -> None:
    for found in (frames(data), frames(*bytewise(data))):
        assert found[-1] == other
        assert isinstance(found[-1], ErrorFrame)


@given(st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()))), st.data())
def test_any_cut_gives_the_same(elements: list[Any], data: st.DataObject) -> None:
    stream = pretty(*elements)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert frames(*chunks) == frames(stream)
    assert [json.loads(frame) for frame in frames(stream)] == elements


def test_limits() -> None:
    splitter = JSONArraySplitter(max_event=20)
    assert splitter.feed(b'[{"a":"0123456789"},') == [b'{"a":"0123456789"}']
    with pytest.raises(WireError, match="larger than 20 bytes"):
        splitter.feed(b'{"a":"0123456789012345')
    with pytest.raises(WireError, match="not a JSON array"):
        JSONArraySplitter(max_event=20).feed(b"<html>" * 4)


def test_what_stands_between_elements_is_bounded_over_all() -> None:
    splitter = JSONArraySplitter(max_event=20)
    with pytest.raises(WireError, match="not a JSON array"):
        splitter.feed(b"x{}" * 30)


def test_an_error_after_elements() -> None:
    data = pretty(*ELEMENTS) + b"\r\n" + json.dumps(ERROR, indent=2).encode()
    assert json.loads(frames(data)[-1]) == ERROR


def test_of_what_is_no_element_little_is_taken() -> None:
    splitter = JSONArraySplitter()
    tracemalloc.start()
    try:
        for _ in range(2):
            splitter.feed(b"x]" * 20_000 + b"}" * 20_000)
        held, _ = tracemalloc.get_traced_memory()
        with pytest.raises(WireError) as refused:
            splitter.feed(b"}" * 300_000)
    finally:
        tracemalloc.stop()
    assert held < 400_000
    assert refused.value.code == "answer_too_large"
