"""`dragoman test`: asks a running server what a client would, and says what does not hold.

It works against any base URL that speaks OpenAI's chat API; what only Dragoman promises (health) is
left out with a word about it where the server does not have it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import click
import msgspec

from dragoman.cli.terminal import ANSWER_IS_NO, DONE, Terminal, clean
from dragoman.seams import SYSTEM

_QUESTION = [{"role": "user", "content": "Say hello in one short sentence."}]
_SECONDS = 120


class _Absent(Exception):
    """The server does not offer this; it is no failure."""


class Result(msgspec.Struct):
    """One check: passed None = left out."""

    name: str
    passed: bool | None
    said: str
    ms: float


class Probe:
    """One server under test."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, model: str | None, show: Callable[[str], None]
    ):
        self.session = session
        self.base = base
        self.root = base.removesuffix("/v1")
        self.model = model
        self.show = show

    async def call(self, method: str, url: str, **options: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, JSON body (None where it is none) and the response."""
        async with self.session.request(method, url, **options) as response:
            raw = await response.read()
            try:
                return response.status, json.loads(raw), response
            except ValueError:
                return response.status, None, response

    async def chat(self, **fields: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        """One chat call; `model` and a question are filled in."""
        body = {"model": self.model, "messages": _QUESTION, "max_tokens": 40, **fields}
        body = {key: value for key, value in body.items() if value is not None}
        return await self.call("POST", f"{self.base}/chat/completions", json=body)

    async def chunks(self, **fields: Any) -> AsyncIterator[str]:
        """The data of each event of a streamed chat call."""
        body = {"model": self.model, "messages": _QUESTION, "max_tokens": 40, "stream": True, **fields}
        async with self.session.post(f"{self.base}/chat/completions", json=body) as response:
            _expect(response.status == 200, f"status {response.status}")
            kind = response.headers.get("content-type", "")
            _expect(kind.startswith("text/event-stream"), f"content type {kind}")
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield line[5:].strip().decode()


async def health(probe: Probe) -> str:
    """The server says that it is well."""
    status, body, _ = await probe.call("GET", f"{probe.root}/health")
    if status == 404 or not isinstance(body, dict):
        raise _Absent("no /health here")
    _expect(status == 200 and body.get("status") == "healthy", f"status {status}: {body.get('status')}")
    return f"up {body.get('uptime', 0):.0f} s"


async def models(probe: Probe) -> str:
    """The model list has OpenAI's shape; without --model the first one is taken."""
    status, body, _ = await probe.call("GET", f"{probe.base}/models")
    _expect(status == 200 and isinstance(body, dict) and body.get("object") == "list", f"status {status}")
    ids = [model["id"] for model in body["data"]]
    _expect(bool(ids), "no model is listed")
    if probe.model is None:
        probe.model = ids[0]
    return f"{len(ids)} models; testing {probe.model}"


async def one_model(probe: Probe) -> str:
    """A single model can be looked up."""
    status, body, _ = await probe.call("GET", f"{probe.base}/models/{probe.model}")
    _expect(status == 200 and body.get("id") == probe.model, f"status {status}")
    return str(body.get("owned_by"))


async def answer(probe: Probe) -> str:
    """A whole answer has everything that clients read."""
    status, body, _ = await probe.chat()
    _expect(status == 200, f"status {status}: {_message(body)}")
    missing = [key for key in ("id", "object", "created", "model", "choices", "usage") if key not in body]
    _expect(not missing, f"missing: {', '.join(missing)}")
    return clean(str(body["choices"][0]["message"].get("content") or ""))[:60]


async def usage(probe: Probe) -> str:
    """Token counts are there and add up."""
    _, body, _ = await probe.chat()
    counts = body["usage"]
    _expect(counts["prompt_tokens"] > 0 and counts["completion_tokens"] > 0, f"zero: {counts}")
    _expect(
        counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"], "the total is no sum"
    )
    return f"{counts['prompt_tokens']} in, {counts['completion_tokens']} out"


async def history(probe: Probe) -> str:
    """Several turns are accepted."""
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "What is my name?"},
    ]
    status, body, _ = await probe.chat(messages=turns)
    _expect(status == 200, f"status {status}: {_message(body)}")
    return clean(str(body["choices"][0]["message"].get("content") or ""))[:60]


