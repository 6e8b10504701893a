"""Usage in odd forms, as no provider should state it: what the records count, and what clients get."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import UsageSearch
from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e.test_estimated_usage import PATHS, STREAMS, WHOLE

ODD: list[Any] = [-5, "10", 3.5, True, None, [], {}, [1], "x"]
IMPOSSIBLE = [10**15, 2**63, 2**70]
COUNTS: dict[str, dict[str, Any]] = {
    "openai_chat": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    "openai_completions": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    "mistral": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    "anthropic": {"input_tokens": 10, "output_tokens": 5},
    "openai_responses": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    "gemini": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    "ollama": {"prompt_eval_count": 10, "eval_count": 5},
}
DETAILS: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
    "mistral": {"prompt_tokens_details": {"cached_tokens": 4}},
    "openai_responses": {
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 2},
    },
    "gemini": {"cachedContentTokenCount": 4},
}


def stating(dialect: str, usage: Any) -> tuple[Any, list[Any]]:
    """A whole answer and a stream that state this usage."""
    whole, frames = copy.deepcopy(WHOLE[dialect]), copy.deepcopy(STREAMS[dialect])
    if dialect == "ollama":
        counts = usage if isinstance(usage, dict) else {}
        return {**whole, **counts}, [*frames[:-1], json.dumps({**json.loads(frames[-1]), **counts}) + "\n"]
    member = "usageMetadata" if dialect == "gemini" else "usage"
    if dialect == "anthropic":
        frames[0]["message"]["usage"] = frames[-2]["usage"] = usage
    elif dialect == "openai_responses":
        frames[-1] = {**frames[-1], "response": {**frames[-1]["response"], "usage": usage}}
    elif dialect == "gemini":
        frames = [{**frame, member: usage} for frame in frames]
    else:
        frames.insert(-1, {**frames[0], "choices": [], "usage": usage})
    return {**whole, member: usage}, frames


class Odd:
    """A provider of this dialect, whose answers state `usage`."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.usage: Any = None

    def __call__(self, seen: Seen) -> Answer:
        whole, frames = stating(self.dialect, self.usage)
        if not (seen.body.get("stream") is True or "stream" in seen.path):
            return Whole(whole)
        kind = {"content-type": "application/x-ndjson"} if self.dialect == "ollama" else {}
        named = self.dialect in {"anthropic", "openai_responses"}
        line_end = "\r\n" if self.dialect == "gemini" else "\n"
        return Streamed(frames, headers=kind, named=named, line_end=line_end)


def variants(dialect: str) -> Iterator[tuple[str, Any, Any]]:
    """(the member that is odd, its value, the usage)."""
    for member in COUNTS[dialect]:
        for odd in (*ODD, *IMPOSSIBLE):
            yield member, odd, {**COUNTS[dialect], member: odd}
    for member, value in DETAILS.get(dialect, {}).items():
        for odd in ODD:
            inner = {next(iter(value)): odd} if isinstance(value, dict) else odd
            yield "details", odd, {**COUNTS[dialect], member: inner}
        for odd in (7, *ODD) if isinstance(value, dict) else ():
            yield "details", odd, {**COUNTS[dialect], member: odd}
    for odd in ("x", 5, [{}], True, 3.5):
        yield "usage", odd, odd


@pytest.mark.parametrize("dialect", COUNTS)
async def test_each_answer_is_passed_on_and_all_of_its_tokens_are_counted(
    dialect: str, tmp_path: Path
) -> None:
    stub = Odd(dialect)
    asked, answered, *_ = COUNTS[dialect]
    async with FakeProvider(stub) as provider:
        root = provider.url + ("" if dialect in {"anthropic", "ollama", "gemini"} else "/v1")
        gateway = Gateway(
            {
                "providers": {"up": {"dialect": dialect, "base_url": root, "keys": "key-1"}},
                "auth": {"keys": [{"name": "ann", "key": "0123456789-key-of-ann"}]},
                "stores": {"sql": f"sqlite:///{tmp_path}/state.db", "journal": str(tmp_path / "journal")},
            }
        )
        async with serving(gateway) as base, aiohttp.ClientSession() as session:
            faces = [face for face in (dialect, "openai_chat", "anthropic") if face in PATHS]
            for member, odd, usage in variants(dialect):
                stub.usage = usage
                for face in dict.fromkeys(faces):
                    for streamed in (False, True):
                        case = f"{face} {streamed} {member} {odd!r}"
                        text = await ask(session, base, face, streamed=streamed)
                        assert '"error"' not in text, f"{case}: {text}"
                        assert "Some words that nobody counted." in text, case
                        record = await latest(gateway)
                        taken, given = record.units.get("input", 0), record.units.get("output", 0)
                        taken += record.units.get("cache_read", 0)
                        given += record.units.get("reasoning", 0)
                        guessed = {member} & {asked, answered}
                        if member == "usage" or (guessed and odd in IMPOSSIBLE):
                            guessed = {asked, answered}
                        assert record.estimated == bool(guessed), case
                        assert taken in range(5, 12) if asked in guessed else taken == 10, case
                        assert given in range(20, 70) if answered in guessed else given == 5, case


async def ask(session: aiohttp.ClientSession, base: str, face: str, *, streamed: bool) -> str:
    """The text of an answer to a client of this protocol."""
    body: dict[str, Any] = {"model": "up/m", "messages": [{"role": "user", "content": "Hello!"}]}
    path = PATHS[face]
    if face == "gemini":
        body = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
        path = path.replace(":generate", ":streamGenerate") + "?alt=sse" if streamed else path
    elif face == "openai_responses":
        body = {"model": "up/m", "input": "Hello!"}
    elif face == "openai_completions":
        body = {"model": "up/m", "prompt": "Hello!"}
    elif face == "anthropic":
        body["max_tokens"] = 99
    if face != "gemini":
        body["stream"] = streamed
    headers = {"authorization": "Bearer 0123456789-key-of-ann"}
    async with session.post(base + path, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def latest(gateway: Gateway) -> UsageRecord:
    """The latest usage record."""
    running = gateway.running
    assert running.journaling is not None
    await running.journaling.drain()
    usage = running.store.usage
    assert usage is not None
    (record,) = await usage.records(UsageSearch(), 1)
    return record
