"""Gemini's Live API: sessions over a WebSocket whose first message, `setup`, names the model.

https://ai.google.dev/api/live, read 2026-11, in the forms of the client google-genai 3.4.0 (`live`). Google
sends JSON in binary messages; names may be in camelCase or snake_case. One message of each turn states the
turn's usage (recorded sessions).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.usage import decode_usage
from dragoman.dialects.live import Heard, Live, Message, Names, Spoken, Used, closing
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode, encode_head

METHOD: Final = "GenerativeService.BidiGenerateContent"
VERSIONS: Final = ("v1beta", "v1alpha")
_READ: Final = re.compile(rb'"(?:usageMetadata|usage_metadata|turnComplete|turn_complete)"')
_REPLIES: Final = re.compile(rb'"(?:modelTurn|model_turn|toolCall|tool_call|outputTranscription)"')
_OTHERS: Final = frozenset(
    {
        *("clientContent", "realtimeInput", "toolResponse"),
        *("client_content", "realtime_input", "tool_response"),
    }
)
"""The members that make a client's message one of another type than `setup`: a message has one of them."""
_NAMES: Final = {
    "responseTokenCount": "candidatesTokenCount",
    "responseTokensDetails": "candidatesTokensDetails",
}
"""The Live API's name of a count -> the name of the same count in generateContent."""


class LiveTalk:
    """One session. names: of the session's model; the provider gets `names.upstream`. first: the client's
    first message, never None. The caller has checked with `model` that this message is a `setup` that names a
    model.
    """

    def __init__(self, names: Names, first: Message | None) -> None:
        assert first is not None
        head = decode_head(_bytes(first))
        settings = decode_head(bytes(head["setup"]))
        settings["model"] = msgspec.Raw(encode(f"models/{names.upstream}"))
        head["setup"] = msgspec.Raw(encode_head(settings))
        setup = encode_head(head)
        self._setup: Message = setup if isinstance(first, bytes) else setup.decode()

    def opening(self) -> Sequence[Message]:
        """Return the client's `setup` with the provider's name of the model, as the only message."""
        return (self._setup,)

    def said(self, message: Message) -> Spoken:
        """Return the client's message unchanged. Raises WireError for a message that is not a JSON object,
        and for a second `setup`, because it may name a model for which the client's rights and limits were
        not checked.
        """
        try:
            said = _read_said(message)
        except UNDECODABLE as error:
            raise WireError(f"A message must be a JSON object: {error}", "", "invalid_message") from None
        if bytes(said.setup):
            raise WireError("A session has only one 'setup', its first message.", "setup", "invalid_value")
        return Spoken(message)

    def heard(self, message: Message) -> Heard:
        """Return the server's message, unchanged, with the usage that it states, and whether it is a part of
        a reply (`begins`) or ends one: with usage (`ends`), or with a `turnComplete` whose usage may come in
        a message of its own (`owed`). Raises WireError if a message with `usageMetadata` or `turnComplete` is
        not a JSON object.
        """
        data = _bytes(message)
        begins = _REPLIES.search(data) is not None
        if _READ.search(data) is None:
            return Heard(message, begins=begins)
        value = decode_object(data)
        content = value.get("serverContent") or value.get("server_content")
        content = content if isinstance(content, dict) else {}
        usage = value.get("usageMetadata") or value.get("usage_metadata")
        counts = usage_of(usage) if isinstance(usage, dict) else None
        used = (Used(counts),) if counts is not None and counts.stated else ()
        complete = bool(content.get("turnComplete") or content.get("turn_complete"))
        return Heard(message, begins=begins, ends=bool(used), owed=complete and not used, used=used)


class _Said(msgspec.Struct, gc=False):
    """A client's message, of which only the member `setup` is read. setup: its value as JSON; empty = the
    message has no `setup`.
    """

    setup: msgspec.Raw = msgspec.Raw(b"")


_read_said: Final = msgspec.json.Decoder(_Said).decode


def _bytes(message: Message) -> bytes:
    return message.encode() if isinstance(message, str) else message


def usage_of(usage: dict[str, Any]) -> ir.Usage:
    """Return the tokens that a `usageMetadata` of the Live API states.

    The total is ignored if thoughts are counted and `_is_told` is True. In recorded sessions, neither that
    total nor the count of the answer included the thoughts.
    """
    told = {_NAMES.get(name, name): value for name, value in usage.items()}
    if told.get("thoughtsTokenCount") and _is_told(told):
        del told["totalTokenCount"]
    return decode_usage(told)


def _is_told(usage: dict[str, Any]) -> bool:
    """Whether a `usageMetadata` has a total, and a list by modality whose sum is the count of the answer's
    tokens. usage: with the names of generateContent.
    """
    listed = usage.get("candidatesTokensDetails")
    if "totalTokenCount" not in usage or not isinstance(listed, list):
        return False
    counts = [one.get("tokenCount") or 0 for one in listed if isinstance(one, dict)]
    return all(type(count) is int for count in counts) and sum(counts) == usage.get("candidatesTokenCount")


def model(message: Message) -> str:
    """Return the model's name in the client's first message, without `models/`. Raises WireError if the
    message is not a `setup` with a model, or is also a message of another type.
    """
    first = decode_object(_bytes(message))
    setup = first.get("setup")
    named = setup.get("model") if isinstance(setup, dict) else None
    if not isinstance(named, str) or not named.removeprefix("models/"):
        raise WireError("The first message must be a 'setup' with a 'model'.", "setup.model", "invalid_value")
    if (other := next((name for name in first if name in _OTHERS), None)) is not None:
        raise WireError(f"The first message must be a 'setup' without {other!r}.", other, "invalid_value")
    return named.removeprefix("models/")


def address(base: str, query: str) -> str | None:
    """Return the URL of a provider's sessions; None = the base URL does not end in one of `VERSIONS`. query:
    added at the end of the URL, with its `?`; "" = no query.
    """
    root, _, version = base.rstrip("/").rpartition("/")
    if version not in VERSIONS:
        return None
    return f"{root}/ws/google.ai.generativelanguage.{version}.{METHOD}{query}"


def closed(code: int, reason: str) -> ir.Fault:
    """Return the fault for the code and reason with which the provider closed a session that had not begun.
    Code 1007 with "API key" (in any case) in the reason is a wrong or expired key of the gateway's ("API key
    expired. Please renew the API key.", yagudaev/voiceclaw#155), so the fault's kind is "authentication".
    """
    fault = closing(code, reason)
    if code == _WRONG and "api key" in reason.lower():
        return fault.changed(kind="authentication", code=None, blame="upstream")
    return fault


_WRONG: Final = 1007
LIVE: Final = Live(
    paths=tuple(f"/ws/google.ai.generativelanguage.{version}.{METHOD}" for version in VERSIONS),
    address=address,
    talk=LiveTalk,
    model=model,
    closed=closed,
    fatal=True,
)
