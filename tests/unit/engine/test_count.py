"""Counting a prompt: upstreams of one's own that count, hooks, and what is counted here."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.upstreams.upstream import Call
from tests.unit.turns.asking import Asker, Paced

PATH = "/v1/messages/count_tokens"
BODY: dict[str, Any] = {"model": "own/m", "messages": [{"role": "user", "content": "Hello!"}]}


class Counts(Paced):
    """One that counts, or fails to."""

    def __init__(self, told: int | ir.Fault) -> None:
        super().__init__()
        self.told = told

    async def count_tokens(self, request: ir.Request, call: Call) -> ir.TokenCount:
        self.asked.append(request)
        if isinstance(self.told, ir.Fault):
            raise RequestFailed(self.told)
        return ir.TokenCount(self.told)


async def test_an_upstream_of_ones_own_may_count() -> None:
    asker = Asker(upstream := Counts(4321))
    told = await asker.ask("POST", PATH, BODY)
    assert (told.status, told.body) == (200, {"input_tokens": 4321})
    assert "x-dragoman-estimated" not in told.headers
    assert [message.blocks for message in upstream.asked[0].messages] == [(ir.Text("Hello!"),)]
    await asker.close()


async def test_a_session_is_counted_with_what_it_remembers() -> None:
    upstream = Counts(4321)
    for word in ("Hi.", "end"):
        upstream.words.put_nowait(word)
    asker = Asker(upstream)
    assert (
        await asker.ask("POST", "/v1/messages", {**BODY, "max_tokens": 9}, x_session_id="s")
    ).status == 200
    assert (await asker.ask("POST", PATH, BODY, x_session_id="s")).body == {"input_tokens": 4321}
    assert len(upstream.asked[-1].messages) == 3
    assert (await asker.ask("GET", "/admin/sessions/s")).body["turns"] == 1
    await asker.close()


@pytest.mark.parametrize("kind", ["authentication", "overloaded", "invalid_request", "timeout"])
async def test_no_failure_fails_a_count(kind: ir.Kind) -> None:
    asker = Asker(Counts(ir.Fault(kind, "no", blame="upstream")))
    told = await asker.ask("POST", PATH, BODY)
    assert (told.status, told.headers["x-dragoman-attempts"]) == (200, "1")
    assert 0 < told.body["input_tokens"] < 100
    await asker.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "own/m"}, 400),
        ({**BODY, "messages": [{"role": "nobody", "content": "a"}]}, 400),
        ({**BODY, "max_tokens": "many"}, 400),
        ({**BODY, "model": "nothing/here"}, 404),
    ],
)
async def test_what_is_no_request_is_refused_without_asking(body: dict[str, Any], status: int) -> None:
    asker = Asker(upstream := Counts(4321))
    refused = await asker.ask("POST", PATH, body)
    assert (refused.status, refused.body["type"]) == (status, "error")
    assert upstream.asked == []
    await asker.close()
