"""Bodies are read within bounds: forms for those who may send one, whose files end with their exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.load import load
from dragoman.dialects.table import DIALECTS
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Bodies, Endpoint, Handler, HttpRequest
from dragoman.server.faces import PathTable
from dragoman.server.link import Message
from dragoman.wire.json import encode
from dragoman.wire.multipart import Field, content_type, written
from tests.unit.server.test_app import CHAT, Own, Visit

MIB = 1024 * 1024
B = b"XyZ"
SMALL = b"".join(written((Field("model", b"m"), Field("file", b"sound", "a.wav", "audio/wav")), B).parts)
LARGE = b"".join(written((Field("file", bytes(3 * MIB), "a.wav"),), B).parts)
KEY = "a-key-of-some-length"
Open = Callable[..., Gateway]


class Desk:
    """An endpoint that takes forms: says what was in them, after waiting until it may."""

    def __init__(self, takes: Bodies) -> None:
        self.came = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()
        self.calls: list[HttpRequest] = []
        self.endpoint = Endpoint(
            "/v1/desk", DIALECTS["openai_chat"], {"POST": Handler(self.run, takes_body=takes)}
        )

    async def run(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        self.calls.append(request)
        self.came.set()
        await self.may.wait()
        fields = [[field.name, len(field.value), field.filename] for field in request.form or ()]
        await client.answer(200, (), encode({"fields": fields, "body": request.body.decode()}))


class Post:
    """A request to the desk under a server that knows nothing of us."""

    def __init__(self, gateway: Gateway, parts: Sequence[bytes] = (SMALL,), **headers: str) -> None:
        self._parts = list(parts)
        self.promises = False
        """Whether more is announced than comes."""
        self.asked = 0
        self.sent: list[Message] = []
        stated = {"host": "localhost", "content_type": content_type(B), **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in stated.items()]
        scope = {"type": "http", "method": "POST", "path": "/v1/desk", "headers": raw, "root_path": ""}
        self.task = asyncio.ensure_future(gateway.asgi()(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        self.asked += 1
        if not self._parts:
            await asyncio.Event().wait()
        return {
            "type": "http.request",
            "body": self._parts.pop(0),
            "more_body": self.promises or bool(self._parts),
        }

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def answer(self) -> tuple[int, Any]:
        await self.task
        body = json.loads(self.sent[1]["body"])
        return int(self.sent[0]["status"]), body.get("error", body)

    async def refused(self) -> tuple[int, str | None, str | None]:
        """Status, code and parameter."""
        status, error = await self.answer()
        return status, error["code"], error["param"]


@pytest.fixture
def takes() -> Bodies:
    return "form"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, takes: Bodies) -> Desk:
    desk = Desk(takes)

    def found(*_: object) -> tuple[Endpoint, dict[str, str]]:
        return desk.endpoint, {}

    monkeypatch.setattr(PathTable, "find", found)
    return desk


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Gateway] = []

    def open_(**configuration: Any) -> Gateway:
        file = tmp_path / "dragoman.yaml"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        opened.append(Gateway(load(file, {})))
        return opened[-1]

    yield open_
    for gateway in opened:
        await gateway.close()


async def test_a_handler_gets_the_form(desk: Desk, start: Open) -> None:
    status, said = await Post(start(), [SMALL[:20], SMALL[20:]]).answer()
    assert (status, said) == (200, {"fields": [["model", 1, None], ["file", 5, "a.wav"]], "body": ""})


@pytest.mark.parametrize("takes", ["either"])
async def test_a_handler_may_take_either(desk: Desk, start: Open) -> None:
    gateway = start()
    assert (await Post(gateway).answer())[1]["fields"]
    assert (await Post(gateway, [b"{}"], content_type="application/json").answer())[1]["body"] == "{}"
    assert desk.calls[1].form is None
    status, error = await Post(gateway, [b"a=1"], content_type="application/xml").answer()
    assert status == 415
    assert "application/json' or 'content-type: multipart/form-data'" in error["message"]


async def test_what_is_no_form_is_refused(desk: Desk, start: Open) -> None:
    gateway = start()
    assert await Post(gateway, [b"{}"], content_type="application/json").refused() == (
        415,
        "unsupported_media_type",
        None,
    )
    assert (await Post(gateway, content_encoding="gzip").refused())[0] == 400
    assert (await Post(gateway, content_encoding="compress").refused())[0] == 415
    assert (await Post(gateway, content_type="multipart/form-data").refused())[0] == 400
    assert await Post(gateway, [SMALL[:-12]]).refused() == (400, None, "file")
    assert not desk.calls


@pytest.mark.parametrize("takes", ["json"])
async def test_json_stays_json(desk: Desk, start: Open) -> None:
    assert (await Post(start()).refused())[0] == 415


async def test_nothing_is_read_of_who_has_no_key(desk: Desk, start: Open) -> None:
    gateway = start(auth={"keys": [KEY]})
    post = Post(gateway, [b"\r\n--XyZ" * 1000])
    assert (await post.refused())[0] == 401
    assert post.asked == 0
    assert (await Post(gateway, authorization=f"Bearer {KEY}").answer())[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_a_foreign_page_may_not_use_an_open_gateway(desk: Desk, start: Open, origin: str) -> None:
    """Browsers send forms to other origins without asking first."""
    post = Post(start(), origin=origin)
    assert await post.refused() == (403, "origin_not_allowed", None)
    assert post.asked == 0


async def test_pages_that_may_call_may_send_forms(desk: Desk, start: Open) -> None:
    assert (await Post(start(), origin="http://localhost:3000").answer())[0] == 200
    keyed = start(auth={"keys": [KEY]})
    assert (await Post(keyed, origin="https://a.example", authorization=f"Bearer {KEY}").answer())[0] == 200
    named = start(server={"cors_origins": ["https://b.example"]})
    assert (await Post(named, origin="https://b.example").answer())[0] == 200
    assert (await Post(named, origin="http://localhost:3000").refused())[0] == 403


async def test_size_is_bounded_before_anything_happens(desk: Desk, start: Open) -> None:
    gateway = start(server={"max_upload": "2MB"})
    stated = Post(gateway, content_length="2000001")
    assert await stated.refused() == (413, "request_too_large", None)
    assert stated.asked == 0
    parts = [LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536)]
    chunked = Post(gateway, parts)
    assert await chunked.refused() == (413, "request_too_large", "file")
    assert chunked.asked < 35
    assert not desk.calls


async def test_there_is_no_room_while_others_have_it(
    desk: Desk, start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start(server={"upload_space": "4MB"})
    app = gateway.asgi()
    monkeypatch.setattr(gateway, "asgi", lambda: app)
    desk.may.clear()
    first = Post(gateway, [LARGE])
    await desk.came.wait()
    stated = Post(gateway, [LARGE], content_length="12000000")
    assert await stated.refused() == (503, "insufficient_storage", None)
    assert stated.asked == 0
    parts = [LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536)]
    chunked = Post(gateway, parts)
    assert await chunked.refused() == (503, "insufficient_storage", "file")
    assert chunked.asked < len(LARGE) // 65536
    assert (b"retry-after", b"5") in chunked.sent[0]["headers"]
    desk.may.set()
    assert (await first.answer())[0] == 200
    assert (await Post(gateway, [LARGE]).answer())[0] == 200


async def test_who_stops_sending_is_told_so(desk: Desk, start: Open) -> None:
    post = Post(start(server={"body_timeout": "50ms"}), [SMALL[:-12]])
    post.promises = True
    assert await post.refused() == (408, "request_timeout", "file")


async def test_files_end_with_the_exchange(desk: Desk, start: Open) -> None:
    gateway = start()
    desk.may.clear()
    left = Post(gateway, [LARGE])
    await desk.came.wait()
    assert desk.calls[0].form is not None
    value = desk.calls[0].form[0].value
    assert bytes(value[:3]) == b"\0\0\0"
    left.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left.task
    with pytest.raises(ValueError, match="released"):
        bytes(value)
    desk.may.set()
    assert (await Post(gateway, [LARGE]).answer())[0] == 200
    answered = desk.calls[1].form
    assert answered is not None
    with pytest.raises(ValueError, match="released"):
        bytes(answered[0].value)


async def test_waiting_for_a_slow_upload_is_not_our_own_time() -> None:
    own = Own()
    own.may.set()
    gateway = Gateway(upstreams={"own": own})
    visit = Visit(gateway.asgi(), parts=[CHAT[:9], CHAT[9:]])
    visit.pause = 0.2
    await visit.task
    assert visit.status == 200
    assert float(visit.headers[b"x-dragoman-overhead-ms"]) < 200
    await gateway.close()
