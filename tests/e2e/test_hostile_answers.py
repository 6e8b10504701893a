"""Providers that would harm the gateway or its clients by what they answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from dragoman.exchange import Exchange
from tests.e2e.calls import Site
from tests.e2e.conftest import Visit, up
from tests.e2e.rawprovider import STREAM, RawProvider, Script, sends

ASK = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
FACES = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["relay", "translate"])
MANY = b"[" + b"[]," * 1_100_000 + b"[]]"
GOOD = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]
}
Start = Callable[..., Any]


def whole(body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    if kind:
        lines.append(f"content-type: {kind}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


SAYS = event({"choices": [{"index": 0, "delta": {"content": "Hello"}}]})
ENDS = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"


def drips(head: bytes, drop: bytes, seconds: float = 5.0) -> Script:
    """A script that sends a little all the time, and never says anything."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(int(seconds / 0.02)):
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return script


@pytest.fixture
def pool(visit: Visit, stack: AsyncExitStack) -> Start:
    """A gateway with the model `m` at a hostile provider, and a good one after it."""

    async def start(
        script: Script, dialect: str = "openai_chat", **answers: Any
    ) -> tuple[Any, list[Exchange]]:
        bad = await stack.enter_async_context(RawProvider(script))
        right = STREAM + SAYS + ENDS if answers.pop("streams", False) else whole(json.dumps(GOOD).encode())
        good = await stack.enter_async_context(RawProvider(sends(right)))
        config = {
            "providers": {
                "bad": {"dialect": dialect, "base_url": bad.url, "keys": ["k"], "answers": answers},
                "good": {"dialect": "openai_chat", "base_url": good.url, "keys": ["k"]},
            },
            "models": {"m": {"deployments": ["bad/m", "good/m"]}},
            "retries": {"attempts": 1},
        }
        exchanges: list[Exchange] = []
        return await visit(config, observers=[exchanges.append]), exchanges

    return start


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


async def ask(site: Site, method: str, path: str, body: Any = None) -> Answer:
    url = URL(site.base + path, encoded=True)
    raw = b""
    async with site.session.request(method, url, json=body) as answer:
        with contextlib.suppress(aiohttp.ClientPayloadError):  # what has begun may be cut off
            raw = await answer.read()
        return Answer(answer.status, answer.headers, raw.decode("latin-1"))


async def post(site: Site, path: str, body: Any) -> Answer:
    return await ask(site, "POST", path, body)


async def get(site: Site, path: str) -> Answer:
    return await ask(site, "GET", path)


def codes(exchange: Exchange) -> list[str | None]:
    return [None if one.fault is None else one.fault.code for one in exchange.attempts]


@FACES
async def test_a_whole_answer_of_too_many_values_is_none(pool: Start, path: str) -> None:
    body = b'{"choices":[{"message":{"content":"x"}}],"x":' + MANY + b"}"
    site, exchanges = await pool(sends(whole(body)))
    answer = await post(site, path, {**ASK, "model": "m"})
    assert answer.status == 200
    assert "Hello" in answer.text
    assert codes(exchanges[-1]) == ["answer_too_many_values", None]


@FACES
async def test_an_event_of_too_many_values_is_none(pool: Start, path: str) -> None:
    frame = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"x":' + MANY + b"}\n\n"
    site, exchanges = await pool(sends(STREAM, frame), streams=True)
    answer = await post(site, path, {**ASK, "model": "m", "stream": True})
    assert "Hello" in answer.text
    assert codes(exchanges[-1]) == ["answer_too_many_values", None]


@FACES
async def test_an_event_that_is_nested_deeply_cannot_be_read(pool: Start, path: str) -> None:
    deep = b"[" * 90_000 + b"]" * 90_000
    frame = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"x":' + deep + b"}\n\n"
    site, exchanges = await pool(sends(STREAM, frame), streams=True, max_values=400_000)
    answer = await post(site, path, {**ASK, "model": "m", "stream": True})
    assert "Hello" in answer.text
    assert codes(exchanges[-1]) == ["unreadable", None]


