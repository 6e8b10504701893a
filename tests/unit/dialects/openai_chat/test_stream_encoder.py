"""Streams to the wire: the bytes of every event, as the official clients expect them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from tests.unit.dialects.openai_chat.speaking import (
    DONE,
    FOREIGN,
    ROLE,
    START,
    chunks_of,
    deltas_of,
    lost,
    reply,
    streamed,
)

THERE = ir.Start(FOREIGN, "msg_1", "m-1")
END: list[ir.Event] = [ir.Finish(ir.Stop("end")), ir.End()]
SEAL = ir.Sealed(FOREIGN, "s")


def block(value: ir.Block, *deltas: ir.Event, index: int = 0) -> list[ir.Event]:
    return [ir.Open(index, value), *deltas, ir.Close(index)]


def text(words: str, index: int = 0) -> list[ir.Event]:
    return block(ir.Text(""), ir.TextDelta(index, words), index=index)


def test_golden_text() -> None:
    stream = streamed([START, *text("Hé"), *END])
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":['
    assert stream.split(b"\n\n") == [
        head + b'{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}',
        head + '{"index":0,"delta":{"content":"Hé"},"finish_reason":null}]}'.encode(),
        head + b'{"index":0,"delta":{},"finish_reason":"stop"}]}',
        b"data: [DONE]",
        b"",
    ]


def test_golden_call_with_usage() -> None:
    told: list[ir.Event] = [
        ir.Start(FOREIGN, "msg_1", "m-1", usage=ir.Usage(9)),
        *block(
            ir.ToolCall("c1", "look"), ir.ArgsDelta(0, '{"a"'), ir.ArgsDelta(0, ""), ir.ArgsDelta(0, ":1}")
        ),
        ir.Finish(ir.Stop("tool")),
        ir.Tally(ir.Usage(9, output=5)),
        ir.End(),
    ]
    head = (
        b'data: {"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"m-1","choices":['
    )
    assert streamed(told, usage=True).split(b"\n\n") == [
        head
        + b'{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]'
        + b',"usage":null}',
        head
        + b'{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":'
        + b'{"name":"look","arguments":""}}]},"finish_reason":null}],"usage":null}',
        head
        + b'{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]},'
        + b'"finish_reason":null}],"usage":null}',
        head
        + b'{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},'
        + b'"finish_reason":null}],"usage":null}',
        head + b'{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}',
        head + b'],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}',
        b"data: [DONE]",
        b"",
    ]


def test_golden_error_ends_the_stream_without_finish_or_done() -> None:
    told: list[ir.Event] = [
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi"),
        ir.Error(ir.Fault("overloaded", "Busy.")),
    ]
    error = {"message": "Busy.", "type": "service_unavailable_error", "param": None}
    last = b"data: " + msgspec.json.encode({"error": {**error, "code": "server_is_overloaded"}})
    assert streamed(told).split(b"\n\n")[-2:] == [last, b""]
    assert b"[DONE]" not in streamed(told)
    failed: list[ir.Event] = [START, ir.End(error=ir.Fault("upstream", "Broke."))]
    assert b"[DONE]" not in streamed(failed)
    assert b'"error"' in streamed(failed)


@pytest.mark.parametrize("asked", [False, True])
def test_counts_that_came_before_an_error_stand_beside_it(asked: bool) -> None:
    told: list[ir.Event] = [START, ir.Tally(ir.Usage(9, output=5)), ir.Error(ir.Fault("upstream", "Broke."))]
    encoder = DIALECT.stream.encoder(reply(usage=asked))
    last = b"".join(map(encoder.feed, told)).rstrip().rpartition(b"data: ")[2]
    usage = msgspec.json.decode(last).get("usage")
    wanted = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert usage == (wanted if asked else None)


def test_every_chunk_has_the_same_id_date_and_model() -> None:
    told: list[ir.Event] = [THERE, *text("a"), *text("b", 1), *END]
    chunks = [chunk for chunk in chunks_of(streamed(told, model="shown", usage=True)) if chunk != DONE]
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("msg_1", 1_700_000_000, "shown")
    }


def test_usage_is_told_only_where_it_was_asked_for() -> None:
    told: list[ir.Event] = [START, *text("Hi"), ir.Tally(ir.Usage(1, output=1)), *END]
    assert b"usage" not in streamed(told)
    asked = chunks_of(streamed(told, usage=True))
    assert [chunk["usage"] for chunk in asked if chunk != DONE][:-1] == [None] * 3
    assert asked[-2]["choices"] == []
    assert asked[-1] == DONE


def test_what_is_learned_late_comes_in_chunks_that_are_due() -> None:
    """Programs read `choices[0]` of every chunk, and no JSON has a member twice."""
    late = ir.More({DIALECT.name: {"citations": ["https://a.example"]}}, tier="default")
    began = ir.Start(DIALECT.name, "id", "m", tier="auto")
    told: list[ir.Event] = [began, *text("Hi"), late, ir.Tally(ir.Usage(1, output=1)), *END]
    raw = streamed(told)
    assert raw.count(b"service_tier") == raw.count(b"data: {")
    chunks = chunks_of(raw)[:-1]
    assert all(chunk["choices"] for chunk in chunks)
    assert [chunk["service_tier"] for chunk in chunks] == ["auto", "auto", "default"]
    assert chunks[-1]["citations"] == ["https://a.example"]
    asked = chunks_of(streamed(told, usage=True))[:-1]
    assert [chunk["usage"] is None for chunk in asked] == [True, True, True, False]


def test_the_role_comes_first_even_when_nothing_follows() -> None:
    chunks = chunks_of(streamed([START, *END]))
    assert [choice["delta"] for chunk in chunks[:-1] for choice in chunk["choices"]] == [ROLE, {}]
    assert chunks_of(streamed([START, ir.End()])) == [DONE]


def shown(*told: ir.Event, dialect: str = FOREIGN, **how: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The deltas of an answer from elsewhere, and what was lost."""
    report = Report(DIALECT.name, "response")
    stream = streamed([ir.Start(dialect, "id", "m"), *told, *END], report=report, **how)
    return [delta for delta in deltas_of(stream) if delta], lost(report)


