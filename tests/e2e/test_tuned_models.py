"""Row 2.31: graders, permissions of checkpoints, deletion of fine-tuned models, files below /anthropic/v1."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, NotFoundError, PermissionDeniedError

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit

TUNED = "ft:gpt-4o-mini-2024-07-18:acme::B7R9VjQd"
KEY, LIMITED = "a-key-of-a-good-length", "another-key-of-a-good-length"


def answer(seen: Seen) -> Answer:
    if seen.method == "DELETE" and "/models/" in seen.path:
        return Whole({"id": seen.path.rpartition("/")[2], "object": "model", "deleted": True})
    listed = {"object": "list", "data": [{"id": "x", "created_at": 1}], "has_more": False}
    more = {"first_id": "x", "last_id": "x"}
    return Whole({**listed, **more, "id": "x", "deleted": True, "reward": 1.0})


class Tuning:
    """A gateway before a provider of each protocol, and OpenAI's client."""

    def __init__(self, site: Site, client: AsyncOpenAI, openai: FakeProvider, other: FakeProvider) -> None:
        self.site = site
        self.client = client
        self.openai = openai
        self.other = other


@pytest.fixture
async def tuning(visit: Visit, provide: Provide, stack: AsyncExitStack) -> Tuning:
    openai, other = await provide(answer), await provide(answer)
    rows = {
        "oai": {
            "dialect": "openai_chat",
            "base_url": openai.url,
            "keys": ["up"],
            "passthrough": ["fine_tuning"],
            "passthrough_ids": "upstream",
        },
        "claude": {
            "dialect": "anthropic",
            "base_url": other.url,
            "keys": ["up"],
            "passthrough": ["files"],
            "passthrough_ids": "upstream",
        },
    }
    keys = [{"name": "all", "key": KEY}, {"name": "few", "key": LIMITED, "models": ["m", TUNED]}]
    config = {
        "providers": rows,
        "models": {TUNED: {"use": f"oai/{TUNED}"}},
        "aliases": {"m": "oai/gpt-4o"},
        "auth": {"keys": keys},
    }
    site = await visit(config)
    client = AsyncOpenAI(base_url=f"{site.base}/v1", api_key=KEY, max_retries=0)
    return Tuning(site, await stack.enter_async_context(client), openai, other)


async def test_graders_and_permissions_pass(tuning: Tuning) -> None:
    grader: Any = {"type": "string_check", "name": "g", "input": "a", "operation": "eq", "reference": "b"}
    graders = tuning.client.fine_tuning.alpha.graders
    await graders.run(grader=grader, model_sample="a")
    await graders.validate(grader=grader)
    permissions = tuning.client.fine_tuning.checkpoints.permissions
    async for _ in permissions.create(TUNED, project_ids=["p"]):
        pass
    async for _ in permissions.list(TUNED, order="descending"):
        pass
    await permissions.delete("cp_1", fine_tuned_model_checkpoint=TUNED)
    checkpoint = f"/v1/fine_tuning/checkpoints/{TUNED}/permissions"
    assert [(seen.method, seen.path) for seen in tuning.openai.seen] == [
        ("POST", "/v1/fine_tuning/alpha/graders/run"),
        ("POST", "/v1/fine_tuning/alpha/graders/validate"),
        ("POST", checkpoint),
        ("GET", checkpoint),
        ("DELETE", f"{checkpoint}/cp_1"),
    ]
    assert tuning.openai.seen[0].body == {"grader": grader, "model_sample": "a"}


@pytest.mark.parametrize("name", [TUNED, f"oai/{TUNED}", "curie:ft-acme-2023-03-03"])
async def test_a_tuned_model_is_deleted_at_its_provider(tuning: Tuning, name: str) -> None:
    told = await tuning.client.models.delete(name)
    assert told.deleted
    (seen,) = tuning.openai.seen
    assert (seen.method, seen.path) == ("DELETE", "/v1/models/" + name.removeprefix("oai/"))
    assert seen.headers["authorization"] == "Bearer up"


async def test_no_other_model_can_be_deleted(tuning: Tuning) -> None:
    """What exists is 403, what does not is 404, as with OpenAI."""
    for name in ("m", "oai/gpt-4o"):
        with pytest.raises(PermissionDeniedError):
            await tuning.client.models.delete(name)
    with pytest.raises(NotFoundError) as missing:
        await tuning.client.models.delete("nope")
    assert missing.value.code == "model_not_found"
    few = tuning.client.with_options(api_key=LIMITED)
    with pytest.raises(NotFoundError):
        await few.models.delete("oai/gpt-4o")
    with pytest.raises(PermissionDeniedError):  # who may use it may not delete it for all others
        await few.models.delete(TUNED)
    headers = {"authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}
    async with tuning.site.session.delete(
        f"{tuning.site.base}/v1/models/{TUNED}", headers=headers
    ) as refused:
        assert refused.status == 405
        assert (await refused.json())["type"] == "error"
    assert tuning.openai.seen == []


async def test_files_pass_below_anthropics_own_prefix(tuning: Tuning) -> None:
    """Also for a client that sends no header by which its protocol is known, and errors are in its form."""
    async with AsyncAnthropic(base_url=f"{tuning.site.base}/anthropic", api_key=KEY, max_retries=0) as client:
        await client.beta.files.list()
        await client.beta.files.retrieve_metadata("file_1")
        await client.beta.files.delete("file_1")
    plain = await tuning.site.get("/anthropic/v1/files/file_1/content", authorization=f"Bearer {KEY}")
    assert plain.status == 200
    assert [(seen.method, seen.path) for seen in tuning.other.seen] == [
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file_1"),
        ("DELETE", "/v1/files/file_1"),
        ("GET", "/v1/files/file_1/content"),
    ]
    refused = await tuning.site.get("/anthropic/v1/files/a%20b", authorization=f"Bearer {KEY}")
    assert (refused.status, refused.body["type"]) == (404, "error")
    assert tuning.openai.seen == []
