"""Reasoning is found at the beginning of a text, wherever the text is cut. Other text is not held longer than
a tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.prompted.reading import Begun, CallReader, Piece, Thought
from dragoman.dialects.prompted.thoughts import ThoughtReader

LONGEST = len(" " * 8 + "<think>")


def joined(pieces: Sequence[Piece]) -> tuple[str, str]:
    """(the reasoning, the plain text) of the pieces."""
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Thought))
    return thought, "".join(piece for piece in pieces if isinstance(piece, str))


def read(parts: Sequence[str], *, inside: bool = False, inner: CallReader | None = None) -> tuple[str, str]:
    reader = ThoughtReader(inner, inside=inside)
    pieces = [piece for part in parts for piece in reader.feed(part)]
    return joined([*pieces, *reader.close()])


TEXTS = [
    ("<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes."),
    ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
    ("\n <think>\na\n\nb</think>\n\n\nYes.\n", "a\n\nb", "\nYes.\n"),
    ("<think>\n\n</think>\n\nYes.", "", "Yes."),
    ("<think></think>", "", ""),
    ("<think>\nIs 1 </think 2 or 1 < 2?\n\n</thin", "Is 1 </think 2 or 1 < 2?\n\n</thin", ""),
    ("<think>\nnever ends", "never ends", ""),
    ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
    ("Yes.", "", "Yes."),
    ("<thin ice", "", "<thin ice"),
    ("<thinking>no</thinking>", "", "<thinking>no</thinking>"),
    ("Say <think>no</think>.", "", "Say <think>no</think>."),
    ("         <think>too far", "", "         <think>too far"),
    ("  <thi", "", "  <thi"),
    ("", "", ""),
    ("<think>Größe 🙂\n</think>\nヤ", "Größe 🙂", "ヤ"),
]


@pytest.mark.parametrize(("text", "thought", "answer"), TEXTS)
def test_a_text_is_read_alike_wherever_it_is_cut(text: str, thought: str, answer: str) -> None:
    wanted = (thought, answer)
    assert read([text]) == wanted
    assert read(list(text)) == wanted
    for place in range(len(text) + 1):
        assert read([text[:place], text[place:]]) == wanted, place


OPEN = [
    ("Hm.\n</think>\n\nYes.", "Hm.", "Yes."),
    ("\nHm.</think>Yes.", "Hm.", "Yes."),
    ("<think>\nHm.\n</think>\nYes.", "Hm.", "Yes."),
    ("</think>Yes.", "", "Yes."),
    ("never ends", "never ends", ""),
]


@pytest.mark.parametrize(("text", "thought", "answer"), OPEN)
def test_the_opening_tag_may_be_missing(text: str, thought: str, answer: str) -> None:
    for place in range(len(text) + 1):
        assert read([text[:place], text[place:]], inside=True) == (thought, answer), place
    assert read(list(text), inside=True) == (thought, answer)


@pytest.mark.parametrize("text", ["Yes.", "<thought>", "< 3", "    x", "\n\n\n\n\n\n\n\n\n\n", "<think"])
def test_plain_text_is_held_no_longer_than_the_tag(text: str) -> None:
    reader = ThoughtReader(None, inside=False)
    said = 0
    whole = text + "." * LONGEST
    for fed, character in enumerate(whole, 1):
        said += sum(len(piece) for piece in reader.feed(character) if isinstance(piece, str))
        assert fed - said <= LONGEST
    assert said == len(whole)


def test_reasoning_is_held_no_longer_than_its_end() -> None:
    reader = ThoughtReader(None, inside=False)
    reader.feed("<think>")
    said = 0
    for fed, character in enumerate("a\n</thin <\n</think b\n\n\nc", 1):
        said += sum(len(piece.text) for piece in reader.feed(character) if isinstance(piece, Thought))
        assert fed - said < len("\n</think>")


def test_calls_behind_the_reasoning_are_read() -> None:
    new = NOTATIONS["xml"].reader({"stop": {"type": "object", "properties": {}}}, single=False)
    text = "<think>call <stop></stop>?</think>\nNow: <stop></stop>"
    for place in range(len(text)):
        reader = ThoughtReader(new(), inside=False)
        pieces = [*reader.feed(text[:place]), *reader.feed(text[place:]), *reader.close()]
        assert joined(pieces)[0] == "call <stop></stop>?"
        assert joined(pieces)[1].strip() == "Now:"
        assert [piece.name for piece in pieces if isinstance(piece, Begun)] == ["stop"]


def answers(recorded: Path, api: str) -> Iterator[dict[str, Any]]:
    """The whole answers in a recording whose text begins with the tag."""
    with (recorded / f"{api}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            choices = ((json.loads(line)["response"].get("body") or {}).get("choices")) or []
            for choice in choices:
                if str(choice["message"].get("content")).startswith("<think>"):
                    yield choice


@pytest.mark.wire
@pytest.mark.parametrize(
    ("api", "least"), [("huggingface.chat", 5), ("groq.chat", 1), ("perplexity.chat", 1)]
)
def test_recorded_answers_are_divided(recorded: Path, api: str, least: int) -> None:
    found = list(answers(recorded, api))
    assert len(found) >= least
    for choice in found:
        content = choice["message"]["content"]
        thought, answer = read([content])
        assert thought
        assert "think>" not in thought + answer
        assert bool(answer) == (choice["finish_reason"] != "length")
        assert read([content[start : start + 7] for start in range(0, len(content), 7)]) == (thought, answer)
