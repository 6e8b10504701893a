"""Reads the chunks of a stream that only continue a text.

`decode_words` decodes a chunk with one piece of text of one candidate and without a stop reason. It raises an
exception for any other chunk. `Repeated` recognises, by their bytes, the events that repeat an earlier chunk
with another text and other token counts; only the text is decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman.dialects.runs import Alike

NOTHING: Final = msgspec.Raw(b"")
_MARK: Final = "\x00text"
_COUNTS: Final = b"[0]"
_QUOTE: Final = 34


class _Part(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str
    thought: bool = False


class _Content(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    parts: tuple[_Part]
    role: str = ""


class _Candidate(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: _Content
    index: int = 0


class Words(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A chunk with one piece of text of one candidate. Its other members are about the whole answer."""

    candidates: tuple[_Candidate]
    usage_metadata: msgspec.Raw = NOTHING
    model_version: msgspec.Raw = NOTHING
    response_id: msgspec.Raw = NOTHING
    create_time: msgspec.Raw = NOTHING


decode_words = msgspec.json.Decoder(Words).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_counts = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.Encoder().encode
_NO_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """Events that repeat one chunk with another text and other token counts.

    lf, crlf: the bytes before the text and after the counts, for events whose lines end in LF or in CRLF.
    apart: the bytes between the text and the counts; b"" = the chunk has no counts.
    """

    lf: Alike
    crlf: Alike
    apart: bytes

    def read(self, read: bytes) -> tuple[str, msgspec.Raw] | None:
        """Return (the text, the token counts as JSON), if `read` is exactly one such event; otherwise None.
        Token counts that are empty = the chunk has none.
        """
        only = (self.crlf if read.endswith(b"\r\n") else self.lf).only(read)
        if only is None:
            return None
        try:
            if not (apart := self.apart):
                return _decode_text(only), NOTHING
            end = only.find(_QUOTE, 1) + 1
            if not only.startswith(apart, end):  # there is an escaped quote before
                end = only.find(apart)
            return _decode_text(only[: max(end, 0)]), _decode_counts(only[end + len(apart) :])
        except _NO_JSON:
            return None


def repeated(frame: bytes, words: Words) -> Repeated | None:
    """Return the form of the events that repeat `frame` with another text and other token counts; None = text
    and counts cannot be found safely in the frame's bytes. words: the decoded frame, whose text and counts
    this function overwrites.
    """
    text = _encode(words.candidates[0].content.parts[0].text)
    before, found, after = frame.partition(text)
    apart, counts = b"", bytes(words.usage_metadata)
    if counts:
        apart, _, after = after.partition(counts)
    # Put marks in place of both and decode: nothing else may have changed.
    probe = before + _encode(_MARK) + (apart + _COUNTS if counts else b"") + after
    try:
        alike = decode_words(probe)
    except _NO_JSON:
        return None
    words.candidates[0].content.parts[0].text = _MARK
    words.usage_metadata = msgspec.Raw(_COUNTS) if counts else NOTHING
    if not found or b"\n" in after or b"\n" in before or _encode(alike) != _encode(words):
        return None
    opening = b"data: " + before
    return Repeated(Alike.around(opening, after + b"\n\n"), Alike.around(opening, after + b"\r\n\r\n"), apart)
