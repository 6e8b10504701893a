"""Sources: Google's metadata to citations, and other protocols' citations to Google's metadata."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.gemini.grounding import Sources, decode_citations
from dragoman.dialects.loss import Report
from tests.unit.dialects.gemini.answering import (
    blocks,
    body,
    candidate,
    chunks,
    events,
    foreign,
    lost,
    read,
    reply,
    streamed,
    written,
)

WEB = {"web": {"uri": "https://a.example/1", "title": "A"}}
MAP = {"maps": {"uri": "https://maps.example/2", "title": "B", "placeId": "places/2"}}
FILE = {"retrievedContext": {"title": "notes.txt", "text": "What the notes say."}}


def support(start: int, end: int, text: str, *chunks: int, **more: Any) -> dict[str, Any]:
    segment = {"startIndex": start, "endIndex": end, "text": text, **more}
    return {
        "segment": {key: value for key, value in segment.items() if value or key == "endIndex"},
        "groundingChunkIndices": list(chunks),
    }


def cited(*parts: Any, **metadata: Any) -> list[tuple[int, ir.Citation]]:
    """The citations of an answer, each with the number of its block."""
    value = body(candidate(*parts, **metadata))
    response = read(value)
    assert written(response)[0] == value  # the metadata are given back as they came
    found = response.candidates[0].blocks
    return [
        (n, one) for n, block in enumerate(found) if isinstance(block, ir.Text) for one in block.citations
    ]


def unjudged(**metadata: Any) -> list[tuple[int, ir.Citation]]:
    """The citations of an answer "Fine." whose metadata Google's own types do not know."""
    (block,) = blocks("Fine.", **metadata)
    assert isinstance(block, ir.Text)
    return [(0, citation) for citation in block.citations]


def grounded(*parts: Any, sources: list[Any], supports: list[Any]) -> list[tuple[int, ir.Citation]]:
    return cited(*parts, groundingMetadata={"groundingChunks": sources, "groundingSupports": supports})


def url(address: str, title: str, start: int | None = None, end: int | None = None) -> ir.Citation:
    return ir.Citation("url", address, title, None, start, end)


def test_spans_are_bytes_and_become_characters() -> None:
    text = "Größe: 5 µm. Fein."
    span = text[13:]
    begin = len(text[:13].encode())
    found = grounded(text, sources=[WEB, MAP], supports=[support(begin, begin + 5, span, 0, 1)])
    assert found == [
        (0, url("https://a.example/1", "A", 13, 18)),
        (0, url("https://maps.example/2", "B", 13, 18)),
    ]


@pytest.mark.parametrize("odd", [5, None, {"web": "https://a.example"}, {"web": {"uri": "u"}, "x": 1}, []])
def test_an_odd_source_costs_no_other_citation(odd: Any) -> None:
    metadata = {"groundingChunks": [odd, WEB], "groundingSupports": [support(0, 4, "Fine", 0, 1, 9)]}
    assert (0, url("https://a.example/1", "A", 0, 4)) in unjudged(groundingMetadata=metadata)
    assert (0, url("https://a.example/1", "A")) in unjudged(groundingMetadata={"groundingChunks": [odd, WEB]})


@pytest.mark.parametrize(
    "odd", [5, {"segment": 5}, {"segment": {"endIndex": "x"}}, {"groundingChunkIndices": 5}]
)
def test_an_odd_support_costs_no_other_citation(odd: Any) -> None:
    metadata = {"groundingChunks": [WEB], "groundingSupports": [odd, support(0, 4, "Fine", 0)]}
    assert unjudged(groundingMetadata=metadata) == [(0, url("https://a.example/1", "A", 0, 4))]


def test_an_odd_citation_costs_no_other_one() -> None:
    sources = [
        5,
        {"uri": "https://a.example/1", "startIndex": "x", "endIndex": 4},
        {"uri": "https://b.example"},
    ]
    assert unjudged(citationMetadata={"citationSources": sources}) == [
        (0, ir.Citation("url", "https://b.example"))
    ]


def test_a_start_of_zero_is_left_out() -> None:
    assert grounded("Fine.", sources=[WEB], supports=[support(0, 4, "Fine", 0)]) == [
        (0, url("https://a.example/1", "A", 0, 4))
    ]


def test_a_part_is_named() -> None:
    parts = ({"text": "Hm.", "thought": True}, "One. ", "Two.")
    found = grounded(*parts, sources=[WEB], supports=[support(0, 4, "Two.", 0, partIndex=2)])
    assert found == [(2, url("https://a.example/1", "A", 0, 4))]


def test_spans_may_be_of_all_texts_together() -> None:
    parts = ({"text": "Hm.", "thought": True}, "One. ", "Two.")
    found = grounded(*parts, sources=[WEB], supports=[support(5, 9, "Two.", 0)])
    assert found == [(2, url("https://a.example/1", "A", 0, 4))]


