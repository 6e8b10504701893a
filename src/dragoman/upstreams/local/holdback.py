"""Tokens to text that may be shown: whole characters only, and nothing that belongs to a stop sequence.

A token is bytes; a character or a stop sequence may be spread over several. What might still become
part of one is held back. The same text comes out for any split of the same bytes. Pure: no IO, no model.
"""

from __future__ import annotations

import codecs


class Holdback:
    """Takes the bytes of one answer piece by piece and gives back its text.

    stops: sequences that end the text and are cut off; the one that is complete first wins, of several
    at the same place the longest. Bytes that are no UTF-8 become U+FFFD, as every decoder does.
    decoded: characters seen so far, those held back included. matched: the stop sequence that came.
    """

    def __init__(self, stops: tuple[str, ...] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.decoded = 0
        self.matched: str | None = None

    def feed(self, piece: bytes) -> str:
        """The text that is certain now. After a match (`matched` is set) nothing more comes."""
        return self._text(self._decode(piece))

    def close(self) -> str:
        """The bytes have ended: the rest of the text."""
        text = self._text(self._decode(b"", final=True)) + self._held
        self._held = ""
        return text

    def _text(self, more: str) -> str:
        if self.matched is not None:
            return ""
        self.decoded += len(more)
        text = self._held + more
        self._held = ""
        found = min(((at + len(s), at, s) for s in self._stops if (at := text.find(s)) >= 0), default=None)
        if found is not None:
            self.matched = found[2]
            return text[: found[1]]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        return text


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that is a beginning of `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
