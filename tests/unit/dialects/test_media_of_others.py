"""Media in an answer of one protocol for the clients of another: no medium makes the answer fail."""

from __future__ import annotations

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import check_grammar, streamed

DATA = "aGVsbG8="
MEDIA: list[ir.Media] = [
    *(ir.Media(kind, file="file-1") for kind in ("image", "audio", "video", "document")),
    *(ir.Media(kind, url="https://a.example/x") for kind in ("audio", "video", "document")),
    ir.Media("image"),
    ir.Media("image", "image/x-odd", DATA),
    ir.Media("video", "video/mp4", DATA),
]
BLOCKS: list[ir.Block] = [*MEDIA, *(ir.ToolResult("c", (medium,)) for medium in MEDIA)]


def told(block: ir.Block, face: str, *, stream: bool) -> tuple[ir.Response, Report]:
    """An answer with this block and a text, as a client of another protocol reads it."""
    report, dialect = Report(face, "response"), DIALECTS[face]
    reply = Reply(ir.Request(face, "m", stream=stream, stream_usage=True), report, id="a", created=1)
    said = ir.Candidate((block, ir.Text("Here.")), ir.Stop("end"))
    answer = ir.Response("elsewhere", "i", "m", candidates=(said,), usage=ir.Usage(1, output=2))
    if stream:
        events = streamed(list(ir.unfold(answer)), dialect, reply)
        check_grammar(events)
        return ir.fold(events), report
    body = msgspec.json.decode(msgspec.json.encode(dialect.response.encode(answer, reply)))
    return dialect.response.decode(body, STANDARD), report


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("face", DIALECTS)
def test_no_medium_makes_an_answer_fail(face: str, stream: bool) -> None:
    for block in BLOCKS:
        read, report = told(block, face, stream=stream)
        texts = [one.text for one in read.candidates[0].blocks if isinstance(one, ir.Text)]
        assert any("Here." in text for text in texts), block
        carried = any(type(one) is type(block) for one in read.candidates[0].blocks)
        named = [loss.path for loss in report.losses if ".blocks[0]" in loss.path]
        noted = [change.path for change in report.changes if ".blocks[0]" in (change.path or "")]
        assert carried or named or noted or any("https://a.example/x" in text for text in texts), block


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("face", sorted(DIALECTS.keys() - {"gemini"}))
def test_the_name_of_a_picture_is_lost_by_name(face: str, stream: bool) -> None:
    _, report = told(ir.Media("image", "image/png", DATA, name="a.png"), face, stream=stream)
    named = {loss.path for loss in report.losses}
    assert named & {"candidates[0].blocks[0]", "candidates[0].blocks[0].name"}, named
