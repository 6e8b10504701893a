"""Answers, conversations, and a vault without bounds, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman import ir
from dragoman.state.entry import entry
from dragoman.state.marks import Marks, Scope
from dragoman.state.recall import Recalled, ask, recall

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


def dropped(blocks: Sequence[ir.Block]) -> list[ir.Block]:
    """The blocks, the ids of calls dropped."""
    return [replace(block, id=None) if isinstance(block, ir.ToolCall) else block for block in blocks]


def without_ids(blocks: Sequence[ir.Block]) -> list[ir.Block]:
    """What a client sends back that drops the ids of calls, as Ollama's do."""
    return dropped(spoken(blocks))
