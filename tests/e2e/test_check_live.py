"""`dragoman check --live`: every key is asked for real, by the cheapest call that needs one."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly import probing
from dragoman.cli import live
from dragoman.config.load import load
from dragoman.routing.route import Timers
from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.command import run
from tests.e2e.conftest import Provide

GOOD, BAD = "sk-good-0123456789-good", "sk-bad-0123456789-evil"
LISTS: dict[str, Any] = {
    "openai_chat": {"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]},
    "anthropic": {"data": [{"type": "model", "id": "m-1"}, {"type": "model", "id": "m-2"}]},
    "gemini": {"models": [{"name": "models/m-1"}, {"name": "models/m-2"}]},
    "mistral": {"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]},
    "ollama": {"models": [{"name": "m-1"}, {"name": "m-2"}]},
    "openai_responses": {"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]},
}
PATHS = {"gemini": "/v1beta/models", "ollama": "/api/tags"}
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "H"}, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
REFUSED = Whole(
    {
        "error": {
            "message": f"Incorrect API key provided: {BAD}.",
            "type": "invalid_request_error",
            "code": "invalid_api_key",
        }
    },
    status=401,
)
ABSENT = Whole({"error": {"message": "Not found", "type": "invalid_request_error"}}, status=404)


def key_of(seen: Seen) -> str:
    headers = seen.headers
    stated = headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("authorization", "")
    return stated.removeprefix("Bearer ")


def keyed(*answers: Whole, public: bool = False, listed: Whole | None = None) -> Callable[[Seen], Answer]:
    """A provider that knows one key. public: its list asks for none. answers: to what is posted."""

    def answer(seen: Seen) -> Answer:
        if seen.method == "GET" and public and listed is not None:
            return listed
        if key_of(seen) != GOOD:
            return REFUSED
        return (listed or ABSENT) if seen.method == "GET" else answers[0]

    return answer


def row(url: str, dialect: str = "openai_chat", keys: tuple[str, ...] = (GOOD,)) -> dict[str, Any]:
    return {"dialect": dialect, "base_url": url, "keys": list(keys)}


@pytest.fixture
def check(environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Run the command beside the fake providers."""

    async def ended(
        providers: dict[str, Any], *arguments: str, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "dragoman.yaml").write_text(json.dumps({"providers": providers, **more}))
        return await asyncio.to_thread(run, environment, tmp_path, "check", "--live", *arguments)

    return ended


async def test_each_key_gets_a_line(check: Any, provide: Provide) -> None:
    provider = await provide(keyed(listed=Whole(LISTS["openai_chat"])))
    ended = await check({"up": row(provider.url, keys=(GOOD, BAD))})
    assert ended.returncode == 1
    assert ended.stdout.splitlines() == [
        "provider\tkey\tasked for\tstate\tin its words",
        "up\t…good\tmodels\tok\t2 models",
        "up\t…evil\tmodels\trefused\tIncorrect API key provided: [redacted].",
    ]
    assert "asking up for its list of models, with 2 keys" in ended.stderr
    assert GOOD not in ended.stdout + ended.stderr
    assert {(seen.method, seen.path) for seen in provider.seen} == {("GET", "/v1/models")}


@pytest.mark.parametrize("dialect", LISTS)
async def test_the_list_of_each_protocol(check: Any, provide: Provide, dialect: str) -> None:
    provider = await provide(keyed(listed=Whole(LISTS[dialect])))
    ended = await check({"up": row(provider.url, dialect)}, "--json")
    assert ended.returncode == 0, ended.stdout
    told = json.loads(ended.stdout)
    (one,) = told["live"]
    assert one.pop("ms") > 0
    assert one == {"provider": "up", "key": "good", "asked": "models", "state": "ok", "message": "2 models"}
    assert told["providers"] == ["up"]
    assert {seen.path for seen in provider.seen} == {PATHS.get(dialect, "/v1/models")}
    assert [key_of(seen) for seen in provider.seen] == [GOOD, ""], "then whether anybody gets it"


async def test_who_cannot_be_reached(check: Any, provide: Provide) -> None:
    provider = await provide(keyed(listed=Whole(LISTS["openai_chat"])))
    ended = await check({"up": row(provider.url), "dead": row("http://127.0.0.1:9")}, "--json")
    assert ended.returncode == 1
    up, dead = json.loads(ended.stdout)["live"]
    assert (up["state"], dead["state"]) == ("ok", "not reached")
    assert dead["message"] == "The provider 'dead' was not reached: Connection refused"


