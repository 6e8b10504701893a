"""Media in parts: what Google reads itself, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.media import reads
from dragoman.dialects.gemini.part_encoder import encode_part
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.errors import WireError
from tests.unit.dialects.gemini.asking import changed, lost


def draft(*, own: bool = False, **more: Any) -> Draft:
    return Draft(Report("gemini"), own, **more)


def wrote(block: ir.Block, **more: Any) -> tuple[Any, Report]:
    to = draft(**more)
    part = encode_part(block, to, "messages[0].blocks[0]")
    if part is not None:
        types.Part.model_validate(part)
    return part, to.report


@pytest.mark.parametrize(
    ("media", "part", "places"),
    [
        (
            ir.Media("image", data="iVBORw0"),
            {"inlineData": {"data": "iVBORw0", "mimeType": "image/png"}},
            [".mime"],
        ),
        (
            ir.Media("audio", "audio/wav", "aGk="),
            {"inlineData": {"data": "aGk=", "mimeType": "audio/wav"}},
            [],
        ),
        (
            ir.Media("image", url="https://a.b/c.jpg?d=1", detail="low"),
            {
                "fileData": {"fileUri": "https://a.b/c.jpg?d=1", "mimeType": "image/jpeg"},
                "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
            },
            [".mime"],
        ),
        (
            ir.Media("document", url="https://a.b/c", detail="auto"),
            {"fileData": {"fileUri": "https://a.b/c", "mimeType": "application/pdf"}},
            [".mime"],
        ),
        (ir.Media("document", text="Words."), {"text": "Words."}, [""]),
        (ir.Media("document", blocks=(ir.Text("A"), ir.Text("B"))), {"text": "A\n\nB"}, [""]),
        (ir.Media("audio", id="a1", transcript="Hello."), {"text": "Hello."}, [""]),
    ],
)
def test_media_of_others(media: ir.Media, part: dict[str, Any], places: list[str]) -> None:
    out, report = wrote(media)
    assert out == part
    assert changed(report) == [f"messages[0].blocks[0]{place}" for place in places]
    assert not report.losses


def test_what_media_cannot_say_here() -> None:
    media = ir.Media("document", "application/pdf", "aGk=", name="a.pdf", citable=True, context="c")
    part, report = wrote(media)
    assert part == {"inlineData": {"data": "aGk=", "mimeType": "application/pdf"}}
    assert lost(report) == [(f"messages[0].blocks[0].{x}", "hint") for x in ("name", "context", "citable")]


def test_files_of_other_providers_are_refused() -> None:
    with pytest.raises(WireError, match="file id is valid only with its own provider"):
        wrote(ir.Media("document", file="file-123"))
    part, _ = wrote(ir.Media("document", "application/pdf", file="gs://b/a.pdf"))
    assert part["fileData"]["fileUri"] == "gs://b/a.pdf"


def test_an_address_that_must_be_fetched_is_refused_where_it_was_not() -> None:
    quirks = Quirks(media_urls=False)
    with pytest.raises(WireError, match="not as a URL"):
        wrote(ir.Media("image", url="https://a.b/c.png"), quirks=quirks)
    assert wrote(ir.Media("video", "video/mp4", url="https://youtu.be/x"), quirks=quirks)[0] is not None


def test_which_addresses_google_reads() -> None:
    assert reads(ir.Media("video", url="https://www.youtube.com/watch?v=x"))
    assert reads(ir.Media("image", file="gs://b/c.png"))
    assert not reads(ir.Media("image", url="https://a.b/c.png"))


@pytest.mark.parametrize(
    ("data", "mime"),
    [("AAAA", "audio/L16;codec=pcm;rate=24000"), ("UklGRiQ=", "audio/wav"), ("SUQzBAA=", "audio/mpeg")],
)
def test_sound_of_an_answer_that_states_no_type(data: str, mime: str) -> None:
    """Chat's answers do not say what they were asked for; asked by this protocol's clients it is samples."""
    report = Report("gemini", "response")
    part = encode_part(ir.Media("audio", data=data), Draft(report, own=False, answer=True), "here")
    assert part == {"inlineData": {"mimeType": mime, "data": data}}
