"""Row 0.6: what only a protocol's author refuses is refused before anything is sent, unless somebody else's
server of that protocol is asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.said import Said
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
LOOK = {"type": "function", "function": {"name": "look", "parameters": OPEN}}
STRICT = {"type": "function", "function": {"name": "look", "strict": True, "parameters": OPEN}}
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": "https://a.example/b.png"}]}]
BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "five stops": ({"stop": list("abcde")}, "stop"),
    "no tools": ({"tools": []}, "tools"),
    "another form": ({"response_format": {"type": "grammar"}}, "response_format.type"),
    "another effort": ({"reasoning_effort": "ultra"}, "reasoning_effort"),
    "a number of logprobs": ({"logprobs": 10}, "logprobs"),
    "an open schema": ({"tools": [STRICT]}, "tools[0].function.parameters"),
    "a bare address": ({"messages": PICTURE}, "messages[0].content[0].image_url"),
    "a choice without its type": (
        {"tools": [LOOK], "tool_choice": {"function": {"name": "look"}}},
        "tool_choice.type",
    ),
}
EVERYTHING = pytest.mark.parametrize(("fields", "param"), list(BEYOND.values()), ids=list(BEYOND))


async def before(visit: Visit, provide: Provide, rows: dict[str, dict[str, Any]], **more: Any) -> Any:
    """A gateway before these providers, each with its fake."""
    answers = {"anthropic": anthropic, "gemini": gemini}
    fakes: dict[str, FakeProvider] = {}
    providers = {}
    for name, row in rows.items():
        answer = answers.get(row.get("dialect", name), openai_chat)
        fakes[name] = await provide(answer(Said("Ha.")))
        providers[name] = {"base_url": fakes[name].url, "keys": ["up-key"], "apis": [], **row}
    site: Site = await visit({"providers": providers, "retries": {"attempts": 1}, **more})
    return site, fakes


@EVERYTHING
@pytest.mark.parametrize(
    ("name", "model"),
    [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash")],
)
async def test_openai_and_other_protocols_are_not_asked(
    visit: Visit, provide: Provide, name: str, model: str, fields: dict[str, Any], param: str
) -> None:
    site, fakes = await before(visit, provide, {name: {}})
    told = await site.ask(f"{name}/{model}", **fields)
    assert (told.status, told.error["type"], told.error["param"]) == (400, "invalid_request_error", param)
    assert fakes[name].seen == []


@EVERYTHING
@pytest.mark.parametrize("name", ["up", "together", "deepseek"])
async def test_a_compatible_server_judges_for_itself(
    visit: Visit, provide: Provide, name: str, fields: dict[str, Any], param: str
) -> None:
    """`up` is relayed to; the quirks of `deepseek` need the codec, which carries it all the same."""
    row = {"dialect": "openai_chat"} if name == "up" else {}
    site, fakes = await before(visit, provide, {name: row})
    told = await site.ask(f"{name}/m", **fields)
    assert (told.status, told.text) == (200, "Ha.")
    sent = fakes[name].last.body
    if name == "up" or fields.keys().isdisjoint({"reasoning_effort", "response_format"}):
        assert {key: sent[key] for key in fields} == fields  # the others have their own words for these two


async def test_a_number_of_tokens_below_one_is_known_to_some(visit: Visit, provide: Provide) -> None:
    rows = {"lmstudio": {}, "up": {"dialect": "openai_chat"}, "openai": {}, "gemini": {}}
    site, fakes = await before(visit, provide, rows)
    told = await site.ask("lmstudio/m", max_tokens=-1)
    assert (told.status, fakes["lmstudio"].last.body["max_tokens"]) == (200, -1)
    for model in ("up/m", "openai/gpt-4o", "gemini/gemini-2.5-flash"):
        for member in ("max_tokens", "max_completion_tokens"):
            told = await site.ask(model, **{member: -5})
            assert (told.status, told.error["param"]) == (400, member)
            assert told.error["code"] == "integer_below_min_value"
    assert [fakes[name].seen for name in ("up", "openai", "gemini")] == [[], [], []]


async def test_writers_clients_send_calls_without_ids(visit: Visit, provide: Provide) -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "Nothing."},
    ]
    site, fakes = await before(visit, provide, {"writer": {}, "up": {"dialect": "openai_chat"}})
    assert (await site.ask("writer/palmyra-x4", messages=history)).status == 200
    assert fakes["writer"].last.body["messages"] == history
    told = await site.ask("up/m", messages=history)
    assert (told.status, told.error["param"]) == (400, "messages[1].tool_calls[0].id")


async def test_of_a_route_those_are_asked_that_take_it(visit: Visit, provide: Provide) -> None:
    rows = {"openai": {}, "up": {"dialect": "openai_chat"}, "anthropic": {}}
    route = {"deployments": ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "up/m"]}
    site, fakes = await before(visit, provide, rows, models={"any": route})
    told = await site.ask("any", stop=list("abcde"))
    assert (told.status, told.headers["x-dragoman-deployment"]) == (200, "up/m")
    assert [fakes[name].seen for name in ("openai", "anthropic")] == [[], []]


async def test_an_operator_may_say_what_a_server_takes(visit: Visit, provide: Provide) -> None:
    rows = {"up": {"dialect": "openai_chat", "quirks": {"widens": ["stop"]}}}
    site, _ = await before(visit, provide, rows)
    assert (await site.ask("up/m", stop=list("abcde"))).status == 200
    told = await site.ask("up/m", tools=[])
    assert (told.status, told.error["param"]) == (400, "tools")


@pytest.mark.parametrize(
    ("dialect", "temperature", "status"), [("anthropic", 1.5, 200), ("gemini", 1.5, 400)]
)
async def test_in_the_face_of_anthropic_it_is_the_same(
    visit: Visit, provide: Provide, dialect: str, temperature: float, status: int
) -> None:
    site, fakes = await before(visit, provide, {"up": {"dialect": dialect}})
    body = {"model": "up/m", "max_tokens": 9, "temperature": temperature}
    body["messages"] = [{"role": "user", "content": "Hi"}]
    async with site.session.post(site.base + "/v1/messages", json=body) as response:
        told = await response.json()
    assert response.status == status
    if status == 400:
        assert told["error"]["type"] == "invalid_request_error"
        assert "temperature: Input should be less than or equal to 1" in told["error"]["message"]
        assert fakes["up"].seen == []


async def test_in_the_face_of_ollama_it_is_the_same(visit: Visit, provide: Provide) -> None:
    site, fakes = await before(visit, provide, {"up": {"dialect": "openai_chat"}})
    body = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}], "options": {"temperature": -1}}
    async with site.session.post(site.base + "/api/chat", json=body) as response:
        told = await response.json()
    assert (response.status, told["error"]) == (400, 'option "temperature" must be at least 0')
    assert fakes["up"].seen == []