async def test_many_blocks_are_no_answer(pool: Start) -> None:
    parts = [{"type": "text", "text": "a"}] * 200
    body = json.dumps({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}).encode()
    site, exchanges = await pool(sends(whole(body)), max_blocks=150)
    assert "Hello" in (await post(site, "/v1/messages", {**ASK, "model": "m"})).text
    assert codes(exchanges[-1]) == ["answer_too_many_blocks", None]


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
async def test_a_refusal_of_many_values_is_shown_as_text(
    visit: Visit, stack: AsyncExitStack, kind: str
) -> None:
    body = b'{"error":{"message":"Too busy.","x":' + MANY + b"}}"
    bad = await stack.enter_async_context(RawProvider(sends(whole(body, "400 Bad", kind=kind))))
    site = await visit(up(bad.url))
    answer = await post(site, "/v1/chat/completions", {**ASK, "model": "up/m"})
    assert answer.status == 400
    assert "Too busy." in answer.text
    assert len(answer.text) < 2000


async def test_what_precedes_content_has_an_end(pool: Start) -> None:
    role = event({"choices": [{"index": 0, "delta": {"role": "assistant"}}], "pad": "a" * 900})
    site, exchanges = await pool(sends(STREAM, *[role * 10] * 100), streams=True, max_opening=100_000)
    answer = await post(site, "/v1/chat/completions", {**ASK, "model": "m", "stream": True})
    assert "Hello" in answer.text
    assert "pad" not in answer.text
    assert codes(exchanges[-1]) == ["answer_without_content", None]


@FACES
@pytest.mark.parametrize(
    "drop", [b":\n\n", event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})]
)
async def test_pings_are_no_beginning(pool: Start, path: str, drop: bytes) -> None:
    site, exchanges = await pool(drips(STREAM, drop), streams=True, max_silence="300ms")
    answer = await post(site, path, {**ASK, "model": "m", "stream": True})
    assert "Hello" in answer.text
    assert codes(exchanges[-1]) == ["answer_without_content", None]


@FACES
async def test_a_whole_answer_that_drips_ends(pool: Start, path: str) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    site, exchanges = await pool(drips(head, b" "), max_silence="300ms")
    assert "Hello" in (await post(site, path, {**ASK, "model": "m"})).text
    assert codes(exchanges[-1]) == ["answer_without_content", None]


@FACES
async def test_comments_do_not_keep_a_stream_alive(pool: Start, path: str) -> None:
    site, exchanges = await pool(drips(STREAM + SAYS, b":\n\n"), streams=True, max_silence="300ms")
    answer = await post(site, path, {**ASK, "model": "m", "stream": True})
    assert "error" in answer.text
    assert codes(exchanges[-1]) == ["answer_without_content"]


async def test_comments_do_not_keep_the_answer_to_several_prompts_alive(pool: Start) -> None:
    site, exchanges = await pool(drips(STREAM + SAYS, b":\n\n"), streams=True, max_silence="300ms")
    asked = {"model": "m", "prompt": ["One:", "Two:"], "stream": True}
    answer = await post(site, "/v1/completions", asked)
    assert "error" in answer.text
    assert codes(exchanges[-1]) == ["answer_without_content"]


async def test_a_slow_stream_that_speaks_goes_on(pool: Start) -> None:
    site, exchanges = await pool(drips(STREAM, SAYS, 0.8), streams=True, max_silence="300ms")
    answer = await post(site, "/v1/messages", {**ASK, "model": "m", "stream": True})
    assert answer.text.count('"text":"Hello"') == 40
    assert codes(exchanges[-1]) == ["stream_broken"]


async def test_the_total_counts_after_the_first_content(visit: Visit, stack: AsyncExitStack) -> None:
    bad = await stack.enter_async_context(RawProvider(drips(STREAM, SAYS)))
    exchanges: list[Exchange] = []
    more: dict[str, Any] = {"answers": {"max_silence": "300ms"}, "timeouts": {"total": "600ms"}}
    site = await visit(up(bad.url, **more), observers=[exchanges.append])
    await post(site, "/v1/messages", {**ASK, "model": "up/m", "stream": True})
    assert codes(exchanges[-1]) == ["total_timeout"]


async def test_a_translated_stream_has_an_end(pool: Start) -> None:
    site, exchanges = await pool(sends(STREAM, *[SAYS] * 200), streams=True, max_stream=5000)
    await post(site, "/v1/messages", {**ASK, "model": "m", "stream": True})
    assert codes(exchanges[-1])[0] == "answer_too_large"


