"""What a provider is sent, where and over which connections, and what becomes of answers that are none."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider, Seen, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import MODELS, Answered
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.rawprovider import RawProvider, sends
from tests.e2e.sent import Sent
from tests.e2e.stubs import Said
from tests.e2e.test_server import until

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
STREAMS = pytest.mark.parametrize("stream", [False, True])


# Where --------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("spelling", ["", "/", "{version}", "{version}/"])
async def test_every_spelling_of_a_base_url_leads_to_one_place(
    visit: Visit, provide: Provide, dialect: str, spelling: str
) -> None:
    """4.15: no doubled and no missing /v1 (Gemini's is /v1beta)."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    version = "/" + stubs.PATHS[dialect].split("/")[1]
    site = await visit(up(provider.url + spelling.format(version=version), dialect))
    assert (await site.ask(MODELS[dialect])).status == 200
    assert (provider.last.method, provider.last.path) == ("POST", stubs.PATHS[dialect])


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ({"base_path": "/openai/v1"}, "/openai/v1/chat/completions"),
        ({"base_path": ""}, "/chat/completions"),
        ({"chat_path": "/generate"}, "/v1/generate"),
    ],
)
async def test_a_path_that_is_not_the_usual_one(
    visit: Visit, provide: Provide, setting: dict[str, str], path: str
) -> None:
    """4.15, 4.16: base_path and chat_path."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url, **setting))
    assert (await site.ask()).status == 200
    assert provider.last.path == path


async def test_connections_are_used_again(visit: Visit, provide: Provide) -> None:
    """2.27: twenty calls one after another need one connection, streams and errors included."""
    answers = [stubs.openai_chat(Said()), stubs.refusal("openai_chat", 400, "x", "No.")] * 10
    provider = await provide(*answers)
    site = await visit(up(provider.url))
    for place in range(20):
        await site.ask(stream=place % 4 == 0)
    assert len(provider.seen) == 20
    assert len(provider.peers) == 1


async def test_a_pool_has_no_more_connections_than_its_size(visit: Visit, provide: Provide) -> None:
    """2.27: twenty calls at once over at most four connections; all are answered."""
    body = (await _whole("openai_chat")).body
    provider = await provide(Whole(body, delay=0.02))
    site = await visit(up(provider.url, pool={"size": 4}))
    answers = await asyncio.gather(*(site.ask() for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert 1 < len(provider.peers) <= 4


async def _whole(dialect: str) -> Whole:
    """A good whole answer."""
    script = stubs.DIALECTS[dialect](Said())
    assert callable(script)
    answer = script(Seen("POST", "/", {}, {}, b"{}"))
    assert isinstance(answer, Whole)
    return answer


# What is sent -------------------------------------------------------------------------------------


@EVERY
@STREAMS
async def test_headers_and_body_of_the_configuration_are_added(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """0.17: of the provider and of the model, whose own go first; objects are merged deeply."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    config = up(
        provider.url,
        dialect,
        headers={"x-team": "blue", "X-Region": "eu"},
        body={"metadata": {"from": "provider", "deep": 1}, "extra_one": [1]},
    )
    model = {"use": MODELS[dialect], "headers": {"x-region": "us"}, "body": {"metadata": {"from": "model"}}}
    site = await visit({**config, "models": {"mine": model}})
    mine = {"user": "u-1"} if dialect == "anthropic" else {"metadata": {"user_id": "u-1"}}
    own = {} if dialect == "gemini" else {"user_id": "u-1"}  # it takes no metadata of clients
    answer = await site.ask("mine", stream=stream, **mine)
    assert answer.text == "Hello there!"
    sent = provider.last
    assert (sent.headers["x-team"], sent.headers["x-region"]) == ("blue", "us")
    assert sent.body["extra_one"] == [1]
    assert sent.body["metadata"] == {**own, "from": "model", "deep": 1}


async def test_what_the_client_adds_passes(visit: Visit, provide: Provide) -> None:
    """0.1, 0.17: unknown fields of a request reach a provider of the same dialect as they are."""
    provider = await provide(stubs.openai_chat(Said()))
    site = await visit(up(provider.url))
    await site.ask(guided_choice=["a", "b"], chat_template_kwargs={"enable_thinking": False})
    assert provider.last.body["guided_choice"] == ["a", "b"]
    assert provider.last.body["chat_template_kwargs"] == {"enable_thinking": False}


