"""The checks of `dragoman test` for any server with OpenAI's Chat Completions API, and the code that runs the
checks of every protocol.

A check takes a `Probe` (the server under test), sends requests, and returns a text about the answers. It
raises LeftOut if it is skipped, KeyRefused if the server refuses the API key (status 401), and CheckFailed if
an answer is wrong. An answer of an unexpected form may also raise one of `_ODD`, which `outcomes` treats like
CheckFailed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple, TypeAlias

import aiohttp

from dragoman.cli.choosing import Choice, choice
from dragoman.cli.terminal import clean
from dragoman.seams.clock import SYSTEM

QUESTION: Final = [{"role": "user", "content": "Say hello in one short sentence."}]
TURNS: Final = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "My name is Ann."},
    {"role": "assistant", "content": "Hello Ann."},
    {"role": "user", "content": "What is my name?"},
]
TOKENS: Final = 40
PATIENCE: Final = 120
"""The time limit of one request, in seconds. A model on a slow machine needs this long."""
_VERSION: Final = re.compile(r"/v\d\w*\Z")


class CheckFailed(Exception):
    """An answer is wrong. The text says what is wrong with it."""


class TooLarge(Exception):
    """An answer or a stream has more than `LARGEST` bytes. The text says so."""


_LONGEST_MESSAGE: Final = 512
"""The most characters of an error message that are shown."""
LARGEST: Final = 16_000_000
"""The most bytes of an answer, or of a whole stream."""
_ODD: Final = (
    TooLarge,
    aiohttp.ClientError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""The exceptions of a check which usually mean that the answer breaks off or has an unexpected form."""


class LeftOut(Exception):
    """The check is skipped: the server or its protocol seems to lack the feature, no model is known, or the
    key seems not to be allowed to use it. The text says why.
    """


class KeyRefused(Exception):
    """The server refused the API key (401)."""


class Outcome(NamedTuple):
    """The result of one check. name: the check's name. passed: True = passed, False = failed, None = skipped.
    ms: its duration in milliseconds. said: a text about the answers, or why the check failed or was skipped.
    """

    name: str
    passed: bool | None
    ms: float
    said: str


class _Unreachable(Exception):
    """No connection to the server is possible. The text says why."""