async def stream(probe: Probe) -> str:
    """A stream begins with a role, ends with one finish and one [DONE]."""
    began = SYSTEM.monotonic()
    first: float | None = None
    finishes: list[str] = []
    text, done, role = "", 0, False
    async for data in probe.chunks():
        if data == "[DONE]":
            done += 1
            continue
        _expect(done == 0, "something after [DONE]")
        chunk = json.loads(data)
        _expect("error" not in chunk, _message(chunk))
        for choice in chunk["choices"]:
            role = role or choice["delta"].get("role") == "assistant"
            if piece := choice["delta"].get("content"):
                first = first if first is not None else SYSTEM.monotonic() - began
                text += piece
                probe.show(piece)
            if choice.get("finish_reason"):
                finishes.append(choice["finish_reason"])
    probe.show("\n")
    _expect(role, "no chunk with the role")
    _expect(done == 1, f"{done} × [DONE]")
    _expect(len(finishes) == 1, f"finish reasons: {finishes}")
    return f"first text after {(first or 0) * 1000:.0f} ms, {len(text)} characters"


async def stream_usage(probe: Probe) -> str:
    """Usage comes in a stream when it is asked for, and only then."""
    asked = [d async for d in probe.chunks(stream_options={"include_usage": True}) if d != "[DONE]"]
    last = json.loads(asked[-1])
    _expect(last.get("choices") == [] and bool(last.get("usage")), "the last chunk holds no usage")
    plain = [json.loads(d) async for d in probe.chunks() if d != "[DONE]"]
    _expect(not any(chunk.get("usage") for chunk in plain), "usage although nobody asked")
    return f"{last['usage']['total_tokens']} tokens"


async def unknown_model(probe: Probe) -> str:
    """An unknown model is a 404 with OpenAI's code."""
    status, body, _ = await probe.chat(model="no-such-model-here")
    _expect(status == 404, f"status {status}")
    _expect(body["error"]["code"] == "model_not_found", f"code {body['error'].get('code')}")
    return _message(body)


async def missing_messages(probe: Probe) -> str:
    """A body without messages is a 400 that names them."""
    status, body, _ = await probe.call("POST", f"{probe.base}/chat/completions", json={"model": probe.model})
    _expect(status == 400, f"status {status}")
    _expect("messages" in _message(body), _message(body))
    return _message(body)


async def bad_value(probe: Probe) -> str:
    """A value out of range is a 400 that names its parameter."""
    status, body, _ = await probe.chat(temperature=9)
    _expect(status == 400, f"status {status}")
    _expect(body["error"].get("param") == "temperature", f"param {body['error'].get('param')}")
    return _message(body)


async def malformed(probe: Probe) -> str:
    """What is no JSON is a 400 in JSON."""
    status, body, _ = await probe.call(
        "POST",
        f"{probe.base}/chat/completions",
        data=b'{"model": ',
        headers={"content-type": "application/json"},
    )
    _expect(status == 400 and isinstance(body, dict), f"status {status}")
    return _message(body)


async def unknown_path(probe: Probe) -> str:
    """An unknown path is a 404 in JSON."""
    status, body, _ = await probe.call("GET", f"{probe.base}/no-such-path")
    _expect(status == 404 and isinstance(body, dict) and "error" in body, f"status {status}")
    return _message(body)


async def preflight(probe: Probe) -> str:
    """A browser may ask beforehand."""
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    status, _, response = await probe.call("OPTIONS", f"{probe.base}/chat/completions", headers=headers)
    allowed = response.headers.get("access-control-allow-origin")
    _expect(status in {200, 204} and allowed is not None, f"status {status}, allow-origin {allowed}")
    return f"allowed: {allowed}"


