"""Media that requests name by their address: fetched once, for those who do not read them there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.engine.media import Media
from dragoman.net.fetch import Fetcher
from dragoman.upstreams.upstream import Call
from dragoman.wire.multipart import Field
from tests.unit.engine.stage import CLAUDE, ONE, Own, Stage, chat, refusal, whole

GEMINI = {"dialect": "gemini", "base_url": "https://g.example", "keys": "key-g"}
OLLAMA = {"dialect": "ollama", "base_url": "https://o.example", "keys": "key-o"}
GEMINI = {"dialect": "gemini", "base_url": "https://g.example/v1beta", "keys": "key-g"}
URL = "https://pictures.example/cat.png"
FETCHED = "iVBORw0KGgo="
ASK_O = "ask o with key-o: /api/chat"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
ASK_ONE = "ask one with key-1: /v1/chat/completions"


def picture(model: str, url: str = URL) -> bytes:
    """A question about a picture."""
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    return chat(model=model, messages=[{"role": "user", "content": parts}])


def test_who_reads_pictures_at_their_address_gets_the_address() -> None:
    stage = Stage({"claude": CLAUDE})
    stage.script("claude", whole("A cat.", dialect="anthropic"))
    assert stage.plays(picture("claude/opus"))[0] == ASK_CLAUDE
    assert URL.encode() in stage.sent[0]


def test_who_does_not_gets_the_bytes() -> None:
    stage = Stage({"o": OLLAMA})
    stage.script("o", whole("A cat.", dialect="ollama"))
    assert stage.plays(picture("o/llava"))[:2] == [f"fetch {URL}", ASK_O]
    assert stage.bodies[0]["messages"][0]["images"] == [FETCHED]


def test_all_attempts_fetch_once_together() -> None:
    settings = {"models": {"m": {"deployments": ["o/llava", "one/gpt"]}}}
    stage = Stage({"o": {**OLLAMA, "keys": ["key-o", "key-p"]}, "one": ONE}, settings=settings)
    stage.script("o", refusal(429, dialect="ollama"), refusal(429, dialect="ollama"))
    stage.script("one", whole("A cat."))
    assert stage.plays(picture("m"))[:4] == [
        f"fetch {URL}",
        ASK_O,
        ASK_O.replace("key-o", "key-p"),
        ASK_ONE,
    ]
    assert URL.encode() in stage.sent[2]


def test_providers_of_two_protocols_fetch_once_together() -> None:
    settings = {"models": {"m": {"deployments": ["o/llava", "g/gemini-x"]}}}
    stage = Stage({"o": OLLAMA, "g": GEMINI}, settings=settings)
    stage.script("o", refusal(429, dialect="ollama"))
    stage.script("g", whole("A cat.", dialect="gemini"))
    lines = stage.plays(picture("m"))
    assert [line for line in lines if line.startswith("fetch")] == [f"fetch {URL}"]
    assert FETCHED.encode() in stage.sent[1]
    assert lines[-1] == "= done"


def test_what_cannot_be_fetched_is_named_in_the_clients_words() -> None:
    stage = Stage({"o": OLLAMA})
    url = "https://pictures.example/missing.png"
    lines = stage.plays(picture("o/llava", url))
    assert lines[0] == f"fetch {url}"
    assert lines[1].startswith("answer 400 ")
    assert json.loads(stage.client.body)["error"]["param"].startswith("messages[0].content[1]")
    assert lines[2].startswith("= client/encode/")
    assert stage.sent == []


def test_another_deployment_needs_no_fetching() -> None:
    """The caller's mistake ends the round, so nobody else is asked for what cannot be read."""
    settings = {"models": {"m": {"deployments": ["one/gpt", "o/llava"]}}}
    stage = Stage({"o": OLLAMA, "one": ONE}, settings=settings)
    stage.script("one", whole("A cat."))
    assert stage.plays(picture("m"))[0] == ASK_ONE


def test_all_that_an_exchange_fetches_takes_one_share_of_the_room() -> None:
    settings = {"models": {"m": {"deployments": ["o/llava", "g/gemini"]}}}
    stage = Stage({"o": OLLAMA, "g": GEMINI}, settings=settings)
    stage.script("o", refusal(429, dialect="ollama"))
    stage.script("g", whole("A cat.", dialect="gemini"))
    stage.plays(picture("m"))
    assert stage.lines.count(f"fetch {URL}") == 1  # although they differ in what they read at its address
    assert len(stage.fetcher.claims) == 1


