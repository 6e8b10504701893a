"""The requests of `dragoman setup` to a gateway: the list of models, and a test question to one model."""

from __future__ import annotations

import json
from typing import Any, Final

import aiohttp

from dragoman import ir
from dragoman.cli.checks import PATIENCE, TooLarge, read
from dragoman.cli.clients import Gateway
from dragoman.cli.terminal import clean
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import reason

_QUESTION: Final = "Say hello in one short sentence."
_TOKENS: Final = 1024
"""The most output tokens of the test answer. A reasoning model needs many before its answer."""
_LONGEST_NAME: Final = 512
"""The most characters of a model's name or an error message. Names are printed and written into files, so a
longer name is ignored; a longer message is cut.
"""


class NotThere(Exception):
    """No gateway answers at the URL, or something else does. The text says why."""


class Refused(Exception):
    """The gateway answered with an error, or with a response that cannot be parsed. status: the
    HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def models(gateway: Gateway) -> list[str]:
    """The gateway's model names. Raises PermissionError if it refuses the key, NotThere if it has no list."""
    status, body = await _call("GET", f"{gateway.base}/v1/models", gateway)
    if status in {401, 403}:
        raise PermissionError(_message(body, status))
    data = body.get("data") if isinstance(body, dict) else None
    if status != 200 or not isinstance(data, list):
        raise NotThere(f"this URL does not answer with a model list ({_message(body, status)})")
    names = [row["id"] for row in data if isinstance(row, dict) and isinstance(row.get("id"), str)]
    return [name for name in names if name.isprintable() and len(name) <= _LONGEST_NAME]


async def ask(dialect: str, gateway: Gateway) -> str:
    """Send a test question in a protocol, and return the text of the answer. Raises NotThere and Refused."""
    spoken = DIALECTS[dialect]
    question = {
        "model": gateway.model,
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_completion_tokens": _TOKENS,
    }
    request = translated(question, DEFAULT, spoken, model=gateway.model)
    assert spoken.face is not None
    url = gateway.base + spoken.face.roots[0] + request.path
    status, body = await _call("POST", url, gateway, json=request.body)
    if status != 200 or not isinstance(body, dict):
        raise Refused(_message(body, status), status)
    try:
        answer = spoken.response.decode(body, STANDARD)
    except (WireError, RequestFailed) as error:
        raise Refused(f"the response cannot be parsed: {error}", status) from None
    return _text(answer)


def _text(answer: ir.Response) -> str:
    """The text of an answer; "…" if it has none, because the model only reasoned up to the token limit."""
    blocks = [block for candidate in answer.candidates for block in candidate.blocks]
    said = "".join(block.text for block in blocks if isinstance(block, ir.Text))
    return said or "…"


async def _call(method: str, url: str, gateway: Gateway, **options: Any) -> tuple[int, Any]:
    """Send one request. Returns the status and the JSON body, None = no JSON. Raises NotThere on failure."""
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
    """The message of an error response in any protocol, else its status."""
    error = body.get("error") if isinstance(body, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    return clean(str(told))[:_LONGEST_NAME] if told else f"status {status}"
