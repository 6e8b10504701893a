"""The stages in their order: what changes a request, what ends it, and who is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import AnswerContext, Asked
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import Hooks
from dragoman.routing.route import Alias, Provider
from dragoman.routing.table import Table
from tests.unit.engine.stage import CLAUDE, ONE, Stage, chat, refusal, stream, streamed, whole

ASK = "ask one with key-1: /v1/chat/completions"
INTERNAL = "internal_error: The gateway failed to handle this request."
STOPPED = ir.Fault("content_policy", "Not here.", code="house_rule")


class Hook:
    """A hook that does at each point what a test says."""

    def __init__(self, **points: Callable[..., Any]) -> None:
        for point, does in points.items():
            setattr(self, point, does)


def stop(*_: Any) -> None:
    """End the request."""
    raise RequestFailed(STOPPED)


def crash(*_: Any) -> None:
    """Fail, and say something that no client may read."""
    raise ZeroDivisionError("the password is 1234")


# Hooks before ------------------------------------------------------------------------------------------


def test_a_hook_changes_the_request_which_is_not_relayed_any_more() -> None:
    def louder(exchange: Exchange, request: ir.Request) -> ir.Request:
        return msgspec.structs.replace(request, messages=(ir.Message("user", (ir.Text("HI"),)),))

    stage = Stage(hooks=[Hook(before=louder)])
    stage.script("one", whole("Hello."))
    assert stage.plays(chat()) == [ASK, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.attempts == ["one/gpt translate(hook) 200"]
    assert stage.bodies[0]["messages"] == [{"role": "user", "content": "HI"}]


def test_a_hook_that_changes_nothing_leaves_the_relay() -> None:
    stage = Stage(hooks=[Hook(before=lambda *_: None)])
    stage.script("one", whole("Hello."))
    stage.plays(chat())
    assert stage.attempts == ["one/gpt relay 200"]


def test_a_hook_that_waits_is_waited_for() -> None:
    import asyncio

    async def slow(exchange: Exchange, request: ir.Request) -> None:
        await asyncio.sleep(3.0)
        stage.note("hook")

    stage = Stage(hooks=[Hook(before=slow)])
    stage.script("one", whole("Hello."))
    assert stage.plays(chat())[:3] == ["3 s later", "hook", ASK]


def test_a_hook_ends_a_request_before_it_is_sent() -> None:
    stage = Stage(hooks=[Hook(before=stop)])
    assert stage.plays(chat()) == ["answer 400 house_rule: Not here.", "= client/route/house_rule"]
    assert stage.attempts == []


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_hook_that_fails_is_answered_without_details(point: str, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(hooks=[Hook(**{point: crash})])
    stage.script("one", whole("Hello."))
    lines = stage.plays(chat())
    assert lines[-2] == f"answer 500 {INTERNAL}"
    assert lines[-1] == f"= gateway/{'route' if point == 'before' else 'first_byte'}/internal_error"
    assert "the password is 1234" in caplog.text
    assert b"1234" not in stage.client.body


def test_a_hook_that_fails_within_a_stream_is_told_in_band() -> None:
    def third(exchange: Exchange, event: ir.Event) -> None:
        if isinstance(event, ir.TextDelta) and event.text == "lo.":
            crash()

    stage = Stage(hooks=[Hook(on_event=third)])
    stage.script("one", stream(*streamed("Hel", "lo.")))
    assert stage.plays(chat(stream=True)) == [
        ASK,
        "begin 200",
        'write start "Hel"',
        "break off one",
        f"end error {INTERNAL}",
        "= gateway/stream/internal_error",
    ]


# Hooks on errors ---------------------------------------------------------------------------------------


def test_a_hook_changes_the_error() -> None:
    def kinder(exchange: Exchange, fault: ir.Fault) -> ir.Fault:
        return msgspec.structs.replace(fault, message="Sorry.")

    stage = Stage(hooks=[Hook(on_error=kinder)])
    stage.script("one", refusal(400, "Bad."))
    assert stage.plays(chat())[1] == "answer 400 invalid_request: Sorry."


def test_a_hook_may_raise_the_error_instead() -> None:
    stage = Stage(hooks=[Hook(on_error=stop)])
    stage.script("one", refusal(400, "Bad."))
    assert stage.plays(chat())[1:] == ["answer 400 house_rule: Not here.", "= client/first_byte/house_rule"]


def test_an_error_hook_that_fails_leaves_the_error(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(hooks=[Hook(on_error=crash)])
    stage.script("one", refusal(400, "Bad."))
    assert stage.plays(chat())[1] == "answer 400 invalid_request: Bad."
    assert "an error hook failed" in caplog.text


# Turns -------------------------------------------------------------------------------------------------


class Turn:
    """A turn that does at each stage what a test says."""

    relayed = False
    hears = keeps = precedes = False

    def __init__(self, stage: Stage, *, seconds: float = 0.0, answer: ir.Response | None = None) -> None:
        self._stage = stage
        self._seconds = seconds
        self._answer = answer

    def concerns(self, body: Mapping[str, Any]) -> bool:
        return True

    async def expand(self, asked: Asked) -> Asked:
        import asyncio

        self._stage.note("expand")
        await asyncio.sleep(self._seconds)
        return asked

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        self._stage.note("admitted")
        return self._answer

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        raise AssertionError

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        raise AssertionError

    def failed(self) -> None:
        self._stage.note("turn failed")


def test_a_turn_is_expanded_and_admitted_before_anybody_is_asked() -> None:
    stage = Stage()
    stage.script("one", whole("Hello."))
    lines = stage.plays(chat(), turn=Turn(stage))
    assert lines == ["expand", "admitted", ASK, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.attempts == ["one/gpt translate(continued) 200"]


def test_a_turn_hears_of_a_failure_before_its_client() -> None:
    stage = Stage()
    stage.script("one", refusal(400, "Bad."))
    assert stage.plays(chat(), turn=Turn(stage))[3:] == [
        "turn failed",
        "answer 400 invalid_request: Bad.",
        "= client/first_byte/invalid_request",
    ]


def test_a_client_that_leaves_while_its_turn_is_read() -> None:
    stage = Stage()
    assert stage.plays(chat(), turn=Turn(stage, seconds=60.0), leave=2.0) == [
        "expand",
        "2 s later",
        "= client/decode",
    ]


def test_a_turn_may_answer_itself() -> None:
    stage = Stage()
    said = ir.Response("", None, None, None, (ir.Candidate((ir.Text("Known."),), ir.Stop("end")),))
    assert stage.plays(chat(), turn=Turn(stage, answer=said)) == [
        "expand",
        "admitted",
        'answer 200 "Known."',
        "= done",
    ]
    assert json.loads(stage.client.body)["model"] == "one/gpt"


# Whatever happens --------------------------------------------------------------------------------------


def test_our_own_mistake_is_told_without_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    monkeypatch.setattr("dragoman.engine.engine.route", crash)
    assert stage.plays(chat()) == [f"answer 500 {INTERNAL}", "= gateway/decode/internal_error"]
    assert "the password is 1234" in caplog.text


def test_what_cannot_be_translated_loses_nothing_in_strict_mode() -> None:
    stage = Stage({"claude": CLAUDE})
    lines = stage.plays(chat(model="claude/opus", logit_bias={"1": 1}), headers={"x-dragoman-strict": "1"})
    assert lines[0].startswith("answer 400 untranslatable: the request cannot be translated for claude/opus")
    assert lines[1:] == ["= client/encode/untranslatable"]
    assert stage.sent == []


def test_another_deployment_may_lose_nothing() -> None:
    settings = {"strict": True, "models": {"m": {"deployments": ["claude/opus", "one/gpt"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m", logit_bias={"1": 1}))[0] == ASK
    assert stage.attempts == ["claude/opus translate(protocol) untranslatable", "one/gpt relay 200"]


def test_names_may_be_given_while_it_runs() -> None:
    stage = Stage()
    table = Table.build([Provider("one", "one")], (), [Alias("other", "one/gpt")])
    assert table.find("other") is not None
    stage.rename(table)
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="other"))[0] == ASK


def test_a_request_that_began_before_a_reload_fails_by_its_own_hooks() -> None:
    def reload(*_: Any) -> None:
        stage.engine.become(msgspec.structs.replace(stage.engine.runtime, hooks=Hooks([Hook(on_error=stop)])))

    stage = Stage(hooks=[Hook(before=reload)])
    stage.script("one", refusal(400, "Bad."))
    assert stage.plays(chat())[1] == "answer 400 invalid_request: Bad."
