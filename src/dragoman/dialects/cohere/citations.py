"""Citations of an answer, decoded and encoded.

A citation of Cohere names a span of a content part, or of the plan (`tool_plan`), and all sources of that
span. Each source becomes an ir.Citation, of the kind "document" or "tool"; a citation without sources becomes
one ir.Citation of the kind "document". The url, the title and the snippet in a source's data become fields;
`Citation.source` keeps the whole source. Documentation: https://docs.cohere.com/docs/rag-citations, read
2026-11.

Citation.form: None = the citation states `content_index`, the number of its content part; "unplaced" = it
does not, as in answers of older models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.cohere.terms import leftovers, restore
from dragoman.dialects.typed import an_object

_CITATION: Final = frozenset({"start", "end", "text", "sources", "content_index", "type"})
_UNPLACED: Final = "unplaced"
USUAL: Final = "TEXT_CONTENT"
PLANNED: Final = "PLAN"
"""`USUAL` is the `type` of citations of the content, `PLANNED` that of citations of `tool_plan`."""
_DATA: Final = {"document": "document", "tool": "tool_output"}
"""Type of a source -> the member of the source that holds the cited data."""


def decode_citation(wire: Any, said: str, kind: str) -> tuple[ir.Citation, ...]:
    """Return one ir.Citation for each source of a citation (`wire`). A citation without sources gives one
    ir.Citation, whose `source` is None. Raises WireError if the citation or one of its sources is not an
    object.

    said: the text of the cited block; in a stream, as far as it has come. The citation's `text` becomes a
    leftover if it is not the cited span of `said`. kind: the usual `type` of citations of this block
    (`USUAL` or `PLANNED`); any other `type` becomes a leftover.
    """
    wire = an_object(wire, "citations[]")
    start, end = wire.get("start"), wire.get("end")
    known = _CITATION
    if (text := wire.get("text")) is not None and not _is_span(said, start, end, text):
        known -= {"text"}
    if wire.get("type") != kind:
        known -= {"type"}
    form = _UNPLACED if wire.get("content_index") is None else None
    extra = leftovers(wire, known)
    place: dict[str, Any] = {"start": _offset(start), "end": _offset(end), "extra": extra, "form": form}
    sources = wire.get("sources")
    if not sources:
        return (ir.Citation("document", **place),)
    return tuple([_sourced(an_object(source, "citations[].sources[]"), place) for source in sources])


def _sourced(source: dict[str, Any], place: Mapping[str, Any]) -> ir.Citation:
    kind = str(source.get("type"))
    data = source.get(_DATA.get(kind, ""))
    told = data if type(data) is dict else {}
    url, title, quote = (_words(told.get(member)) for member in ("url", "title", "snippet"))
    return ir.Citation(
        kind if kind in _DATA else "document",
        url,
        title,
        quote,
        source=source,
        **place,
    )


def _words(value: Any) -> str | None:
    return value if type(value) is str else None


def _offset(value: Any) -> int | None:
    return value if type(value) is int else None


def _is_span(said: str, start: Any, end: Any, text: Any) -> bool:
    return type(start) is int and type(end) is int and 0 <= start <= end and said[start:end] == text


def encode_citations(
    citations: Sequence[ir.Citation],
    said: str,
    index: int | None,
    draft: Draft,
    where: str,
    *,
    before: int = 0,
) -> list[dict[str, Any]]:
    """Return the wire citations for the citations of one block. Neighbours that differ only in their source
    become one wire citation with all these sources, if the first of them has a source.

    said: the text of the block. index: the number of the content part that has this text; None = the
    `tool_plan` has it. where: the block's IR path. before: the number of characters in the content part
    before this text; they are added to the offsets.
    """
    out: list[dict[str, Any]] = []
    for number, citation in enumerate(citations):
        place = f"{where}.citations[{number}]"
        wire = encode_citation(citation, said, index, draft, place, before=before)
        last = out[-1] if out else None
        if last is not None and _without_sources(last) == _without_sources(wire) and "sources" in last:
            last["sources"] += wire.get("sources", [])
        else:
            out.append(wire)
    return out


def _without_sources(wire: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in wire.items() if key != "sources"}


def encode_citation(
    citation: ir.Citation, said: str, index: int | None, draft: Draft, where: str, *, before: int = 0
) -> dict[str, Any]:
    """Return the wire citation for one citation. In a citation of another dialect, a missing start becomes
    the beginning of the text, and a missing end the end of the text; its `source` is reported as lost.

    said: the text of the cited block. index: the number of the content part that has this text; None = the
    `tool_plan` has it. where: the citation's IR path. before: the number of characters in the content part
    before this text; they are added to the offsets.
    """
    start = citation.start if citation.start is not None or draft.own else 0
    end = citation.end if citation.end is not None or draft.own else len(said)
    wire: dict[str, Any] = {}
    if start is not None:
        wire["start"] = before + start
    if end is not None:
        wire["end"] = before + end
    if start is not None and end is not None:
        wire["text"] = said[start:end]
    if (source := _source(citation, draft, where)) is not None:
        wire["sources"] = [source]
    if index is not None and not (draft.own and citation.form == _UNPLACED):
        wire["content_index"] = index
    wire["type"] = USUAL if index is not None else PLANNED
    restore(wire, citation.extra, draft.report, where)
    return wire


def _source(citation: ir.Citation, draft: Draft, where: str) -> dict[str, Any] | None:
    if draft.own:
        return citation.source
    told = {"title": citation.title, "url": citation.url, "snippet": citation.quote}
    data = {key: value for key, value in told.items() if value is not None}
    if citation.source is not None:
        draft.report.lose(f"{where}.source", "the Cohere API states sources in another form", "hint")
    return {"type": "document", "document": data}
