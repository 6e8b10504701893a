"""Rows 4.11, 4.17: what is relayed, what is refused and in which words, and who is asked next."""

from __future__ import annotations

import json
from base64 import b64encode
from struct import pack
from typing import Any

import pytest

from dragoman.testing.provider import Seen, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.embeddings.providers import LENGTH, MODELS, PROVIDERS, expected, gemini, openai

PATH = "/v1/embeddings"
MODEL = MODELS["openai_chat"]
PACKED = b64encode(pack("<3f", 0.1, -2.5, 3.0)).decode()


async def ask(site: Site, path: str = PATH, headers: dict[str, str] | None = None, **body: Any) -> Answered:
    async with site.session.post(site.base + path, json=body, headers=headers) as response:
        return Answered(response.status, response.headers, await response.read())


async def test_a_relay_leaves_vectors_as_they_are(visit: Visit, provide: Provide) -> None:
    """Even what no 32-bit float has been read from: bytes pass."""
    listed = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": PACKED}]}
    answer = {**listed, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}, "x": {"y": 1}}
    provider = await provide(Whole(answer, headers={"openai-version": "2020-10-01"}))
    site = await visit(up(provider.url))
    vendor = {"b": 1, "a": 2}
    body: dict[str, Any] = {"model": MODEL, "input": "Hi", "encoding_format": "base64", "vendor": vendor}
    told = await ask(site, **body)
    assert (told.status, told.body) == (200, answer)
    assert told.headers["openai-version"] == "2020-10-01"
    assert told.headers["x-dragoman-losses"] == "0"
    assert provider.last.path == PATH
    assert provider.last.body == {**body, "model": "text-embedding-3-small"}


async def test_a_vendor_without_base64_is_relayed_as_base64(visit: Visit, provide: Provide) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, -2.5, 3.0]}]
    provider = await provide(Whole({"object": "list", "data": data, "model": "m"}))
    site = await visit(up(provider.url))
    told = await ask(site, model=MODEL, input="Hi", encoding_format="base64")
    assert told.body["data"] == [{"object": "embedding", "index": 0, "embedding": PACKED}]
    assert told.body["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("path", ["/embeddings", "/v1/engines/up/text-embedding-3-small/embeddings"])
async def test_the_other_paths(visit: Visit, provide: Provide, path: str) -> None:
    provider = await provide(openai)
    site = await visit(up(provider.url))
    named: dict[str, Any] = {} if "engines" in path else {"model": MODEL}
    told = await ask(site, path, input="Hi", **named)
    assert told.body["data"][0]["embedding"] == pytest.approx(expected("Hi"), abs=1e-6)
    assert provider.last.body["model"] == "text-embedding-3-small"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": "x"}, "model", None),  # as for chat: a default model might stand for it
        ({"model": MODEL}, "input", "missing_required_parameter"),
        ({"model": MODEL, "input": []}, "input", "empty_array"),
        ({"model": MODEL, "input": 5}, "input", "invalid_type"),
        ({"model": MODEL, "input": ["x", 5]}, "input[1]", "invalid_type"),
        ({"model": MODEL, "input": [[1], []]}, "input[1]", "empty_array"),
        ({"model": MODEL, "input": [[1, "x"]]}, "input[0][1]", "invalid_type"),
        ({"model": MODEL, "input": [1, -1]}, "input[1]", "integer_below_min_value"),
        ({"model": MODEL, "input": "x", "dimensions": 0}, "dimensions", "integer_below_min_value"),
        ({"model": MODEL, "input": "x", "encoding_format": "hex"}, "encoding_format", "invalid_value"),
        ({"model": MODEL, "input": "x", "user": 5}, "user", "invalid_type"),
        ({"model": MODEL, "input": "x", "Dimensions": 5}, "Dimensions", "unknown_parameter"),
    ],
)
async def test_a_mistake_is_named(visit: Visit, body: dict[str, Any], param: str, code: str | None) -> None:
    site = await visit(up("http://127.0.0.1:9"))
    told = await ask(site, **body)
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == (param, code)


async def test_a_provider_that_only_chats_is_refused(visit: Visit, provide: Provide) -> None:
    """4.17: 400 unsupported, and nothing is sent."""
    provider = await provide(openai)
    site = await visit(up(provider.url, "anthropic"))
    told = await ask(site, model="up/claude-sonnet-4-5", input="Hi")
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == ("model", "unsupported_value")
    assert provider.seen == []


async def test_a_server_without_the_endpoint_is_told_as_that(visit: Visit, provide: Provide) -> None:
    """4.17: many servers that speak OpenAI's chat have nothing else."""
    provider = await provide(Whole({"detail": "Not Found"}, 404))
    site = await visit(up(provider.url))
    told = await ask(site, model=MODEL, input="Hi")
    assert told.status == 501
    assert (told.error["param"], told.error["code"]) == ("model", "not_implemented")


