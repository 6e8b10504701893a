"""Streams of Anthropic and of servers that imitate it, read into events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.anthropic.saying import events

USAGE = {"input_tokens": 3, "output_tokens": 1}
STOP = {"type": "message_stop"}


def start(**more: Any) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }
    return {"type": "message_start", "message": message}


def opened(block: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def closed(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None = "end_turn", usage: Any = None, **more: Any) -> dict[str, Any]:
    body = {"stop_reason": reason, "stop_sequence": None, **more}
    return {"type": "message_delta", "delta": body, "usage": usage or {"output_tokens": 2}}


BEGUN = ir.Start("anthropic", "msg_1", "claude", usage=ir.Usage(input=3, output=1))
TALLY = ir.Tally(ir.Usage(input=3, output=2))
OVER: list[ir.Event] = [TALLY, ir.Finish(ir.Stop("end")), ir.End()]
EMPTY = {"type": "text", "text": ""}


def content(*frames: dict[str, Any]) -> list[ir.Event]:
    """The events of a stream with these frames in its middle, without its head and tail."""
    found = events(start(), *frames, ended(), STOP)
    assert found[0] == BEGUN
    assert found[-3:] == OVER
    return found[1:-3]


def test_text() -> None:
    assert content(
        opened(EMPTY), delta("text_delta", text="Hel"), delta("text_delta", text="lo"), closed()
    ) == [ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hel"), ir.TextDelta(0, "lo"), ir.Close(0)]


def test_frames_as_anthropic_pads_and_others_space_them() -> None:
    frame = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}     }'
    spaced = b'{ "type" : "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"} }'
    turned = b'{"delta":{"text":"c","type":"text_delta"},"index":0,"type":"content_block_delta"}'
    found = events(*(msgspec.json.encode(part) for part in (start(), opened(EMPTY))), frame, spaced, turned)
    assert found[2:5] == [ir.TextDelta(0, "a"), ir.TextDelta(0, "b"), ir.TextDelta(0, "c")]


def test_white_space_in_frames_changes_nothing() -> None:
    frames = [
        start(),
        opened({"type": "thinking", "thinking": "Hm", "signature": "sig"}),
        closed(),
        opened(EMPTY, 1),
        delta("text_delta", 1, text="Hi"),
        delta("citations_delta", 1, citation={"type": "new_location"}),
        closed(1),
        opened(CALL, 2),
        delta("input_json_delta", 2, partial_json=""),
        delta("input_json_delta", 2, partial_json='{"x": 1}'),
        closed(2),
        ended(),
        STOP,
    ]
    found = events(*frames)
    assert events(*(json.dumps(frame).encode() for frame in frames)) == found
    assert found[1:5] == [
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm"),
        ir.SealDelta(0, ir.Sealed("anthropic", "sig")),
        ir.Close(0),
    ]


def test_thinking_with_its_signature() -> None:
    assert content(
        opened({"type": "thinking", "thinking": "", "signature": ""}),
        delta("thinking_delta", thinking="Hm."),
        delta("signature_delta", signature="sig"),
        closed(),
        opened(EMPTY, 1),
        closed(1),
    ) == [
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm."),
        ir.SealDelta(0, ir.Sealed("anthropic", "sig")),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.Close(1),
    ]


def test_thinking_that_is_only_a_signature() -> None:
    found = content(
        opened({"type": "thinking", "thinking": "", "signature": ""}),
        delta("signature_delta", signature="sig"),
        closed(),
    )
    folded = ir.fold([BEGUN, *found, *OVER])
    assert folded.candidates[0].blocks == (ir.Thinking(sealed=ir.Sealed("anthropic", "sig")),)


def test_an_empty_signature_is_none() -> None:
    found = content(
        opened({"type": "thinking", "thinking": ""}), delta("signature_delta", signature=""), closed()
    )
    assert found == [ir.Open(0, ir.Thinking()), ir.Close(0)]


def test_a_signature_that_comes_with_the_start_is_a_delta_too() -> None:
    assert content(opened({"type": "thinking", "thinking": "", "signature": "sig"}), closed()) == [
        ir.Open(0, ir.Thinking()),
        ir.SealDelta(0, ir.Sealed("anthropic", "sig")),
        ir.Close(0),
    ]


def test_withheld_thinking_comes_whole() -> None:
    assert content(opened({"type": "redacted_thinking", "data": "blob"}), closed()) == [
        ir.Open(0, ir.Thinking(sealed=ir.Sealed("anthropic", "blob"), redacted=True)),
        ir.Close(0),
    ]


CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def test_arguments_are_the_exact_text() -> None:
    assert content(
        opened(CALL),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"x": '),
        delta("input_json_delta", partial_json="1}"),
        closed(),
    ) == [
        ir.Open(0, ir.ToolCall("toolu_1", "f")),
        ir.ArgsDelta(0, '{"x": '),
        ir.ArgsDelta(0, "1}"),
        ir.Close(0),
    ]


def test_no_arguments_are_an_empty_object() -> None:
    assert content(opened(CALL), delta("input_json_delta", partial_json=""), closed())[1:] == [
        ir.ArgsDelta(0, "{}"),
        ir.Close(0),
    ]


def test_arguments_that_come_with_the_start_count_unless_deltas_follow() -> None:
    whole = {**CALL, "input": {"x": 1}}
    assert content(opened(whole), closed())[1:] == [ir.ArgsDelta(0, '{"x":1}'), ir.Close(0)]
    assert content(opened(whole), delta("input_json_delta", partial_json="{}"), closed())[1:] == [
        ir.ArgsDelta(0, "{}"),
        ir.Close(0),
    ]


def test_server_tools_and_their_results() -> None:
    found = content(
        opened({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        delta("input_json_delta", partial_json='{"query":"q"}'),
        closed(),
        opened({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}, 1),
        delta("input_json_delta", 1, partial_json="{}"),  # seen in the wild; belongs to no call
        closed(1),
    )
    assert found == [
        ir.Open(0, ir.ToolCall("srvtoolu_1", "web_search", "", "builtin", "provider")),
        ir.ArgsDelta(0, '{"query":"q"}'),
        ir.Close(0),
        ir.Open(1, ir.ToolResult("srvtoolu_1", kind="web_search_tool_result", by="provider")),
        ir.Close(1),
    ]


def test_citations_come_as_deltas_or_with_the_start() -> None:
    citation = {"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "q"}
    cited = ir.Cite(0, ir.Citation("url", "u", "T", "q", source={"type": "web_search_result_location"}))
    assert content(
        opened({**EMPTY, "citations": []}), delta("citations_delta", citation=citation), closed()
    ) == [
        ir.Open(0, ir.Text("")),
        cited,
        ir.Close(0),
    ]
    assert content(opened({"type": "text", "text": "Hi", "citations": [citation]}), closed()) == [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi"),
        cited,
        ir.Close(0),
    ]


def test_compaction_replaces_its_block_when_it_closes() -> None:
    assert content(
        opened({"type": "compaction", "content": None}),
        delta("compaction_delta", content="So far …", encrypted_content="enc"),
        closed(),
    ) == [
        ir.Open(0, ir.Native("anthropic", "compaction", {"type": "compaction", "content": None})),
        ir.Close(
            0,
            ir.Native(
                "anthropic",
                "compaction",
                {"type": "compaction", "content": "So far …", "encrypted_content": "enc"},
            ),
        ),
    ]


def test_unknown_events_and_deltas_are_kept_raw() -> None:
    odd, progress = delta("new_delta", x=1), {"type": "progress", "x": 1}
    assert content(opened(EMPTY), odd, progress, {"type": "ping"}, closed()) == [
        ir.Open(0, ir.Text("")),
        ir.Raw("anthropic", odd, 0),
        ir.Raw("anthropic", progress),
        ir.Ping(),
        ir.Close(0),
    ]


def test_a_delta_of_the_wrong_kind_without_words_is_ignored_as_the_official_client_does() -> None:
    for wrong in (
        delta("thinking_delta", thinking=""),
        delta("input_json_delta", partial_json="x"),
        delta("signature_delta", signature="x"),
    ):
        assert content(opened(EMPTY), wrong, closed()) == [ir.Open(0, ir.Text("")), ir.Close(0)]
    for wrong in (delta("text_delta", text=None), delta("citations_delta", citation={})):
        assert content(opened({"type": "thinking", "thinking": ""}), wrong, closed()) == [
            ir.Open(0, ir.Thinking()),
            ir.Close(0),
        ]


def test_words_of_another_kind_open_a_block_of_their_own() -> None:
    thought, said = delta("thinking_delta", thinking="Hm."), delta("text_delta", text="Hi.")
    assert content(opened(EMPTY), thought, delta("thinking_delta", thinking="Ah."), said, closed()) == [
        *(ir.Open(0, ir.Text("")), ir.Close(0)),
        *(ir.Open(1, ir.Thinking()), ir.ThinkDelta(1, "Hm."), ir.ThinkDelta(1, "Ah."), ir.Close(1)),
        *(ir.Open(2, ir.Text("")), ir.TextDelta(2, "Hi."), ir.Close(2)),
    ]


def test_words_for_no_open_block_open_one() -> None:
    said = delta("text_delta", text="Hi.")
    begun = [ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi."), ir.Close(0)]
    assert content(said, closed()) == begun
    assert content(opened(EMPTY), said, closed(), said, closed()) == [
        *begun,
        *(ir.Open(1, ir.Text("")), ir.TextDelta(1, "Hi."), ir.Close(1)),
    ]


def test_thinking_may_be_called_text() -> None:
    begun = opened({"type": "thinking", "thinking": ""})
    assert content(begun, delta("thinking_delta", text="Hm."), closed()) == [
        *(ir.Open(0, ir.Thinking()), ir.ThinkDelta(0, "Hm."), ir.Close(0)),
    ]


def test_the_progress_of_thinking_that_is_not_shown_is_kept() -> None:
    begun = opened({"type": "thinking", "thinking": ""})
    progress = delta("thinking_delta", thinking="", estimated_tokens=50)
    assert content(begun, progress, closed()) == [
        *(ir.Open(0, ir.Thinking()), ir.Raw("anthropic", progress, 0), ir.Close(0)),
    ]
    assert content(begun, delta("thinking_delta", thinking="", estimated_tokens=None), closed()) == [
        *(ir.Open(0, ir.Thinking()), ir.ThinkDelta(0, ""), ir.Close(0)),
    ]


def test_counts_never_fall_to_zero() -> None:
    found = events(
        start(usage={"input_tokens": 15, "cache_read_input_tokens": 4, "output_tokens": 1}),
        ended("end_turn", {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 2}),
        STOP,
    )
    assert ir.Tally(ir.Usage(input=15, cache_read=4, output=2)) in found


def test_words_for_an_open_call_get_blocks_beside_it() -> None:
    """sgl-project/sglang#24293. The call stays open for the rest of its arguments."""
    called = opened({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}})
    said = [delta("text_delta", text=text) for text in ("Hi", "", ".")]
    begun, more = (delta("input_json_delta", partial_json=text) for text in ('{"a"', ":1}"))
    thought = delta("thinking_delta", thinking="Hm.")
    assert content(called, begun, *said, thought, more, closed()) == [
        *(ir.Open(0, ir.ToolCall("toolu_1", "look", "")), ir.ArgsDelta(0, '{"a"')),
        *(ir.Open(1, ir.Text("")), ir.TextDelta(1, "Hi"), ir.TextDelta(1, "."), ir.Close(1)),
        *(ir.Open(2, ir.Thinking()), ir.ThinkDelta(2, "Hm.")),
        *(ir.ArgsDelta(0, ":1}"), ir.Close(2), ir.Close(0)),
    ]


