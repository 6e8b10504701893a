"""A case knows what of its exchange the laws apply to, and cuts streams the same way every time."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import AUTHOR, STANDARD, USUALLY_WIDER
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import APIS, Case, check_grammar, cuts, dialect_of, split
from dragoman.testing.corpus import Exchange, Request, Response

CHAT = DIALECTS["openai_chat"]
ASKED = Request("POST", "https://x/chat/completions?api-version=1", {}, {"model": "m", "messages": []})


def case(request: Request | None = None, response: Response | None = None, api: str = "openai.chat") -> Case:
    return Case(Exchange("id", api, request=request, response=response), CHAT, ())


@pytest.mark.parametrize(
    ("request_", "response", "subjects"),
    [
        (None, None, ""),
        (ASKED, None, "request"),
        (ASKED, Response(200, body={}), "request response"),
        (ASKED, Response(200, sse=""), "request stream"),
        (None, Response(200, events=()), "stream"),
        (ASKED, Response(400, body={}), "error"),
        (ASKED, Response(401, body_text="no"), "request error"),
        (ASKED, Response(529, body={}), "request error"),
        (Request(body=None), Response(200, body=[1]), ""),
    ],
)
def test_subjects(request_: Request | None, response: Response | None, subjects: str) -> None:
    assert case(request_, response).subjects == set(subjects.split())


def test_a_wire_request_is_a_copy() -> None:
    one = case(ASKED)
    one.wire_request.body.clear()
    assert one.wire_request.body == ASKED.body
    assert one.wire_request.query == {"api-version": "1"}
    assert one.wire_request.path == CHAT.paths.chat


@pytest.mark.parametrize(
    ("url", "path", "model"),
    [
        ("https://x/v1beta/models/gemini-x:generateContent", "/models/{model}:generateContent", "gemini-x"),
        (
            "https://x/v1/projects/p/publishers/google/models/y:streamGenerateContent?alt=sse",
            "/models/{model}:streamGenerateContent?alt=sse",
            "y",
        ),
        (None, "/models/{model}:generateContent", "model"),
    ],
)
def test_a_model_in_the_address_is_no_part_of_the_body(url: str | None, path: str, model: str) -> None:
    asked = Request("POST", url, {}, {"contents": []})
    one = Case(Exchange("id", "gemini.generateContent", request=asked), DIALECTS["gemini"], ())
    assert (one.wire_request.path, one.wire_request.params) == (path, {"model": model})


def test_quirks_are_those_of_the_vendor() -> None:
    assert case(api="openai.chat").quirks.widens == AUTHOR.widens
    assert case(api="unheard-of.chat").quirks == STANDARD
    assert case(api="writer.chat").widens == USUALLY_WIDER | {"call_ids"}
    assert case(api="alibaba.chat").quirks.max_tokens_field == "max_tokens"


def test_frames_of_a_sample_end_as_the_protocol_does() -> None:
    assert case(None, Response(events=({"a": 1}, {}))).frames == [b'{"a":1}', b"{}", b"[DONE]"]
    assert case(None, Response(sse='data: {"a":1}\r\n\r\n')).frames == [b'{"a":1}']


def test_a_reply_asks_for_usage_and_keeps_what_the_client_asked() -> None:
    asked = case(Request(body={"model": "m", "messages": [], "user": "u"}), Response(sse=""))
    reply = asked.reply(CHAT, Report("openai_chat"))
    assert (reply.request.user, reply.request.stream, reply.request.stream_usage) == ("u", True, True)
    other = asked.reply(DIALECTS["anthropic"], Report("anthropic"))
    assert (other.request.dialect, other.request.user, other.request.stream) == ("anthropic", None, True)


def test_cuts_are_seeded() -> None:
    stream = bytes(range(256)) * 50
    chunks = cuts(stream, "a")
    assert b"".join(chunks) == stream
    assert chunks == cuts(stream, "a")
    assert chunks != cuts(stream, "b")
    assert len(set(map(len, chunks))) > 30
    assert min(map(len, chunks)) >= 1
    assert cuts(b"", "a") == []


def test_split_takes_what_is_cut_off() -> None:
    assert split(b"data: 1\n\nda", b"ta: 2") == [b"1", b"2"]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "ends in state 'new'"),
        ([ir.Start("x")], "ends in state 'head'"),
        ([ir.Finish(None)], "illegal in state 'new'"),
    ],
)
def test_a_stream_must_be_legal_and_end(events: list[ir.Event], said: str) -> None:
    with pytest.raises(ir.GrammarError, match=said):
        check_grammar(events)


def test_each_api_speaks_one_dialect() -> None:
    apis = [api for each in APIS.values() for api in each]
    assert len(apis) == len(set(apis))
    assert dialect_of("groq.chat") == "openai_chat"
    assert dialect_of("mistral.chat") == "mistral"
    assert dialect_of("cohere.chat") == "cohere"
    assert dialect_of("cohere.chat_v1") is None
