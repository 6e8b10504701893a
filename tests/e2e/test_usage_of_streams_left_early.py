"""2.11: what a stream has cost by the time at which it broke off, or at which its client left."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from dragoman.exchange import Exchange
from dragoman.testing.provider import Answer, Seen, Streamed
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.test_estimated_usage import PATHS, STREAMS, TEXT, WHOLE
from tests.e2e.test_server import until
from tests.e2e.test_streams_that_break_off import BREAKING

_SHORT = aiohttp.ClientTimeout(total=0.5)
ASKED = "Tell me about the river in a few words. " * 3
BEGUN = {
    "openai_chat": 1,
    "openai_completions": 1,
    "anthropic": 3,
    "gemini": 1,
    "openai_responses": 4,
    "ollama": 1,
    "mistral": 1,
}
"""How many of a stream's frames come before its end, the text among them."""
NO_OPTIONS = {"openai_chat", "openai_completions"}
"""The faces whose clients are told usage only if they ask for it."""


def hanging(dialect: str, *frames: Any) -> Callable[[Seen], Answer]:
    """An upstream that says this, else the beginning of its usual stream, and then nothing for long."""

    def answer(seen: Seen) -> Answer:
        named = dialect in {"anthropic", "openai_responses"}
        said = frames or STREAMS[dialect][: BEGUN[dialect]]
        if dialect == "openai_completions":
            said = ({**said[0], "choices": [{**said[0]["choices"][0], "finish_reason": None}]},)
        text = "".join(
            frame
            if isinstance(frame, str)
            else (f"event: {frame['type']}\n" if named else "") + f"data: {json.dumps(frame)}\n\n"
            for frame in said
        )
        kind = {"content-type": "application/x-ndjson"} if dialect == "ollama" else {}
        return Streamed([text, ": the end\n\n"], headers=kind, pause=30)

    return answer


def request(face: str, text: str = ASKED, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}]
    if face == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    if face == "openai_responses":
        return {"model": "up/m", "input": text, "stream": True}
    if face == "openai_completions":
        return {"model": "up/m", "prompt": text, "stream": True, **more}
    if face == "anthropic":
        more["max_tokens"] = 99
    return {"model": "up/m", "messages": said, "stream": True, **more}


def path(face: str) -> str:
    if face == "gemini":
        return PATHS[face].replace(":generate", ":streamGenerate") + "?alt=sse"
    return PATHS[face]


async def leave(
    site: Site, face: str, exchanges: list[Exchange], after: bytes = b"counted", **more: Any
) -> Exchange:
    """Ask for a stream, leave it when this has come, and give the record."""
    body = io.BytesIO(json.dumps(request(face, **more)).encode())
    headers = {"content-type": "application/json"}
    async with site.session.post(site.base + path(face), data=body, headers=headers) as answer:
        heard = b""
        while after not in heard:
            heard += await answer.content.readany()
        answer.close()
    await until(lambda: bool(exchanges))
    return exchanges[-1]


def assert_estimated(exchange: Exchange, least: int = 20) -> None:
    usage = exchange.usage
    assert usage is not None
    assert usage.estimated
    assert 20 <= (usage.input or 0) <= 60
    assert least <= (usage.output or 0) <= 60
    assert any("estimated" in change.reason for change in exchange.changes)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("face", PATHS)