@FACES
@pytest.mark.parametrize("count", ["1" + "0" * 400, "-5", "1e300", '"9"'])
async def test_counts_that_cannot_be_are_no_usage(pool: Start, path: str, count: str) -> None:
    usage = f'"usage":{{"prompt_tokens":{count},"completion_tokens":{count},"total_tokens":{count}}}'
    body = json.dumps(GOOD)[:-1] + f",{usage}}}"
    site, exchanges = await pool(sends(whole(body.encode())))
    answer = await post(site, path, {**ASK, "model": "m"})
    assert "Hello" in answer.text
    assert exchanges[-1].usage is None or exchanges[-1].usage.plausible()


@FACES
@pytest.mark.parametrize("status", ["101 Switching", "304 Same", "999 Odd", "000 None", "300 Many"])
async def test_odd_statuses_are_no_answer(pool: Start, path: str, status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nconnection: close\r\n\r\n".encode()
    site, exchanges = await pool(sends(head))
    assert "Hello" in (await post(site, path, {**ASK, "model": "m"})).text
    assert codes(exchanges[-1])[0] == "unexpected_status"


async def test_many_numbers_are_no_vectors(visit: Visit, stack: AsyncExitStack) -> None:
    vector = b"[" + b"1," * 3000 + b"1]"
    body = b'{"data":[{"embedding":' + vector + b',"index":0}],"model":"m"}'
    bad = await stack.enter_async_context(RawProvider(sends(whole(body))))
    for most, status in ((2000, 502), (4000, 200)):
        site = await visit(up(bad.url, answers={"max_numbers": most}))
        answer = await post(site, "/v1/embeddings", {"model": "up/m", "input": "Hi"})
        assert answer.status == status


# Pass-through -------------------------------------------------------------------------------------


@pytest.fixture
def passing(visit: Visit, stack: AsyncExitStack) -> Start:
    async def start(head: bytes) -> Any:
        async def script(writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            await writer.drain()

        provider = await stack.enter_async_context(RawProvider(script))
        return await visit(up(provider.url, passthrough=["files"], passthrough_ids="upstream"))

    return start


@pytest.mark.parametrize("status", ["101 Switching", "304 Same", "999 Odd", "000 None", "300 Many"])
async def test_odd_statuses_are_not_passed(passing: Start, status: str) -> None:
    site = await passing(f"HTTP/1.1 {status}\r\nconnection: close\r\n\r\n".encode())
    answer = await get(site, "/v1/files/f/content")
    assert answer.status == 502
    assert json.loads(answer.text)["error"]["code"] == "unexpected_status"


async def test_an_answer_without_a_body(passing: Start) -> None:
    site = await passing(b"HTTP/1.1 204 None\r\nconnection: close\r\n\r\n")
    answer = await get(site, "/v1/files/f/content")
    assert (answer.status, answer.text) == (204, "")


async def test_a_page_among_the_files_runs_nowhere(passing: Start) -> None:
    unwanted = (
        *(
            "set-cookie: a=b",
            "alt-svc: h3",
            "strict-transport-security: max-age=1",
            "server: evil",
            "refresh: 0",
        ),
        *(
            "access-control-allow-origin: https://evil.test",
            "link: <x>",
            "clear-site-data: *",
            "location: /x",
        ),
        *(
            "service-worker-allowed: /",
            "content-security-policy: default-src *",
            "content-disposition: inline",
        ),
    )
    site = await passing(whole(b"<script>alert(1)</script>", "200 OK", *unwanted, kind="text/html"))
    answer = await get(site, "/v1/files/f/content")
    assert answer.status == 200
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["content-disposition"] == "attachment"
    for line in unwanted[:-2]:
        assert (
            line.partition(":")[0] not in headers
            or headers[line.partition(":")[0]] != line.partition(": ")[2]
        )


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fadmin",
        "%2e%2e",
        "%2e%2e/content",
        "a%3fb=1",
        "a%23b",
        "%252e%252e",
        "a%00b",
        "a%0d%0ab",
        "a;b",
    ],
)
async def test_an_id_is_no_way_to_another_path(passing: Start, path: str) -> None:
    site = await passing(whole(b"{}"))
    assert (await get(site, f"/v1/files/{path}")).status == 404