def test_a_block_may_begin_without_the_member_for_its_words() -> None:
    assert content(opened({"type": "text"}), delta("text_delta", text="Hi."), closed()) == [
        *(ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi."), ir.Close(0)),
    ]
    assert content(opened({"type": "thinking"}), delta("thinking_delta", thinking="Hm."), closed()) == [
        *(ir.Open(0, ir.Thinking()), ir.ThinkDelta(0, "Hm."), ir.Close(0)),
    ]


def test_usage_is_replaced_member_by_member() -> None:
    found = events(
        start(usage={"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 1}),
        ended(None, {"output_tokens": 2, "cache_read_input_tokens": None}),
        ended("end_turn", {"output_tokens": 5, "input_tokens": 4}),
        STOP,
    )
    assert [event.usage for event in found if isinstance(event, ir.Tally)] == [
        ir.Usage(input=3, cache_read=7, output=2),
        ir.Usage(input=4, cache_read=7, output=5),
    ]


def test_late_facts_come_with_the_last_delta() -> None:
    container = {"id": "c", "expires_at": "2026-01-01T00:00:00Z"}
    found = events(
        start(), {**ended(container=container, stop_details=None), "context_management": {"a": []}}, STOP
    )
    assert found[1] == ir.More({"anthropic": {"context_management": {"a": []}, "container": container}})


def test_a_refusal_after_words() -> None:
    details: dict[str, Any] = {"type": "refusal", "category": "cyber", "explanation": None}
    found = events(
        start(),
        opened(EMPTY),
        delta("text_delta", text="I"),
        closed(),
        ended("refusal", stop_details=details),
        STOP,
    )
    assert found[-2] == ir.Finish(ir.Stop("filter", detail=details))


def test_an_answer_that_comes_whole_in_its_start() -> None:
    found = events(start(content=[{**CALL, "input": {"x": 1}}], stop_reason="tool_use"), STOP)
    assert found[1:] == [
        ir.Open(0, ir.ToolCall("toolu_1", "f")),
        ir.ArgsDelta(0, '{"x":1}'),
        ir.Close(0),
        ir.Finish(ir.Stop("tool")),
        ir.End(),
    ]


def test_leftovers_of_the_start_and_the_end() -> None:
    found = events(start(container={"id": "c"}), ended(), {**STOP, "metrics": {"ms": 1}})
    assert found[0] == ir.Start(
        "anthropic",
        "msg_1",
        "claude",
        usage=ir.Usage(input=3, output=1),
        extra={"anthropic": {"container": {"id": "c"}}},
    )
    assert found[-1] == ir.End(extra={"anthropic": {"metrics": {"ms": 1}}})


# --- Ends and errors ----------------------------------------------------------------------------


def test_nothing_counts_after_the_end() -> None:
    found = events(start(), ended(), STOP, start(id="msg_2"), opened(EMPTY), {"type": "error", "error": {}})
    assert found == [BEGUN, *OVER]


def test_a_forgotten_stop_after_a_stop_reason_is_made_up_for() -> None:
    assert events(start(), opened(EMPTY), ended())[-4:] == [
        TALLY,
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "The provider's stream ended without a response."),
        ([{"type": "ping"}], "The provider's stream ended without a response."),
        ([start()], "The provider's stream ended before the response was complete."),
        (
            [start(), opened(EMPTY), delta("text_delta", text="Hel")],
            "The provider's stream ended before the response was complete.",
        ),
    ],
)
def test_a_stream_that_breaks_off_is_an_error(frames: list[dict[str, Any]], message: str) -> None:
    last = events(*frames)[-1]
    assert isinstance(last, ir.Error)
    assert (last.fault.kind, last.fault.message, last.fault.blame) == ("upstream", message, "upstream")


@pytest.mark.parametrize(
    ("frame", "kind", "message"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            "overloaded",
            "Overloaded",
        ),
        (
            {"type": "error", "error": {"type": "api_error", "message": "x"}, "request_id": "r"},
            "upstream",
            "x",
        ),
        ({"error": {"message": "no"}}, "upstream", "no"),
        ({"error": "no"}, "upstream", "no"),
        (ErrorFrame(b"upstream timed out"), "upstream", "upstream timed out"),
        (ErrorFrame(b'{"error":{"type":"rate_limit_error","message":"slow"}}'), "rate_limit", "slow"),
    ],
)
@pytest.mark.parametrize("before", [[], [start()], [start(), opened(EMPTY), delta("text_delta", text="a")]])
def test_errors_inside_a_stream(before: list[dict[str, Any]], frame: Any, kind: str, message: str) -> None:
    found = events(*before, frame, delta("text_delta", text="late"), STOP)
    assert isinstance(found[-1], ir.Error)
    assert (found[-1].fault.kind, found[-1].fault.message) == (kind, message)