def called(index: int, **members: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **members}]}


def note(start: int, end: int, url: str = "u", title: str = "", index: int = 0) -> dict[str, Any]:
    cited = {"start_index": start, "end_index": end, "url": url, "title": title}
    return {"type": "url_citation", "url_citation": cited, "index": index}


LOOK = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
SHOWN: list[tuple[list[ir.Event], list[dict[str, Any]], dict[str, str]]] = [
    (block(ir.Text("whole")), [{"content": "whole"}], {}),
    (block(ir.Json({"a": 1})), [{"content": '{"a":1}'}], {}),
    (block(ir.Refusal(""), ir.RefusalDelta(0, "No.")), [{"refusal": "No."}], {}),
    (block(ir.Refusal("No.")), [{"refusal": "No."}], {}),
    (
        [*block(ir.Thinking(), ir.ThinkDelta(0, "h"), ir.ThinkDelta(0, "m")), *text("Hi.", 1)],
        [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "Hi."}],
        {},
    ),
    (block(ir.Thinking("hm")), [{"reasoning_content": "hm"}], {}),
    (
        block(
            ir.Thinking(),
            ir.ThinkDelta(0, "a", part=0),
            ir.ThinkDelta(0, "b", part=0),
            ir.ThinkDelta(0, "c", part=1),
        ),
        [{"reasoning_content": "a"}, {"reasoning_content": "b"}, {"reasoning_content": "\n\nc"}],
        {},
    ),
    (
        [*block(ir.Thinking("a")), *block(ir.Thinking("b"), index=1)],
        [{"reasoning_content": "a"}, {"reasoning_content": "\n\nb"}],
        {},
    ),
    (
        block(ir.Thinking(), ir.ThinkDelta(0, "a"), ir.SealDelta(0, SEAL)),
        [{"reasoning_content": "a"}],
        {},
    ),
    (
        block(ir.Thinking(sealed=SEAL, redacted=True)),
        [],
        {},
    ),
    # Clients parse the arguments that they get
    (block(ir.ToolCall("c1", "look")), [called(0, **LOOK), called(0, function={"arguments": "{}"})], {}),
    (
        block(ir.ToolCall("c1", "look", '{"a":1}')),
        [called(0, id="c1", type="function", function={"name": "look", "arguments": '{"a":1}'})],
        {},
    ),
    (
        block(ir.ToolCall("c1", "sql", kind="custom"), ir.ArgsDelta(0, "SELECT")),
        [
            called(0, id="c1", type="custom", custom={"name": "sql", "input": ""}),
            called(0, custom={"input": "SELECT"}),
        ],
        {},
    ),
    # A call's position is its place among the calls, not among the blocks
    (
        [
            *text("Hi."),
            ir.Open(1, ir.ToolCall("c1", "look")),
            ir.Open(2, ir.ToolCall("c2", "hear")),
            ir.ArgsDelta(1, "[1]"),
            ir.ArgsDelta(2, "[2]"),
            ir.Close(1),
            ir.Close(2),
        ],
        [
            {"content": "Hi."},
            called(0, **LOOK),
            called(1, id="c2", type="function", function={"name": "hear", "arguments": ""}),
            called(0, function={"arguments": "[1]"}),
            called(1, function={"arguments": "[2]"}),
        ],
        {},
    ),
    (
        [
            *text("So:"),
            *block(ir.ToolCall("s", "search", by="provider"), ir.ArgsDelta(1, "{}"), index=1),
            *text("Rain.", 2),
        ],
        [{"content": "So:"}, {"content": "\n\nRain."}],
        {"candidates[0].blocks[1]": "hint"},
    ),
    (
        [*text("So:"), *block(ir.ToolResult("s", (ir.Media("document", url="u"),), by="provider"), index=1)],
        [{"content": "So:"}, {"annotations": [note(3, 3)]}],
        {},
    ),
    (
        [
            ir.Open(0, ir.ToolResult("s", by="provider")),
            ir.Close(0, ir.ToolResult("s", (ir.Text("x"),), by="provider")),
        ],
        [],
        {"candidates[0].blocks[0]": "hint"},
    ),
    # Citations go out when the end of their text is known
    (
        [
            *text("a "),
            *block(ir.Text(""), ir.Cite(1, ir.Citation("url", "u")), ir.TextDelta(1, "bc"), index=1),
            ir.Cite(0, ir.Citation("url", "late")),
        ],
        [
            {"content": "a "},
            {"content": "bc"},
            {"annotations": [note(2, 4)]},
            {"annotations": [note(0, 2, "late", index=1)]},
        ],
        {},
    ),
    (
        block(ir.Text("a", (ir.Citation("page"),))),
        [{"content": "a"}],
        {"candidates[0].blocks[0].citations[0]": "quality"},
    ),
    # A block that closes with more than was streamed
    (
        [
            ir.Open(0, ir.Text("")),
            ir.TextDelta(0, "ab"),
            ir.Close(0, ir.Text("abc", (ir.Citation("url", "u"),))),
        ],
        [{"content": "ab"}, {"content": "c"}, {"annotations": [note(0, 3)]}],
        {},
    ),
    (
        [ir.Open(0, ir.ToolCall("c1", "look")), ir.Close(0, ir.ToolCall("c1", "look", "[1]"))],
        [called(0, **LOOK), called(0, function={"arguments": "[1]"})],
        {},
    ),
    (
        block(
            ir.Media("audio", id="a"),
            ir.MediaDelta(0, "AAAAAAAA"),
            ir.MediaDelta(0, None, "Hi."),
            ir.MediaDelta(0, expires=9),
        ),
        [
            {"audio": {"id": "a", "transcript": ""}},
            {"audio": {"data": "AAAAAAAA"}},
            {"audio": {"transcript": "Hi."}},
            {"audio": {"expires_at": 9}},
        ],
        {},
    ),
    (
        block(ir.Media("image", "image/png"), ir.MediaDelta(0, "AA"), ir.MediaDelta(0, "BB")),
        [{"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AABB"}, "index": 0}]}],
        {},
    ),
    (block(ir.Media("image", file="f")), [], {"candidates[0].blocks[0]": "meaning"}),
    (block(ir.Media("video", data="AA")), [], {"candidates[0].blocks[0]": "meaning"}),
    (block(ir.Native("elsewhere", "odd", {})), [], {"candidates[0].blocks[0]": "quality"}),
    ([ir.Raw("elsewhere", {"type": "progress"})], [], {"events": "hint"}),
    ([ir.More({"elsewhere": {"odd": 1}})], [], {"odd": "hint"}),
    ([ir.Ping()], [], {}),
    (
        block(ir.Text("a", sealed=SEAL, extra={"elsewhere": {"odd": 1}})),
        [{"content": "a"}],
        {"candidates[0].blocks[0].odd": "hint"},
    ),
]


