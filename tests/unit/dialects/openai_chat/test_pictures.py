"""Pictures in answers: `message.images`, and `delta.images`, as clients of OpenRouter know them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD, Quirks
from tests.unit.dialects.openai_chat.speaking import (
    FOREIGN,
    HELLO,
    answer,
    chunk,
    chunks_of,
    decoded,
    deltas_of,
    folded,
    foreign,
    lost,
    read,
    reply,
    streamed,
    told,
    written,
)

PNG = "iVBORw0KGgo="
URL = f"data:image/png;base64,{PNG}"
ENTRY: dict[str, Any] = {"type": "image_url", "image_url": {"url": URL}}
PICTURE = ir.Media("image", "image/png", PNG)


@pytest.mark.parametrize(
    ("media", "url"),
    [
        (PICTURE, URL),
        (ir.Media("image", None, PNG), URL),
        (ir.Media("image", None, "UklGRh4="), "data:image/webp;base64,UklGRh4="),
        (ir.Media("image", None, "AAAA"), "data:image/png;base64,AAAA"),
        (ir.Media("image", "image/avif", "AAAA"), "data:image/avif;base64,AAAA"),
        (ir.Media("image", url="https://x.test/a.png"), "https://x.test/a.png"),
    ],
)
def test_a_picture_is_an_entry_of_images(media: ir.Media, url: str) -> None:
    body, report = told(ir.Text("Here: "), media, ir.Text("Enjoy."))
    message = body["choices"][0]["message"]
    assert message["images"] == [{"type": "image_url", "image_url": {"url": url}}]
    assert message["content"] == "Here: Enjoy."
    assert lost(report) == {}


def test_a_picture_that_only_its_provider_can_open_is_lost() -> None:
    body, report = told(ir.Media("image", file="file-1"))
    assert "images" not in body["choices"][0]["message"]
    assert lost(report) == {"candidates[0].blocks[0]": "meaning"}


START = ir.Start(FOREIGN, "id-1", "m-1", 1)
END = (ir.Finish(ir.Stop("end")), ir.End())
WAYS: dict[str, tuple[ir.Event, ...]] = {
    "whole": (ir.Open(0, PICTURE), ir.Close(0)),
    "pieces": (
        ir.Open(0, ir.Media("image", "image/png")),
        ir.MediaDelta(0, PNG[:5]),
        ir.MediaDelta(0, PNG[5:]),
        ir.Close(0),
    ),
    "more": (ir.Open(0, ir.Media("image", None, PNG[:6])), ir.MediaDelta(0, PNG[6:]), ir.Close(0)),
    "at the end": (ir.Open(0, ir.Media("image")), ir.Close(0, PICTURE)),
    "replaced": (ir.Open(0, ir.Media("image")), ir.MediaDelta(0, "AAAA"), ir.Close(0, PICTURE)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_streamed_when_it_is_complete(way: str) -> None:
    *pieces, close = WAYS[way]
    encoder = DIALECT.stream.encoder(reply())
    before = b"".join(map(encoder.feed, (START, *pieces)))
    assert deltas_of(before) == []
    assert deltas_of(encoder.feed(close)) == [{"images": [{**ENTRY, "index": 0}]}]


def test_pictures_are_numbered_and_the_text_between_them_keeps_its_order() -> None:
    stream = streamed(
        (
            START,
            *(ir.Open(0, ir.Text("One")), ir.Close(0)),
            *(ir.Open(1, PICTURE), ir.Close(1)),
            *(ir.Open(2, ir.Text("Two")), ir.Close(2)),
            *(ir.Open(3, PICTURE), ir.Close(3)),
            *END,
        )
    )
    assert deltas_of(stream)[:-1] == [
        {"content": "One"},
        {"images": [{**ENTRY, "index": 0}]},
        {"content": "\n\nTwo"},
        {"images": [{**ENTRY, "index": 1}]},
    ]
    state = ChatCompletionStreamState()
    for one in chunks_of(stream)[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(one))
    message = state.get_final_completion().choices[0].message.model_dump()
    assert [image["image_url"] for image in message["images"]] == [{"url": URL}, {"url": URL}]


def test_each_candidate_numbers_its_own() -> None:
    pictures = [(ir.Open(0, PICTURE, one), ir.Close(0, None, one)) for one in (0, 1)]
    stream = streamed((START, *pictures[0], *pictures[1]))
    assert [delta["images"][0]["index"] for delta in deltas_of(stream)] == [0, 0]


# --- From the wire -----------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [[ENTRY], [{**ENTRY, "index": 0}, {**ENTRY, "index": 1}]])
def test_entries_come_back_as_they_were(entries: list[dict[str, Any]]) -> None:
    response = read({"content": "Hi.", "images": entries})
    pictures = [block for block in response.candidates[0].blocks if isinstance(block, ir.Media)]
    assert [(one.data, one.mime, one.extra) for one in pictures] == [(PNG, "image/png", None)] * len(entries)
    again = DIALECT.response.encode(response, reply())
    assert again["choices"][0]["message"]["images"] == entries
    stream = streamed(ir.unfold(response))
    assert [image for delta in deltas_of(stream) for image in delta.get("images", ())] == entries


def test_an_index_that_is_no_position_is_left_over() -> None:
    (picture,) = read({"content": None, "images": [{**ENTRY, "index": 7}]}).candidates[0].blocks
    assert isinstance(picture, ir.Media)
    assert picture.extra == {"openai_chat": {"index": 7}}


def test_streamed_entries_are_numbered_over_all_chunks() -> None:
    response = folded(
        chunk({"images": [{**ENTRY, "index": 0}]}), chunk({"images": [{**ENTRY, "index": 1}]}, "stop")
    )
    assert [block.extra for block in response.candidates[0].blocks if isinstance(block, ir.Media)] == [
        None,
        None,
    ]
    again = DIALECT.response.encode(response, reply())["choices"][0]["message"]
    assert again["images"] == [{**ENTRY, "index": 0}, {**ENTRY, "index": 1}]


def test_streamed_text_and_pictures_keep_their_order() -> None:
    one, two = {**ENTRY, "index": 0}, {**ENTRY, "index": 1}
    frames: list[dict[str, Any]] = [
        {"content": "a"},
        {"images": [one]},
        {"content": "b"},
        {"content": "c"},
        {"images": [two]},
    ]
    response = folded(*map(chunk, frames), chunk(finish="stop"))
    blocks = response.candidates[0].blocks
    texts = [block.text if isinstance(block, ir.Text) else None for block in blocks]
    assert texts == ["a", None, "bc", None]
    assert [delta for delta in deltas_of(streamed(ir.unfold(response))) if delta] == [
        {"content": "a"},
        {"images": [one]},
        {"content": "bc"},
        {"images": [two]},
    ]


def test_a_vendor_without_numbers_gets_its_spelling_back() -> None:
    response = DIALECT.response.decode(answer({"content": None, "images": [ENTRY]}), STANDARD)
    assert deltas_of(streamed(ir.unfold(response)))[0] == {"images": [ENTRY]}


# --- In the history ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "Here.", "images": [ENTRY]},
        {"role": "assistant", "content": "Here.", "images": [{**ENTRY, "index": 0}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Here."}, ENTRY]},
    ],
)
def test_a_picture_that_is_sent_back_is_the_assistants(message: dict[str, Any]) -> None:
    request = decoded(message, {"role": "user", "content": "Bluer."})
    assert [type(block) for block in request.messages[0].blocks] == [ir.Text, ir.Media]
    picture = request.messages[0].blocks[1]
    assert isinstance(picture, ir.Media)
    assert (picture.data, picture.mime, picture.extra) == (PNG, "image/png", None)
    assert written(request, Quirks(answer_images=True))[0]["messages"][0] == message


def test_a_vendor_that_knows_no_images_gets_them_from_the_user() -> None:
    said = {"role": "assistant", "content": "Here.", "images": [{**ENTRY, "index": 0}]}
    body, report = written(decoded(HELLO, said, {"role": "user", "content": "Bluer."}))
    assert body["messages"][1:] == [
        {"role": "assistant", "content": "Here."},
        {"role": "user", "content": [ENTRY]},
        {"role": "user", "content": "Bluer."},
    ]
    assert [change.path for change in report.changes] == ["messages[1].blocks[1]"]
    assert lost(report) == {}


def test_only_a_vendor_that_knows_them_is_relayed_to() -> None:
    messages = [HELLO, {"role": "assistant", "content": "Here.", "images": [ENTRY]}]
    for quirks, relayed in ((STANDARD, False), (Quirks(answer_images=True), True)):
        assert quirks.relays({"messages": messages}) is relayed
        assert quirks.relays({"messages": [HELLO, {"role": "assistant", "content": "Hi."}]})
    assert STANDARD.relays({"messages": [{"role": "user", "content": "Hi.", "images": ["AA"]}]})


def test_another_dialects_picture_moves_to_the_user() -> None:
    request = foreign(
        ir.Message("assistant", (ir.Text("Here."), PICTURE)), ir.Message("user", (ir.Text("Bluer."),))
    )
    body, report = written(request)
    assert body["messages"] == [
        {"role": "assistant", "content": "Here."},
        {"role": "user", "content": [ENTRY]},
        {"role": "user", "content": "Bluer."},
    ]
    assert [(change.path, change.to) for change in report.changes] == [
        ("messages[0].blocks[1]", "messages[1].content[0]")
    ]
    assert lost(report) == {}


def test_the_bytes_of_a_stream_decode_with_plain_json() -> None:
    stream = streamed((START, *WAYS["whole"], *END))
    assert msgspec.json.decode(stream.split(b"\n\n")[1][6:])["choices"][0]["delta"]["images"] == [
        {**ENTRY, "index": 0}
    ]


def test_a_vendor_that_takes_them_gets_other_protocols_pictures_of_the_assistant() -> None:
    said = ir.Message("assistant", (ir.Text("Here."), ir.Media("image", "image/png", PNG)))
    request = ir.Request("another", "m", (ir.Message("user", (ir.Text("Hi"),)), said))
    body, report = written(request, Quirks(answer_images=True))
    entry = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert body["messages"][1] == {"role": "assistant", "content": "Here.", "images": [entry]}
    assert report.changes == []
    assert [message["role"] for message in written(request)[0]["messages"]] == ["user", "assistant", "user"]
