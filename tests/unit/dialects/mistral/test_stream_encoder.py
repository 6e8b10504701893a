"""Streams to the wire: the bytes of every event, as the official client expects them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.mistral.terms import call_id
from tests.unit.dialects.mistral.speaking import (
    DONE,
    END,
    START,
    THERE,
    changed,
    chunks_of,
    deltas_of,
    lost,
    reply,
    streamed,
)

Events = list[ir.Event]


def block(value: ir.Block, *deltas: ir.Event, index: int = 0) -> Events:
    return [ir.Open(index, value), *deltas, ir.Close(index)]


def text(words: str, index: int = 0) -> Events:
    return block(ir.Text(""), ir.TextDelta(index, words), index=index)


def sent(*events: ir.Event, start: ir.Event = THERE) -> tuple[list[dict[str, Any]], Report]:
    report = Report("mistral", "response")
    return deltas_of(streamed([start, *events, *END], report)), report


def test_golden_text() -> None:
    stream = streamed([START, *text("Hé"), ir.Tally(ir.Usage(1, output=2)), ir.More(tier="default"), *END])
    head = b'data: {"id":"a1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":['
    usage = b'"usage":{"prompt_tokens":1,"total_tokens":3,"completion_tokens":2,"service_tier":"standard"}'
    assert stream.split(b"\n\n") == [
        head + b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
        head + '{"index":0,"delta":{"content":"Hé"},"finish_reason":null}]}'.encode(),
        head + b'{"index":0,"delta":{"content":""},"finish_reason":"stop"}],' + usage + b"}",
        b"data: [DONE]",
        b"",
    ]


def test_golden_thinking() -> None:
    stream = streamed([START, *block(ir.Thinking(), ir.ThinkDelta(0, "Hm.")), *END])
    assert (
        b'{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]}]},"finish_reason":null}]}\n\n'
        in stream
    )


def test_golden_call() -> None:
    deltas = ir.ArgsDelta(0, '{"a"'), ir.ArgsDelta(0, ":1}")
    encoder = DIALECT.stream.encoder(reply())
    encoder.feed(START)
    assert b"tool_calls" not in encoder.feed(ir.Open(0, ir.ToolCall("toolu_1", "f")))
    assert [encoder.feed(delta) for delta in deltas] == [b"", b""]
    assert encoder.feed(ir.Close(0)).endswith(
        b'{"index":0,"delta":{"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"f",'
        b'"arguments":"{\\"a\\":1}"},"index":0}]},"finish_reason":null}]}\n\n'
    )


def test_ids_and_dates_are_made_up_once() -> None:
    stream = streamed([ir.Start("elsewhere"), *text("x"), *END])
    heads = {(one["id"], one["created"], one["model"]) for one in chunks_of(stream) if one != DONE}
    assert heads == {("answer-1", 1_700_000_000, "asked")}


def test_calls_without_ids_and_arguments() -> None:
    deltas, _ = sent(*block(ir.ToolCall(None, "a")), *block(ir.ToolCall("i", "b", "{}"), index=1))
    first, second = (delta["tool_calls"][0] for delta in deltas)
    assert (first["id"], first["index"]) == (call_id("answer-1 0 0"), 0)
    assert first["function"] == {"name": "a", "arguments": "{}"}
    assert (second["id"], second["index"]) == ("i", 1)


def test_calls_that_the_client_does_not_run() -> None:
    deltas, report = sent(*block(ir.ToolCall("s", "search", by="provider")), *text("x", 1))
    assert deltas == [{"content": "x"}]
    assert lost(report) == {"candidates[0].blocks[0]": "hint"}


def test_free_text_becomes_a_member() -> None:
    deltas, _ = sent(*block(ir.ToolCall("c", "plot", kind="custom"), ir.ArgsDelta(0, "EE")))
    assert deltas[0]["tool_calls"][0]["function"]["arguments"] == '{"input":"EE"}'


def test_texts_with_something_between_them_are_set_apart() -> None:
    deltas, _ = sent(*text("One."), *block(ir.Thinking("Hm."), index=1), *text("Two.", 2))
    assert [delta["content"] for delta in deltas][::2] == ["One.", "\n\nTwo."]
    own, _ = sent(*text("One."), *block(ir.Thinking("Hm."), index=1), *text("Two.", 2), start=START)
    assert own[-1] == {"content": "Two."}


def test_parts_of_a_summary_are_set_apart() -> None:
    parts = ir.ThinkDelta(0, "a", part=0), ir.ThinkDelta(0, "b", part=0), ir.ThinkDelta(0, "c", part=1)
    deltas, _ = sent(*block(ir.Thinking(summary=("",)), *parts))
    assert "".join(delta["content"][0]["thinking"][0]["text"] for delta in deltas) == "ab\n\nc"


def test_blocks_that_come_whole() -> None:
    deltas, _ = sent(*block(ir.Text("a")), *block(ir.Json([1]), index=1), *block(ir.Refusal("No."), index=2))
    assert deltas == [{"content": "a"}, {"content": "[1]"}, {"content": "No."}]


def test_a_refusal_is_told_as_text() -> None:
    deltas, report = sent(*block(ir.Refusal(""), ir.RefusalDelta(0, "No.")))
    assert deltas == [{"content": "No."}]
    assert changed(report) == {"candidates[0].blocks[0]"}


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}}


def test_pictures_are_sent_at_their_end() -> None:
    deltas, _ = sent(*block(ir.Media("image", "image/png"), ir.MediaDelta(0, "iV"), ir.MediaDelta(0, "BOR")))
    assert deltas == [{"content": [PICTURE]}]


def test_sounds_are_told_in_words() -> None:
    words = ir.MediaDelta(0, "AA", "Good "), ir.MediaDelta(0, None, "day.")
    deltas, report = sent(*block(ir.Media("audio"), *words))
    assert deltas == [{"content": [{"type": "text", "text": "Good day."}]}]
    assert lost(report) == {"candidates[0].blocks[0]": "meaning"}


def test_what_others_know_alone() -> None:
    deltas, report = sent(
        *block(ir.Text("", sealed=ir.Sealed("gemini", "s"), extra={"gemini": {"x": 1}})),
        *block(ir.Native("gemini", "code", {}), index=1),
        *block(ir.ToolResult("s", (ir.Text("found"),), by="provider"), index=2),
        *block(ir.Thinking(), ir.SealDelta(3, ir.Sealed("anthropic", "s")), index=3),
        *block(ir.Text(""), ir.TextDelta(4, "x"), ir.Cite(4, ir.Citation("url", "https://x")), index=4),
        ir.Raw("openai_responses", {}),
    )
    assert deltas == [{"content": "x"}]
    where = "candidates[0].blocks"
    assert lost(report) == {
        f"{where}[0].x": "hint",
        f"{where}[1]": "quality",
        f"{where}[2]": "hint",
        f"{where}[4].citations[0]": "quality",
        "events": "hint",
    }
    assert changed(report) == {f"{where}[0].sealed", f"{where}[3].sealed"}


def test_our_own_come_back_as_they_were() -> None:
    resource = {"type": "resource", "uri": "x"}
    reference = {"type": "reference", "reference_ids": [0]}
    deltas, report = sent(
        *block(ir.Native("mistral", "resource", resource)),
        *block(
            ir.Text(""),
            ir.TextDelta(1, "a"),
            ir.Cite(1, ir.Citation("reference", source={"reference_ids": [0]})),
            index=1,
        ),
        *block(ir.Text("", extra={"mistral": {"x": 1}}), ir.TextDelta(2, "b"), index=2),
        *block(ir.Thinking("c", extra={"mistral": {"closed": False}}), index=3),
        *block(ir.Thinking("d"), ir.SealDelta(4, ir.Sealed("mistral", "s")), index=4),
        *block(ir.Media("image", "image/png", "iVBOR"), index=5),
        start=START,
    )
    assert [delta["content"] for delta in deltas] == [
        [resource],
        "a",
        [reference],
        [{"type": "text", "text": "b", "x": 1}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "c"}], "closed": False}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "d"}]}],
        [{"type": "thinking", "thinking": [], "signature": "s"}],
        [PICTURE],
    ]
    assert not report.losses


def test_a_whole_block_with_its_own_seal_and_sources() -> None:
    thinking = ir.Thinking(extra={"mistral": {"closed": False}})
    words = ir.Text("", extra={"mistral": {"x": 1}})
    deltas, _ = sent(
        *block(thinking, ir.ThinkDelta(0, "c"), ir.SealDelta(0, ir.Sealed("mistral", "s"))),
        *block(
            words,
            ir.TextDelta(1, "b"),
            ir.Cite(1, ir.Citation("reference", source={"reference_ids": [2]})),
            index=1,
        ),
        start=START,
    )
    assert deltas[0]["content"][0]["signature"] == "s"
    assert [chunk["type"] for chunk in deltas[1]["content"]] == ["text", "reference"]


@pytest.mark.parametrize(
    ("opened", "deltas", "final", "shown"),
    [
        (ir.Text(""), (), ir.Text("ab"), ["ab"]),
        (ir.Text(""), (ir.TextDelta(0, "a"),), ir.Text("ab"), ["a", "b"]),
        (ir.Text(""), (ir.TextDelta(0, "ab"),), ir.Text("ab"), ["ab"]),
        (
            ir.Thinking(),
            (),
            ir.Thinking(summary=("a", "b")),
            [[{"type": "thinking", "thinking": [{"type": "text", "text": "a\n\nb"}]}]],
        ),
        (
            ir.Thinking(),
            (ir.ThinkDelta(0, "a"),),
            ir.Thinking("a"),
            [[{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]],
        ),
    ],
)
def test_blocks_as_they_really_ended(
    opened: ir.Block, deltas: tuple[ir.Event, ...], final: ir.Block, shown: list[Any]
) -> None:
    found, _ = sent(ir.Open(0, opened), *deltas, ir.Close(0, final))
    assert [delta["content"] for delta in found] == shown


def test_a_call_as_it_really_was() -> None:
    found, _ = sent(
        ir.Open(0, ir.ToolCall("c", "f")), ir.ArgsDelta(0, "{"), ir.Close(0, ir.ToolCall("c", "f", "{}"))
    )
    assert found[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_citations_that_come_with_the_end() -> None:
    cited = ir.Text("a", citations=(ir.Citation("url", "https://x"),))
    _, report = sent(ir.Open(0, ir.Text("")), ir.TextDelta(0, "a"), ir.Close(0, cited))
    assert lost(report) == {"candidates[0].blocks[0].citations[0]": "quality"}


def test_several_candidates_and_the_usage_in_the_last() -> None:
    events: Events = [
        ir.Open(0, ir.Text(""), 0),
        ir.Open(0, ir.Text(""), 1),
        ir.TextDelta(0, "a", 0),
        ir.TextDelta(0, "b", 1),
        ir.Close(0, None, 0),
        ir.Close(0, None, 1),
        ir.Finish(ir.Stop("end"), 0),
        ir.Finish(ir.Stop("length"), 1),
        ir.Tally(ir.Usage(1, output=2)),
        ir.End(),
    ]
    chunks = chunks_of(streamed([THERE, *events]))[:-1]
    assert [(one["choices"][0]["index"], "usage" in one) for one in chunks[-2:]] == [(0, False), (1, True)]
    assert [one["choices"][0]["finish_reason"] for one in chunks[-2:]] == ["stop", "length"]


def test_an_answer_of_nothing() -> None:
    chunks = chunks_of(streamed([THERE, *END]))
    assert [one["choices"][0]["delta"] for one in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": ""},
    ]
    assert chunks_of(streamed([THERE, ir.End()])) == [DONE]


def test_leftovers_stand_in_one_chunk() -> None:
    start = ir.Start("mistral", "a1", "m-1", 1, extra={"mistral": {"guard": 1}})
    finish = ir.Finish(ir.Stop("end"), extra={"mistral": {"message.tone": 2, "score": 3}})
    late = ir.More({"mistral": {"guard": 4}}), ir.More({"elsewhere": {"x": 1}})
    report = Report("mistral", "response")
    chunks = chunks_of(
        streamed([start, *text("x"), *late, finish, ir.End(extra={"mistral": {"y": 5}})], report)
    )
    assert [one.get("guard") for one in chunks[:-1]] == [1, None, 4]
    assert chunks[-2]["choices"][0] == {
        "index": 0,
        "delta": {"content": "", "tone": 2},
        "finish_reason": "stop",
        "score": 3,
    }
    assert chunks[-2]["y"] == 5
    assert lost(report) == {"x": "hint"}


def test_a_tier_without_counts() -> None:
    report = Report("mistral", "response")
    streamed(
        [ir.Start("elsewhere", tier="flex", status="completed"), *text("x"), ir.Finish(None), ir.End("done")],
        report,
    )
    assert lost(report) == {"tier": "hint", "status": "hint"}


def test_log_probabilities() -> None:
    tokens = (ir.Logprob("x", -0.5, (120,), None, 7),)
    chunks = chunks_of(streamed([START, *block(ir.Text(""), ir.TextDelta(0, "x", 0, tokens)), *END]))
    assert chunks[1]["choices"][0]["logprobs"] == {
        "content": [{"token": "x", "logprob": -0.5, "bytes": [120], "token_id": 7}]
    }
    refused = ir.RefusalDelta(0, "x", 0, tokens)
    assert b'"logprobs"' in streamed([THERE, *block(ir.Refusal(""), refused), *END])


def test_after_an_error_nothing_follows() -> None:
    call = ir.Open(1, ir.ToolCall("c", "f"))
    report = Report("mistral", "response")
    stream = streamed([THERE, *text("x"), call, ir.Error(ir.Fault("rate_limit", "Slow down."))], report)
    assert stream.endswith(
        b'data: {"object":"error","message":"Slow down.",'
        b'"type":"rate_limited","param":null,"code":"1300"}\n\n'
    )
    assert lost(report) == {"candidates[0].blocks[1]": "meaning"}
    failed = streamed([THERE, ir.End(error=ir.Fault("upstream", "Broke."))])
    assert b"Broke." in failed
    assert b"[DONE]" not in failed


def test_a_heartbeat_is_a_comment() -> None:
    encoder = DIALECT.stream.encoder(reply())
    assert DIALECT.stream.ping == b": ping\n\n"
    assert encoder.feed(ir.Ping()) == b""
