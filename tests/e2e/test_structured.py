"""Answers as JSON by schema: the official client gets its own types from every upstream, in whatever way each
is asked for them; and the check that holds answers to it.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import jsonschema
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from dragoman.testing.provider import FakeProvider
from dragoman.upstreams.local.upstream import embedded
from tests.e2e import stubs
from tests.e2e.calls import MODELS, Answered, Site
from tests.e2e.conftest import Provide, Serve, Visit, up
from tests.e2e.strict import held

LOCAL = pytest.param(
    "local",
    "local/smollm2:135m",
    "text",
    {"temperature": 0},  # a small model that draws its words may not find an end
    marks=[
        pytest.mark.local_model,
        pytest.mark.skipif(not embedded(), reason="the embedded model is not installed"),
    ],
)
THINKING = {"reasoning_effort": "low", "max_completion_tokens": 4000}
WAYS = pytest.mark.parametrize(
    ("dialect", "model", "way", "more"),
    [
        ("openai_chat", "up/gpt-4o", "schema", {}),
        ("openai_chat", "up/gpt-4-0613", "tool", {}),
        ("anthropic", "up/claude-sonnet-4-5", "schema", {}),
        ("anthropic", "up/claude-opus-5-5", "schema", {}),
        ("anthropic", "up/claude-3-5-haiku-20241022", "tool", {}),
        ("anthropic", "up/claude-sonnet-4-20250514", "words", THINKING),
        ("gemini", "up/gemini-2.5-flash", "schema", {}),
        ("mistral", "up/mistral-large-latest", "schema", {}),
        ("simulate", "simulate/lorem", "text", {}),
        LOCAL,
    ],
)


class Step(BaseModel):
    text: str
    minutes: int


class Recipe(BaseModel):
    name: str
    vegetarian: bool
    steps: list[Step]


ASKED: list[Any] = [{"role": "user", "content": "A recipe for tea, with one step."}]
TEA = Recipe(name="Tea \u2013 \u00e9t\u00e9", vegetarian=True, steps=[Step(text='Boil "it".\n', minutes=5)])
RECIPE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "minutes": {"type": "integer", "minimum": 1}},
    "required": ["name", "minutes"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "recipe", "schema": RECIPE, "strict": True}}
GOOD, BAD = '{"name": "Tea", "minutes": 5}', '{"name": "Tea", "minutes": 0}'


def schema_of(dialect: str, body: Any) -> Any:
    """The schema in a provider's request, where its protocol has a place for it."""
    match dialect:
        case "openai_chat" | "mistral":
            wanted = body["response_format"]["json_schema"]
            return wanted.get("schema", wanted.get("schema_definition"))
        case "anthropic":
            return body["output_config"]["format"]["schema"]
        case _:
            config = body["generationConfig"]
            assert config["responseMimeType"] == "application/json"
            return config.get("responseJsonSchema", config.get("responseSchema"))


def asked_by(dialect: str, body: Any) -> str:
    """How a request asks for the form of its answer."""
    if body.get("tools"):
        return "tool"
    if dialect == "anthropic" and "JSON Schema" in json.dumps(body.get("system", "")):
        return "words"
    assert schema_of(dialect, body)["properties"].keys() == {"name", "vegetarian", "steps"}
    return "schema"


class Kitchen:
    """A gateway before one provider, and the official client."""

    def __init__(self, client: AsyncOpenAI, provider: FakeProvider | None) -> None:
        self.chat = client.chat.completions
        self.provider = provider


