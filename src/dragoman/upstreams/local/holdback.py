"""Turns the bytes of tokens into text that may be shown: complete characters only, without stop sequences.
Pure.

A character or a stop sequence may consist of several tokens. So the end of the text is held back if it may be
the beginning of a stop sequence, and so are the bytes of an incomplete character.
"""

from __future__ import annotations

import codecs


class Holdback:
    """Takes the bytes of one answer in pieces of any size, and returns its text.

    stops: sequences that end the text and are not part of it. The sequence that is complete first ends the
    text; if several are complete at the same place, the longest one. Empty sequences are ignored. Invalid
    UTF-8 becomes U+FFFD. decoded: the number of characters that were decoded so far, returned or not; after
    the call that finds a stop sequence, no further ones are counted. matched: the stop sequence that was
    found, None = none yet.
    """

    def __init__(self, stops: tuple[str, ...] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.decoded = 0
        self.matched: str | None = None

    def feed(self, piece: bytes) -> str:
        """Take more bytes, and return the further text to show; "" = none yet. Always "" after a stop
        sequence was found.
        """
        return self._text(self._decode(piece))

    def close(self) -> str:
        """Return the text that was held back until the end of the bytes; "" after a stop sequence. The bytes
        of an incomplete character become U+FFFD.
        """
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
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