class Answer(NamedTuple):
    """One answer of the server. body: the decoded JSON; None = the body is null, not JSON, or nested too
    deeply. headers: names match in any case.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> Answer:
        return cls(response.status, await _json(response), response.headers)

    @property
    def message(self) -> str:
        """The text for an error answer, as one line: `error.message` of the body, or `error` itself if it is
        not an object, cut after 512 characters. If there is no such text, the status ("status 404").
        """
        error = self.body.get("error") if isinstance(self.body, dict) else None
        told = error.get("message") if isinstance(error, dict) else error
        return clean(str(told))[:_LONGEST_MESSAGE] if told else f"status {self.status}"

    def expect(self, status: int) -> None:
        """Raise KeyRefused for the status 401, and CheckFailed for any other status than the expected one."""
        if self.status == 401:
            raise KeyRefused(self.message)
        if self.status != status:
            where = self.headers.get("location")
            moved = f": redirected to {clean(where)}" if where else ""
            said = "" if self.message == f"status {self.status}" else f": {self.message}"
            raise CheckFailed(f"status {self.status} instead of {status}{moved or said}")


Choose: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], Choice | None]


class Probe:
    """A server under test, and the client that sends requests to it.

    session: sends the requests, with the API key and the time limit. base: the URL to which the paths of the
    protocol are appended; for Chat Completions it includes the API version (`https://gateway.example/v1`).
    model: the model to ask; None = it is not known, until `chosen` finds one. show: called with the parts of
    the text that the check `stream` reads, and with a line end if the stream ends as expected. choose:
    returns the model to ask, out of the entries of the model list; None = no entry fits. checks: the checks
    for this protocol, by name, in the order in which they run.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        model: str | None,
        show: Callable[[str], None],
        choose: Choose = choice,
    ) -> None:
        self.base = base
        self.model = model
        self.show = show
        self.checks = CHECKS
        self._choose = choose
        self._session = session

    @property
    def chat_url(self) -> str:
        """The URL of the chat endpoint."""
        return f"{self.base}/chat/completions"

    def post(self, url: str, body: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Return the context manager of a POST request, with `body` as JSON. Entering it sends the request
        and gives the answer, whose body has not been read. Redirects are not followed.
        """
        return self._session.post(url, json=body, allow_redirects=False)

    def chosen(self, listed: Sequence[Mapping[str, Any]]) -> str:
        """If `model` is None, set it to the model that `choose` takes from the list, if it takes one. Return
        a text with the number of listed models and with `model`. listed: the entries of the server's model
        list; each has an `id`. Raises CheckFailed if the list is empty.
        """
        require(bool(listed), "no model is listed")
        if self.model is None and (one := self._choose(listed)) is not None:
            self.model = one.model
        return f"{len(listed)} models; asking {self.model}"

    async def call(self, method: str, url: str, **options: Any) -> Answer:
        """Send one request, and return its answer, whatever its status is. Redirects are not followed,
        because a redirected POST can become a GET. options: those of aiohttp's `request`. Raises
        aiohttp.ClientError or TimeoutError if the answer does not arrive completely, and TooLarge if it has
        more than `LARGEST` bytes.
        """
        async with self._session.request(method, url, allow_redirects=False, **options) as response:
            return await Answer.of(response)

    async def chat(self, **fields: Any) -> Answer:
        """Send one chat request, and return its answer, whatever its status is. `fields` replace or add
        fields of its body. Raises LeftOut if no model is known, and the errors of `call`.
        """
        return await self.call("POST", self.chat_url, json=self._request(fields))

    async def chunks(self, **fields: Any) -> AsyncIterator[str]:
        """Send one streamed chat request, and yield the text behind `data:` of each such line, `[DONE]`
        included. `fields` replace or add fields of its body. Raises LeftOut if no model is known, KeyRefused
        for the status 401, CheckFailed for any other answer that is not a stream of events, ValueError for a
        line that cannot be read, and the errors of `call`.
        """
        async with self.post(self.chat_url, self._request({"stream": True, **fields})) as response:
            if response.status != 200:
                (await Answer.of(response)).expect(200)
            kind = response.headers.get("content-type", "")
            require(kind.startswith("text/event-stream"), f"content type {clean(kind) or 'missing'}")
            size = 0
            async for line in response.content:
                size += len(line)
                if size > LARGEST:
                    raise TooLarge(f"the stream is larger than {LARGEST // 1_000_000} MB")
                if line.startswith(b"data:"):
                    yield line[5:].strip().decode()

    def _request(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self.model is None:
            raise LeftOut("no model to test; choose one with --model")
        return {"model": self.model, "messages": QUESTION, "max_tokens": TOKENS, **fields}


Check: TypeAlias = Callable[[Any], Awaitable[str]]
"""A check function: takes the protocol's `Probe` and returns a text about the answers."""


async def health(probe: Probe) -> str:
    """Check that `/health` answers with the status 200. If the `status` in the body is not "healthy", the
    text names the providers that are down; this alone does not fail the check. Skipped if the server has no
    `/health`: the HTTP status is 404, or the body is not a JSON object with `status`.
    """
    answer = await probe.call("GET", f"{_VERSION.sub('', probe.base)}/health")
    if answer.status == 404 or not isinstance(answer.body, dict) or "status" not in answer.body:
        raise LeftOut("this server has no /health")
    said = clean(str(answer.body["status"]))[:_LONGEST_MESSAGE]
    require(answer.status == 200, f"status {answer.status}: {said}")
    if said == "healthy":
        return f"up {answer.body.get('uptime', 0):.0f} s"
    down = ", ".join(_down(answer.body.get("providers")))
    return f"{said}: {down}" if down else said


def _down(providers: Any) -> Iterator[str]:
    for name, state in (providers if isinstance(providers, dict) else {}).items():
        if isinstance(state, dict) and state.get("healthy") is False:
            yield clean(f"{name} ({state['last_error']})" if state.get("last_error") else name)


async def model_list(probe: Probe) -> str:
    """Check that the model list has OpenAI's form (`object` is "list", and each entry of `data` has an `id`)
    and is not empty. If no model is known yet, it also chooses one for the later checks (`Probe.chosen`).
    """
    answer = await probe.call("GET", f"{probe.base}/models")
    answer.expect(200)
    require(answer.body["object"] == "list", f"object {answer.body['object']!r}")
    return probe.chosen([{**model, "id": str(model["id"])} for model in answer.body["data"]])


async def one_model(probe: Probe) -> str:
    """Check that the model under test can be looked up by its name. Skipped if no model is known."""
    if probe.model is None:
        raise LeftOut("no model to look up")
    answer = await probe.call("GET", f"{probe.base}/models/{probe.model}")
    answer.expect(200)
    require(answer.body["id"] == probe.model, f"id {answer.body['id']!r}")
    return f"owned by {answer.body.get('owned_by')}"


async def whole_answer(probe: Probe) -> str:
    """Check that an answer that is not streamed has the fields `id`, `object`, `created`, `model`, `choices`
    and `usage`, and a first choice with a message.
    """
    answer = await probe.chat()
    answer.expect(200)
    wanted = ("id", "object", "created", "model", "choices", "usage")
    missing = [key for key in wanted if key not in answer.body]
    require(not missing, f"missing: {', '.join(missing)}")
    return _said(answer)


async def usage(probe: Probe) -> str:
    """Check that the answer counts input and output tokens, each above 0, and their sum."""
    answer = await probe.chat()
    answer.expect(200)
    counts = answer.body["usage"]
    prompt, completion, total = (counts[f"{kind}_tokens"] for kind in ("prompt", "completion", "total"))
    require(prompt > 0 and completion > 0, f"{prompt} in, {completion} out")
    require(total == prompt + completion, f"total_tokens is {total}, not {prompt} + {completion}")
    return f"{prompt} in, {completion} out"


async def several_turns(probe: Probe) -> str:
    """Check that a system prompt and several turns are accepted."""
    answer = await probe.chat(messages=TURNS)
    answer.expect(200)
    return _said(answer)


async def stream(probe: Probe) -> str:
    """Check that a stream has the role "assistant", exactly one finish reason, exactly one [DONE] at its end,
    and no error. Shows the text with `probe.show`.
    """
    began = SYSTEM.monotonic()
    first: float | None = None
    finishes: list[str] = []
    length, done, role = 0, 0, False
    async for data in probe.chunks():
        require(not done, "the stream continues after [DONE]")
        if data == "[DONE]":
            done += 1
            continue
        chunk = json.loads(data)
        require("error" not in chunk, Answer(200, chunk, {}).message)
        for one in chunk["choices"]:
            role = role or one["delta"].get("role") == "assistant"
            if piece := one["delta"].get("content"):
                first = SYSTEM.monotonic() - began if first is None else first
                length += len(piece)
                probe.show(clean(piece, lines=True))
            if one.get("finish_reason"):
                finishes.append(one["finish_reason"])
    probe.show("\n")
    require(role, "no chunk contains the role")
    require(done == 1, f"expected one [DONE], got {done}")
    require(len(finishes) == 1, f"finish reasons: {finishes}")
    return f"{length} characters" + ("" if first is None else f", the first after {first * 1000:.0f} ms")


async def stream_usage(probe: Probe) -> str:
    """Check that a stream has token usage if the request asks for it, in a last chunk without choices, and
    none otherwise.
    """
    options = {"include_usage": True}
    asked = [data async for data in probe.chunks(stream_options=options) if data != "[DONE]"]
    last = json.loads(asked[-1])
    require(last.get("choices") == [] and bool(last.get("usage")), "the last chunk contains no usage")
    plain = [json.loads(data) async for data in probe.chunks() if data != "[DONE]"]
    require(
        not any(chunk.get("usage") for chunk in plain),
        "the stream contains usage although the request did not ask for it",
    )
    return f"{last['usage']['total_tokens']} tokens"


async def unknown_model(probe: Probe) -> str:
    """Check that a request with an unknown model gets the status 404 and OpenAI's error code
    ("model_not_found"). Skipped for the status 403, because the key may be limited to some models.
    """
    answer = await probe.chat(model="no-such-model-here")
    if answer.status == 403:
        raise LeftOut(f"this key is limited to some models: {answer.message}")
    answer.expect(404)
    code = answer.body["error"].get("code")
    require(code == "model_not_found", f"code {code!r}")
    return answer.message


async def missing_messages(probe: Probe) -> str:
    """Check that a request without `messages` gets the status 400 and an error that names `messages`."""
    if probe.model is None:
        raise LeftOut("no model to test; choose one with --model")
    answer = await probe.call("POST", probe.chat_url, json={"model": probe.model})
    answer.expect(400)
    require("messages" in answer.message, answer.message)
    return answer.message


async def value_out_of_range(probe: Probe) -> str:
    """Check that the temperature 9 gets the status 400 and an error whose `param` is "temperature"."""
    answer = await probe.chat(temperature=9)
    answer.expect(400)
    param = answer.body["error"].get("param")
    require(param == "temperature", f"param {param!r}")
    return answer.message


async def malformed_json(probe: Probe) -> str:
    """Check that a body that is not valid JSON gets the status 400 and an error in JSON."""
    headers = {"content-type": "application/json"}
    answer = await probe.call("POST", probe.chat_url, data=b'{"model": ', headers=headers)
    answer.expect(400)
    require(isinstance(answer.body, dict) and "error" in answer.body, "the error is not a JSON object")
    return answer.message


async def unknown_path(probe: Probe) -> str:
    """Check that an unknown path gets the status 404 and an error in JSON."""
    answer = await probe.call("GET", f"{probe.base}/no-such-path")
    answer.expect(404)
    require(isinstance(answer.body, dict) and "error" in answer.body, "the error is not a JSON object")
    return answer.message


async def preflight(probe: Probe) -> str:
    """Check that the preflight request (CORS) of a web page on this machine is allowed: it gets the status
    200 or 204, and the header `access-control-allow-origin`.
    """
    headers = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    answer = await probe.call("OPTIONS", f"{probe.base}/chat/completions", headers=headers)
    allowed = answer.headers.get("access-control-allow-origin")
    require(
        answer.status in {200, 204} and allowed is not None, f"status {answer.status}, allowed: {allowed}"
    )
    return f"allowed: {clean(str(allowed))}"


CHECKS: Final[Mapping[str, Check]] = {
    "health": health,
    "model list": model_list,
    "one model": one_model,
    "whole answer": whole_answer,
    "usage": usage,
    "several turns": several_turns,
    "stream": stream,
    "usage in a stream": stream_usage,
    "unknown model": unknown_model,
    "missing messages": missing_messages,
    "value out of range": value_out_of_range,
    "malformed JSON": malformed_json,
    "unknown path": unknown_path,
    "preflight": preflight,
}
"""The checks for Chat Completions, in the order in which they run. If the user names no model, `model_list`
chooses one for the checks after it.
"""


async def outcomes(probe: Probe) -> AsyncGenerator[Outcome, None]:
    """Run the checks one after another, and yield the outcome of each. A check that cannot connect has
    failed, and the checks after it do not run; after an error of TLS they do run. Raises KeyRefused, and runs
    no further check, if a check raises it.
    """
    for name, check in probe.checks.items():
        began = SYSTEM.monotonic()
        try:
            passed, said = await _one(check, probe)
        except _Unreachable as error:
            yield Outcome(name, False, _ms(began), f"cannot connect to {probe.base}: {error}")
            return
        yield Outcome(name, passed, _ms(began), said)


async def _one(check: Check, probe: Probe) -> tuple[bool | None, str]:
    try:
        return True, await check(probe)
    except LeftOut as reason:
        return None, str(reason)
    except CheckFailed as seen:
        return False, str(seen)
    except aiohttp.ClientSSLError as error:
        return False, str(error)
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno or 0  # asyncio's own text repeats the address and is hard to read
        raise _Unreachable(os.strerror(number) if number > 0 else error.os_error.strerror) from None
    except TimeoutError:
        return False, f"not finished after {PATIENCE} s"
    except _ODD as error:
        return False, f"not a valid response: {type(error).__name__}: {error}"


def _ms(began: float) -> float:
    return round((SYSTEM.monotonic() - began) * 1000, 1)


def _said(answer: Answer) -> str:
    return clean(str(answer.body["choices"][0]["message"].get("content") or ""))


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Return the complete body of a response, decompressed. Raises TooLarge if it has more than `LARGEST`
    bytes, and aiohttp.ClientError or TimeoutError if it does not arrive completely.
    """
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) > LARGEST:
            raise TooLarge(f"the response is larger than {LARGEST // 1_000_000} MB")
    return bytes(data)


async def _json(response: aiohttp.ClientResponse) -> Any:
    try:
        return json.loads(await read(response))
    except (ValueError, RecursionError):
        return None


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise CheckFailed with the text `otherwise` if the condition does not hold."""
    if not holds:
        raise CheckFailed(otherwise)
