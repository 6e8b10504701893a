"""One provider that speaks several protocols: which of them is asked, and what the client is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Script, Seen, Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said, anthropic, openai_chat

SAID = Said("Good morning.")
CALLS = Said("", calls=(("call_1", "weather", '{"city": "Oslo"}'),))
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
FLAT_TOOLS = [{"type": "function", "name": "weather", "parameters": TOOL, "strict": False}]
CHAT = "/chat/completions"
NOT_CHAT = "This model is only supported in v1/responses and not in v1/chat/completions."
NO_TOOLS = (
    "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
)


def responses(said: Said) -> Callable[[Seen], Answer]:
    """The answer as OpenAI's Responses API gives it, whole or streamed as the request asks."""
    items: list[dict[str, Any]] = [
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": call,
            "name": name,
            "arguments": arguments,
        }
        for call, name, arguments in said.calls
    ] or [
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}],
        }
    ]
    done = {
        "id": "resp_up",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": "m",
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 7,
        },
    }

    def answer(seen: Seen) -> Answer:
        if not seen.body.get("stream"):
            return Whole(done)
        begun = {**done, "status": "in_progress", "output": [], "usage": None}
        frames: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
        for place, item in enumerate(items):
            empty: dict[str, Any] = {"arguments": ""} if "arguments" in item else {"content": []}
            begin = {**item, "status": "in_progress", **empty}
            frames.append({"type": "response.output_item.added", "output_index": place, "item": begin})
            where = {"item_id": item["id"], "output_index": place}
            if "arguments" in item:
                arguments = item["arguments"]
                kind = "response.function_call_arguments"
                frames.append({"type": f"{kind}.delta", **where, "delta": arguments})
                frames.append({"type": f"{kind}.done", **where, "arguments": arguments})
            else:
                part = item["content"][0]
                where["content_index"] = 0
                begin = {**part, "text": ""}
                frames.append({"type": "response.content_part.added", **where, "part": begin})
                delta = {"delta": part["text"], "logprobs": []}
                frames.append({"type": "response.output_text.delta", **where, **delta})
                text = {"text": part["text"], "logprobs": []}
                frames.append({"type": "response.output_text.done", **where, **text})
                frames.append({"type": "response.content_part.done", **where, "part": part})
            frames.append({"type": "response.output_item.done", "output_index": place, "item": item})
        frames.append({"type": "response.completed", "response": done})
        numbered = [{**frame, "sequence_number": number} for number, frame in enumerate(frames)]
        return Streamed(numbered, named=True)

    return answer