async def test_who_is_silent_was_reached_and_failed(
    provide: Provide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_PATIENCE", Timers(connect=5, first_byte=0.2, idle=0.2))
    provider = await provide(Whole(LISTS["openai_chat"], delay=5))
    (tmp_path / "dragoman.yaml").write_text(json.dumps({"providers": {"mute": row(provider.url)}}))
    (one,) = await live.ask(load(tmp_path / "dragoman.yaml", {}), lambda _line: None)
    said = "The provider 'mute' did not start to respond within 0.2 s."
    assert (one.state, one.message) == ("failed", said)


async def test_a_list_that_anybody_gets_proves_no_key(check: Any, provide: Provide) -> None:
    """Then it is a chat of one token, said before; the key that is bad is found out."""
    provider = await provide(keyed(Whole(CHAT), public=True, listed=Whole(LISTS["openai_chat"])))
    ended = await check({"up": row(provider.url, keys=(GOOD, BAD))})
    assert ended.returncode == 1
    assert [line.split("\t")[:4] for line in ended.stdout.splitlines()[1:]] == [
        ["up", "…good", "chat", "ok"],
        ["up", "…evil", "chat", "refused"],
    ]
    assert ended.stderr.count("asking up for a chat of one token: m-1") == 1
    chats = [seen.body for seen in provider.seen if seen.method == "POST"]
    assert len(chats) == 2
    for body in chats:
        assert (body["model"], body.get("max_tokens", body.get("max_completion_tokens"))) == ("m-1", 1)


async def test_who_can_count_is_asked_to_count(check: Any, provide: Provide) -> None:
    provider = await provide(keyed(Whole({"input_tokens": 3}), public=True, listed=Whole(LISTS["anthropic"])))
    counts = {"quirks": {"counts": True}}
    ended = await check({"up": {**row(provider.url, "anthropic", keys=(GOOD, BAD)), **counts}})
    assert [line.split("\t")[:4] for line in ended.stdout.splitlines()[1:]] == [
        ["up", "…good", "count", "ok"],
        ["up", "…evil", "count", "refused"],
    ]
    assert {seen.path for seen in provider.seen} == {"/v1/models", "/v1/messages/count_tokens"}


async def test_without_a_list_the_model_of_the_configuration_is_asked(check: Any, provide: Provide) -> None:
    provider = await provide(keyed(Whole(CHAT)))
    models = {"coder": {"use": "up/own-model"}}
    ended = await check({"up": row(provider.url)}, "--json", models=models)
    assert ended.returncode == 0, ended.stdout
    assert json.loads(ended.stdout)["live"][0]["asked"] == "chat"
    assert provider.last.body["model"] == "own-model"


async def test_without_any_model_it_says_what_to_do(check: Any, provide: Provide) -> None:
    provider = await provide(keyed())
    ended = await check({"up": row(provider.url)})
    assert ended.returncode == 1
    assert "name one in `models`" in ended.stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Whole("<html>Sign in</html>", headers={"content-type": "text/html"}), "not JSON"),
        (Whole({"hello": 1}), "no list of models"),
        (Whole("", status=302, headers={"location": "/login"}), "base_url"),
        (Whole({"error": {"message": "Try later"}}, status=503), "Try later"),
    ],
    ids=["a page", "another thing", "moved", "down"],
)
async def test_what_is_no_list_of_models_has_failed(
    check: Any, provide: Provide, answer: Whole, said: str
) -> None:
    provider = await provide(answer)
    ended = await check({"up": row(provider.url)}, "--json")
    assert ended.returncode == 1
    (one,) = json.loads(ended.stdout)["live"]
    assert one["state"] == "failed"
    assert said in one["message"]


async def test_many_keys_are_asked_together_within_a_bound(check: Any, provide: Provide) -> None:
    most = 0

    def answer(seen: Seen) -> Answer:
        nonlocal most
        most = max(most, provider.open + 1)
        return Whole(LISTS["openai_chat"], delay=0.1) if key_of(seen) else REFUSED

    provider = await provide(answer)
    keys = tuple(f"sk-number-0123456789-{number:04d}" for number in range(24))
    ended = await check({"up": row(provider.url, keys=keys)}, "--json")
    rows = json.loads(ended.stdout)["live"]
    assert [one["key"] for one in rows] == [key[-4:] for key in keys]
    assert {one["state"] for one in rows} == {"ok"}
    assert 2 <= most <= 9, "eight, and the one without a key"


async def test_a_server_without_keys(check: Any, provide: Provide) -> None:
    provider = await provide(Whole(LISTS["openai_chat"]))
    ended = await check({"up": {"dialect": "openai_chat", "base_url": provider.url}})
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[1] == "up\tnone\tmodels\tok\t2 models"
    assert len(provider.seen) == 1


async def test_nobody_to_ask(check: Any) -> None:
    ended = await check({})
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "nobody is asked" in ended.stderr
