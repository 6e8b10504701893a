"""Relays between clients and providers of this protocol. In requests, top-level members are set or removed,
such as members that the configuration adds; of a member that is stated twice, only the last one is sent. In
answers, the model's name is replaced, and an estimated usage is added if the provider states none and the
client wants one. All other members stay unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_CANDIDATES, refuse_more
from dragoman.dialects.failure import ENDED, SILENT
from dragoman.dialects.gemini.errors import broken, error_body, fault_of
from dragoman.dialects.gemini.searches import QUERIES, Searches, with_searches
from dragoman.dialects.gemini.stops import BROKEN, UNFINISHED
from dragoman.dialects.gemini.terms import camel
from dragoman.dialects.gemini.usage import carried, decode_usage, encode_usage
from dragoman.dialects.loss import Report
from dragoman.dialects.relaying import UNREADABLE, BodyRelay, stated_at
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.sse import ErrorFrame

_Head = dict[str, msgspec.Raw]
_NOTHING = msgspec.Raw(b"")


class _Answer(msgspec.Struct, rename="camel", gc=False):
    content: msgspec.Raw = _NOTHING
    finish_reason: str | int | None = None
    index: int | None = None


class _Chunk(msgspec.Struct, rename="camel", gc=False):
    candidates: list[_Answer] | None = None
    usage_metadata: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    model_version: msgspec.Raw = _NOTHING
    prompt_feedback: Any = None


_decode = msgspec.json.Decoder().decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode


class GeminiRelay(BodyRelay):
    """Edits requests and whole (not streamed) answers, and makes relays for streams."""

    member = "usageMetadata"
    place = ("usageMetadata", "serviceTier")

    def request(self, head: Mapping[str, Any], edits: Mapping[str, Any]) -> bytes:
        """Return the body for the provider. head: the client's body, member -> JSON. edits: top-level member
        -> new value, which replaces the client's member of exactly this spelling (`Attempt.edits` uses the
        client's); UNSET = the member is removed. `model` is always removed, because the path states it.

        If the client states a member of the body or of `generationConfig` twice, in one spelling or in both
        (`a_b`, `aB`), only the last one is sent, so that the provider reads the value that was checked.
        """
        once, edits = _once(head), {**edits, "model": msgspec.UNSET}
        for key in _CONFIG:
            if type(edited := edits.get(key)) is dict:
                edits[key] = _once(edited)
            config = once.get(key)
            if type(config) is msgspec.Raw and bytes(config).startswith(b"{"):
                once[key] = _once(_decode_head(config))
        return super().request(once, edits)

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage); None as the usage = the body states none.
        `reply.model` replaces the provider's name of the model, unless it is None or the body names no model.

        Raises RequestFailed for an error without candidates. Raises WireError for any other body that is not
        an answer: an answer is a JSON object with candidates, `promptFeedback` or token counts.
        """
        try:
            head = _decode_head(body)
            if not _has(head, "candidates") and _has(head, "error"):
                raise RequestFailed(fault_of(_decode(body)))
            if head.keys().isdisjoint(_ANSWERS) and not _has(head, "usageMetadata"):
                raise WireError("the response must have `candidates`, an array", "candidates")
            stated = _decode(head["usageMetadata"]) if "usageMetadata" in head else None
            if type(stated) is not dict and stated is not None and not _has(head, "candidates"):
                raise WireError("expected an object", "usageMetadata")
            usage = decode_usage(stated) if type(stated) is dict else None
            if usage is not None and QUERIES in body:
                usage = with_searches(usage, _readable(bytes(head.get("candidates", _NOTHING))))
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None
        if reply.model is None or "modelVersion" not in head:
            return body, usage
        return _encode({**head, "modelVersion": reply.model}), usage

    def stream(self, reply: Reply) -> GeminiStreamRelay:
        """Make a new relay for one stream."""
        return GeminiStreamRelay(reply)

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return _counts(usage)


_ANSWERS = frozenset({"candidates", "promptFeedback"})
"""Members of an answer. A body with neither of them is an answer only if it has token counts."""
_NOTHING_IN_IT = frozenset({b"null", b"[]", b"{}"})


