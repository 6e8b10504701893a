"""Relays between clients and providers of this protocol. A few members are edited; the values of all others
pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.failure import ENDED
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.errors import broken, error_event, failure_member, fault_of
from dragoman.dialects.openai_responses.response import response_object
from dragoman.dialects.openai_responses.stream_encoder import ResponsesEncoder
from dragoman.dialects.openai_responses.terms import ID_PREFIX, NAME, SHOWN, reasoning_event
from dragoman.dialects.openai_responses.tool_uses import DRAWS, may_tell, with_tools
from dragoman.dialects.openai_responses.usage import decode_usage, encode_usage
from dragoman.dialects.relaying import UNREADABLE, BodyRelay, stated_at
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, encode, encode_head
from dragoman.wire.sse import ErrorFrame

_Head = dict[str, msgspec.Raw]


class _Kind(msgspec.Struct):
    type: str


_decode = msgspec.json.Decoder().decode
_decode_kind = msgspec.json.Decoder(_Kind).decode

_TERMINAL: Final = frozenset(
    {"response.completed", "response.incomplete", "response.cancelled", "response.done"}
)
_SILENT: Final = frozenset({"response.created", "response.queued", "response.in_progress", "keepalive"})
"""Events without content. While only these have come, another attempt can still answer."""
_CREATED: Final = "response.created"
_FAILURES: Final = frozenset({"error", "response.failed"})
_RUNNING: Final[dict[str, Any]] = {
    "status": "in_progress",
    "output": [],
    "usage": None,
    "error": None,
    "incomplete_details": None,
    "completed_at": None,
}
"""Some members of a response object, with their values while its stream runs."""
_BEGINNINGS: Final = {
    "response.output_item.added": "item",
    "response.content_part.added": "part",
    "response.reasoning_summary_part.added": "part",
}
"""Event that begins an item or a part -> its member with this item or part. The event has no content if this
is an empty message, text or reasoning (`_says_nothing`).
"""
_TEXTS: Final = frozenset({"message", "reasoning", "output_text", "reasoning_text", "summary_text"})
_DELTA: Final = b'{"type":"response.output_text.delta","'
_DELTA_HEAD: Final = b"event: response.output_text.delta\ndata: "
_DELTAS: Final = re.compile(b"(?:%b[^\n]*+\n\n)*+" % re.escape(_DELTA_HEAD + _DELTA))
_CR: Final = 13  # `int in bytes` is a bare memchr
_REASONING: Final = frozenset({"response.reasoning", "response.reasoning_text"})
_ENDS: Final = (".delta", ".done")
_ADDED: Final = frozenset({"conversation", "id"})
"""The members that an edit also adds to a response object that lacks them. The provider cannot state a
conversation, because the gateway does not send it to providers; some servers state no id."""


class ResponsesRelay(BodyRelay):
    """Edits relayed whole answers, and makes relays for streams."""

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage); None as the usage = it is missing or unreadable. The
        model's name, the id and the members in `SHOWN` are replaced by the values for the client (`_edits`).
        Raises RequestFailed, with the usage, for an answer that states an error, WireError for a malformed
        answer.
        """
        head = decode_head(body)
        if _failed(head):
            raise RequestFailed(fault_of(_decode(body)), _usage(head))
        if not bytes(head.get("output", b"")).lstrip().startswith(b"["):
            raise WireError("the response must have `output`, an array", "output")
        edits = _fitting(_edits(reply), head)
        return encode_head({**head, **edits}) if edits else body, _usage(head)

    def stream(self, reply: Reply) -> ResponsesStreamRelay:
        return ResponsesStreamRelay(reply)

    def _counts(self, usage: ir.Usage) -> dict[str, Any] | None:
        return encode_usage(usage, Report(NAME), own=False)


def _failed(head: _Head) -> bool:
    """Whether a whole answer, or the response object of an event, states an `error` that is not null. head:
    its members as JSON.
    """
    return _decode(head["error"]) is not None if "error" in head else False


def _edits(reply: Reply) -> dict[str, Any]:
    """Return the edits of a response object (member -> value for the client): the members in `SHOWN` that the
    client's request states, the model's name for the client, if there is one, and the gateway's id, if the
    gateway has made one (it begins with "resp_").
    """
    edits: dict[str, Any] = {key: reply.echo[key] for key in SHOWN if reply.echo.get(key) is not None}
    if reply.model is not None:
        edits["model"] = reply.model
    if reply.id.startswith(ID_PREFIX):
        edits["id"] = reply.id
    return edits


def _usage(head: _Head) -> ir.Usage | None:
    """Return the usage that a response object states. None = it states none, or an unreadable one: unreadable
    usage must not make the answer fail. head: its members as JSON.
    """
    try:
        stated = _decode(head["usage"]) if "usage" in head else None
        usage = decode_usage(stated) if stated else None
    except (TypeError, AttributeError):
        return None
    return usage if usage is None else with_tools(usage, _tools(head))


