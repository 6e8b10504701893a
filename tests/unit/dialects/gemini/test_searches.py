from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini.relay import GeminiRelay
from dragoman.dialects.gemini.response import decode_response, encode_response
from dragoman.dialects.gemini.searches import Searches, with_searches
from dragoman.dialects.gemini.stream_decoder import GeminiDecoder
from dragoman.dialects.quirks import STANDARD
from dragoman.ir.units import units_of
from tests.unit.dialects.gemini.answering import reply

COUNTS = {"promptTokenCount": 3, "candidatesTokenCount": 9, "totalTokenCount": 12}


def candidate(*queries: Any, text: str = "a", **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    return {"content": content, "index": 0, "groundingMetadata": {"webSearchQueries": [*queries]}, **more}


def test_each_different_query_counts_once() -> None:
    found = with_searches(ir.Usage(3, output=9), [candidate("a", "b", "", " ", "a"), candidate("b", "c")])
    assert found == ir.Usage(3, output=9, detail={"web_search_requests": 3})


@pytest.mark.parametrize(
    "odd",
    [None, 7, "x", [None], [{"groundingMetadata": 7}], [candidate(7, None)], [candidate()], {"a": 1}],
)
def test_what_lists_no_queries_has_no_searches(odd: Any) -> None:
    usage = ir.Usage(3)
    assert with_searches(usage, odd) is usage


def test_no_answer_has_any_number_of_searches() -> None:
    searches = Searches()
    searches.note([candidate(*map(str, range(5_000)))])
    assert searches.counted(ir.Usage()).detail == {"web_search_requests": 1_000}


def test_an_answer_that_is_read_whole() -> None:
    body = {"candidates": [candidate("a", "b", finishReason="STOP")], "usageMetadata": COUNTS}
    decoded = decode_response(body, STANDARD)
    assert decoded.usage is not None
    assert units_of(decoded.usage) == {"input": 3, "output": 9, "web_search_requests": 2}
    assert GeminiRelay().response(msgspec.json.encode(body), reply())[1] == decoded.usage
    report = reply()
    assert decode_response(encode_response(decoded, report), STANDARD).usage == decoded.usage
    assert not report.report.losses


def test_a_stream() -> None:
    chunks = [
        {"candidates": [candidate("a")], "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}},
        {"candidates": [candidate("a", "b", finishReason="STOP")], "usageMetadata": COUNTS},
    ]
    relay, decoder = GeminiRelay().stream(reply()), GeminiDecoder(STANDARD)
    events: list[ir.Event] = []
    for chunk in chunks:
        raw = msgspec.json.encode(chunk)
        relay.feed(raw)
        events += decoder.feed(raw)
    events += decoder.close()
    usage = ir.fold(events).usage
    assert usage == relay.usage == ir.Usage(3, output=9, detail={"web_search_requests": 2})


def test_queries_that_cannot_be_read_fail_nothing() -> None:
    """A relay passes bytes that are not UTF-8."""
    raw = msgspec.json.encode({"candidates": [candidate("QUERY")], "usageMetadata": COUNTS})
    odd = raw.replace(b"QUERY", b"\xff")
    assert GeminiRelay().response(odd, reply()) == (odd, ir.Usage(3, output=9))
    stream = GeminiRelay().stream(reply())
    stream.feed(odd)
    assert stream.usage == ir.Usage(3, output=9)