_CONFIG = ("generationConfig", "generation_config")


def _once(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy without a member that comes again later in the other spelling (`a_b`, `aB`)."""
    last = {camel(key): key for key in head}
    return dict(head) if len(last) == len(head) else {key: head[key] for key in last.values()}


def _has(head: _Head, member: str) -> bool:
    return member in head and bytes(head[member]) not in _NOTHING_IN_IT


def _is_nothing(raw: msgspec.Raw) -> bool:
    """Whether a member of a chunk is missing or null."""
    return bytes(raw) in {b"", b"null"}


def _readable(raw: bytes) -> Any:
    """Return the decoded JSON; None = it cannot be read. Nothing is raised."""
    try:
        return _decode(raw)
    except UNREADABLE:
        return None


def _counts(usage: ir.Usage) -> dict[str, Any]:
    return encode_usage(usage, None, Report("gemini"), own=False)


class GeminiStreamRelay:
    """Relays one stream. The client's name of the model (`Reply.model`), if there is one, replaces the
    provider's name.

    content: True = a chunk with parts has passed. done: True = `close` has found the stream complete.
    estimate: the engine sets this function if the client wants an estimate of the usage; `close` calls it if
    `done` has become True and the provider has stated no token counts. None = there is no estimate.
    """

    __slots__ = (
        *("_answered", "_array", "_broken", "_finished", "_name", "_open", "_unanswered"),
        *("_estimated", "_renamed", "_searches", "_separator", "_tail", "_usage"),
        *("content", "done", "estimate"),
    )

    def __init__(self, reply: Reply) -> None:
        self.content = False
        self.done = False
        self.estimate: Callable[[], ir.Usage] | None = None
        self._estimated: ir.Usage | None = None
        self._name = b"" if reply.model is None else _encode(reply.model)
        self._array = reply.framing == "json_array"
        self._tail = self._renamed = b""  # a chunk's end from its `modelVersion` on, and its replacement
        self._separator = b"["
        self._usage = _NOTHING
        self._searches = Searches()
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._broken: set[int] = set()
        self._answered: set[int] = set()
        self._unanswered = False

    @property
    def usage(self) -> ir.Usage | None:
        """The usage of the last chunk that states one, with the number of different web searches in all
        chunks. If that chunk has a finish reason or no candidates, and does not state the answer's tokens
        (`candidatesTokenCount`), they are taken from the usage before it. If no chunk states a usage, the
        estimate that `close` has written. None = there is neither.
        """
        stated = self._counted()
        return self._searches.counted(decode_usage(stated)) if stated else self._estimated

    @property
    def tier(self) -> str | None:
        return stated_at(self._counted(), ("serviceTier",))

    def _counted(self) -> dict[str, Any] | None:
        stated = _readable(self._usage) if self._usage else None  # it may hold bytes that are not UTF-8
        return stated if type(stated) is dict else None

    def feed(self, frame: bytes) -> bytes:
        """Return the bytes for the client for one chunk (`frame`, as JSON): a server-sent event, or an
        element of a JSON array, as the client asked. Raises RequestFailed for an error, WireError for JSON
        that cannot be read and for too many candidates.
        """
        try:
            chunk = _decode_chunk(frame)
        except UNREADABLE as error:
            raise _odd(frame, error) from None
        if type(frame) is ErrorFrame or not _is_nothing(chunk.error):
            raise RequestFailed(fault_of(bytes(frame)))
        self._see(chunk)
        if QUERIES in frame:
            told = _readable(frame)
            self._searches.note(told.get("candidates") if isinstance(told, dict) else None)
        if self._name:
            frame = self._rename(frame, chunk.model_version)
        return self._framed(frame)

    def _framed(self, frame: bytes) -> bytes:
        if self._array:
            separator, self._separator = self._separator, b",\r\n"
            return separator + frame
        if _LF in frame:
            frame = frame.replace(b"\n", b"\r\ndata: ")
        return b"data: " + frame + b"\r\n\r\n"

    def _rename(self, frame: bytes, stated: msgspec.Raw) -> bytes:
        """Return the chunk `frame` with the client's name of the model. stated: the chunk's `modelVersion` as
        JSON, which is replaced; empty = the chunk has none and stays unchanged.
        """
        if not stated:
            return frame
        tail = self._tail
        if tail and frame.endswith(tail):
            return frame[: -len(tail)] + self._renamed
        at = frame.rfind(_KEY)
        value = frame.find(stated, at)
        if frame.startswith(_CHUNK) and 0 < at < value:
            self._tail = frame[at:]
            self._renamed = frame[at:value] + self._name + frame[value + len(stated) :]
            return frame[:at] + self._renamed
        return _encode({**_decode_head(frame), "modelVersion": msgspec.Raw(self._name)})

    def _note(self, usage: msgspec.Raw, candidates: list[_Answer]) -> None:
        """Record the usage of a chunk that has these candidates."""
        before, self._usage = self._usage, usage
        if before and (not candidates or any(one.finish_reason is not None for one in candidates)):
            stated = _readable(usage)
            if (whole := carried(_readable(before), stated)) is not stated:
                self._usage = msgspec.Raw(_encode(whole))

    def _see(self, chunk: _Chunk) -> None:
        candidates = chunk.candidates or []
        if not _is_nothing(chunk.usage_metadata):
            self._note(chunk.usage_metadata, candidates)
        if len(candidates) == 1:  # as in nearly all chunks
            only = candidates[0]
            if only.finish_reason is None and (only.index or 0) in self._answered:
                return
        for place, candidate in enumerate(candidates):
            number = place if candidate.index is None else candidate.index
            if number not in self._answered:
                if number not in self._open:
                    refuse_more(len(self._open), MOST_CANDIDATES, "candidates")
                self._open.add(number)
                content = bytes(candidate.content)
                if b'"parts"' in content:
                    self.content = True
                    if b'"thought"' not in content:
                        self._answered.add(number)
            word = candidate.finish_reason
            if word is not None and word not in UNFINISHED:
                self._finished.add(number)
                if word in BROKEN:
                    self._broken.add(number)
        if chunk.prompt_feedback is not None and not chunk.candidates:
            self._unanswered = self._unanswered or bool(chunk.prompt_feedback)

    def close(self) -> bytes:
        """Return the last bytes for the client, after the provider's last chunk. Raises RequestFailed if the
        stream broke off: a candidate has no stop reason, or the stream had neither a candidate nor a refusal
        of the prompt nor a usage.

        `done` becomes True, unless the model failed in every candidate: each has a stop reason in `BROKEN`,
        and no chunk of it had parts without reasoning.
        """
        unanswered = not self._open and (self._unanswered or bool(self._counted()))
        if self._open - self._finished or not (self._open or unanswered):
            raise RequestFailed(broken(ENDED if self._open else SILENT))
        self.done = unanswered or bool(self._open - (self._broken - self._answered))
        return self._owed() + (b"]" if self._array else b"")

    def _owed(self) -> bytes:
        """Return the bytes of a chunk with the estimated usage, and let `usage` return this estimate from now
        on. The result is b"", and nothing changes, if `estimate` is None, `done` is False, or the stream
        stated a usage.
        """
        if self.estimate is None or not self.done or self.usage is not None:
            return b""
        self._estimated = usage = self.estimate()
        return self._framed(_encode({"usageMetadata": _counts(usage)}))

    def fail(self, fault: ir.Fault) -> bytes:
        """Return the last bytes for a stream that broke off: the fault as an error, in a server-sent event or
        as the last element of the JSON array, with its closing bracket.
        """
        body = _encode(error_body(fault))
        return b"%b%b]" % (self._separator, body) if self._array else b"data: %b\r\n\r\n" % body


_LF = 10  # `int in bytes` is a bare memchr
_CHUNK = b'{"candidates"'
_KEY = b'"modelVersion"'


def _odd(frame: bytes, error: Exception) -> RequestFailed | WireError:
    if type(frame) is ErrorFrame or (frame.lstrip()[:1] == b"[" and b'"error"' in frame):
        return RequestFailed(fault_of(bytes(frame)))
    return WireError(f"a stream chunk cannot be parsed: {error}")
