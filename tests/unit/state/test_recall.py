"""What comes back into a history: the answer as it was, for the tenant and the model that it belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.state.recall import Marks, Recalled, Scope, ask, entry, recall

replace = msgspec.structs.replace
CLAUDE = Scope("anthropic", "claude-x")
MARKS = Marks(bytes(range(32)), "tenant")
USER = ir.Message("user", (ir.Text("What is up?"),))
ID = "toolu_01ABCDEFGHIJKLMNOP"


def seal(data: str) -> ir.Sealed:
    return ir.Sealed("anthropic", data)


def thinking(data: str, text: str = "hm") -> ir.Thinking:
    return ir.Thinking(text, sealed=seal(data))


def call(name: str = "f", arguments: str = '{"a":1}', call_id: str | None = ID, **more: Any) -> ir.ToolCall:
    return ir.ToolCall(call_id, name, arguments, **more)


def native(block: ir.Block) -> ir.Native:
    """A block of the provider's own tools, as some protocol would write it."""
    assert isinstance(block, ir.ToolCall | ir.ToolResult)
    return ir.Native("anthropic", block.kind, {"id": block.id}, block.sealed)


SEARCH = ir.ToolCall("s1", "web_search", "{}", "builtin", "provider")
FOUND = ir.ToolResult("s1", kind="web_search_tool_result", by="provider", sealed=seal("F"))


def conversation(*turns: Sequence[ir.Block], asked: Sequence[ir.Message] = (USER,)) -> ir.Request:
    """What was asked, then the assistant's messages, each with the results of its calls."""
    messages = list(asked)
    for blocks in turns:
        messages.append(ir.Message("assistant", tuple(blocks)))
        results = [ir.ToolResult(b.id, (ir.Text("ok"),)) for b in blocks if isinstance(b, ir.ToolCall)]
        messages += [ir.Message("user", (result,)) for result in results] or [USER]
    return ir.Request("openai_chat", "m", tuple(messages))