def test_a_span_across_two_texts_ends_with_the_first() -> None:
    found = grounded("One. ", "Two.", sources=[WEB], supports=[support(0, 9, "One. Two.", 0)])
    assert found == [(0, url("https://a.example/1", "A", 0, 5))]


def test_bytes_that_do_not_fit_are_found_by_their_words() -> None:
    found = grounded("One. Two.", sources=[WEB], supports=[support(90, 94, "Two.", 0)])
    assert found == [(0, url("https://a.example/1", "A", 5, 9))]


def test_words_that_are_not_there_have_no_span() -> None:
    found = grounded("One.", sources=[WEB], supports=[support(90, 94, "Two.", 0)])
    assert found == [(0, url("https://a.example/1", "A"))]


def test_a_file_is_a_document_with_its_words() -> None:
    assert grounded("Fine.", sources=[FILE], supports=[support(0, 4, "Fine", 0)]) == [
        (0, ir.Citation("document", None, "notes.txt", "What the notes say.", 0, 4))
    ]


def test_sources_without_supports_are_of_the_whole_answer() -> None:
    image = {"image": {"sourceUri": "https://c.example/3", "title": "C"}}
    found = grounded("One.", sources=[WEB, image], supports=[])
    assert found == [(0, url("https://a.example/1", "A")), (0, url("https://c.example/3", "C"))]


def test_recitations() -> None:
    sources = [
        {"startIndex": 4, "endIndex": 7, "uri": "https://a.example/1", "license": "mit"},
        {"startIndex": 0, "endIndex": 3},
        {"title": "Only a title"},
    ]
    expected = [
        (0, ir.Citation("url", "https://a.example/1", None, None, 4, 7)),
        (0, ir.Citation("url", None, "Only a title")),
    ]
    assert cited("One two.", citationMetadata={"citations": sources}) == expected


def test_recitations_by_their_older_name() -> None:
    value = read(
        body(
            candidate(
                "One two.",
                citationMetadata={"citationSources": [{"uri": "https://x.example", "endIndex": 3}]},
            )
        )
    )
    block = value.candidates[0].blocks[0]
    assert isinstance(block, ir.Text)
    assert block.citations == (ir.Citation("url", "https://x.example", None, None, 0, 3),)


@pytest.mark.parametrize(
    "metadata",
    [
        {"groundingMetadata": {}},
        {"groundingMetadata": {"groundingChunks": [{}], "groundingSupports": []}},
        {"groundingMetadata": {"groundingChunks": [], "groundingSupports": [support(0, 1, "O", 7)]}},
        {"citationMetadata": {"citations": ["x"]}},
        {"groundingMetadata": "none", "citationMetadata": []},
    ],
)
def test_metadata_without_a_readable_source_stay_leftovers(metadata: dict[str, Any]) -> None:
    response = read(body(candidate("One.", **metadata)))
    assert response.candidates[0].blocks == (ir.Text("One."),)
    assert response.candidates[0].extra == {"gemini": metadata}


def test_an_answer_without_words_has_no_citations() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    assert grounded(call, sources=[WEB], supports=[]) == []


# --- In streams ----------------------------------------------------------------------------------

METADATA = {"groundingChunks": [WEB], "groundingSupports": [support(5, 10, "Zwölf"[:4], 0)]}


def test_sources_that_come_late_are_cited_before_the_end() -> None:
    found = events(
        body(candidate("Elf ", stop=None, groundingMetadata={})),
        body(candidate("ü Zwölf", stop=None)),
        body(
            candidate(
                "",
                groundingMetadata={
                    "groundingChunks": [WEB],
                    "groundingSupports": [support(7, 13, "Zwölf", 0)],
                },
            )
        ),
    )
    cite = ir.Cite(0, url("https://a.example/1", "A", 6, 11))
    place = found.index(cite)
    assert isinstance(found[place - 1], ir.Close)
    assert isinstance(found[place + 1], ir.Finish)


