"""Tools over every upstream: a client cannot tell from the calls who made them, and each provider gets the
results in its own form.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from openai import AsyncOpenAI

from dragoman import ir
from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider
from dragoman.upstreams.local.upstream import embedded
from dragoman.upstreams.upstream import Batches, Call, Native
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.strict import held

LOCAL = pytest.param(
    "local",
    marks=[
        pytest.mark.local_model,
        pytest.mark.skipif(not embedded(), reason="the embedded model is not installed"),
    ],
)
PROVIDERS = pytest.mark.parametrize("dialect", stubs.DIALECTS)
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
ALL = {**MODELS, "simulate": "simulate/tools", "own": "own/m", "local": "local/smollm2:135m"}
IDS = {
    "openai_chat": ("call_AAAAAAAAAAAAAAAAAAAAAAAA", "call_BBBBBBBBBBBBBBBBBBBBBBBB"),
    "anthropic": ("toolu_01AAAAAAAAAAAAAAAAAAAAAA", "toolu_01BBBBBBBBBBBBBBBBBBBBBB"),
    "gemini": ("", ""),  # it need not give any
    "mistral": ("aaaaaaaaa", "bbbbbbbbb"),
}
ASKED: list[Any] = [{"role": "user", "content": "Call get_weather for Oslo and Rome."}]


def tool(name: str) -> Any:
    properties = {"city": {"type": "string", "enum": ["Oslo", "Rome"]}}
    parameters = {"type": "object", "properties": properties, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": "Looks.", "parameters": parameters}}


class Talk:
    """The official client before a gateway, and the provider behind it."""

    def __init__(self, client: AsyncOpenAI, model: str, provider: FakeProvider | None) -> None:
        self.client = client
        self.model = model
        self.provider = provider

    async def ask(self, *, stream: bool, **fields: Any) -> tuple[dict[str, Any], str]:
        """The assistant's message as plain JSON, and the finish reason."""
        answer: Any = await self.client.chat.completions.create(
            model=self.model, stream=stream, **{"messages": ASKED, **fields}
        )
        if not stream:
            [choice] = answer.choices
            return choice.message.model_dump(exclude_none=True), choice.finish_reason
        message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
        finish = ""
        async for chunk in answer:
            for choice in chunk.choices:
                message["content"] += choice.delta.content or ""
                for piece in choice.delta.tool_calls or ():
                    _add(message["tool_calls"], piece.model_dump(exclude_none=True))
                finish = choice.finish_reason or finish
        return message, finish


