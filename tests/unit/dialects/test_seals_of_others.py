"""Seals of one protocol for another: a seal that is not written is named, whatever block has it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing.case import streamed

SEALED: dict[str, Any] = {"sealed": ir.Sealed("elsewhere", "SEAL")}
SAID: dict[str, ir.Block] = {
    "text": ir.Text("Hi", **SEALED),
    "thinking": ir.Thinking("Hm", **SEALED),
    "call": ir.ToolCall("c1", "look", "{}", **SEALED),
    "image": ir.Media("image", "image/png", "QUJD", **SEALED),
    "linked": ir.Media("image", "image/png", url="https://a.example/b.png", **SEALED),
    "audio": ir.Media("audio", "audio/wav", "QUJD", transcript="Hi", **SEALED),
    "document": ir.Media("document", "application/pdf", "QUJD", **SEALED),
    "words": ir.Media("document", "text/plain", text="Hi", **SEALED),
}
ASKED = ir.Text("Well?")
PLACE = re.compile(r"(messages|candidates)\[\d+\]\.blocks\[\d+\](\.sealed)?")


def decoded(text: str) -> str:
    return base64.b64decode(text[: len(text) // 4 * 4], validate=True).decode("latin1")


def told(written: Any, report: Report) -> bool:
    """Whether the seal is written (as it is, or in a text of base64), or its block or itself is named."""
    body = json.dumps(written) if isinstance(written, dict) else str(written)
    if "SEAL" in body + "".join(map(decoded, re.findall(r"[A-Za-z0-9+/]{8,}={0,2}", body))):
        return True
    changed = [change.path or "" for change in report.changes if (change.path or "").endswith(".sealed")]
    return any(map(PLACE.fullmatch, [*changed, *(loss.path for loss in report.losses)]))


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_in_a_request(face: str, kind: str, role: ir.Role) -> None:
    block = SAID[kind]
    if role == "user":
        if isinstance(block, ir.ToolCall | ir.Thinking):
            return
        messages = [ir.Message("user", (block,))]
    else:
        result = ir.ToolResult("c1", (ir.Text("ok"),))
        after = result if isinstance(block, ir.ToolCall) else ASKED
        messages = [
            ir.Message("user", (ASKED,)),
            ir.Message("assistant", (ir.Text("So:"), block)),
            ir.Message("user", (after,)),
        ]
    tool = ir.Function("look", parameters={"type": "object"})
    asked = ir.Request("elsewhere", "m", tuple(messages), max_output=50, tools=(tool,))
    report = Report(face)
    try:
        body = DIALECTS[face].request.encode(asked, Target(report, "m", STANDARD)).body
    except WireError:  # the protocol cannot ask this at all
        return
    assert told(body, report), (body, report.losses, report.changes)


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools", ["tools", "functions"])
def test_in_an_answer(face: str, kind: str, stream: bool, tools: str) -> None:
    said = (ir.Text("So:"), SAID[kind])
    answer = ir.Response("elsewhere", candidates=(ir.Candidate(said, ir.Stop("end")),))
    report = Report(face, "response")
    asked = ir.Request(face, "m", stream=stream, forms={"tools": tools})
    reply = Reply(asked, report, id="a", created=1)
    if stream:
        written: Any = streamed(list(ir.unfold(answer)), DIALECTS[face], reply)
    else:
        written = DIALECTS[face].response.encode(answer, reply)
    assert told(written, report), (written, report.losses, report.changes)
