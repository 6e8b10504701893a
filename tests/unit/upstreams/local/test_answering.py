"""A model's text as IR events: legal in any split, and never less than was said."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.upstreams.local.answering import CandidateDecoder
from dragoman.upstreams.local.protocol import Delta, Done, Finish, TokenProb

CALL = '{"name": "weather", "arguments": {"city": "Paris"}}'


def answered(
    pieces: Sequence[str | Delta],
    *,
    forced: bool = False,
    chosen: frozenset[str] = frozenset(),
    finish: Finish = "stop",
    sequence: str | None = None,
) -> tuple[list[ir.Event], ir.Candidate]:
    """The events of an answer, checked against the grammar, and what they add up to."""
    ids = (f"call_{number}" for number in itertools.count())
    answer = CandidateDecoder(0, forced=forced, chosen=chosen, new_id=lambda: next(ids))
    events: list[ir.Event] = [ir.Start("local")]
    for piece in pieces:
        events += answer.feed(piece if isinstance(piece, Delta) else Delta(1, piece))
    events += [*answer.finish(Done(1, finish, len(pieces), sequence)), ir.End()]
    checker = ir.Checker()
    for event in events:
        checker.add(event)
    return events, ir.fold(events).candidates[0]


def test_prose_streams_as_it_comes() -> None:
    events, candidate = answered(["Par", "is", "."])
    assert [event.text for event in events if isinstance(event, ir.TextDelta)] == ["Par", "is", "."]
    assert candidate.blocks == (ir.Text("Paris."),)
    assert candidate.stop == ir.Stop("end")


@pytest.mark.parametrize(
    ("finish", "sequence", "stop"),
    [
        ("length", None, ir.Stop("length")),
        ("context", None, ir.Stop("context")),
        ("sequence", "\n", ir.Stop("sequence", sequence="\n")),
    ],
)
def test_the_reason_is_told(finish: Finish, sequence: str | None, stop: ir.Stop) -> None:
    assert answered(["a"], finish=finish, sequence=sequence)[1].stop == stop


def test_an_answer_of_nothing_is_an_empty_text() -> None:
    assert answered([])[1].blocks == (ir.Text(""),)


def test_log_probabilities_ride_on_their_text() -> None:
    prob = TokenProb(5, b"\xc3", -0.5, (TokenProb(6, b"a", -1.0),))
    _, candidate = answered([Delta(1, "é", (prob, prob)), Delta(1, "b")])
    top = (ir.Logprob("a", -1.0, (97,), (), 6),)
    one = ir.Logprob("\ufffd", -0.5, (0xC3,), top, 5)
    assert candidate.blocks == (ir.Text("éb", logprobs=(one, one)),)


@given(st.lists(st.integers(1, len(CALL) - 1), max_size=10))
def test_a_forced_call_is_a_call_in_any_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CALL)]
    _, candidate = answered([CALL[a:b] for a, b in itertools.pairwise(edges)], forced=True)
    assert candidate.blocks == (ir.ToolCall("call_0", "weather", '{"city": "Paris"}'),)
    assert candidate.stop == ir.Stop("tool")


def test_the_arguments_of_a_forced_call_stream() -> None:
    events, _ = answered(list(CALL), forced=True)
    deltas = [event.text for event in events if isinstance(event, ir.ArgsDelta)]
    assert deltas == list('{"city": "Paris"}')


def test_a_forced_call_that_is_cut_off_keeps_what_there_is_of_it() -> None:
    _, candidate = answered([CALL[:-6]], forced=True, finish="length")
    assert candidate.blocks == (ir.ToolCall("call_0", "weather", '{"city": "Pa'),)
    assert candidate.stop == ir.Stop("length")


def test_a_forced_call_that_names_no_tool_yet_is_shown_as_text() -> None:
    assert answered([CALL[:12]], forced=True, finish="length")[1].blocks == (ir.Text(CALL[:12]),)


CHOSEN = frozenset({"weather", "now"})


@given(st.lists(st.integers(1, len(CALL) - 1), max_size=10))
def test_a_chosen_call_is_a_call_in_any_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CALL)]
    _, candidate = answered([CALL[a:b] for a, b in itertools.pairwise(edges)], chosen=CHOSEN)
    assert candidate.blocks == (ir.ToolCall("call_0", "weather", '{"city": "Paris"}'),)
    assert candidate.stop == ir.Stop("tool")


def test_several_chosen_calls_are_several_blocks() -> None:
    tagged = "".join(f'<tool_call>{{"name": "{name}"}}</tool_call>' for name in ("weather", "now"))
    _, candidate = answered([tagged], chosen=CHOSEN)
    assert candidate.blocks == (ir.ToolCall("call_0", "weather", "{}"), ir.ToolCall("call_1", "now", "{}"))


def test_prose_beside_tools_streams_as_soon_as_it_cannot_be_a_call() -> None:
    events, candidate = answered(['{"na', "tion", "al", '"}'], chosen=CHOSEN)
    deltas = [event.text for event in events if isinstance(event, ir.TextDelta)]
    assert deltas == ['{"na', "tion", "al", '"}']
    assert candidate.stop == ir.Stop("end")


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_what_only_looked_like_a_call_is_text(finish: Finish) -> None:
    text = CALL[:-1] if finish == "stop" else CALL
    _, candidate = answered([text], chosen=CHOSEN, finish=finish)
    assert candidate.blocks == (ir.Text(text),)
