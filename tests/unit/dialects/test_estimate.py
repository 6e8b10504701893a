"""Usage for answers that come without any, and for no others."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.estimate import EstimateUsage, cost_so_far, said_so_far, whole_cost
from dragoman.engine.steps import through
from dragoman.tokens import count

ASKED = ir.Request("here", "alias", (ir.Message("user", (ir.Text("Say something long."),)),))
WORDS = "Something long, in several words. " * 10
STATED = ir.Usage(input=1, output=2)


def answer(*blocks: ir.Block, usage: ir.Usage | None = None) -> ir.Response:
    return ir.Response("there", "id", "m", candidates=(ir.Candidate(blocks, ir.Stop("end")),), usage=usage)


def streamed(response: ir.Response) -> ir.Usage | None:
    """The usage that a stream of this answer ends with, which every reader of streams must accept."""
    step = EstimateUsage(ASKED, "gpt-4o")
    checker = ir.Checker()
    events = through([step], list(ir.unfold(response)))
    for event in events:
        checker.add(event)
    incomplete = response.usage is not None and response.usage.stated and response.usage.output is None
    assert [type(event) for event in events].count(ir.Tally) in {1, 1 + incomplete}
    return ir.fold(events).usage


def whole(response: ir.Response) -> ir.Usage | None:
    return EstimateUsage(ASKED, "gpt-4o").whole(response).usage


@pytest.mark.parametrize("told", [whole, streamed])
def test_what_was_stated_stays(told: object) -> None:
    assert callable(told)
    assert told(answer(ir.Text(WORDS), usage=STATED)) == STATED
    for nothing in (ir.Usage(input=0, output=0), ir.Usage(cache_read=5, output=0)):
        assert told(answer(ir.Text(WORDS), usage=nothing)) == nothing


@pytest.mark.parametrize("told", [whole, streamed])
def test_an_answer_that_is_not_stated_is_counted(told: object) -> None:
    assert callable(told)
    said, thought = ir.Text(WORDS), ir.Thinking("Let me think. " * 8)
    usage = told(answer(thought, said, usage=ir.Usage(input=3)))
    assert (usage.input, usage.estimated) == (3, True)
    assert 60 <= usage.output <= 90
    assert 24 <= usage.reasoning <= 36
    usage = told(answer(thought, said, usage=ir.Usage(input=3, reasoning=7)))
    assert (usage.input, usage.reasoning, usage.estimated) == (3, 7, True)
    assert 60 <= usage.output <= 90
    for silent in (ir.Usage(input=3), ir.Usage(input=3, reasoning=7)):
        assert told(answer(usage=silent)) == silent  # some providers leave out a count of 0


@pytest.mark.parametrize("told", [whole_cost, cost_so_far])
def test_so_is_one_of_a_stream_that_was_only_passed_on(told: object) -> None:
    assert callable(told)
    events = [*ir.unfold(answer(ir.Text(WORDS), usage=ir.Usage(input=3)))]
    usage = told(ASKED, "gpt-4o", events, 2.0, ir.Usage(input=3, reasoning=7))
    assert (usage.input, usage.reasoning, usage.estimated) == (3, 7, True)
    assert 120 <= usage.output <= 180


def test_a_later_count_of_the_answer_replaces_the_estimate() -> None:
    step = EstimateUsage(ASKED, "gpt-4o")
    first, last = ir.Tally(ir.Usage(input=3)), ir.Tally(ir.Usage(input=3, output=4))
    said: list[ir.Event] = [ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS), ir.Close(0)]
    events = [ir.Start("there"), first, *said, ir.Finish(ir.Stop("end")), last, ir.End()]
    assert through([step], events) == events


@pytest.mark.parametrize("told", [whole, streamed])
def test_what_was_not_is_counted(told: object) -> None:
    assert callable(told)
    usage = told(answer(ir.Thinking("Let me think. " * 8), ir.Text(WORDS), ir.ToolCall("1", "f", '{"a": 1}')))
    assert usage.estimated
    assert usage.input == count(ASKED, "gpt-4o").tokens
    assert 70 <= usage.output <= 110
    assert 24 <= usage.reasoning <= 36
    silent = told(answer())
    assert (silent.output, silent.reasoning, silent.estimated) == (0, None, True)


CACHED = ir.Usage(cache_read=5, cache_write=2, detail={"web_search_requests": 3})


@pytest.mark.parametrize("told", [whole, streamed])
def test_counts_of_a_cache_alone_stay_and_the_rest_is_counted(told: object) -> None:
    assert callable(told)
    usage = told(answer(ir.Text(WORDS), usage=CACHED))
    assert (usage.cache_read, usage.cache_write, usage.detail) == (5, 2, {"web_search_requests": 3})
    assert usage.input_total == count(ASKED, "gpt-4o").tokens
    assert 70 <= usage.output <= 110
    assert usage.estimated
    impossible = told(answer(ir.Text(WORDS), usage=ir.Usage(cache_read=-5)))
    assert (impossible.cache_read, impossible.input) == (None, count(ASKED, "gpt-4o").tokens)


@pytest.mark.parametrize("ended", [True, False])
def test_so_do_those_of_a_stream_that_was_only_passed_on(*, ended: bool) -> None:
    events = [*ir.unfold(answer(ir.Text(WORDS)))]
    told = whole_cost if ended else cost_so_far
    usage = told(ASKED, "gpt-4o", events, 1.0, CACHED)
    assert (usage.cache_read, usage.cache_write, usage.detail) == (5, 2, {"web_search_requests": 3})
    assert usage.input_total == count(ASKED, "gpt-4o").tokens
    assert usage.output is not None
    assert usage.output >= 70


def test_every_candidate_counts() -> None:
    one = ir.Candidate((ir.Text(WORDS),), ir.Stop("end"))
    two = ir.Response("there", candidates=(one, ir.Candidate((ir.Text(WORDS),), ir.Stop("end"), 1)))
    for told in (whole, streamed):
        single, double = told(answer(ir.Text(WORDS))), told(two)
        assert single is not None
        assert double is not None
        assert single.output is not None
        assert double.output in range(2 * single.output - 1, 2 * single.output + 2)


def test_blocks_that_come_whole_count_too() -> None:
    def said(*blocks: ir.Block) -> tuple[int | None, int | None]:
        step = EstimateUsage(ASKED, "gpt-4o")
        events: list[ir.Event] = [ir.Start("there")]
        for place, block in enumerate(blocks):
            events += [ir.Open(place, block), ir.Close(place)]
        usage = ir.fold(through([step], [*events, ir.Finish(ir.Stop("end")), ir.End()])).usage
        assert usage is not None
        return usage.output, usage.reasoning

    words, _ = said(ir.Text(WORDS))
    assert words is not None
    assert 60 <= words <= 90
    assert said(ir.Thinking(WORDS), *[ir.Text(WORDS)] * 3) == (3 * words, words)


def test_usage_at_the_start_is_usage() -> None:
    step = EstimateUsage(ASKED, "gpt-4o")
    events: list[ir.Event] = [ir.Start("there", usage=STATED), ir.End()]
    assert through([step], events) == events


def test_a_stream_that_breaks_gets_nothing() -> None:
    step = EstimateUsage(ASKED, "gpt-4o")
    events: list[ir.Event] = [ir.Start("there"), ir.Error(ir.Fault("upstream", "broke"))]
    assert through([step], events) == events


@given(st.lists(st.text(max_size=40), max_size=5))
def test_pieces_count_like_their_whole(pieces: list[str]) -> None:
    def said(*texts: str) -> int:
        step = EstimateUsage(ASKED, "gpt-4o")
        events: list[ir.Event] = [ir.Start("there"), ir.Open(0, ir.Text(""))]
        events += [ir.TextDelta(0, text) for text in texts]
        events += [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]
        usage = ir.fold(through([step], events)).usage
        assert usage is not None
        assert usage.output is not None
        return usage.output

    assert said(*pieces) == said("".join(pieces))


OUTPUT = ir.Usage(output=2)
IMPOSSIBLE = ir.Usage(input=10**15, output=2)


@pytest.mark.parametrize("told", [whole, streamed])
def test_impossible_counts_are_none(told: object) -> None:
    assert callable(told)
    usage = told(answer(ir.Text(WORDS), usage=IMPOSSIBLE))
    assert usage == told(answer(ir.Text(WORDS)))
    assert usage.estimated


@pytest.mark.parametrize("told", [whole, streamed])
def test_a_prompt_that_is_not_stated_is_counted(told: object) -> None:
    assert callable(told)
    prompt = count(ASKED, "gpt-4o").tokens
    usage = told(answer(ir.Text(WORDS), usage=OUTPUT))
    assert usage == ir.Usage(prompt, output=2, estimated=True)
    cached = ir.Usage(cache_read=5, output=2)
    assert told(answer(ir.Text(WORDS), usage=cached)) == cached


def test_the_latest_counts_of_a_stream_are_completed() -> None:
    prompt = count(ASKED, "gpt-4o").tokens
    step = EstimateUsage(ASKED, "gpt-4o")
    events: list[ir.Event] = [
        ir.Start("there", usage=IMPOSSIBLE),
        ir.Tally(ir.Usage(output=1)),
        ir.Tally(OUTPUT),
        ir.End(),
    ]
    counted = [ir.Tally(ir.Usage(prompt, output=said, estimated=True)) for said in (1, 2)]
    assert through([step], events) == [ir.Start("there"), *counted, ir.End()]


@pytest.mark.parametrize("ended", [True, False])
def test_a_stream_that_was_only_passed_on(ended: bool) -> None:
    """For the records of the gateway. Its client may not have been told any usage."""
    prompt = count(ASKED, "gpt-4o").tokens
    events: list[ir.Event] = [ir.Start("there"), ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS)]

    def cost(stated: ir.Usage | None) -> ir.Usage:
        told = whole_cost if ended else cost_so_far
        return told(ASKED, "gpt-4o", events, 1.0, stated)

    guess = cost(None)
    assert (guess.input, guess.estimated) == (prompt, True)
    assert guess.output in range(70, 110)
    assert cost(IMPOSSIBLE) == guess
    assert cost(OUTPUT) == ir.Usage(prompt, output=2, estimated=True)
    assert cost(STATED) == STATED


def test_searches_of_a_stream_that_breaks_off_are_counted() -> None:
    """Those that came, also beside a count of the beginning; not those that failed."""
    calls = [ir.ToolCall(str(n), "web_search", "{}", "builtin", "provider") for n in range(3)]
    failed = ir.ToolResult("1", (), error=True, kind="web_search_tool_result", by="provider")
    drawn = ir.Native("openai_responses", "web_search_call", {"type": "web_search_call"})
    blocks: list[ir.Block] = [*calls, failed, drawn]
    began = ir.Usage(input=9, output=1, detail={"web_search_requests": 0})
    final = ir.Usage(input=9, output=5, detail={"web_search_requests": 1})
    for first, latest, searches in ((None, None, 3), (began, began, 3), (began, final, 1)):
        events: list[ir.Event] = [ir.Start("there", usage=first)]
        for place, block in enumerate(blocks):
            events += [ir.Open(place, block), ir.Close(place)]
        usage = cost_so_far(ASKED, "m", events, 1.0, latest)
        assert usage.detail == {"web_search_requests": searches}


def test_uses_of_tools_stay_beside_impossible_counts() -> None:
    stated = ir.Usage(input=-1, output=5, detail={"web_search_requests": 3, "input_audio": 7})
    events: list[ir.Event] = [ir.Start("there"), ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS)]
    for told in (
        whole_cost(ASKED, "gpt-4o", events, 1.0, stated),
        cost_so_far(ASKED, "gpt-4o", events, 1.0, stated),
        whole(answer(ir.Text(WORDS), usage=stated)),
        streamed(answer(ir.Text(WORDS), usage=stated)),
    ):
        assert told is not None
        assert (told.detail, told.estimated) == ({"web_search_requests": 3}, True)
        assert told.input == count(ASKED, "gpt-4o").tokens
        assert told.output in range(70, 110)


def test_the_output_is_estimated_if_an_impossible_count_follows_a_possible_one() -> None:
    """As in a Messages stream, whose first event states the prompt's tokens."""
    begun = ir.Usage(input=9, output=1)
    events: list[ir.Event] = [ir.Start("there", usage=begun), ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS)]
    usage = whole_cost(ASKED, "gpt-4o", [*events, ir.Tally(begun), *events[2:]], 1.0, IMPOSSIBLE)
    assert usage.output in range(140, 220)


