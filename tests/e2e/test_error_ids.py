"""Row 3.23: each error tells the id of its request in its body, in every protocol, also inside a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e import stubs
from tests.e2e.calls import CHAT, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import streamed
from tests.e2e.test_streams_that_break_off import BREAKING, FACES

EVERY = pytest.mark.parametrize("face", FACES)
ID = "the-id-of-my-client"


async def asked(site: Site, face: str, *, whole: bool) -> bytes:
    """The body of the answer to a request with the id ID. whole: no stream is asked for."""
    path, body = FACES[face]
    if whole:
        path = path.replace(":streamGenerateContent", ":generateContent").partition("?")[0]
        body = {**body, "stream": False} if "contents" not in body else body
    named = body if "contents" in body else {"model": "up/m", **body}
    headers = {"x-request-id": ID, "anthropic-version": "2023-06-01"}
    async with site.session.post(site.base + path, json=named, headers=headers) as response:
        assert response.headers["x-request-id"] == ID
        return await response.read()


def id_of(face: str, body: dict[str, Any]) -> str | None:
    """The id in the body of an error, or in the last event of a stream."""
    if face.startswith("ollama"):
        return body.get("error_id")
    if face == "anthropic":
        return body.get("request_id")
    error = body["error"] if "error" in body else body["response"]["error"]
    if face.startswith("gemini"):
        kind = "type.googleapis.com/google.rpc.RequestInfo"
        return next((one["requestId"] for one in error["details"] if one["@type"] == kind), None)
    found: str | None = error.get("error_id")
    return found


def last(face: str, raw: bytes) -> dict[str, Any]:
    """The last event of a stream as JSON."""
    if face == "gemini_array":
        found: dict[str, Any] = json.loads(raw)[-1]
    elif face.startswith("ollama"):
        found = json.loads(raw.splitlines()[-1])
    else:
        lines = [line for line in raw.replace(b"\r", b"").split(b"\n") if line.startswith(b"data: {")]
        found = json.loads(lines[-1].removeprefix(b"data: "))
    return found


@EVERY
async def test_a_whole_error_tells_it(visit: Visit, provide: Provide, face: str) -> None:
    provider = await provide(stubs.refusal("openai_chat", 500, "busy", "No, for a reason."))
    site = await visit(up(provider.url))
    assert id_of(face, json.loads(await asked(site, face, whole=True))) == ID


@EVERY
@pytest.mark.parametrize("mode", ["relay", "translate"])
async def test_an_error_in_a_stream_tells_it(visit: Visit, provide: Provide, face: str, mode: str) -> None:
    own = "ollama" if face.startswith("ollama") else "gemini" if face.startswith("gemini") else face
    other = "anthropic" if own == "openai_chat" else "openai_chat"
    dialect = own if mode == "relay" else other
    provider = await provide(streamed(dialect, BREAKING[dialect]))
    site = await visit(up(provider.url, dialect))
    raw = await asked(site, face, whole=False)
    assert b"Half an" in raw
    assert id_of(face, last(face, raw)) == ID


async def test_an_error_after_a_heartbeat_tells_it(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"error": {"message": "No."}}, 500, delay=0.25))
    site = await visit({**up(provider.url), "server": {"heartbeat": 0.1}})
    assert id_of("openai_chat", last("openai_chat", await asked(site, "openai_chat", whole=False))) == ID


async def test_an_error_before_the_engine_tells_it(visit: Visit) -> None:
    """The id that the gateway has made, of a request that reaches no provider, finds its trace."""
    site = await visit({})
    async with site.session.post(site.base + CHAT, data=b"{", headers={"content-type": "text/json"}) as got:
        error = (await got.json())["error"]
        assert error["error_id"] == got.headers["x-request-id"]
    async with site.session.get(f"{site.base}/admin/exchanges/{error['error_id']}") as response:
        told = await response.json()
        assert (told["request_id"], told["status"]) == (error["error_id"], got.status)