# Beside chat -------------------------------------------------------------------------------------------


def test_a_recording_is_fetched_for_who_does_not_read_it_at_its_address() -> None:
    stage = Stage({"g": GEMINI})
    stage.script("g", whole("Hello.", dialect="gemini"))
    form = (Field("model", b"g/gemini"), Field("url", b"https://sounds.example/a.wav"))
    lines = stage.plays(b"", operation="transcription", fields=form)
    assert lines[0] == "fetch https://sounds.example/a.wav"
    assert b"sounds.example" not in stage.sent[0]
    assert lines[-1] == "= done"


class Draws(Own):
    """Draws a picture, and says where it lies."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def draw(self, request: ir.ImageRequest, call: Call) -> ir.ImageResponse:
        call.ready()
        return ir.ImageResponse((ir.Picture(url=self._url),), "x")


@pytest.mark.parametrize(
    ("url", "member"), [(URL, "b64_json"), ("https://pictures.example/missing.png", "url")]
)
def test_a_picture_is_fetched_for_who_wants_its_bytes(url: str, member: str) -> None:
    stage = Stage(own=Draws(url))
    body = json.dumps({"model": "own/x", "prompt": "a cat", "response_format": "b64_json"}).encode()
    lines = stage.plays(body, operation="image")
    assert (lines[0], lines[-1]) == (f"fetch {url}", "= done")
    assert json.loads(stage.client.body)["data"] == [{member: FETCHED if member == "b64_json" else url}]


@pytest.mark.parametrize("leave", [None, 1.0])
def test_the_room_is_given_back(leave: float | None) -> None:
    stage = Stage({"o": OLLAMA})
    slow: Any = whole("A cat.", dialect="ollama")
    slow.connect = [2.0]
    stage.script("o", slow)
    stage.plays(picture("o/llava"), leave=leave)
    assert [claim.held for claim in stage.fetcher.claims] == [0]


# The next attempt ----------------------------------------------------------------------------------------

ANSWER = whole("A cat.", dialect="anthropic")


def test_fetched_bytes_do_not_go_to_who_reads_the_address() -> None:
    settings = {"models": {"m": {"deployments": ["o/llava", "claude/opus"]}}}
    stage = Stage({"o": OLLAMA, "claude": CLAUDE}, settings=settings)
    stage.script("o", refusal(429, dialect="ollama"))
    stage.script("claude", ANSWER)
    assert stage.plays(picture("m"))[:3] == [f"fetch {URL}", ASK_O, ASK_CLAUDE]
    assert FETCHED.encode() in stage.sent[0]
    assert FETCHED.encode() not in stage.sent[1]
    assert URL.encode() in stage.sent[1]


@pytest.mark.parametrize("second", ["one/gpt", "claude/opus"])
def test_they_are_freed_before_an_attempt_that_does_not_need_them(
    second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relayed or translated: while the second attempt runs, nothing refers to the fetched bytes."""
    settings = {"models": {"m": {"deployments": ["o/llava", second]}}}
    stage = Stage({"o": OLLAMA, "one": ONE, "claude": CLAUDE}, settings=settings)
    stage.script("o", refusal(429, dialect="ollama"))
    stage.script("one", whole("A cat."))
    stage.script("claude", ANSWER)
    kept: list[Any] = []
    inline = Fetcher.inline

    async def noted(self: Fetcher, request: Any, keep: Any, claim: Any, fetched: Any = None) -> Any:
        kept.append(fetched)
        return await inline(self, request, keep, claim, fetched)

    monkeypatch.setattr(Fetcher, "inline", noted)
    forget = Media.forget
    left: list[Any] = []

    def looked_at(self: Media, asked: Asked, *, needed: bool) -> None:
        forget(self, asked, needed=needed)
        left.append(asked.said.fetched)

    monkeypatch.setattr(Media, "forget", looked_at)
    stage.plays(picture("m"))
    assert len(stage.sent) == 2
    if second == "one/gpt":
        assert left == [None]
    else:
        assert kept[-1] == {}