def completions(said: Said) -> Whole:
    """The answer as OpenAI's legacy API gives it."""
    choice = {"text": said.text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    head = {"id": "cmpl-up", "object": "text_completion", "created": 1_700_000_000, "model": "m"}
    return Whole({**head, "choices": [choice], "usage": usage})


def speaking(said: Said, **refused: Whole) -> Callable[[Seen], Answer]:
    """A server with every protocol. refused: what some of them say instead."""
    spoken: dict[str, Script] = {
        "chat": openai_chat(said),
        "responses": responses(said),
        "messages": anthropic(said),
        "v1": completions(said),
    }

    def answer(seen: Seen) -> Answer:
        api = seen.path.removesuffix("/completions").rpartition("/")[2]
        script = refused.get(api) or spoken[api]
        return script(seen) if callable(script) else script

    return answer


def refusal(status: int, message: str) -> Whole:
    """An error as OpenAI says it."""
    error = {"message": message, "type": "invalid_request_error", "param": "model", "code": None}
    return Whole({"error": error}, status)


def configured(url: str, name: str = "openai", **more: Any) -> dict[str, Any]:
    """One provider, called once."""
    return {"providers": {name: {"base_url": url, "keys": ["up-key"], **more}}, "retries": {"attempts": 1}}


Meet = Callable[..., Awaitable[tuple[AsyncOpenAI, FakeProvider]]]


@pytest.fixture
def meet(visit: Visit, provide: Provide, stack: AsyncExitStack) -> Meet:
    """The official client before a gateway, and the provider behind it. more: of the configuration."""

    async def start(
        script: Callable[[Seen], Answer], name: str = "openai", row: dict[str, Any] | None = None, **more: Any
    ) -> tuple[AsyncOpenAI, FakeProvider]:
        provider = await provide(script)
        site = await visit({**configured(provider.url, name, **(row or {})), **more})
        client = AsyncOpenAI(base_url=f"{site.base}/v1", api_key="dummy-key", max_retries=0)
        return await stack.enter_async_context(client), provider

    return start


def paths(provider: FakeProvider) -> list[str]:
    """Where the provider was asked, in order."""
    return [seen.path.removeprefix("/v1") for seen in provider.seen]


@pytest.mark.parametrize("said", [SAID, CALLS], ids=["text", "call"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "chat", "respond"),
    [
        ("gpt-4o", CHAT, "/responses"),  # both, each relayed
        ("gpt-5-pro", "/responses", "/responses"),
        ("gpt-4o-audio-preview", CHAT, CHAT),
    ],
)
async def test_both_faces_answer_whatever_the_model_is_asked_in(
    meet: Meet, model: str, chat: str, respond: str, stream: bool, said: Said
) -> None:
    """4.1, 4.9: two faces before models with both APIs, with Responses alone and with chat alone."""
    client, provider = await meet(speaking(said))
    arguments = [arguments for _, _, arguments in said.calls]

    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": CHAT_TOOLS,
    }
    if stream:
        async with client.chat.completions.stream(**asked) as events:
            told = await events.get_final_completion()
    else:
        told = await client.chat.completions.create(**asked)
    message = told.choices[0].message
    assert (message.content or "") == said.text
    assert [call.function.arguments for call in message.tool_calls or ()] == arguments

    request: dict[str, Any] = {"model": model, "input": "Hi", "tools": FLAT_TOOLS}
    if stream:
        async with client.responses.stream(**request) as answers:
            response = await answers.get_final_response()
    else:
        response = await client.responses.create(**request)
    assert response.output_text == said.text
    called = [item.arguments for item in response.output if item.type == "function_call"]
    assert called == arguments
    assert paths(provider) == [chat, respond]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"reasoning_effort": "low"}, CHAT),
        ({"reasoning_effort": "low", "tools": CHAT_TOOLS}, "/responses"),
        ({"reasoning_effort": "none", "tools": CHAT_TOOLS}, CHAT),
        ({"tools": CHAT_TOOLS}, CHAT),  # by default it does not think
    ],
)
async def test_functions_with_thoughts_go_where_the_model_takes_them(
    meet: Meet, fields: dict[str, Any], path: str
) -> None:
    client, provider = await meet(speaking(SAID))
    await client.chat.completions.create(
        model="gpt-5.4", messages=[{"role": "user", "content": "Hi"}], **fields
    )
    assert paths(provider) == [path]


@pytest.mark.parametrize(
    ("model", "path"),
    [("gpt-3.5-turbo-instruct", "/completions"), ("ft:davinci-002:acme", "/completions"), ("gpt-4o", CHAT)],
)
async def test_legacy_completions_are_for_the_models_that_have_them(
    meet: Meet, model: str, path: str
) -> None:
    """4.9: from both faces."""
    client, provider = await meet(speaking(SAID))
    text = await client.completions.create(model=model, prompt="Hi")
    assert text.choices[0].text == "Good morning."
    told = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert told.choices[0].message.content == "Good morning."
    assert paths(provider) == [path, path]


async def test_a_protocol_may_lie_elsewhere_and_take_its_key_otherwise(
    visit: Visit, provide: Provide
) -> None:
    provider = await provide(speaking(SAID))
    rows = {"openai_responses": {}, "anthropic": {"path": "/anthropic/v1/messages", "auth": "x-api-key"}}
    apis = [{"dialect": dialect, **row} for dialect, row in rows.items()]
    config = configured(provider.url, "up", apis=apis)
    site = await visit({**config, "models": {"m": {"use": "up/m", "api": "anthropic"}}})
    answer = await site.ask("m")
    assert answer.text == "Good morning."
    assert provider.last.path == "/v1/anthropic/v1/messages"
    assert provider.last.headers["x-api-key"] == "up-key"
    assert provider.last.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in provider.last.headers


