"""Row 5.15: what became of a request, asked for by its id: who could be called, who was, and how it ended."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import Said

FIRST, SECOND, THIRD = "secret-of-the-first-1111", "secret-of-the-other-2222", "secret-of-number-three-3333"
GOOD: Any = stubs.openai_chat(Said())
EXCHANGES = "/admin/exchanges"


async def asked(site: Site, **body: Any) -> tuple[int, str]:
    """The status and the id of one chat."""
    request = {"model": "robust", "messages": HELLO, **body}
    async with site.session.post(site.base + CHAT, json=request) as response:
        await response.read()
        return response.status, response.headers["x-request-id"]


async def trace(site: Site, id_: str) -> dict[str, Any]:
    async with site.session.get(f"{site.base}{EXCHANGES}/{id_}") as response:
        text = await response.text()
        assert response.status == 200, text
        assert [secret for secret in (FIRST, SECOND, THIRD) if secret in text] == []
        told: dict[str, Any] = json.loads(text)
        return told


async def ended(site: Site, id_: str) -> dict[str, Any]:
    """The trace of an exchange once it has ended."""
    for _ in range(500):
        if (told := await trace(site, id_))["end"] is not None:
            return told
        await asyncio.sleep(0.02)
    raise AssertionError("it does not end")


def robust(first: str, second: str, **more: Any) -> dict[str, Any]:
    return {
        "providers": {
            "one": {"base_url": first, "keys": [FIRST, SECOND]},
            "two": {"base_url": second, "keys": [THIRD]},
        },
        "models": {"robust": {"deployments": ["one/gpt", "two/gpt"]}},
        "retries": {"attempts": 1},
        **more,
    }


def states(told: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    return [(one["deployment"], one["key"], one["state"]) for one in told["candidates"]]


def limited(seconds: str) -> Whole:
    refused = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
    return msgspec.structs.replace(refused, headers={"retry-after": seconds})


async def test_a_failover(provide: Provide, visit: Visit) -> None:
    busy = stubs.refusal("openai_chat", 503, "busy", "Busy.")
    broken, sound = await provide(busy), await provide(GOOD)
    site = await visit(robust(broken.url, sound.url))
    status, id_ = await asked(site)
    told = await trace(site, id_)
    assert (status, told["end"], told["deployment"]) == (200, "done", "two/gpt")
    assert states(told) == [
        ("one/gpt", "1111", "called"),
        ("one/gpt", "2222", "called"),
        ("two/gpt", "3333", "called"),
    ]
    outcomes = [(one["status"], one["outcome"]) for one in told["attempts"]]
    assert outcomes == [(503, "server"), (503, "server"), (200, "answered")]
    assert told["attempts"][0]["error"]["message"] == "Busy."
    for one in told["attempts"]:
        assert one["began_ms"] <= one["connected_ms"] <= one["first_byte_ms"] <= one["ended_ms"]
    async with site.session.get(f"{site.base}{EXCHANGES}?has=failover") as response:
        assert [row["request_id"] for row in (await response.json())["data"]] == [id_]


async def test_a_key_that_rests_and_one_that_was_refused(provide: Provide, visit: Visit) -> None:
    def by_key(seen: Seen) -> Answer:
        if seen.headers["authorization"].endswith(FIRST):
            return limited("60")
        return stubs.refusal("openai_chat", 401, "invalid_api_key", "No.")

    first, second = await provide(by_key), await provide(GOOD)
    site = await visit(robust(first.url, second.url))
    await asked(site)
    _, id_ = await asked(site)
    told = await trace(site, id_)
    assert states(told) == [
        ("two/gpt", "3333", "called"),
        ("one/gpt", "1111", "resting"),
        ("one/gpt", "2222", "refused"),
    ]
    assert 50 < told["candidates"][1]["seconds"] <= 60


async def test_if_all_keys_rest_the_trace_says_so(provide: Provide, visit: Visit) -> None:
    first, second = await provide(limited("60")), await provide(limited("90"))
    site = await visit(robust(first.url, second.url))
    await asked(site)
    status, id_ = await asked(site)
    told = await trace(site, id_)
    assert (status, told["end"]) == (429, "upstream/route/rate_limit_exceeded")
    assert told["attempts"] == []
    assert {state for _, _, state in states(told)} == {"resting"}


@pytest.mark.parametrize("place", ["variable", "file"])
async def test_a_refused_key_is_named_to_the_operator_alone(
    provide: Provide, tmp_path: Path, place: str
) -> None:
    """The client learns only that it was refused; trace and log name provider, tail and place of the key."""
    refused = stubs.refusal("openai_chat", 401, "invalid_api_key", f"Incorrect API key provided: {FIRST}.")
    provider = await provide(refused)
    (tmp_path / "key").write_text(FIRST)
    (tmp_path / "key").chmod(0o600)
    key: Any = "${ONE_KEY}" if place == "variable" else {"file": str(tmp_path / "key")}
    settings = {**up(provider.url), "providers": {"up": {"base_url": provider.url, "keys": key}}}
    (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
    written = io.BytesIO()
    log = AccessLog(Lines(written, people=False))
    gateway = Gateway(load(tmp_path / "dragoman.yaml", {"ONE_KEY": FIRST}), observers=[log])
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        async with session.post(base + CHAT, json={"model": "up/gpt", "messages": HELLO}) as response:
            said = await response.text()
            assert (response.status, json.loads(said)["error"]["code"]) == (
                502,
                "upstream_credential_refused",
            )
            id_ = response.headers["x-request-id"]
        told = await trace(Site(base, session), id_)
    source = "ONE_KEY" if place == "variable" else str(tmp_path / "key")
    assert "1111" not in said
    assert source not in said
    assert (told["end"], told["status"]) == ("gateway/first_byte/upstream_credential_refused", 502)
    (attempt,) = told["attempts"]
    assert (attempt["deployment"], attempt["key"], attempt["key_source"]) == ("up/gpt", "1111", source)
    assert attempt["error"]["message"] == "Incorrect API key provided: [redacted]."
    (line,) = [row for row in map(json.loads, written.getvalue().splitlines()) if row["request_id"] == id_]
    (tried,) = line["tried"]
    assert (tried["deployment"], tried["key"], tried["key_source"]) == ("up/gpt", "1111", source)
    assert FIRST not in written.getvalue().decode()


async def test_losses_and_changes(provide: Provide, visit: Visit) -> None:
    provider = await provide(stubs.anthropic(Said()))
    site = await visit(up(provider.url, "anthropic"))
    _, id_ = await asked(site, model="up/claude", logit_bias={"1": 2}, seed=3)
    told = await trace(site, id_)
    lost = {loss["path"]: loss["severity"] for loss in told["losses"]}
    assert lost == {"$.logit_bias": "meaning", "$.seed": "hint"}
    assert [change["to"] for change in told["changes"]] == ["$.max_tokens"]
    assert told["attempts"][0]["reasons"] == ["protocol"]
    assert (told["tokens"]["in"], told["tokens"]["estimated"]) == (12, False)
    async with site.session.get(f"{site.base}{EXCHANGES}?has=losses") as response:
        assert [row["losses"] for row in (await response.json())["data"]] == [2]


async def test_a_stream_that_breaks_off(provide: Provide, visit: Visit) -> None:
    frames = stubs.frames("openai_chat", "Half an answer")[:2]
    provider = await provide(Streamed(frames, die=True))
    site = await visit(up(provider.url))
    _, id_ = await asked(site, model="up/gpt", stream=True)
    told = await ended(site, id_)
    assert told["end"] == "upstream/stream/connection_broken"
    (attempt,) = told["attempts"]
    assert attempt["first_content_ms"] is not None
    assert (attempt["outcome"], attempt["error"]["code"]) == ("server", "connection_broken")


async def test_a_client_that_leaves(provide: Provide, visit: Visit) -> None:
    frames = [*stubs.frames("openai_chat", "word") * 50]
    provider = await provide(Streamed(frames, pause=0.2))
    site = await visit(up(provider.url))
    body = {"model": "up/gpt", "messages": HELLO, "stream": True}
    async with site.session.post(site.base + CHAT, json=body) as response:
        id_ = response.headers["x-request-id"]
        await response.content.readany()
        response.close()
    told = await ended(site, id_)
    assert told["end"] == "client/stream"
    assert told["attempts"][0]["ended_ms"] is not None
    assert told["attempts"][0]["outcome"] == "broken_off"
    assert told["error"] is None


async def test_a_wait_between_attempts(provide: Provide, visit: Visit) -> None:
    provider = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."), GOOD)
    settings = up(provider.url) | {"retries": {"attempts": 2, "backoff": "20ms"}}
    site = await visit(settings)
    _, id_ = await asked(site, model="up/gpt")
    told = await trace(site, id_)
    (wait,) = told["waits"]
    assert (wait["reason"], 0 < wait["ms"] <= 20) == ("backoff", True)
    assert wait["began_ms"] + wait["ms"] <= told["attempts"][1]["began_ms"] + 1


async def test_every_error_names_an_id_that_has_a_trace(provide: Provide, visit: Visit) -> None:
    """3.23: in the header x-request-id, in every protocol."""
    provider = await provide(stubs.refusal("openai_chat", 500, "broken", "Broken."))
    site = await visit(up(provider.url))
    hello = {"messages": HELLO, "max_tokens": 5}
    asked = {
        "/v1/chat/completions": {"model": "up/gpt", **hello},
        "/v1/messages": {"model": "up/gpt", **hello},
        "/v1/responses": {"model": "up/gpt", "input": "Hello"},
        "/v1beta/models/up%2Fgpt:generateContent": {"contents": [{"parts": [{"text": "Hello"}]}]},
        "/api/chat": {"model": "up/gpt", "messages": HELLO},
        "/v1/nothing": {},
    }
    for path, body in asked.items():
        async with site.session.post(URL(site.base + path, encoded=True), json=body) as response:
            assert response.status >= 400, path
            told = await ended(site, response.headers["x-request-id"])
            assert (told["status"], told["end"] != "done") == (response.status, True)


async def test_the_command_shows_it(provide: Provide, visit: Visit, environment: dict[str, str]) -> None:
    provider = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    site = await visit(up(provider.url))
    _, id_ = await asked(site, model="up/gpt")
    for arguments in (["--failed"], [id_], [id_[:20]]):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman", "trace", *arguments, "--url", site.base),
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        assert "upstream/first_byte/busy" in out.decode()


async def test_files_that_pass_through_are_never_kept(provide: Provide, visit: Visit) -> None:
    provider = await provide(Whole({"id": "file-1", "object": "file", "words": "of a file"}))
    settings = {
        **up(provider.url, passthrough=["files"], passthrough_ids="upstream"),
        "trace": {"bodies": True},
    }
    site = await visit(settings)
    async with site.session.get(f"{site.base}/v1/files/file-1") as response:
        assert response.status == 200
        id_ = response.headers["x-request-id"]
    told = await ended(site, id_)
    assert [one["deployment"] for one in told["attempts"]] == ["up/files"]
    assert "of a file" not in json.dumps(told)


async def test_bodies_of_a_stream(provide: Provide, visit: Visit) -> None:
    provider = await provide(GOOD)
    site = await visit({**up(provider.url), "trace": {"bodies": True}})
    _, id_ = await asked(site, model="up/gpt", stream=True, user="sk-proj-abcdefgh01234567")
    bodies = (await ended(site, id_))["bodies"]
    assert json.loads(bodies["request"]["text"])["user"] == "[redacted]"
    assert bodies["response"]["text"].rstrip().endswith("data: [DONE]")
