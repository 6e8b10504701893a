"""Signatures, and what the provider's own tools did, survive a client whose protocol has no place for them
(rows 0.27 and 5.6).

Each conversation is had through the gateway by the official client, which sends back what it keeps: content
and calls. What the provider then gets must hold every signature byte for byte, where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from dragoman.testing.provider import FakeProvider, Whole
from tests.e2e.conftest import Provide, Serve
from tests.e2e.talk import ANTHROPIC, CHAT, GEMINI, Said, Talk, Told, Voice, answer, talks

STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
OWN = Path(__file__).with_name("talks")
RECORDED = Path(__file__).parents[3] / "shared" / "wire"

Wire = dict[str, Any]
KEYS = ("the-first-client-key", "the-second-client-key")
OWNERS = [f"client-key-{number:03}" for number in range(200)]
"""One for each recorded conversation: some of them have the same ids of calls."""
CLOSING: Wire = {"role": "assistant", "content": "Done.", "parts": [{"text": "Done."}]}


async def heard(client: AsyncOpenAI, asked: Wire, *, stream: bool) -> Wire:
    """The assistant's message as a client keeps it: content and calls, nothing else."""
    if not stream:
        whole = (await client.chat.completions.create(**asked)).choices[0].message
        return kept(
            whole.content,
            [call.model_dump(include={"id", "type", "function"}) for call in whole.tool_calls or ()],
        )
    content = ""
    calls: dict[int, Wire] = {}
    async for chunk in await client.chat.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for delta in choice.delta.tool_calls or ():
                call = calls.setdefault(
                    delta.index,
                    {"id": delta.id, "type": "function", "function": {"name": "", "arguments": ""}},
                )
                assert delta.function is not None
                call["function"]["name"] += delta.function.name or ""
                call["function"]["arguments"] += delta.function.arguments or ""
    return kept(content, list(calls.values()))


def kept(content: str | None, calls: list[Wire]) -> Wire:
    message: Wire = {"role": "assistant", "content": content or None}
    if calls:
        message["tool_calls"] = calls
    elif not content:
        message["content"] = ""
    return message


async def have(
    talk: Talk, voice: Voice, client: AsyncOpenAI, provider: FakeProvider, *, stream: bool
) -> tuple[list[Told], list[Told]]:
    """Have a conversation; what the last request brings of each answer, and what it must bring."""
    asked: Wire = {"model": f"up/{talk.model}", "messages": [], **talk.wishes}
    answers, ids = iter(talk.answers), dict[str, str]()
    expected: list[Told] = []

    async def ask(said: Said) -> Wire:
        script, told = answer(voice, said, stream=stream)
        expected.append(told)
        provider.answers.clear()
        provider.answers.append(script)
        return await heard(client, asked, stream=stream)

    for message in talk.messages:
        sent = message
        if message["role"] == "assistant":
            sent = await ask(next(answers))
            pairs = zip(message.get("tool_calls", ()), sent.get("tool_calls", ()), strict=True)
            ids.update({old["id"]: new["id"] for old, new in pairs})
        elif message["role"] == "tool":
            sent = {**message, "tool_call_id": ids[message["tool_call_id"]]}
        asked["messages"] = [*asked["messages"], sent]
    await ask(Said(voice.said(CLOSING)))
    return voice.returned(provider.last.body), expected[:-1]


async def client_of(
    serve: Serve, provider: FakeProvider, settings: Wire, more: Wire | None = None, **options: Any
) -> AsyncOpenAI:
    """A client of a gateway with this provider as `up`. more: further configuration."""
    up = {**settings, "base_url": provider.url, "keys": ["up-key"]}
    configuration = {"providers": {"up": up}, "retries": {"attempts": 1}, **(more or {})}
    base = await serve(json.dumps(configuration), **options)
    return AsyncOpenAI(base_url=f"{base}/v1", api_key=KEYS[0], max_retries=0)


# --- Recorded conversations -----------------------------------------------------------------------

VERTEX: Wire = {"dialect": "gemini", "quirks": {"call_ids": False, "server_call_parts": False}}
RECORDINGS: dict[str, tuple[Voice, Wire, int]] = {
    "anthropic.messages": (ANTHROPIC, {"dialect": "anthropic"}, 21),
    "deepseek.chat": (CHAT, {"catalog": "deepseek"}, 6),
    "gemini.generateContent": (GEMINI, {"dialect": "gemini"}, 90),
    "gemini.streamGenerateContent": (GEMINI, {"dialect": "gemini"}, 18),
    "vertex.generateContent": (GEMINI, VERTEX, 43),
    "vertex.streamGenerateContent": (GEMINI, VERTEX, 14),
}
"""The protocol, the provider's settings, and how many conversations there are at least."""


@pytest.mark.wire
@STREAMS
@pytest.mark.parametrize("api", RECORDINGS)
async def test_recorded_conversations(serve: Serve, provide: Provide, api: str, stream: bool) -> None:
    """Every recorded conversation with signatures, or with what the provider's own tools did: all of it comes
    back byte for byte, in its place.
    """
    voice, settings, least = RECORDINGS[api]
    provider = await provide(Whole({}))
    wrong: list[str] = []
    count = seals = 0
    async with await client_of(serve, provider, settings, {"auth": {"keys": OWNERS}}) as client:
        for talk in talks(RECORDED, voice, api):
            count += 1
            asking = client.with_options(api_key=OWNERS[count])
            got, expected = await have(talk, voice, asking, provider, stream=stream)
            seals += sum(seal is not None for told in got for *_, seal in told)
            if got != expected:
                wrong.append(f"{talk.id}: {got} instead of {expected}")
    print(f"{api}: {count} conversations, {seals} signatures came back")
    assert wrong == []
    assert count >= least