@EVERY
async def test_nothing_of_the_clients_connection_passes(visit: Visit, provide: Provide, dialect: str) -> None:
    """0.2: no cookie, no forwarding header, no agent, no credential of the client goes on."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    site = await visit(up(provider.url, dialect))
    told = {
        "authorization": "Bearer client-key",
        "x-api-key": "client-key-2",
        "cookie": "session=client",
        "x-forwarded-for": "203.0.113.9",
        "user-agent": "client-agent",
        "x-dragoman-report": "1",
        "x-stainless-os": "client-os",
        "origin": "http://client.example",
    }
    await site.ask(MODELS[dialect], headers=told)
    sent = provider.last.headers
    assert not any("client" in value or "203.0" in value for value in sent.values())
    assert not {"cookie", "x-forwarded-for", "x-dragoman-report", "origin"} & set(sent)
    assert sent["accept-encoding"] == "identity"
    assert Sent(dialect, provider.last).credential == "up-key"


# How long -----------------------------------------------------------------------------------------


@EVERY
@STREAMS
@pytest.mark.parametrize("timer", ["first_byte", "total"])
async def test_a_slow_provider_is_a_504_in_time(
    visit: Visit, provide: Provide, dialect: str, timer: str, stream: bool
) -> None:
    """4.16: timeout 0.2 s, 504 long before the provider would answer, and the provider is let go."""
    provider = await provide(Whole({}, delay=30))
    site = await visit(up(provider.url, dialect, timeouts={timer: 0.2}))
    began = time.monotonic()
    answer = await site.ask(MODELS[dialect], stream=stream)
    assert 0.2 <= time.monotonic() - began < 10
    assert (answer.status, answer.error["code"]) == (504, f"{timer}_timeout")
    await until(lambda: provider.cut and provider.open == 0)


async def test_a_models_timeout_goes_before_its_providers(visit: Visit, provide: Provide) -> None:
    """4.16: `timeouts` of a model."""
    provider = await provide(Whole({}, delay=30))
    config = up(provider.url, timeouts={"first_byte": 20})
    model = {"use": "up/gpt-4o", "timeouts": {"first_byte": 0.1}}
    site = await visit({**config, "models": {"quick": model}})
    began = time.monotonic()
    assert (await site.ask("quick")).status == 504
    assert time.monotonic() - began < 10


async def test_a_total_timeout_ends_a_stream_that_still_flows(visit: Visit, provide: Provide) -> None:
    """4.16: in-band, as content has gone out."""
    sent = stubs.frames("openai_chat", "tick " * 40)
    provider = await provide(Streamed(sent, pause=0.05))
    site = await visit(up(provider.url, timeouts={"total": 0.3}))
    answer = await site.ask(stream=True)
    assert answer.events[-1]["error"]["code"] == "total_timeout"
    assert answer.text.startswith("tick tick")


# Answers that are none ----------------------------------------------------------------------------

HTML = "<!doctype html><html><head><title>x</title></head><body><h1>Bad gateway</h1></body></html>"


def no_answer(answer: Answered) -> dict[str, Any]:
    """A 502 in OpenAI's shape, which is the provider's fault and names nothing of ours."""
    assert answer.status == 502
    assert answer.headers["content-type"] == "application/json"
    error = answer.error
    assert error["type"] == "server_error"
    assert "Traceback" not in error["message"]
    assert "127.0.0.1" not in error["message"]
    return error


@EVERY
@STREAMS
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("", {}),
        ("not json at all", {}),
        ('{"id": "x", "choi', {}),
        ("[1, 2, 3]", {}),
        ("{}", {}),
        ('"text"', {}),
        ("null", {}),
        (HTML, {"content-type": "text/html"}),
        (HTML, {}),
        (b"\xff\xfe\x00", {"content-type": "application/octet-stream"}),
        ('{"choices": "none", "content": "none"}', {}),
        ('{"choices": [7], "content": [7]}', {}),
        ('{"choices": null, "content": null}', {}),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_what_is_no_answer_is_a_502(
    visit: Visit, provide: Provide, dialect: str, body: Any, headers: dict[str, str], stream: bool
) -> None:
    """2.23: garbage, HTML, a wrong content type, truncated JSON, other shapes."""
    provider = await provide(Whole(body, 200, headers))
    site = await visit(up(provider.url, dialect))
    no_answer(await site.ask(MODELS[dialect], stream=stream))


@EVERY
@STREAMS
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id": 1',
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    ],
    ids=["nothing", "ssh", "cut off", "bad chunk", "bad gzip"],
)
async def test_what_is_no_http_is_a_502(visit: Visit, dialect: str, raw: bytes, stream: bool) -> None:
    """2.23: a connection that is closed, speaks something else or breaks in the middle of a body."""
    async with RawProvider(sends(raw)) as provider:
        site = await visit(up(provider.url, dialect))
        no_answer(await site.ask(MODELS[dialect], stream=stream))


@STREAMS
@pytest.mark.parametrize(("status", "shown"), [(500, 502), (503, 503), (404, 404), (400, 400), (418, 400)])
async def test_errors_in_html_are_errors_in_json(
    visit: Visit, provide: Provide, status: int, shown: int, stream: bool
) -> None:
    """2.22: a proxy in front of the provider answers in HTML; its words stay, its tags do not."""
    provider = await provide(Whole(HTML, status, {"content-type": "text/html"}))
    site = await visit(up(provider.url))
    answer = await site.ask(stream=stream)
    assert answer.status == shown
    assert "Bad gateway" in answer.error["message"]
    assert "<" not in answer.error["message"]


@EVERY
@STREAMS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_provider_that_redirects_is_not_followed(
    visit: Visit, provide: Provide, dialect: str, status: int, stream: bool
) -> None:
    """5.24: a key goes to the origin it is bound to and nowhere else."""
    elsewhere = await provide(stubs.DIALECTS[dialect](Said()))
    provider = await provide(Whole("", status, {"location": f"{elsewhere.url}/v1/steal"}))
    site = await visit(up(provider.url, dialect))
    error = no_answer(await site.ask(MODELS[dialect], stream=stream))
    assert error["code"] == "upstream_redirected"
    assert "base_url" in error["message"]
    assert elsewhere.seen == []


# Egress -------------------------------------------------------------------------------------------

PIXELS = b"\x89PNG\r\n\x1a\n and then some pixels"


async def ask_about(visit: Visit, provide: Provide, *urls: str, allow: list[str]) -> tuple[Any, FakeProvider]:
    """An image by URL, to a vendor that takes bytes only."""
    provider = await provide(stubs.anthropic(Said("A picture.")))
    config = up(provider.url, "anthropic", quirks={"media_urls": False})
    site = await visit({**config, "egress": {"allow": allow}})
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [{"type": "text", "text": "What is this?"}, *images]
    return await site.ask(MODELS["anthropic"], messages=[{"role": "user", "content": content}]), provider


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"],
)
async def test_a_request_cannot_name_this_machine(visit: Visit, provide: Provide, host: str) -> None:
    """5.24: however loopback is spelled; nothing is fetched and nothing is sent."""
    site = await provide(Whole(PIXELS, 200, {"content-type": "image/png"}))
    port = site.url.rpartition(":")[2]
    answer, provider = await ask_about(visit, provide, f"http://{host}:{port}/cat.png", allow=[])
    assert answer.status == 400
    assert answer.error["code"] == "invalid_image_url"
    assert site.seen == []
    assert provider.seen == []


@pytest.mark.parametrize(
    "address", ["ftp://example.com/x.png", "file:///etc/passwd", "http://", "gopher://a"]
)
async def test_only_web_addresses_are_fetched(visit: Visit, provide: Provide, address: str) -> None:
    """5.24: other schemes are the client's mistake."""
    answer, provider = await ask_about(visit, provide, address, allow=[])
    assert answer.status == 400
    assert answer.error["param"] == "messages[0].content[1]"
    assert provider.seen == []


