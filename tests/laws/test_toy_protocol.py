"""One registration adds a protocol: the laws hold for it, it is served, and providers are asked in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.cli.protocols import Spoken, stated
from dragoman.config.load import load
from dragoman.dialects.table import DIALECTS, registered
from dragoman.errors import ConfigError
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.corpus import Exchange as Recorded
from dragoman.testing.corpus import Request, Response
from dragoman.testing.laws import LAWS
from dragoman.testing.ledger import Exceptions, Ledger
from dragoman.testing.provider import FakeProvider, Script, Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e.stubs import Said, openai_chat
from tests.laws.toy import TOY

SAID = [{"who": "system", "words": "Be brief."}, {"who": "user", "words": "Hi"}]
ASKED = {"model": "m", "said": SAID, "most": 9}
ANSWER = {"id": "toy_1", "model": "m-1", "words": "Hello you.", "why": "end", "cost": {"in": 3, "out": 2}}
FRAMES = [
    {"open": {"id": "toy_1", "model": "m-1"}},
    {"words": "Hello "},
    {"words": "y\u00f6u."},
    {"why": "length", "cost": {"in": 3, "out": 2}},
]
REFUSED = {"wrong": "The model is away.", "kind": "model_not_found"}
SSE = "".join(f"data: {json.dumps(frame)}\n\n" for frame in FRAMES)
CHATTED = {
    "model": "m",
    "messages": [{"role": "user", "content": "What is 1 + 2?"}],
    "temperature": 0.5,
    "max_tokens": 10,
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
}
EXCHANGES = {
    "whole": Recorded("whole", "toy.chat", request=Request(body=ASKED), response=Response(body=ANSWER)),
    "streamed": Recorded(
        "streamed", "toy.chat", request=Request(body={**ASKED, "live": True}), response=Response(sse=SSE)
    ),
    "refused": Recorded(
        "refused", "toy.chat", request=Request(body=ASKED), response=Response(404, body=REFUSED)
    ),
    "of another": Recorded("of another", "openai.chat", request=Request(body=CHATTED)),
}
"""Exchanges whose every law is held, with all protocols as the others."""


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    """The one registration, undone after the test."""
    with registered(TOY):
        yield
    assert TOY.name not in DIALECTS


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_laws_hold(name: str) -> None:
    ledger = Ledger(DIALECTS, Exceptions({}), mutants=200)
    assert ledger.run(EXCHANGES[name], tuple(LAWS)) == []
    (count,) = ledger.counts.values()
    assert count.request == 1
    assert count.mutants >= 40


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="toy is spoken already"), registered(TOY):
        pass


# --- Over HTTP -----------------------------------------------------------------------------------


class Site:
    """A served gateway, the provider behind it, and what became of each request."""

    def __init__(
        self,
        base: str,
        provider: FakeProvider,
        session: aiohttp.ClientSession,
        exchanges: list[Exchange],
    ) -> None:
        self.base = base
        self.provider = provider
        self._session = session
        self._exchanges = exchanges

    @property
    def mode(self) -> str | None:
        """Whether the last request was relayed or translated."""
        return self._exchanges[-1].mode

    async def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body of an answer, or the frames of a stream."""
        method = "GET" if body is None else "POST"
        url = self.base + path
        async with self._session.request(method, url, json=body, headers=headers) as response:
            text = await response.text()
            if response.headers["content-type"].startswith("text/event-stream"):
                told = [
                    line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")
                ]
                return response.status, [json.loads(one) for one in told if one != "[DONE]"]
            return response.status, json.loads(text)


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Serve a gateway before a provider, named `up`, that speaks this protocol and gives this answer."""
    async with AsyncExitStack() as stack:

        async def serve(dialect: str, answer: Script, **more: Any) -> Site:
            provider = await stack.enter_async_context(FakeProvider(answer))
            up = {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
            file = tmp_path / "dragoman.yaml"
            file.write_text(json.dumps({"providers": {"up": up}, "retries": {"attempts": 1}, **more}))
            exchanges: list[Exchange] = []
            gateway = Gateway(load(file, {}), observers=[exchanges.append])
            base = await stack.enter_async_context(serving(gateway))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Site(base, provider, session, exchanges)

        yield serve


async def test_it_is_served_before_another_protocol(start: Start) -> None:
    site = await start("openai_chat", openai_chat(Said("Hello you.")))
    status, told = await site.call("/toy/say", {**ASKED, "model": "up/m"})
    assert (status, site.mode) == (200, "translate")
    assert (told["words"], told["why"]) == ("Hello you.", "end")
    assert told["cost"]["out"] > 0
    sent = site.provider.last.body
    assert [message["content"] for message in sent["messages"]] == ["Be brief.", "Hi"]
    status, frames = await site.call("/toy/say", {**ASKED, "model": "up/m", "live": True})
    assert status == 200
    assert "open" in frames[0]
    assert "".join(frame.get("words", "") for frame in frames) == "Hello you."
    assert frames[-1]["why"] == "end"


async def test_its_errors_are_its_own(start: Start) -> None:
    site = await start("openai_chat", openai_chat(Said("")))
    status, told = await site.call("/toy/say", {**ASKED, "said": []})
    assert status == 400
    assert "'said'" in told["wrong"]
    _, told = await site.call("/toy/say", {"said": ASKED["said"]})
    assert told["wrong"] == "Missing required parameter: 'model'."
    assert (await site.call("/toy/other", {}))[1]["kind"] == "not_found"
    locked = await start("openai_chat", openai_chat(Said("Hi")), auth={"keys": ["the-key"], "required": True})
    assert (await locked.call("/toy/say", {**ASKED, "model": "up/m"}))[1]["kind"] == "authentication"
    assert (await locked.call("/toy/say", {**ASKED, "model": "up/m"}, **{"x-toy-key": "the-key"}))[0] == 200


async def test_a_provider_is_asked_in_it(start: Start) -> None:
    chat = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    site = await start("toy", Whole(ANSWER))
    status, told = await site.call("/v1/chat/completions", chat)
    assert (status, site.mode) == (200, "translate")
    assert told["choices"][0]["message"]["content"] == "Hello you."
    assert told["usage"]["total_tokens"] == 5
    seen = site.provider.last
    assert (seen.path, seen.headers["x-api-key"], seen.headers["toy-version"]) == ("/toy/say", "up-key", "1")
    assert seen.body == {"model": "m", "said": [{"who": "user", "words": "Hi"}], "most": 9}
    site = await start("toy", Streamed(FRAMES))
    _, chunks = await site.call("/v1/chat/completions", {**chat, "stream": True})
    deltas = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    assert "".join(deltas) == "Hello y\u00f6u."
    site = await start("toy", Whole(REFUSED, 404))
    assert (await site.call("/v1/chat/completions", chat))[1]["error"]["message"] == "The model is away."


async def test_it_is_relayed_to_its_like(start: Start) -> None:
    site = await start("toy", Whole(ANSWER))
    _, told = await site.call("/toy/say", {**ASKED, "model": "up/m"})
    assert (site.mode, told["words"]) == ("relay", "Hello you.")
    site = await start("toy", Streamed(FRAMES))
    _, frames = await site.call("/toy/say", {**ASKED, "model": "up/m", "live": True})
    assert (site.mode, frames[1:]) == ("relay", FRAMES[1:])


async def test_models_tell_what_its_clients_have_of_them(start: Start) -> None:
    site = await start("openai_chat", openai_chat(Said("")), models={"alias": {"use": "up/m"}})
    (listed,) = [one for one in (await site.call("/v1/models"))[1]["data"] if one["id"] == "alias"]
    assert listed["faces"]["toy"] == "translate"
    assert "toy" in (await site.call("/v1/models/alias"))[1]["compatibility"]


def test_a_configuration_names_it_among_the_protocols(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("providers: {up: {dialect: tyo, base_url: 'https://up.example'}}")
    with pytest.raises(ConfigError, match="openai_completions, toy"):
        load(file, {})


def test_the_command_line_knows_it() -> None:
    there = stated("http://up.example/toy/say")
    assert there == Spoken("toy", "http://up.example/toy")
    assert (there.title, there.headers("k")) == ("the toy protocol", {"toy-version": "1", "x-api-key": "k"})
