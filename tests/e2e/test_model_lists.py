"""The model list of every face: complete as the configuration says, and clear about what is not in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e import stubs
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import Said

NAMED = {"fast", "mine", "up/own-1", "up/own-2", "other/some-chat", "other/some-embedding"}
ANTHROPIC = {"anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-client": "genai-js/1.0"}


def configuration(url: str) -> dict[str, Any]:
    own = {"dialect": "openai_chat", "base_url": url, "keys": ["up-key"]}
    return {
        "providers": {"up": {**own, "models": ["own-1", "own-2"]}, "other": own},
        "models": {"mine": "other/deep"},
        "aliases": {"fast": "mine", "*": "other/*"},
        "default_model": "other/some-chat",
        "default_models": {"embed": "other/some-embedding"},
    }


def ids(answer: Answered) -> set[str]:
    body = answer.body
    listed = body["data"] if "data" in body else body["models"]
    return {
        str(one.get("id", one.get("name"))).removeprefix("models/").removesuffix(":latest") for one in listed
    }


FACES = [
    ("/v1/models", {}),
    ("/v1/models?limit=1000", ANTHROPIC),
    ("/anthropic/v1/models?limit=1000", ANTHROPIC),
    ("/v1beta/models?pageSize=1000", GOOGLE),
    ("/api/tags", {}),
]


@pytest.mark.parametrize(("path", "headers"), FACES, ids=[path for path, _ in FACES])
async def test_every_face_lists_all_that_is_configured(
    visit: Visit, path: str, headers: dict[str, str]
) -> None:
    """2.6: providers' own lists, default models of every kind, models and aliases."""
    site = await visit(configuration("http://127.0.0.1:9"))
    assert ids(await site.get(path, **headers)) >= NAMED


@pytest.mark.parametrize(("path", "headers"), FACES, ids=[path for path, _ in FACES])
async def test_a_key_sees_every_name_that_it_is_granted(
    visit: Visit, path: str, headers: dict[str, str]
) -> None:
    """1.7: also a bare name, which stands for something although no list has it; and no other."""
    key = {"name": "a", "key": "a-key-of-a-good-length", "models": ["own-1", "fast", "nothing"]}
    site = await visit({**configuration("http://127.0.0.1:9"), "auth": {"keys": [key]}})
    answer = await site.get(path, **headers, authorization="Bearer a-key-of-a-good-length")
    assert ids(answer) == {"own-1", "fast"}


@pytest.mark.parametrize(
    ("path", "headers"), [("/v1/models/", {}), ("/v1/models/", ANTHROPIC), ("/v1beta/models/", GOOGLE)]
)
async def test_the_refusal_of_a_name_under_a_catch_all_says_why(
    visit: Visit, path: str, headers: dict[str, str]
) -> None:
    site = await visit(configuration("http://127.0.0.1:9"))
    answer = await site.get(path + "gpt-unheard-of", **headers)
    assert answer.status == 404
    message = answer.body["error"]["message"]
    assert "'gpt-unheard-of' is not listed" in message
    assert "the alias '*'" in message


async def test_the_name_that_only_the_catch_all_takes_goes_on(visit: Visit, provide: Provide) -> None:
    """2.33: chat and vectors alike; the provider is never asked for `*`."""
    vectors = {
        "object": "list",
        "model": "v",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    }
    provider = await provide(stubs.openai_chat(Said()), Whole(vectors))
    site = await visit(configuration(provider.url))
    assert (await site.ask("gpt-unheard-of")).status == 200
    answer = await post(site, "/v1/embeddings", {"model": "embed-unheard-of", "input": "Hi"})
    assert answer.status == 200
    assert [seen.body["model"] for seen in provider.seen] == ["gpt-unheard-of", "embed-unheard-of"]


async def test_vectors_without_a_model_go_to_their_default_one(visit: Visit, provide: Provide) -> None:
    """3.11, 3.13: as the other operations already do; without one the request is refused as before."""
    vectors = {
        "object": "list",
        "model": "v",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    }
    provider = await provide(Whole(vectors))
    site = await visit(configuration(provider.url))
    assert (await post(site, "/v1/embeddings", {"input": "Hi"})).status == 200
    assert provider.last.body["model"] == "some-embedding"
    plain = await visit({**configuration(provider.url), "default_models": {}})
    answer = await post(plain, "/v1/embeddings", {"input": "Hi"})
    assert (answer.status, answer.error["param"]) == (400, "model")


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        ("speech", "/v1/audio/speech", {"input": "Hi", "voice": "alloy"}),
        ("image", "/v1/images/generations", {"prompt": "A cat"}),
        ("moderation", "/v1/moderations", {"input": "Hi"}),
        ("rerank", "/v1/rerank", {"query": "Hi", "documents": ["a", "b"]}),
    ],
)
async def test_every_operation_without_a_model_asks_its_default_one(
    visit: Visit, provide: Provide, operation: str, path: str, body: dict[str, Any]
) -> None:
    provider = await provide(Whole({"error": {"message": "It was reached."}}, status=400))
    site = await visit(
        {**configuration(provider.url), "default_models": {operation: f"other/some-{operation}"}}
    )
    await post(site, path, body)
    assert provider.last.body["model"] == f"some-{operation}"


async def post(site: Site, path: str, body: dict[str, Any], **headers: str) -> Answered:
    sent = {"content-type": "application/json", **headers}
    async with site.session.post(site.base + path, data=json.dumps(body), headers=sent) as response:
        return Answered(response.status, response.headers, await response.read())
