"""Every call of a client's tool leaves with an id of its own, the same whole and streamed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.identify import Identify

TOKEN = "0123456789abcdef0123456789abcdef"


def answer(*candidates: Sequence[ir.Block]) -> ir.Response:
    return ir.Response(
        "t",
        candidates=tuple(
            ir.Candidate(tuple(blocks), ir.Stop("tool"), index) for index, blocks in enumerate(candidates)
        ),
    )


def ids(response: ir.Response) -> list[list[str | None]]:
    return [[b.id for b in c.blocks if isinstance(b, ir.ToolCall)] for c in response.candidates]


def streamed(response: ir.Response) -> ir.Response:
    step = Identify(TOKEN)
    return ir.fold(event for one in ir.unfold(response) for event in step.feed(one))


def test_an_answer_with_ids_passes_unchanged() -> None:
    response = answer([ir.Text("a"), ir.ToolCall("x", "f"), ir.ToolCall("y", "f")])
    assert Identify(TOKEN).whole(response) is response
    for event in ir.unfold(response):
        assert next(iter(Identify(TOKEN).feed(event))) is event


@pytest.mark.parametrize("missing", [None, ""])
def test_missing_ids_are_made(missing: str | None) -> None:
    response = answer(
        [ir.Text("a"), ir.ToolCall(missing, "f"), ir.ToolCall("x", "f"), ir.ToolCall(missing, "f")]
    )
    [[first, second, third]] = ids(Identify(TOKEN).whole(response))
    assert (first, second, third) == (f"call_{TOKEN[:24]}_1", "x", f"call_{TOKEN[:24]}_3")


def test_an_id_that_was_seen_is_replaced() -> None:
    response = answer([ir.ToolCall("call_0", "f"), ir.ToolCall("call_0", "g"), ir.ToolCall("call_1", "h")])
    assert ids(Identify(TOKEN).whole(response)) == [["call_0", f"call_{TOKEN[:24]}_1", "call_1"]]


def test_other_calls_are_linked_otherwise() -> None:
    """A provider's own call has its result beside it; a legacy call has no id by its nature."""
    blocks: list[ir.Block] = [
        ir.ToolCall(None, "web_search", kind="builtin", by="provider"),
        ir.ToolCall(None, "f", kind="legacy"),
    ]
    response = answer(blocks)
    assert Identify(TOKEN).whole(response) is response
    assert streamed(response) == response


def test_a_call_repeated_whole_keeps_its_id() -> None:
    """An authoritative Close replaces what came before, but not the id that the client has seen."""
    step = Identify(TOKEN)
    [opened] = step.feed(ir.Open(0, ir.ToolCall(None, "f")))
    [closed] = step.feed(ir.Close(0, ir.ToolCall("late", "f", "{}")))
    assert isinstance(opened, ir.Open)
    assert isinstance(closed, ir.Close)
    assert opened.block == ir.ToolCall(f"call_{TOKEN[:24]}_0", "f")
    assert closed.block == ir.ToolCall(f"call_{TOKEN[:24]}_0", "f", "{}")


CALLS = st.lists(
    st.builds(ir.ToolCall, st.none() | st.sampled_from(["", "a", "b"]), st.just("f"), st.just("{}"))
    | st.builds(ir.Text, st.just("x")),
    max_size=6,
)


@given(st.lists(CALLS, min_size=1, max_size=3))
def test_all_ids_are_unique_legal_and_the_same_streamed(candidates: list[list[ir.Block]]) -> None:
    response = answer(*candidates)
    named = Identify(TOKEN).whole(response)
    assert streamed(response) == named
    given_ids = [one for candidate in ids(named) for one in candidate]
    assert len(set(given_ids)) == len(given_ids)
    assert all(one and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", one) for one in given_ids)
    assert Identify(TOKEN).whole(named) is named
