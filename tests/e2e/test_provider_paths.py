"""Row 5.44: listed paths of a provider pass as they are, with its credential, to its server and no other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from yarl import URL

from dragoman.errors import ConfigError
from dragoman.testing.provider import FakeProvider, Seen, Streamed, Whole
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit

KEY, UP = "client-canary-key-1", "sk-up-canary-0123456789"
USAGE = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
PATHS = [
    "POST /v1/ocr",
    "GET,DELETE /v1/jobs/*",
    "POST /v1/models/*:predict",
    "GET /v1/tree/**",
    "PUT /v1/blobs/*",
    "POST /v1/sse",
]


def site_of(provider: FakeProvider | str, *, keys: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """The configuration of a gateway before this provider. more: settings of the provider."""
    url = provider if isinstance(provider, str) else provider.url
    row = {"dialect": "mistral", "base_url": url, "keys": [UP], "paths": PATHS, **more}
    prices = {"up/priced": {"input": 1, "output": 2}}
    return {"providers": {"up": row}, "auth": {"keys": keys or [KEY]}, "prices": prices}


async def call(site: Site, method: str, path: str, key: str = KEY, **more: Any) -> Answered:
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    url = URL(site.base + path, encoded=True)
    async with site.session.request(method, url, headers=headers, **more) as response:
        return Answered(response.status, response.headers, await response.read())


async def test_a_call_passes_as_it_is(visit: Visit, provide: Provide) -> None:
    body = {"model": "mistral-ocr", "pages": [{"markdown": "# é"}], "usage_info": {"pages_processed": 2}}
    provider = await provide(Whole(body, headers={"x-vendor-thing": "1", "set-cookie": "a=b"}))
    exchanges: list[Any] = []
    site = await visit(site_of(provider), observers=[exchanges.append])
    asked = {"document": {"type": "image_url", "image_url": "data:,x"}, "unknown": [1, {"a": None}]}
    told = await call(site, "POST", "/providers/up/v1/ocr?a=1&b=%2F&key=stolen&a=2", json=asked)
    assert (told.status, told.body) == (200, body)
    seen = provider.last
    assert (seen.method, seen.target) == ("POST", "/v1/ocr?a=1&b=%2F&a=2")
    assert json.loads(seen.raw) == asked
    assert seen.headers["authorization"] == f"Bearer {UP}"
    assert told.headers["x-vendor-thing"] == "1"
    assert told.headers["x-dragoman-deployment"] == "up"
    assert "set-cookie" not in told.headers
    (attempt,) = exchanges[0].attempts
    assert attempt.deployment == "up/mistral-ocr"
    assert attempt.units == {"pages": 2}


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1/jobs/a%20b", "/v1/jobs/a%20b"),
        ("DELETE", "/v1/jobs/%61:b", "/v1/jobs/a:b"),
        ("POST", "/v1/models/x:predict", "/v1/models/x:predict"),
        ("GET", "/v1/tree/a/b/c/", "/v1/tree/a/b/c/"),
        ("HEAD", "/v1/jobs/1", "/v1/jobs/1"),
        ("PUT", "/v1/blobs/%C3%A9", "/v1/blobs/%C3%A9"),
    ],
)
async def test_listed_paths(visit: Visit, provide: Provide, method: str, path: str, target: str) -> None:
    provider = await provide(Whole({"ok": True}))
    site = await visit(site_of(provider))
    assert (await call(site, method, f"/providers/up{path}")).status == 200
    assert (provider.last.method, provider.last.target) == (method, target)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/other", 404, "unknown_url"),
        ("POST", "/v1/ocr/more", 404, "unknown_url"),
        ("GET", "/v1/ocr", 405, "method_not_allowed"),
        ("PATCH", "/v1/jobs/1", 405, "method_not_allowed"),
        ("GET", "/v1/jobs", 404, "unknown_url"),
        ("GET", "/v1/tree", 404, "unknown_url"),
        ("GET", "/v1/tree/../admin", 400, "invalid_path"),
        ("GET", "/v1/tree/%2e%2e/admin", 400, "invalid_path"),
        ("GET", "/v1/tree/%2E./admin", 400, "invalid_path"),
        ("GET", "/v1/tree/..%2fadmin", 400, "invalid_path"),
        ("GET", "/v1/tree/..%5Cadmin", 400, "invalid_path"),
        ("GET", "/v1/tree/..;/admin", 400, "invalid_path"),
        ("GET", "/v1/tree/%252e%252e/admin", 400, "invalid_path"),
        ("GET", "/v1/tree/a%2F..%2Fb", 400, "invalid_path"),
        ("GET", "/v1/tree//admin", 400, "invalid_path"),
        ("GET", "/v1/tree/a%00b", 400, "invalid_path"),
        ("GET", "/v1/tree/a%0d%0ahost:%20evil", 400, "invalid_path"),
        ("GET", "/v1/tree/%C0%AE%C0%AE/admin", 400, "invalid_path"),
        ("GET", "/v1/tree/a%3Fb", 400, "invalid_path"),
        ("GET", "/v1/jobs/a%2Fb", 400, "invalid_path"),
        ("GET", "//evil.example/v1/jobs/1", 400, "invalid_path"),
        ("GET", "/http://evil.example/v1/jobs/1", 400, "invalid_path"),
        ("GET", "/@evil.example/v1/jobs/1", 404, "unknown_url"),
        ("GET", "", 400, "invalid_path"),
    ],
)
async def test_what_does_not_pass(
    visit: Visit, provide: Provide, method: str, path: str, status: int, code: str
) -> None:
    """Nothing reaches the provider that is not listed, however it is spelt."""
    provider = await provide(Whole({"ok": True}))
    site = await visit(site_of(provider))
    told = await call(site, method, f"/providers/up{path}")
    assert (told.status, told.body["code"]) == (status, code)
    assert provider.seen == []


@pytest.mark.parametrize("name", ["other", "up%2Fv1", "..", "simulate", "UP"])
async def test_other_providers(visit: Visit, provide: Provide, name: str) -> None:
    provider = await provide(Whole({"ok": True}))
    config = site_of(provider)
    config["providers"]["other"] = {"dialect": "openai_chat", "base_url": provider.url, "keys": [UP]}
    site = await visit(config)
    assert (await call(site, "POST", f"/providers/{name}/v1/ocr")).status in {400, 404}
    assert provider.seen == []


async def test_headers_are_filtered_both_ways(visit: Visit, provide: Provide) -> None:
    answered = {
        "set-cookie": "session=1",
        "location": "LOCATION",
        "access-control-allow-origin": "*",
        "x-echo": f"key {UP}",
        "server": "vendor",
        "x-kept": "yes",
    }

    def answer(seen: Seen) -> Whole:
        place = f"http://{seen.headers['host']}/v1/jobs/7"
        return Whole(
            {"ok": 1}, 201, {**answered, "location": place, "content-location": "https://evil.example/x"}
        )

    provider = await provide(answer)
    site = await visit(site_of(provider, headers={"x-tenant": "ours"}))
    sent = {
        "x-api-key": "stolen-1",
        "x-goog-api-key": "stolen-2",
        "api-key": "stolen-3",
        "cookie": "stolen=4",
        "proxy-authorization": "Basic stolen5",
        "x-forwarded-for": "10.0.0.9",
        "x-http-method-override": "GET",
        "x-original-url": "/v1/admin",
        "openai-organization": "org-other",
        "x-amz-security-token": "stolen-6",
        "connection": "x-hop",
        "x-hop": "stolen-7",
        "x-tenant": "theirs",
        "x-dragoman-tags": "a",
        "x-litellm-timeout": "1",
        "accept": "text/plain",
        "x-mine": "kept",
        "te": "trailers",
        "origin": "http://127.0.0.1",
        "x-goog-iam-authorization": "stolen-8",
        "content-type": "text/x-odd",
    }
    told = await call(site, "POST", "/providers/up/v1/ocr", headers=sent, data=b"raw")
    assert told.status == 201
    headers = provider.last.headers
    assert (headers["x-mine"], headers["accept"], headers["content-type"]) == (
        "kept",
        "text/plain",
        "text/x-odd",
    )
    assert headers["x-tenant"] == "ours"
    assert headers["authorization"] == f"Bearer {UP}"
    assert not {name for name in sent if name in headers} - {
        *("x-mine", "accept", "content-type", "x-tenant", "connection")
    }
    assert not any("stolen" in value or KEY in value for value in headers.values())
    assert told.headers["x-kept"] == "yes"
    assert told.headers["location"] == "/providers/up/v1/jobs/7"
    assert not {"set-cookie", "x-echo", "content-location"} & {name.lower() for name in told.headers}
    assert told.headers.get("server") != "vendor"
    assert told.headers.getall("x-content-type-options") == ["nosniff"]  # type: ignore[attr-defined]


async def test_no_redirect_is_followed_and_errors_hide_the_key(visit: Visit, provide: Provide) -> None:
    elsewhere = await provide(Whole({"ok": True}))
    provider = await provide(
        Whole({}, 302, {"location": f"{elsewhere.url}/v1/ocr"}),
        Whole({"detail": f"bad input for {UP}", "odd": 1}, 422),
        Whole({"detail": f"no such key {UP}"}, 401),
    )
    site = await visit(site_of(provider))
    redirected = await call(site, "POST", "/providers/up/v1/ocr", json={})
    assert redirected.status == 502
    assert elsewhere.seen == []
    refused = await call(site, "POST", "/providers/up/v1/ocr", json={})
    assert (refused.status, refused.body) == (422, {"detail": "bad input for [redacted]", "odd": 1})
    unknown = await call(site, "POST", "/providers/up/v1/ocr", json={})
    assert (unknown.status, UP in unknown.raw.decode()) == (502, False)


async def test_a_good_answer_does_not_tell_the_gateways_key(visit: Visit, provide: Provide) -> None:
    def echo(seen: Seen) -> Whole:
        return Whole({"headers": dict(seen.headers), "plan": "ours-and-only-ours"})

    provider = await provide(echo)
    site = await visit(site_of(provider, headers={"x-plan": "ours-and-only-ours"}))
    told = await call(site, "POST", "/providers/up/v1/ocr", json={})
    assert (told.status, UP in told.raw.decode()) == (200, False)
    assert told.body["headers"]["authorization"] == "Bearer [redacted]" + "*" * (len(UP) - 10)
    assert told.body["plan"] == "ours-and-only-ours", "other headers' values may stand in any answer"


async def test_bodies_stream_both_ways(visit: Visit, provide: Provide) -> None:
    """A body of many megabytes passes while it comes in; events come while the stream runs."""
    frames = [{"n": 0}, {"n": 1, "model": "priced", "usage": USAGE}, "data: [DONE]\n\n"]
    provider = await provide(Whole(b"\x00\xff" * 3_000_000), Streamed(frames, pause=0.2))
    exchanges: list[Any] = []
    site = await visit(site_of(provider), observers=[exchanges.append])

    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 50_000
            await asyncio.sleep(0)

    told = await call(site, "PUT", "/providers/up/v1/blobs/1", data=pieces())
    assert (told.status, told.raw) == (200, b"\x00\xff" * 3_000_000)
    assert provider.last.raw == b"x" * 5_000_000
    headers = {"authorization": f"Bearer {KEY}"}
    async with site.session.post(f"{site.base}/providers/up/v1/sse", json={}, headers=headers) as response:
        first = await response.content.readuntil(b"\n\n")
        assert json.loads(first.removeprefix(b"data: ")) == {"n": 0}
        assert not exchanges[1:]
        rest = await response.content.read()
    assert rest.endswith(b"data: [DONE]\n\n")
    async with asyncio.timeout(60):
        while len(exchanges) < 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    (attempt,) = exchanges[1].attempts
    assert (attempt.usage.input, attempt.usage.output, attempt.cost) == (30, 12, 54_000)
    assert exchanges[1].streamed


async def test_grants(visit: Visit, provide: Provide) -> None:
    provider = await provide(Whole({"ok": True}))
    keys: list[Any] = [
        {"key": "key-of-models-only", "models": ["m"]},
        {"key": "key-of-chat-only", "operations": ["chat"]},
        {"key": "key-of-passing-only", "operations": ["pass_through"]},
        {"key": "key-of-another-provider", "providers": ["simulate"]},
        {"key": "key-of-this-provider", "providers": ["u*"]},
        {"key": "key-of-another-face", "faces": ["openai_chat"]},
        {"key": "key-of-this-face", "faces": ["mistral"]},
        {"key": "key-for-reading", "scopes": ["read"]},
    ]
    site = await visit({**site_of(provider, keys=keys), "aliases": {"m": "simulate/echo"}})
    expected = {
        "key-of-models-only": (403, "key_limited_to_models"),
        "key-of-chat-only": (403, "operation_not_granted"),
        "key-of-passing-only": (200, None),
        "key-of-another-provider": (403, "provider_not_granted"),
        "key-of-this-provider": (200, None),
        "key-of-another-face": (403, "protocol_not_granted"),
        "key-of-this-face": (200, None),
        "key-for-reading": (403, "insufficient_scope"),
        "no-key-of-the-gateway": (401, None),
    }
    for key, (status, code) in expected.items():
        told = await call(site, "POST", "/providers/up/v1/ocr", key, json={})
        assert (key, told.status) == (key, status)
        if code is not None:
            assert (told.body.get("code") or told.body["error"]["code"]) == code
    assert len(provider.seen) == 3


async def test_limits_count_what_the_provider_states(visit: Visit, provide: Provide) -> None:
    """Tokens and money are charged when they are known; a limit that is used up refuses the next call."""
    provider = await provide(Whole({"model": "priced", "data": [0.5] * 20_000, "usage": USAGE}))
    keys: list[Any] = [
        {"key": "key-with-tokens", "limits": {"tokens": "50/day"}},
        {"key": "key-with-money", "limits": {"money": "0.0001 USD/day"}},
        {"key": "key-with-requests", "limits": {"requests": "1/day"}},
        {"key": "key-with-known-prices", "limits": {"money": "1 USD/day", "unknown_price": "refuse"}},
    ]
    site = await visit(site_of(provider, keys=keys))
    for key, passed in (("key-with-tokens", 2), ("key-with-money", 2), ("key-with-requests", 1)):
        for count in range(passed + 1):
            told = await call(site, "POST", "/providers/up/v1/ocr", key, json={})
            assert (key, count, told.status) == (key, count, 200 if count < passed else 429)
    assert (await call(site, "POST", "/providers/up/v1/ocr", "key-with-known-prices", json={})).status == 403
    assert len(provider.seen) == 5


@pytest.mark.parametrize(
    "path",
    [
        "/v1/ocr",
        "FETCH /v1/ocr",
        "POST v1/ocr",
        "POST /v1/../ocr",
        "POST /a/**/b",
        "POST /a//b",
        "CONNECT /x",
    ],
)
async def test_a_path_that_cannot_be_listed(visit: Visit, path: str) -> None:
    with pytest.raises(ConfigError, match=r"providers\.up\.paths"):
        await visit(site_of("http://127.0.0.1:9", paths=[path]))


async def test_a_long_error_shows_no_part_of_the_key_where_it_is_cut(visit: Visit, provide: Provide) -> None:
    before = b"x" * (256 * 1024 - len(UP) + 3)
    provider = await provide(Whole(before + UP.encode() + b"y" * 100_000, 422))
    site = await visit(site_of(provider))
    refused = await call(site, "POST", "/providers/up/v1/ocr", json={})
    assert refused.status == 422
    assert UP[:4] not in refused.raw.decode()
    assert len(refused.raw) > len(before) - 10