# --- Written conversations ------------------------------------------------------------------------

WRITTEN: dict[str, tuple[Voice, Wire, int]] = {
    "anthropic.messages": (ANTHROPIC, {"dialect": "anthropic"}, 4),
    "deepseek.chat": (CHAT, {"catalog": "deepseek"}, 1),
    "gemini.generateContent": (GEMINI, {"dialect": "gemini"}, 5),
}
"""The protocol, the provider's settings, and how many seals must return."""


@STREAMS
@pytest.mark.parametrize("api", WRITTEN)
async def test_written_conversations(serve: Serve, provide: Provide, api: str, stream: bool) -> None:
    """What recordings do not show: withheld thinking, several blocks of it, parallel calls without ids."""
    voice, settings, count = WRITTEN[api]
    provider = await provide(Whole({}))
    [talk] = talks(OWN, voice, api)
    async with await client_of(serve, provider, settings) as client:
        got, expected = await have(talk, voice, client, provider, stream=stream)
    assert got == expected
    assert sum(seal is not None for told in got for *_, seal in told) == count


@pytest.mark.parametrize("api", WRITTEN)
async def test_calls_without_ids_get_their_own(serve: Serve, provide: Provide, api: str) -> None:
    """Row 0.27: what is remembered of a call is found by its id, so there is one, and no two are alike."""
    voice, settings, _ = WRITTEN[api]
    [talk] = talks(OWN, voice, api)
    provider = await provide(Whole({}))
    async with await client_of(serve, provider, settings) as client:
        asked = {"model": f"up/{talk.model}", "messages": talk.messages[:1], **talk.wishes}
        said = talk.answers[0]
        ids: list[list[str]] = []
        for stream in (False, True, False):
            provider.answers.append(answer(voice, said, stream=stream)[0])
            provider.answers.popleft()
            got = await heard(client, asked, stream=stream)
            ids.append([call["id"] for call in got["tool_calls"]])
    assert all(len(set(one)) == len(one) and all(one) for one in ids)
    if voice is GEMINI:
        assert len({call for one in ids for call in one}) == 6  # nobody can guess them


async def second_turn(
    serve: Serve,
    provide: Provide,
    *,
    model: str = "claude-sonnet-4-5",
    key: str = KEYS[0],
    more: Wire | None = None,
    **wishes: Any,
) -> tuple[list[Told], Any]:
    """What comes back of the first answer, and the exchange, when the second turn is asked so. wishes: what
    its request says beside.
    """
    exchanges: list[Any] = []
    [talk] = talks(OWN, ANTHROPIC, "anthropic.messages")
    script, _ = answer(ANTHROPIC, talk.answers[0], stream=False)
    provider = await provide(script)
    options = {"observers": [exchanges.append]}
    async with await client_of(serve, provider, {"dialect": "anthropic"}, more, **options) as client:
        asked: Wire = {"model": f"up/{talk.model}", "messages": talk.messages[:1], **talk.wishes}
        said = await heard(client, asked, stream=False)
        ids = [call["id"] for call in said["tool_calls"]]
        results = [{"role": "tool", "tool_call_id": one, "content": "3"} for one in ids]
        messages = [*asked["messages"], said, *results]
        asked = {**asked, "model": f"up/{model}", "messages": messages, **wishes}
        await heard(client.with_options(api_key=key), asked, stream=False)
    return ANTHROPIC.returned(provider.last.body), exchanges[-1]


BARE = [
    ("text", "I look at both.\n", None),
    ("call", ("weather", {"city": "Oslo"}), None),
    ("call", ("weather", {"city": "Rome", "unit": 1.0}), None),
]


async def test_another_model_gets_none_and_it_is_a_loss(serve: Serve, provide: Provide) -> None:
    """Row 5.6: dropped, with a loss, when the next turn goes elsewhere."""
    got, exchange = await second_turn(serve, provide, model="claude-opus-4-1")
    assert got == [BARE]
    [loss] = [loss for loss in exchange.losses if loss.path == "$.messages[1]"]
    assert (loss.severity, loss.reason) == (
        "quality",
        "its reasoning and signatures are valid only for up/claude-sonnet-4-5",
    )


async def test_thoughts_stay_here_while_thinking_is_off(serve: Serve, provide: Provide) -> None:
    """Anthropic refuses them in a turn that goes on without thinking."""
    got, exchange = await second_turn(serve, provide, reasoning_effort="none")
    assert got == [BARE]
    assert [loss.severity for loss in exchange.losses if loss.path == "$.messages[1]"] == ["hint", "hint"]


async def test_another_client_finds_nothing(serve: Serve, provide: Provide) -> None:
    """The same call told by another key is another tenant's: nothing is found, and nothing is told."""
    keys = {"auth": {"keys": [{"name": f"client {key}", "key": key} for key in KEYS]}}
    got, _ = await second_turn(serve, provide, more=keys)
    assert got[0][0][0] == "thinking"
    got, exchange = await second_turn(serve, provide, key=KEYS[1], more=keys)
    assert got == [BARE]
    assert not [loss for loss in exchange.losses if loss.path.startswith("$.messages")]


@pytest.mark.parametrize("off", [{"ttl": 0}, {"max_size": 0}])
async def test_the_vault_may_be_switched_off(serve: Serve, provide: Provide, off: Wire) -> None:
    got, exchange = await second_turn(serve, provide, more={"seals": off})
    assert got == [BARE]
    assert not [loss for loss in exchange.losses if loss.path.startswith("$.messages")]
