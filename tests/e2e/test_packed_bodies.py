"""Requests whose bodies are packed: every face takes them, in bounds, and providers get what was in them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from dragoman.wire.multipart import Field, content_type, written
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve
from tests.packing import packed

HELLO = [{"role": "user", "content": "Hello!"}]
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "up/gpt-4o", "messages": HELLO}),
    "responses": ("/v1/responses", {"model": "up/gpt-4o", "input": "Hello!"}),
    "completions": ("/v1/completions", {"model": "up/gpt-4o", "prompt": "Hello!"}),
    "messages": ("/v1/messages", {"model": "up/gpt-4o", "messages": HELLO, "max_tokens": 50}),
    "gemini": (
        "/v1beta/models/up%2Fgpt-4o:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    ),
    "ollama": ("/api/chat", {"model": "up/gpt-4o", "messages": HELLO, "stream": False}),
}
JSON = {"content-type": "application/json"}


def message(face: str, body: Any) -> str:
    """The words of an error in the face's own form."""
    if face == "ollama":
        return str(body["error"])
    error = body["error"]
    if face == "messages":
        assert body["type"] == "error"
    elif face == "gemini":
        assert isinstance(error["code"], int)
    else:
        assert {"message", "type", "code", "param"} <= set(error)
    return str(error["message"])


class Site:
    """A gateway before one provider."""

    def __init__(self, base: str, provider: FakeProvider, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.provider = provider
        self.session = session

    async def post(
        self, face: str, data: Any, coding: str, **headers: str
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        stated = {**JSON, "content-encoding": coding, **headers}
        url = self.base + FACES[face][0]
        async with self.session.post(
            url, data=io.BytesIO(data) if isinstance(data, bytes) else data, headers=stated
        ) as response:
            return response.status, json.loads(await response.read()), response


@pytest.fixture
async def site(serve: Serve, provide: Provide) -> AsyncIterator[Site]:
    provider = await provide(stubs.openai_chat(stubs.Said()))
    base = await serve(
        f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\n"
        "server: {max_body: 6MB}\nretries: {attempts: 1}\n"
    )
    async with aiohttp.ClientSession() as session:
        yield Site(base, provider, session)


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate"])
@pytest.mark.parametrize("face", FACES)
async def test_every_face_takes_every_coding(site: Site, face: str, coding: str) -> None:
    body = json.dumps(FACES[face][1]).encode()
    status, answer, _ = await site.post(face, packed(body, coding), coding)
    assert status == 200, answer
    assert b"Hello!" in site.provider.last.raw
    assert "content-encoding" not in site.provider.last.headers


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate"])
async def test_a_large_body_is_relayed_as_it_was(site: Site, coding: str, chunked: bool) -> None:
    words = " ".join(str(number) for number in range(150_000))
    body = json.dumps({"model": "up/gpt-4o", "messages": [{"role": "user", "content": words}]}).encode()
    data = packed(body, coding)

    async def parts() -> AsyncIterator[bytes]:
        for place in range(0, len(data), 9999):
            yield data[place : place + 9999]

    status, answer, _ = await site.post("chat", parts() if chunked else data, coding)
    assert status == 200, answer
    assert site.provider.last.body["messages"][0]["content"] == words
    assert int(site.provider.last.headers["content-length"]) == len(site.provider.last.raw) > 900_000


async def test_codings_one_upon_another(site: Site) -> None:
    body = json.dumps(FACES["chat"][1]).encode()
    assert (await site.post("chat", packed(body, "br", "gzip"), "br, identity, gzip"))[0] == 200
    # A list may stand in several headers, whose order counts.
    raw = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    data = packed(body, "zstd", "gzip")
    raw += b"content-encoding: zstd\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n" % len(data)
    host, port = site.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw + b"connection: close\r\n\r\n" + data)
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "deflate"])
@pytest.mark.parametrize("face", FACES)
async def test_a_broken_body_is_a_400_in_the_faces_form(site: Site, face: str, coding: str) -> None:
    body = packed(json.dumps(FACES[face][1]).encode(), coding)
    for data in (body[:-3], b"{}" + body, json.dumps(FACES[face][1]).encode()):
        status, answer, _ = await site.post(face, data, coding)
        assert status == 400
        assert f"not valid {coding}, as its header content-encoding says" in message(face, answer)
    assert not site.provider.seen


@pytest.mark.parametrize("face", FACES)
async def test_an_unknown_coding_is_a_415_that_names_what_is_taken(site: Site, face: str) -> None:
    status, answer, response = await site.post(face, b"{}", "compress")
    assert status == 415
    assert "'compress'" in message(face, answer)
    assert response.headers["accept-encoding"] == "gzip, zstd, br, deflate"
    assert not site.provider.seen


@pytest.mark.parametrize(
    ("face", "coding"), list(zip(FACES, 2 * ["gzip", "zstd", "br", "deflate"], strict=False))
)
async def test_a_bomb_is_a_413_in_the_faces_form(site: Site, face: str, coding: str) -> None:
    body = json.dumps({**FACES[face][1], "user": " " * 5_500_000}).encode()
    status, answer, _ = await site.post(face, packed(body, coding), coding)
    assert status == 413
    assert "more than 100 times larger" in message(face, answer)
    noise = json.dumps({**FACES[face][1], "user": " ".join(map(str, range(1_100_000)))}).encode()
    status, answer, _ = await site.post(face, packed(noise, coding), coding)
    assert status == 413
    assert "larger than 6000000 bytes after decompression" in message(face, answer)
    assert not site.provider.seen


async def test_a_form_may_be_packed(serve: Serve, provide: Provide) -> None:
    provider = await provide(Whole({"text": "Hello!"}))
    base = await serve(f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\n")
    sound = bytes(range(256)) * 5000
    fields = (Field("model", b"up/whisper-1"), Field("file", sound, "a.wav", "audio/wav"))
    raw = b"".join(written(fields, b"XyZ").parts)
    headers = {"content-type": content_type(b"XyZ"), "content-encoding": "zstd"}
    url, data = base + "/v1/audio/transcriptions", packed(raw, "zstd")
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=data, headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
    assert sound in provider.last.raw


async def test_the_memory_of_what_is_unpacked_is_that_of_all_bodies(provide: Provide, tmp_path: Any) -> None:
    """While one body waits for its answer, another finds no room beside it; afterwards all of it is free."""
    quick = stubs.openai_chat(stubs.Said())

    def slow(seen: Seen) -> Whole:
        assert callable(quick)
        answer = quick(seen)
        assert isinstance(answer, Whole)
        return Whole(answer.body, delay=1.0)

    provider = await provide(slow)
    file = tmp_path / "dragoman.yaml"
    file.write_text(
        f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\nserver: {{body_space: 2MB}}\n"
    )
    words = " ".join(str(number) for number in range(150_000))
    body = json.dumps({"model": "up/gpt-4o", "messages": [{"role": "user", "content": words}]}).encode()
    gateway = Gateway(load(file, {}))
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        site = Site(base, provider, session)

        async def ask() -> int:
            return (await site.post("chat", packed(body, "zstd"), "zstd"))[0]

        assert max(await asyncio.gather(*(ask() for _ in range(4)))) == 503
        provider.answers[0] = quick
        assert await ask() == 200
        broken = await site.post("chat", packed(body, "zstd")[:-9], "zstd")
        assert broken[0] == 400
        assert await ask() == 200
