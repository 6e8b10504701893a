"""What `dragoman setup` asks a gateway: its models, and one question in a client's own protocol."""

from __future__ import annotations

import json
from typing import Any, Final

import aiohttp

from dragoman import ir
from dragoman.cli.checks import PATIENCE, TooLarge, read
from dragoman.cli.clients import Gateway
from dragoman.cli.terminal import clean
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import reason

_QUESTION: Final = "Say hello in one short sentence."
_TOKENS: Final = 1024
"""Enough for a model that thinks before it says hello."""
_VERSIONS: Final = {"gemini": "/v1beta", "ollama": ""}
"""What stands before a protocol's paths, where it is not /v1."""


_LONGEST_NAME: Final = 512
"""Characters of a model's name. What is longer, or holds control characters, is left out: it would
be printed, and written into files.
"""


class NotThere(Exception):
    """Nothing answers; the text says why."""


class Refused(Exception):
    """An answer that is none. status: of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def models(gateway: Gateway) -> list[str]:
    """The names that this key may ask for. Raises NotThere, and PermissionError where the key is refused."""
    status, body = await _call("GET", f"{gateway.base}/v1/models", gateway)
    if status in {401, 403}:
        raise PermissionError(_message(body, status))
    data = body.get("data") if isinstance(body, dict) else None
    if status != 200 or not isinstance(data, list):
        raise NotThere(f"this URL does not answer with a model list ({_message(body, status)})")
    names = [row["id"] for row in data if isinstance(row, dict) and isinstance(row.get("id"), str)]
    return [name for name in names if name.isprintable() and len(name) <= _LONGEST_NAME]


async def ask(dialect: str, gateway: Gateway) -> str:
    """The text that a model answers a question with. Raises NotThere and Refused."""
    spoken = DIALECTS[dialect]
    question = {
        "model": gateway.model,
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_completion_tokens": _TOKENS,
    }
    asked = translated(question, DIALECTS["openai_chat"], spoken, model=gateway.model)
    url = f"{gateway.base}{_VERSIONS.get(dialect, '/v1')}{asked.path}"
    status, body = await _call("POST", url, gateway, json=asked.body)
    if status != 200 or not isinstance(body, dict):
        raise Refused(_message(body, status), status)
    try:
        answer = spoken.response.decode(body, STANDARD)
    except (WireError, RequestFailed) as error:
        raise Refused(f"the response cannot be parsed: {error}", status) from None
    return _text(answer)


def _text(answer: ir.Response) -> str:
    """What an answer says; a model that only thought within the bound has answered too."""
    blocks = [block for candidate in answer.candidates for block in candidate.blocks]
    said = "".join(block.text for block in blocks if isinstance(block, ir.Text))
    return said or "…"


async def _call(method: str, url: str, gateway: Gateway, **options: Any) -> tuple[int, Any]:
    """Status and JSON of an answer, None where it is no JSON."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    limit = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=5)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(method, url, allow_redirects=False, **options) as response,
        ):
            raw = await read(response)
    except TimeoutError:
        raise NotThere("no response within the time limit") from None
    except TooLarge as error:
        raise NotThere(str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise NotThere(clean(reason(error))) from None
    try:
        return response.status, json.loads(raw)
    except (RecursionError, ValueError):
        return response.status, None


def _message(body: Any, status: int) -> str:
    """The error's own words, in whichever protocol, else the status."""
    error = body.get("error") if isinstance(body, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    return clean(str(told))[:_LONGEST_NAME] if told else f"status {status}"