async def test_a_model_that_is_not_there_is_told_as_that(visit: Visit, provide: Provide) -> None:
    refused = {"message": "The model `x` does not exist", "type": "invalid_request_error"}
    provider = await provide(Whole({"error": {**refused, "param": None, "code": "model_not_found"}}, 404))
    site = await visit(up(provider.url))
    told = await ask(site, model=MODEL, input="Hi")
    assert (told.status, told.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
async def test_there_is_nothing_to_get(visit: Visit, path: str) -> None:
    site = await visit(up("http://127.0.0.1:9"))
    assert (await site.get(path)).status == 405


async def test_the_next_deployment_answers_when_one_fails(visit: Visit, provide: Provide) -> None:
    """One without vectors is passed over, one that fails is left."""
    failing = await provide(Whole({"error": {"message": "no", "code": 500, "status": "INTERNAL"}}, 500))
    good = await provide(openai)
    providers = {
        "chat": {"dialect": "anthropic", "base_url": failing.url, "keys": ["k"]},
        "bad": {"dialect": "gemini", "base_url": failing.url, "keys": ["k"]},
        "up": {"dialect": "openai_chat", "base_url": good.url, "keys": ["k"]},
    }
    config = {
        "providers": providers,
        "models": {
            "vectors": {
                "deployments": ["chat/claude-x", "bad/gemini-embedding-001", "up/text-embedding-3-small"]
            }
        },
        "retries": {"attempts": 2, "backoff": 0.01},
    }
    site = await visit(config)
    told = await ask(site, model="vectors", input=["Hi", "there"])
    assert told.status == 200
    assert told.body["model"] == "vectors"
    assert told.headers["x-dragoman-deployment"] == "up/text-embedding-3-small"
    assert {seen.path for seen in failing.seen} == {"/v1beta/models/gemini-embedding-001:batchEmbedContents"}
    assert len(told.body["data"]) == 2


async def test_a_batch_that_fails_fails_all(visit: Visit, provide: Provide) -> None:
    def second_fails(seen: Seen) -> Any:
        if seen.body["requests"][0]["content"]["parts"][0]["text"] == "0":
            return gemini(seen)
        return Whole({"error": {"code": 400, "message": "too odd", "status": "INVALID_ARGUMENT"}}, 400)

    provider = await provide(second_fails)
    site = await visit(up(provider.url, "gemini"))
    told = await ask(site, model=MODELS["gemini"], input=[str(number) for number in range(150)])
    assert told.status == 400
    assert "too odd" in told.error["message"]
    assert len(provider.seen) == 2


async def test_fewer_vectors_than_inputs_are_no_answer(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"embeddings": [{"values": [0.5]}]}))
    site = await visit(up(provider.url, "gemini"))
    told = await ask(site, model=MODELS["gemini"], input=["a", "b"])
    assert told.status == 502


async def test_what_is_lost_is_told_and_refused_in_strict_mode(visit: Visit, provide: Provide) -> None:
    provider = await provide(PROVIDERS["mistral"])
    site = await visit(up(provider.url, "mistral"))
    body: dict[str, Any] = {"model": MODELS["mistral"], "input": "Hi", "user": "u1"}
    told = await ask(site, headers={"x-dragoman-report": "1"}, **body)
    report = json.loads(told.headers["x-dragoman-report"])
    assert [loss["path"] for loss in report["losses"]] == ["$.user"]
    refused = await ask(site, headers={"x-dragoman-strict": "all"}, **body)
    assert refused.status == 400
    assert (refused.error["code"], refused.error["param"]) == ("untranslatable", "user")


async def test_vectors_of_another_length_are_a_loss(visit: Visit, provide: Provide) -> None:
    provider = await provide(lambda seen: gemini(_without_length(seen)))
    site = await visit(up(provider.url, "gemini"))
    body: dict[str, Any] = {"model": MODELS["gemini"], "input": "Hi", "dimensions": 4}
    told = await ask(site, headers={"x-dragoman-report": "1"}, **body)
    assert len(told.body["data"][0]["embedding"]) == LENGTH
    (loss,) = json.loads(told.headers["x-dragoman-report"])["losses"]
    assert (loss["path"], loss["direction"]) == ("dimensions", "response")


def _without_length(seen: Seen) -> Seen:
    body = seen.body
    for one in body["requests"]:
        del one["outputDimensionality"]
    return Seen(seen.method, seen.path, seen.query, seen.headers, json.dumps(body).encode())


async def test_a_session_has_no_vectors(visit: Visit, provide: Provide) -> None:
    """The header is for conversations; a client that sends it with everything still gets its vectors."""
    provider = await provide(openai)
    site = await visit(up(provider.url))
    told = await ask(site, headers={"x-session-id": "s1"}, model=MODEL, input="Hi")
    assert told.status == 200
    assert provider.last.body["input"] == "Hi"


async def test_a_key_is_needed_where_chat_needs_one(visit: Visit, provide: Provide) -> None:
    provider = await provide(openai)
    site = await visit(
        {**up(provider.url), "auth": {"keys": [{"key": "secret-key", "models": ["up/other"]}]}}
    )
    assert (await ask(site, model=MODEL, input="Hi")).status == 401
    told = await ask(site, headers={"authorization": "Bearer secret-key"}, model=MODEL, input="Hi")
    assert (told.status, told.error["code"]) == (403, "model_not_granted")
    assert provider.seen == []
