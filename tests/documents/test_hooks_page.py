"""docs/hooks.md: every example runs and does what the page says."""

from __future__ import annotations

import logging
import re
from collections import deque
from typing import Any

import pytest

from dragoman import CallFailed, Gateway
from dragoman.exchange import Exchange
from dragoman.hooks import POINTS
from dragoman.testing.provider import Streamed, Whole
from tests.documents.examples import DOCS, examples, run
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, up
from tests.e2e.stubs import Said

EXAMPLES = examples("hooks.md")
MODEL = MODELS["openai_chat"]
TEXT = "A harbour, and ships."


def question(text: str = "Hello!", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def test_every_example_is_tried_here() -> None:
    assert list(EXAMPLES) == [
        "Choose the model",
        "Redact what is sent",
        "Add a tag to what is sent",
        "Refuse a request",
        "Change an answer",
        "Log and rename errors",
    ]


def test_the_table_names_every_point() -> None:
    page = (DOCS / "hooks.md").read_text("utf-8")
    assert tuple(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)) == POINTS
    number = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")[len(POINTS)]
    assert f"one or more of {number} methods" in page


async def test_choose_the_model() -> None:
    gateway = run(EXAMPLES["Choose the model"])["gateway"]
    headers = {"authorization": "Bearer a-key-of-sixteen-characters"}
    answer = await gateway.ask({**question("Hi"), "model": "best"}, headers=headers)
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("best", "Hi")
    await gateway.close()


async def test_redact_what_is_sent(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    gateway = run(EXAMPLES["Redact what is sent"], up(provider.url))["gateway"]
    await gateway.ask(question("Charge 4111 1111 1111 1111 today"))
    await gateway.close()
    assert provider.last.body["messages"][0]["content"] == "Charge [card number] today"


async def test_add_a_tag_to_what_is_sent(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    gateway = run(EXAMPLES["Add a tag to what is sent"], up(provider.url))["gateway"]
    await gateway.ask(question(metadata={"ticket": "17"}))
    await gateway.close()
    assert provider.last.body["metadata"] == {"ticket": "17", "team": "anyone"}


async def test_refuse_a_request(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    gateway = run(EXAMPLES["Refuse a request"], up(provider.url))["gateway"]
    headers = {"authorization": "Bearer a-key-of-sixteen-characters"}
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    with pytest.raises(CallFailed, match="may not use tools") as refused:
        await gateway.ask(question(tools=tools), headers=headers)
    assert refused.value.status == 403
    assert refused.value.error["error"]["code"] == "no_tools"
    assert refused.value.error["error"]["param"] == "tools"
    assert provider.seen == []
    await gateway.ask(question(), headers=headers)
    await gateway.close()


async def test_change_an_answer(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    gateway = run(EXAMPLES["Change an answer"], up(provider.url))["gateway"]
    whole = await gateway.ask(question())
    assert whole["choices"][0]["message"]["content"] == f"{TEXT}\n-- written by a machine"
    frames = stubs.frames("openai_chat", "")
    pieces = [
        {**frames[0], "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in ("A harbour", ".")
    ]
    provider.answers = deque([Streamed([*frames[:1], *pieces, *frames[-2:]])])
    chunks = [chunk async for chunk in gateway.stream(question())]
    await gateway.close()
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert said == "A port."


async def test_log_and_rename_errors(provide: Provide, caplog: pytest.LogCaptureFixture) -> None:
    failure = {"error": {"message": "GPU 7 is on fire", "type": "server_error"}}
    provider = await provide(Whole(failure, status=500))
    gateway = run(EXAMPLES["Log and rename errors"], up(provider.url))["gateway"]
    with caplog.at_level(logging.WARNING, "failures"), pytest.raises(CallFailed) as failed:
        await gateway.ask(question(), headers={"x-request-id": "req-17"})
    with pytest.raises(CallFailed, match="does not exist"):
        await gateway.ask({**question(), "model": "nosuch"})
    await gateway.close()
    assert str(failed.value) == "The model failed. Tell us req-17."
    assert "GPU 7 is on fire" in caplog.messages[0]


@pytest.mark.parametrize("returns_it", [False, True])
async def test_a_request_that_before_leaves_alone_is_relayed(provide: Provide, returns_it: bool) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    exchanges: list[Exchange] = []

    class Looks:
        def before(self, exchange: Exchange, request: Any) -> Any:
            return request if returns_it else None

    gateway = Gateway(up(provider.url), hooks=[Looks()], observers=[exchanges.append])
    await gateway.ask(question())
    await gateway.close()
    assert exchanges[0].mode == "relay"


async def test_which_requests_reach_which_hook(provide: Provide) -> None:
    provider = await provide(Whole({"error": {"message": "No such endpoint"}}, status=404))
    called: list[str] = []
    ended: list[str | None] = []

    class Looks:
        def before(self, exchange: Exchange, request: Any) -> None:
            called.append("before")

        def on_error(self, exchange: Exchange, fault: Any) -> None:
            called.append("on_error")

    gateway = Gateway(
        up(provider.url), hooks=[Looks()], observers=[lambda exchange: ended.append(exchange.end)]
    )
    with pytest.raises(CallFailed):
        await gateway.ask({"model": MODEL, "input": "Hello!"}, "/v1/embeddings")
    assert called == ["on_error"]
    await gateway.ask(
        {"model": MODEL, "max_tokens": 9, "messages": question()["messages"]}, "/v1/messages/count_tokens"
    )
    assert called == ["on_error", "before"]
    with pytest.raises(CallFailed):
        await gateway.ask({}, "/v1/nothing")
    await gateway.close()
    assert called == ["on_error", "before"]
    assert len(ended) == 3