class Memory:
    """A vault without bounds, and the two things that are done with it."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def answered(
        self,
        blocks: Sequence[ir.Block],
        request: ir.Request | None = None,
        *,
        marks: Marks = MARKS,
        scope: Scope = CLAUDE,
        unsealed: bool = False,
    ) -> bool:
        """Keep an answer; whether anything was kept."""
        _, before = ask(request or conversation(), marks, search=False)
        kept = entry(blocks, before, scope, marks, unsealed=unsealed, native=native)
        if kept is not None:
            self.entries.update(dict.fromkeys(kept[0], kept[1]))
        return kept is not None

    def recalled(self, request: ir.Request, *, marks: Marks = MARKS, scope: Scope = CLAUDE) -> Recalled:
        questions, _ = ask(request, marks)
        return recall(request, questions, self.entries, scope, marks)


def spoken(blocks: Sequence[ir.Block]) -> list[ir.Block]:
    """What a chat client sends back of an answer: one text, then the calls."""
    text = "".join(block.text for block in blocks if isinstance(block, ir.Text))
    calls = [
        replace(block, sealed=None)
        for block in blocks
        if isinstance(block, ir.ToolCall) and block.by == "client"
    ]
    return [*([ir.Text(text)] if text else []), *calls]


def there_and_back(answer: Sequence[ir.Block], sent: Sequence[ir.Block] | None = None) -> Recalled:
    memory = Memory()
    assert memory.answered(answer)
    return memory.recalled(conversation(spoken(answer) if sent is None else sent))


def blocks(recalled: Recalled, index: int = 1) -> list[ir.Block]:
    return list(recalled.request.messages[index].blocks)


# --- Answers come back as they were ---------------------------------------------------------------

ANSWERS: dict[str, list[ir.Block]] = {
    "thinking before a call": [thinking("1"), call()],
    "thinking, words, a call": [thinking("1"), ir.Text("Let me see."), call()],
    "thinking without words": [thinking("1", ""), call()],
    "redacted thinking": [
        thinking("1"),
        ir.Thinking(sealed=seal("R"), redacted=True),
        ir.Text("So."),
        call(),
    ],
    "thinking between calls": [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2")],
    "thinking between texts": [thinking("1"), ir.Text("One. "), thinking("2"), ir.Text("Two.")],
    "the first of parallel calls is signed": [
        call(sealed=seal("1")),
        call("g", "{}", ID + "2"),
        call("f", "{}", ID + "3"),
    ],
    "signed text": [ir.Text("Hello.", sealed=seal("1"))],
    "signed texts side by side": [
        ir.Text("A", sealed=seal("1")),
        ir.Text("B"),
        ir.Text("C", sealed=seal("2")),
    ],
    "a signed empty text at the end": [ir.Text("Hello."), ir.Text("", sealed=seal("1"))],
    "a signed empty text after a call": [call(), ir.Text("", sealed=seal("1"))],
    "words after a call": [ir.Text("A"), call(sealed=seal("1")), ir.Text("B", sealed=seal("2"))],
    "two calls alike": [call(call_id=ID + "1", sealed=seal("1")), call(call_id=ID + "2", sealed=seal("2"))],
    "a free-text call": [thinking("1"), call("sh", " ls -l ", kind="custom")],
    "a call of the legacy kind": [thinking("1"), ir.ToolCall(None, "f", '{"a":1}', kind="legacy")],
    "a lone surrogate": [thinking("1"), ir.Text("\ud83d")],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_an_answer_comes_back_as_it_was(answer: list[ir.Block]) -> None:
    recalled = there_and_back(answer)
    assert blocks(recalled) == answer
    assert recalled.messages == {1}
    assert not recalled.losses


PROVIDED: dict[str, list[ir.Block]] = {
    "before the words": [SEARCH, FOUND, ir.Text("A"), ir.Text("B")],
    "between thinking": [thinking("1"), SEARCH, FOUND, thinking("2"), ir.Text("A")],
    "between words": [ir.Text("A\n"), SEARCH, FOUND, ir.Text("B"), SEARCH, ir.Text("C")],
    "beside a call": [SEARCH, FOUND, ir.Text("A"), SEARCH, call()],
    "after a call": [call(), SEARCH, FOUND],
    "alone": [thinking("1"), SEARCH, FOUND],
}


@pytest.mark.parametrize("answer", PROVIDED.values(), ids=list(PROVIDED))
def test_what_the_providers_own_tools_did_comes_back(answer: list[ir.Block]) -> None:
    recalled = there_and_back(answer)
    ran = ir.ToolCall | ir.ToolResult
    expected = [
        native(block) if isinstance(block, ran) and block.by == "provider" else block for block in answer
    ]
    assert blocks(recalled) == expected
    assert not recalled.losses


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


WORDS = st.text(min_size=1, max_size=5)
BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda text, data: thinking(data, text), st.text(max_size=3), WORDS),
        st.builds(lambda text, data: ir.Text(text, sealed=data and seal(data)), WORDS, st.none() | WORDS),
        st.builds(lambda data: ir.Text("", sealed=seal(data)), WORDS),
        st.builds(
            lambda name, number, data: call(name, json.dumps({"n": number}), sealed=data and seal(data)),
            WORDS,
            st.integers(),
            st.none() | WORDS,
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(BLOCKS)
def test_any_answer_with_something_to_show_comes_back(answer: list[ir.Block]) -> None:
    numbered = [
        replace(block, id=f"{ID}{place}") if isinstance(block, ir.ToolCall) else block
        for place, block in enumerate(answer)
    ]
    memory = Memory()
    shown = bool(spoken(numbered))
    worth = any(getattr(block, "sealed", None) is not None for block in numbered)
    assert memory.answered(numbered) == (shown and worth)
    recalled = memory.recalled(conversation(spoken(numbered)))
    # without anything kept the client's own form stays
    assert blocks(recalled) == (numbered if shown and worth else spoken(numbered))
    assert not recalled.losses


def test_earlier_answers_come_back_too() -> None:
    memory = Memory()
    first: list[ir.Block] = [thinking("1"), call()]
    second: list[ir.Block] = [thinking("2"), ir.Text("Done.")]
    memory.answered(first)
    memory.answered(second, conversation(spoken(first)))
    recalled = memory.recalled(conversation(spoken(first), spoken(second)))
    assert (blocks(recalled, 1), blocks(recalled, 3)) == (first, second)
    assert recalled.messages == {1, 3}


# --- What clients do to what they send back -------------------------------------------------------


def test_arguments_may_be_written_otherwise() -> None:
    answer: list[ir.Block] = [thinking("1"), call(arguments='{"b":[1.5,"é"],"a":{}}')]
    rewritten = call(arguments='{ "a": {},\n "b": [1.5, "\\u00e9"] }')
    assert blocks(there_and_back(answer, [rewritten])) == [thinking("1"), rewritten]


@pytest.mark.parametrize("stated", ["", "{}", " { } "])
def test_no_arguments_are_an_empty_object(stated: str) -> None:
    assert blocks(there_and_back([call(arguments="", sealed=seal("1"))], [call(arguments=stated)])) == [
        call(arguments=stated, sealed=seal("1"))
    ]


@pytest.mark.parametrize("trimmed", ["Let me see.", "Something else", None])
def test_words_may_be_changed_beside_a_call(trimmed: str | None) -> None:
    """The thinking and the call's seal come back; the words stay the client's."""
    answer: list[ir.Block] = [thinking("1"), ir.Text("Let me see.\n"), call(sealed=seal("2"))]
    words = [] if trimmed is None else [ir.Text(trimmed)]
    recalled = there_and_back(answer, [*words, replace(call(), cache=ir.CacheMark())])
    expected = replace(call(sealed=seal("2")), cache=ir.CacheMark())
    assert blocks(recalled) == [thinking("1"), *words, expected]
    assert not recalled.losses


def test_words_may_be_cut_into_parts() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("One. Two."), call()]
    parts: list[ir.Block] = [ir.Text("One. "), ir.Text("Two.", cache=ir.CacheMark())]
    assert blocks(there_and_back(answer, [*parts, call()])) == [thinking("1"), *parts, call()]


def test_a_text_without_calls_may_be_trimmed() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("Hello.\n")]
    assert blocks(there_and_back(answer, [ir.Text("Hello.")])) == [thinking("1"), ir.Text("Hello.")]


def test_texts_may_be_joined_with_blank_lines() -> None:
    answer: list[ir.Block] = [ir.Text("A\n", sealed=seal("1")), thinking("2"), ir.Text("B"), ir.Text("\nC")]
    assert blocks(there_and_back(answer, [ir.Text("A\n\n\nB\n\n\nC")])) == answer
    assert blocks(there_and_back(answer, [ir.Text("A\n, B\n\n\nC"), call()]))[-1] == call()


def test_a_changed_text_gets_no_seal() -> None:
    recalled = there_and_back([ir.Text("Hello.\n", sealed=seal("1"))], [ir.Text("Hello.")])
    assert blocks(recalled) == [ir.Text("Hello.")]
    [(where, reason)] = recalled.losses
    assert (where, "left out" in reason) == ("messages[1]", True)


def test_marks_of_the_client_stay_on_joined_texts() -> None:
    answer: list[ir.Block] = [ir.Text("A", sealed=seal("1")), ir.Text("B", sealed=seal("2"))]
    recalled = there_and_back(answer, [ir.Text("AB", cache=ir.CacheMark("1h"))])
    assert blocks(recalled) == [answer[0], ir.Text("B", sealed=seal("2"), cache=ir.CacheMark("1h"))]


def test_calls_may_be_cut_into_messages() -> None:
    answer: list[ir.Block] = [
        thinking("1"),
        ir.Text("Both."),
        call(sealed=seal("2")),
        thinking("3"),
        call("g", "{}", ID + "2"),
        ir.Text("", sealed=seal("4")),
    ]
    memory = Memory()
    memory.answered(answer)
    recalled = memory.recalled(conversation([ir.Text("Both."), call()], [call("g", "{}", ID + "2")]))
    assert blocks(recalled, 1) == answer[:4]
    assert blocks(recalled, 3) == answer[4:]
    assert not recalled.losses


@pytest.mark.parametrize("words", ["Both.", "Something else."])
def test_words_before_calls_may_be_a_message_of_their_own(words: str) -> None:
    """As in a protocol of items. What was thought comes before them, if they are what was answered."""
    answer: list[ir.Block] = [thinking("1"), ir.Text("Both."), call(), call("g", "{}", ID + "2")]
    memory = Memory()
    memory.answered(answer)
    apart = [
        ir.Message("assistant", (block,)) for block in (ir.Text(words), call(), call("g", "{}", ID + "2"))
    ]
    earlier = [ir.Message("assistant", (ir.Text("Hello."),)), USER]
    request = replace(conversation(), messages=(USER, *earlier, *apart, USER))
    recalled = memory.recalled(request)
    if words == "Both.":
        assert blocks(recalled, 3) == answer[:2]
        assert blocks(recalled, 4) == [call()]
    else:
        assert blocks(recalled, 3) == [ir.Text(words)]
        assert blocks(recalled, 4) == [thinking("1"), call()]
    assert blocks(recalled, 1) == [ir.Text("Hello.")]
    assert not recalled.losses


def test_reasoning_that_the_client_shows_counts_once() -> None:
    """A client that sends `reasoning_content` back has the words; the signed original takes their place."""
    answer: list[ir.Block] = [thinking("1", "I think."), call()]
    shown = ir.Thinking("I think.", form="reasoning_content")
    assert blocks(there_and_back(answer, [shown, call()])) == answer


def test_a_call_left_out_is_a_loss_of_its_seal() -> None:
    answer: list[ir.Block] = [call(sealed=seal("1")), call("g", "{}", ID + "2")]
    recalled = there_and_back(answer, [call("g", "{}", ID + "2")])
    assert blocks(recalled) == [call("g", "{}", ID + "2")]
    assert [where for where, _ in recalled.losses] == ["messages[1]"]


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


WITHOUT_IDS: dict[str, list[ir.Block]] = {
    "one call": [thinking("1"), call()],
    "two calls": [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2", sealed=seal("3"))],
    "two calls alike": [call(call_id=ID + "1", sealed=seal("1")), call(call_id=ID + "2", sealed=seal("2"))],
}


def dropped(blocks: Sequence[ir.Block]) -> list[ir.Block]:
    """The blocks, the ids of calls dropped."""
    return [replace(block, id=None) if isinstance(block, ir.ToolCall) else block for block in blocks]


def without_ids(blocks: Sequence[ir.Block]) -> list[ir.Block]:
    """What a client sends back that drops the ids of calls, as Ollama's do."""
    return dropped(spoken(blocks))


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


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1)], ids=["another first call", "the same first call"])
@pytest.mark.parametrize("id_", [ID, None])
def test_calls_without_ids_keep_their_order(order: tuple[int, ...], id_: str | None) -> None:
    """Another answer to the same prompt had the same calls in another order, which is all that tells whose
    their results are.
    """
    made = [call(name, "{}", id_ and id_ + name, sealed=seal(name)) for name in ("f", "g", "h")]
    memory = Memory()
    memory.answered([thinking("1"), *made])
    sent = conversation(without_ids([made[place] for place in order]))
    recalled = memory.recalled(sent)
    assert recalled.request is sent
    assert len(recalled.losses) == (order[0] == 0)


