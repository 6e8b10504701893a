"""Pictures that other models draw, for Ollama's clients, and what these send back of them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ollama._types import ChatResponse

from dragoman import ir
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama.pictures import read as parts
from tests.unit.dialects.ollama.speaking import PNG, USER, foreign, read, reply, sent, written

URL = f"data:image/png;base64,{PNG}"
PICTURE = ir.Media("image", "image/png", PNG)
ANSWERS: list[tuple[tuple[ir.Block, ...], str]] = [
    ((PICTURE,), f"![image]({URL})"),
    ((ir.Text("Here:"), PICTURE), f"Here:\n\n![image]({URL})"),
    ((ir.Text("Two:"), PICTURE, PICTURE), f"Two:\n\n![image]({URL})\n\n![image]({URL})"),
    ((PICTURE, ir.Text("That is it.")), f"![image]({URL})\n\nThat is it."),
]


def answered(*blocks: ir.Block) -> ir.Response:
    return ir.Response("another", "id", "m", candidates=(ir.Candidate(blocks, ir.Stop("end")),))


def bare(blocks: tuple[ir.Block, ...]) -> list[Any]:
    """What blocks hold, without how they were written."""
    return [block.data if isinstance(block, ir.Media) else getattr(block, "text", block) for block in blocks]


@pytest.mark.parametrize(("blocks", "content"), ANSWERS)
def test_a_picture_is_told_and_read_back(blocks: tuple[ir.Block, ...], content: str) -> None:
    """The official client reads it, whole and streamed; sent back, the blocks are those of the answer."""
    body = DIALECT.response.encode(answered(*blocks), reply())
    assert ChatResponse.model_validate(body).message.content == content
    lines = sent(ir.unfold(answered(*blocks)))
    assert "".join(ChatResponse.model_validate(line).message.content or "" for line in lines) == content
    request = read(USER, {"role": "assistant", "content": content})
    assert bare(request.messages[1].blocks) == bare(blocks)
    assert written(request)["messages"][1] == {"role": "assistant", "content": content}


def test_a_large_picture_is_told_in_several_lines() -> None:
    """Go's client takes lines of half a megabyte."""
    large = ir.Media("image", "image/jpeg", "A" * 1_000_000)
    encoder = DIALECT.stream.encoder(reply())
    lines = b"".join(map(encoder.feed, ir.unfold(answered(ir.Text("Look."), large)))).splitlines()
    assert max(map(len, lines)) < 512 * 1024
    content = "".join(json.loads(line)["message"]["content"] for line in lines)
    assert content == f"Look.\n\n![image](data:image/jpeg;base64,{large.data})"


def test_one_that_is_elsewhere_is_named() -> None:
    picture = ir.Media("image", url="https://a.example/a.png", form="images+index")
    body = DIALECT.response.encode(answered(picture), reply())
    assert body["message"]["content"] == "![image](https://a.example/a.png)"


def test_another_model_gets_the_picture_itself() -> None:
    request = read(USER, {"role": "assistant", "content": f"Here. ![a b]({URL})\n"}, USER)
    assert request.messages[1].blocks == (
        ir.Text("Here."),
        ir.Media("image", "image/png", PNG, form=" ![a b](|)\n"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "![a](https://a.example/a.png)",
        f"[a]({URL})",
        f"![a]({URL}",
        "![a](data:image/png;base64,)",
        "![a](data:text/html;base64,AAAA)",
    ],
)
def test_other_markdown_stays_text(text: str) -> None:
    assert parts(text) == [ir.Text(text)]


def test_a_history_of_others_is_not_touched() -> None:
    """A user's words are the user's; an assistant's picture goes to a user's message for Ollama's models."""
    assert read({"role": "user", "content": f"![a]({URL})"}).messages[0].blocks == (ir.Text(f"![a]({URL})"),)
    body = written(foreign(ir.Message("user", (ir.Text("Draw."),)), ir.Message("assistant", (PICTURE,))))
    assert [message["role"] for message in body["messages"] if "images" in message] == ["user"]


@pytest.mark.parametrize(
    "piece", ["![", "![a](data:image/png;base64,", " ", "![a](data:image/png;base64,AA)"]
)
def test_reading_costs_one_pass(piece: str) -> None:
    def cost(times: int) -> float:
        text = piece * times + "](data:image/"
        start = time.process_time()
        parts(text)
        return time.process_time() - start

    assert cost(40_000) < 20 * cost(10_000) + 0.05
