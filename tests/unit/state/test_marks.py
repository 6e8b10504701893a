"""Keys and digests: of one tenant, of one conversation, and of calls with and without ids of their own."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.state.marks import Marks
from dragoman.state.recall import ask
from tests.unit.state.remembering import (
    ID,
    MARKS,
    USER,
    Memory,
    blocks,
    call,
    conversation,
    replace,
    seal,
    spoken,
    thinking,
)


@pytest.mark.parametrize("answer", [[thinking("1"), call()], [thinking("1"), ir.Text("Hello.")]])
@pytest.mark.parametrize(
    "other", [Marks(bytes(range(32)), "tenant2"), Marks(bytes(range(32)), ""), Marks(bytes(32), "tenant")]
)
def test_nothing_of_another_tenant_is_found(answer: list[ir.Block], other: Marks) -> None:
    memory = Memory()
    memory.answered(answer)
    sent = conversation(spoken(answer))
    assert memory.recalled(sent).messages == {1}
    recalled = memory.recalled(sent, marks=other)
    assert recalled.request is sent
    assert not recalled.losses


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([ir.Text("ab"), ir.Text("c")], [ir.Text("a"), ir.Text("bc")]),
        ([ir.Thinking("hm"), ir.Text("a")], [ir.Text("a")]),
        ([ir.Text("a", sealed=seal("1"))], [ir.Text("a")]),
        ([call(arguments='{"a": 1}')], [call()]),
        ([ir.Text("")], [ir.Text(""), ir.Text("")]),
        ([ir.Text("")], [ir.Thinking("hm"), ir.Text("")]),
    ],
)
def test_what_clients_may_drop_is_no_part_of_a_conversation(
    one: list[ir.Block], other: list[ir.Block]
) -> None:
    assert ask(conversation(one), MARKS)[1] == ask(conversation(other), MARKS)[1]


def test_what_a_conversation_is_made_of() -> None:
    """Each of these is another conversation."""
    image = ir.Media("image", "image/png", "AAAA")
    requests = [
        conversation(),
        conversation([ir.Text("a")]),
        conversation([ir.Text("a")], [ir.Text("")]),
        conversation([call()]),
        conversation([call(call_id="x")]),
        conversation([call("g")]),
        conversation([call(arguments="[]")]),
        conversation([ir.Text("call"), call()]),
        conversation([image]),
        conversation([replace(image, data="AAAB")]),
        conversation([replace(image, data=None, url="https://a.example/")]),
        conversation([ir.Json({"a": 1})]),
        conversation([ir.ToolResult(ID, (ir.Text("1"),))]),
        conversation([ir.ToolResult(ID, (ir.Text("2"),))]),
        replace(conversation(), system=(ir.Text("Be brief."),)),
        conversation(asked=[ir.Message("system", USER.blocks)]),
        conversation(asked=[USER, USER]),
        conversation(asked=[ir.Message("user", (*USER.blocks, *USER.blocks))]),
    ]
    assert len({ask(request, MARKS)[1] for request in requests}) == len(requests)


COUNTED = [
    "call_0",
    "0",
    "call_get_weather",
    "functions.get_weather2000:12",
    "get_weather2000",
    "12345678901234",
]
OWN = [ID, "22iommr8", "call_06376661ab", "call_962bfd2ab8f54b89a1161356_0", "chatcmpl-tool-bbb91941bf76335c"]


@pytest.mark.parametrize("call_id", COUNTED)
def test_ids_that_anybody_counts_belong_to_one_conversation(call_id: str) -> None:
    """Elsewhere the same call is another one: it gets nothing, and is no sign that this one was changed."""
    memory = Memory()
    answer: list[ir.Block] = [thinking("1"), call("get_weather2000", call_id=call_id)]
    memory.answered(answer)
    assert blocks(memory.recalled(conversation(answer[1:]))) == answer
    other = ir.Message("user", (ir.Text("What else?"),))
    sent = conversation(answer[1:], asked=[other])
    assert memory.recalled(sent).request is sent
    assert not memory.recalled(conversation([call("g", "{}", call_id)])).losses


@pytest.mark.parametrize("call_id", OWN)
def test_a_call_with_an_id_of_its_own_is_known_anywhere(call_id: str) -> None:
    """Clients that cut off the beginning of a long history keep what belongs to its end."""
    memory = Memory()
    answer: list[ir.Block] = [thinking("1"), call(call_id=call_id)]
    memory.answered(answer)
    other = ir.Message("user", (ir.Text("What else?"),))
    assert blocks(memory.recalled(conversation(answer[1:], asked=[other]))) == answer
    assert memory.recalled(conversation([call("g", "{}", call_id)])).losses