def test_a_seal_of_the_clients_own_stays_and_the_rest_comes_back() -> None:
    """Some clients bring the seals of calls (`extra_content`), and thinking or empty texts of none."""
    answer: list[ir.Block] = [thinking("1"), call(sealed=seal("2")), ir.Text("", sealed=seal("3"))]
    recalled = there_and_back(answer, [call(sealed=seal("other"))])
    assert blocks(recalled) == [thinking("1"), call(sealed=seal("other")), ir.Text("", sealed=seal("3"))]
    assert not recalled.losses


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


def test_thinking_that_the_client_brings_of_elsewhere_stays_alone() -> None:
    answer: list[ir.Block] = [thinking("1"), call(sealed=seal("2"))]
    other = thinking("of another answer")
    assert blocks(there_and_back(answer, [other, call()])) == [other, call(sealed=seal("2"))]


def test_a_sealed_text_is_not_cut() -> None:
    answer: list[ir.Block] = [thinking("1"), ir.Text("A"), ir.Text("B"), call()]
    own = ir.Text("AB", sealed=seal("2"))
    assert blocks(there_and_back(answer, [own, call()])) == [thinking("1"), own, call()]


def test_one_of_two_thoughts_that_the_client_brings_stays_in_its_place() -> None:
    answer: list[ir.Block] = [thinking("1"), call(), thinking("2"), call("g", "{}", ID + "2")]
    sent = [answer[1], answer[2], answer[3], ir.Thinking("hm")]
    assert blocks(there_and_back(answer, sent)) == answer