def test_the_same_start_twice_is_one_and_another_is_an_error() -> None:
    assert events(start(), start(), ended(), STOP) == [BEGUN, *OVER]
    assert events(start(), start(id="msg_2"), ended(), STOP) == [BEGUN, *OVER]  # nothing was said before
    last = events(start(), opened(EMPTY), start(id="msg_2"))[-1]
    assert isinstance(last, ir.Error)
    assert last.fault.message == "The provider started a second response in one stream."


def test_compatible_servers_may_end_with_done() -> None:
    assert events(start(), ended(), STOP, b"[DONE]") == [BEGUN, *OVER]
    assert events(start(), ended(), b"[DONE]")[-1] == ir.End()


@pytest.mark.parametrize(
    "frames",
    [
        [b"nonsense"],
        [b"[1]"],
        [b"\xff"],
        [{"type": "message_start"}],
        [{"type": "content_block_start", "index": 0, "content_block": EMPTY}],
        [{"type": "message_stop"}],
        [start(), {"type": "content_block_start", "index": 0}],
        [start(), delta("input_json_delta", partial_json="x")],
        [start(), delta("text_delta", text="")],
        [start(), {"type": "content_block_delta", "index": 0}],
        [start(), {"type": "content_block_delta", "index": 0, "delta": 5}],
        [start(), opened(EMPTY), delta("text_delta")],
        [start(), opened(EMPTY), {**delta("text_delta", text=5), "index": []}],
    ],
)
def test_what_is_no_stream_is_refused(frames: list[Any]) -> None:
    with pytest.raises(WireError):
        events(*frames)


def test_unknown_events_before_the_start_are_nothing() -> None:
    decoder = DIALECT.stream.decoder(STANDARD)
    assert decoder.feed(b'{"type":"hello"}') == []
    assert decoder.feed(b'{"type":"ping"}') == [ir.Ping()]
