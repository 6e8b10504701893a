"""A session between a client and a provider that are queues: what passes, what ends it, in which words."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller, Permits
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import HeavySteps, Steps
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.engine.converse import Bounds, _names, _Session, _stated, opened
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.replies import Replies
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.ir.fault import STOPPING
from dragoman.net.failures import Truncated
from dragoman.routing.route import Deployment
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.account import Redaction

FACE = DIALECTS["openai_chat"]
SECRET = "sk-of/the-provider"
CREATED = json.dumps({"type": "session.created", "session": {"model": "gpt-realtime"}})


class Upstream:
    """A provider's WebSocket: messages to receive, and what was sent."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []
        self.closes: list[tuple[int, str]] = []
        self.code, self.reason = 1006, ""

    def tell(self, **event: Any) -> None:
        self.inbox.put_nowait(json.dumps(event))

    def end(self, code: int, reason: str = "") -> None:
        self.code, self.reason = code, reason
        self.inbox.put_nowait(None)

    async def receive(self) -> Any:
        return await self.inbox.get()

    async def send(self, message: Any) -> None:
        if self.closes:
            raise Truncated
        self.sent.append(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closes.append((code, reason))
        self.inbox.put_nowait(None)


class Client:
    """A client: messages to receive, and what it was told."""

    def __init__(self, **bounds: Any) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.told: list[Any] = []
        self.left: tuple[int, str] | None = None
        self.first = None
        self.search, self.transcribes = "", False
        self.closed: tuple[int, str] | None = None
        self.bounds = Bounds(**bounds)
        self.now: Caller | ir.Fault = Caller("ann")
        self.drain: Any = None
        self.heard = asyncio.Event()

    def leave(self, code: int, reason: str) -> None:
        self.inbox.put_nowait((code, reason))

    async def receive(self) -> Any:
        message = await self.inbox.get()
        if isinstance(message, tuple):
            self.left = message
            return None
        return message

    async def say(self, message: Any) -> None:
        self.told.append(json.loads(message))
        self.heard.set()

    def closes(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def caller(self) -> Caller | ir.Fault:
        return self.now

    def on_drain(self, drain: Any) -> None:
        self.drain = drain


class Talked:
    """A session whose first message is there."""

    def __init__(self, **bounds: Any) -> None:
        self.client, self.upstream = Client(**bounds), Upstream()
        exchange = Exchange("ex_1", "req_1", "openai_chat", "WS", "/", 1.0, 1.0, asked="voice")
        attempt: Any = SimpleNamespace(
            exchange=exchange,
            call=SimpleNamespace(model="gpt-realtime"),
            shown="voice",
            deployment=Deployment("one", "gpt-realtime"),
            record=AttemptRecord("ex_1-1", "one/gpt-realtime", None, "relay", 1.0),
            delivery=SimpleNamespace(now=lambda: 1.0, meter=None),
            runtime=SimpleNamespace(seams=SYSTEM),
            plan=SimpleNamespace(route=SimpleNamespace(model="voice")),
            asked=SimpleNamespace(face=FACE),
        )
        assert FACE.live is not None
        talk = FACE.live.talk(_names(attempt, self.client), None)  # type: ignore[arg-type]
        client, upstream = self.client, self.upstream
        replies, redaction = Replies(attempt), Redaction([SECRET])
        self.session = _Session(attempt, client, talk, upstream, replies, redaction=redaction)  # type: ignore[arg-type]
        upstream.inbox.put_nowait(CREATED)

    async def run(self) -> None:
        async with asyncio.timeout(60):
            await self.session.run(await self.session.open(()))


def test_a_session_is_asked_for_by_its_model() -> None:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "WS", "/", 1.0, 1.0)
    headers = {"x-dragoman-tags": "a, b"}
    steps = Steps(HeavySteps(), None)
    asked = opened(exchange, Inbound(FACE, b"", headers, params={"model": "voice"}), steps)
    assert (asked.model, asked.streamed, asked.prompts, asked.codec) == ("voice", True, False, None)
    assert (exchange.asked, exchange.streamed, exchange.tags) == ("voice", True, ("a", "b"))
    assert opened(exchange, Inbound(FACE, b"", {}), steps).model is None
    with pytest.raises(RequestFailed) as caught:
        opened(exchange, Inbound(FACE, b"", {}, params={"model": "a\nb"}), steps)
    assert caught.value.fault.param == "model"


async def test_messages_pass_until_the_client_leaves() -> None:
    talked = Talked()
    talked.client.inbox.put_nowait('{"type":"session.update","session":{"model":"voice"}}')
    talked.client.leave(4001, "bye")
    await talked.run()
    assert talked.client.told == [{"type": "session.created", "session": {"model": "voice"}}]
    assert talked.upstream.sent == ['{"type":"session.update","session":{"model":"gpt-realtime"}}']
    assert talked.upstream.closes == [(4001, "bye")]
    assert talked.client.closed is None


@pytest.mark.parametrize(("code", "sent"), [(1000, 1000), (1001, 1001), (1005, 1000)])
async def test_a_provider_may_end_a_session(code: int, sent: int) -> None:
    talked = Talked()
    talked.upstream.end(code, "done")
    await talked.run()
    assert talked.client.closed == (sent, "done")


@pytest.mark.parametrize(("code", "closed", "words"), [(1006, None, True), (1011, (1011, "oh"), False)])
async def test_a_provider_may_fail(code: int, closed: Any, words: bool) -> None:
    talked = Talked()
    talked.upstream.end(code, "oh")
    with pytest.raises(RequestFailed) as caught:
        await talked.run()
    assert (caught.value.fault.code, caught.value.fault.blame) == ("session_broken", "upstream")
    assert talked.client.closed == closed
    told = talked.session.last_words(caught.value.fault)
    assert bool(told) is words
    assert not told or json.loads(told)["error"]["code"] == "session_broken"


async def test_no_message_and_no_close_frame_shows_the_providers_key() -> None:
    talked = Talked()
    talked.upstream.tell(type="session.updated", session={"instructions": f"use {SECRET}"})
    told = json.dumps({"type": "error", "error": {"message": f"wrong: {SECRET}"}})
    talked.upstream.inbox.put_nowait(told.replace("/", "\\/"))
    talked.upstream.tell(type="error", error={"message": "plain"})
    talked.upstream.end(4000, f"wrong: {SECRET}")
    with pytest.raises(RequestFailed) as caught:
        await talked.run()
    assert talked.client.told[1]["session"] == {"instructions": "use [redacted]"}
    errors = [event["error"]["message"] for event in talked.client.told[2:]]
    assert errors == ["wrong: [redacted]", "plain"]
    assert talked.client.closed == (4000, "wrong: [redacted]")
    assert SECRET not in caught.value.fault.message


async def test_a_first_error_is_a_refusal() -> None:
    talked = Talked()
    talked.upstream.inbox = asyncio.Queue()
    talked.upstream.tell(type="error", error={"code": "invalid_api_key", "message": "no"})
    with pytest.raises(RequestFailed) as caught:
        await talked.run()
    assert caught.value.fault.kind == "authentication"
    talked.upstream.end(1013, "busy")
    with pytest.raises(RequestFailed) as caught:
        await talked.run()
    assert caught.value.fault.kind == "overloaded"


async def test_a_wrong_message_does_not_end_a_session() -> None:
    talked = Talked()
    talked.client.inbox.put_nowait("[")
    running = asyncio.ensure_future(talked.run())
    while len(talked.client.told) < 2:
        talked.client.heard.clear()
        await talked.client.heard.wait()
    assert talked.client.told[1]["error"]["code"] == "invalid_message"
    assert talked.client.told[1]["error"]["error_id"] == "req_1"
    talked.client.leave(1000, "")
    await running
    assert talked.upstream.sent == []


async def test_a_session_ends_when_its_time_is_over() -> None:
    over = "The realtime session has reached its limit of 0.05 seconds. Open a new one to continue."
    for bounds, code, closed in (
        ({"longest": 0.05}, "session_expired", (1001, over)),
        ({"idle": 0.05}, "session_idle", None),
    ):
        talked = Talked(**bounds)
        with pytest.raises(EndedByLimit) as caught:
            await talked.run()
        assert caught.value.fault.code == code
        assert talked.client.closed == closed


async def test_no_timer_keeps_a_session_that_has_ended() -> None:
    talked = Talked(longest=3600.0, idle=1.0)
    running = asyncio.ensure_future(talked.run())
    for _ in range(8):
        talked.upstream.tell(type="ping")
        await asyncio.sleep(0.15)
    talked.upstream.end(1000)
    await running
    session = weakref.ref(talked.session)
    del talked, running
    for _ in range(10):
        await asyncio.sleep(0)
    gc.collect()
    assert session() is None


async def test_a_drain_waits_for_the_running_reply() -> None:
    talked = Talked()
    talked.upstream.tell(type="response.created", response={})
    running = asyncio.ensure_future(talked.run())
    while len(talked.client.told) < 2:
        talked.client.heard.clear()
        await talked.client.heard.wait()
    talked.client.drain()
    assert talked.upstream.closes == []
    talked.upstream.tell(type="response.done", response={"usage": {"input_tokens": 1, "output_tokens": 1}})
    with pytest.raises(EndedByLimit) as caught:
        await running
    assert caught.value.fault is STOPPING
    assert [event["type"] for event in talked.client.told][-1] == "response.done"


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (ir.Fault("authentication", "revoked", "invalid_api_key"), "invalid_api_key"),
        (Caller("ann", Grants(["other"])), "model_not_granted"),
        (Caller("ann", may=Permits(operations=frozenset({"chat"}))), "operation_not_granted"),
        (Caller("ann", may=Permits(providers=Grants(["two"]))), "provider_not_granted"),
        (Caller("ann", Grants([]), may=Permits(providers=Grants(["one"]))), "model_not_granted"),
    ],
)
async def test_a_client_from_whom_something_was_taken_gets_no_further_reply(
    now: Caller | ir.Fault, code: str
) -> None:
    talked = Talked()
    talked.client.now = now
    talked.upstream.tell(type="response.created", response={})
    with pytest.raises(EndedByLimit) as caught:
        await talked.run()
    assert caught.value.fault.code == code
    assert len(talked.client.told) == 1