async def test_a_page_is_no_picture(visit: Visit, provide: Provide) -> None:
    """0.11: the part that is something else is named, and nothing is sent."""
    page = await provide(Whole("<!doctype html>", 200, {"content-type": "text/html"}))
    picture = await provide(Whole(PIXELS, 200, {"content-type": "application/octet-stream"}))
    urls = (f"{picture.url}/cat", f"{page.url}/cat.png")
    answer, provider = await ask_about(visit, provide, *urls, allow=["127.0.0.0/8"])
    assert answer.status == 400
    assert answer.error["param"] == "messages[0].content[2]"
    assert "text/html" in answer.error["message"]
    assert provider.seen == []


async def test_what_the_operator_allows_is_fetched(visit: Visit, provide: Provide) -> None:
    """5.24: the image's bytes reach the provider; no credential reached the image's host."""
    site = await provide(Whole(PIXELS, 200, {"content-type": "image/png"}))
    answer, provider = await ask_about(visit, provide, f"{site.url}/cat.png", allow=["127.0.0.0/8"])
    assert answer.status == 200
    source = provider.last.body["messages"][0]["content"][1]["source"]
    assert source == {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(PIXELS).decode(),
    }
    assert site.last.path == "/cat.png"
    assert not {"authorization", "x-api-key", "cookie"} & set(site.last.headers)


