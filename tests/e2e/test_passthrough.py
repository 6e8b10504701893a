"""Row 2.31: files, batches, fine-tuning and their like reach their provider as clients send them.

Most tests name objects that no client has made through the gateway. `test_owned` is about the others.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from yarl import URL

from dragoman.errors import ConfigError
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e import stubs
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit

KEY, UP = "client-canary-key", "sk-up-0123456789"
ALL = ["files", "uploads", "batches", "fine_tuning", "vector_stores"]
LINES = b'{"custom_id": "a", "method": "POST"}\n' * 3
MINTED = re.compile(r"\b(?!msgbatch_1\b)[a-z]+[-_][0-9a-z]{25}\b")
PATIENCE = 20.0
"""Seconds that a machine under load may take."""


def row(provider: FakeProvider | Halting, dialect: str = "openai_chat", **more: Any) -> dict[str, Any]:
    resources = ["files", "message_batches"] if dialect == "anthropic" else ALL
    account = {"dialect": dialect, "base_url": provider.url, "keys": [UP], "passthrough": resources}
    return {**account, "passthrough_ids": "upstream", **more}


def before(**rows: Any) -> dict[str, Any]:
    """A gateway with keys before these providers."""
    keys: list[Any] = [KEY, {"key": "some-key", "models": ["m"]}]
    return {"providers": rows, "auth": {"keys": keys}, "aliases": {"m": "simulate/echo"}}


def answer(seen: Seen) -> Answer:
    """What a provider answers: enough for its client to read, and everything that came in."""
    path = seen.path.removeprefix("/v1")
    if path.endswith("/content") and "vector" not in path:
        return Whole(b"\x00\xff" * 5000, headers={"content-type": "application/octet-stream", "etag": '"e"'})
    if path.endswith("/results"):
        told = b'{"custom_id": "a", "result": {"type": "canceled"}}\n'
        return Whole(told, headers={"content-type": "application/x-jsonl"})
    lists = {"files", "batches", "jobs", "events", "checkpoints", "vector_stores", "search", "content"}
    if (seen.method == "GET" and path.rpartition("/")[2] in lists) or path.endswith("/search"):
        page = {
            "object": "list",
            "data": [{"id": "x-1"}],
            "has_more": False,
            "first_id": "x-1",
            "last_id": "x-1",
        }
        return Whole(page)
    kind = {"object": "x", "type": "x", "status": "completed", "processing_status": "ended"}
    results = f"http://{seen.headers['host']}/v1/messages/batches/msgbatch_1/results"
    more = {"results_url": results} if "messages" in path else {"purpose": "batch", "deleted": True}
    return Whole({"id": "x-1", **kind, **more}, headers={"x-request-id": "req_up"})


async def with_openai(client: AsyncOpenAI) -> list[Any]:
    """Every call of OpenAI's client that is passed through; what it got."""
    got: list[Any] = []

    async def note(call: Awaitable[Any]) -> None:
        got.append(await call)

    await note(client.files.create(file=("a b.jsonl", LINES), purpose="batch"))
    await note(client.files.list(purpose="batch", limit=2, after="x/1", order="desc"))
    await note(client.files.retrieve("file-1"))
    got.append(await (await client.files.content("file-1")).aread())
    await note(client.files.delete("file-1"))
    await note(client.uploads.create(bytes=9, filename="f", mime_type="text/plain", purpose="batch"))
    await note(client.uploads.parts.create("up-1", data=b"part"))
    await note(client.uploads.complete("up-1", part_ids=["p"]))
    await note(client.uploads.cancel("up-1"))
    endpoint: Any = "/v1/chat/completions"
    await note(client.batches.create(completion_window="24h", endpoint=endpoint, input_file_id="file-1"))
    await note(client.batches.list(limit=1))
    await note(client.batches.retrieve("batch-1"))
    await note(client.batches.cancel("batch-1"))
    jobs = client.fine_tuning.jobs
    await note(jobs.create(model="gpt-4o", training_file="file-1"))
    await note(jobs.list(metadata={"a": "b"}))
    for call in (
        jobs.retrieve,
        jobs.cancel,
        jobs.pause,
        jobs.resume,
        jobs.list_events,
        jobs.checkpoints.list,
    ):
        await note(call("ftjob-1"))
    stores = client.vector_stores
    await note(stores.create(name="s"))
    await note(stores.list())
    await note(stores.update("vs-1", name="t"))
    await note(stores.search("vs-1", query="q"))
    await note(stores.files.create(file_id="file-1", vector_store_id="vs-1"))
    await note(stores.files.list("vs-1", filter="completed"))
    await note(stores.files.content("file-1", vector_store_id="vs-1"))
    await note(stores.file_batches.create(vector_store_id="vs-1", file_ids=["file-1"]))
    await note(stores.file_batches.retrieve("vb-1", vector_store_id="vs-1"))
    await note(stores.file_batches.cancel("vb-1", vector_store_id="vs-1"))
    await note(stores.file_batches.list_files("vb-1", vector_store_id="vs-1"))
    await note(stores.delete("vs-1"))
    return got