@pytest.mark.parametrize(("told", "deltas", "losses"), SHOWN)
def test_events_are_shown_or_what_is_missing_is_named(
    told: list[ir.Event], deltas: list[dict[str, Any]], losses: dict[str, str]
) -> None:
    assert shown(*told) == (deltas, losses)


def test_a_client_of_before_tools_is_streamed_one_function_call() -> None:
    told: list[ir.Event] = [
        *block(ir.ToolCall("c1", "look"), ir.ArgsDelta(0, "{}")),
        *block(ir.ToolCall("c2", "hear"), ir.ArgsDelta(1, "{}"), index=1),
    ]
    deltas, losses = shown(*told, legacy=True)
    assert deltas == [
        {"function_call": {"name": "look", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert losses == {"candidates[0].blocks[1]": "meaning"}
    assert b'"finish_reason":"function_call"' in streamed([THERE, *told, *END], legacy=True)


def test_an_end_after_calls_is_told_as_calls() -> None:
    stream = streamed([THERE, *block(ir.ToolCall("c1", "look")), *END])
    assert b'"finish_reason":"tool_calls"' in stream


def test_log_probabilities_lie_beside_the_delta() -> None:
    probable = (ir.Logprob("Hi", -0.5, (72, 105), ()),)
    told: list[ir.Event] = [
        START,
        *block(ir.Text("Hi", logprobs=probable)),
        *block(ir.Refusal("No", probable), index=1),
        *END,
    ]
    choices = [chunk["choices"][0] for chunk in chunks_of(streamed(told)) if chunk != DONE]
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    assert choices[1]["logprobs"] == {"content": [token], "refusal": None}
    assert choices[2]["logprobs"] == {"content": None, "refusal": [token]}


def test_candidates_have_their_own_roles_and_positions() -> None:
    told: list[ir.Event] = [
        START,
        ir.Open(0, ir.Text(""), 1),
        ir.Open(0, ir.ToolCall("c", "look"), 0),
        ir.TextDelta(0, "b", 1),
        ir.ArgsDelta(0, "{}", 0),
        ir.Close(0, None, 1),
        ir.Close(0, None, 0),
        ir.Finish(ir.Stop("end"), 1),
        ir.Finish(ir.Stop("tool"), 0),
        ir.End(),
    ]
    choices = [choice for chunk in chunks_of(streamed(told)) if chunk != DONE for choice in chunk["choices"]]
    assert [choice["index"] for choice in choices] == [1, 0, 0, 1, 0, 1, 0]
    assert [choice["finish_reason"] for choice in choices][-2:] == ["stop", "tool_calls"]


def test_our_own_leftovers_are_streamed_once_in_their_places() -> None:
    told: list[ir.Event] = [
        ir.Start(
            "openai_chat",
            "id",
            "m",
            1,
            "flex",
            extra={"openai_chat": {"system_fingerprint": "fp", "provider": "x"}},
        ),
        *text("Hi."),
        ir.More({"openai_chat": {"moderation": {}}}, "priority"),
        ir.Finish(ir.Stop("end"), extra={"openai_chat": {"native": "end_turn", "message.token_id": 5}}),
        ir.End(extra={"openai_chat": {"last": 1}}),
    ]
    chunks = [chunk for chunk in chunks_of(streamed(told)) if chunk != DONE]
    assert all(chunk["system_fingerprint"] == "fp" for chunk in chunks)
    assert [chunk.get("provider") for chunk in chunks] == ["x", None, None, None]
    assert (chunks[2]["moderation"], chunks[2]["service_tier"]) == ({}, "priority")
    assert chunks[2]["choices"][0]["native"] == "end_turn"
    assert chunks[2]["choices"][0]["delta"] == {"token_id": 5}
    assert chunks[3]["last"] == 1


def test_our_own_progress_passes() -> None:
    assert b'data: {"odd":1}\n\n' in streamed([START, ir.Raw("openai_chat", {"odd": 1}), *END])


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize(
    "told",
    [
        [*text("Hé"), *block(ir.Thinking("Hm."), ir.ThinkDelta(0, "Hm.", 0), index=1), *END],
        [*block(ir.ToolCall("c1", "look"), ir.ArgsDelta(0, "{}")), ir.Tally(ir.Usage(9, output=5)), *END],
        [*text("Hel"), ir.Raw("openai_chat", {"odd": 1}), ir.Error(ir.Fault("internal", "No."))],
        [ir.Open(0, ir.Text("Hi", logprobs=(ir.Logprob("Hi", -0.5),))), ir.Close(0), *END],
    ],
)
def test_lines_are_the_events_without_their_frames(told: list[ir.Event], usage: bool) -> None:
    """On a socket a chunk is a line, and no `[DONE]` follows: the next answer may."""
    answer_to = msgspec.structs.replace(reply(usage=usage), framing="ndjson")
    encoder = DIALECT.stream.encoder(answer_to)
    lines = b"".join(map(encoder.feed, [START, *told])).splitlines(keepends=True)
    assert [b"data: " + line + b"\n" for line in lines] == [
        event + b"\n\n"
        for event in streamed([START, *told], usage=usage).split(b"\n\n")
        if event not in (b"", b"data: " + DONE)
    ]


def test_a_heartbeat_is_a_comment() -> None:
    assert DIALECT.stream.ping == b": ping\n\n"


@pytest.mark.parametrize(
    "told",
    [
        [*text("Hello "), *text("you.", 1)],
        [
            *block(ir.ToolCall("c1", "look"), ir.ArgsDelta(0, "{}")),
            *block(ir.ToolCall("c2", "hear"), index=1),
        ],
        block(ir.Refusal(""), ir.RefusalDelta(0, "No.")),
    ],
)
def test_the_official_client_adds_the_chunks_up_to_the_whole_answer(told: list[ir.Event]) -> None:
    state = ChatCompletionStreamState()
    stream: list[ir.Event] = [THERE, *told, ir.Tally(ir.Usage(3, output=2)), *END]
    for chunk in chunks_of(streamed(stream, usage=True)):
        if chunk != DONE:
            state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    whole = DIALECT.response.encode(ir.fold(stream), reply())
    added = state.get_final_completion().model_dump(exclude_none=True)
    message = whole["choices"][0]["message"]
    got = added["choices"][0]["message"]
    assert (got.get("content") or None) == (message["content"] or None)
    assert got.get("refusal") == message["refusal"]
    calls = [{k: call[k] for k in ("id", "type", "function")} for call in got.get("tool_calls") or []]
    assert msgspec.to_builtins(calls) == message.get("tool_calls", [])
    assert added["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert added["usage"] == whole["usage"]


def test_a_status_has_no_place() -> None:
    report = Report(DIALECT.name, "response")
    streamed([ir.Start(FOREIGN, status="in_progress"), ir.End("completed")], report=report)
    assert lost(report) == {"status": "hint"}


def test_a_late_seal_of_our_own_call_lies_beside_it() -> None:
    seal = ir.Sealed("gemini", "s")
    told: list[ir.Event] = [START, *block(ir.ToolCall("c1", "look"), ir.SealDelta(0, seal)), *END]
    assert deltas_of(streamed(told))[1] == called(0, extra_content={"google": {"thought_signature": "s"}})


def test_our_own_details_without_words_still_open_an_entry() -> None:
    extra = {"openai_chat": {"index": 0}}
    told: list[ir.Event] = [START, *block(ir.Thinking(form="details", extra=extra)), *END]
    assert deltas_of(streamed(told))[0] == {
        "reasoning_details": [{"type": "reasoning.text", "text": "", "index": 0}]
    }


def test_our_own_lists_of_sources_are_not_annotated_again() -> None:
    source = ir.Citation("url", "u", form="citations")
    told: list[ir.Event] = [START, *text("Hi."), ir.Cite(0, source), *END]
    assert b"annotations" not in streamed(told)


def test_a_matched_sequence_of_our_own_is_told() -> None:
    told: list[ir.Event] = [START, *text("Hi."), ir.Finish(ir.Stop("sequence", "stop", "END")), ir.End()]
    last = chunks_of(streamed(told))[-2]["choices"][0]
    assert (last["finish_reason"], last["stop_reason"]) == ("stop", "END")


def test_news_before_the_first_chunk_go_with_it() -> None:
    told: list[ir.Event] = [START, ir.More({"openai_chat": {"provider": "x"}}), *text("Hi."), *END]
    chunks = [chunk for chunk in chunks_of(streamed(told)) if chunk != DONE]
    assert [chunk.get("provider") for chunk in chunks] == ["x", None, None]
    assert streamed([START, ir.More(), *END]) == streamed([START, *END])


def test_a_close_that_adds_nothing_says_nothing() -> None:
    same = ir.Text("ab", (ir.Citation("url", "u"),))
    told: list[ir.Event] = [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "ab"),
        ir.Cite(0, ir.Citation("url", "u")),
        ir.Close(0, same),
        ir.Open(1, ir.ToolCall("c1", "look")),
        ir.ArgsDelta(1, "{}"),
        ir.Close(1, ir.ToolCall("c1", "look", "{}")),
        ir.Open(2, ir.Thinking("hm")),
        ir.Close(2, ir.Thinking("hm")),
    ]
    deltas, _ = shown(*told)
    assert deltas == [
        {"content": "ab"},
        {"annotations": [note(0, 2)]},
        called(0, **LOOK),
        called(0, function={"arguments": "{}"}),
        {"reasoning_content": "hm"},
    ]


def test_leftovers_of_audio_are_written_or_named() -> None:
    _, losses = shown(*block(ir.Media("audio", id="a", expires=9, extra={"elsewhere": {"odd": 1}})))
    assert losses == {"candidates[0].blocks[0].odd": "hint"}


def test_the_official_client_adds_up_citations_of_several_texts() -> None:
    first, second = (ir.Text("a", (ir.Citation("url", url, "t"),)) for url in ("https://a", "https://b"))
    told = [THERE, *(ir.Open(0, first), ir.Close(0)), *(ir.Open(1, second), ir.Close(1)), *END]
    state = ChatCompletionStreamState()
    for one in chunks_of(streamed(told))[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    message = state.get_final_completion().choices[0].message.model_dump()
    assert [note["url_citation"]["url"] for note in message["annotations"]] == ["https://a", "https://b"]
