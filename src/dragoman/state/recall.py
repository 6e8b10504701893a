"""Puts the parts of earlier answers that a client could not send back into the client's next request:
thinking, seals, and calls and results of the provider's own tools.

An example: a client of the Chat Completions protocol, and Anthropic as the upstream. Anthropic answers:

    thinking     "They mean Paris in France."   signature "EqQBCkYI"
    text         "Let me look."
    tool call    toolu_01A09q90qw get_weather {"city": "Paris"}

Chat Completions has no field for the signature, so the client's next request sends back less:

    {"role": "assistant", "content": "Let me look.", "tool_calls": [{"id": "toolu_01A09q90qw", ...}]}
    {"role": "tool", "tool_call_id": "toolu_01A09q90qw", "content": "12 degrees"}

When Anthropic answered, the vault got an entry. Its keys can be computed from the client's message:

    keys         digest of (client, "toolu_01A09q90qw", "get_weather", {"city":"Paris"}), and others
    scope        anthropic/claude-sonnet-4-5
    pieces       the thinking with its signature; digest and length of the text; digest of the call

`ask` computes the keys of the client's message, the vault finds the entry, and `recall` puts the thinking
back where it was, so that Anthropic gets its answer unchanged. A seal is valid only for the scope that issued
it. So if the request goes to another model, the message stays as the client sent it, and `recall` returns a
loss. The message also stays as it is, with a loss, if the client has changed the name or the arguments of
this call, whose id is random.

An entry is found by a call's id, name and arguments; for an answer without calls, by the conversation before
it and its text; for a picture with a seal, also by its data, URL or file id. A call whose id is not random is
found only in its conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from dragoman import ir
from dragoman.state.entry import is_provided, unpack
from dragoman.state.marks import AnswerText, Marks, Scope, client_calls, joined_text
from dragoman.state.remembered import Remembered

replace = msgspec.structs.replace


class Question(msgspec.Struct, frozen=True):
    """The vault keys under which the entry for one assistant message may be stored.

    index: the index of the message in `Request.messages`. keys: if several of them have entries, the entry of
    the first one is used, unless the model that the request goes to has an entry of its own
    (`Recalled.wanted`). hints: more keys, each made of nothing but the random id of a call; they are used
    only if no key in `keys` has an entry. An entry that is found by a hint shows that the client has changed
    the message, so nothing is put back.
    """

    index: int
    keys: tuple[bytes, ...]
    hints: tuple[bytes, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether at least one of `keys` does not depend on a random id. Such a key may find the entry of
        another model that has given the same answer.
        """
        return len(self.hints) < len(self.keys)


def ask(request: ir.Request, marks: Marks, *, search: bool = True) -> tuple[list[Question], bytes]:
    """Return the Questions for the assistant messages of a request, in order, and the digest of the complete
    conversation (`marks.Conversation`: the system prompt and all messages).

    marks: makes the keys and digests of the client that sent the request. search: False = the caller knows
    that the vault is empty, so no Questions are returned. A message with calls or results of the provider's
    own tools, or with native blocks that stand for no call of a client's tool, gets no Question: its client
    speaks the provider's protocol, so nothing is missing.
    """
    questions: list[Question] = []
    conversation = marks.conversation()
    answer: AnswerText | None = None  # the Responses protocol has a message for each text of an answer
    if request.system:
        conversation.add("system", request.system)
    for index, message in enumerate(request.messages):
        blocks = _with_calls(message.blocks)
        if not search or message.role != "assistant" or any(map(is_provided, blocks)):
            answer = None
            conversation.add(message.role, blocks)
            continue
        before = conversation.digest()
        if digests := conversation.add("assistant", blocks):
            answer = None
            keys, hints = marks.call_keys(client_calls(blocks), digests, before)
            questions.append(Question(index, tuple(keys), tuple(hints)))
        else:
            media = [marks.block_digest(block) for block in blocks if isinstance(block, ir.Media)]
            text = joined_text(blocks)
            if answer is None:
                answer, keys = marks.answer_text(before), []
            else:
                keys = [marks.text_key(before, text)]
            keys.append(answer.key(text))
            questions.append(Question(index, (*keys, *media)))
    return questions, conversation.digest()


