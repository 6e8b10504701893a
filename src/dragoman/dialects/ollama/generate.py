"""Ollama's older endpoint, POST /api/generate (one prompt, one answer), made from the codecs of /api/chat.

The prompt becomes a message of the user after the `system` message. In an answer, the text is a top-level
member of the body. `context` (the tokens of an earlier answer) can be read only by the server that made it:
in a request it is reported as lost, and an answer never has it. Requests that cannot be written as a
conversation are refused.

Specification: https://docs.ollama.com/api/generate
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from dragoman import ir
from dragoman.dialects.ollama.check import check as check_chat
from dragoman.dialects.ollama.locate import place as place_in_chat
from dragoman.dialects.ollama.request import MAPS as CHAT_MAPS
from dragoman.dialects.ollama.request import decode_request as decode_chat
from dragoman.dialects.ollama.response import encode_response as encode_chat
from dragoman.dialects.ollama.stream_encoder import OllamaEncoder
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError

_OWN: Final = frozenset({"prompt", "system", "images", "context", "raw", "suffix", "template"})
_TEXTS: Final = ("prompt", "system", "suffix", "template")
_ONLY_CHATS: Final = frozenset({"messages", "tools"})
"""Members of /api/chat that this endpoint does not have. Ollama ignores them in a request to it."""
MAPS: Final = CHAT_MAPS - _ONLY_CHATS | _OWN
_LOST: Final = ("context", *sorted(_ONLY_CHATS))
_OPERATION: Final = "ollama_generate"
"""The dialect name for the leftovers in `_LOST`. No dialect has this name, so they are always reported as
lost."""
_MESSAGE: Final = b'"message"'
_IN_MESSAGE: Final = re.compile(r"(\$\.|)messages\[(\d+)\]\.?(.*)")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the body of a request to /api/generate into the body of the same request to /api/chat, without
    `context` and without the members that only /api/chat has (`messages`, `tools`).

    Raises WireError for a wrong type of a member that /api/chat does not have, and for a true or non-empty
    value of `raw` (a prompt without a template), `suffix` (a text after the insertion point) or `template`,
    which a conversation cannot have.
    """
    for member in _TEXTS:
        _demand(body, member, str, "a string")
    _demand(body, "images", list, "an array")
    _demand(body, "context", list, "an array")
    _demand(body, "raw", bool, "a boolean")
    if body.get("raw"):
        if body.get("template") or body.get("system") or body.get("context"):
            _refuse("raw mode does not support template, system, or context", "raw")
        _refuse("a raw prompt cannot be sent as a conversation", "raw")
    if body.get("suffix"):
        _refuse(f'"{body.get("model", "")}" does not support insert', "suffix")
    if body.get("template"):
        _refuse("a conversation uses the template of its model", "template")
    messages: list[dict[str, Any]] = []
    if system := body.get("system"):
        messages.append({"role": "system", "content": system})
    asked: dict[str, Any] = {"role": "user", "content": body.get("prompt") or ""}
    if images := body.get("images"):
        asked["images"] = images
    messages.append(asked)
    rest = {key: value for key, value in body.items() if key not in _OWN | _ONLY_CHATS}
    return {**rest, "messages": messages}


def _demand(body: Mapping[str, Any], member: str, kind: type, words: str) -> None:
    value = body.get(member)
    if value is not None and type(value) is not kind:
        raise WireError(f"'{member}' must be {words}", member, "invalid_type")


def _refuse(reason: str, member: str) -> NoReturn:
    raise WireError(reason, member, "unsupported_value")


def generated(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response, or one line of a stream, of /api/chat in the form of /api/generate. The message's
    text becomes `response`, and its thinking becomes `thinking`; the message's other members, such as calls,
    are left out without a report. A body without `message`, such as an error, is only copied.
    """
    message = answer.get("message")
    if type(message) is not dict:
        return dict(answer)
    out: dict[str, Any] = {}
    for key, value in answer.items():
        if key != "message":
            out[key] = value
            continue
        out["response"] = message.get("content") or ""
        if thinking := message.get("thinking"):
            out["thinking"] = thinking
    return out


def generated_lines(lines: bytes) -> bytes:
    """Convert complete lines of a stream of /api/chat to lines of /api/generate. Lines without `message` keep
    their members.
    """
    if _MESSAGE not in lines:
        return lines
    return b"".join([_encode(generated(_decode(line))) + b"\n" for line in lines.splitlines() if line])


def place(body: Mapping[str, Any], where: str) -> str:
    """Convert `where`, a JSON path in the body of /api/chat (with or without `$.`), to the JSON path in
    `body`, the client's body of /api/generate: `messages[0].images[1]` becomes `images[1]`.
    """
    found = _IN_MESSAGE.match(where)
    if found is None:
        return where
    root, index, rest = found.groups()
    if rest.startswith("images"):
        return root + rest
    return root + ("system" if index == "0" and body.get("system") else "prompt")


def check(request: WireRequest) -> None:
    """Raise WireError, with a JSON path in the client's body and a code, for the first mistake in a request
    to this endpoint.
    """
    body = request.body
    try:
        check_chat(_as_chat(request))
    except WireError as error:
        where = place(body, error.path)
        raise WireError(error.message.replace(error.path, where), where, error.code) from error


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. A `context` that is not empty goes into `extra`, and every
    encoder reports it as lost. The same happens to `messages` and `tools`, which this endpoint does not have.
    """
    request = decode_chat(_as_chat(wire))
    lost = {member: value for member in _LOST if (value := wire.body.get(member))}
    if not lost:
        return request
    extra = ir.merge(request.extra, {_OPERATION: lost})
    return msgspec.structs.replace(request, extra=extra)


def located(request: WireRequest, where: str) -> str:
    """Return the JSON path in the client's request for the IR path `where`."""
    return place(request.body, place_in_chat(_as_chat(request), where))


def _as_chat(wire: WireRequest) -> WireRequest:
    return msgspec.structs.replace(wire, body=chat_body(wire.body))


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the response in the form of this endpoint. Raises RequestFailed if the response has an
    `error`.
    """
    return generated(encode_chat(response, reply))


class GenerateEncoder:
    """Encodes the IR events of one stream as lines of /api/generate."""

    __slots__ = ("_chat",)

    def __init__(self, reply: Reply) -> None:
        self._chat = OllamaEncoder(reply)

    def feed(self, event: ir.Event) -> bytes:
        return generated_lines(self._chat.feed(event))
