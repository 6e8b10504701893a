"""The rows of the matrix: what the fake model answers to each, and what the client must have got."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable

import msgspec

from tests.e2e.answers.said import Said
from tests.e2e.media import pixels, png
from tests.matrix.asked import NAMES, PARIS, ROME, SPOKEN
from tests.matrix.faces.face import Way
from tests.matrix.heard import Heard
from tests.matrix.native import THERE


class Feature(msgspec.Struct, frozen=True):
    """One row. said: by a fake provider. check: what was heard, what was said (None = by a real model), how.

    ways: in which it is asked, where the face has them. continued: whether an answer goes before it.
    """

    name: str
    said: Said
    check: Callable[[Heard, Said | None, Way], None]
    ways: tuple[Way, ...] = ("whole", "streamed", "socket")
    continued: bool = False


# Text ---------------------------------------------------------------------------------------------


def _text(heard: Heard, said: Said | None, way: Way) -> None:
    assert heard.first.text
    assert said is None or heard.first.text == said.text
    assert heard.first.finish in ({"stop"} if said else {"stop", "length"})


def _stream(heard: Heard, said: Said | None, way: Way) -> None:
    _text(heard, said, way)
    assert heard.first.pieces > 1


def _used(heard: Heard, said: Said | None, way: Way) -> None:
    """What was read from a cache is told by those protocols that know of one."""
    usage = heard.usage
    assert usage is not None
    assert usage.input > 0
    assert usage.output > 0
    assert usage.total == usage.input + usage.output
    if said:
        assert (usage.input, usage.output) == (said.input_tokens, said.output_tokens)
        assert usage.cached in {0, said.cached_tokens}


def _answered(heard: Heard, said: Said | None, way: Way) -> None:
    """A real model may also call another tool."""
    if said is None and heard.first.calls:
        assert heard.first.finish == "tool_calls"
    else:
        _text(heard, said, way)


def _several(heard: Heard, said: Said | None, way: Way) -> None:
    assert len(heard.choices) == 2
    assert all(choice.text and choice.finish for choice in heard.choices)
    if said:
        assert [choice.text for choice in heard.choices] == [said.text, *said.others]


def _probable(heard: Heard, said: Said | None, way: Way) -> None:
    if heard.lost and not heard.first.tokens:
        return  # which is listed
    assert "".join(token for token, _ in heard.first.tokens) == heard.first.text
    assert {others for _, others in heard.first.tokens} == {2}


def _stopped(heard: Heard, said: Said | None, way: Way) -> None:
    assert "END" not in heard.first.text
    assert heard.first.finish in {"stop", "length"}


# Tools --------------------------------------------------------------------------------------------


def _made_calls(heard: Heard, said: Said | None, way: Way) -> None:
    calls = heard.first.calls
    if said is None and heard.free and not calls:
        _text(heard, said, way)
        return
    assert heard.first.finish == "tool_calls"
    assert calls
    assert all(id_ for id_, _, _ in calls)
    assert len({id_ for id_, _, _ in calls}) == len(calls)
    for _, name, arguments in calls:
        assert name in NAMES
        assert isinstance(json.loads(arguments)["city"], str)
    if said:
        stated = [(name, json.loads(arguments)) for _, name, arguments in said.calls]
        assert [(name, json.loads(arguments)) for _, name, arguments in calls] == stated


# Media --------------------------------------------------------------------------------------------

DRAWN = png((0, 255, 0), (1, 2, 3), (250, 240, 230))


def _drawn(heard: Heard, said: Said | None, way: Way) -> None:
    """The picture that the model drew decodes."""
    (url,) = heard.first.images
    head, _, data = url.partition(";base64,")
    assert head == "data:image/png"
    assert pixels(b64decode(data)) == [(0, 255, 0), (1, 2, 3), (250, 240, 230)]
    assert heard.first.text == "Here it is."


def _spoken(heard: Heard, said: Said | None, way: Way) -> None:
    """Every sample; a transcript where the provider has one."""
    assert heard.first.sound == SPOKEN
    assert heard.first.transcript in {"", said.transcript if said else ""}
    assert heard.first.finish == "stop"


# The form of the answer ---------------------------------------------------------------------------


def _structured(heard: Heard, said: Said | None, way: Way) -> None:
    value = json.loads(heard.first.text)
    assert set(value) == {"name", "people"}
    assert isinstance(value["name"], str)
    assert isinstance(value["people"], int)
    assert heard.first.finish == "stop"
    assert not heard.first.calls


def _reasoned(heard: Heard, said: Said | None, way: Way) -> None:
    """The thought is shown, or at least counted where the provider keeps it to itself."""
    assert heard.first.text
    if said:
        thought = heard.usage.thought if heard.usage else 0
        hidden = heard.lost or thought in {None, said.reasoning_tokens}
        assert heard.first.reasoning == said.thought or (not heard.first.reasoning and hidden)


FEATURES = (
    Feature("text", Said(), _text, ways=("whole",)),
    Feature("stream", Said("A longer answer, in pieces."), _stream, ways=("streamed", "socket")),
    Feature("usage", Said(cached_tokens=4), _used),
    Feature("tools", Said("", (PARIS,)), _made_calls),
    Feature("parallel tools", Said("", (PARIS, ROME)), _made_calls),
    Feature("tool results", Said("Sunny, at noon."), _answered),
    Feature("image in", Said("Two pixels."), _text),
    Feature("image out", Said("Here it is.", images=(DRAWN,)), _drawn),
    Feature("audio in", Said("A rising tone."), _text),
    Feature("audio out", Said("", sound=SPOKEN, transcript="Good morning."), _spoken),
    Feature("JSON schema", Said('{"name":"Paris","people":2100000}'), _structured),
    Feature(
        "reasoning", Said("42.", thought="Let me think.", seal="c2VhbA==", reasoning_tokens=3), _reasoned
    ),
    Feature("n", Said("First.", others=("Second.",)), _several),
    Feature("logprobs", Said("Probably."), _probable),
    Feature("stop", Said("One ", stop="sequence"), _stopped),
    Feature("seed", Said(), _text),  # the text is the same in every way
    Feature("continuation", Said(THERE), _text, continued=True),
    Feature("background", Said(THERE), _text, ways=("whole", "streamed")),
)
