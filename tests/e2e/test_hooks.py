"""Hooks in a running gateway: what they change, what they see, and what becomes of their failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.testing.provider import Streamed
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.sent import Sent
from tests.e2e.stubs import Said

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])
TEXT = "A longer answer, in pieces."


class Appends:
    """Adds a word of its own to the last message."""

    def __init__(self, word: str) -> None:
        self.word = word

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        *earlier, last = request.messages
        said = msgspec.structs.replace(last, blocks=(*last.blocks, ir.Text(self.word)))
        return msgspec.structs.replace(request, messages=(*earlier, said))


class Looks:
    """Sees everything and changes nothing."""

    def __init__(self) -> None:
        self.points: list[str] = []

    async def before(self, exchange: Exchange, request: ir.Request) -> None:
        self.points.append("before")

    async def after(self, exchange: Exchange, response: ir.Response) -> None:
        self.points.append("after")

    async def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        self.points.append(type(event).__name__)

    async def on_error(self, exchange: Exchange, fault: ir.Fault) -> None:
        self.points.append(f"on_error {fault.kind}")


class Raises:
    """Fails at one point."""

    name = "raiser"

    def __init__(self, point: str, error: Exception) -> None:
        async def fail(exchange: Exchange, value: Any) -> None:
            raise error

        setattr(self, point, fail)


@EVERY
@STREAMS
async def test_a_changed_request_is_what_is_sent(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """A relay becomes a translation, because the client's bytes are no longer what is meant."""
    exchanges: list[Any] = []
    provider = await provide(stubs.DIALECTS[dialect](Said(TEXT)))
    hooks = [Appends("first"), Looks(), Appends("second")]
    site = await visit(up(provider.url, dialect), hooks=hooks, observers=[exchanges.append])
    answer = await site.ask(MODELS[dialect], stream=stream)
    assert answer.text == TEXT
    assert Sent(dialect, provider.last).turns[-1] == ("user", ["Hello!", "first", "second"])
    assert exchanges[0].mode == "translate"
    assert len(exchanges[0].attempts) == 1


class LooksBefore:
    """Has no other point."""

    async def before(self, exchange: Exchange, request: ir.Request) -> None:
        return None


