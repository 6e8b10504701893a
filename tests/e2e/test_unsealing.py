"""A provider that cannot read what is sealed in a history is asked once more without it, and it is a loss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Script, Seen, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import anthropic
from tests.e2e.test_apis import SAID, configured, paths, refusal, responses

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "made elsewhere"}
ASKED = {"role": "user", "content": "Hi"}


async def respond(site: Site, model: str, given: list[Any]) -> Answered:
    """POST /v1/responses, with a report."""
    body = {"model": model, "input": given, "store": False, "reasoning": {"effort": "low"}}
    headers = {"x-dragoman-report": "1"}
    async with site.session.post(f"{site.base}/v1/responses", json=body, headers=headers) as response:
        return Answered(response.status, response.headers, await response.read())


def picky(mark: bytes, message: str, code: str | None, script: Script) -> Callable[[Seen], Answer]:
    """A server that refuses what holds `mark`."""

    def answer(seen: Seen) -> Answer:
        if mark in json.dumps(seen.body).encode():
            refused = refusal(400, message)
            assert isinstance(refused, Whole)
            refused.body["error"]["code"] = code
            return refused
        return script(seen) if callable(script) else script

    return answer


async def test_a_relayed_history(visit: Visit, provide: Provide) -> None:
    words = "The encrypted content made... could not be verified."
    provider = await provide(picky(b"made elsewhere", words, "invalid_encrypted_content", responses(SAID)))
    site = await visit(configured(provider.url))
    answer = await respond(site, "gpt-5.1", [ASKED, SEALED, ASKED])
    assert answer.status == 200
    assert len(provider.seen) == 2
    assert "encrypted_content" not in json.dumps(provider.seen[1].body["input"])
    report = json.loads(answer.headers["x-dragoman-report"])
    assert report["losses"][0]["path"].startswith("$.input[1]")


async def test_it_is_tried_once(visit: Visit, provide: Provide) -> None:
    provider = await provide(refusal(400, "Corrupted thought signature."))
    site = await visit(configured(provider.url))
    answer = await respond(site, "gpt-5.1", [ASKED, SEALED, ASKED])
    assert answer.status == 400
    assert len(provider.seen) == 2


async def test_a_translated_history(visit: Visit, provide: Provide) -> None:
    words = "messages.1.content.0: Invalid `signature` in `thinking` block"
    provider = await provide(picky(b'"signature"', words, None, anthropic(SAID)))
    site = await visit(configured(provider.url, "anthropic"))
    sealed = {
        **SEALED,
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "dgm1.anthropic.abc",
    }
    given = [ASKED, sealed, {"role": "assistant", "content": "Yes?"}, ASKED]
    answer = await respond(site, "claude-sonnet-4-5", given)
    assert answer.status == 200
    assert len(provider.seen) == 2
    assert '"signature"' in json.dumps(provider.seen[0].body)
    assert '"signature"' not in json.dumps(provider.seen[1].body)


def stateless(seen: Seen) -> Answer:
    """OpenAI, where nothing is stored: of a thought without its seal it knows nothing."""
    for item in seen.body["input"]:
        if item.get("type") == "reasoning" and not item.get("encrypted_content"):
            missing = refusal(404, f"Item with id '{item['id']}' not found.")
            assert isinstance(missing, Whole)
            missing.body["error"]["param"] = "input"
            return missing
    answer = responses(SAID)
    return picky(b"made elsewhere", "", "invalid_encrypted_content", answer)(seen)


async def test_without_its_seal_a_thought_is_not_sent(visit: Visit, provide: Provide) -> None:
    provider = await provide(stateless)
    site = await visit(configured(provider.url))
    unsealed = {key: value for key, value in SEALED.items() if key != "encrypted_content"}
    for thought, asked in ((unsealed, 1), (SEALED, 2)):
        provider.seen.clear()
        answer = await respond(site, "gpt-5.1", [ASKED, thought, ASKED])
        assert (answer.status, len(provider.seen)) == (200, asked)
        assert json.loads(answer.headers["x-dragoman-report"])["losses"][0]["path"] == "$.input[1]"


async def test_what_is_not_there_is_the_clients_to_mend(visit: Visit, provide: Provide) -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}

    def answer(seen: Seen) -> Answer:
        if search not in seen.body["input"]:
            return responses(SAID)(seen)
        missing = refusal(404, "Item with id 'ws_1' not found.")
        assert isinstance(missing, Whole)
        missing.body["error"]["param"] = "input"
        return missing

    provider = await provide(answer)
    site = await visit(configured(provider.url))
    assert (await respond(site, "gpt-5.1", [ASKED, search, ASKED])).status == 404
    assert (await respond(site, "gpt-5.1", [ASKED])).status == 200
    assert paths(provider) == ["/responses", "/responses"]  # nothing was learnt of the API


async def test_a_model_that_does_not_think_is_asked_for_nothing_sealed(
    visit: Visit, provide: Provide
) -> None:
    def answer(seen: Seen) -> Answer:
        if "include" in seen.body:
            refused = refusal(400, "Encrypted content is not supported with this model.")
            assert isinstance(refused, Whole)
            return msgspec.structs.replace(refused, delay=0.1)
        return responses(SAID)(seen)

    provider = await provide(answer)
    site = await visit(configured(provider.url))
    asking = [respond(site, "openai/my-deployment", [ASKED]) for _ in range(2)]
    assert [answer.status for answer in await asyncio.gather(*asking)] == [200, 200]
    provider.seen.clear()
    assert (await respond(site, "openai/my-deployment", [ASKED])).status == 200
    assert paths(provider) == ["/responses"]  # it has been learnt


async def test_a_model_that_refuses_all_the_same_is_asked_twice(visit: Visit, provide: Provide) -> None:
    provider = await provide(refusal(400, "Encrypted content is not supported with this model."))
    site = await visit(configured(provider.url))
    assert (await respond(site, "openai/my-deployment", [ASKED])).status == 400
    assert len(provider.seen) == 2