def test_in_an_answer_without_an_end_sources_have_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words would have to be kept until the end, where the sources come."""
    monkeypatch.setattr("dragoman.dialects.gemini.stream_decoder._MOST_TEXT", 8)
    metadata = {"groundingChunks": [WEB], "groundingSupports": [support(7, 13, "Zwölf", 0)]}
    found = events(
        body(candidate("Elf ü ", stop=None)),
        body(candidate("Zwölf", stop=None)),
        body(candidate("", groundingMetadata=metadata)),
    )
    assert [event.text for event in found if isinstance(event, ir.TextDelta)] == ["Elf ü ", "Zwölf"]
    assert ir.Cite(0, url("https://a.example/1", "A")) in found


def test_metadata_of_several_chunks_add_up() -> None:
    first, second = ({"citationSources": [{"uri": f"https://{n}.example", "endIndex": 3}]} for n in "ab")
    found = events(
        body(
            candidate("One", stop=None, citationMetadata=first, groundingMetadata={"webSearchQueries": ["q"]})
        ),
        body(
            candidate(" two", stop=None, citationMetadata=second, groundingMetadata={"groundingChunks": []})
        ),
        body(candidate("", citationMetadata=second)),
    )
    finish = next(event for event in found if isinstance(event, ir.Finish))
    assert finish.extra == {
        "gemini": {
            "citationMetadata": {"citationSources": [*first["citationSources"], *second["citationSources"]]},
            "groundingMetadata": {"webSearchQueries": ["q"], "groundingChunks": []},
        }
    }
    assert [event.citation.url for event in found if isinstance(event, ir.Cite)] == [
        "https://a.example",
        "https://b.example",
    ]


# --- For clients of Gemini -----------------------------------------------------------------------

SOURCES = (
    ir.Citation("url", "https://a.example/1", "A", None, 0, 5),
    ir.Citation("url", "https://b.example/2", "B", "quoted", 0, 5),
    ir.Citation("page", None, "Book", "a page", 7, 9),
    ir.Citation("url", "https://a.example/1", "A"),
    ir.Citation("native", source={"type": "native"}, extra={"elsewhere": {"x": 1}}),
)
TEXT = ir.Text("Größe 5 µm", SOURCES)
LOSSES = {"candidates[0].blocks[1].citations[1]": "hint", "candidates[0].blocks[1].citations[4]": "hint"}
CHUNKS = [
    {"web": {"uri": "https://a.example/1", "title": "A"}},
    {"web": {"uri": "https://b.example/2", "title": "B"}},
    {"retrievedContext": {"title": "Book", "text": "a page"}},
]


def test_citations_of_another_protocol() -> None:
    value, report = written(foreign("Elf. ", TEXT))
    assert value["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": CHUNKS,
        "groundingSupports": [
            {"segment": {"partIndex": 1, "endIndex": 7, "text": "Größe"}, "groundingChunkIndices": [0, 1]},
            {
                "segment": {"partIndex": 1, "startIndex": 9, "endIndex": 12, "text": " µ"},
                "groundingChunkIndices": [2],
            },
            {"segment": {"partIndex": 1, "endIndex": 13, "text": "Größe 5 µm"}, "groundingChunkIndices": [0]},
        ],
    }
    assert lost(report) == LOSSES
    again = read(value).candidates[0].blocks[1]
    assert isinstance(again, ir.Text)
    assert [(one.url, one.title, one.start, one.end) for one in again.citations] == [
        ("https://a.example/1", "A", 0, 5),
        ("https://b.example/2", "B", 0, 5),
        (None, "Book", 7, 9),
        ("https://a.example/1", "A", 0, 10),
    ]


def test_citations_of_another_protocol_in_a_stream() -> None:
    to = reply()
    out = streamed(ir.unfold(foreign("Elf. ", TEXT)), to)
    supports = chunks(out)[-1]["candidates"][0]["groundingMetadata"]["groundingSupports"]
    assert supports[0] == {
        "segment": {"startIndex": 5, "endIndex": 12, "text": "Größe"},
        "groundingChunkIndices": [0, 1],
    }
    assert lost(to.report) == LOSSES
    again = ir.fold(events(*chunks(out))).candidates[0].blocks[0]
    assert isinstance(again, ir.Text)
    assert [(one.url, one.start, one.end) for one in again.citations][:2] == [
        ("https://a.example/1", 5, 10),
        ("https://b.example/2", 5, 10),
    ]
    assert again.text[5:10] == "Größe"


def test_a_citation_that_a_hook_added_to_our_own_answer_is_written() -> None:
    block = ir.Text("Fine.", (ir.Citation("url", "https://a.example/1", "A", None, 0, 4),))
    response = ir.Response("gemini", "r", "m", candidates=(ir.Candidate((block,), ir.Stop("end")),))
    value, _ = written(response)
    assert value["candidates"][0]["groundingMetadata"]["groundingChunks"] == [WEB]


def test_places_that_take_too_long_to_find_are_leftovers() -> None:
    segment = {"segment": {"startIndex": 0, "endIndex": 1, "text": "ä"}, "groundingChunkIndices": [0]}
    metadata = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [segment] * 20_000}
    assert decode_citations({"groundingMetadata": metadata}, [(0, "ä" * 1_000_000)]) == []


def test_the_words_of_many_sources_have_an_end() -> None:
    report = Report("gemini", "response")
    sources = Sources(report)
    for start in range(20):
        sources.cite(ir.Citation("url", "u", start=start), "a" * 1_000_000, "candidates[0]")
    written = sum(len(one["segment"]["text"]) for one in sources.metadata()["groundingSupports"])
    assert written <= 8_000_000
    assert "too many sources" in report.losses[0].reason


def test_supports_of_another_form_are_none() -> None:
    metadata = {"groundingChunks": [WEB], "groundingSupports": 5}
    assert unjudged(groundingMetadata=metadata) == [(0, url("https://a.example/1", "A"))]


def test_a_negative_number_names_no_source() -> None:
    metadata = {"groundingChunks": [WEB], "groundingSupports": [support(0, 4, "Fine", -1)]}
    assert unjudged(groundingMetadata=metadata) == []