@pytest.fixture
def kitchen(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Any:
    async def open_(dialect: str, way: str, tool: str = "Recipe") -> Kitchen:
        configuration: dict[str, Any] = {"providers": {"simulate": {"enabled": True}}}
        provider = None
        if dialect in stubs.DIALECTS:
            text = TEA.model_dump_json()
            said = (
                stubs.Said("", calls=(("call_abc12", "Recipe", text),)) if way == "tool" else stubs.Said(text)
            )
            if way == "words":
                said = stubs.Said(text)
            if way == "tool":
                said = stubs.Said("", calls=(("call_abc12", tool, text),))
            elif way == "words":
                said = stubs.Said(f"```json\n{text}\n```\n")
            provider = await provide(held(dialect, stubs.DIALECTS[dialect](said)))
            configuration = up(provider.url, dialect)
        base = await serve(json.dumps(configuration))
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy", max_retries=0, timeout=120)
        return Kitchen(await stack.enter_async_context(client), provider)

    return open_


def check(completion: Any, dialect: str) -> None:
    """The client sees its own type, and nothing of how it was asked for."""
    [choice] = completion.choices
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls
    jsonschema.validate(json.loads(choice.message.content), Recipe.model_json_schema())
    assert isinstance(choice.message.parsed, Recipe)
    if dialect in stubs.DIALECTS:
        assert choice.message.content == TEA.model_dump_json()
        assert choice.message.parsed == TEA


@WAYS
async def test_the_official_client_parses_an_answer(
    kitchen: Any, dialect: str, model: str, way: str, more: dict[str, Any]
) -> None:
    place = await kitchen(dialect, way)
    answer = await place.chat.parse(model=model, messages=ASKED, response_format=Recipe, **more)
    check(answer, dialect)
    if place.provider is not None:
        [seen] = place.provider.seen
        assert asked_by(dialect, seen.body) == way


@WAYS
async def test_the_official_client_parses_a_stream(
    kitchen: Any, dialect: str, model: str, way: str, more: dict[str, Any]
) -> None:
    place = await kitchen(dialect, way)
    pieces = 0
    async with place.chat.stream(model=model, messages=ASKED, response_format=Recipe, **more) as stream:
        async for event in stream:
            assert not event.type.startswith("tool_calls")
            pieces += event.type == "content.delta"
        check(await stream.get_final_completion(), dialect)
    assert pieces > 3


@pytest.mark.parametrize(
    ("dialect", "model", "way"),
    [
        ("openai_chat", "up/gpt-4o", "schema"),
        ("anthropic", "up/claude-sonnet-4-5", "tool"),
        ("anthropic", "up/claude-opus-5-5", "words"),  # refuses forced tools
        ("gemini", "up/gemini-2.5-flash", "schema"),
        ("mistral", "up/mistral-large-latest", "schema"),
        ("simulate", "simulate/lorem", "text"),
        pytest.param(*LOCAL.values[:3], marks=LOCAL.marks),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_json_mode(kitchen: Any, dialect: str, model: str, way: str, stream: bool) -> None:
    place = await kitchen(dialect, way, tool="answer")
    answer = await place.chat.create(
        model=model,
        messages=[{"role": "user", "content": "Tea as JSON, please."}],
        response_format={"type": "json_object"},
        max_completion_tokens=48 if dialect == "local" else 200,
        stream=stream,
    )
    choices = [one.choices[0] async for one in answer if one.choices] if stream else answer.choices
    said = [choice.delta if stream else choice.message for choice in choices]
    assert not any(one.tool_calls for one in said)
    if choices[-1].finish_reason == "length":
        assert dialect == "local"  # a small model may not find an end
    else:
        assert choices[-1].finish_reason == "stop"
        assert isinstance(json.loads("".join(one.content or "" for one in said)), dict)


# --- The check ---------------------------------------------------------------------------------------------

ON = {"check_output": True}


async def cook(
    provide: Provide, visit: Visit, *texts: stubs.Said | str, **more: Any
) -> tuple[Site, FakeProvider]:
    """A gateway before an OpenAI that answers with these texts, one after the other."""
    said = [one if isinstance(one, stubs.Said) else stubs.Said(one) for one in texts]
    provider = await provide(*(held("openai_chat", stubs.openai_chat(one)) for one in said))
    return await visit({**up(provider.url), **more}), provider


async def ask(site: Site, model: str = "up/gpt-4o", **fields: Any) -> Answered:
    return await site.ask(model, response_format=FORMAT, **fields)


async def test_a_good_answer_passes(provide: Provide, visit: Visit) -> None:
    site, _ = await cook(provide, visit, GOOD, **ON)
    assert (await ask(site)).text == GOOD
    streamed = await ask(site, stream=True)
    assert streamed.text == GOOD
    assert streamed.events[-1] == "[DONE]"


async def test_without_the_check_an_answer_is_what_it_is(provide: Provide, visit: Visit) -> None:
    site, _ = await cook(provide, visit, BAD)
    assert (await ask(site)).text == BAD
    assert (await ask(site, stream=True)).text == BAD


async def test_a_bad_answer_is_tried_again_and_then_an_error(provide: Provide, visit: Visit) -> None:
    retries = {"retries": {"attempts": 2, "backoff": 0}}
    site, provider = await cook(provide, visit, BAD, GOOD, BAD, **ON, **retries)
    assert (await ask(site)).text == GOOD
    assert len(provider.seen) == 2
    answer = await ask(site)
    assert answer.status == 502
    assert answer.error["code"] == "invalid_output"
    assert answer.error["message"] == "The model's response does not match its schema at $.minutes (minimum)."
    assert len(provider.seen) == 4


async def test_the_next_deployment_is_asked(provide: Provide, visit: Visit) -> None:
    first = await provide(stubs.anthropic(stubs.Said(BAD)))
    second = await provide(stubs.mistral(stubs.Said(GOOD)))
    site = await visit(
        {
            "providers": {
                "one": {"dialect": "anthropic", "base_url": first.url, "keys": ["k"]},
                "two": {"dialect": "mistral", "base_url": second.url, "keys": ["k"]},
            },
            "models": {
                "m": {"deployments": ["one/claude-sonnet-4-5", "two/mistral-large-latest"], **ON},
            },
        }
    )
    answer = await ask(site, "m")
    assert (answer.status, answer.text) == (200, GOOD)
    assert answer.headers["x-dragoman-deployment"] == "two/mistral-large-latest"
    assert (len(first.seen), len(second.seen)) == (1, 1)


@pytest.mark.parametrize("dialect", stubs.DIALECTS)
async def test_a_stream_passes_as_it_comes_and_ends_with_the_error(
    provide: Provide, visit: Visit, dialect: str
) -> None:
    provider = await provide(stubs.DIALECTS[dialect](stubs.Said(BAD)))
    site = await visit({**up(provider.url, dialect), **ON})
    answer = await ask(site, MODELS[dialect], stream=True)
    assert answer.status == 200
    *chunks, last = answer.events
    assert last["error"]["code"] == "invalid_output"
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == BAD
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)


async def test_a_stream_without_any_text_fails_over(provide: Provide, visit: Visit) -> None:
    site, provider = await cook(provide, visit, "", GOOD, **ON, retries={"attempts": 2, "backoff": 0})
    assert (await ask(site, stream=True)).text == GOOD
    assert len(provider.seen) == 2


async def test_the_official_client_is_told(provide: Provide, serve: Serve, stack: AsyncExitStack) -> None:
    provider = await provide(stubs.openai_chat(stubs.Said(BAD)))
    base = await serve(json.dumps({**up(provider.url), **ON}))
    client = await stack.enter_async_context(AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0))
    wanted: Any = {"model": "up/gpt-4o", "messages": ASKED, "response_format": FORMAT}
    with pytest.raises(openai.InternalServerError) as whole:
        await client.chat.completions.create(**wanted)
    assert whole.value.code == "invalid_output"
    with pytest.raises(openai.APIError) as streamed:
        _ = [chunk async for chunk in await client.chat.completions.create(**wanted, stream=True)]
    assert streamed.value.code == "invalid_output"


async def test_every_candidate_is_checked(provide: Provide, visit: Visit) -> None:
    site, _ = await cook(provide, visit, stubs.Said(GOOD, others=(BAD,)), **ON)
    assert (await ask(site)).status == 200
    assert (await ask(site, n=2)).error["code"] == "invalid_output"


@pytest.mark.parametrize(
    "said", [stubs.Said(BAD, stop="length"), stubs.Said("", calls=(("call_1", "get_weather", "{}"),))]
)
async def test_what_is_no_complete_answer_is_not_checked(
    provide: Provide, visit: Visit, said: stubs.Said
) -> None:
    site, _ = await cook(provide, visit, said, **ON)
    tools = [{"type": "function", "function": {"name": "get_weather"}}]
    assert (await ask(site, tools=tools)).status == 200
    assert (await ask(site, tools=tools, stream=True)).events[-1] == "[DONE]"


async def test_text_that_nobody_asked_as_json_is_not_checked(provide: Provide, visit: Visit) -> None:
    site, _ = await cook(provide, visit, "Hello!", **ON)
    assert (await site.ask("up/gpt-4o")).text == "Hello!"
    assert (await site.ask("up/gpt-4o", response_format={"type": "text"})).text == "Hello!"


async def test_json_mode_must_be_json(provide: Provide, visit: Visit) -> None:
    messages = [{"role": "user", "content": "Tea as JSON, please."}]
    fields = {"messages": messages, "response_format": {"type": "json_object"}}
    site, _ = await cook(provide, visit, BAD, "Hello!", **ON)
    assert (await site.ask("up/gpt-4o", **fields)).text == BAD
    refused = await site.ask("up/gpt-4o", **fields)
    assert (refused.status, refused.error["message"]) == (502, "The model's response is not JSON.")


async def test_an_alias_wins_over_its_model_and_the_header_over_all(provide: Provide, visit: Visit) -> None:
    named = {
        "models": {"checked": {"use": "up/gpt-4o", "check_output": True}},
        "aliases": {"unchecked": {"route": "checked", "check_output": False}},
    }
    site, _ = await cook(provide, visit, BAD, **named)
    for model, header, status in (
        ("up/gpt-4o", None, 200),
        ("checked", None, 502),
        ("unchecked", None, 200),
        ("unchecked", "1", 502),
        ("up/gpt-4o", "1", 502),
        ("checked", "0", 200),
        ("checked", "no", 502),
    ):
        headers = {} if header is None else {"x-dragoman-check-output": header}
        answer = await ask(site, model, headers=headers)
        assert answer.status == status, (model, header)


async def test_what_an_alias_adds_is_checked(provide: Provide, visit: Visit) -> None:
    alias = {"route": "up/gpt-4o", "defaults": {"response_format": FORMAT}, **ON}
    site, _ = await cook(provide, visit, BAD, aliases={"recipe": alias})
    assert (await site.ask("recipe")).error["code"] == "invalid_output"


@pytest.mark.parametrize(
    ("broken", "param"),
    [
        ({"type": "strnig"}, "type"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "$ref"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "a{2000000}"}, "pattern"),
        ({"pattern": r"\d{90000000}"}, "pattern"),
        ({"pattern": "(?i)(?:k{1900}){1900}"}, "pattern"),
        ({"patternProperties": {"(?:(?:a+b){2,}){9000}": {}}}, "patternProperties"),
    ],
)
async def test_a_schema_that_cannot_be_checked_is_refused_before_the_call(
    provide: Provide, visit: Visit, broken: dict[str, Any], param: str
) -> None:
    site, provider = await cook(provide, visit, GOOD, **ON)
    schema = {"type": "object", "properties": {"a": broken}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    refused = await site.ask("up/gpt-4o", response_format=wanted)
    assert refused.status == 400
    assert refused.error["param"] == f"response_format.json_schema.schema.properties.a.{param}"
    assert provider.seen == []


async def test_a_check_that_cannot_be_made_is_refused(
    provide: Provide, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, provider = await cook(provide, visit, GOOD)
    monkeypatch.setattr("dragoman.engine.plan.available", lambda: False)
    refused = await ask(site, headers={"x-dragoman-check-output": "1"})
    assert refused.status == 400
    assert (refused.error["code"], refused.error["param"]) == ("unsupported_value", "x-dragoman-check-output")
    assert "the extra `schema`" in refused.error["message"]
    assert provider.seen == []
    assert (await ask(site)).status == 200


ONE_NUMBER = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
SPELLINGS = [
    {"response_format": {"type": "json_object", "value": ONE_NUMBER}},  # huggingface_hub
    {"response_format": {"type": "json_object", "schema": ONE_NUMBER}},  # Together, Fireworks
    {"guided_json": ONE_NUMBER},  # vLLM, its older clients
    {"structured_outputs": {"json": ONE_NUMBER}},  # and the newer
]


@pytest.mark.parametrize("spelt", SPELLINGS, ids=[str(spelt)[:40] for spelt in SPELLINGS])
@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "mistral"])
async def test_schemas_in_the_words_of_servers_reach_other_providers(
    provide: Provide, visit: Visit, dialect: str, spelt: dict[str, Any]
) -> None:
    provider = await provide(held(dialect, stubs.DIALECTS[dialect](stubs.Said('{"a": 1}'))))
    site = await visit(up(provider.url, dialect))
    answered = await site.ask(MODELS[dialect], **spelt)
    assert json.loads(answered.text) == {"a": 1}
    assert answered.headers["x-dragoman-losses"] == "0"
    sent = json.dumps(provider.last.body)
    assert '"required": ["a"]' in sent
