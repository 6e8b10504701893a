"""Translates the grounding and citation metadata of an answer to citations of its texts, and back.

Google's spans count UTF-8 bytes of one part or, in streams, of all texts together. Citations in the IR count
characters of their block. The decoded metadata also stay as leftovers, so that Google's clients get them
unchanged. Specification: https://ai.google.dev/api/generate-content#GroundingMetadata
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report

_T = TypeVar("_T")

GROUNDING = "groundingMetadata"
CITATIONS = "citationMetadata"
_LISTS = ("citations", "citationSources")
_MOST_LOOKED_AT = 100_000_000
"""The most characters that may be searched to find the places of citations. If decoding one list of citations
would search more, none of the list is decoded. When encoding the citations of a candidate has searched so
many, the remaining ones are written without their places."""
_MOST_WORDS = 8_000_000
"""The most characters that all segments of a candidate's written citations may have together. The segments
repeat text of the answer."""

Texts = Sequence[tuple[int, str]]
"""(block index, text) of each text block of one candidate, without thinking."""


def decode_citations(candidate: Mapping[str, Any], texts: Texts) -> list[tuple[int, ir.Citation]]:
    """Return the citations in the metadata of `candidate`, as (index of the text block, citation); [] if
    `texts` is empty. A citation whose place is not found belongs to the last text, without `start` and `end`.

    Left out are entries of unknown form, lists whose places would take too long to find and, if there are
    supports, sources that no support names. All stay in the leftovers.
    """
    if not texts:
        return []
    found: list[tuple[int, ir.Citation]] = []
    grounding, cited = candidate.get(GROUNDING), candidate.get(CITATIONS)
    if isinstance(grounding, dict):
        found += _grounded(grounding, texts)
    if isinstance(cited, dict):
        found += _recited(cited, texts)
    return [(number, citation) for number, citation in found if ir.is_sound(citation)]


def _each(values: Any, read: Callable[[Any], _T]) -> Iterator[_T | None]:
    """Yield what `read` returns for each value of a list; None for a value of unknown form. Nothing is
    yielded if `values` is not a list.
    """
    for value in values if isinstance(values, list) else ():
        try:
            yield read(value)
        except (KeyError, TypeError, AttributeError, IndexError):
            yield None


def _grounded(metadata: Mapping[str, Any], texts: Texts) -> Iterator[tuple[int, ir.Citation]]:
    sources = list(_each(metadata.get("groundingChunks"), _source))
    supports = metadata.get("groundingSupports")
    if not isinstance(supports, list):
        supports = []
    if _too_costly(supports, texts):
        return

    def named(index: int) -> ir.Citation | None:
        return sources[index] if index >= 0 else None

    places = _each(supports, lambda support: _place(support.get("segment") or {}, texts))
    for support, place in zip(supports, places, strict=False):
        if place is None:
            continue
        block, start, end = place
        for source in _each(support.get("groundingChunkIndices"), named):
            if source is not None:
                yield block, msgspec.structs.replace(source, start=start, end=end)
    if not supports:  # sources of the whole answer
        for source in sources:
            if source is not None:
                yield texts[-1][0], source


_NO_SOURCE: tuple[str, dict[str, Any]] = ("", {})


def _source(chunk: Mapping[str, Any]) -> ir.Citation | None:
    kind, value = next(iter(chunk.items()), _NO_SOURCE)
    address = value.get("uri") or value.get("sourceUri")
    sort = "document" if kind == "retrievedContext" else "url"
    title, quote = value.get("title"), value.get("text")
    return ir.Citation(sort, address, title, quote) if address or title or quote else None


def _too_costly(segments: Any, texts: Texts) -> bool:
    """Whether finding these segments in the texts may require looking at more than `_MOST_LOOKED_AT`
    characters. False for a value that is not a list.
    """
    if not isinstance(segments, list):
        return False
    return len(segments) * (sum(len(text) for _, text in texts) + 100 * len(texts)) > _MOST_LOOKED_AT


def _recited(metadata: Mapping[str, Any], texts: Texts) -> Iterator[tuple[int, ir.Citation]]:
    def read(one: Mapping[str, Any]) -> tuple[int, ir.Citation] | None:
        url, title = one.get("uri"), one.get("title")
        if url is None and title is None:
            return None
        block, start, end = _place(one, texts)
        return block, ir.Citation("url", url, title, None, start, end)

    for key in _LISTS:
        found = metadata.get(key) or ()
        for cited in () if _too_costly(found, texts) else _each(found, read):
            if cited is not None:
                yield cited


def _place(segment: Mapping[str, Any], texts: Texts) -> tuple[int, int | None, int | None]:
    """Return the place of a segment: (index of its block, its start, its end), with start and end in
    characters of this block's text. If the place is not found, or the segment has no `endIndex`, the index is
    that of the last text, and start and end are None.

    Google counts a segment's bytes in its part or in all texts together, so both are tried. At last, the text
    that the segment states is searched for in all texts.
    """
    start, end, words = segment.get("startIndex", 0), segment.get("endIndex"), segment.get("text")
    if end is None:
        return texts[-1][0], None, None
    for number, text in texts:
        if number == segment.get("partIndex", 0) and (span := _span(text, start, end, words)) is not None:
            return number, *span
    if (span := _span("".join(text for _, text in texts), start, end, words)) is not None:
        return _within(texts, *span)
    for number, text in texts:
        if words and (at := text.find(words)) >= 0:
            return number, at, at + len(words)
    return texts[-1][0], None, None


def _span(text: str, start: int, end: int, words: str | None) -> tuple[int, int] | None:
    """Return the span from byte `start` to byte `end` of the text in UTF-8, as (start, end) in characters.

    words: the text that must stand there; any text is accepted if `words` is None. The result is None if
    another text stands there, if the start is behind the end, or if the end is behind the end of the text.
    """
    if text.isascii():
        begin, finish = start, end
    else:
        coded = text.encode()
        if end > len(coded):
            return None
        begin = len(coded[:start].decode(errors="ignore"))
        finish = len(coded[:end].decode(errors="ignore"))
    if finish > len(text) or begin > finish:
        return None
    return (begin, finish) if words is None or text[begin:finish] == words else None


def _within(texts: Texts, start: int, end: int) -> tuple[int, int, int]:
    for number, text in texts:
        if start < len(text) or number == texts[-1][0]:
            return number, start, min(end, len(text))
        start, end = start - len(text), end - len(text)
    raise IndexError(start)


class Sources:
    """Collects the citations of one candidate (`cite`); `metadata` returns them as `groundingMetadata`.
    report: gets the losses.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._words = self._looked_at = 0
        self._chunks: dict[tuple[str, str | None, str | None, str | None], int] = {}
        self._supports: dict[tuple[int, int, int], dict[str, Any]] = {}

    def cite(self, citation: ir.Citation, text: str, where: str, *, part: int = 0, before: int = 0) -> None:
        """Add a citation of `text`, the whole text of a block. Without `start` or `end`, the citation begins
        or ends where the text does. What cannot be written is reported as lost at the IR path `where`: a
        citation without URL, title and quote, or a part of a citation, such as its place after the limits
        `_MOST_WORDS` and `_MOST_LOOKED_AT`.

        part: the index of the part that holds the text. before: how many UTF-8 bytes the candidate's texts
        before this text have, if places are counted in all texts together; otherwise 0.
        """
        url, title, quote = citation.url or None, citation.title or None, citation.quote or None
        if url is None and title is None and quote is None:
            self._report.lose(where, "the Gemini API has no sources without URL, title and text", "hint")
            return
        if quote is not None and citation.kind == "url":
            self._report.lose(where, "the Gemini API has no field for the quoted text of a web page", "hint")
            quote = None
        if citation.source is not None:
            why = "the Gemini API has no field for the place inside of a source"
            self._report.lose(f"{where}.source", why, "hint")
        for dialect, members in (citation.extra or {}).items():
            lose_members(members, self._report, where, dialect)
        source = ("url" if citation.kind == "url" else "document", url, title, quote)
        number = self._chunks.setdefault(source, len(self._chunks))
        first = 0 if citation.start is None else citation.start
        last = len(text) if citation.end is None else citation.end
        self._words += max(0, last - first)
        self._looked_at += 0 if text.isascii() else len(text)
        if self._words > _MOST_WORDS or self._looked_at > _MOST_LOOKED_AT:
            self._report.lose(where, "there are too many sources to include their text", "hint")
            return
        start, end = (before + _size(text, at) for at in (first, last))
        support = self._supports.setdefault(
            (part, start, end), {"segment": _segment(part, start, end, text[first:last]), _INDICES: []}
        )
        if number in support[_INDICES]:
            self._report.lose(where, "the source has the same text as another one and is listed once", "hint")
        else:
            support[_INDICES].append(number)

    def metadata(self) -> dict[str, Any]:
        """Return the value of the member `groundingMetadata`; {} = no source has been added."""
        if not self._chunks:
            return {}
        chunks = [_chunk(*source) for source in self._chunks]
        return {"groundingChunks": chunks, "groundingSupports": list(self._supports.values())}


_INDICES = "groundingChunkIndices"


def _segment(part: int, start: int, end: int, words: str) -> dict[str, Any]:
    numbers = {"partIndex": part, "startIndex": start}
    return {key: number for key, number in numbers.items() if number} | {"endIndex": end, "text": words}


def _size(text: str, characters: int) -> int:
    if text.isascii() and characters >= 0:
        return min(characters, len(text))
    return len(text[:characters].encode())


def _chunk(kind: str, url: str | None, title: str | None, quote: str | None) -> dict[str, Any]:
    members = {"uri": url, "title": title, "text": quote}
    stated = {key: value for key, value in members.items() if value is not None}
    return {"web" if kind == "url" else "retrievedContext": stated}
