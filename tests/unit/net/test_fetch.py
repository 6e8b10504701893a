"""What a request names by URL is read within bounds, and never from the gateway's own network."""

from __future__ import annotations

import asyncio
import base64
import threading
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.net.connected import CONNECTED
from dragoman.net.fetch import DEFAULT_BOUNDS, Bounds, Claim, Fetcher
from dragoman.net.resolver import Resolver
from tests.packing import packed

PIXEL = b"\x89PNG"
FILES = {
    "png": b"\x89PNG\r\n\x1a\n",
    "pdf": b"%PDF-1.7",
    "mp4": b"\x00\x00\x00\x18ftypmp42",
    "wav": b"RIFF\x10\x00\x00\x00WAVE",
    "page": b"<!doctype html>",
    "noise": b"\x01\x02",
}


class Site:
    """A web site on loopback. Its paths say how it answers; it counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.came = asyncio.Event()
        self.headers: list[str] = []
        self.open = 0
        self.peak = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.came.set()
        self.headers.extend(request.headers)
        kind, _, argument = request.path.strip("/").partition("/")
        answers: dict[str, Callable[[str], Awaitable[web.StreamResponse]]] = {
            "pixel": self._pixel,
            "bytes": self._bytes,
            "slow": self._slow,
            "status": self._status,
            "busy": self._busy,
            "file": self._file,
            "bomb": self._bomb,
        }
        if kind == "to":
            raise web.HTTPFound(request.query["address"])
        if kind == "loop":
            raise web.HTTPFound(request.path)
        return await answers[kind](argument)

    async def _pixel(self, _: str) -> web.Response:
        return web.Response(body=PIXEL, headers={"content-type": "image/png; charset=binary"})

    async def _bytes(self, count: str) -> web.Response:
        return web.Response(body=b"x" * int(count))

    async def _slow(self, seconds: str) -> web.Response:
        await asyncio.sleep(float(seconds))
        return web.Response(body=PIXEL)

    async def _status(self, status: str) -> web.Response:
        return web.Response(status=int(status), body=PIXEL)

    async def _file(self, what: str) -> web.Response:
        """/file/NAME/TYPE: a file that begins like NAME, said to be of TYPE."""
        name, _, mime = what.partition("/")
        return web.Response(body=FILES[name], headers={"content-type": mime})

    async def _bomb(self, coding: str) -> web.Response:
        return web.Response(body=nothing(coding), headers={"content-encoding": coding})

    async def _busy(self, _: str) -> web.Response:
        self.open += 1
        self.peak = max(self.peak, self.open)
        await asyncio.sleep(0.02)
        self.open -= 1
        return web.Response(body=PIXEL)


@cache
def nothing(coding: str) -> bytes:
    """60 MB of nothing, packed once, so that no test measures the packing."""
    return packed(bytes(60_000_000), coding)


@asynccontextmanager
async def serving(
    allow: str = "127.0.0.1", bounds: Bounds = DEFAULT_BOUNDS
) -> AsyncGenerator[tuple[Site, str, Fetcher], None]:
    """A site, its address, and a fetcher that may reach `allow`."""
    site = Site()
    app = web.Application()
    app.router.add_get("/{rest:.*}", site.answer)
    fetcher = Fetcher((allow,) if allow else (), bounds)
    async with TestServer(app, host="127.0.0.1") as server:
        try:
            yield site, f"http://127.0.0.1:{server.port}", fetcher
        finally:
            await fetcher.close()


def asking(*addresses: str) -> ir.Request:
    images = tuple(ir.Media("image", url=address) for address in addresses)
    return ir.Request("openai_chat", "m", (ir.Message("user", (ir.Text("what is this?"), *images)),))


async def inlined(
    fetcher: Fetcher, request: ir.Request, keep: Callable[[ir.Media], bool] | None = None
) -> ir.Request:
    return await fetcher.inline(request, keep, fetcher.claim(""))


async def refused(fetcher: Fetcher, *addresses: str) -> str:
    """Why a request is refused, whose fault it must be."""
    with pytest.raises(RequestFailed) as caught:
        await inlined(fetcher, asking(*addresses))
    fault = caught.value.fault
    assert (fault.kind, fault.code) == ("invalid_request", "invalid_image_url")
    return fault.message


async def test_bytes_and_content_type_take_the_place_of_the_address() -> None:
    async with serving() as (site, url, fetcher):
        request = await inlined(fetcher, asking(f"{url}/pixel"))
    data = base64.b64encode(PIXEL).decode()
    assert request.messages[0].blocks == (
        ir.Text("what is this?"),
        ir.Media("image", mime="image/png", data=data),
    )
    assert not {"Authorization", "Cookie"} & set(site.headers)


async def test_its_connections_are_none_of_the_provider() -> None:
    connected: list[int] = []
    token = CONNECTED.set(lambda: connected.append(1))
    try:
        async with serving() as (_, url, fetcher):
            await inlined(fetcher, asking(f"{url}/pixel"))
    finally:
        CONNECTED.reset(token)
    assert connected == []


async def test_media_inside_of_tool_results_and_documents_are_read_too() -> None:
    async with serving() as (_, url, fetcher):
        image = ir.Media("image", url=f"{url}/pixel")
        document = ir.Media("document", blocks=(image,))
        blocks = (ir.ToolResult("call_1", (ir.Text("seen"), document)), image)
        request = ir.Request("anthropic", "m", (ir.Message("user", blocks),))
        read = (await inlined(fetcher, request)).messages[0].blocks
    data = ir.Media("image", mime="image/png", data=base64.b64encode(PIXEL).decode())
    assert read == (
        ir.ToolResult("call_1", (ir.Text("seen"), ir.Media("document", blocks=(data,)))),
        data,
    )


async def test_pages_that_a_providers_search_found_are_not_read() -> None:
    """They stand in the history of a conversation: a translation fetched every one of them."""
    async with serving() as (site, url, fetcher):
        found = ir.ToolResult("s1", (ir.Media("document", url=f"{url}/pixel"),), by="provider")
        request = ir.Request("anthropic", "m", (ir.Message("assistant", (found,)),))
        assert await inlined(fetcher, request) is request
    assert site.asked == []


async def test_a_request_without_addresses_stays_as_it_is() -> None:
    request = asking()
    assert await inlined(Fetcher(), request) is request


async def test_redirects_are_followed_to_permitted_addresses_only() -> None:
    async with serving() as (_, url, fetcher):
        request = await inlined(fetcher, asking(f"{url}/to?address=/pixel"))
        assert isinstance(image := request.messages[0].blocks[1], ir.Media)
        assert image.mime == "image/png"
        for address in ("http://169.254.169.254/latest/meta-data", "http://2852039166/", "http://10.0.0.1/"):
            message = await refused(fetcher, f"{url}/to?address={address}")
            assert message == "A URL in the request is not a public address."
        assert "redirects too many times" in await refused(fetcher, f"{url}/loop")


async def test_a_redirect_to_loopback_is_refused_when_only_another_host_is_open() -> None:
    async with serving(allow="localhost") as (site, url, fetcher):
        start = url.replace("127.0.0.1", "localhost")
        assert (await inlined(fetcher, asking(f"{start}/pixel"))) != asking(f"{start}/pixel")
        message = await refused(fetcher, f"{start}/to?address={url}/pixel")
    assert message == "A URL in the request is not a public address."
    assert site.asked == ["/pixel", "/to"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0",
        "0x7f.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
    ],
)
async def test_no_spelling_of_loopback_is_reached(host: str) -> None:
    async with serving(allow="") as (site, url, fetcher):
        message = await refused(fetcher, f"{url.replace('127.0.0.1', host)}/pixel")
    assert message == "A URL in the request is not a public address."
    assert site.asked == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "0x7f.1"])
async def test_a_literal_that_readers_read_differently_is_refused_even_where_loopback_is_open(
    host: str,
) -> None:
    async with serving() as (site, url, fetcher):
        await refused(fetcher, f"{url.replace('127.0.0.1', host)}/pixel")
    assert site.asked == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/status/404", "answered with status 404"),
        ("/status/204", "answered with status 204"),
        ("/bytes/11", "is larger than 10 bytes"),
        ("/slow/5", "did not respond in time"),
    ],
)
async def test_what_is_not_read(path: str, message: str) -> None:
    async with serving(bounds=Bounds(each=10, seconds=0.2)) as (_, url, fetcher):
        assert await refused(fetcher, url + path) == f"A URL in the request {message}."


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file:///etc/passwd", "is not an http or https URL"),
        ("http://", "is not an http or https URL"),
        ("http://127.0.0.1:99999/", "could not be fetched"),
        ("http://user@127.0.0.1/", "contains a user name or a password"),
        ("http://:secret@127.0.0.1/", "contains a user name or a password"),
    ],
)
async def test_what_is_no_address(address: str, message: str) -> None:
    async with serving() as (_, _url, fetcher):
        assert await refused(fetcher, address) == f"A URL in the request {message}."


async def test_a_redirect_may_not_add_a_password() -> None:
    async with serving() as (site, url, fetcher):
        address = url.replace("http://", "http://u:p@")
        assert "user name" in await refused(fetcher, f"{url}/to?address={address}/pixel")
    assert site.asked == ["/to"]


async def test_what_cannot_be_read_keeps_nothing_else_from_being_read() -> None:
    async with serving(bounds=Bounds(seconds=1)) as (_, url, fetcher):
        paths = ("/pixel", "/status/404", "/slow/30", "/pixel")
        named = [(ir.Media("image", url=url + path), "") for path in (*paths, "nowhere")]
        read = await fetcher.try_read(named, fetcher.claim(""))
    assert [one.data is not None for one in read] == [True, False, False, True, False]
    assert read[1:3] == [media for media, _ in named[1:3]]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_what_is_small_on_the_way_is_measured_as_it_is_read(coding: str) -> None:
    assert len(nothing(coding)) < 100_000
    async with serving(bounds=Bounds(each=1_000_000)) as (_, url, fetcher):
        tracemalloc.start()
        try:
            message = await refused(fetcher, f"{url}/bomb/{coding}")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert message == "A URL in the request is larger than 1000000 bytes."
    assert peak < 20_000_000


async def test_all_addresses_of_a_request_share_one_bound_of_bytes() -> None:
    async with serving(bounds=Bounds(together=10)) as (_, url, fetcher):
        await inlined(fetcher, asking(f"{url}/bytes/5", f"{url}/bytes/5"))
        message = await refused(fetcher, f"{url}/bytes/5", f"{url}/bytes/5", f"{url}/bytes/1")
    assert message == "The files at the URLs in the request are larger than 10 bytes in total."


async def test_all_addresses_of_a_request_share_one_time() -> None:
    bounds = Bounds(at_once=1, seconds=0.4)
    async with serving(bounds=bounds) as (_, url, fetcher):
        await inlined(fetcher, asking(f"{url}/slow/0.15"))
        assert "in time" in await refused(fetcher, *[f"{url}/slow/0.15"] * 4)


async def test_a_request_with_too_many_addresses_reads_none() -> None:
    async with serving() as (site, url, fetcher):
        message = await refused(fetcher, *[f"{url}/pixel"] * 21)
    assert message == "The request contains 21 URLs of files; the gateway fetches at most 20."
    assert site.asked == []


async def test_some_addresses_are_read_at_once_and_come_back_in_order() -> None:
    async with serving(bounds=Bounds(at_once=2)) as (site, url, fetcher):
        addresses = [f"{url}/{path}" for path in ("bytes/1", "busy", "busy", "busy", "bytes/2")]
        blocks = (await inlined(fetcher, asking(*addresses))).messages[0].blocks[1:]
    read = [base64.b64decode(block.data or "") for block in blocks if isinstance(block, ir.Media)]
    assert read == [b"x", PIXEL, PIXEL, PIXEL, b"xx"]
    assert site.peak == 2


# --- What comes ----------------------------------------------------------------------------------

NOTHING = "application/octet-stream"


@pytest.mark.parametrize(
    ("kind", "file", "mime"),
    [
        ("image", f"png/{NOTHING}", "image/png"),
        ("image", "png/Binary/Octet-Stream; x=1", "image/png"),
        ("image", "png/", "image/png"),
        ("image", "png/image/jpeg", "image/png"),  # what the bytes are, not what the server takes them for
        ("image", "png/text/plain", "image/png"),
        ("image", "noise/image/avif", "image/avif"),
        ("image", f"noise/{NOTHING}", None),
        ("document", f"pdf/{NOTHING}", "application/pdf"),
        ("document", "page/text/html; charset=utf-8", "text/html"),
        ("document", "noise/application/msword", "application/msword"),
        ("audio", f"wav/{NOTHING}", "audio/wav"),
        ("audio", "mp4/audio/mp4", "audio/mp4"),
        ("audio", "mp4/video/mp4", "video/mp4"),
        ("video", f"mp4/{NOTHING}", "video/mp4"),
    ],
)
async def test_the_type_is_what_server_and_bytes_tell(kind: Any, file: str, mime: str | None) -> None:
    async with serving() as (_, url, fetcher):
        media = ir.Media(kind, url=f"{url}/file/{file}")
        request = ir.Request("openai_chat", "m", (ir.Message("user", (media,)),))
        (read,) = (await inlined(fetcher, request)).messages[0].blocks
    assert isinstance(read, ir.Media)
    assert (read.mime, read.url) == (mime, None)


async def test_a_type_that_the_client_states_stays() -> None:
    async with serving() as (_, url, fetcher):
        media = ir.Media("image", "image/png", url=f"{url}/file/png/image/jpeg")
        request = ir.Request("openai_chat", "m", (ir.Message("user", (media,)),))
        (read,) = (await inlined(fetcher, request)).messages[0].blocks
        assert isinstance(read, ir.Media)
        assert read.mime == "image/png"
        page = ir.Media("image", "image/png", url=f"{url}/file/page/text/html")
        with pytest.raises(RequestFailed, match="not a supported image type"):
            await inlined(fetcher, ir.Request("openai_chat", "m", (ir.Message("user", (page,)),)))


@pytest.mark.parametrize(
    ("kind", "file", "what"),
    [
        ("image", "page/text/html", "text/html, not a supported image type"),
        (
            "image",
            f"pdf/{NOTHING}",
            "application/pdf, not a supported image type",
        ),
        ("audio", "png/image/png", "image/png, not a supported audio type"),
        ("video", "wav/audio/wav", "audio/wav, not a supported video type"),
        ("document", f"png/{NOTHING}", "image/png, not a supported document type"),
    ],
)
async def test_what_contradicts_its_part_is_refused(kind: Any, file: str, what: str) -> None:
    async with serving() as (_, url, fetcher):
        media = ir.Media(kind, url=f"{url}/file/{file}")
        request = ir.Request("openai_chat", "m", (ir.Message("user", (media,)),))
        with pytest.raises(RequestFailed) as caught:
            await inlined(fetcher, request)
    fault = caught.value.fault
    assert (fault.message, fault.param) == (
        f"A URL in the request is of the type {what}.",
        "messages[0].blocks[0]",
    )


async def test_the_part_is_named_wherever_it_lies() -> None:
    async with serving() as (_, url, fetcher):
        good, bad = (ir.Media("image", url=f"{url}/{path}") for path in ("pixel", "status/404"))
        inside = ir.ToolResult("c", (ir.Text("seen"), ir.Media("document", blocks=(good, bad))))
        messages = (ir.Message("user", (good,)), ir.Message("user", (ir.Text("x"), inside)))
        with pytest.raises(RequestFailed) as caught:
            await inlined(fetcher, ir.Request("anthropic", "m", messages))
    assert caught.value.fault.param == "messages[1].blocks[1].content[1].blocks[1]"


async def test_what_the_upstream_reads_itself_is_not_read() -> None:
    own = ir.Media("image", url="gs://bucket/a.png")
    inside = ir.ToolResult("c", (own,))
    async with serving() as (site, url, fetcher):
        other = ir.Media("image", url=f"{url}/pixel")
        request = ir.Request("gemini", "m", (ir.Message("user", (own, inside, other)),))
        read = await inlined(fetcher, request, lambda media: (media.url or "").startswith("gs://"))
        assert (await inlined(fetcher, request, lambda _: True)) is request
    assert read.messages[0].blocks[:2] == (own, inside)
    assert site.asked == ["/pixel"]


async def test_media_that_are_named_by_their_places() -> None:
    """Of what is no conversation: in the same order; a failure is told at its place."""
    async with serving() as (_, url, fetcher):
        named = [(ir.Media("image", url=f"{url}/{path}"), f"images[{path}]") for path in ("busy/", "pixel")]
        found = await fetcher.read(named, fetcher.claim(""))
        assert [one.mime for one in found] == [None, "image/png"]
        assert [one.data for one in found] == [base64.b64encode(PIXEL).decode()] * 2
        with pytest.raises(RequestFailed) as caught:
            await fetcher.read(
                [*named, (ir.Media("image", url=f"{url}/status/404"), "images[7]")], fetcher.claim("")
            )
    assert caught.value.fault.param == "images[7]"


async def refusal(fetcher: Fetcher, address: str, claim: Claim) -> ir.Fault:
    with pytest.raises(RequestFailed) as caught:
        await fetcher.inline(asking(address), None, claim)
    return caught.value.fault


async def test_bytes_are_held_until_their_exchanges_have_ended() -> None:
    bounds = Bounds(space=10_000)
    async with serving(bounds=bounds) as (_, site, fetcher):
        first, second, other = (fetcher.claim(client) for client in ("a", "a", "b"))
        await fetcher.inline(asking(f"{site}/bytes/4000"), None, first)
        fault = await refusal(fetcher, f"{site}/bytes/4000", second)  # a client has half of the room
        assert (fault.kind, fault.code, fault.blame) == ("overloaded", "fetch_busy", "gateway")
        assert fault.retry_after is not None
        assert fault.param is None
        await fetcher.inline(asking(f"{site}/bytes/4000"), None, other)
        second.close()
        first.close()
        await fetcher.inline(asking(f"{site}/bytes/4000"), None, second)
        crowded = await refusal(fetcher, f"{site}/bytes/4000", fetcher.claim("c"))
        assert crowded.code == "fetch_busy"
        for claim in (first, second, other):
            claim.close()
            claim.close()


async def test_one_request_alone_always_has_its_room() -> None:
    async with serving(bounds=Bounds(space=10)) as (_, site, fetcher):
        claim = fetcher.claim("a")
        await fetcher.inline(asking(f"{site}/bytes/4000", f"{site}/bytes/4000"), None, claim)
        assert claim.held == 8000
        assert (await refusal(fetcher, f"{site}/pixel", fetcher.claim("b"))).code == "fetch_busy"
        claim.close()
        await inlined(fetcher, asking(f"{site}/pixel"))


async def test_a_client_with_slow_servers_holds_up_itself_alone() -> None:
    async with serving(bounds=Bounds(reads=4, wait=0.1)) as (site, url, fetcher):
        slow = asyncio.ensure_future(fetcher.inline(asking(f"{url}/slow/30"), None, fetcher.claim("a")))
        await asyncio.wait_for(site.came.wait(), 60)
        fault = await refusal(fetcher, f"{url}/pixel", fetcher.claim("a"))
        assert (fault.code, fault.blame) == ("fetch_busy", "gateway")
        await fetcher.inline(asking(f"{url}/pixel"), None, fetcher.claim("b"))
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await fetcher.inline(asking(f"{url}/pixel"), None, fetcher.claim("a"))


@pytest.mark.parametrize(
    ("threads", "kind", "code"),
    [(4, "invalid_request", "name_resolution_timeout"), (1, "overloaded", "fetch_busy")],
)
async def test_names_that_are_not_looked_up_in_time(threads: int, kind: str, code: str) -> None:
    silent = threading.Event()

    def lookup(*_: Any) -> list[tuple[Any, ...]]:
        silent.wait(30)
        return []

    resolver = Resolver(threads, 0.2, lookup)
    fetcher = Fetcher((), DEFAULT_BOUNDS, resolver)
    if threads == 1:
        await refusal(fetcher, "http://slow.example/", fetcher.claim(""))
    fault = await refusal(fetcher, "http://slow.example/", fetcher.claim(""))
    silent.set()
    assert (fault.kind, fault.code) == (kind, code)
    await fetcher.close()