def test_what_was_not_answered_here_stays_as_it_is() -> None:
    memory = Memory()
    memory.answered([thinking("1"), call()])
    sent = conversation([ir.Text("Hello.")], [call(call_id=ID + "x")])
    recalled = memory.recalled(sent)
    assert recalled.request is sent
    assert (recalled.messages, list(recalled.losses)) == (frozenset(), [])


# --- Whose it is ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([ir.Text("ab"), ir.Text("c")], [ir.Text("a"), ir.Text("bc")]),
        ([ir.Thinking("hm"), ir.Text("a")], [ir.Text("a")]),
        ([ir.Text("a", sealed=seal("1"))], [ir.Text("a")]),
        ([call(arguments='{"a": 1}')], [call()]),
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


# --- What is worth keeping ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "unsealed", "kept"),
    [
        ([ir.Text("Hello.")], True, False),
        ([call()], True, False),
        ([ir.Thinking("hm"), ir.Text("Hello.")], False, False),
        ([ir.Thinking("hm"), ir.Text("Hello.")], True, True),
        ([ir.Thinking(), call()], True, False),
        ([ir.Thinking(summary=("hm",)), call()], True, True),
        ([thinking("1", ""), call()], False, True),
        ([thinking("1")], True, False),  # nothing that a client could send back
        ([thinking("1"), ir.Text("")], True, False),
        ([], True, False),
        ([SEARCH], False, True),
    ],
)
def test_only_what_must_return_is_kept(answer: list[ir.Block], unsealed: bool, kept: bool) -> None:
    assert Memory().answered(answer, unsealed=unsealed) is kept