def _add(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """More of a call: the first piece brings id, type and name, the others arguments alone."""
    index = piece.pop("index")
    if index == len(calls):
        assert piece["id"]
        assert piece["type"] == "function"
        assert piece["function"]["name"]
        calls.append({**piece, "function": {"arguments": "", **piece["function"]}})
    else:
        assert set(piece) <= {"function", "id", "type"}
        assert not piece["function"].get("name")
        calls[index]["function"]["arguments"] += piece["function"]["arguments"]


@pytest.fixture
def talk(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Any:
    async def begin(dialect: str, *said: stubs.Said, **options: Any) -> Talk:
        configuration: dict[str, Any] = {"providers": {"simulate": {"enabled": True}}}
        provider = None
        if said:
            provider = await provide(*(held(dialect, stubs.DIALECTS[dialect](one)) for one in said))
            configuration = up(provider.url, dialect)
        base = await serve(json.dumps(configuration), **options)
        client = AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy", max_retries=0, timeout=120)
        return Talk(await stack.enter_async_context(client), ALL[dialect], provider)

    return begin


def calling(dialect: str, *names: str) -> stubs.Said:
    cities = ('{"city": "Oslo"}', '{"city": "Rome"}')
    return stubs.Said("", tuple(zip(IDS[dialect], names, cities, strict=False)))


def plain(calls: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Name and arguments of calls that are written as OpenAI writes them."""
    for call in calls:
        assert set(call) == {"id", "type", "function"}
        assert set(call["function"]) == {"name", "arguments"}
        assert call["type"] == "function"
        assert isinstance(call["function"]["arguments"], str)
        assert re.fullmatch(r"[A-Za-z0-9_-]+", call["id"])
    assert len({call["id"] for call in calls}) == len(calls)
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


@PROVIDERS
@STREAM
async def test_parallel_calls_look_the_same(talk: Any, dialect: str, stream: bool) -> None:
    place = await talk(dialect, calling(dialect, "get_weather", "get_time"))
    message, finish = await place.ask(stream=stream, tools=[tool("get_weather"), tool("get_time")])
    assert finish == "tool_calls"
    assert plain(message["tool_calls"]) == [("get_weather", {"city": "Oslo"}), ("get_time", {"city": "Rome"})]
    given = [call["id"] for call in message["tool_calls"]]
    assert not any(IDS[dialect]) or given == list(IDS[dialect])


@pytest.mark.parametrize("dialect", ["simulate", LOCAL])
@STREAM
async def test_calls_of_our_own_models_look_the_same(talk: Any, dialect: str, stream: bool) -> None:
    place = await talk(dialect)
    tools = [tool("get_time"), tool("get_weather")]
    choices: list[Any] = ["required", {"type": "function", "function": {"name": "get_weather"}}]
    for choice in choices:
        message, finish = await place.ask(stream=stream, tools=tools, tool_choice=choice, temperature=0)
        assert finish == "tool_calls"
        [(name, arguments)] = plain(message["tool_calls"])
        assert name == "get_weather" or (choice == "required" and name == "get_time")
        assert arguments["city"] in {"Oslo", "Rome"}


# --- The second turn -------------------------------------------------------------------------------


def results_in(dialect: str, body: Any) -> list[tuple[str, Any]]:
    """The results that a provider was sent: for which of its calls, and what; in its native form."""
    if dialect in {"openai_chat", "mistral"}:
        # Mistral lets no user speak right after a tool, so the assistant speaks between them.
        between = ["assistant"] if dialect == "mistral" else []
        said, results = body["messages"][1], body["messages"][2:4]
        roles = [one["role"] for one in body["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", *between, "user"]
        named = {call["id"]: call["function"]["name"] for call in said["tool_calls"]}
        return [(named[one["tool_call_id"]], one["content"]) for one in results]
    if dialect == "anthropic":
        user, said, answered = body["messages"]
        assert [one["role"] for one in (user, said, answered)] == ["user", "assistant", "user"]
        uses = {block["id"]: block for block in said["content"]}
        *results, after = answered["content"]
        assert after["type"] == "text"
        assert [one["type"] for one in results] == ["tool_result"] * 2
        return [(uses[one["tool_use_id"]]["name"], one["content"]) for one in results]
    user, said, answered = body["contents"]
    assert [one["role"] for one in (user, said, answered)] == ["user", "model", "user"]
    *results, after = answered["parts"]
    assert after == {"text": "And so?"}
    return [(one["functionResponse"]["name"], one["functionResponse"]["response"]) for one in results]


@PROVIDERS
@STREAM
async def test_results_reach_each_provider_in_its_own_form(talk: Any, dialect: str, stream: bool) -> None:
    tools = [tool("get_weather"), tool("get_time")]
    place = await talk(dialect, calling(dialect, "get_weather", "get_time"), stubs.Said("Rain at noon."))
    message, _ = await place.ask(stream=stream, tools=tools)
    answers = zip(message["tool_calls"], ("rain", "noon"), strict=True)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": text} for call, text in answers]
    messages = [*ASKED, message, *results, {"role": "user", "content": "And so?"}]
    said, finish = await place.ask(stream=stream, tools=tools, messages=messages)
    assert (said["content"], finish) == ("Rain at noon.", "stop")
    told = results_in(dialect, place.provider.seen[1].body)
    assert [name for name, _ in told] == ["get_weather", "get_time"]
    assert ["rain" in json.dumps(text) for _, text in told] == [True, False]
    assert ["noon" in json.dumps(text) for _, text in told] == [False, True]


@pytest.mark.parametrize("dialect", ["simulate", LOCAL])
async def test_our_own_models_take_results(talk: Any, dialect: str) -> None:
    place = await talk(dialect)
    tools = [tool("get_weather")]
    message, _ = await place.ask(stream=False, tools=tools, tool_choice="required")
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "rain"}
    messages = [{"role": "user", "content": "Oslo?"}, message, result]
    said, _ = await place.ask(
        stream=False, tools=tools, tool_choice="none", messages=messages, max_completion_tokens=20
    )
    assert said["content"]
    assert "tool_calls" not in said


# --- Names -----------------------------------------------------------------------------------------

FOREIGN = "ns.tool/with spaces"


class Renames:
    """A hook that brings a tool with a name that no provider takes."""

    name = "renames"

    def before(self, _exchange: Exchange, request: ir.Request) -> ir.Request:
        tools = [
            replace(one, name=FOREIGN) if isinstance(one, ir.Function) and one.name == "foreign" else one
            for one in request.tools or ()
        ]
        return replace(request, tools=tuple(tools))


@PROVIDERS
@STREAM
async def test_a_name_that_no_provider_takes_comes_back(talk: Any, dialect: str, stream: bool) -> None:
    place = await talk(dialect, calling(dialect, "ns_tool_with_spaces"), hooks=[Renames()])
    message, finish = await place.ask(stream=stream, tools=[tool("foreign"), tool("get_weather")])
    assert finish == "tool_calls"
    assert plain(message["tool_calls"]) == [(FOREIGN, {"city": "Oslo"})]
    assert FOREIGN not in place.provider.seen[0].raw.decode()


@PROVIDERS
@STREAM
async def test_a_name_that_one_provider_refuses_is_the_clients_own(
    talk: Any, dialect: str, stream: bool
) -> None:
    """Gemini's names begin with a letter."""
    sent = "_7zip" if dialect == "gemini" else "7zip"
    place = await talk(dialect, calling(dialect, sent), stubs.Said("Done."))
    message, _ = await place.ask(stream=stream, tools=[tool("7zip")])
    assert plain(message["tool_calls"]) == [("7zip", {"city": "Oslo"})]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "ok"}
    await place.ask(stream=stream, tools=[tool("7zip")], messages=[*ASKED, message, result])
    for seen in place.provider.seen:
        names = set(re.findall(r'"name": ?"(\w*7zip)"', seen.raw.decode()))
        assert names == {sent}


# --- Free text -------------------------------------------------------------------------------------

RUN: Any = {"type": "custom", "custom": {"name": "run", "description": "Runs a script."}}


@pytest.mark.parametrize("dialect", [one for one in stubs.DIALECTS if one != "openai_chat"])
@STREAM
async def test_tools_with_free_text(talk: Any, dialect: str, stream: bool) -> None:
    """OpenAI has them itself; for the others they are functions."""
    said = stubs.Said("", ((IDS[dialect][0], "run", json.dumps({"input": 'print("\u00e9\n")'})),))
    place = await talk(dialect, said)
    answer: Any = await place.client.chat.completions.create(
        model=place.model, messages=ASKED, tools=[RUN], stream=stream
    )
    pieces = [
        call.model_dump(exclude_none=True)
        for one in ([chunk async for chunk in answer] if stream else [answer])
        for choice in one.choices
        for call in (choice.delta if stream else choice.message).tool_calls or ()
    ]
    assert pieces[0]["type"] == "custom"
    assert pieces[0]["custom"]["name"] == "run"
    assert "".join(piece["custom"].get("input", "") for piece in pieces) == 'print("\u00e9\n")'


@pytest.mark.parametrize("dialect", ["simulate", LOCAL])
async def test_tools_with_free_text_on_our_own_models(talk: Any, dialect: str) -> None:
    place = await talk(dialect)
    forced = {"type": "custom", "custom": {"name": "run"}}
    # Without the penalty so small a model comes to no end of what it writes down.
    message, finish = await place.ask(
        stream=False,
        tools=[RUN],
        tool_choice=forced,
        temperature=0,
        frequency_penalty=0.5,
        max_completion_tokens=200,
    )
    [call] = message["tool_calls"]
    assert (call["type"], call["custom"]["name"]) == ("custom", "run")
    assert finish == "tool_calls"
    assert isinstance(call["custom"]["input"], str)


class Modest:
    """Somebody's own upstream, which can do little and says so: it calls the last tool that it is given."""

    name = "own"
    native = Native(frozenset({"forced_tool"}), "[a-z0-9_]{1,16}")

    def __init__(self) -> None:
        self.asked: list[ir.Request] = []

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        self.asked.append(request)

        async def answer() -> Batches:
            *_, last = request.tools or ()
            assert isinstance(last, ir.Function)
            arguments = (
                TEA if last.kind == "function" and "tea" in json.dumps(last.parameters) else '{"input": "x"}'
            )
            yield [ir.Start("own", model=request.model), ir.Open(0, ir.ToolCall("1", last.name, arguments))]
            yield [ir.Close(0), ir.Finish(ir.Stop("tool")), ir.End()]

        yield answer()


TEA = '{"tea": true}'


@STREAM
async def test_an_upstream_without_a_dialect_says_what_it_takes(talk: Any, stream: bool) -> None:
    own = Modest()
    place = await talk("own", upstreams={"own": own})
    schema = {"type": "object", "properties": {"tea": {"type": "boolean"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "Hot_Drink", "schema": schema}}
    message, finish = await place.ask(stream=stream, response_format=wanted)
    assert (message["content"], finish) == (TEA, "stop")
    message, finish = await place.ask(stream=stream, tools=[tool("get-weather")])
    assert (message["tool_calls"][0]["function"]["name"], finish) == ("get-weather", "tool_calls")
    names = [one.name for request in own.asked for one in request.tools or () if isinstance(one, ir.Function)]
    assert all(re.fullmatch(own.native.tool_name, name) for name in names)


# --- Tools and a form of the answer ----------------------------------------------------------------


@pytest.mark.local_model
@pytest.mark.skipif(not embedded(), reason="the embedded model is not installed")
@STREAM
async def test_tools_and_a_schema_on_the_embedded_model(talk: Any, stream: bool) -> None:
    """The grammar allows a call or an answer of this form, and nothing else."""
    place = await talk("local")
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    message, finish = await place.ask(
        stream=stream, tools=[tool("get_weather")], response_format=wanted, temperature=0
    )
    if finish == "tool_calls":
        assert plain(message["tool_calls"])[0][0] == "get_weather"
    else:
        assert finish == "stop"
        assert json.loads(message["content"]) in ({"mood": "good"}, {"mood": "bad"})
        assert not message.get("tool_calls")
    message, finish = await place.ask(
        stream=stream, tools=[tool("get_weather")], tool_choice="required", response_format=wanted
    )
    assert finish == "tool_calls"
    message, finish = await place.ask(
        stream=stream, tools=[tool("get_weather")], tool_choice="none", response_format=wanted
    )
    assert json.loads(message["content"])["mood"] in {"good", "bad"}