async def with_anthropic(client: AsyncAnthropic) -> list[Any]:
    """The same of Anthropic's."""
    got: list[Any] = []
    ask: Any = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    batches, files = client.messages.batches, client.beta.files
    got.append(await batches.create(requests=[{"custom_id": "a", "params": ask}]))
    got.append(await batches.list(limit=2))
    got += [await call("msgbatch_1") for call in (batches.retrieve, batches.cancel, batches.delete)]
    got.append([line async for line in await batches.results("msgbatch_1")])
    got.append(await files.upload(file=("a.txt", b"text", "text/plain")))
    got.append(await files.list())
    got.append(await files.retrieve_metadata("file_1"))
    got.append(await (await files.download("file_1")).read())
    got.append(await files.delete("file_1"))
    return got


def sent(seen: Seen) -> dict[str, Any]:
    """A request without what differs from one to the next, and without the key."""
    kind = seen.headers.get("content-type", "")
    raw = seen.raw
    if (boundary := re.search(r"boundary=\"?([^\";]+)", kind)) is not None:
        raw = raw.replace(boundary[1].encode(), b"BOUNDARY")
        kind = kind.replace(boundary[1], "BOUNDARY")
    named = ("openai-beta", "anthropic-beta", "anthropic-version", "content-length")
    meant = {name: value for name in named if (value := seen.headers.get(name, "0")) != "0"}
    return {"asked": (seen.method, seen.path, dict(seen.query)), "kind": kind, "raw": raw, **meant}


@pytest.mark.parametrize("spoken", ["openai", "anthropic"])
async def test_a_client_cannot_tell_it_from_its_provider(
    visit: Visit, provide: Provide, stack: AsyncExitStack, spoken: str
) -> None:
    """What is sent and what is got are the same, byte for byte, but for the key."""
    direct, behind = await provide(answer), await provide(answer)
    site = await visit(before(up=row(behind, "openai_chat" if spoken == "openai" else "anthropic")))
    got = []
    for base, key in ((direct.url, UP), (site.base, KEY)):
        if spoken == "openai":
            client: Any = AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)
            call: Callable[[Any], Awaitable[list[Any]]] = with_openai
        else:
            client, call = AsyncAnthropic(base_url=base, api_key=key, max_retries=0), with_anthropic
        await stack.enter_async_context(client)
        got.append([repr(one) for one in await call(client)])
    own = f"results_url='{direct.url}"
    assert [told.replace(own, "results_url='") for told in got[0]] == [
        MINTED.sub("x-1", told) for told in got[1]
    ]
    assert [sent(seen) for seen in behind.seen] == [sent(seen) for seen in direct.seen]
    assert len(behind.seen) >= 10
    for seen in behind.seen:
        told = [seen.path, *seen.query.values(), *seen.headers.values(), seen.raw.decode("latin-1")]
        assert not any(KEY in text for text in told)
        assert any(UP in value for value in seen.headers.values())
        assert {"x-stainless-lang", "host", "cookie"} & set(seen.headers) == {"host"}


# Who is asked --------------------------------------------------------------------------------------


async def ask(site: Site, method: str, path: str, key: str = KEY, **more: Any) -> Answered:
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    url = URL(site.base + path, encoded=True)
    async with site.session.request(method, url, headers=headers, **more) as response:
        return Answered(response.status, response.headers, await response.read())


async def test_the_provider_that_has_it_and_speaks_the_clients_protocol(
    visit: Visit, provide: Provide
) -> None:
    one, two, claude = [await provide(answer) for _ in range(3)]
    rows = {"one": row(one), "two": row(two, passthrough=["files"]), "claude": row(claude, "anthropic")}
    site = await visit(before(**rows))
    assert (await ask(site, "GET", "/v1/batches")).headers["x-dragoman-deployment"] == "one"
    refused = await ask(site, "GET", "/v1/files")
    assert (refused.status, refused.error["code"]) == (400, "unknown_provider")
    assert "one, two" in refused.error["message"]
    for name, provider in (("one", one), ("two", two)):
        assert (await ask(site, "GET", "/files", headers={"x-dragoman-provider": name})).status == 200
        assert provider.last.path == "/v1/files"
        assert "x-dragoman-provider" not in provider.last.headers
    for name in ("claude", "nobody", ""):
        refused = await ask(site, "GET", "/v1/files", headers={"x-dragoman-provider": name})
        assert (refused.status, refused.error["param"]) == (400, "x-dragoman-provider")
    version = {"anthropic-version": "2023-06-01"}
    assert (await ask(site, "GET", "/v1/files", headers=version)).status == 200
    assert claude.last.path == "/v1/files"
    assert (await ask(site, "GET", "/anthropic/v1/messages/batches")).status == 200
    assert claude.last.path == "/v1/messages/batches"
    refused = await ask(site, "GET", "/v1/batches", headers={"x-dragoman-provider": "two"})
    assert refused.status == 400


