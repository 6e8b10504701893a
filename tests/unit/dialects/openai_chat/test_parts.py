"""Content parts and media, both directions."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.quirks import Quirks
from dragoman.errors import WireError
from dragoman.wire.dataurl import from_url
from tests.unit.dialects.openai_chat.speaking import again, changed, decoded, foreign, lost, written

PNG = "data:image/png;base64,iVBORw0KGgo="
PARTS: list[tuple[dict[str, Any], ir.Block]] = [
    ({"type": "text", "text": "a"}, ir.Text("a")),
    (
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ir.Text("a", cache=ir.CacheMark("1h", form="cache_control")),
    ),
    (
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ir.Text("a", cache=ir.CacheMark(form="prompt_cache_breakpoint")),
    ),
    (
        {"type": "text", "text": "a", "cache_control": {"type": "odd", "scope": "all"}},
        ir.Text(
            "a",
            cache=ir.CacheMark(form="cache_control", extra={"openai_chat": {"type": "odd", "scope": "all"}}),
        ),
    ),
    ({"type": "text", "text": "a", "odd": 1}, ir.Text("a", extra={"openai_chat": {"odd": 1}})),
    (
        {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ir.Media("image", url="https://a/b.png", detail="low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": PNG}},
        ir.Media("image", "image/png", "iVBORw0KGgo="),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;utf8;base64,PHN2Zy8+", "odd": 1}},
        ir.Media(
            "image",
            "image/svg+xml;utf8",
            "PHN2Zy8+",
            extra={"openai_chat": {"image_url.odd": 1}},
        ),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        ir.Media("audio", "audio/mpeg", "AA"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "flac"}},
        ir.Media("audio", "audio/flac", "AA"),
    ),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
        ir.Media("document", "application/pdf", "AA", name="a.pdf", form="file"),
    ),
    (
        {"type": "file", "file": {"file_data": PNG}},
        ir.Media("image", "image/png", "iVBORw0KGgo=", form="file"),
    ),
    ({"type": "file", "file": {"file_id": "file-1"}}, ir.Media("document", file="file-1", form="file")),
    (
        {"type": "file", "file": {"file_data": "AA", "file_id": "file-1"}},
        ir.Media("document", data="AA", form="file_data", extra={"openai_chat": {"file.file_id": "file-1"}}),
    ),
    (
        {"type": "file", "file": {"file_data": "https://a/b.pdf"}},
        ir.Media("document", url="https://a/b.pdf", form="file"),
    ),
    (
        {"type": "video_url", "video_url": {"url": "https://a/b.mp4"}},
        ir.Media("video", url="https://a/b.mp4", form="video_url"),
    ),
    (
        {"type": "file_url", "file_url": {"url": "https://a/b.pdf", "odd": 1}},
        ir.Media(
            "document",
            url="https://a/b.pdf",
            form="file_url",
            extra={"openai_chat": {"file_url.odd": 1}},
        ),
    ),
    (
        {"type": "pdf_url", "pdf_url": "https://a/b.pdf"},
        ir.Native("openai_chat", "pdf_url", {"type": "pdf_url", "pdf_url": "https://a/b.pdf"}),
    ),
    ({"type": "odd", "x": 1}, ir.Native("openai_chat", "odd", {"type": "odd", "x": 1})),
]


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_a_part_is_read_and_comes_back_as_it_was(part: dict[str, Any], block: ir.Block) -> None:
    request = decoded({"role": "user", "content": [part]})
    assert request.messages[0].blocks == (block,)
    body, report = written(request)
    assert body["messages"][0]["content"] == [part]
    assert not report.losses


def test_members_of_other_parts_that_are_null_say_nothing() -> None:
    part = {"type": "text", "text": "a", "image_url": None}
    assert decoded({"role": "user", "content": [part]}).messages[0].blocks == (ir.Text("a"),)


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("data:image/png;base64,AA==", ("image/png", "AA==", None)),
        ("data:;base64,AA==", (None, "AA==", None)),
        (
            "data:text/plain;charset=utf-8;base64,AA==",
            ("text/plain;charset=utf-8", "AA==", None),
        ),
        ("data:,hello", (None, "aGVsbG8=", None)),
        ("data:hello", (None, None, "data:hello")),
        ("https://a/b", (None, None, "https://a/b")),
        (None, (None, None, None)),
    ],
)
def test_data_urls_are_taken_apart(url: str | None, parsed: tuple[Any, Any, Any]) -> None:
    assert from_url(url) == parsed


# --- Other dialects' media ---------------------------------------------------------------------


def sent(block: ir.Block, quirks: Quirks | None = None) -> tuple[Any, dict[str, str]]:
    """The only part that a foreign block becomes, and the losses."""
    request = foreign(ir.Message("user", (ir.Text("See:"), block)))
    body, report = written(request, quirks or Quirks())
    content = body["messages"][0]["content"]
    return content[1] if len(content) > 1 else None, lost(report)


FOREIGN_MEDIA: list[tuple[ir.Block, Any, dict[str, str]]] = [
    (
        ir.Media("image", "image/webp", "AA"),
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AA"}},
        {},
    ),
    (
        ir.Media("image", data="/9j/AA"),
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/AA"}},
        {},
    ),
    (
        ir.Media("image", data="AAAA"),
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {},
    ),
    (ir.Media("image", url="https://a/b"), {"type": "image_url", "image_url": {"url": "https://a/b"}}, {}),
    (
        ir.Media("audio", "audio/x-wav", "AA"),
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {},
    ),
    (
        ir.Media("document", "application/pdf", "AA", name="a.pdf"),
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
        {},
    ),
    (
        ir.Media("document", None, "AA"),
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "document.pdf"}},
        {},
    ),
    (
        ir.Media("document", text="words", name="A", context="why", citable=True),
        {"type": "text", "text": '<document title="A">\nwords\n</document>'},
        {"messages[0].blocks[1].context": "quality", "messages[0].blocks[1].citable": "quality"},
    ),
    (
        ir.Media("document", blocks=(ir.Text("a"), ir.Media("image", data="AA"), ir.Text("b"))),
        {"type": "text", "text": "<document>\na\n\nb\n</document>"},
        {"messages[0].blocks[1].blocks[1]": "meaning"},
    ),
    (ir.Json({"a": 1}), {"type": "text", "text": '{"a":1}'}, {}),
    (ir.Native("elsewhere", "odd", {}), None, {"messages[0].blocks[1]": "meaning"}),
    (ir.Thinking("hm"), None, {"messages[0].blocks[1]": "meaning"}),
    (
        ir.Media("image", url="https://a/b", sealed=ir.Sealed("elsewhere", "s")),
        {"type": "image_url", "image_url": {"url": "https://a/b"}},
        {"messages[0].blocks[1].sealed": "quality"},
    ),
    (
        ir.Text("a", extra={"elsewhere": {"odd": 1}}),
        {"type": "text", "text": "a"},
        {"messages[0].blocks[1].odd": "hint"},
    ),
    (
        # A form is a word of the block's own dialect: here it must not be mistaken for ours.
        ir.Media("image", url="https://a/b", form="video_url"),
        {"type": "image_url", "image_url": {"url": "https://a/b"}},
        {},
    ),
]


@pytest.mark.parametrize(("block", "part", "losses"), FOREIGN_MEDIA)
def test_a_foreign_block_is_written_or_named(block: ir.Block, part: Any, losses: dict[str, str]) -> None:
    assert sent(block) == (part, losses)


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (ir.Media("video", url="https://a/b.mp4"), "unsupported_modality"),
        # The kind is known here, but not in this form.
        (ir.Media("audio", url="https://a/b.mp3"), "unsupported_value"),
        (ir.Media("image", file="file-1"), "unsupported_value"),
        (ir.Media("document", url="https://a/b.pdf"), "unsupported_value"),
        (ir.Media("document", file="file-1"), "unsupported_value"),
    ],
)
def test_media_that_no_part_can_carry_are_refused(block: ir.Media, code: str) -> None:
    """An answer to a question whose picture is missing would be an answer to another question."""
    with pytest.raises(WireError) as caught:
        sent(block)
    assert (caught.value.path, caught.value.code) == ("messages[0].blocks[1]", code)


# --- Cache marks -------------------------------------------------------------------------------

MARKED = ir.Text("a", cache=ir.CacheMark("5m"))


def test_a_foreign_mark_is_a_hint_that_most_vendors_do_not_take() -> None:
    assert sent(MARKED) == ({"type": "text", "text": "a"}, {"messages[0].blocks[1].cache": "hint"})


def test_a_foreign_mark_is_written_as_the_vendor_takes_it() -> None:
    part, losses = sent(MARKED, Quirks(cache_marks="cache_control"))
    assert part == {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}
    assert not losses
    part, losses = sent(MARKED, Quirks(cache_marks="prompt_cache_breakpoint"))
    assert part == {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert losses == {"messages[0].blocks[1].cache.ttl": "hint"}


def test_a_marked_text_alone_stays_a_string_unless_the_mark_can_be_written() -> None:
    request = foreign(ir.Message("user", (MARKED,)))
    body, report = written(request)
    assert body["messages"][0]["content"] == "a"
    assert lost(report) == {"messages[0].blocks[0].cache": "hint"}
    body, report = written(request, Quirks(cache_marks="cache_control"))
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert not report.losses


def test_a_mark_on_a_result_lies_on_its_text() -> None:
    result = ir.ToolResult("c1", (ir.Text("blue"),), cache=ir.CacheMark())
    request = foreign(ir.Message("assistant", (ir.ToolCall("c1", "look"),)), ir.Message("user", (result,)))
    body, _ = written(request, Quirks(cache_marks="cache_control"))
    content = body["messages"][1]["content"]
    assert content == [{"type": "text", "text": "blue", "cache_control": {"type": "ephemeral"}}]
    body, report = written(request)
    assert body["messages"][1]["content"] == "blue"
    assert lost(report) == {"messages[1].blocks[0].cache": "hint"}


def test_a_document_of_text_is_a_change() -> None:
    _, report = written(foreign(ir.Message("user", (ir.Media("document", text="words"),))))
    assert changed(report) == {"messages[0].blocks[0]"}


# --- Data URLs and files --------------------------------------------------------------------------

PARAMETERS = "data:text/csv;charset=utf-8;base64,YSxi"
EXACT: list[tuple[dict[str, Any], ir.Media]] = [
    (
        {"type": "image_url", "image_url": {"url": "data:image/heic;base64,AAAA", "detail": "low"}},
        ir.Media("image", "image/heic", "AAAA", detail="low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;charset=utf-8;base64,AAAA"}},
        ir.Media("image", "image/svg+xml;charset=utf-8", "AAAA"),
    ),
    ({"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}}, ir.Media("image", None, "AAAA")),
    (
        {"type": "image_url", "image_url": {"url": "gs://bucket/a.png", "detail": "high"}},
        ir.Media("image", url="gs://bucket/a.png", detail="high"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "ogg"}},
        ir.Media("audio", "audio/ogg", "AAAA"),
    ),
    (
        {"type": "file", "file": {"file_data": PARAMETERS, "filename": "a.csv"}},
        ir.Media("document", "text/csv;charset=utf-8", "YSxi", name="a.csv", form="file"),
    ),
    ({"type": "file", "file": {"file_id": "file-1"}}, ir.Media("document", file="file-1", form="file")),
    (
        {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.PDF"}},
        ir.Media("document", "application/pdf", "JVBERi0=", name="a.PDF", form="file_data"),
    ),
    (
        {"type": "file", "file": {"file_data": "AAAA", "filename": "noise"}},
        ir.Media("document", None, "AAAA", name="noise", form="file_data"),
    ),
    (
        {"type": "file", "file": {"file_data": "AAAA", "filename": "photo.jpg"}},
        ir.Media("image", "image/jpeg", "AAAA", name="photo.jpg", form="file_data"),
    ),
]


@pytest.mark.parametrize(("part", "media"), EXACT)
def test_media_come_back_as_they_were(part: dict[str, Any], media: ir.Media) -> None:
    message = {"role": "user", "content": [part]}
    assert decoded(message).messages[0].blocks == (media,)
    assert again(message)["messages"] == [message]


def test_a_percent_encoded_data_url_becomes_base64() -> None:
    part = {"type": "file", "file": {"file_data": "data:text/plain,a%20b", "filename": "a.txt"}}
    request = decoded({"role": "user", "content": [part]})
    assert request.messages[0].blocks == (
        ir.Media("document", "text/plain", "YSBi", name="a.txt", form="file"),
    )
    (sent,) = written(request)[0]["messages"][0]["content"]
    assert sent["file"]["file_data"] == "data:text/plain;base64,YSBi"


@pytest.mark.parametrize("mime", ["text/plain", "text/csv; charset=utf-8", "application/json"])
def test_a_foreign_document_of_text_is_sent_as_text(mime: str) -> None:
    media = ir.Media("document", mime, "w6kh", name="a.txt")
    body, report = written(foreign(ir.Message("user", (ir.Text("Read."), media))))
    assert body["messages"][0]["content"][1] == {
        "type": "text",
        "text": '<document title="a.txt">\né!\n</document>',
    }
    assert (lost(report), changed(report)) == ({}, {"messages[0].blocks[1]"})


def test_a_foreign_document_that_is_no_text_after_all_is_a_file() -> None:
    media = ir.Media("document", "text/plain", "/w==", name="a.txt")
    body, _ = written(foreign(ir.Message("user", (ir.Text("Read."), media))))
    assert body["messages"][0]["content"][1]["type"] == "file"


def test_foreign_samples_are_sent_as_a_wav_file() -> None:
    media = ir.Media("audio", "audio/L16;rate=16000", "AAEC")
    body, report = written(foreign(ir.Message("user", (ir.Text("Listen."), media))))
    audio = body["messages"][0]["content"][1]["input_audio"]
    assert audio["format"] == "wav"
    assert base64.b64decode(audio["data"])[:4] == b"RIFF"
    assert base64.b64decode(audio["data"])[44:] == b"\x00\x01\x02"
    assert (lost(report), changed(report)) == ({}, {"messages[0].blocks[1]"})


@pytest.mark.parametrize("data", ["A", "AA*AA*AA*AA*"])
def test_foreign_samples_that_are_no_base64_are_refused_by_their_place(data: str) -> None:
    with pytest.raises(WireError, match="not base64") as caught:
        sent(ir.Media("audio", "audio/L16;rate=16000", data))
    assert caught.value.path == "messages[0].blocks[1]"


def test_a_media_type_of_sound_is_its_format_whatever_its_parameters() -> None:
    media = ir.Media("audio", "Audio/MPEG; rate=44100", "AAAA")
    body, _ = written(foreign(ir.Message("user", (media, ir.Text("?")))))
    assert body["messages"][0]["content"][0]["input_audio"]["format"] == "mp3"


def test_a_text_in_another_alphabet_is_not_read_with_holes() -> None:
    """Python leaves out what it does not know: the words would be others."""
    part, _ = sent(ir.Media("document", "text/plain", data="YT8_Pj4-", name="a.txt"))
    assert part == {
        "type": "file",
        "file": {"file_data": "data:text/plain;base64,YT8_Pj4-", "filename": "a.txt"},
    }
