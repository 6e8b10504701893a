"""Converts recorded exchanges of Bedrock's InvokeModel with Claude to exchanges of Anthropic's own API.

InvokeModel passes the body of each model family through (recorded as `bedrock.invoke` and
`bedrock.invokeStream`). For Claude the body is a request of the Messages API with these differences: the
model is in the path, `anthropic_version` marks the form, betas are in `anthropic_beta` instead of a header,
and the path says whether the answer is streamed. A streamed event is the JSON in the `bytes` of a message
`chunk`. All of this was seen in recordings of 2024 to 2026.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.testing.corpus import Exchange, Request, Response
from dragoman.wire.eventstream import EventStreamSplitter

APIS: Final = ("bedrock.invoke", "bedrock.invokeStream")
"""The recorded APIs whose exchanges with Claude are converted."""
_VERSION: Final = "bedrock-2023-05-31"
_HEADERS: Final = {"anthropic-version": "2023-06-01"}


def unwrapped(exchange: Exchange) -> Exchange | None:
    """Return an exchange of one of `APIS` as an exchange of Anthropic's API, with its `api` as recorded; an
    exchange of any other API unchanged. None = an exchange of one of `APIS` that has no request, or whose
    request is for another model family or for Claude's older completions.
    """
    if exchange.api not in APIS:
        return exchange
    request, response = exchange.request, exchange.response
    body = None if request is None else request.body
    if request is None or type(body) is not dict or body.get("anthropic_version") != _VERSION:
        return None
    asked = _asked(request, body, exchange)
    return msgspec.structs.replace(exchange, request=asked, response=response and _answered(response))


def _asked(request: Request, body: dict[str, Any], exchange: Exchange) -> Request:
    betas = body.get("anthropic_beta")
    headers = {**_HEADERS, **({"anthropic-beta": ",".join(betas)} if betas else {})}
    kept = {
        name: value for name, value in body.items() if name not in {"anthropic_version", "anthropic_beta"}
    }
    streams = {"stream": True} if exchange.api == "bedrock.invokeStream" else {}
    plain = {"model": exchange.model, **kept, **streams}
    return msgspec.structs.replace(
        request, url="https://api.anthropic.com/v1/messages", headers=headers, body=plain
    )


def _answered(response: Response) -> Response:
    """Return the answer with the JSON events of its stream in `events`; an answer that is no stream is
    returned unchanged.
    """
    if (stream := response.stream) is None:
        return response
    splitter = EventStreamSplitter()
    events = tuple(msgspec.json.decode(frame) for frame in splitter.feed(stream))
    return msgspec.structs.replace(response, events=events, binary_b64=None, eventstream=None)
