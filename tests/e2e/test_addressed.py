"""Members that only the target has are sent by the provider's or the protocol's name (row 0.17)."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from dragoman.exchange import Exchange
from dragoman.testing.provider import Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
CHAT: Wire = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
GEMINI: Wire = {
    "candidates": [{"content": {"parts": [{"text": "Hi."}], "role": "model"}, "finishReason": "STOP"}],
    "modelVersion": "m",
}
SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
HELLO: Any = [{"role": "user", "content": "Hello!"}]


async def asked(
    visit: Visit, provide: Provide, dialect: str, answer: Wire, extra: Wire
) -> tuple[Wire, Exchange]:
    """What the provider `up` gets of a chat client that sends these beside its own members."""
    provider = await provide(Whole(answer))
    up = {"dialect": dialect, "base_url": provider.url, "keys": ["k"]}
    exchanges: list[Exchange] = []
    site = await visit({"providers": {"up": up}}, observers=[exchanges.append])
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0) as client:
        told = await client.chat.completions.create(
            model="up/m", messages=HELLO, temperature=0.5, extra_body=extra
        )
    assert told.choices[0].message.content == "Hi."
    body: Wire = provider.last.body
    return body, exchanges[-1]


@pytest.mark.parametrize("name", ["up", "mistral"], ids=["provider", "protocol"])
async def test_a_member_of_the_targets_own(visit: Visit, provide: Provide, name: str) -> None:
    body, exchange = await asked(visit, provide, "mistral", CHAT, {name: {"safe_prompt": True}})
    assert body["safe_prompt"] is True
    assert name not in body
    assert exchange.losses == ()
    assert [change.path for change in exchange.changes if change.path == f"$.{name}"], "it is told"


async def test_beside_what_is_written_already(visit: Visit, provide: Provide) -> None:
    extra = {"gemini": {"safetySettings": SAFETY, "generationConfig": {"audioTimestamp": True}}}
    body, exchange = await asked(visit, provide, "gemini", GEMINI, extra)
    assert body["safetySettings"] == SAFETY
    assert body["generationConfig"] == {"temperature": 0.5, "audioTimestamp": True}
    assert exchange.losses == ()


async def test_in_the_providers_own_protocol(visit: Visit, provide: Provide) -> None:
    body, _ = await asked(visit, provide, "openai_chat", CHAT, {"up": {"unheard_of": [1]}})
    assert body["unheard_of"] == [1]
    assert "up" not in body


async def test_what_is_for_another_is_lost(visit: Visit, provide: Provide) -> None:
    body, exchange = await asked(visit, provide, "mistral", CHAT, {"gemini": {"safetySettings": SAFETY}})
    assert "gemini" not in body
    lost = [(loss.path, loss.reason, loss.severity) for loss in exchange.losses]
    assert lost == [("$.gemini", "its fields are for another provider", "hint")]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"model": "another"}, "up.model"),
        ({"stream": True}, "up.stream"),
        ({"contents": []}, "up.contents"),
        ({"generationConfig": {"temperature": 1}}, "up.generationConfig.temperature"),
    ],
)
async def test_what_the_request_says_is_not_said_again(
    visit: Visit, provide: Provide, members: Wire, place: str
) -> None:
    provider = await provide(Whole(GEMINI))
    up = {"dialect": "gemini", "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    body = {"model": "up/m", "messages": HELLO, "temperature": 0.5, "up": members}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=body) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["param"]) == (400, place)
    assert provider.seen == []


@pytest.mark.parametrize("name", ["gemini", "other"], ids=["protocol", "provider"])
async def test_what_is_for_another_is_not_relayed(visit: Visit, provide: Provide, name: str) -> None:
    """A request that several deployments may answer has members for each; OpenAI refuses unknown ones."""
    provider = await provide(Whole(CHAT))
    up = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["k"]}
    exchanges: list[Exchange] = []
    site = await visit({"providers": {"up": up, "other": up}}, observers=[exchanges.append])
    body = {"model": "up/m", "messages": HELLO, "seed": 7, name: {"safetySettings": SAFETY}}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200
    assert provider.last.body == {"model": "m", "messages": HELLO, "seed": 7}
    lost = [(loss.path, loss.reason, loss.severity) for loss in exchanges[-1].losses]
    assert lost == [(f"$.{name}", "its fields are for another provider", "hint")]


async def test_what_the_clients_protocol_has_no_word_for(visit: Visit, provide: Provide) -> None:
    """Responses knows no `top_k`, which Anthropic does."""
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    provider = await provide(Whole({**answer, "stop_reason": "end_turn", "usage": usage}))
    up = {"dialect": "anthropic", "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}})
    body = {"model": "up/m", "input": "Hello!", "up": {"top_k": 5}}
    async with site.session.post(f"{site.base}/v1/responses", json=body) as told:
        assert told.status == 200, await told.text()
    assert provider.last.body["top_k"] == 5


async def test_what_the_configuration_sets_is_named_so(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole(GEMINI))
    up = {"dialect": "gemini", "base_url": provider.url, "keys": ["k"], "body": {"safetySettings": SAFETY}}
    site = await visit({"providers": {"up": up}})
    body = {"model": "up/m", "messages": HELLO, "up": {"safetySettings": []}}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=body) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["param"]) == (400, "up.safetySettings")
    assert "configuration" in error["message"]
    assert provider.seen == []


# Embeddings -----------------------------------------------------------------------------------------


async def embedded(
    visit: Visit, provide: Provide, extra: Wire, **more: Any
) -> tuple[int, Wire, Wire, Exchange]:
    """The status and body that a client gets, what Cohere gets, and the exchange."""
    vectors = {"id": "e1", "embeddings": {"float": [[1.0, 2.0]]}, "response_type": "embeddings_by_type"}
    provider = await provide(Whole(vectors))
    exchanges: list[Exchange] = []
    row = {"catalog": "cohere", "base_url": provider.url, "keys": ["k"], **more}
    site = await visit({"providers": {"up": row}}, observers=[exchanges.append])
    body = {"model": "up/embed-v4.0", "input": ["Hello!"], **extra}
    async with site.session.post(f"{site.base}/v1/embeddings", json=body) as answer:
        told = await answer.json()
    sent = provider.last.body if provider.seen else {}
    return answer.status, told, sent, exchanges[-1]


@pytest.mark.parametrize("name", ["up", "cohere"], ids=["provider", "protocol"])
async def test_the_purpose_of_embeddings(visit: Visit, provide: Provide, name: str) -> None:
    """Without it, Cohere's encoder has to say that they are documents."""
    extra = {name: {"input_type": "search_query", "truncate": "END"}, "gemini": {"a": 1}}
    status, _, sent, exchange = await embedded(visit, provide, extra)
    assert status == 200
    assert (sent["input_type"], sent["truncate"], sent["texts"]) == ("search_query", "END", ["Hello!"])
    assert [(loss.path, loss.severity) for loss in exchange.losses] == [("$.gemini", "hint")]
    _, _, plain, _ = await embedded(visit, provide, {})
    assert (plain["input_type"], plain["truncate"]) == ("search_document", "NONE")


@pytest.mark.parametrize("member", ["model", "texts", "embedding_types"])
async def test_what_the_gateway_writes_of_embeddings_stays(
    visit: Visit, provide: Provide, member: str
) -> None:
    status, told, sent, _ = await embedded(visit, provide, {"cohere": {member: ["x"]}})
    assert (status, told["error"]["param"], sent) == (400, f"cohere.{member}", {})


async def test_a_configured_purpose_of_embeddings_stays(visit: Visit, provide: Provide) -> None:
    extra = {"cohere": {"input_type": "search_query"}}
    status, told, _, _ = await embedded(visit, provide, extra, body={"input_type": "clustering"})
    assert (status, told["error"]["param"]) == (400, "cohere.input_type")