def _tools(head: _Head) -> dict[str, Any]:
    """Return the decoded members of a response object that `with_tools` needs. Members that may be long are
    decoded only if needed: `tools` beside `tool_usage` if one of the tools makes pictures, `output` if it may
    hold billed calls. head: the response object's members as JSON.
    """
    told = ["tool_usage"] if "tool_usage" in head else []
    if told and DRAWS in bytes(head.get("tools", b"")):
        told.append("tools")
    if may_tell(bytes(head.get("output", b""))):
        told.append("output")
    return {name: _decode(head[name]) for name in told}


def _fitting(edits: Mapping[str, Any], response: _Head) -> dict[str, Any]:
    return {key: value for key, value in edits.items() if key in response or key in _ADDED}


class ResponsesStreamRelay:
    """Relays one stream (`streaming.TellsEnding`): edits the response object in events, and gives reasoning
    events the names that the client knows (OpenAI's, or those of Open Responses). If the first event of the
    answer is neither `response.created` nor a failure, a `response.created` is sent before it: OpenAI's own
    clients refuse any other beginning.
    """

    def __init__(self, reply: Reply) -> None:
        self.usage: ir.Usage | None = None
        self.tier: str | None = None
        self.content = False
        self.done = False
        self.estimate: Callable[[], ir.Usage] | None = None
        self.waits = False
        self.ending: Ending | None = None
        self._reply = reply
        self._failed: ResponsesEncoder | None = None
        self._terminal: tuple[str, bytes, Mapping[str, Any]] = ("", b"", {})
        self._last = b""
        self._begun = False
        self._response: dict[str, Any] | None = None
        self._ndjson = reply.framing == "ndjson"
        named = reasoning_event(reply.request)
        self._renamed = {other + end: named + end for other in _REASONING - {named} for end in _ENDS}
        self._edits = _edits(reply)

    def feed(self, frame: bytes) -> bytes:
        if self.done:
            return b""
        if (
            self._begun and frame.startswith(_DELTA) and 10 not in frame
        ):  # no line feed; `in` with a number is one memchr
            self.content = True
            self._last = frame
            return frame + b"\n" if self._ndjson else b"%b%b\n\n" % (_DELTA_HEAD, frame)
        if type(frame) is ErrorFrame:
            raise RequestFailed(fault_of(bytes(frame)))
        try:
            kind = _decode_kind(frame).type
        except UNREADABLE as error:
            if frame.strip() == b"[DONE]":
                return b""
            if (told := _bare_error(frame)) is not None:
                raise RequestFailed(fault_of(told)) from None
            raise WireError(f"a stream event cannot be parsed: {error}") from None
        if kind in self._renamed:
            kind = self._renamed[kind]
            frame = encode_head({**decode_head(frame), "type": kind})
        self._last = frame  # an error event gets the number after this frame
        try:
            before = b"" if self._begun else self._begin(kind, frame)
            sent = self._look(kind, frame)
        except UNREADABLE as error:
            raise WireError(f"a stream event cannot be parsed: {error}") from None
        if self.waits and kind in _TERMINAL and self._response is not None:
            return before + self._wait(kind, sent, self._response, decode_head(sent))
        return before + self._framed(kind.encode(), sent)

    def _begin(self, kind: str, frame: bytes) -> bytes:
        """Return a `response.created` that must be sent before the first event of the answer; b"" = none is
        needed. All later response objects get the id that it states. kind: the type of the event. frame: its
        data, JSON. Raises one of `UNREADABLE` or WireError if the frame is malformed.
        """
        if kind in _FAILURES or not kind.startswith("response."):
            return b""
        self._begun = True
        if kind == _CREATED:
            return b""
        head = decode_head(frame)
        stated = decode_head(bytes(head["response"])) if "response" in head else {}
        if kind in _TERMINAL and _failed(stated):
            return b""
        made = response_object(ir.Response(NAME), self._reply, [], running=True)
        told = {**made, **stated, **_fitting(self._edits, stated), **_RUNNING}
        self._edits.setdefault("id", told["id"])
        self._response = told
        number = max(_number(frame) - 1, 0)
        event = {"type": _CREATED, "sequence_number": number, "response": told}
        return self._framed(_CREATED.encode(), encode(event))

    def run(self, read: bytes) -> tuple[bytes, int]:
        """Return (the text deltas at the beginning of `read`, for the client; their size in bytes). They pass
        unchanged. (b"", 0) = `feed` has to handle the next event: `read` does not begin with a complete
        delta, or has a carriage return, the stream has not begun or is over, or the client's framing is
        "ndjson". See `relay.PassesRuns`.
        """
        plain = self._begun and not (self.done or self._ndjson or _CR in read)
        found = _DELTAS.match(read) if plain else None
        if found is None or not found[0]:
            return b"", 0
        self.content = True
        sent = found[0]
        self._last = sent[sent.rfind(_DELTA_HEAD) + len(_DELTA_HEAD) : -2]
        return sent, len(sent)

    def _wait(self, kind: str, frame: bytes, response: Mapping[str, Any], event: Mapping[str, Any]) -> bytes:
        """Save the last event of the stream until `end` is called, because the answer must be stored before
        the client gets the event. Always returns b"". kind: the event's type. frame: its data. event: its
        members. response: the response object in it.
        """
        self.ending, self._terminal = Ending(response), (kind, frame, event)
        return b""

    def end(self, *, stored: bool) -> bytes:
        assert self.ending is not None
        ending, self.ending = self.ending, None
        if self._failed is not None:
            return self._failed.end(stored=stored)
        kind, frame, event = self._terminal
        if not stored:
            frame = encode({**event, "response": {**ending.response, "store": False}})
        return self._framed(kind.encode(), frame)

    def _look(self, kind: str, frame: bytes) -> bytes:
        """Return the frame for the client, after its edits, and note what it states about the answer. Raises
        RequestFailed for an `error` event and for a response object that has failed, WireError or one of
        `UNREADABLE` for a malformed event. kind: the event's type. frame: the event's data, JSON.
        """
        if kind == "error":
            raise RequestFailed(fault_of(_decode(frame)))
        if kind not in _SILENT and kind not in _TERMINAL and kind != "response.failed":
            self.content = self.content or not _says_nothing(kind, frame)
            return frame
        head = decode_head(frame)
        if "response" not in head:
            return frame
        response = decode_head(bytes(head["response"]))
        if kind not in _SILENT:  # before, the counts are not final
            self.usage = _usage(response)
        if "service_tier" in response:
            self.tier = stated_at(_decode(response["service_tier"]), ()) or self.tier
        if kind == "response.failed" or _failed(response):
            raise RequestFailed(fault_of({"error": _decode(response.get("error", msgspec.Raw(b"{}"))) or {}}))
        self.done = kind in _TERMINAL
        edits = _fitting(self._edits, response)
        if self.done and self.usage is None and self.estimate is not None:
            self.usage = usage = self.estimate()
            edits["usage"] = encode_usage(usage, Report(NAME), own=False)
        self._response = response = {**response, **edits}
        return encode_head({**head, "response": response}) if edits else frame

    def _framed(self, kind: bytes, frame: bytes) -> bytes:
        if self._ndjson:
            return frame.replace(b"\n", b" ") + b"\n"
        end = b"data: [DONE]\n\n" if self.done else b""
        return b"event: %b\ndata: %b\n\n%b" % (kind, frame.replace(b"\n", b"\ndata: "), end)

    def close(self) -> bytes:
        if not self.done:
            raise RequestFailed(broken(ENDED))
        return b""

    def fail(self, fault: ir.Fault) -> bytes:
        """Return the events `error` and `response.failed`, which tell the client that the stream broke off.
        If `waits` is set, only `error` is returned, `ending` is set, and `end` returns the other event.
        """
        if self._response is None:
            self._failed = encoder = ResponsesEncoder(self._reply)
            encoder.waits = self.waits
            out = encoder.feed(ir.Error(fault))
            self.ending = encoder.ending
            return out
        number = _number(self._last) + 1
        told = {"type": "error", "sequence_number": number, **error_event(fault)}
        response = {**self._response, "status": "failed", "error": failure_member(fault)}
        over = {"type": "response.failed", "sequence_number": number + 1, "response": response}
        self.done = False  # also if the terminal event waits: `[DONE]` comes once, behind the last event
        error, last = self._framed(b"error", encode(told)), encode(over)
        self.done = True
        if self.waits:
            return error + self._wait("response.failed", last, response, over)
        return error + self._framed(b"response.failed", last)