async def test_what_nobody_has_is_501_and_what_is_nothing_404(visit: Visit, provide: Provide) -> None:
    provider = await provide(answer)
    site = await visit(before(up=row(provider, passthrough=["batches"])))
    refused = await ask(site, "POST", "/v1/files", data=b"x")
    assert (refused.status, refused.error["code"]) == (501, "not_implemented")
    told = await ask(site, "GET", "/v1/messages/batches", headers={"anthropic-version": "2023-06-01"})
    assert (told.status, told.body["type"]) == (501, "error")
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key=KEY, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError, match="passthrough"):
            await client.files.list()
    for path in ("/v1/assistants", "/v1/batches/b/cancel/x", "/v1/fine_tuning", "/v1/batchesx"):
        assert (await ask(site, "GET", path)).status == 404, path
    for method, path in (
        ("DELETE", "/v1/batches/b"),
        ("PUT", "/v1/batches"),
        ("GET", "/v1/batches/b/cancel"),
    ):
        assert (await ask(site, method, path)).status == 405, path
    assert not provider.seen


@pytest.mark.parametrize(
    "id_",
    [
        "..",
        ".",
        "%2e%2e",
        "%2E",
        "..%2f..%2fv1%2fmodels",
        "a%2Fb",
        "a%00",
        "a%20b",
        "a%3Fkey=1",
        "a%23",
        "ä",
        "a" * 257,
    ],
)
async def test_no_id_leads_elsewhere(visit: Visit, provide: Provide, id_: str) -> None:
    provider = await provide(answer)
    site = await visit(before(up=row(provider)))
    for path in (f"/v1/files/{id_}", f"/v1/files/{id_}/content", f"/v1/vector_stores/vs/files/{id_}"):
        assert (await ask(site, "GET", path)).status in {400, 404}, path
    assert not provider.seen


async def test_who_may_not(visit: Visit, provide: Provide) -> None:
    """A batch asks for any model and spends the operator's key; nor does a web page send forms."""
    provider = await provide(answer)
    site = await visit(before(up=row(provider)))
    refused = await ask(site, "POST", "/v1/batches", "some-key", data=b"x")
    assert (refused.status, refused.error["code"]) == (403, "key_limited_to_models")
    assert (await ask(site, "GET", "/v1/files", "wrong-key")).status == 401
    open_ = await visit({"providers": {"up": row(provider)}})
    foreign = {"origin": "https://evil.example"}
    assert (await ask(open_, "POST", "/v1/files", headers=foreign, data={"purpose": "x"})).status == 403
    assert not provider.seen
    assert (await ask(open_, "POST", "/v1/files", data={"purpose": "x"})).status == 200


async def test_failures_are_told_in_the_clients_protocol(visit: Visit, provide: Provide) -> None:
    """Without the gateway's credential, and as its fault where that is refused."""
    missing = stubs.refusal("openai_chat", 404, "not_found", f"No such File object at {UP}", "id")
    denied = stubs.refusal("openai_chat", 401, "invalid_api_key", f"Incorrect API key provided: {UP}")
    provider = await provide(missing, denied, Whole(b"<html>", 502))
    exchanges: list[Any] = []
    site = await visit(before(up=row(provider)), observers=[exchanges.append])
    told = await ask(site, "GET", "/v1/files/file-1")
    assert (told.status, told.error["code"], told.error["param"]) == (404, "not_found", "id")
    denied_ = await ask(site, "GET", "/v1/files/file-1")
    assert (denied_.status, denied_.error["code"]) == (502, "upstream_credential_refused")
    assert (await ask(site, "GET", "/v1/files/file-1")).status == 502
    assert not any(UP in answered.raw.decode() for answered in (told, denied_))
    assert [(one.path, one.answered, one.attempts[0].status) for one in exchanges] == [
        ("/v1/files/{id}", "up/files", status) for status in (404, 401, 502)
    ]
    unreachable = await visit(before(up={**row(provider), "base_url": "http://127.0.0.1:9"}))
    assert (await ask(unreachable, "POST", "/v1/files", data=b"x")).status == 503
    claude = await provide(stubs.refusal("anthropic", 404, "not_found_error", "No such batch."))
    site = await visit(before(up=row(claude, "anthropic")))
    async with AsyncAnthropic(base_url=site.base, api_key=KEY, max_retries=0) as client:
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.batches.retrieve("msgbatch_1")


