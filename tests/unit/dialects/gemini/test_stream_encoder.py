"""Streams for Gemini's clients, byte by byte, and as Google's own client reads them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from google.genai._api_client import HttpResponse

from dragoman import ir
from dragoman.dialects.gemini.stream_encoder import GeminiEncoder
from dragoman.wire.jsonarray import JSONArraySplitter
from tests.unit.dialects.gemini.answering import (
    body,
    candidate,
    chunks,
    events,
    foreign,
    judged,
    lost,
    parts,
    reply,
    streamed,
)

START = ir.Start("elsewhere", "f-1", "gpt")
OWN = ir.Start("gemini", "r-1", "gemini-x")
END: list[ir.Event] = [ir.Finish(ir.Stop("end")), ir.End()]
SEAL = ir.Sealed("gemini", "c2lnbmVk")
CALL = ir.ToolCall("c1", "look_up")


def said(*given: Any, start: ir.Start = START) -> list[dict[str, Any]]:
    """The parts that a client is sent for these events of one candidate."""
    out = streamed([start, *given, *END])
    for chunk in chunks(out):
        judged(chunk)
    return parts(out)


def test_golden_bytes() -> None:
    out = streamed(
        [
            START,
            ir.Open(0, ir.Text("")),
            ir.TextDelta(0, "Hél"),
            ir.TextDelta(0, 'l"o\n'),
            ir.Close(0),
            ir.Finish(ir.Stop("length")),
            ir.Tally(ir.Usage(input=3, output=2)),
            ir.End(),
        ]
    )
    names = '"modelVersion":"gpt","responseId":"f-1"}\r\n\r\n'
    assert out.decode() == (
        'data: {"candidates":[{"content":{"parts":[{"text":"Hél"}],"role":"model"},"index":0}],'
        + names
        + 'data: {"candidates":[{"content":{"parts":[{"text":"l\\"o\\n"}],"role":"model"},"index":0}],'
        + names
        + 'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},'
        '"finishReason":"MAX_TOKENS","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},'
        + names
    )


def test_google_reads_every_chunk() -> None:
    out = streamed([START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "a\u2028b"), ir.Close(0), *END])
    segments = HttpResponse({}, httpx2.Response(200, content=out)).segments()
    assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in segments] == ["a\u2028b", ""]


def test_words_are_sent_at_once() -> None:
    encoder = GeminiEncoder(reply())
    assert encoder.feed(START) == b""
    assert encoder.feed(ir.Open(0, ir.Text(""))) == b""
    for event in (ir.TextDelta(0, "a"), ir.TextDelta(0, "b")):
        assert len(chunks(encoder.feed(event))) == 1
    assert encoder.feed(ir.TextDelta(0, "")) == encoder.feed(ir.Close(0)) == b""
    assert encoder.feed(END[0]) == b""
    assert len(chunks(encoder.feed(END[1]))) == 1
    assert encoder.feed(ir.TextDelta(0, "late")) == b""


def test_there_is_no_heartbeat() -> None:
    encoder = GeminiEncoder(reply())
    assert encoder.feed(ir.Ping()) == encoder.feed(ir.Raw("elsewhere", {})) == b""


TAGGED = "ZGdtMS5lbHNld2hlcmUueA=="
"""`dgm1.elsewhere.x` in base64."""


def test_thoughts() -> None:
    assert said(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "a", part=0),
        ir.ThinkDelta(0, "b", part=0),
        ir.ThinkDelta(0, "c", part=1),
        ir.ThinkDelta(0, ""),
        ir.SealDelta(0, ir.Sealed("elsewhere", "x")),
        ir.Close(0),
    ) == [
        *({"text": text, "thought": True} for text in ("a", "b", "\n\nc")),
        {"text": "", "thought": True, "thoughtSignature": TAGGED},
    ]


def test_refusals_are_words() -> None:
    assert said(ir.Open(0, ir.Refusal("")), ir.RefusalDelta(0, "No."), ir.Close(0)) == [{"text": "No."}]


def test_blocks_that_come_whole() -> None:
    assert said(
        ir.Open(0, ir.Thinking("Hm.")),
        ir.Close(0),
        ir.Open(1, ir.Text("Yes.")),
        ir.TextDelta(1, " No."),
        ir.Close(1),
        ir.Open(2, ir.Refusal("Never.")),
        ir.Close(2),
    ) == [{"text": "Hm.", "thought": True}, {"text": "Yes."}, {"text": " No."}, {"text": "Never."}]


def test_words_that_only_the_end_of_a_block_states() -> None:
    final = ir.Text("Yes.")
    assert said(ir.Open(0, ir.Text("")), ir.Close(0, final)) == [{"text": "Yes."}]
    assert said(
        ir.Open(0, ir.Text("")), ir.TextDelta(0, "Ye"), ir.TextDelta(0, "s."), ir.Close(0, final)
    ) == [
        {"text": "Ye"},
        {"text": "s."},
    ]


def test_calls_are_whole() -> None:
    encoder = GeminiEncoder(reply())
    encoder.feed(START)
    for event in (ir.Open(0, CALL), ir.ArgsDelta(0, '{"word":'), ir.ArgsDelta(0, '"loss"}')):
        assert encoder.feed(event) == b""
    wanted = {"functionCall": {"id": "c1", "name": "look_up", "args": {"word": "loss"}}}
    assert parts(encoder.feed(ir.Close(0))) == [wanted]


def test_parallel_calls() -> None:
    found = said(
        ir.Open(0, CALL),
        ir.Open(1, ir.ToolCall("c2", "now")),
        ir.ArgsDelta(1, ""),
        ir.ArgsDelta(0, "{}"),
        ir.Close(1),
        ir.Close(0),
    )
    assert found == [
        {"functionCall": {"id": "c2", "name": "now", "args": {}}},
        {"functionCall": {"id": "c1", "name": "look_up", "args": {}}},
    ]


def test_a_call_that_only_the_end_states() -> None:
    final = ir.ToolCall("c1", "look_up", '{"word":"b"}')
    found = said(ir.Open(0, CALL), ir.ArgsDelta(0, '{"word":"a"}'), ir.Close(0, final))
    assert found == [{"functionCall": {"id": "c1", "name": "look_up", "args": {"word": "b"}}}]


def test_calls_end_in_stop() -> None:
    to = reply()
    given = [
        START,
        ir.Open(0, CALL),
        ir.ArgsDelta(0, "{}"),
        ir.Close(0),
        ir.Finish(ir.Stop("tool")),
        ir.End(),
    ]
    assert chunks(streamed(given, to))[-1]["candidates"][0]["finishReason"] == "STOP"
    assert lost(to.report) == {}


def test_signatures() -> None:
    found = said(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm."),
        ir.SealDelta(0, SEAL),
        ir.Close(0),
        ir.Open(1, ir.Text("a", sealed=SEAL)),
        ir.Close(1),
        ir.Open(2, ir.Text("", sealed=SEAL)),
        ir.Close(2),
        ir.Open(3, ir.Text("")),
        ir.TextDelta(3, "b"),
        ir.Close(3, ir.Text("b", sealed=SEAL)),
        ir.Open(4, ir.ToolCall("c1", "now", sealed=SEAL)),
        ir.Close(4),
        ir.Open(5, ir.ToolCall("c2", "now")),
        ir.SealDelta(5, SEAL),
        ir.Close(5),
        start=OWN,
    )
    signed = {"thoughtSignature": SEAL.data}
    assert found == [
        {"text": "Hm.", "thought": True},
        {"text": "", "thought": True, **signed},
        {"text": "a", **signed},
        {"text": "", **signed},
        {"text": "b"},
        {"text": "", **signed},
        {"functionCall": {"id": "c1", "name": "now"}, **signed},
        {"functionCall": {"id": "c2", "name": "now"}, **signed},
    ]


def test_seals_of_others_are_tagged_unless_they_are_all_that_there_is() -> None:
    to = reply()
    sealed = ir.Sealed("elsewhere", "x")
    given = [
        START,
        ir.Open(0, ir.Text("")),
        ir.SealDelta(0, sealed),
        ir.Close(0),
        ir.Open(1, ir.Thinking(sealed=sealed, redacted=True)),
        ir.Close(1),
        ir.Open(2, ir.Thinking(redacted=True)),
        ir.SealDelta(2, sealed),
        ir.Close(2),
        *END,
    ]
    assert parts(streamed(given, to)) == [{"text": "", "thoughtSignature": TAGGED}]
    assert lost(to.report) == {"candidates[0].blocks[1]": "hint", "candidates[0].blocks[2]": "hint"}


def test_pictures_are_whole_and_sounds_are_not() -> None:
    image = ir.Media("image", "image/png")
    sound = ir.Media("audio", "audio/L16;rate=24000")
    found = said(
        ir.Open(0, image),
        ir.MediaDelta(0, "aG"),
        ir.MediaDelta(0, "k="),
        ir.Close(0),
        ir.Open(1, sound),
        ir.MediaDelta(1, "AAAA"),
        ir.MediaDelta(1, "BBBB"),
        ir.Close(1),
        ir.Open(2, ir.Media("image", "image/png", "aGk=")),
        ir.Close(2),
        start=OWN,
    )
    assert found == [
        {"inlineData": {"data": "aGk=", "mimeType": "image/png"}},
        {"inlineData": {"data": "AAAA", "mimeType": "audio/L16;rate=24000"}},
        {"inlineData": {"data": "BBBB", "mimeType": "audio/L16;rate=24000"}},
        {"inlineData": {"data": "aGk=", "mimeType": "image/png"}},
    ]


def test_a_transcript_is_lost() -> None:
    to = reply()
    sound = ir.Media("audio", "audio/wav", id="a1")
    given = [
        START,
        ir.Open(0, sound),
        ir.MediaDelta(0, "AAAA", "Hel"),
        ir.MediaDelta(0, None, "lo"),
        ir.Close(0),
    ]
    assert len(parts(streamed([*given, *END], to))) == 1
    assert lost(to.report) == {"candidates[0].blocks[0].transcript": "hint"}


def test_what_only_its_own_protocol_knows() -> None:
    to = reply()
    given = [START, ir.Open(0, ir.Native("elsewhere", "novelty", {})), ir.Close(0), *END]
    assert parts(streamed(given, to)) == []
    assert lost(to.report) == {"candidates[0].blocks[0]": "meaning"}
    own = ir.Native("gemini", "novelty", {"novelty": 1})
    assert parts(streamed([OWN, ir.Open(0, own), ir.Close(0), *END])) == [{"novelty": 1}]


def test_several_candidates() -> None:
    out = streamed(
        [
            START,
            ir.Open(0, ir.Text("")),
            ir.Open(0, ir.Text(""), 1),
            ir.TextDelta(0, "x", 1),
            ir.TextDelta(0, "a"),
            ir.Close(0),
            ir.Close(0, None, 1),
            ir.Finish(ir.Stop("length"), 1),
            ir.Finish(ir.Stop("end")),
            ir.End(),
        ]
    )
    first, second, last = chunks(out)
    assert (first["candidates"][0]["index"], second["candidates"][0]["index"]) == (1, 0)
    assert [(one["index"], one["finishReason"]) for one in last["candidates"]] == [
        (0, "STOP"),
        (1, "MAX_TOKENS"),
    ]


def test_the_client_is_told_the_name_that_it_asked_for() -> None:
    out = streamed([START, ir.Open(0, ir.Text("a")), ir.Close(0), *END], reply("alias"))
    assert {chunk["modelVersion"] for chunk in chunks(out)} == {"alias"}
    nameless = chunks(streamed([ir.Start("elsewhere"), *END]))
    assert (nameless[0]["modelVersion"], nameless[0]["responseId"]) == ("asked-for", "minted")


def test_leftovers_of_our_own_are_chunks_of_their_own() -> None:
    given = [
        ir.Start("gemini", "r-1", "m", extra={"gemini": {"promptFeedback": {"safetyRatings": []}}}),
        ir.More({"gemini": {"modelStatus": {"modelStage": "STABLE"}}}),
        ir.Finish(ir.Stop("end"), 0, {"gemini": {"avgLogprobs": -1.0}}),
        ir.End(extra={"gemini": {"late": 1}}),
    ]
    first, second, last = chunks(streamed(given))
    assert first["promptFeedback"] == {"safetyRatings": []}
    assert second["modelStatus"] == {"modelStage": "STABLE"}
    assert (last["candidates"][0]["avgLogprobs"], last["late"]) == (-1.0, 1)


def test_leftovers_of_others_are_lost() -> None:
    to = reply()
    given = [
        ir.Start("elsewhere", extra={"elsewhere": {"fingerprint": 1}}),
        ir.More({"elsewhere": {"late": 1}}, tier="scale"),
        ir.Finish(ir.Stop("end"), 0, {"elsewhere": {"filter": 1}}),
        ir.Tally(ir.Usage(input=1)),
        ir.End("completed", extra={"elsewhere": {"obfuscation": 1}}),
    ]
    assert len(chunks(streamed(given, to))) == 1
    assert lost(to.report) == {
        "fingerprint": "hint",
        "late": "hint",
        "status": "hint",
        "candidates[0].filter": "hint",
        "tier": "hint",
        "obfuscation": "hint",
    }


def test_a_refused_prompt_has_no_candidate() -> None:
    stop = ir.Stop("filter", "SAFETY", None, {"promptFeedback": {"blockReason": "SAFETY"}})
    assert chunks(streamed([OWN, ir.Finish(stop), ir.End()])) == [
        {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-x", "responseId": "r-1"}
    ]


def test_usage_that_came_with_the_start() -> None:
    given = [ir.Start("elsewhere", usage=ir.Usage(input=7)), *END]
    assert chunks(streamed(given))[-1]["usageMetadata"] == {"promptTokenCount": 7, "totalTokenCount": 7}


# --- Faults --------------------------------------------------------------------------------------

FAULT = ir.Fault("overloaded", "Too busy.", blame="upstream")


@pytest.mark.parametrize("last", [ir.Error(FAULT), ir.End("failed", FAULT)])
def test_an_error_is_the_last_chunk(last: ir.Event) -> None:
    encoder = GeminiEncoder(reply())
    encoder.feed(START)
    encoder.feed(ir.Open(0, ir.Text("a")))
    [chunk] = chunks(encoder.feed(last))
    assert (chunk["error"]["code"], chunk["error"]["status"], chunk["error"]["message"]) == (
        503,
        "UNAVAILABLE",
        "Too busy.",
    )
    assert encoder.feed(ir.End()) == encoder.feed(ir.Error(FAULT)) == b""


def test_what_was_counted_is_told_before_the_error() -> None:
    given = [START, ir.Open(0, ir.Text("a")), ir.Tally(ir.Usage(input=3)), ir.Error(FAULT)]
    first, counted, last = chunks(streamed(given))
    assert first["candidates"]
    assert judged(counted)["usageMetadata"] == {"promptTokenCount": 3, "totalTokenCount": 3}
    assert "error" in last


def test_what_an_error_cuts_off_is_lost() -> None:
    to = reply()
    given = [
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "a"),
        ir.Open(1, CALL),
        ir.ArgsDelta(1, '{"wor'),
        ir.Open(2, CALL),
        ir.Close(2),
        ir.Error(FAULT),
    ]
    streamed(given, to)
    assert lost(to.report) == {"candidates[0].blocks[1]": "meaning"}


# --- One JSON array ------------------------------------------------------------------------------


def array(given: list[Any]) -> list[dict[str, Any]]:
    """The elements, each write in whole elements; the whole is one JSON array."""
    encoder = GeminiEncoder(reply(framing="json_array"))
    out = b"".join(encoder.feed(event) for event in given)
    splitter = JSONArraySplitter()
    found = [json.loads(frame) for frame in splitter.feed(out) + splitter.close()]
    assert json.loads(out) == found
    return found


def test_an_array() -> None:
    found = array(
        [START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "a"), ir.TextDelta(0, "b"), ir.Close(0), *END]
    )
    assert [chunk["candidates"][0]["content"]["parts"] for chunk in found] == [
        [{"text": "a"}],
        [{"text": "b"}],
        [{"text": ""}],
    ]


def test_an_array_of_one() -> None:
    assert len(array([START, *END])) == 1


def test_an_error_ends_the_array() -> None:
    assert "error" in array([START, ir.Open(0, ir.Text("a")), ir.Error(FAULT)])[-1]
    assert "error" in array([ir.Error(FAULT)])[0]


def test_bytes_of_an_array() -> None:
    encoder = GeminiEncoder(reply(framing="json_array"))
    encoder.feed(START)
    encoder.feed(ir.Open(0, ir.Text("")))
    assert encoder.feed(ir.TextDelta(0, "a")).startswith(b'[{"candidates"')
    assert encoder.feed(ir.TextDelta(0, "b")).startswith(b',\r\n{"candidates"')
    encoder.feed(ir.Close(0))
    encoder.feed(END[0])
    last = encoder.feed(END[1])
    assert last.startswith(b',\r\n{"candidates"')
    assert last.endswith(b"}]")


# --- There and back ------------------------------------------------------------------------------


def test_what_is_written_is_read_again() -> None:
    signed = {"thoughtSignature": SEAL.data}
    given = [
        body(candidate({"text": "Hm.", "thought": True}, stop=None)),
        body(candidate("a", {"text": "", **signed}, stop=None)),
        body(candidate({"functionCall": {"name": "now", "args": {"x": [1]}}, **signed}, "b")),
    ]
    found = events(*given)
    assert ir.fold(events(*chunks(streamed(found)))) == ir.fold(found)


def test_a_whole_answer_of_another_protocol_is_streamed() -> None:
    response = foreign(ir.Thinking("Hm."), "Yes.", ir.ToolCall("c1", "now", "{}"), stop=ir.Stop("tool"))
    again = ir.fold(events(*chunks(streamed(ir.unfold(response)))))
    assert again.candidates == response.candidates
