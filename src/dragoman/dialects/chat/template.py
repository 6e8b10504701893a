"""Recognises, by comparing bytes, a stream chunk that differs from an earlier chunk only in its text and its
random padding.

Most chunks differ from the previous chunk in one string: the next part of the answer. After such a chunk has
been decoded (`Template.learn`), the bytes before and after that string are saved. A later frame repeats this
chunk if it starts and ends with these bytes and has one JSON string between them. `Template.run` recognises
several such events at once.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from dragoman.dialects.runs import Alike, strings
from dragoman.wire.json import UNDECODABLE

_TEXTS: Final = ("content", "reasoning", "reasoning_content")
_OTHERS: Final = ("refusal", "reasoning_details", "function_call", "audio", "images", "annotations")
_DELTA: Final = b'"delta"'
_MARK: Final = "\x00text"
_PADDING: Final = "\x00padding"
_MISSES: Final = 8
"""After more than this number of calls of `learn` in a row without a frame that repeats the chunk, `learn`
learns no more.
"""

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_padded = msgspec.json.Decoder(tuple[str, str]).decode_lines
_LF: Final = 10  # `int in bytes` is a bare memchr
_QUOTE: Final = 34
_NO_RUN: Final = (b"", 0)
_encode = msgspec.json.Encoder().encode


class _Around(NamedTuple):
    """Parts of a chunk's bytes. head: before its text. tail: between its text and its random padding, b"" =
    it has no padding. end: after both.
    """

    head: bytes
    tail: bytes
    end: bytes


class _Run(msgspec.Struct, frozen=True, gc=False):
    """The bytes around the text of a repeated event. alike: the provider's bytes before the text, and after
    the text or, if there is padding, after the padding (a JSON string, too). apart: the bytes between text
    and padding; b"" = no padding. sent_opening, sent_closing: the client's bytes before the text, and after
    the text or padding. same: True = the client gets the provider's bytes unchanged.
    """

    alike: Alike
    apart: bytes
    sent_opening: bytes
    sent_closing: bytes
    same: bool


class Template:
    """A chunk of a stream that later frames may repeat with another text. padding: the name of the random
    member that chunks may have beside their text. known: True = a chunk is learnt, so `text` and `relayed`
    may be called.
    """

    __slots__ = ("_at", "_end", "_head", "_misses", "_padding", "_run", "_sent", "_tail", "known")

    def __init__(self, padding: str = "obfuscation") -> None:
        self.known = False
        self._padding = padding
        self._head = b""
        self._tail = b""  # empty without padding
        self._end = b""
        self._at = 0  # the position in the last frame where its text ended
        self._sent = _Around(b"", b"", b"")
        self._run: _Run | None = None  # while `known`, unless the client's bytes differ between the strings
        self._misses = 0

    def text(self, frame: bytes) -> str | None:
        """Return the text of a frame that repeats the learnt chunk; None = the frame does not repeat it. Call
        this only while `known`.
        """
        if not (frame.startswith(self._head) and frame.endswith(self._end)):
            return None
        end = len(frame) - len(self._end)
        if self._tail:
            at = frame.rfind(self._tail)
            padding = frame[at + len(self._tail) : end]
            if at < 0 or not (padding.isalnum() or not padding):
                return None
            end = at
        try:
            text = _decode_text(frame[len(self._head) : end])
        except UNDECODABLE:
            return None
        self._at = end
        self._misses = 0
        return text

    def relayed(self, frame: bytes) -> bytes | None:
        """Return the client's bytes for a frame that repeats the learnt chunk: the bytes that `learn` got as
        `sent`, with this frame's text and padding in them. None = the frame does not repeat the chunk. Call
        this only while `known`.
        """
        if self.text(frame) is None:
            return None
        sent, text = self._sent, frame[len(self._head) : self._at]
        if not self._tail:
            return sent.head + text + sent.end
        padding = frame[self._at + len(self._tail) : len(frame) - len(self._end)]
        return sent.head + text + sent.tail + padding + sent.end

    def run(self, read: bytes) -> tuple[bytes, int]:
        """Return (the client's bytes for the events at the beginning of `read` that repeat the learnt chunk,
        the size of these events in `read`, in bytes). (b"", 0) = the events cannot be recognised by their
        bytes. read: received server-sent events; it begins with the start of an event.
        """
        if (run := self._run) is None:
            return _NO_RUN
        if (text := run.alike.only(read)) is None:
            return self._several(run, read)
        try:
            if apart := run.apart:
                end = text.find(_QUOTE, 1) + 1
                if not text.startswith(apart, end):  # there is an escaped quote before
                    end = text.index(apart)
                _decode_text(text[:end])
                _decode_text(text[end + len(apart) :])
            else:
                _decode_text(text)
        except (*UNDECODABLE, ValueError):  # no JSON, no UTF-8, or nothing that parts two strings
            return _NO_RUN
        self._misses = 0
        return read if run.same else run.sent_opening + text + run.sent_closing, len(read)

    def _several(self, run: _Run, read: bytes) -> tuple[bytes, int]:
        """Do the same as the method `run`, for a `read` that is not exactly one event. run: the bytes around
        the text of the events.
        """
        texts, size = run.alike.first(read)
        if not texts or not _are_strings(texts, run.apart):
            return _NO_RUN
        self._misses = 0
        if run.same:
            return read[:size], size
        joint = run.sent_closing + run.sent_opening
        return run.sent_opening + joint.join(texts) + run.sent_closing, size

    def learn(self, frame: bytes, chunk: dict[str, Any], sent: bytes | None = None) -> bool:
        """Learn a frame as the chunk that later frames may repeat, in place of the one learnt before. Returns
        whether `text` can now recognise such frames: False = the chunk has other content than one text, its
        text cannot be found with certainty, or too many chunks in a row were learnt in vain (`_MISSES`).

        chunk: the decoded frame; this method may change it. sent: the client's bytes for the frame, with the
        framing of the stream; None = only `text` is needed, not `relayed` and `run`.
        """
        self.forget()
        if self._misses > _MISSES:
            return False
        self._misses += 1
        if (found := _leaf(chunk)) is None:
            return False
        holder, member = found
        text, padding = _encode(holder[member]), chunk.get(self._padding)
        padded = _encode(padding)[1:-1] if isinstance(padding, str) else None
        around = self._cut(frame, text, padded)
        if around is None or (sent is not None and sent.count(_DELTA) != frame.count(_DELTA)):
            return False  # one of the model's two names is `delta`, which `_cut` may find first
        # Put marks in place of both strings and decode: only the text and the padding may have changed.
        probe = around.head + _encode(_MARK) + around.tail
        holder[member] = _MARK
        if padded is not None:
            chunk[self._padding] = _PADDING
            probe += _encode(_PADDING)[1:-1]
        try:
            self.known = bool(_decode(probe + around.end) == chunk)
        except UNDECODABLE:  # a text such as `":"` also occurs between a member and its value
            return False
        self._head, self._tail, self._end = around
        self._sent = (around if sent is None else self._cut(sent, text, padded)) or around
        if self.known and sent is not None:
            self._run = _run(around, self._sent)
        return self.known

    def forget(self) -> None:
        """Recognise no further frames until a chunk is learnt."""
        self.known = False
        self._run = None

    def _cut(self, frame: bytes, text: bytes, padding: bytes | None) -> _Around | None:
        """Cut a frame at `text`, which is searched for after the member `delta`, and at `padding` (None = the
        frame has no padding). Returns None if one of them is not found.
        """
        start = frame.find(text, frame.find(_DELTA))
        if start < 0:
            return None
        head, rest = frame[:start], frame[start + len(text) :]
        if padding is None:
            return _Around(head, b"", rest)
        opening = b'"%b":"' % self._padding.encode()
        member = rest.rfind(opening + padding + b'"')
        if member < 0:
            return None
        before = member + len(opening)
        return _Around(head, rest[:before], rest[before + len(padding) :])


def _run(around: _Around, sent: _Around) -> _Run | None:
    """Return the `_Run` for the events that repeat a chunk. None = the bytes of these events cannot be
    compared: the client's bytes between text and padding differ from the provider's, or the chunk has a line
    feed. around, sent: the chunk as received and as the client gets it.
    """
    if around.tail != sent.tail or any(_LF in part for part in around):
        return None
    quote = 1 if around.tail else 0  # for `Alike`, the padding includes its quotes, as the text does
    opening, sent_closing = b"data: " + around.head, sent.end[quote:]
    closing = around.end[quote:] + b"\n\n"
    same = opening == sent.head and closing == sent_closing
    return _Run(Alike.around(opening, closing), around.tail[:-1], sent.head, sent_closing, same)


def _are_strings(texts: list[bytes], apart: bytes) -> bool:
    """Whether each of these texts is a JSON string. If `apart` is not empty, each must be two JSON strings
    with these bytes between them. The caller has checked that no text holds a line feed.
    """
    if not apart:
        return strings(texts) is not None
    try:
        # Each text becomes a line with an array: `["text"\t,"padding"]`. A tab may stand between two strings,
        # but not inside one, so the comma that is put in always separates the two strings of its line.
        whole = b"]\n[".join(texts)
        parted = whole.replace(apart, b"\t,")
        found = len(whole) - len(parted) == len(texts) * (len(apart) - 2)
        return found and len(_decode_padded(b"[%b]" % parted)) == len(texts)
    except UNDECODABLE:
        return False


def _leaf(chunk: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the place of a chunk's only text, which is a part of the answer, of its reasoning or of a call's
    arguments: (an object in the chunk, the name of its member with the text). None = the chunk has no text,
    or other content, too: a usage, a finish reason or log probabilities, for example.
    """
    choices = chunk.get("choices")
    if not choices or len(choices) != 1 or chunk.get("usage"):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if not delta or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    if any(delta.get(member) for member in _OTHERS):
        return None
    speaking = [member for member in _TEXTS if delta.get(member)]
    calls = delta.get("tool_calls")
    if len(speaking) == 1 and not calls and type(delta[speaking[0]]) is str:
        return delta, speaking[0]
    if speaking or not calls or len(calls) != 1 or calls[0].get("id"):
        return None
    function = calls[0].get("function")
    if function and not function.get("name") and function.get("arguments"):
        return (function, "arguments") if type(function["arguments"]) is str else None
    return None