async def test_the_operators_word_goes_first(meet: Meet) -> None:
    """4.18: of an alias over the model's, of both over the client's own protocol."""
    client, provider = await meet(
        speaking(SAID),
        models={"m": {"use": "openai/gpt-4o", "api": "openai_responses"}},
        aliases={"a": {"route": "m", "api": "openai_chat"}},
    )
    for name in ("m", "a", "openai/gpt-4o"):
        await client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}])
    assert paths(provider) == ["/responses", CHAT, CHAT]


async def test_a_model_registered_in_code_has_a_preferred_api(provide: Provide, tmp_path: Path) -> None:
    """4.18: `register(…, rewrite=…, preferred_api=…)`."""
    provider = await provide(speaking(SAID))
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(configured(provider.url)))
    gateway = Gateway(load(file, {}))
    gateway.register("gpt-4", "openai", rewrite="gpt-4-turbo", preferred_api="openai_responses")
    async with serving(gateway) as base, AsyncOpenAI(base_url=f"{base}/v1", api_key="k") as client:
        told = await client.chat.completions.create(
            model="gpt-4", messages=[{"role": "user", "content": "Hi"}]
        )
    assert told.model == "gpt-4"
    assert (provider.last.path, provider.last.body["model"]) == ("/v1/responses", "gpt-4-turbo")


# What is learnt ---------------------------------------------------------------------------------------


async def ask(client: AsyncOpenAI, **fields: Any) -> None:
    told = await client.chat.completions.create(
        model="openai/m", messages=[{"role": "user", "content": "Hi"}], **fields
    )
    assert told.choices[0].message.content == "Good morning."


async def test_a_model_that_chat_refuses_is_asked_over_responses_from_then_on(meet: Meet) -> None:
    client, provider = await meet(speaking(SAID, chat=refusal(404, NOT_CHAT)))
    await ask(client)
    await ask(client)
    assert paths(provider) == [CHAT, "/responses", "/responses"]


async def test_a_model_that_takes_no_functions_with_thoughts_is_asked_for_the_rest_as_before(
    visit: Visit, provide: Provide
) -> None:
    speaks = speaking(SAID)

    def chat(seen: Seen) -> Answer:
        refuses = "chat" in seen.path and seen.body.get("tools")
        return refusal(400, NO_TOOLS) if refuses else speaks(seen)

    provider = await provide(chat)
    site = await visit(configured(provider.url))
    for fields in ({}, {"tools": CHAT_TOOLS}, {"tools": CHAT_TOOLS}, {}):
        answer = await site.ask("openai/m", **fields)
        assert answer.status == 200
    expected = [CHAT, CHAT, "/responses", "/responses", CHAT]
    assert paths(provider) == expected


async def test_a_server_without_an_endpoint_is_asked_at_another(meet: Meet) -> None:
    client, provider = await meet(speaking(SAID, responses=Whole({"detail": "Not Found"}, 404)))
    for _ in range(2):
        response = await client.responses.create(model="openai/m", input="Hi")
        assert response.output_text == "Good morning."
    assert paths(provider) == ["/responses", CHAT, CHAT]


async def test_a_server_that_has_nothing_is_asked_once_in_each(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"detail": "Not Found"}, 404))
    site = await visit(configured(provider.url))
    for _ in range(2):
        answer = await site.ask("openai/mine")
        assert answer.status == 404
    assert paths(provider) == [CHAT, "/responses", CHAT]


async def test_what_is_about_the_model_teaches_nothing(visit: Visit, provide: Provide) -> None:
    unknown = refusal(404, "The model `m` does not exist or you do not have access to it.")
    provider = await provide(speaking(SAID, chat=unknown))
    site = await visit(configured(provider.url))
    answer = await site.ask("openai/m")
    assert answer.status == 404
    assert paths(provider) == [CHAT]


