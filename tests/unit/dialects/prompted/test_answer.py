"""Events with calls in the place of their text: their numbers, their order, and what belongs to a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.answer import TextCalls
from dragoman.dialects.prompted.notation import NOTATIONS

READER = NOTATIONS["xml"].reader({"stop": {"type": "object", "properties": {}}}, single=False)
CALL = "<stop></stop>"
START, FINISH, END = ir.Start("t"), ir.Finish(ir.Stop("end")), ir.End()


def passed(
    events: Iterable[ir.Event], report: Report | None = None, *, single: bool = False
) -> list[ir.Event]:
    """The events for the client; they obey the grammar."""
    calls, checker = TextCalls(READER, None, report or Report("t", "response"), single=single), ir.Checker()
    out = [one for event in events for one in calls.feed(event)]
    for event in out:
        checker.add(event)
    return out


def folded(events: Sequence[ir.Event]) -> ir.Candidate:
    return ir.fold(passed([START, *events, FINISH, END])).candidates[0]


def text(said: str, index: int = 0) -> list[ir.Event]:
    deltas: list[ir.Event] = [ir.TextDelta(index, character) for character in said]
    return [ir.Open(index, ir.Text("")), *deltas, ir.Close(index)]


def test_a_text_becomes_texts_and_calls() -> None:
    assert folded(text(f"One. {CALL} two {CALL}\n")) == ir.Candidate(
        (
            ir.Text("One. "),
            ir.ToolCall(None, "stop", "{}"),
            ir.Text(" two "),
            ir.ToolCall(None, "stop", "{}"),
        ),
        ir.Stop("tool"),
    )


def test_blocks_behind_it_get_other_numbers() -> None:
    native = ir.ToolCall("1", "native")
    blocks: list[ir.Event] = [
        ir.Open(0, ir.Thinking("")),
        ir.ThinkDelta(0, "Hm."),
        ir.Close(0),
        *text(f"a{CALL}b", 1),
        ir.Open(2, native),
        ir.ArgsDelta(2, "{}"),
        ir.Close(2),
    ]
    assert folded(blocks).blocks == (
        ir.Thinking("Hm."),
        ir.Text("a"),
        ir.ToolCall(None, "stop", "{}"),
        ir.Text("b"),
        ir.ToolCall("1", "native", "{}"),
    )


def test_blocks_that_are_open_at_once() -> None:
    events: list[ir.Event] = [
        START,
        ir.Open(0, ir.Text("")),
        ir.Open(1, ir.Thinking("")),
        ir.TextDelta(0, CALL),
        ir.ThinkDelta(1, "Hm."),
        ir.Raw("t", 1, 1),
        ir.Raw("t", 2),
        ir.Raw("t", 3, 0),
        ir.Close(0),
        ir.Close(1),
        FINISH,
        END,
    ]
    out = passed(events)
    assert [event for event in out if isinstance(event, ir.Raw)] == [
        ir.Raw("t", 1, 0),
        ir.Raw("t", 2),
        ir.Raw("t", 3),
    ]
    assert ir.fold(out).candidates[0].blocks == (ir.Thinking("Hm."), ir.ToolCall(None, "stop", "{}"))


def test_a_text_without_calls_stays_as_it_is() -> None:
    final = ir.Text("Hi.", citations=(ir.Citation(url="u"),), form="f")
    events: list[ir.Event] = [ir.Open(0, ir.Text("H", form="f")), ir.TextDelta(0, "i."), ir.Close(0, final)]
    assert folded(events) == ir.Candidate((final,), ir.Stop("end"))
    assert folded([ir.Open(0, ir.Text("")), ir.Close(0)]).blocks == (ir.Text(""),)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_final_block_is_read_only_if_no_text_came(*, at_once: bool) -> None:
    said = f"a{CALL}"
    begun: list[ir.Event] = [ir.Open(0, ir.Text(""))]
    if not at_once:
        begun.append(ir.TextDelta(0, said))
    assert folded([*begun, ir.Close(0, ir.Text(said))]).blocks == (
        ir.Text("a"),
        ir.ToolCall(None, "stop", "{}"),
    )


def test_what_belongs_to_a_text_stays_with_it() -> None:
    sealed, cited, token = ir.Sealed("t", "s"), ir.Citation(url="u"), ir.Logprob("a", -1.0)
    events: list[ir.Event] = [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "a", 0, (token,)),
        ir.TextDelta(0, "<sto", 0, (token,)),
        ir.TextDelta(0, "p></stop>", 0, (token,)),
        ir.SealDelta(0, sealed),
        ir.Cite(0, cited),
        ir.Close(0),
    ]
    assert folded(events).blocks == (
        ir.Text("a", logprobs=(token, token)),
        ir.ToolCall(None, "stop", "{}"),
        ir.Text("", sealed=sealed, citations=(cited,)),
    )


def told(events: Sequence[ir.Event]) -> tuple[tuple[ir.Block, ...], list[tuple[str, str]]]:
    """The blocks of the client, and the path and severity of each loss."""
    report = Report("t", "response")
    blocks = ir.fold(passed([START, *events, FINISH, END], report)).candidates[0].blocks
    return blocks, [(loss.path, loss.severity) for loss in report.losses]


@pytest.mark.parametrize("late", [False, True])
def test_a_citation_of_a_text_of_calls_is_reported_as_lost(late: bool) -> None:
    cite = ir.Cite(0, ir.Citation(url="u"))
    said = text(CALL)
    events: list[ir.Event] = [*said, cite] if late else [*said[:-1], cite, said[-1]]
    assert told(events) == (
        (ir.ToolCall(None, "stop", "{}"),),
        [("candidates[0].blocks[0].citations", "quality")],
    )
    after = [*events, ir.Open(1, ir.Text("")), ir.TextDelta(1, "a"), ir.Close(1), cite]
    assert told(after)[1] == [("candidates[0].blocks[0].citations", "quality")]


def test_a_citation_before_the_first_text_waits_for_it() -> None:
    cited = ir.Citation(url="u")
    said: list[ir.Event] = [ir.TextDelta(0, CALL), ir.Cite(0, cited), ir.TextDelta(0, "a")]
    blocks, losses = told([ir.Open(0, ir.Text("")), *said, ir.Close(0)])
    assert blocks == (ir.ToolCall(None, "stop", "{}"), ir.Text("a", citations=(cited,)))
    assert not losses


TOKEN = ir.Logprob("<", -1.0)


@pytest.mark.parametrize(
    ("said", "blocks"),
    [
        (("<", "b"), (ir.Text("<b", logprobs=(TOKEN, TOKEN)),)),
        (("<", "sto"), (ir.Text("<sto", logprobs=(TOKEN, TOKEN)),)),
        (("a", "<"), (ir.Text("a<", logprobs=(TOKEN, TOKEN)),)),
    ],
    ids=["decided", "at the end", "behind text"],
)
def test_log_probabilities_wait_with_a_text_that_is_held_back(
    said: tuple[str, ...], blocks: tuple[ir.Block, ...]
) -> None:
    deltas: list[ir.Event] = [ir.TextDelta(0, one, 0, (TOKEN,)) for one in said]
    assert told([ir.Open(0, ir.Text("")), *deltas, ir.Close(0)]) == (blocks, [])


def test_log_probabilities_of_a_call_are_reported_as_lost() -> None:
    call = ir.ToolCall(None, "stop", "{}")
    lost = [("candidates[0].blocks[0].logprobs", "hint")]
    deltas = [ir.TextDelta(0, one, 0, (TOKEN,)) for one in ("<stop", "></stop>", " a")]
    begun: ir.Event = ir.Open(0, ir.Text(""))
    assert told([begun, *deltas[:2], ir.Close(0)]) == ((call,), lost)
    assert told([begun, *deltas, ir.Close(0)]) == ((call, ir.Text(" a", logprobs=(TOKEN,))), lost)
    said = ir.Text(CALL, logprobs=(TOKEN,))
    whole = list(
        ir.unfold(ir.Response("t", None, None, None, (ir.Candidate((said,), ir.Stop("end")),), None))
    )
    assert told(whole[1:-2]) == ((call,), lost)


def test_an_error_reports_what_waited() -> None:
    report = Report("t", "response")
    events: list[ir.Event] = [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, CALL),
        ir.Cite(0, ir.Citation(url="u")),
    ]
    passed([START, *events, ir.Error(ir.Fault("upstream", "It broke."))], report)
    assert [loss.path for loss in report.losses] == ["candidates[0].blocks[0].citations"]


def test_an_answer_of_one_call_has_one_in_all_its_texts() -> None:
    events: list[ir.Event] = [START, *text(CALL), *text(CALL, 1), FINISH, END]
    assert ir.fold(passed(events)).candidates[0].blocks == (ir.ToolCall(None, "stop", "{}"),) * 2
    (candidate,) = ir.fold(passed(events, single=True)).candidates
    assert candidate.blocks == (ir.ToolCall(None, "stop", "{}"), ir.Text(CALL))


def test_the_stop_reason_tells_of_calls() -> None:
    for stop, seen in ((None, "tool"), (ir.Stop("end"), "tool"), (ir.Stop("length"), "length")):
        out = passed([START, *text(CALL), ir.Finish(stop), END])
        (finish,) = (event for event in out if isinstance(event, ir.Finish))
        assert finish.stop is not None
        assert finish.stop.reason == seen


def test_an_answer_that_was_cut_off_in_a_call_has_no_calls_in_its_text() -> None:
    reader = NOTATIONS["xml"].reader(
        {"stop": {}, "write": {"properties": {"content": {"type": "string"}}}}, single=False
    )
    said = f"{CALL}<write><content>{CALL} and"
    for stop, calls in ((ir.Stop("end"), 2), (ir.Stop("length"), 1)):
        texts = TextCalls(reader, None, Report("t", "response"))
        events = [START, *text(said), ir.Tally(ir.Usage()), ir.Finish(stop), END]
        out = [one for event in events for one in texts.feed(event)]
        (candidate,) = ir.fold(out).candidates
        assert sum(isinstance(block, ir.ToolCall) for block in candidate.blocks) == calls
        texts_of_it = "".join(block.text for block in candidate.blocks if isinstance(block, ir.Text))
        assert texts_of_it == f"<write><content>{CALL if calls == 1 else ''} and"


def test_a_text_ends_with_a_stream_that_states_no_reason() -> None:
    assert ir.fold(passed([START, *text("a <sto"), END])).candidates[0].blocks == (ir.Text("a <sto"),)


def test_candidates_are_numbered_for_themselves() -> None:
    both: list[ir.Event] = [START]
    for candidate in (0, 1):
        both.append(ir.Open(0, ir.Text(""), candidate))
        both.append(ir.TextDelta(0, CALL if candidate else "a", candidate))
        both.append(ir.Close(0, None, candidate))
        both.append(ir.Finish(ir.Stop("end"), candidate))
    first, second = ir.fold(passed([*both, END])).candidates
    assert (first.blocks, first.stop) == ((ir.Text("a"),), ir.Stop("end"))
    assert (second.blocks, second.stop) == ((ir.ToolCall(None, "stop", "{}"),), ir.Stop("tool"))


# Reasoning ----------------------------------------------------------------------------------------


def thought(events: Iterable[ir.Event], *, calls: bool = False) -> list[ir.Event]:
    """The events for the client if the text may begin with reasoning; they obey the grammar."""
    reader, checker = TextCalls(READER if calls else None, "tags", Report("t", "response")), ir.Checker()
    out = [one for event in [START, *events, FINISH, END] for one in reader.feed(event)]
    for event in out:
        checker.add(event)
    return out


def test_a_text_becomes_reasoning_and_text() -> None:
    events = thought(text("<think>\nHm.\n</think>\n\nYes."))
    assert ir.fold(events).candidates[0].blocks == (ir.Thinking("Hm."), ir.Text("Yes."))
    assert [type(event) for event in events if not isinstance(event, ir.ThinkDelta | ir.TextDelta)] == [
        *(ir.Start, ir.Open, ir.Close, ir.Open, ir.Close, ir.Finish, ir.End)
    ]


def test_reasoning_alone_has_no_empty_text_behind_it() -> None:
    assert ir.fold(thought(text("<think>\nHm"))).candidates[0].blocks == (ir.Thinking("Hm"),)


def test_a_final_text_does_not_replace_what_was_divided() -> None:
    whole = "<think>a</think>b"
    events: list[ir.Event] = [ir.Open(0, ir.Text("")), ir.TextDelta(0, whole), ir.Close(0, ir.Text(whole))]
    assert ir.fold(thought(events)).candidates[0].blocks == (ir.Thinking("a"), ir.Text("b"))


def test_reasoning_and_calls_in_one_text() -> None:
    events = thought(text(f"<think>a</think>b{CALL}"), calls=True)
    assert ir.fold(events).candidates[0] == ir.Candidate(
        (ir.Thinking("a"), ir.Text("b"), ir.ToolCall(None, "stop", "{}")), ir.Stop("tool")
    )


def test_only_the_first_block_of_an_answer_begins_with_reasoning() -> None:
    before: list[ir.Event] = [ir.Open(0, ir.Thinking("")), ir.ThinkDelta(0, "Hm."), ir.Close(0)]
    blocks = ir.fold(thought([*before, *text("<think>a</think>b", 1)])).candidates[0].blocks
    assert blocks == (ir.Thinking("Hm."), ir.Text("<think>a</think>b"))
    two = ir.fold(thought([*text("a"), *text("<think>b</think>", 1)])).candidates[0].blocks
    assert two == (ir.Text("a"), ir.Text("<think>b</think>"))


def test_each_candidate_has_its_own_reasoning() -> None:
    events: list[ir.Event] = []
    for candidate, said in enumerate(("<think>a</think>b", "c")):
        events.append(ir.Open(0, ir.Text(""), candidate))
        events.append(ir.TextDelta(0, said, candidate))
        events.append(ir.Close(0, None, candidate))
        if candidate:
            events.append(ir.Finish(ir.Stop("end"), candidate))
    assert [one.blocks for one in ir.fold(thought(events)).candidates] == [
        (ir.Thinking("a"), ir.Text("b")),
        (ir.Text("c"),),
    ]


@pytest.mark.parametrize("closed", [False, True])
def test_an_error_gives_the_text_that_was_held_back(closed: bool) -> None:
    said = text("Let me see. <sto")
    out = passed([START, *(said if closed else said[:-1]), ir.Error(ir.Fault("upstream", "It broke."))])
    assert "".join(one.text for one in out if isinstance(one, ir.TextDelta)) == "Let me see. <sto"
    assert isinstance(out[-1], ir.Error)