async def test_settings_are_not_told_if_a_limit_refuses_their_transcriber(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(replies: Replies, model: str) -> None:
        raise EndedByLimit(ir.Fault("permission", model, "unknown_price"))

    monkeypatch.setattr(Replies, "admit", refuse)
    talked = Talked()
    transcription = {"audio": {"input": {"transcription": {"model": "whisper"}}}}
    talked.upstream.tell(type="session.updated", session=transcription)
    with pytest.raises(EndedByLimit) as caught:
        await talked.run()
    assert caught.value.fault.message == "whisper"
    assert [event["type"] for event in talked.client.told] == ["session.created"]


async def test_a_session_that_only_transcribes_ends_after_a_transcript() -> None:
    talked = Talked()
    talked.client.now = ir.Fault("authentication", "The key was revoked.", "invalid_api_key")
    transcription = {"audio": {"input": {"transcription": {"model": "whisper"}}}}
    talked.upstream.tell(type="session.updated", session=transcription)
    usage = {"type": "tokens", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    talked.upstream.tell(type="conversation.item.input_audio_transcription.completed", usage=usage)
    with pytest.raises(EndedByLimit):
        await talked.run()
    assert len(talked.client.told) == 3


async def test_a_reply_counts_against_the_limits_that_the_client_has_now() -> None:
    talked = Talked()
    talked.client.now = now = Caller("ann", Grants(["v*"]), team="new")
    talked.upstream.tell(type="response.created", response={})
    talked.upstream.tell(type="response.done", response={})
    talked.client.leave(1000, "")
    await talked.run()
    assert talked.session._attempt.exchange.caller is now
    assert len(talked.client.told) == 3


async def test_an_error_of_ours_ends_the_session() -> None:
    talked = Talked()
    talked.client.inbox.put_nowait(None)

    async def fail() -> Any:
        raise ZeroDivisionError

    talked.client.receive = fail  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await talked.run()


def test_close_frames_hold_only_some_codes_and_short_reasons() -> None:
    assert _stated(1006, "é" * 100) == (1000, "é" * 61)
    assert _stated(4999, "why") == (4999, "why")