@pytest.mark.parametrize(("began", "output"), [(500, 500), (1, 85)])
def test_the_output_of_a_start_stays_if_it_is_more_than_the_estimated_one(began: int, output: int) -> None:
    step = EstimateUsage(ASKED, "gpt-4o")
    start = ir.Start("there", usage=ir.Usage(output=began))
    events: list[ir.Event] = [start, ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS), ir.Close(0), ir.End()]
    *_, tally, _ = through([step], events)
    assert tally == ir.Tally(ir.Usage(count(ASKED, "gpt-4o").tokens, output=output, estimated=True))


# --- How long a running stream is -----------------------------------------------------------------------


def test_a_stream_that_states_its_usage_early_is_measured_all_the_same() -> None:
    """Anthropic states the prompt and the first token in Start; Gemini states counts in each event."""
    text: list[ir.Event] = [ir.Open(0, ir.Text("")), *[ir.TextDelta(0, WORDS)] * 9]
    plain = said_so_far("m", [ir.Start("there"), *text], 2.0)
    assert plain > 500
    begun = ir.Usage(input=10, output=1)
    assert said_so_far("m", [ir.Start("there", usage=begun), *text], 2.0) == plain
    assert said_so_far("m", [ir.Start("there"), ir.Tally(begun), *text], 2.0) == plain