@STREAMS
async def test_a_hook_that_changes_nothing_leaves_the_relay(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """Only what needs events rules out relaying; unknown fields still pass as they are."""
    exchanges: list[Any] = []
    provider = await provide(stubs.openai_chat(Said(TEXT)))
    site = await visit(up(provider.url), hooks=[LooksBefore()], observers=[exchanges.append])
    assert (await site.ask(stream=stream, some_new_field={"deep": 1})).text == TEXT
    assert provider.last.body["some_new_field"] == {"deep": 1}
    assert exchanges[0].mode == "relay"


@EVERY
async def test_the_points_of_a_whole_answer(visit: Visit, provide: Provide, dialect: str) -> None:
    provider = await provide(stubs.DIALECTS[dialect](Said(TEXT)))
    looks = Looks()
    site = await visit(up(provider.url, dialect), hooks=[looks])
    assert (await site.ask(MODELS[dialect])).text == TEXT
    assert looks.points == ["before", "after"]


@EVERY
async def test_the_points_of_a_stream(visit: Visit, provide: Provide, dialect: str) -> None:
    provider = await provide(stubs.DIALECTS[dialect](Said(TEXT)))
    looks = Looks()
    site = await visit(up(provider.url, dialect), hooks=[looks])
    assert (await site.ask(MODELS[dialect], stream=True)).text == TEXT
    points = [point for point in looks.points if point != "Ping"]
    assert points[:3] == ["before", "Start", "Open"]
    assert points.count("TextDelta") == 6
    assert points[-1] == "End"


@EVERY
@STREAMS
async def test_an_answer_is_what_hooks_make_of_it(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """`after` for whole answers, `on_event` for streams; in order of registration."""

    class Says:
        def __init__(self, change: Any) -> None:
            self.change = change

        async def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
            (candidate,) = response.candidates
            (block,) = candidate.blocks
            assert isinstance(block, ir.Text)
            changed = msgspec.structs.replace(block, text=self.change(block.text))
            return msgspec.structs.replace(
                response, candidates=(msgspec.structs.replace(candidate, blocks=(changed,)),)
            )

        async def on_event(self, exchange: Exchange, event: ir.Event) -> Sequence[ir.Event] | None:
            if not isinstance(event, ir.TextDelta):
                return None
            return [ir.TextDelta(event.index, self.change(event.text))]

    provider = await provide(stubs.DIALECTS[dialect](Said("word")))
    hooks = [Says(lambda text: text + "!"), Says(lambda text: text.upper()), Says(lambda text: f"<{text}>")]
    site = await visit(up(provider.url, dialect), hooks=hooks)
    assert (await site.ask(MODELS[dialect], stream=stream)).text == "<WORD!>"


@EVERY
async def test_events_may_be_dropped_and_added(visit: Visit, provide: Provide, dialect: str) -> None:
    class Stutters:
        async def on_event(self, exchange: Exchange, event: ir.Event) -> Sequence[ir.Event] | None:
            if not isinstance(event, ir.TextDelta):
                return None
            return () if event.text == "ger a" else (event, event)

    provider = await provide(stubs.DIALECTS[dialect](Said("a longer answer")))
    site = await visit(up(provider.url, dialect), hooks=[Stutters()])
    assert (await site.ask(MODELS[dialect], stream=True)).text == "a lona lonnswernswer"


# Errors -------------------------------------------------------------------------------------------


@STREAMS
@pytest.mark.parametrize("point", ["before", "after", "on_event"])
@pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
async def test_a_hook_that_fails_ends_the_request_without_internals(
    visit: Visit,
    provide: Provide,
    dialect: str,
    point: str,
    stream: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """2.22: a 500 that tells nothing; the log names the hook and its failure."""
    provider = await provide(stubs.DIALECTS[dialect](Said(TEXT)))
    site = await visit(up(provider.url, dialect), hooks=[Raises(point, KeyError("secret-internals"))])
    answer = await site.ask(MODELS[dialect], stream=stream)
    if (point, stream) in {("after", True), ("on_event", False)}:
        assert answer.text == TEXT
        return
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert "secret" not in answer.raw.decode()
    assert "raiser" not in answer.raw.decode()
    assert "raiser" in caplog.text
    assert "secret-internals" in caplog.text
    assert len(provider.seen) == (point != "before")


@EVERY
@STREAMS
@pytest.mark.parametrize("point", ["before", "after", "on_event"])
async def test_a_hook_may_end_a_request_with_a_fault_of_its_choice(
    visit: Visit, provide: Provide, dialect: str, point: str, stream: bool
) -> None:
    """A guard refuses: its kind, code and message are what the client is told; nobody else is asked."""
    refused = RequestFailed(ir.Fault("content_policy", "Not here.", code="guarded", blame="client"))
    provider = await provide(stubs.DIALECTS[dialect](Said(TEXT)))
    config = {**up(provider.url, dialect), "retries": {"attempts": 3, "backoff": 0.01}}
    site = await visit(config, hooks=[Raises(point, refused)])
    answer = await site.ask(MODELS[dialect], stream=stream)
    if (point, stream) in {("after", True), ("on_event", False)}:
        assert answer.text == TEXT
        return
    assert (answer.status, answer.error["code"], answer.error["message"]) == (400, "guarded", "Not here.")
    assert len(provider.seen) == (point != "before")


@EVERY
async def test_a_hook_that_fails_in_the_middle_of_a_stream_is_told_in_band(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.22: after content there is no status any more."""

    class FailsLater:
        async def on_event(self, exchange: Exchange, event: ir.Event) -> None:
            if isinstance(event, ir.TextDelta) and event.text == "ger a":
                raise KeyError("secret-internals")

    sent = stubs.frames(dialect, TEXT)
    at = stubs.OPENING[dialect] + 1
    parts = [stubs.joined(dialect, sent[:at]), stubs.joined(dialect, sent[at:])]
    provider = await provide(Streamed(parts, pause=0.05))
    site = await visit(up(provider.url, dialect), hooks=[FailsLater()])
    answer = await site.ask(MODELS[dialect], stream=True)
    assert answer.text == TEXT[:5]
    assert answer.events[-1]["error"]["code"] == "internal_error"
    assert "secret" not in answer.raw.decode()
    assert "[DONE]" not in answer.events


@STREAMS
async def test_what_the_client_is_told_is_what_error_hooks_make_of_it(
    visit: Visit, provide: Provide, stream: bool
) -> None:
    """`on_error` sees every failure, the client's own included, and may put it in other words."""
    faults: list[str] = []

    class Translates:
        async def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault | None:
            faults.append(fault.kind)
            return (
                msgspec.structs.replace(fault, message="Leider nicht.") if fault.kind == "upstream" else None
            )

    provider = await provide(stubs.refusal("openai_chat", 500, "api_error", "No."))
    looks = Looks()
    site = await visit(up(provider.url), hooks=[Translates(), looks])
    assert (await site.ask(stream=stream)).error["message"] == "Leider nicht."
    assert (await site.ask(stream=stream, temperature=9)).error["param"] == "temperature"
    assert (await site.ask("nope", stream=stream)).status == 404
    assert faults == ["upstream", "invalid_request", "model_not_found"]
    assert looks.points == ["before", *(f"on_error {kind}" for kind in faults)]


async def test_an_error_hook_that_fails_changes_nothing(
    visit: Visit, provide: Provide, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told the first failure, the log also the second."""
    provider = await provide(stubs.refusal("openai_chat", 500, "api_error", "No."))
    site = await visit(up(provider.url), hooks=[Raises("on_error", KeyError("secret-internals"))])
    answer = await site.ask()
    assert (answer.status, answer.error["message"]) == (502, "No.")
    assert "secret-internals" in caplog.text


async def test_hooks_see_what_the_simulator_says_too(visit: Visit) -> None:
    """Whatever answers, the points are the same."""
    looks = Looks()
    site = await visit({"aliases": {"m": "simulate/echo"}}, hooks=[looks])
    assert (await site.ask("m")).text == "Hello!"
    assert looks.points == ["before", "after"]


@EVERY
async def test_a_read_may_leave_nothing_to_say(visit: Visit, provide: Provide, dialect: str) -> None:
    """A hook that drops all that one read brought, in the middle of an answer."""

    class Drops:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def on_event(self, exchange: Exchange, event: ir.Event) -> Sequence[ir.Event] | None:
            if not isinstance(event, ir.TextDelta):
                return None
            self.texts.append(event.text)
            return () if len(self.texts) == 2 else None

    drops = Drops()
    provider = await provide(stubs.streamed(dialect, stubs.frames(dialect, TEXT), pause=0.02))
    site = await visit(up(provider.url, dialect), hooks=[drops])
    answer = await site.ask(MODELS[dialect], stream=True)
    first, dropped, *others = drops.texts
    assert dropped
    assert (answer.status, answer.text) == (200, "".join([first, *others]))