async def test_a_relayed_stream_that_its_client_leaves(
    visit: Visit, provide: Provide, face: str, told: bool
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(hanging(face))
    site = await visit(up(provider.url, face), observers=[exchanges.append])
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if told and face in NO_OPTIONS else {}
    exchange = await leave(site, face, exchanges, **more)
    assert (exchange.mode, exchange.end) == ("relay", "client/stream")
    assert_estimated(exchange)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("dialect", WHOLE)
async def test_a_translated_stream_that_its_client_leaves(
    visit: Visit, provide: Provide, dialect: str, told: bool
) -> None:
    face = "openai_responses" if dialect == "openai_chat" else "openai_chat"
    exchanges: list[Exchange] = []
    provider = await provide(hanging(dialect))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if told else {}
    exchange = await leave(site, face, exchanges, **more)
    assert (exchange.mode, exchange.end) == ("translate", "client/stream")
    assert_estimated(exchange)


@pytest.mark.parametrize("face", PATHS)
async def test_every_face_of_a_translated_stream(visit: Visit, provide: Provide, face: str) -> None:
    dialect = "mistral"
    exchanges: list[Exchange] = []
    provider = await provide(hanging(dialect))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    exchange = await leave(site, face, exchanges)
    assert (exchange.mode, exchange.end) == ("translate", "client/stream")
    assert_estimated(exchange)


@pytest.mark.parametrize("dialect", ["openai_responses", "mistral"])
@pytest.mark.parametrize("face", ["openai_responses", "openai_chat"])
async def test_a_client_that_leaves_its_websocket(
    visit: Visit, provide: Provide, face: str, dialect: str
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(hanging(dialect))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    body = request(face)
    if face == "openai_responses":
        body = {"type": "response.create", **body}
    async with connect(site.base.replace("http", "ws", 1) + PATHS[face]) as socket:
        await socket.send(json.dumps(body))
        while "counted" not in str(await socket.recv()):
            pass
    await until(lambda: bool(exchanges))
    assert exchanges[-1].end == "client/stream"
    assert_estimated(exchanges[-1])


@pytest.mark.parametrize(
    ("dialect", "relayed"),
    [
        (dialect, relayed)
        for dialect in BREAKING
        for relayed in (True, False)
        if dialect in PATHS or not relayed
    ],
)
async def test_an_attempt_that_breaks_off_after_content(
    visit: Visit, provide: Provide, dialect: str, relayed: bool
) -> None:
    face = dialect if relayed else "openai_responses" if dialect == "openai_chat" else "openai_chat"
    exchanges: list[Exchange] = []
    provider = await provide(
        Streamed(BREAKING[dialect], named=dialect in {"anthropic", "openai_responses"}, die=True)
    )
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    async with site.session.post(site.base + path(face), json=request(face)) as answer:
        assert "Half an" in await answer.text()
    await until(lambda: bool(exchanges))
    (exchange,) = exchanges
    assert exchange.fault is not None
    assert exchange.usage is not None
    assert exchange.usage.estimated
    assert exchange.usage.output == 2
    assert exchange.usage.input == 3 if dialect == "anthropic" else (exchange.usage.input or 0) > 20


@pytest.mark.parametrize("face", ["anthropic", "openai_chat"])
async def test_what_the_beginning_states_is_kept_and_the_answer_is_counted(
    visit: Visit, provide: Provide, face: str
) -> None:
    """Anthropic's `message_start` counts the prompt, and a token or so of an answer that is to come."""
    stated = {"input_tokens": 7, "cache_read_input_tokens": 500, "output_tokens": 1}
    start, *rest = STREAMS["anthropic"][: BEGUN["anthropic"]]
    start = {**start, "message": {**start["message"], "usage": stated}}
    exchanges: list[Exchange] = []
    provider = await provide(hanging("anthropic", start, *rest))
    site = await visit(up(provider.url, "anthropic"), observers=[exchanges.append])
    usage = (await leave(site, face, exchanges)).usage
    assert usage is not None
    assert (usage.input, usage.cache_read) == (7, 500)
    assert 20 <= (usage.output or 0) <= 60
    assert usage.estimated


@pytest.mark.parametrize("face", ["gemini", "openai_chat"])
async def test_running_counts_are_kept(visit: Visit, provide: Provide, face: str) -> None:
    """Google counts on in every chunk. Translated, the latest of them comes by only at the end."""
    frames = [
        {
            **STREAMS["gemini"][0],
            "usageMetadata": {
                "promptTokenCount": 7,
                "candidatesTokenCount": said,
                "totalTokenCount": 7 + said,
            },
        }
        for said in (9, 19)
    ]
    exchanges: list[Exchange] = []
    provider = await provide(hanging("gemini", *frames))
    site = await visit(up(provider.url, "gemini"), observers=[exchanges.append])
    exchange = await leave(site, face, exchanges)
    usage = exchange.usage
    assert usage is not None
    assert usage.input == 7
    assert usage.estimated is (face != "gemini")
    assert bool([change for change in exchange.changes if "estimated" in change.reason]) is usage.estimated
    if face == "gemini":
        assert usage.output == 19
    else:
        assert 40 <= (usage.output or 0) <= 100


@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
async def test_who_leaves_before_any_content_has_asked_all_the_same(
    visit: Visit, provide: Provide, face: str
) -> None:
    opening = {**STREAMS["openai_chat"][0], "choices": []}
    exchanges: list[Exchange] = []
    provider = await provide(hanging("openai_chat", opening))
    site = await visit(up(provider.url), observers=[exchanges.append])
    with pytest.raises(TimeoutError):
        async with site.session.post(site.base + path(face), json=request(face), timeout=_SHORT):
            pass
    await until(lambda: bool(exchanges))
    usage = exchanges[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.output == 0
    assert 20 <= (usage.input or 0) <= 60


async def test_an_attempt_of_which_nothing_was_delivered_is_not_counted(
    visit: Visit, provide: Provide
) -> None:
    """The second provider cannot be reached, and the first one broke off before any content."""
    opening = {**STREAMS["openai_chat"][0], "choices": []}
    exchanges: list[Exchange] = []
    provider = await provide(Streamed([opening], die=True))
    configuration = up(provider.url)
    configuration["providers"]["dead"] = {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9"}
    configuration["models"] = {"both": {"deployments": ["up/m", "dead/m"]}}
    site = await visit(configuration, observers=[exchanges.append])
    answer = await site.ask("both", stream=True)
    assert answer.status >= 500
    assert len(exchanges[0].attempts) == 2
    assert exchanges[0].usage is None


@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
async def test_a_long_stream_is_taken_to_be_like_its_beginning(
    visit: Visit, provide: Provide, face: str
) -> None:
    """64 kB or 500 events of it are counted."""
    frame = STREAMS["openai_chat"][0]
    last = json.loads(json.dumps(frame).replace(TEXT, "the last words"))
    exchanges: list[Exchange] = []
    provider = await provide(hanging("openai_chat", *[frame] * 2000, last))
    site = await visit(up(provider.url), observers=[exchanges.append])
    exchange = await leave(site, face, exchanges, b"the last words")
    assert exchange.usage is not None
    whole = 2000 * len(TEXT) / 4
    assert 0.8 * whole <= (exchange.usage.output or 0) <= 1.2 * whole


@pytest.mark.parametrize("size", [300_000, 1_200_000])
@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
async def test_a_large_request(visit: Visit, provide: Provide, face: str, size: int) -> None:
    """It is counted beside the loop; a relay keeps a megabyte at most, and measures beyond."""
    exchanges: list[Exchange] = []
    provider = await provide(hanging("openai_chat"))
    site = await visit(up(provider.url), observers=[exchanges.append])
    exchange = await leave(site, face, exchanges, text="word " * (size // 5))
    assert exchange.usage is not None
    assert size / 6 <= (exchange.usage.input or 0) <= size / 3
    assert 20 <= (exchange.usage.output or 0) <= 60


async def test_a_whole_stream_keeps_what_its_provider_states(visit: Visit, provide: Provide) -> None:
    """The client leaves once the counts have come, before the stream's own end."""
    stated = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    counts = {**STREAMS["openai_chat"][0], "choices": [], "usage": stated}
    exchanges: list[Exchange] = []
    provider = await provide(hanging("openai_chat", *STREAMS["openai_chat"][:2], counts))
    site = await visit(up(provider.url), observers=[exchanges.append])
    more: dict[str, Any] = {"stream_options": {"include_usage": True}}
    exchange = await leave(site, "openai_chat", exchanges, b'"total_tokens":', **more)
    assert exchange.usage is not None
    assert (exchange.usage.input, exchange.usage.output, exchange.usage.estimated) == (3, 4, False)