async def test_a_redirect_is_checked_on_every_hop(visit: Visit, provide: Provide) -> None:
    """5.24: an allowed host that leads to another one leads nowhere."""
    metadata = "http://169.254.169.254/latest/meta-data/"
    site = await provide(Whole("", 302, {"location": metadata}))
    answer, provider = await ask_about(visit, provide, f"{site.url}/x.png", allow=["127.0.0.1"])
    assert (answer.status, answer.error["code"]) == (400, "invalid_image_url")
    assert provider.seen == []


async def test_an_image_that_cannot_be_read_is_the_clients_to_mend(visit: Visit, provide: Provide) -> None:
    """5.24: a 404 of the image's host is a 400 here, before anything is sent."""
    site = await provide(Whole("gone", 404))
    answer, provider = await ask_about(visit, provide, f"{site.url}/x.png", allow=["127.0.0.1"])
    assert answer.status == 400
    assert "404" in answer.error["message"]
    assert provider.seen == []


async def test_a_provider_that_takes_addresses_gets_the_address(visit: Visit, provide: Provide) -> None:
    """0.11: nothing is fetched here where the provider does it itself."""
    provider = await provide(stubs.anthropic(Said("A picture.")))
    site = await visit(up(provider.url, "anthropic"))
    image = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    await site.ask(MODELS["anthropic"], messages=[{"role": "user", "content": [image]}])
    source = provider.last.body["messages"][0]["content"][0]["source"]
    assert source == {"type": "url", "url": "https://example.com/cat.png"}


ODD: dict[str, dict[str, Any]] = {
    "openai_chat": {"created": {"a": 1}, "usage": {"prompt_tokens": "many", "completion_tokens": 1}},
    "anthropic": {"content": [{"type": "text", "text": {"a": 1}}], "usage": {"input_tokens": "many"}},
    "gemini": {"usageMetadata": {"promptTokenCount": "many"}, "modelVersion": 5},
    "mistral": {"created": {"a": 1}, "usage": {"prompt_tokens": "many", "completion_tokens": 1}},
}
"""Members of a good answer with values of types that nobody expects."""


@EVERY
@pytest.mark.parametrize("member", [0, 1])
async def test_an_answer_that_nobody_expects_is_the_providers_fault_and_the_next_is_asked(
    visit: Visit, provide: Provide, dialect: str, member: int
) -> None:
    """Not ours, with a 500, even where the codec did not see it coming."""
    good = stubs.DIALECTS[dialect](Said("Hi!"))

    def odd(seen: Seen) -> Whole:
        assert callable(good)
        answer = good(seen)
        assert isinstance(answer, Whole)
        name, value = list(ODD[dialect].items())[member]
        return Whole({**answer.body, name: value})

    providers = {
        name: {"dialect": dialect, "base_url": (await provide(answer)).url, "keys": ["key"]}
        for name, answer in (("odd", odd), ("good", good))
    }
    site = await visit(
        {
            "providers": providers,
            "models": {"both": {"deployments": ["odd/m", "good/m"]}, "one": "odd/m"},
            # With a prompt, so that an answer in the client's own protocol is read as well.
            "aliases": {f"told-{name}": {"route": name, "system_prompt": "Hi."} for name in ("both", "one")},
        }
    )
    answer = await site.ask("told-both")
    assert (answer.status, answer.text) == (200, "Hi!")
    alone = await site.ask("told-one")
    assert alone.status in {200, 502}
    if alone.status == 502:
        assert alone.error["code"] in {"unreadable", "upstream_failed"}
        assert answer.headers["x-dragoman-attempts"] == "2"


async def test_a_vendor_under_another_name_is_not_told_to_be_unconfigured(visit: Visit) -> None:
    """Its key is there: what helps is the name that the operator gave it."""
    site = await visit({"providers": {"mine": {"catalog": "gemini", "keys": ["k"]}}})
    answer = await site.ask("gemini/gemini-2.5-flash")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert "gemini is configured as mine: write mine/gemini-2.5-flash" in answer.error["message"]
    assert "GEMINI_API_KEY" not in answer.error["message"]
