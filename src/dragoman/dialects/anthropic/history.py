"""Another dialect's history as turns that the API accepts.

The API wants the leading system text apart, alternating turns, every result of a turn first in the next
user turn, and no call without a result. Histories of other protocols keep none of these rules, and those
that were cut or cancelled keep fewer. Each repair is a change or a loss; the same history always gives the
same bytes, or prompt caches would never hit.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.block_encoder import Scope, bare_text, encode_block, encode_mark
from dragoman.dialects.anthropic.terms import restore
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.waiting import Waiting

_Wire = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9_-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_SYSTEM_ROLES = frozenset({"system", "developer"})

CUT_OFF = "The call was never answered: it was cancelled or its result was lost."
BEGIN = "Please begin."
GO_ON = "Please continue."


def safe_id(stated: str) -> str:
    """A call's id as the API accepts it; the same id always gives the same one."""
    if _ID.fullmatch(stated):
        return stated
    digest = hashlib.blake2b(stated.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{_UNSAFE.sub('_', stated)}_{digest}".lstrip("_")


def without_pictures(messages: list[_Wire], report: Report) -> list[_Wire]:
    """Our own history with the pictures that another model drew in the user's turns that follow.

    The API takes pictures of users alone. Histories that hold none come back as they are.
    """
    if not any(_drawn(message) for message in messages):
        return messages
    out: list[_Wire] = []
    moved: list[_Wire] = []
    for index, message in enumerate(messages):
        if drawn := _drawn(message):
            report.change(
                f"messages[{index}]",
                "messages[].content[]",
                "the Messages API accepts media only in a user message: moved there",
            )
            moved += drawn
            rest = [block for block in message["content"] if block not in drawn]
            if rest:
                out.append({**message, "content": rest})
        elif moved and message["role"] == "user":
            out.append({**message, "content": _after_results(message["content"], moved)})
            moved = []
        else:
            out.append(message)
    if moved:
        out.append({"role": "user", "content": moved})
    return out


def _drawn(message: _Wire) -> list[_Wire]:
    """The pictures of an assistant's message."""
    content = message.get("content")
    if message["role"] != "assistant" or type(content) is not list:
        return []
    return [block for block in content if block.get("type") == "image"]


def _after_results(content: str | list[_Wire], moved: list[_Wire]) -> list[_Wire]:
    """A user's content with something in front of it, but for results, which come first."""
    if isinstance(content, str):
        return [*moved, {"type": "text", "text": content}]
    results = next(
        (at for at, block in enumerate(content) if block.get("type") != "tool_result"), len(content)
    )
    return [*content[:results], *moved, *content[results:]]


class _Turn:
    """One turn. results: tool results of a user turn, which come before everything else."""

    __slots__ = ("content", "results", "role")

    def __init__(self, role: str) -> None:
        self.role = role
        self.content: list[_Wire] = []
        self.results: list[_Wire] = []


def encode_history(
    request: ir.Request, target: Target, scope: Scope
) -> tuple[list[_Wire], list[_Wire], list[str]]:
    """The system blocks, the messages, and the places in IR terms of the thoughts that these hold."""
    writer = _Writer(request.messages, target, scope)
    system = writer.opening(request.system)
    writer.rest()
    return system, writer.finished(), writer.thoughts


class _Writer:
    def __init__(self, messages: tuple[ir.Message, ...], target: Target, scope: Scope) -> None:
        self.messages = messages
        self.report = target.report
        self.facts = target.facts
        self.scope = scope
        self.next = 0
        self.turns: list[_Turn] = []
        self.turn = _Turn("")
        self.pending: Waiting[str] = Waiting()  # the last assistant turn's calls, by the ids written for them
        self.ids: set[str] = set()
        self.moved: list[_Wire] = []  # an assistant's pictures, for the next user turn
        self.thoughts: list[str] = []

    # --- System text -----------------------------------------------------------------------------

    def opening(self, top: tuple[ir.Block, ...]) -> list[_Wire]:
        """The dialect's own system field and the run of system messages that opens the history."""
        system: list[_Wire] = []
        self._system_blocks(top, "system", system)
        for message in self.messages:
            if message.role not in _SYSTEM_ROLES:
                break
            self._system_blocks(message.blocks, f"messages[{self.next}].blocks", system)
            if message.name is not None or message.extra is not None or message.cache is not None:
                self._heading(message, f"messages[{self.next}]", system)
            self.next += 1
        return system

    def _system_blocks(self, blocks: tuple[ir.Block, ...], where: str, out: list[_Wire]) -> None:
        for index, block in enumerate(blocks):
            if (bare := bare_text(block)) is not None:
                out.append(bare)
            elif isinstance(block, (ir.Text, ir.Refusal, ir.Json)):
                if (wire := encode_block(block, self.scope, f"{where}[{index}]")) is not None:
                    out.append(wire)
            else:
                self.report.lose(
                    f"{where}[{index}]", "the Messages API accepts only text as system prompt", "meaning"
                )

    def _system(self, index: int, message: ir.Message) -> int:
        """System text in the middle, with the system messages that follow it. Returns the next index."""
        written: list[_Wire] = []
        end = index
        while end < len(self.messages) and self.messages[end].role in _SYSTEM_ROLES:
            self._system_blocks(self.messages[end].blocks, f"messages[{end}].blocks", written)
            self._heading(self.messages[end], f"messages[{end}]", written)
            end += 1
        if not written:
            return end
        before_answer = end == len(self.messages) or self.messages[end].role == "assistant"
        if self.facts.mid_system and self.turn.role == "user" and before_answer:
            self._begin("system")
            self.turn.content += written
            return end
        self._begin("user")
        for block in written:
            block["text"] = f"<system>\n{block['text']}\n</system>"
        self.turn.content += written
        for place in range(index, end):
            self.report.change(
                f"messages[{place}]",
                "messages[].content[].text",
                "the system message is sent as tagged text in a user message",
            )
        return end

    # --- Turns -----------------------------------------------------------------------------------

    def rest(self) -> None:
        """Everything after the opening."""
        index, messages = self.next, self.messages
        while index < len(messages):
            message = messages[index]
            if message.role in _SYSTEM_ROLES:
                index = self._system(index, message)
                continue
            if self.turn.role != message.role:
                self._begin(message.role)
            content = self.turn.content
            before = len(content)
            add = self._answer if message.role == "assistant" else self._ask
            for place, block in enumerate(message.blocks):
                bare = bare_text(block)
                if bare is not None:
                    content.append(bare)
                else:
                    add(block, f"messages[{index}].blocks[{place}]")
            if message.name is not None or message.extra is not None or message.cache is not None:
                self._heading(message, f"messages[{index}]", content[before:])
            index += 1

    def _heading(self, message: ir.Message, where: str, written: list[_Wire]) -> None:
        """What a message carries beside its blocks. A cache mark moves to the last block."""
        if message.name is not None:
            self.report.lose(f"{where}.name", "the Messages API has no author names", "hint")
        if message.cache is not None and written:
            written[-1]["cache_control"] = encode_mark(message.cache, self.report, where)
        restore({}, message.extra, self.report, where)

    def _begin(self, role: str) -> None:
        if self.turn.role == role:
            return
        if self.pending and self.turn.role == "user":
            self._settle()
        self._open(role)

    def _open(self, role: str) -> None:
        self.turn = _Turn(role)
        self.turns.append(self.turn)
        if role == "user" and self.moved:
            self.turn.content += self.moved
            self.moved.clear()

    def _answer(self, block: ir.Block, where: str) -> None:
        if isinstance(block, ir.Media):
            self._answered_media(block, where)
            return
        wire = encode_block(block, self.scope, where)
        if wire is None:
            return
        if wire["type"] == "tool_use" and isinstance(block, ir.ToolCall):
            wire["id"] = self._call_id(block, where)
        elif isinstance(block, ir.Thinking):
            self.thoughts.append(where)
        self.turn.content.append(wire)

    def _answered_media(self, block: ir.Media, where: str) -> None:
        """Assistant turns hold no media: pictures move to the user's turn, of sound its transcript stays."""
        if block.transcript:
            self.turn.content.append({"type": "text", "text": block.transcript})
            self.report.change(where, "messages[].content[].text", "the audio is sent as its transcript")
        elif block.kind not in {"image", "document"}:
            self.report.lose(
                where, f"an assistant message of the Messages API cannot contain {block.kind}", "meaning"
            )
        elif (wire := encode_block(block, self.scope, where)) is not None:
            self.moved.append(wire)
            self.report.change(
                where,
                "messages[].content[]",
                "the Messages API accepts media only in a user message: moved there",
            )

    def _call_id(self, block: ir.ToolCall, where: str) -> str:
        """An id that the API accepts and that no other call has."""
        stated = block.id
        chosen = safe_id(stated) if stated else f"call_{len(self.ids)}"
        while chosen in self.ids:
            chosen = f"{chosen}_{len(self.ids)}"
        if stated and chosen != stated:
            self.report.change(f"{where}.id", "messages[].content[].id", f"written as {chosen}")
        self.ids.add(chosen)
        self.pending.add(chosen, stated, block.name)
        return chosen

    def _ask(self, block: ir.Block, where: str) -> None:
        wire = encode_block(block, self.scope, where)
        if wire is None:
            return
        if wire["type"] != "tool_result" or not isinstance(block, ir.ToolResult):
            self.turn.content.append(wire)
        elif (call_id := self.pending.take(block.id or None, block.name)) is not None:
            wire["tool_use_id"] = call_id
            self.turn.results.append(wire)
        else:
            self._orphan(wire, block, where)

    def _orphan(self, wire: _Wire, block: ir.ToolResult, where: str) -> None:
        """A result without its call is refused: its content stays as the user's words."""
        content = wire.get("content", "")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        name = block.name or "a tool"
        self.turn.content.append({"type": "text", "text": f"Result of {name}, called earlier:"})
        self.turn.content += [one for one in blocks if one.get("text", "x")]
        self.report.change(
            where, "messages[].content[].text", "the tool result has no tool call: it is sent as text"
        )

    def _settle(self) -> None:
        """Leave a user turn: what was called before it and is still unanswered gets an error result."""
        for call_id in self.pending:
            self.turn.results.append(
                {"type": "tool_result", "tool_use_id": call_id, "content": CUT_OFF, "is_error": True}
            )
            self.report.add(
                "messages[].content[]", f"an error result for the tool call {call_id}, which has no result"
            )
        self.pending.clear()

    # --- The end ---------------------------------------------------------------------------------

    def finished(self) -> list[_Wire]:
        """The messages."""
        if self.moved or (self.pending and self.turn.role == "assistant"):
            self._open("user")
        if self.pending:
            self._settle()
        self._end()
        messages = []
        for turn in self.turns:
            content = turn.results + turn.content if turn.results else turn.content
            if len(content) == 1 and len(content[0]) == 2 and content[0]["type"] == "text":
                messages.append({"role": turn.role, "content": content[0]["text"]})
            elif content:
                messages.append({"role": turn.role, "content": content})
        if not messages or messages[0]["role"] == "assistant":
            messages.insert(0, {"role": "user", "content": BEGIN})
            self.report.add("messages[0]", "the first message must be a user message")
        return messages

    def _end(self) -> None:
        """What the last turn must be: a user's, or an assistant's to be continued where the model can."""
        if self.turn.role == "assistant" and self.turn.content:
            if self.facts.prefill is False:
                self._open("user")
                self.turn.content.append({"type": "text", "text": GO_ON})
                self.report.add("messages[-1]", "the model does not support assistant prefill")
                self.report.lose(
                    f"messages[{len(self.messages) - 1}]",
                    "the model does not support assistant "
                    "prefill: it answers this message "
                    "instead of continuing it",
                    "quality",
                )
            else:
                self._trim()

    def _trim(self) -> None:
        """White space at the end of a turn to be continued is refused."""
        last = self.turn.content[-1]
        if last["type"] != "text" or last["text"] == (text := last["text"].rstrip()):
            return
        last["text"] = text
        self.report.change(
            f"messages[{len(self.messages) - 1}]",
            "messages[-1].content",
            "the Messages API rejects trailing white space here",
        )