def test_reasoning_without_a_seal_comes_back_where_it_is_wanted() -> None:
    memory = Memory()
    answer: list[ir.Block] = [ir.Thinking("hm", form="reasoning_content"), call()]
    memory.answered(answer, unsealed=True)
    assert blocks(memory.recalled(conversation([call()]))) == answer
    own = ir.Thinking("as the client says", form="reasoning_content")
    recalled = memory.recalled(conversation([own, call()]))
    assert blocks(recalled) == [own, call()]
    assert not recalled.losses


def test_two_answers_alike_each_get_their_reasoning() -> None:
    memory = Memory()
    answer: list[ir.Block] = [ir.Thinking("hm"), ir.Text("Wait.")]
    memory.answered(answer, unsealed=True)
    memory.answered(answer, conversation(answer[1:]), unsealed=True)
    recalled = memory.recalled(conversation(answer[1:], answer[1:]))
    assert (blocks(recalled, 1), blocks(recalled, 3)) == (answer, answer)


def test_reasoning_without_a_seal_is_left_where_nobody_wants_it() -> None:
    recalled = there_and_back([ir.Thinking("shown"), call(sealed=seal("1"))])
    assert blocks(recalled) == [call(sealed=seal("1"))]


def test_what_is_kept_tells_no_words_but_thoughts() -> None:
    _, before = ask(conversation(), MARKS)
    secret = "a most unusual sentence"
    answer: list[ir.Block] = [thinking("1"), ir.Text(secret), call(arguments=json.dumps({"x": secret}))]
    kept = entry(answer, before, CLAUDE, MARKS, unsealed=False)
    assert kept is not None
    assert secret.encode() not in kept[1]
    assert ID.encode() not in b"".join((*kept[0], kept[1]))


def test_a_call_of_a_tool_that_the_clients_protocol_defines_gets_its_seals_back() -> None:
    made = call("shell", '{"commands":["ls"]}', kind="builtin")
    item = ir.Native("openai_responses", "shell_call", {"call_id": ID}, stands_for=made)
    recalled = there_and_back([thinking("1"), replace(made, sealed=seal("c"))], [item])
    assert blocks(recalled) == [thinking("1"), replace(made, sealed=seal("c"))]
    assert list(recalled.losses) == []
    other = replace(item, stands_for=replace(made, id="toolu_01ZZZZZZZZZZZZZZZZZ"))
    untouched = there_and_back([thinking("1"), made], [other])
    assert blocks(untouched) == [other]