class Recalled(msgspec.Struct, frozen=True):
    """The result of `recall`. request: the request with the blocks that were put back; the same object if
    nothing was put back.

    messages: the indices of the messages that changed. losses: (`messages[index]`, reason) for each message
    whose entry is from another provider or model, and for each earlier answer whose entry was found but not
    put back completely. wanted: more keys to look up in the vault; if one of them has an entry, `recall` must
    be called once more, with the entries of both look-ups. There are such keys if a key of a Question whose
    `shared` is True has led to the entry of another model: the model that the request goes to may have its
    own entry for the same answer. The second result has these keys too; they need no further look-up.
    """

    request: ir.Request
    messages: frozenset[int] = frozenset()
    losses: Sequence[tuple[str, str]] = ()
    wanted: Sequence[bytes] = ()


_CHANGED = "it differs from the provider's response, so its reasoning and signatures are left out"


def recall(
    request: ir.Request,
    questions: Iterable[Question],
    found: Mapping[bytes, bytes],
    scope: Scope,
    marks: Marks,
) -> Recalled:
    """Put the parts of earlier answers that the client could not send back into a copy of its request:
    thinking, seals, and calls and results of the provider's own tools. Only the parts of answers that `scope`
    gave are put back, and nothing is put back into a message for which only a hint has an entry.

    questions: from `ask` for the same messages. found: {key: entry as bytes}, what the vault has under the
    keys and hints of the Questions. scope: the provider and model that the request will be sent to. marks:
    makes the keys and digests of the client that sent the request.
    """
    messages = list(request.messages)
    entries: dict[bytes, Remembered] = {}
    losses: list[tuple[str, str]] = []
    restored: set[int] = set()
    wanted: list[bytes] = []
    for question in questions:
        where = f"messages[{question.index}]"
        stored = next((found[key] for key in question.keys if key in found), None)
        if stored is not None and question.shared and unpack(stored).scope != scope:
            own = [marks.scope_key(key, scope) for key in question.keys]
            stored = next((found[key] for key in own if key in found), stored)
            wanted += own
        changed = stored is None
        if stored is None:
            stored = next((found[key] for key in question.hints if key in found), None)
        if stored is None:
            continue
        entry = entries.get(stored)
        if entry is None:
            entry = entries[stored] = Remembered(unpack(stored), where, marks)
        if entry.kept.scope != scope:
            losses.append((where, f"its reasoning and signatures are valid only for {entry.kept.scope}"))
            entry.used.update(range(len(entry.kept.pieces)))
        elif not changed:
            places = (*_said_before(messages, question.index, entry), question.index)
            for index in places:
                sent = _with_calls(messages[index].blocks)
                later = _seals(messages[place] for place in places if place > index)
                if (blocks := entry.put_back(sent, later)) != sent:
                    messages[index] = replace(messages[index], blocks=blocks)
                    restored.add(index)
    losses += [(entry.where, _CHANGED) for entry in entries.values() if entry.lacks]
    if restored:
        request = replace(request, messages=tuple(messages))
    return Recalled(request, frozenset(restored), losses, wanted)


def _said_before(messages: Sequence[ir.Message], index: int, entry: Remembered) -> Sequence[int]:
    """Return the indices of the assistant messages directly before `index` that count as a part of the answer
    in `entry` (`Remembered.says`). The Responses protocol has a separate message for each text and each
    thought.
    """
    first = index
    while first and messages[first - 1].role == "assistant" and entry.says(messages[first - 1].blocks):
        first -= 1
    return range(first, index)


def _seals(messages: Iterable[ir.Message]) -> frozenset[ir.Sealed]:
    return frozenset(
        block.sealed
        for message in messages
        for block in message.blocks
        if isinstance(block, ir.Thinking) and block.sealed is not None
    )


def _with_calls(blocks: tuple[ir.Block, ...]) -> tuple[ir.Block, ...]:
    """Return the blocks, with each native block that stands for a tool call replaced by that call. The
    Responses protocol has special item types for some tools that the client runs.
    """
    if ir.Native not in map(type, blocks):
        return blocks
    return tuple(
        [
            call
            if isinstance(block, ir.Native) and isinstance(call := block.stands_for, ir.ToolCall)
            else block
            for block in blocks
        ]
    )
