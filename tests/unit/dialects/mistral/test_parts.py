"""Content chunks and media, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.parts import decode_parts, encode_part
from dragoman.errors import WireError
from tests.unit.dialects.mistral.speaking import lost

PNG = "data:image/png;base64,iVBOR"
PARTS: list[tuple[dict[str, Any], ir.Block]] = [
    ({"type": "text", "text": "Hi."}, ir.Text("Hi.")),
    (
        {"type": "text", "text": "Hi.", "tone": "warm"},
        ir.Text("Hi.", extra={"mistral": {"tone": "warm"}}),
    ),
    (
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        ir.Thinking("Hm."),
    ),
    (
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "signature": "s"},
        ir.Thinking("Hm.", sealed=ir.Sealed("mistral", "s")),
    ),
    (
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": False},
        ir.Thinking("Hm.", extra={"mistral": {"closed": False}}),
    ),
    ({"type": "thinking", "thinking": []}, ir.Thinking()),
    (
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "See "}, {"type": "reference", "reference_ids": [1]}],
        },
        ir.Thinking(
            "See ",
            extra={
                "mistral": {
                    "thinking": [
                        {"type": "text", "text": "See "},
                        {"type": "reference", "reference_ids": [1]},
                    ]
                }
            },
        ),
    ),
    ({"type": "image_url", "image_url": PNG}, ir.Media("image", "image/png", "iVBOR", form="string")),
    ({"type": "image_url", "image_url": {"url": "https://x"}}, ir.Media("image", url="https://x")),
    (
        {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
        ir.Media("image", "image/png", "iVBOR", detail="high"),
    ),
    ({"type": "input_audio", "input_audio": "UklGRg=="}, ir.Media("audio", data="UklGRg==")),
    ({"type": "input_audio", "input_audio": "https://x/a.mp3"}, ir.Media("audio", url="https://x/a.mp3")),
    (
        {"type": "input_audio", "input_audio": "data:audio/mpeg;base64,SUQz"},
        ir.Media("audio", "audio/mpeg", "SUQz"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ir.Media("audio", "audio/mpeg", "SUQz", form="object"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "https://x/a", "format": "mp3"}},
        ir.Media("audio", "audio/mpeg", url="https://x/a", form="object"),
    ),
    ({"type": "input_audio", "input_audio": {"data": "SUQz"}}, ir.Media("audio", data="SUQz", form="object")),
    (
        {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a.pdf"},
        ir.Media("document", url="https://x/a.pdf", name="a.pdf"),
    ),
    (
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBE"},
        ir.Media("document", "application/pdf", "JVBE"),
    ),
    ({"type": "file", "file_id": "f-1"}, ir.Media("document", file="f-1", form="file")),
    (
        {"type": "resource_link", "uri": "x"},
        ir.Native("mistral", "resource_link", {"type": "resource_link", "uri": "x"}),
    ),
    (
        {"type": "reference", "reference_ids": [0]},
        ir.Native("mistral", "reference", {"type": "reference", "reference_ids": [0]}),
    ),
]


def own() -> Draft:
    return Draft(Report("mistral"), own=True)


def foreign() -> Draft:
    return Draft(Report("mistral"))


@pytest.mark.parametrize(("part", "block"), PARTS, ids=[str(part["type"]) for part, _ in PARTS])
def test_every_chunk_comes_back_as_it_was(part: dict[str, Any], block: ir.Block) -> None:
    draft = own()
    assert decode_parts([part], "content") == [block]
    assert encode_part(block, draft, "b") == [part]
    assert not draft.report.losses
    assert not draft.report.changes


def test_references_cite_for_the_text_before_them() -> None:
    parts = [
        {"type": "text", "text": "Here"},
        {"type": "reference", "reference_ids": [0, 2], "score": 1},
        {"type": "reference", "reference_ids": ["a"]},
        {"type": "text", "text": ", there."},
    ]
    cited = ir.Text(
        "Here",
        citations=(
            ir.Citation("reference", source={"reference_ids": [0, 2]}, extra={"mistral": {"score": 1}}),
            ir.Citation("reference", source={"reference_ids": ["a"]}),
        ),
    )
    assert decode_parts(parts, "content") == [cited, ir.Text(", there.")]
    assert encode_part(cited, own(), "b") == parts[:3]


def test_texts_of_one_thinking_chunk_are_one() -> None:
    chunk = {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert decode_parts([{**chunk, "closed": True}], "content") == [ir.Thinking("ab")]


def test_a_chunk_must_be_an_object() -> None:
    with pytest.raises(WireError) as caught:
        decode_parts([{"type": "text", "text": ""}, "x"], "messages[0].content")
    assert caught.value.path == "messages[0].content[1]"


FOREIGN: list[tuple[ir.Block, list[dict[str, Any]], dict[str, str]]] = [
    (ir.Text("a", cache=ir.CacheMark()), [{"type": "text", "text": "a"}], {"b.cache": "hint"}),
    (
        ir.Text("a", citations=(ir.Citation("url", "https://x"),)),
        [{"type": "text", "text": "a"}],
        {"b.citations[0]": "quality"},
    ),
    (
        ir.Text("a", sealed=ir.Sealed("gemini", "s"), extra={"gemini": {"k": 1}}),
        [{"type": "text", "text": "a"}],
        {"b.sealed": "quality", "b.k": "hint"},
    ),
    (ir.Json({"a": 1}), [{"type": "text", "text": '{"a":1}'}], {}),
    (ir.Native("gemini", "code", {}), [], {"b": "meaning"}),
    (ir.ToolCall("c", "f"), [], {"b": "meaning"}),
    (
        ir.Media("image", data="iVBOR", detail="original"),
        [{"type": "image_url", "image_url": {"url": PNG}}],
        {"b.detail": "quality"},
    ),
    (
        ir.Media("image", "image/webp", "UklG", detail="low"),
        [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklG", "detail": "low"}}],
        {},
    ),
    (
        ir.Media("audio", "audio/wav", "UklGRg=="),
        [{"type": "input_audio", "input_audio": "UklGRg=="}],
        {},
    ),
    (ir.Media("audio", url="https://x"), [{"type": "input_audio", "input_audio": "https://x"}], {}),
    (
        ir.Media("document", data="JVBE", name="a.pdf", context="c", citable=True),
        [
            {
                "type": "document_url",
                "document_url": "data:application/pdf;base64,JVBE",
                "document_name": "a.pdf",
            }
        ],
        {"b.context": "quality", "b.citable": "quality"},
    ),
    (
        ir.Media("document", text="Words.", name="a"),
        [{"type": "text", "text": '<document title="a">\nWords.\n</document>'}],
        {},
    ),
    (
        ir.Media("document", blocks=(ir.Text("a"), ir.Media("image", data="x"), ir.Text("b"))),
        [{"type": "text", "text": "<document>\na\n\nb\n</document>"}],
        {"b.blocks[1]": "meaning"},
    ),
    (
        ir.Thinking(summary=("a", "b"), sealed=ir.Sealed("anthropic", "s")),
        [{"type": "thinking", "thinking": [{"type": "text", "text": "a\n\nb"}]}],
        {"b.sealed": "quality"},
    ),
]


@pytest.mark.parametrize(("block", "parts", "losses"), FOREIGN)
def test_what_other_dialects_say(
    block: ir.Block, parts: list[dict[str, Any]], losses: dict[str, str]
) -> None:
    draft = foreign()
    assert encode_part(block, draft, "b") == parts
    assert lost(draft.report) == losses


def test_a_refusal_is_told_as_text() -> None:
    draft = foreign()
    assert encode_part(ir.Refusal("No."), draft, "b") == [{"type": "text", "text": "No."}]
    assert [change.path for change in draft.report.changes] == ["b"]


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (ir.Media("video", data="AAAA"), "unsupported_modality"),
        (ir.Media("image", file="f-1"), "unsupported_value"),
        (ir.Media("document", file="f-1"), "unsupported_value"),
        (ir.Media("audio", file="f-1"), "unsupported_value"),
    ],
)
def test_what_no_chunk_holds_is_refused(block: ir.Media, code: str) -> None:
    with pytest.raises(WireError) as caught:
        encode_part(block, foreign(), "messages[0].blocks[1]")
    assert (caught.value.path, caught.value.code) == ("messages[0].blocks[1]", code)