def _bare_error(frame: bytes) -> dict[str, Any] | None:
    """Return the decoded frame of a server that states an `error` without an event type; None if the frame is
    not a JSON object, or its `error` is missing or empty. The caller has found no event type in the frame.
    """
    try:
        told = _decode(frame)
    except UNREADABLE:
        return None
    return told if type(told) is dict and told.get("error") else None


def _number(frame: bytes) -> int:
    """Return the `sequence_number` of an event; 0 = it has none, or the data cannot be read. frame: the
    event's data, JSON.
    """
    try:
        stated = _decode(frame).get("sequence_number")
    except UNREADABLE:
        return 0
    return stated if type(stated) is int else 0


def _says_nothing(kind: str, frame: bytes) -> bool:
    """Whether an event only begins a message, a text or reasoning, without any of its content yet. False for
    an event that begins another item or part, and for an event that begins nothing (also `response.created`,
    which callers look at before). kind: the event's type. frame: the event's data, JSON. Raises one of
    `UNREADABLE` if the data of a beginning is not a JSON object.
    """
    if (member := _BEGINNINGS.get(kind)) is None:
        return False
    begun = _decode(frame).get(member)
    if not isinstance(begun, dict) or type(begun.get("type")) is not str or begun["type"] not in _TEXTS:
        return False
    return not any(begun.get(name) for name in ("content", "summary", "encrypted_content", "text"))