CHECKS: dict[str, Callable[[Probe], Awaitable[str]]] = {
    "health": health,
    "model list": models,
    "one model": one_model,
    "answer": answer,
    "usage": usage,
    "several turns": history,
    "stream": stream,
    "usage in a stream": stream_usage,
    "unknown model": unknown_model,
    "missing messages": missing_messages,
    "value out of range": bad_value,
    "malformed JSON": malformed,
    "unknown path": unknown_path,
    "preflight": preflight,
}


@click.command("test")
@click.argument("url", required=False)
@click.option("--stream", "show_stream", is_flag=True, help="Show the streamed text as it comes.")
@click.option("--model", help="The model to ask; else the first of the list.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Instead of URL.")
@click.option("--port", default=8080, show_default=True, help="Instead of URL.")
@click.pass_obj
def command(
    terminal: Terminal, url: str | None, model: str | None, host: str, port: int, *, show_stream: bool
) -> None:
    """Check a running gateway, or any base URL. A key is taken from DRAGOMAN_API_KEY.

    \b
    dragoman test
    dragoman test https://gateway.example/v1 --model gpt-4o --stream
    """
    base = (url or f"http://{host}:{port}").rstrip("/")
    if not urlsplit(base).path:
        base += "/v1"
    shown = terminal.for_people and show_stream
    results = asyncio.run(_all(terminal, base, model, show=shown))
    failed = [result for result in results if result.passed is False]
    if terminal.as_json:
        terminal.result({"url": base, "passed": not failed, "checks": msgspec.to_builtins(results)})
    else:
        passed = sum(result.passed is True for result in results)
        left = sum(result.passed is None for result in results)
        terminal.result(f"{passed} passed, {len(failed)} failed" + (f", {left} left out" if left else ""))
    raise SystemExit(ANSWER_IS_NO if failed else DONE)


_UNREACHABLE = "nothing answers there"


async def _all(terminal: Terminal, base: str, model: str | None, *, show: bool) -> list[Result]:
    key = os.environ.get("DRAGOMAN_API_KEY", "any").partition(",")[0]
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    results: list[Result] = []
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}, timeout=timeout) as session:
        write = terminal.err.write if show else _silent
        probe = Probe(session, base, model, write)
        for name, check in CHECKS.items():
            result = await _one(name, check, probe)
            results.append(result)
            _tell(terminal, result)
            if result.said == _UNREACHABLE:
                break
    return results


async def _one(name: str, check: Callable[[Probe], Awaitable[str]], probe: Probe) -> Result:
    began = SYSTEM.monotonic()
    passed: bool | None = True
    try:
        said = await check(probe)
    except _Absent as absent:
        passed, said = None, str(absent)
    except aiohttp.ClientConnectorError:
        passed, said = False, _UNREACHABLE
    except (AssertionError, aiohttp.ClientError, TimeoutError, LookupError, TypeError, ValueError) as error:
        passed, said = False, str(error) or type(error).__name__
    return Result(name, passed, said, round((SYSTEM.monotonic() - began) * 1000, 1))


def _tell(terminal: Terminal, result: Result) -> None:
    if terminal.as_json:
        return
    state = {True: "ok", False: "bad", None: "off"}[result.passed]
    mark = terminal.mark(state, terminal.out)
    if terminal.out.isatty():
        terminal.result(f" {mark} {result.name:<20} {result.ms:>8.0f} ms  {clean(result.said)}")
    else:
        word = {True: "passed", False: "failed", None: "left out"}[result.passed]
        terminal.result(f"{word}\t{result.name}\t{result.ms}\t{clean(result.said)}")


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise AssertionError(otherwise)


def _message(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return clean(str(error.get("message") if isinstance(error, dict) else error))


def _silent(_text: str) -> int:
    return 0
