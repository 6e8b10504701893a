"""The assistant's message, in responses and in the history of requests, decoded and encoded.

A message has a plan (`tool_plan`, the text that the model writes before it calls tools), content parts,
calls, and citations of the plan and of the content. The plan becomes a Text with the form "tool_plan". In the
decoded message it comes after thinking at the beginning, and before all other content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import Saying as Collected
from dragoman.dialects.chat.saying import lose_unsaid, separated
from dragoman.dialects.cohere.calls import decode_call
from dragoman.dialects.cohere.citations import PLANNED, USUAL, decode_citation, encode_citations
from dragoman.dialects.cohere.parts import decode_parts, encode_part
from dragoman.dialects.cohere.terms import NAME, PLAN, narrower
from dragoman.errors import WireError

CITATIONS = "citations"


def decode_saying(message: Mapping[str, Any], where: str) -> tuple[list[ir.Block], list[Any]]:
    """Return (the blocks of an assistant message, its citations that belong to none of its texts, as they
    are). The order of the blocks: thinking at the beginning of the content, plan, the other content, calls.
    where: the message's JSON path, for errors. Raises WireError for a plan, content, part, call or source of
    a wrong type.
    """
    plan = message.get(PLAN)
    if plan is not None and type(plan) is not str:
        raise WireError("expected a string", f"{where}.{PLAN}", "invalid_type")
    planned: list[ir.Block] = [ir.Text(plan, form=PLAN)] if plan else []
    said: list[ir.Block] = []
    content = message.get("content")
    if type(content) is str:
        said.append(ir.Text(content))
    elif type(content) is list:
        said = decode_parts(content, where + ".content")
    elif content is not None:
        raise WireError("expected a string or an array", where + ".content", "invalid_type")
    left = _cite(message.get(CITATIONS) or (), planned, said)
    thoughts = next((at for at, block in enumerate(said) if not isinstance(block, ir.Thinking)), len(said))
    blocks = [*said[:thoughts], *planned, *said[thoughts:]]
    if (calls := message.get("tool_calls")) and type(calls) is list:
        blocks.extend([decode_call(call) for call in calls])
    return blocks, left


def _cite(citations: Any, planned: list[ir.Block], said: list[ir.Block]) -> list[Any]:
    """Add citations to the text blocks that they cite, by replacing these blocks in the two lists. Returns
    the citations that cite none of them. planned: the plan as a list of one block; [] = there is none. said:
    the blocks of the content, in the order of its parts.
    """
    if type(citations) is not list:
        return []
    left: list[Any] = []
    for wire in citations:
        kind = wire.get("type") if type(wire) is dict else None
        blocks = planned if kind == PLANNED else said
        place = _cited(wire, blocks, planned=kind == PLANNED)
        block = blocks[place] if place is not None else None
        if place is None or not isinstance(block, ir.Text):
            left.append(wire)
            continue
        cited = decode_citation(wire, block.text, PLANNED if blocks is planned else USUAL)
        blocks[place] = msgspec.structs.replace(block, citations=(*block.citations, *cited))
    return left


def _cited(wire: Any, blocks: Sequence[ir.Block], *, planned: bool) -> int | None:
    """Return the index in `blocks` of the block that a citation (`wire`) belongs to; None = there is no such
    block. A citation that states no `content_index` belongs to the first text. planned: True = `blocks` has
    only the plan, and the citation belongs to it.
    """
    if type(wire) is not dict:
        return None
    index = 0 if planned else wire.get("content_index")
    if index is None:
        return next((place for place, block in enumerate(blocks) if isinstance(block, ir.Text)), None)
    return index if type(index) is int and 0 <= index < len(blocks) else None


class Saying(Collected):
    """Collects blocks and writes one assistant message.

    parts: True = the content is always a list; False = in a request, a single text is written as a string.
    mint: returns the id to write for a call (None = no id is written); its arguments are the call's own id
    (None = the call has none) and the number of calls before it in the message.
    """

    __slots__ = ("calls", "citations", "mint", "parts", "plan", "written")

    def __init__(
        self, draft: Draft, mint: Callable[[str | None, int], str | None], *, parts: bool = False
    ) -> None:
        super().__init__(draft)
        self.mint = mint
        self.parts = parts
        self.plan: str | None = None
        self.written: list[dict[str, Any]] = []  # the content parts
        self.calls: list[dict[str, Any]] = []
        self.citations: list[dict[str, Any]] = []

    def write(self, blocks: Sequence[ir.Block], where: str) -> dict[str, Any]:
        """Add the blocks, and return the finished message. where: the IR path of the object that
        holds them.
        """
        self.add(blocks, where)
        return self.done()

    def done(self) -> dict[str, Any]:
        """Return the message with everything that was added, as a wire object. Only the member `role` is
        always there.

        In a history of another dialect, the text of a message with calls becomes its plan, as Cohere's own
        models write it: https://docs.cohere.com/docs/tool-use-overview, read 2026-11.
        """
        if self.calls and not (self.draft.own or self.draft.answer):
            self._plan_ahead()
        wire: dict[str, Any] = {"role": "assistant"}
        if self.plan is not None:
            wire[PLAN] = self.plan
        if self.written or self.parts:
            lone = self.written[0] if len(self.written) == 1 and not (self.parts or self.draft.answer) else {}
            wire["content"] = lone["text"] if lone.keys() == {"type", "text"} else self.written
        if self.calls:
            wire["tool_calls"] = self.calls
        if self.citations:
            wire[CITATIONS] = self.citations
        return wire

    def _plan_ahead(self) -> None:
        plan = self.plan or ""
        for part in self.written:
            if part.keys() == {"type", "text"}:
                plan += separated(plan, part["text"])
        self.written = [part for part in self.written if part.keys() != {"type", "text"}]
        self.plan = plan or None

    def _text(self, block: ir.Text | ir.Refusal | ir.Json, where: str) -> None:
        if (part := encode_part(block, self.draft, where)) is None:
            return
        text, index = part["text"], len(self.written)
        if self.draft.own and getattr(block, "form", None) == PLAN:
            self.plan = (self.plan or "") + text
            self._cite(block, text, None, where)
            return
        last = self.written[-1] if self.written else None
        if not self.draft.own and last is not None and last.keys() == part.keys() == {"type", "text"}:
            more = separated(last["text"], text) if self.spaced else text
            self._cite(block, text, index - 1, where, len(last["text"]) + len(more) - len(text))
            last["text"] += more
        else:
            self.written.append(part)
            self._cite(block, text, index, where)
        if text:
            self.spaced = False

    def _cite(self, block: Any, text: str, index: int | None, where: str, before: int = 0) -> None:
        """Add the citations of a text to the message. They are left out in a history of another dialect.
        index: the number of the content part that gets the text; None = the plan gets it. where: the IR path
        of `block`. before: the number of characters in that content part before the text.
        """
        cited = getattr(block, CITATIONS, ())
        if cited and (self.draft.own or self.draft.answer):
            self.citations += encode_citations(cited, text, index, self.draft, where, before=before)

    def _thinking(self, block: ir.Thinking, where: str) -> None:
        self.spaced = True
        if (part := encode_part(block, self.draft, where)) is not None:
            self.written.append(part)

    def _call(self, block: ir.ToolCall, where: str) -> None:
        self.spaced = True
        if block.by != "client":
            lose_unsaid(block, self.draft, where)
            return
        self.calls.append(
            narrower.encode_call(block, self.mint(block.id, len(self.calls)), self.draft, where)
        )

    def _media(self, block: ir.Media, where: str) -> None:
        self.spaced = True
        if self.draft.own:
            if (part := encode_part(block, self.draft, where)) is not None:
                self.written.append(part)
            return
        lose_unsaid(block, self.draft, where)
        if block.transcript:
            self._text(ir.Text(block.transcript), where)

    def _other(self, block: ir.ToolResult | ir.Native, where: str) -> None:
        self.spaced = True
        if isinstance(block, ir.Native) and block.dialect == NAME:
            self.written.append(block.value)
        else:
            lose_unsaid(block, self.draft, where)

    _say: ClassVar = {
        ir.Text: _text,
        ir.Refusal: _text,
        ir.Json: _text,
        ir.Thinking: _thinking,
        ir.ToolCall: _call,
        ir.Media: _media,
        ir.ToolResult: _other,
        ir.Native: _other,
    }
