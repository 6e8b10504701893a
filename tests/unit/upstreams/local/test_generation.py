"""When an answer ends, why, and what is counted, with a model that says what it is told to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from dragoman.upstreams.local.engine import EngineRefused
from dragoman.upstreams.local.generation import count, generate, render
from dragoman.upstreams.local.protocol import (
    Count,
    Counted,
    Delta,
    Done,
    Draw,
    Event,
    Generate,
    Invocation,
    Options,
    PromptTurn,
    Started,
    Timings,
    ToolSpec,
)
from tests.unit.upstreams.local.scripted import ScriptedModel

HI = (PromptTurn("user", "Hi"),)


def request(turns: Sequence[PromptTurn] = HI, **fields: object) -> Generate:
    return Generate(1, Options("m"), tuple(turns), **fields)  # type: ignore[arg-type]


def run(model: ScriptedModel, request: Generate) -> list[Event]:
    clock = itertools.count()
    return list(generate(model, request, lambda: False, lambda: float(next(clock))))


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def done(events: Sequence[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def test_an_answer_begins_with_the_count_of_its_prompt_and_ends_with_its_own() -> None:
    events = run(ScriptedModel([b"a", b"b"]), request())
    assert events[0] == Started(1, 2)  # <user>Hi and <assistant>
    assert said(events) == "ab"
    assert (done(events).finish, done(events).tokens) == ("stop", 2)


def test_a_count_is_that_of_the_prompt_of_an_answer() -> None:
    model = ScriptedModel([b"a"], context=1)  # which is too small for an answer, but not for counting
    assert count(model, Count(7, Options("m"), HI)) == Counted(7, 2)


@pytest.mark.parametrize(
    ("limit", "context", "finish", "tokens"),
    [
        (None, 1000, "stop", 5),
        (3, 1000, "length", 3),
        (3, 5, "length", 3),
        (9, 5, "context", 3),
        (None, 4, "context", 2),
    ],
)
def test_limits_end_an_answer(limit: int | None, context: int, finish: str, tokens: int) -> None:
    model = ScriptedModel([b"x"] * 5, context=context)
    events = run(model, request(limit=limit))
    assert (done(events).finish, done(events).tokens, model.computed) == (finish, tokens, tokens)


def test_a_stop_sequence_split_over_tokens_is_cut_exactly() -> None:
    model = ScriptedModel([b"one", b" #", b"#", b"# two", b" three"])
    events = run(model, request(stop=("###",)))
    assert said(events) == "one "
    assert (done(events).finish, done(events).sequence, done(events).tokens) == ("sequence", "###", 4)
    assert model.computed == 4


def test_what_was_held_back_comes_at_the_end() -> None:
    events = run(ScriptedModel([b"one #", b"#", b"\xf0\x9f"]), request(stop=("###",)))
    assert said(events) == "one ##\ufffd"


def test_log_probabilities_come_with_the_text_that_completes_their_token() -> None:
    fox = "🦊".encode()
    events = run(
        ScriptedModel([b"a", fox[:2], fox[2:], b"##", b" b"]),
        request(stop=("###",), draw=Draw(top_logprobs=0)),
    )
    assert [(e.text, [p.id for p in e.logprobs]) for e in events if isinstance(e, Delta)] == [
        ("a", [0]),
        ("🦊", [1, 2]),
        ("## b", [3, 4]),
    ]


def test_tokens_of_a_stop_sequence_have_no_log_probabilities_to_show() -> None:
    events = run(ScriptedModel([b"a #", b"##", b"b"]), request(stop=("###",), draw=Draw(top_logprobs=0)))
    assert [(e.text, [p.id for p in e.logprobs]) for e in events if isinstance(e, Delta)] == [
        ("a ", []),
        ("", [0]),
    ]


def test_a_prompt_that_fills_the_context_is_refused_with_both_numbers() -> None:
    with pytest.raises(
        EngineRefused, match="has 2 tokens, but the model's context window is 2 tokens"
    ) as caught:
        run(ScriptedModel([b"x"], context=2), request())
    assert caught.value.kind == "context_length"


def test_times_are_told_apart() -> None:
    model = ScriptedModel([b"a", b"b"])
    clock = iter([10.0, 12.0, 15.0])
    events = list(generate(model, request(), lambda: False, lambda: next(clock), Timings(queued=1, load=2)))
    assert done(events).timings == Timings(queued=1, load=2, prompt=2.0, answer=3.0)


def test_a_cancelled_answer_ends_without_an_end() -> None:
    model, answers = ScriptedModel([b"a"] * 9), list[Event]()
    for event in generate(model, request(), lambda: len(answers) > 2, lambda: 0.0):
        answers.append(event)
    assert not any(isinstance(event, Done) for event in answers)
    assert model.computed == 2


def test_a_last_turn_of_the_assistant_is_gone_on_with() -> None:
    model = ScriptedModel([])
    assert (
        render(model, request([*HI, PromptTurn("assistant", "The capital is")]))
        == "<user>Hi\n<assistant>The capital is"
    )


def test_a_last_turn_with_a_call_is_not() -> None:
    turns = [*HI, PromptTurn("assistant", "", (Invocation("now", "{}"),))]
    assert render(ScriptedModel([]), request(turns)).endswith(
        '<assistant>{"name": "now", "arguments": {}}\n<assistant>'
    )


def test_tools_reach_the_template_or_the_system_prompt() -> None:
    asked = request(tools=(ToolSpec("now"),))
    assert render(ScriptedModel([], takes_tools=True), asked) == "<tool>now\n<user>Hi\n<assistant>"
    assert render(ScriptedModel([]), asked).startswith("<system>You can use these tools.")


def test_a_template_that_wants_alternating_roles_gets_them() -> None:
    turns = [PromptTurn("system", "Be kind."), *HI, PromptTurn("user", "Still there?")]
    strict = ScriptedModel([], strict=True)
    assert render(strict, request(turns)) == "<user>Be kind.\n\nHi\n\nStill there?\n<assistant>"


def test_a_template_that_refuses_both_forms_says_why() -> None:
    class Refusing(ScriptedModel):
        def render(self, *_: object) -> str:
            raise EngineRefused("invalid", "no users here")

    with pytest.raises(EngineRefused, match="no users here"):
        render(Refusing([]), request())