async def test_the_operators_word_holds_against_a_refusal(visit: Visit, provide: Provide) -> None:
    provider = await provide(speaking(SAID, chat=refusal(404, NOT_CHAT)))
    models = {"mine": {"use": "openai/m", "api": "openai_chat"}}
    site = await visit({**configured(provider.url), "models": models})
    answer = await site.ask("mine")
    assert answer.status == 502
    assert paths(provider) == [CHAT]


async def test_the_model_list_says_what_each_face_does(visit: Visit, provide: Provide) -> None:
    provider = await provide(speaking(SAID))
    names = ("gpt-4o", "gpt-5-pro", "davinci-002")
    models = {name: f"openai/{name}" for name in names}
    site = await visit({**configured(provider.url), "models": models})
    listed = {name: (await site.get(f"/v1/models/{name}")).body["faces"] for name in names}
    relayed = {
        name: {face for face, mode in faces.items() if mode == "relay"} for name, faces in listed.items()
    }
    assert relayed == {
        "gpt-4o": {"openai_chat", "openai_responses"},
        "gpt-5-pro": {"openai_responses"},
        "davinci-002": {"openai_completions"},
    }


ABSENT = Whole("404 page not found", 404, {"content-type": "text/plain"})


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (refusal(404, NOT_CHAT), refusal(404, "No such model in v1/responses."), NOT_CHAT),
        (refusal(404, NOT_CHAT), ABSENT, NOT_CHAT),
        (refusal(404, NOT_CHAT), refusal(400, "`temperature` is too hot."), "`temperature` is too hot."),
        (ABSENT, refusal(503, "We are down."), "We are down."),
    ],
)
async def test_the_first_protocols_error_is_told_where_no_other_has_the_model(
    visit: Visit, provide: Provide, first: Whole, second: Whole, told: str
) -> None:
    """That a path is missing for which the client never asked tells it nothing."""
    provider = await provide(speaking(SAID, chat=first, responses=second))
    site = await visit(configured(provider.url))
    answer = await site.ask("openai/m")
    assert paths(provider) == [CHAT, "/responses"]
    assert told in answer.error["message"]


async def test_a_model_names_the_features_and_the_losses_of_each_face(visit: Visit, provide: Provide) -> None:
    """2.6: beside the mode, what each protocol's clients can have of it, and what they lose."""
    provider = await provide(speaking(SAID))
    site = await visit({**up(provider.url, "anthropic"), "models": {"m": "up/claude-sonnet-4-5"}})
    async with AsyncOpenAI(base_url=site.base + "/v1", api_key="k", max_retries=0) as client:
        told = (await client.models.retrieve("m")).model_extra
    assert told is not None
    faces = told["compatibility"]
    assert faces.keys() == told["faces"].keys()
    lost = {one["feature"]: one["severity"] for one in faces["openai_chat"]["losses"]}
    assert (lost["logit_bias"], lost["seed"]) == ("meaning", "hint")
    assert all(one["reason"] for one in faces["openai_chat"]["losses"])
    assert "tools" in faces["openai_chat"]["features"]
    assert "n" in faces["openai_chat"]["refused"]
    assert faces["anthropic"]["losses"] == []
    asked = await site.ask("m", logit_bias={"1": 1}, headers={"x-dragoman-strict": "1"})
    assert asked.error["code"] == "untranslatable"


async def test_those_who_were_asking_when_it_was_learnt_are_answered_too(meet: Meet) -> None:
    late = refusal(404, NOT_CHAT)
    assert isinstance(late, Whole)
    client, provider = await meet(speaking(SAID, chat=msgspec.structs.replace(late, delay=0.1)))
    await asyncio.gather(*(ask(client) for _ in range(3)))
    assert sorted(paths(provider)) == [CHAT] * 3 + ["/responses"] * 3
