"""Finds reasoning at the beginning of a text that comes in parts: `<think>reasoning</think>answer`.

Reasoning models write these tags; a server that does not parse them returns them as part of the text. Some
chat templates put the opening tag into the prompt, so that the text begins inside the reasoning
(https://mintlify.com/sgl-project/sglang/advanced/separate-reasoning, read in 2026-11: DeepSeek-R1). A little
white space before `<think>` and the line breaks beside the tags are left out with them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from dragoman.dialects.prompted.reading import CallReader, Piece, Thought

OPENING: Final = "<think>"
CLOSING: Final = "</think>"
_ENDING: Final = "\n" + CLOSING
_OPENS: Final = re.compile(r"\s{0,8}<think>")
_MAY_OPEN: Final = re.compile(r"\s{0,8}(?:<(?:t(?:h(?:i(?:n(?:k)?)?)?)?)?)?")
_MOST_BREAKS: Final = 2


class ThoughtReader:
    """Reads the reasoning at the beginning of one text. inner: reads the rest of the text, or a text without
    reasoning; None = all of it is plain text. inside: True = the text begins inside the reasoning, with or
    without `<think>`. False = only a text that begins with `<think>` has reasoning. If the reasoning never
    ends, the whole text is reasoning: a model writes such a text if it reaches its limit of tokens.
    """

    __slots__ = ("_breaks", "_held", "_inner", "_inside", "_state")

    def __init__(self, inner: CallReader | None, *, inside: bool) -> None:
        self._inner = inner
        self._inside = inside
        self._state: Literal["new", "begun", "thinking", "ended", "past"] = "new"
        self._held = ""  # text that may be the beginning of a tag
        self._breaks = 0  # line breaks after `</think>` so far

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = none, for example
        because the text is held back or belongs to a tag.
        """
        if self._state == "past":
            return self._plain(text)
        text, self._held = self._held + text, ""
        if self._state == "new":
            opening = _OPENS.match(text)
            if opening is None and _MAY_OPEN.fullmatch(text):
                self._held = text
                return []
            if opening is None and not self._inside:
                self._state = "past"
                return self._plain(text)
            self._state = "begun"
            text = text if opening is None else text[opening.end() :]
        pieces: list[Piece] = []
        if self._state == "begun" and text:
            self._state = "thinking"
            text = text.removeprefix("\n")
        if self._state == "thinking":
            text = self._think(text, pieces)
        if self._state == "ended" and text:
            pieces += self._end(text)
        return pieces

    def close(self, *, cut: bool = False) -> Sequence[Piece]:
        """Return the pieces of the text that was held back, and the last pieces of `inner`. Called once,
        after the last part. cut: True = the model has not ended its answer itself; `inner` is told this.
        """
        pieces: list[Piece] = []
        if self._state == "new":
            pieces += self._plain(self._held)
        elif self._held:
            pieces.append(Thought(self._held))
        return pieces if self._inner is None else [*pieces, *self._inner.close(cut=cut)]

    def _think(self, text: str, pieces: list[Piece]) -> str:
        """Append the reasoning in a text to `pieces`, without the line break before `</think>`. An end of the
        text in which this tag may begin is held back for the next part. Returns the text after `</think>`; ""
        if this tag has not come, or nothing follows it.
        """
        thought, closing, rest = text.partition(CLOSING)
        if closing:
            self._state = "ended"
            thought = thought.removesuffix("\n")
        else:
            end = _may_close(text)
            thought, self._held = text[:end], text[end:]
        if thought:
            pieces.append(Thought(thought))
        return rest

    def _end(self, text: str) -> Sequence[Piece]:
        """Return the pieces of the text after the reasoning, without the line breaks at its beginning that
        belong to `</think>`; [] = only such line breaks have come so far. text: the next part after
        `</think>`.
        """
        while self._breaks < _MOST_BREAKS and text.startswith("\n"):
            self._breaks += 1
            text = text[1:]
        if not text:
            return []
        self._state = "past"
        return self._plain(text)

    def _plain(self, text: str) -> Sequence[Piece]:
        if self._inner is not None:
            return self._inner.feed(text)
        return [text] if text else []


def _may_close(text: str) -> int:
    """Return the index at which the beginning of `</think>` may stand, or of the line break before it, which
    the next part of the text may complete. The text's length = no end of the text begins the tag.
    """
    for place in range(max(0, len(text) - len(_ENDING) + 1), len(text)):
        tail = text[place:]
        if _ENDING.startswith(tail) or CLOSING.startswith(tail):
            return place
    return len(text)
