"""Text completions say what they do not tell, whole and in a stream alike."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.anthropic.complete import FACE
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply

CITED = ir.Text("Hi", (ir.Citation("url", "https://a.example"),))


def losses(response: ir.Response, *, stream: bool) -> list[tuple[str, str]]:
    report = Report("anthropic", "response")
    reply = Reply(ir.Request("anthropic", "m", stream=stream), report, id="r", created=1)
    if stream:
        encoder = FACE.stream.encoder(reply)
        for event in ir.unfold(response):
            encoder.feed(event)
    else:
        FACE.response.encode(response, reply)
    return [(loss.path, loss.severity) for loss in report.losses]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("candidate", "lost"),
    [
        (ir.Candidate((ir.Text("Hi"),), ir.Stop("length")), []),
        (ir.Candidate((ir.Text("Hi"),), ir.Stop("sequence", sequence="END")), []),
        (ir.Candidate((CITED,), ir.Stop("end")), [("candidates[0].blocks[0].citations", "quality")]),
        (ir.Candidate((ir.Text("Hi"),), ir.Stop("filter")), [("candidates[0].stop.reason", "quality")]),
        (
            ir.Candidate((ir.Thinking("Hm"), ir.ToolCall("c", "f", "{}")), ir.Stop("tool")),
            [
                ("candidates[0].blocks[0]", "hint"),
                ("candidates[0].blocks[1]", "meaning"),
                ("candidates[0].stop.reason", "quality"),
            ],
        ),
        (
            ir.Candidate((ir.Text("Hi"),), ir.Stop("end", detail={"category": "x"})),
            [("candidates[0].stop.detail", "hint")],
        ),
    ],
)
def test_what_a_completion_does_not_tell_is_named(
    candidate: ir.Candidate, lost: list[tuple[str, str]], stream: bool
) -> None:
    assert losses(ir.Response("openai_chat", "i", "m", candidates=(candidate,)), stream=stream) == lost


def test_an_answer_without_a_stop_reason_ends_as_its_stream_does() -> None:
    reply = Reply(ir.Request("anthropic", "claude"), Report("anthropic"), id="r", created=1)
    answer = ir.Response("anthropic", candidates=(ir.Candidate((ir.Text("Hi"),)),))
    assert FACE.response.encode(answer, reply)["stop_reason"] == "stop_sequence"
