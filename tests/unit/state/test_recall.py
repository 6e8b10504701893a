"""What comes back into a history, for the model that it belongs to."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.state.marks import Scope
from tests.unit.state.remembering import (
    CLAUDE,
    FOUND,
    ID,
    SEARCH,
    USER,
    Memory,
    blocks,
    call,
    conversation,
    native,
    replace,
    seal,
    spoken,
    there_and_back,
    thinking,
    without_ids,
)


def test_the_example_of_the_module() -> None:
    """As the docstring of `recall` tells it."""
    asked = '{"city": "Paris"}'
    answer: list[ir.Block] = [
        thinking("EqQBCkYI", "They mean Paris in France."),
        ir.Text("Let me look."),
        call("get_weather", asked, "toolu_01A09q90qw"),
    ]
    sent: list[ir.Block] = [
        ir.Text("Let me look."),
        call("get_weather", asked, "toolu_01A09q90qw"),
    ]
    memory = Memory()
    assert memory.answered(answer)
    assert blocks(memory.recalled(conversation(sent))) == answer
    elsewhere = memory.recalled(conversation(sent), scope=Scope("anthropic", "another"))
    assert (blocks(elsewhere), len(elsewhere.losses)) == (sent, 1)


def test_a_client_that_holds_what_those_tools_did_lacks_nothing() -> None:
    memory = Memory()
    answer: list[ir.Block] = [thinking("1"), SEARCH, FOUND, ir.Text("A")]
    memory.answered(answer)
    for own in (FOUND, native(FOUND)):
        sent = conversation([SEARCH, own, ir.Text("A")])
        assert memory.recalled(sent).request is sent


def test_media_come_back_with_their_seals() -> None:
    image = ir.Media("image", "image/png", "iVBORw0=", sealed=seal("1"))
    recalled = there_and_back(
        [thinking("2"), ir.Text("Here."), image],
        [ir.Text("Here."), replace(image, sealed=None, form="images")],
    )
    assert blocks(recalled) == [thinking("2"), ir.Text("Here."), replace(image, form="images")]


def test_a_picture_in_a_message_of_its_own_gets_its_seal() -> None:
    """Clients of the Responses API send each item by itself."""
    memory = Memory()
    image = ir.Media("image", "image/png", "iVBORw0=", sealed=seal("1"))
    memory.answered([ir.Text("Here."), image])
    apart = [ir.Message("assistant", (one,)) for one in (ir.Text("Here."), replace(image, sealed=None))]
    recalled = memory.recalled(conversation(asked=[USER, *apart, USER]))
    assert blocks(recalled, 1) == [ir.Text("Here.")]
    assert blocks(recalled, 2) == [image]
    assert not recalled.losses
    another = ir.Message("assistant", (replace(image, data="iVBORw1=", sealed=None),))
    assert blocks(memory.recalled(conversation(asked=[USER, another]))) == list(another.blocks)


def test_earlier_answers_come_back_too() -> None:
    memory = Memory()
    first: list[ir.Block] = [thinking("1"), call()]
    second: list[ir.Block] = [thinking("2"), ir.Text("Done.")]
    memory.answered(first)
    memory.answered(second, conversation(spoken(first)))
    recalled = memory.recalled(conversation(spoken(first), spoken(second)))
    assert (blocks(recalled, 1), blocks(recalled, 3)) == (first, second)
    assert recalled.messages == {1, 3}


def test_a_changed_call_gets_nothing_and_is_a_loss() -> None:
    recalled = there_and_back([thinking("1"), call()], [call(arguments='{"a":2}')])
    assert blocks(recalled) == [call(arguments='{"a":2}')]
    assert not recalled.messages
    [(where, reason)] = recalled.losses
    assert (where, "differs from the provider's response" in reason) == ("messages[1]", True)


def test_a_changed_call_beside_a_true_one() -> None:
    other = call("g", "{}", ID + "2", sealed=seal("2"))
    changed = replace(other, arguments='{"x":0}', sealed=None)
    recalled = there_and_back([thinking("1"), call(), other], [call(), changed])
    assert blocks(recalled) == [thinking("1"), call(), changed]
    assert [where for where, _ in recalled.losses] == ["messages[1]"]


WITHOUT_IDS: dict[str, list[ir.Block]] = {
    "one call": [thinking("1"), call()],
    "two calls": [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2", sealed=seal("3"))],
    "two calls alike": [call(call_id=ID + "1", sealed=seal("1")), call(call_id=ID + "2", sealed=seal("2"))],
}


@pytest.mark.parametrize("answer", WITHOUT_IDS.values(), ids=list(WITHOUT_IDS))
def test_calls_that_come_back_without_ids_are_known_in_their_conversation(answer: list[ir.Block]) -> None:
    memory = Memory()
    memory.answered(answer)
    sent = without_ids(answer)
    recalled = memory.recalled(conversation(sent))
    assert [
        replace(block, id=None) if isinstance(block, ir.ToolCall) else block for block in answer
    ] == blocks(recalled)
    assert not recalled.losses
    other = conversation(sent, asked=[ir.Message("user", (ir.Text("What else?"),))])
    assert memory.recalled(other).request is other


def test_a_later_answer_to_a_history_without_ids_comes_back_too() -> None:
    """Each answer is told by a conversation that lacks the ids of the calls before it."""
    memory = Memory()
    first: list[ir.Block] = [thinking("1"), call()]
    second: list[ir.Block] = [thinking("2"), call(call_id=ID + "2")]
    memory.answered(first)
    memory.answered(second, conversation(without_ids(first)))
    recalled = memory.recalled(conversation(without_ids(first), without_ids(second)))
    assert recalled.messages == {1, 3}
    assert blocks(recalled, 1)[0] == thinking("1")
    assert blocks(recalled, 3)[0] == thinking("2")


def test_a_changed_call_without_an_id_gets_nothing() -> None:
    """Nothing tells which call it was, so it is no loss either."""
    recalled = there_and_back([thinking("1"), call()], without_ids([call(arguments='{"a":2}')]))
    assert (recalled.messages, list(recalled.losses)) == (frozenset(), [])


def test_a_client_that_brings_everything_lacks_nothing() -> None:
    memory = Memory()
    answer: list[ir.Block] = [
        thinking("1"),
        ir.Text("A", sealed=seal("2")),
        thinking("3", ""),
        call(sealed=seal("4")),
    ]
    memory.answered(answer)
    sent = conversation(answer)
    recalled = memory.recalled(sent)
    assert recalled.request is sent
    assert (recalled.messages, list(recalled.losses)) == (frozenset(), [])


def test_what_was_not_answered_here_stays_as_it_is() -> None:
    memory = Memory()
    memory.answered([thinking("1"), call()])
    sent = conversation([ir.Text("Hello.")], [call(call_id=ID + "x")])
    recalled = memory.recalled(sent)
    assert recalled.request is sent
    assert (recalled.messages, list(recalled.losses)) == (frozenset(), [])


@pytest.mark.parametrize("answer", [[thinking("1"), call()], [thinking("1"), ir.Text("Hello.")]])
@pytest.mark.parametrize("scope", [Scope("anthropic", "claude-y"), Scope("other", "claude-x")])
def test_another_model_gets_nothing_and_it_is_a_loss(answer: list[ir.Block], scope: Scope) -> None:
    memory = Memory()
    memory.answered(answer)
    sent = conversation(spoken(answer))
    recalled = memory.recalled(sent, scope=scope)
    assert recalled.request is sent
    assert list(recalled.losses) == [
        ("messages[1]", "its reasoning and signatures are valid only for anthropic/claude-x")
    ]


@pytest.mark.parametrize(
    "sent",
    [[ir.Text("Hello.")], [replace(call(), id=None)], [call(call_id="call_0")]],
    ids=["text", "no id", "counted"],
)
def test_models_that_answer_alike_are_told_apart(sent: list[ir.Block]) -> None:
    """Several are asked the same, and each conversation goes on with its own."""
    memory = Memory()
    scopes = [CLAUDE, Scope("anthropic", "claude-y"), Scope("other", "claude-x")]
    answered = [replace(sent[0], id=ID) if sent == [replace(call(), id=None)] else sent[0]]
    for number, scope in enumerate(scopes):
        memory.answered([thinking(str(number)), *answered], scope=scope)
    for number, scope in enumerate(scopes):
        recalled = memory.recalled(conversation(sent), scope=scope)
        assert blocks(recalled) == [thinking(str(number)), *sent]
        assert not recalled.losses


def test_a_text_belongs_to_its_conversation() -> None:
    memory = Memory()
    memory.answered([thinking("1"), ir.Text("Yes.")])
    other = ir.Message("user", (ir.Text("What else?"),))
    sent = conversation([ir.Text("Yes.")], asked=[other])
    assert memory.recalled(sent).request is sent


def test_a_call_of_a_tool_that_the_clients_protocol_defines_gets_its_seals_back() -> None:
    made = call("shell", '{"commands":["ls"]}', kind="builtin")
    item = ir.Native("openai_responses", "shell_call", {"call_id": ID}, stands_for=made)
    recalled = there_and_back([thinking("1"), replace(made, sealed=seal("c"))], [item])
    assert blocks(recalled) == [thinking("1"), replace(made, sealed=seal("c"))]
    assert list(recalled.losses) == []
    other = replace(item, stands_for=replace(made, id="toolu_01ZZZZZZZZZZZZZZZZZ"))
    untouched = there_and_back([thinking("1"), made], [other])
    assert blocks(untouched) == [other]
