"""Code that OpenAI's operations beside chat (embeddings, moderation, rerank and others) share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.operation import Outgoing, Payload
from dragoman.dialects.relaying import WholeAnswerRelay
from dragoman.dialects.request import WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode_head


def model_of(wire: WireRequest) -> str | None:
    """Return the model that a request names; None if it names none."""
    model: str | None = wire.body.get("model")
    return model


def refuse_failure(body: Mapping[str, Any], expected: str) -> None:
    """Raise RequestFailed if the body of a response states an error instead of an answer: it has a member
    `error`, `message` or `detail`, and lacks the member `expected`, which every valid response has.
    """
    if expected not in body and not body.keys().isdisjoint(("error", "message", "detail")):
        raise RequestFailed(fault_of(dict(body)))


def integer_of(value: Any) -> int | None:
    """Return the value if it is an integer; None for any other, also for a boolean."""
    return value if type(value) is int else None


def input_of(usage: Any) -> int | None:
    """Return the number of input tokens in `usage`: the first number in `prompt_tokens`, `input_tokens` and
    `total_tokens`, in this order (Voyage states only the last); a float is cut to an integer. None if there
    is none, or if `usage` is not an object. The operations that use this have no output tokens.
    """
    if not isinstance(usage, Mapping):
        return None
    stated = (usage.get(key) for key in ("prompt_tokens", "input_tokens", "total_tokens"))
    return next((int(count) for count in stated if type(count) is int or type(count) is float), None)


def usage_of(usage: Any) -> ir.Usage | None:
    """Return the number of input tokens in `usage` (`input_of`) as an ir.Usage; None if it states none."""
    tokens = input_of(usage)
    return None if tokens is None else ir.Usage(input=tokens)


def usage_value(usage: bytes | msgspec.Raw) -> Any:
    """Return the JSON value `usage` of a response or an event, decoded. None = it is null or cannot be
    decoded, for example because a number is too large: the client has paid for the response, so it is not
    refused because of its usage.
    """
    try:
        return msgspec.json.decode(usage)
    except UNDECODABLE:
        return None


class ListRelay(WholeAnswerRelay):
    """Relays requests to `path`, and the responses. member: the name of the list that every valid response
    has. `response` raises RequestFailed for a response with an error in place of this list, and WireError for
    any other response without this list. If its argument `model` is not None, it replaces the model that a
    response states; a response without a model gets none.
    """

    def __init__(self, path: str, member: str) -> None:
        self._path = path
        self._member = member

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(self._path, encode_head({**head, **edits}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        head = decode_head(answer.data)
        if not bytes(head.get(self._member, b"")).startswith(b"["):
            refuse_failure(decode_object(answer.data), self._member)
            raise WireError("expected an array", self._member)
        usage = usage_of(usage_value(head.get("usage", b"null")))
        if model is not None and "model" in head:
            answer = Payload(encode_head({**head, "model": model}))
        return answer, usage
