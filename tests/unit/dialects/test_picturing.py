"""Shapes instead of sizes, addresses instead of files, several requests instead of one."""

from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.picturing import aspect, inline, joined, kind_of, lose, named, pixels, several, wanted
from dragoman.errors import WireError

ASKED = ir.ImageRequest("openai_chat", None, "A cat.")
SHAPES = ("1:1", "3:4", "4:3", "9:16", "16:9")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def asking(**fields: object) -> ir.ImageRequest:
    return msgspec.structs.replace(ASKED, **fields)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        *(("1024x1024", "1:1"), ("256X256", "1:1"), ("1792x1024", "16:9"), ("1024x1792", "9:16")),
        *(("1536x1024", "4:3"), ("1024x1536", "3:4"), ("1x99999", "9:16"), ("1100x1000", "1:1")),
    ],
)
def test_the_nearest_shape(size: str, shape: str) -> None:
    report = Report("gemini")
    assert aspect(asking(size=size), SHAPES, report, "there") == shape
    (change,) = report.changes
    assert (change.path, change.to) == ("size", "there")


def test_a_shape_that_is_asked_for() -> None:
    report = Report("gemini")
    assert aspect(asking(size="auto", aspect="auto"), SHAPES, report, "") is None
    assert aspect(asking(size="auto", aspect="9:16"), SHAPES, report, "") == "9:16"
    assert (report.changes, report.losses) == ([], [])
    with pytest.raises(WireError) as caught:
        aspect(asking(aspect="5:4"), SHAPES, report, "")
    assert caught.value.path == "aspect"


def test_a_size_beside_a_shape_is_lost() -> None:
    report = Report("gemini")
    assert aspect(asking(aspect="9:16", size="1x1"), SHAPES, report, "") == "9:16"
    assert [(loss.path, loss.severity) for loss in report.losses] == [("size", "quality")]
    assert report.changes == []


@pytest.mark.parametrize("size", ["", "x", "0x10", "10x", "10x10x10", "-1x10", "1e3x10", "100000x1", "big"])
def test_what_is_no_size(size: str) -> None:
    with pytest.raises(WireError) as caught:
        pixels(size)
    assert caught.value.path == "size"


@given(st.integers(1, 10), st.integers(1, 10), st.integers() | st.none())
def test_parts_make_as_many_as_are_asked_for(count: int, most: int, seed: int | None) -> None:
    cut = [part for _, part in several(lambda _: most)(asking(count=count, seed=seed), "m")]
    assert sum(part.count or 1 for part in cut) == count
    assert max(part.count or 1 for part in cut) <= most
    assert seed is None or len({part.seed for part in cut}) == len(cut)
    assert cut[0].seed == seed


def test_one_picture_is_asked_for_as_it_is() -> None:
    assert list(several(lambda _: 1)(ASKED, "m")) == [(0, ASKED)]


def test_answers_are_joined_and_costs_added() -> None:
    usage = ir.Usage(3, output=5, reasoning=2, detail={"input_text": 3})
    answers = [ir.ImageResponse((ir.Picture(str(n)),), "m", usage=usage) for n in range(3)]
    told = joined(answers, ASKED, "m")
    assert [one.data for one in told.pictures] == ["0", "1", "2"]
    assert told.usage == ir.Usage(9, output=15, reasoning=6, detail={"input_text": 9})
    untold = [*answers, ir.ImageResponse((ir.Picture("3"),))]
    assert joined(untold, ASKED, "m").usage is None
    assert joined(answers[:1], ASKED, "m") is answers[0]


def test_what_lies_at_addresses() -> None:
    data = ir.File(url="data:image/png;base64,AAAA")
    images = (ir.File(PNG), ir.File(url="https://a/1"), data, ir.File(url="https://a/2"), ir.File(id="f"))
    reading = named(asking(images=images))
    assert [(one.url, place) for one, place in reading.media] == [
        ("https://a/1", "images[1]"),
        ("https://a/2", "images[3]"),
    ]
    filled = reading.fill([ir.Media("image", "image/png", "QQ=="), ir.Media("image", data="Qg==")]).images
    assert [filled[at] for at in (0, 2, 4)] == [images[at] for at in (0, 2, 4)]
    assert [inline(filled[at]) for at in (1, 3)] == [("image/png", "QQ=="), ("image/png", "Qg==")]


@pytest.mark.parametrize(
    ("fields", "reads"),
    [({}, False), ({"delivery": "url"}, False), ({"delivery": "b64_json"}, True), ({"stream": True}, True)],
)
def test_what_a_client_wants_to_have(fields: dict[str, object], reads: bool) -> None:
    response = ir.ImageResponse((ir.Picture("QQ=="), ir.Picture(url="https://a/1", prompt="better")))
    reading = wanted(response, asking(**fields))
    if not reads:
        assert not reading.media
        return
    assert [place for _, place in reading.media] == ["data[1].url"]
    filled = reading.fill([ir.Media("image", "image/webp", "Qg==")])
    assert filled.pictures == (ir.Picture("QQ=="), ir.Picture("Qg==", None, "image/webp", "better"))
    assert reading.fill([ir.Media("image", url="https://a/1")]) == response  # it could not be read


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (ir.File(PNG, kind="application/octet-stream"), "image/png"),
        (ir.File(memoryview(b"RIFF0000WEBP"), "a.webp"), "image/webp"),
        (ir.File(b"?", kind="image/tiff"), "image/tiff"),
        (ir.File(b"?"), "image/png"),
        (ir.File(url="data:;base64,/9j/"), "image/jpeg"),
    ],
)
def test_what_a_file_is(file: ir.File, kind: str) -> None:
    assert inline(file)[0] == kind


@pytest.mark.parametrize("file", [ir.File(id="f"), ir.File(url="https://a/1"), ir.File(url="data:x")])
def test_what_is_no_file(file: ir.File) -> None:
    with pytest.raises(WireError):
        inline(file)


def test_what_base64_is() -> None:
    assert kind_of(b64encode(b"GIF89a" + bytes(20)).decode()) == "image/gif"
    assert kind_of("?") == kind_of("") == kind_of("AAAA") == "image/png"


def test_what_is_so_anyway_is_no_loss() -> None:
    report = Report("gemini")
    usual = asking(background="auto", quality="standard", moderation="auto", fidelity="low", partials=0)
    lose(usual, report, "Gemini", "background", "quality", "moderation", "fidelity", "partials", "style")
    assert report.losses == []
    lose(asking(background="transparent", user="me"), report, "Gemini", "background", "user")
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("background", "meaning"),
        ("user", "hint"),
    ]
