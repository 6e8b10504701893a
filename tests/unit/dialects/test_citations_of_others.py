"""Citations of one protocol for the clients of another: the place inside of a source is written, or named."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import streamed

CITED = (
    ir.Citation("url", "https://a.example", "A", source={"type": "elsewhere", "at": 1}),
    ir.Citation("url", "https://b.example", "B", source={"type": "elsewhere", "at": 2}),
)
BLOCK = "candidates[0].blocks[0]"


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_place_that_is_not_written_is_named(face: str, stream: bool) -> None:
    report, dialect = Report(face, "response"), DIALECTS[face]
    reply = Reply(ir.Request("elsewhere", "m", stream=stream), report, id="a", created=1)
    answer = ir.Response("elsewhere", candidates=(ir.Candidate((ir.Text("Hi", CITED),), ir.Stop("end")),))
    if stream:
        streamed(list(ir.unfold(answer)), dialect, reply)
    else:
        dialect.response.encode(answer, reply)
    named = {loss.path for loss in report.losses}
    for number in range(len(CITED)):
        places = {f"{BLOCK}.citations[{number}].source", f"{BLOCK}.citations[{number}]"}
        assert named & {*places, f"{BLOCK}.citations"}, (number, named)
