"""Raw HTTP: bad input of every kind gets a clear error in OpenAI's shape, and nothing happens upstream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


class Site:
    """A running gateway before one fake provider, and a plain HTTP session."""

    def __init__(self, base: str, provider: FakeProvider, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.provider = provider
        self.session = session

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        async with self.session.request(method, self.base + path, **options) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None, response

    async def chat(self, **fields: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        headers = fields.pop("headers", {})
        body = {"model": "up/gpt-4o", "messages": HELLO, **fields}
        return await self.call("POST", CHAT, json=body, headers=headers)

    async def raw(self, data: bytes) -> bytes:
        """What the server answers to these bytes on a connection of their own."""
        parts = urlsplit(self.base)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(reader.read(65536), 60)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def site(serve: Serve, provide: Provide) -> AsyncIterator[Site]:
    provider = await provide(stubs.openai_chat(stubs.Said()))
    base = await serve(
        f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\n"
        "server: {max_body: 20kB, max_depth: 20, max_values: 5100}\nretries: {attempts: 1}\n"
    )
    async with aiohttp.ClientSession() as session:
        yield Site(base, provider, session)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 9}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 1.5}, "top_p"),
    ({"n": 0}, "n"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"frequency_penalty": -3}, "frequency_penalty"),
    ({"logprobs": "yes"}, "logprobs"),
    ({"top_logprobs": 50, "logprobs": True}, "top_logprobs"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"stream": "yes"}, "stream"),
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages[0].role"),
    ({"messages": [*HELLO, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"model": 7}, "model"),
    ({"Model": "x"}, "Model"),
    ({"tools": [{**TOOL, "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"tools": [{**TOOL, "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
    (
        {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"type": "banana"}}}]},
        "tools[0].function.parameters.type",
    ),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
    ({"response_format": {"type": 7}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"logit_bias": {"1": 1000}}, "logit_bias"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=lambda value: json.dumps(value)[:60])
async def test_bad_values_name_their_parameter_before_anything_upstream(
    site: Site, fields: dict[str, Any], param: str
) -> None:
    status, body, response = await site.chat(**fields)
    error = body["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert set(error) == {"message", "type", "param", "code", "error_id"}
    assert error["param"] is not None
    assert error["param"].startswith(param)
    assert error["message"]
    assert response.headers["x-request-id"]
    assert site.provider.seen == []


async def test_missing_messages_has_the_sentence_that_clients_look_for(site: Site) -> None:
    status, body, _ = await site.call("POST", CHAT, json={"model": "up/gpt-4o"})
    assert status == 400
    assert body["error"]["message"] == "messages is required and must be an array"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": }',
        b'{"model": "x"} tail',
        b'{"a": "\xff"}',
        b'{"a": NaN}',
    ],
)
async def test_what_is_no_json_object_is_a_400(site: Site, data: bytes) -> None:
    status, body, _ = await site.call("POST", CHAT, data=data, headers={"content-type": "application/json"})
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"
    assert "Traceback" not in body["error"]["message"]


async def test_nesting_is_bounded(site: Site) -> None:
    for depth in (30, 5000):
        deep = b'{"model": "up/x", "messages": ' + b"[" * depth + b"]" * depth + b"}"
        status, body, _ = await site.call(
            "POST", CHAT, data=deep, headers={"content-type": "application/json"}
        )
        assert status == 400
        assert body["error"]["message"]


async def test_the_number_of_values_is_bounded(site: Site) -> None:
    status, body, _ = await site.chat(messages=[{"role": "user", "content": "[1," * 3000}])
    assert status == 200  # commas inside of a string are no values
    status, body, _ = await site.chat(odd=[1] * 5100)
    assert status == 413
    assert body["error"]["code"] == "request_too_large"
    assert body["error"]["message"] == "more than 5100 values"
    assert len(site.provider.seen) == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_a_413(site: Site, chunked: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 1000

    data: Any = parts() if chunked else b"x" * 30_000
    status, body, _ = await site.call("POST", CHAT, data=data, headers={"content-type": "application/json"})
    assert status == 413
    assert body["error"]["message"]


NO_CHOICE = ["", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded; charset=utf-8"]


@pytest.mark.parametrize("kind", NO_CHOICE)
async def test_json_of_a_type_that_nobody_chose_is_read(site: Site, kind: str) -> None:
    """`curl -d` states a form; without an Origin it comes from no page."""
    data = json.dumps({"model": "up/gpt-4o", "messages": HELLO}).encode()
    status, body, _ = await site.call("POST", CHAT, data=data, headers={"content-type": kind})
    assert (status, body["object"]) == (200, "chat.completion")


@pytest.mark.parametrize(
    ("kind", "origin"),
    [("multipart/form-data", None), ("x", None), *((kind, "http://localhost:3000") for kind in NO_CHOICE)],
)
async def test_other_content_types_are_a_415(site: Site, kind: str, origin: str | None) -> None:
    headers = {"content-type": kind} | ({"origin": origin} if origin else {})
    status, body, _ = await site.call("POST", CHAT, data=b"{}", headers=headers)
    assert status == 415
    assert "content-type: application/json" in body["error"]["message"]


UNKNOWN = [
    (method, path)
    for method in ("GET", "POST", "DELETE", "PATCH")
    for path in ("/v1/nope", "/nope", "/v1/chat", "/v1/models/", "/v1//nope", "/v1/v1/nope", "/%00")
    if (method, path) != ("GET", "/v1/models/")  # a slash at the end is the list itself
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
async def test_unknown_paths_are_json_404s(site: Site, method: str, path: str) -> None:
    status, body, _ = await site.call(method, path)
    assert status in {404, 405}
    assert body["error"]["message"]


async def test_a_known_path_with_another_method_is_a_405_that_says_which(site: Site) -> None:
    status, body, response = await site.call("PUT", CHAT)
    assert status == 405
    assert "POST" in body["error"]["message"]
    assert response.headers["allow"] == "POST, GET"


async def test_unknown_models_are_404_before_any_call(site: Site) -> None:
    for model in ("nope", "nowhere/gpt-4o"):
        status, body, _ = await site.chat(model=model)
        assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert site.provider.seen == []


@pytest.mark.parametrize("path", ["/v1/models/up%2Fgpt-4o", "/v1/models/up/gpt-4o", "/models/up/gpt-4o"])
async def test_a_model_is_found_however_its_slash_is_written(site: Site, path: str) -> None:
    status, body, _ = await site.call("GET", path)
    assert status == 200
    assert (body["id"], body["owned_by"], body["object"]) == ("up/gpt-4o", "up", "model")


async def test_what_is_no_http_is_answered_in_json(site: Site) -> None:
    answer = await site.raw(b"this is not http\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
CHUNKS = b"transfer-encoding: chunked\r\n"
LENGTH = b"content-length: 2\r\n"


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET /health HTTP/1.0\r\n", 200, None),
        (b"GET /health HTTP/1.1\r\nhost:\r\n", 200, None),
        (b"GET /health HTTP/1.1\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: localhost, a.example\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/2.0\r\nhost: localhost\r\n", 505, "unsupported_http_version"),
        (b"GET /health\r\n", 505, "unsupported_http_version"),
        (b"GET http://localhost/health HTTP/1.1\r\nhost: a.example\r\n", 200, None),
        (b"GET ftp://localhost/health HTTP/1.1\r\nhost: localhost\r\n", 400, "invalid_http"),
        (b"GET http://a@localhost/health HTTP/1.1\r\nhost: localhost\r\n", 400, "invalid_http"),
        (b"GET /health#/v1/models HTTP/1.1\r\nhost: localhost\r\n", 400, "invalid_http"),
        (POST + b"transfer-encoding: gzip, chunked\r\n", 501, "unsupported_transfer_encoding"),
        (POST + b"transfer-encoding: gzip\r\n" + CHUNKS, 501, "unsupported_transfer_encoding"),
        *(
            (POST + framing, 400, "invalid_http")
            for framing in (
                CHUNKS + LENGTH,
                LENGTH + CHUNKS,
                CHUNKS + CHUNKS,
                LENGTH + LENGTH,
                LENGTH + b"content-length: 3\r\n",
                b"content-length: 2, 2\r\n",
                b"content-length: +2\r\n",
                b"transfer-encoding: gzip\r\n",
                b"transfer-encoding: chunked, gzip\r\n",
                b"transfer-encoding: chunked, chunked\r\n",
                b"transfer-encoding: , chunked\r\n",
                b"transfer-encoding:\r\n chunked\r\n",
                b"transfer-encoding : chunked\r\n",
                b"content-length : 2\r\n",
                b"x-a: b\r\n c\r\n" + LENGTH,
                b"x-a: b\n" + LENGTH,
                b"x-a: b\rc\r\n" + LENGTH,
            )
        ),
    ],
)  # fmt: skip
async def test_a_head_that_others_may_read_in_another_way_is_refused(
    site: Site, head: bytes, status: int, code: str | None
) -> None:
    """A proxy that reads its body's end elsewhere would let a client put a request into another one's
    connection.
    """
    answer, _, rest = (await site.raw(head + b"\r\n")).partition(b"\r\n\r\n")
    assert int(answer.split()[1]) == status
    if code is not None:
        assert json.loads(rest)["error"]["code"] == code  # and no second answer follows
        assert b"\r\nconnection: close" in answer


SAID = b'{"model": "up/gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}'
SIZE = b"%x" % len(SAID)


@pytest.mark.parametrize(
    "body",
    [
        b"+" + SIZE + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        b"-" + SIZE + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        b"0x" + SIZE + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        b" " + SIZE + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        b"1" + SIZE.rjust(16, b"0") + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        SIZE + b"\n" + SAID + b"\r\n0\r\n\r\n",
        SIZE + b";a\nb\r\n" + SAID + b"\r\n0\r\n\r\n",
        SIZE + b";a=" + b"a" * 300_000 + b"\r\n" + SAID + b"\r\n0\r\n\r\n",
        SIZE + b"\r\n" + SAID + b"XX0\r\n\r\n",
        SIZE + b"\r\n" + SAID + b"\n0\r\n\r\n",
        SIZE + b"\r\n" + SAID + b"\r\n0\n\n",
        SIZE + b"\r\n" + SAID + b"\r\n0\r\na b: c\r\n\r\n",
        SIZE + b"\r\n" + SAID + b"\r\n0\r\na: b\r\n c\r\n\r\n",
        SIZE + b"\r\n" + SAID + b"\r\n0\r\ncontent-length: 5\r\n\r\n",
    ],
)
async def test_chunks_that_others_may_read_in_another_way_reach_nobody(site: Site, body: bytes) -> None:
    head = POST + CHUNKS + b"content-type: application/json\r\nconnection: close\r\n\r\n"
    answer = await site.raw(head + body)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert site.provider.seen == []
    answer = await site.raw(head + SIZE + b";a=b\r\n" + SAID + b"\r\n0\r\na: b\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(site.provider.seen) == 1


async def test_the_host_of_a_complete_url_is_the_one_that_is_checked(site: Site) -> None:
    """RFC 9112, section 3.2.2: the header Host does not count then."""
    for target, host, status in (
        (b"http://a.example", b"localhost", 403),
        (b"http://localhost", b"a.example", 200),
        (b"", b"a.example", 403),
    ):
        head = b"GET " + target + b"/v1/models HTTP/1.1\r\nhost: " + host + b"\r\nconnection: close\r\n\r\n"
        assert int((await site.raw(head)).split()[1]) == status, (target, host)


async def test_half_a_request_leaves_the_server_alive(site: Site) -> None:
    parts = urlsplit(site.base)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n".encode())
    writer.write(b'content-type: application/json\r\n\r\n{"model": "up/gp')
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.05)
    del reader
    status, _, _ = await site.chat()
    assert status == 200
    assert len(site.provider.seen) == 1


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://localhost:3000", "http://localhost:3000"), ("https://evil.example", None), ("null", None)],
)
async def test_an_open_gateway_serves_the_pages_of_this_machine(
    site: Site, origin: str, allowed: str | None
) -> None:
    async with site.session.options(site.base + CHAT, headers={"origin": origin}) as response:
        assert response.status == 204
        assert response.headers.get("access-control-allow-origin") == allowed
        assert ("POST" in response.headers.get("access-control-allow-methods", "")) == (allowed is not None)
    _, _, answered = await site.chat(headers={"origin": origin})
    assert answered.headers.get("access-control-allow-origin") == allowed
    assert answered.headers["vary"] == "origin"


@pytest.mark.parametrize(
    "configuration",
    [
        "auth: {keys: [a-long-enough-client-key]}",
        "server: {cors_origins: ['*']}",
    ],
)
async def test_pages_of_any_origin_call_with_a_key_or_where_they_are_told_to(
    serve: Serve, configuration: str
) -> None:
    base = await serve(configuration)
    headers = {"origin": "https://chat.example", "access-control-request-headers": "authorization"}
    async with aiohttp.ClientSession() as session, session.options(base + CHAT, headers=headers) as response:
        assert response.status == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-headers"] == "authorization"


async def test_request_ids_come_back(site: Site) -> None:
    _, _, given_id = await site.chat(headers={"x-request-id": "mine-1"})
    assert given_id.headers["x-request-id"] == "mine-1"
    _, _, made = await site.chat()
    assert made.headers["x-request-id"].startswith("req_")
    _, _, bad = await site.chat(headers={"x-request-id": "no\tgood " + "x" * 300})
    assert bad.headers["x-request-id"].startswith("req_")


async def test_the_answer_says_who_answered_and_what_it_cost_us(site: Site) -> None:
    _, _, response = await site.chat()
    assert response.headers["x-dragoman-deployment"] == "up/gpt-4o"
    assert response.headers["x-dragoman-losses"] == "0"
    assert 0 < float(response.headers["x-dragoman-overhead-ms"]) < 1000


async def test_health(site: Site) -> None:
    await site.chat()
    status, body, _ = await site.call("GET", "/health")
    assert (status, body["status"]) == (200, "healthy")
    assert body["providers"]["up"] == {
        "configured": True,
        "healthy": True,
        "last_error": None,
        "last_error_message": None,
        "last_error_at": None,
        "consecutive_failures": 0,
    }
    assert (await site.call("GET", "/health/live"))[0] == 200
    assert (await site.call("GET", "/health/ready"))[0] == 200


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "stream",
        "stop",
        "n",
        "temperature",
        "response_format",
        "stream_options",
        "metadata",
        "logit_bias",
        "functions",
        "reasoning_effort",
        "audio",
        "modalities",
    ]
)
bodies = st.dictionaries(keys, json_values, max_size=5) | st.builds(
    lambda extra, message: {"model": "up/gpt-4o", "messages": [message], **extra},
    st.dictionaries(keys, json_values, max_size=2),
    st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), json_values, max_size=3)
    | st.builds(lambda c: {"role": "user", "content": c}, json_values),
)


@settings(max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(bodies, min_size=1, max_size=4))
async def test_no_body_whatsoever_breaks_the_server(site: Site, batch: list[Any]) -> None:
    for body in batch:
        status, answer, _ = await site.call("POST", CHAT, json=body)
        assert status in {200, 400, 404}
        if status != 200:
            assert set(answer["error"]) == {"message", "type", "param", "code", "error_id"}