def test_a_stream_is_as_long_as_it_states_if_that_is_more() -> None:
    hidden = ir.Tally(ir.Usage(input=10, output=3, reasoning=700))
    events: list[ir.Event] = [ir.Start("there"), hidden, ir.TextDelta(0, WORDS)]
    assert said_so_far("m", events, 2.0) == 703
    absurd = ir.Tally(ir.Usage(input=10, output=-5))
    assert said_so_far("m", [*events, absurd], 2.0) == 703


@pytest.mark.parametrize(
    "begun", [ir.Usage(input=9, cache_read=1), ir.Usage(input=9, cache_read=1, output=1)]
)
@pytest.mark.parametrize("by_tally", [False, True])
def test_a_prompt_that_was_stated_before_the_answer_is_not_estimated(begun: ir.Usage, by_tally: bool) -> None:
    step = EstimateUsage(ASKED, "gpt-4o")
    start = ir.Start("there", usage=None if by_tally else begun)
    events: list[ir.Event] = [start, ir.Open(0, ir.Text("")), ir.TextDelta(0, WORDS), ir.Close(0)]
    if by_tally:
        events.append(ir.Tally(msgspec.structs.replace(begun, output=None)))
    events += [ir.Finish(ir.Stop("end")), ir.Tally(ir.Usage(output=5)), ir.End()]
    usage = ir.fold(through([step], events)).usage
    assert usage == ir.Usage(input=9, cache_read=1, output=5)
