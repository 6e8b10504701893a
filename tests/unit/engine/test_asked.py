"""One request as a value: what is let go of, what is replaced, and whose seals stay."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM, HeavySteps, Steps
from dragoman.dialects.loss import Report
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked, Inbound, Said, Sealed, blamed, wishes
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.wire.json import TOO_LARGE

THOUGHT = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "s"))
HISTORY = (
    ir.Message("user", (ir.Text("Hi"),)),
    ir.Message("assistant", (THOUGHT, ir.Text("Yes?"))),
    ir.Message("user", (ir.Text("Go on."),)),
)


def asked(body: dict[str, Any] | None = None, request: Any = None, **more: Any) -> Asked:
    """A chat."""
    exchange = Exchange("ex_0f", "req_1", "openai_chat", "POST", "/", began=0.0, created=7.5)
    face = DIALECTS["openai_chat"]
    wire = WireRequest("chat", body or {"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    steps = Steps(HeavySteps(), "team")
    return Asked(
        exchange,
        Inbound(face, b"{}", {}),
        wishes({}, face),
        face,
        Said(wire, {}, b"{}", request),
        steps,
        2,
        2,
        light=True,
        turn=None,
        **more,
    )


async def test_the_request_is_decoded_once() -> None:
    one = asked()
    assert one.request is one.request
    assert await one.decoded() is one.request


async def test_only_what_is_not_decoded_yet_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    run = HeavySteps.run

    def counted(self: HeavySteps, size: int, *args: Any, **named: Any) -> Any:
        turns.append(size)
        return run(self, size, *args, **named)

    monkeypatch.setattr(HeavySteps, "run", counted)
    light, heavy = asked(), asked().heavier(MEDIUM)
    for one in (light, heavy):
        assert await one.decoded() is await one.decoded()
    assert turns == [heavy.weight]


def test_what_cannot_be_decoded_is_the_clients_to_mend() -> None:
    def never(_: WireRequest) -> Any:
        raise WireError("no", "messages", "odd")

    fault = blamed(WireError("no", "messages", "odd"))
    assert (fault.kind, fault.param, fault.code, fault.blame) == (
        "invalid_request",
        "messages",
        "odd",
        "client",
    )
    assert blamed(WireError("large", code=TOO_LARGE)).kind == "too_large"
    face = DIALECTS["openai_chat"]
    face = msgspec.structs.replace(face, request=msgspec.structs.replace(face.request, decode=never))
    with pytest.raises(RequestFailed) as refused:
        _ = msgspec.structs.replace(asked(), face=face).request
    assert refused.value.fault == fault


def test_nothing_is_left_of_what_is_forgotten() -> None:
    one = asked(request=ir.Request("openai_chat", "m"))
    one.said.fetched = {}
    one.said.forget()
    assert (one.wire.body, one.said.head, one.said.raw) == ({}, {}, b"")
    assert one.wire.operation == "chat"
    assert one.said.fetched is None


def test_other_words_leave_the_first_value_as_it_was() -> None:
    one = asked(reasons=("alias",))
    other = one.with_request(ir.Request("openai_chat", "other"), "hook")
    assert (other.request.model, other.reasons) == ("other", ("alias", "hook"))
    assert (one.request.model, one.reasons) == ("m", ("alias",))
    assert other.said.wire is one.said.wire


def test_seals_stay_with_who_made_them() -> None:
    one = asked(request=ir.Request("openai_chat", "m", HISTORY), sealed=(Sealed(0, 3, "claude"),))
    report = Report("anthropic")
    assert one.readable("claude", report) is one.request
    assert report.losses == []
    read = one.readable("other", report)
    assert read.messages[1].blocks == (msgspec.structs.replace(THOUGHT, sealed=None), ir.Text("Yes?"))
    assert (read.messages[0], read.messages[2]) == (HISTORY[0], HISTORY[2])
    assert [(loss.path, loss.severity) for loss in report.losses] == [("messages[1]", "quality")]


def test_without_seals_nobody_reads_any() -> None:
    one = asked(request=ir.Request("openai_chat", "m", HISTORY)).without_seals()
    report = Report("anthropic")
    assert (one.sealless, one.sealed) == (True, (Sealed(0, 3, ""),))
    assert b"sealed" not in msgspec.json.encode(one.readable("claude", report).messages)
    assert report.losses[0].reason == "the provider rejected the encrypted reasoning or signatures"


def test_a_range_may_end_behind_the_last_message() -> None:
    one = asked(request=ir.Request("openai_chat", "m", HISTORY), sealed=(Sealed(1, 99, "claude"),))
    assert len(one.readable("other", Report("anthropic")).messages) == 3


def test_an_answer_has_the_exchanges_id_and_time() -> None:
    reply = asked().reply(Report("openai_chat"), model="shown")
    assert (reply.id, reply.created, reply.began, reply.model) == ("chatcmpl-0f", 7, 7.5, "shown")


def test_only_large_requests_take_turns() -> None:
    assert asked().light
    assert not asked().heavier(4_000).light
