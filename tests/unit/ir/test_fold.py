"""fold(unfold(r)) == r for any answer, and every unfolded stream obeys the grammar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir

words = st.text(max_size=6)
maybe = st.none() | words
extras = st.none() | st.dictionaries(
    st.sampled_from(["a", "b"]), st.dictionaries(words, st.integers(), min_size=1, max_size=2), min_size=1
)
items = st.none() | st.builds(ir.Item, id=maybe, status=maybe, extra=extras)
seals = st.none() | st.builds(ir.Sealed, origin=words, data=words)
logprobs = st.none() | st.lists(st.builds(ir.Logprob, token=words, logprob=st.just(-0.5)), max_size=2).map(
    tuple
)
citations = st.lists(st.builds(ir.Citation, url=maybe, title=maybe, extra=extras), max_size=2).map(tuple)
texts = st.builds(ir.Text, words, citations, logprobs, seals, items, extra=extras)
refusals = st.builds(ir.Refusal, words, logprobs, items, extra=extras)
thoughts = st.builds(
    ir.Thinking,
    words,
    st.lists(words, max_size=3).map(tuple),
    seals,
    st.just(value=False),
    items,
    extra=extras,
) | st.builds(lambda seal: ir.Thinking(sealed=seal, redacted=True), seals)
calls = st.builds(
    ir.ToolCall,
    maybe,
    words,
    words,
    st.sampled_from(["function", "custom", "builtin", "legacy"]),
    st.sampled_from(["client", "provider"]),
    item=items,
    extra=extras,
)
results = st.builds(ir.ToolResult, maybe, st.lists(texts, max_size=2).map(tuple), by=st.just("provider"))
media = st.builds(
    ir.Media, st.sampled_from(["image", "audio"]), data=maybe, transcript=maybe, id=maybe, extra=extras
)
natives = st.builds(ir.Native, words, words, st.integers(), item=items)
blocks = texts | refusals | thoughts | calls | results | media | natives
stops = st.none() | st.builds(ir.Stop, st.sampled_from(["end", "tool", "length"]), raw=maybe)
usages = st.none() | st.builds(
    ir.Usage, input=st.none() | st.integers(0, 9), output=st.none() | st.integers(0, 9)
)
candidates = st.lists(st.tuples(st.lists(blocks, max_size=4).map(tuple), stops, extras), max_size=3).map(
    lambda found: tuple(ir.Candidate(b, s, i, e) for i, (b, s, e) in enumerate(found))
)
responses = st.builds(
    ir.Response,
    dialect=words,
    id=maybe,
    model=maybe,
    created=st.none() | st.integers(0, 9),
    candidates=candidates,
    usage=usages,
    status=maybe,
    tier=maybe,
    extra=extras,
)


@given(responses)
def test_unfolding_and_folding_gives_the_same_answer(response: ir.Response) -> None:
    assert ir.fold(ir.unfold(response)) == response


@given(responses)
def test_what_is_unfolded_obeys_the_grammar(response: ir.Response) -> None:
    checker = ir.Checker()
    for event in ir.unfold(response):
        checker.add(event)
    assert checker.state == "over"


def test_a_part_far_behind_the_last_is_the_next_one() -> None:
    events: list[ir.Event] = [
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "b", part=10**9),
        ir.ThinkDelta(0, "a", part=0),
    ]
    thought = ir.fold(events).candidates[0].blocks[0]
    assert isinstance(thought, ir.Thinking)
    assert thought.summary == ("a", "b")