# How it flows ----------------------------------------------------------------------------------------


class Halting:
    """A provider that tells when the first half of a body has come, and holds back the second half of its
    answer until it may go.
    """

    def __init__(self) -> None:
        self.half, self.go, self.cut = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.head, self.body = b"", b""
        self.url = ""
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield
        self.go.set()
        server.close()
        await asyncio.wait_for(self._idle.wait(), PATIENCE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._idle.clear()
        with suppress(ConnectionError):
            await self._answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._idle.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = (await reader.readuntil(b"\r\n\r\n")).lower()
        stated = re.search(rb"content-length: (\d+)", self.head)
        length = int(stated[1]) if stated else None
        while length is None or len(self.body) < length:
            piece = await reader.read(65536)
            self.body += piece
            if not piece:
                self.cut.set()
                return
            if len(self.body) >= HALF:
                self.half.set()
            if length is None and self.body.endswith(b"0\r\n\r\n"):
                break
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/x\r\ncontent-length: %d\r\n\r\n" % (2 * HALF))
        writer.write(b"a" * HALF)
        await self.go.wait()
        writer.write(b"b" * HALF)


HALF = 300_000


@pytest.fixture
async def halting() -> AsyncIterator[Halting]:
    provider = Halting()
    async with provider.running():
        yield provider


@pytest.mark.parametrize("stated", [True, False])
async def test_bodies_flow_in_both_directions(visit: Visit, halting: Halting, stated: bool) -> None:
    """Each half is there before the other one is sent; a stated length stays stated."""
    site = await visit(before(up=row(halting)))

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * HALF
        await halting.half.wait()
        yield b"y" * HALF

    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/x-own"}
    if stated:
        headers["content-length"] = str(2 * HALF)
    async with asyncio.timeout(PATIENCE):
        async with site.session.post(f"{site.base}/v1/files", data=body(), headers=headers) as response:
            assert await response.content.readexactly(HALF) == b"a" * HALF
            halting.go.set()
            assert await response.content.read() == b"b" * HALF
    assert (b"chunked" in halting.head) is not stated
    assert b"content-type: application/x-own" in halting.head
    assert response.headers["content-length"] == str(2 * HALF)
    if stated:
        assert halting.body == b"x" * HALF + b"y" * HALF


async def test_too_large_a_body_is_refused(visit: Visit, provide: Provide, halting: Halting) -> None:
    """Before the provider is asked, where its length is stated; else as soon as it is too long."""
    provider = await provide(answer)
    site = await visit({**before(up=row(provider)), "server": {"max_upload": "1MB"}})
    refused = await ask(site, "POST", "/v1/files", data=b"x" * 1_000_001)
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
    assert not provider.seen
    site = await visit({**before(up=row(halting)), "server": {"max_upload": "1MB"}})

    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    refused = await ask(site, "POST", "/v1/files", data=body())
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
    await asyncio.wait_for(halting.cut.wait(), PATIENCE)


async def test_a_client_that_leaves_ends_the_call(visit: Visit, halting: Halting) -> None:
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    config = before(up=row(halting))
    site = await visit(config, observers=[ended.set_result])

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * HALF
        await asyncio.Event().wait()

    asked = asyncio.ensure_future(ask(site, "POST", "/v1/files", data=body()))
    await asyncio.wait_for(halting.half.wait(), PATIENCE)
    asked.cancel()
    await asyncio.wait_for(halting.cut.wait(), PATIENCE)
    assert (await asyncio.wait_for(ended, PATIENCE)).end == "client/first_byte"


async def test_an_answer_that_breaks_off_stays_incomplete(visit: Visit, halting: Halting) -> None:
    site = await visit(before(up=row(halting, timeouts={"idle": "1s"})))
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(site, "POST", "/v1/files", data=b"x")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"dialect": "gemini", "passthrough": ["files"]}, "passthrough[0]"),
        ({"dialect": "anthropic", "passthrough": ["files", "batches"]}, "passthrough[1]"),
        ({"passthrough": ["message_batches"]}, "passthrough[0]"),
        ({"passthrough": ["everything"]}, "passthrough[0]"),
        ({"passthrough": ["files"], "chat_path": "/odd"}, "passthrough"),
    ],
)
async def test_what_a_provider_cannot_have_is_found_early(
    visit: Visit, more: dict[str, Any], place: str
) -> None:
    config = {"providers": {"up": {"base_url": "http://127.0.0.1:9", "keys": [], **more}}}
    with pytest.raises(ConfigError) as caught:
        await visit(config)
    assert [problem.path for problem in caught.value.problems] == [f"providers.up.{place}"]
