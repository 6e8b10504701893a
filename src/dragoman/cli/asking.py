"""The requests of `dragoman setup` to a gateway: the list of models, and a test question to one model."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

from dragoman.cli.checks import PATIENCE, Answer, TooLarge
from dragoman.cli.clients import Gateway
from dragoman.cli.native_checks import text_of
from dragoman.cli.terminal import clean
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.net.aio import reason

_QUESTION: Final = "Say hello in one short sentence."
_TOKENS: Final = 1024
"""The most output tokens of the test answer. A reasoning model needs many before its answer."""
_LONGEST_NAME: Final = 512
"""The most characters of a model's name. Longer names are ignored."""


class NotThere(Exception):
    """The server cannot be reached, does not answer completely in time, or answers too much; or it was asked
    for the list of models, and its answer is no such list. The text says why.
    """


class Refused(Exception):
    """The gateway answered with an error, or with an answer that cannot be parsed. status: the HTTP
    status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def models(gateway: Gateway) -> list[str]:
    """Return the names of the gateway's models, without names that are unprintable or longer than 512
    characters. Raises PermissionError for the status 401 or 403, and NotThere if there is no complete answer,
    or if it is not a model list.
    """
    answer = await _call("GET", f"{gateway.base}/v1/models", gateway)
    if answer.status in {401, 403}:
        raise PermissionError(answer.message)
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    if answer.status != 200 or not isinstance(data, list):
        raise NotThere(f"this URL does not answer with a model list ({answer.message})")
    names = [row["id"] for row in data if isinstance(row, dict) and isinstance(row.get("id"), str)]
    return [name for name in names if name.isprintable() and len(name) <= _LONGEST_NAME]


async def ask(dialect: str, gateway: Gateway) -> str:
    """Send a test question to the model `gateway.model`, in the protocol `dialect`, and return the text of
    the answer ("…" if it has none). dialect: a name in `DIALECTS` of a protocol that clients can speak.

    Raises NotThere if there is no complete answer, and Refused if the answer is an error or cannot be parsed.
    """
    spoken = DIALECTS[dialect]
    question = {
        "model": gateway.model,
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_completion_tokens": _TOKENS,
    }
    request = translated(question, DEFAULT, spoken, model=gateway.model)
    assert spoken.face is not None
    url = gateway.base + spoken.face.roots[0] + request.path
    answer = await _call("POST", url, gateway, json=request.body)
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise Refused(answer.message, answer.status)
    try:
        said = text_of(spoken.response.decode(answer.body, STANDARD))
    except (WireError, RequestFailed) as error:
        raise Refused(f"the response cannot be parsed: {error}", answer.status) from None
    return said or "…"  # the model only reasoned up to the token limit


async def _call(method: str, url: str, gateway: Gateway, **options: Any) -> Answer:
    """Send one request. Raises NotThere if no complete answer comes in time, or if it is too large."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    limit = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=5)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(method, url, allow_redirects=False, **options) as response,
        ):
            return await Answer.of(response)
    except TimeoutError:
        raise NotThere("no response within the time limit") from None
    except TooLarge as error:
        raise NotThere(str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise NotThere(clean(reason(error))) from None
