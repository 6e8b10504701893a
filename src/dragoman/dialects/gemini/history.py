"""Histories as `contents` and `systemInstruction`.

Our own goes back as it came. Another dialect's is written as the API wants it: the leading system text apart,
alternating turns, every result of a turn in one content, in the order of the calls and as many as these. Each
repair is a change or a loss; the same history always gives the same bytes, or prompt caches would never hit.

https://ai.google.dev/gemini-api/docs/function-calling, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.part_decoder import SKIP_SIGNATURE
from dragoman.dialects.gemini.part_encoder import bare_text, encode_part
from dragoman.dialects.gemini.terms import restore
from dragoman.dialects.waiting import Waiting

_Wire = dict[str, Any]
_SYSTEM_ROLES = frozenset({"system", "developer"})
_ROLES = {"assistant": "model"}

CUT_OFF = "The call was never answered: it was cancelled or its result was lost."
_NO_WORDS: _Wire = {"text": ""}
BEGIN = "Please begin."
GO_ON = "Please continue."


# --- Our own -------------------------------------------------------------------------------------


def own_contents(messages: tuple[ir.Message, ...], draft: Draft) -> tuple[list[_Wire], list[_Wire]]:
    """The parts that belong before the system instruction's own, and the contents.

    System messages, which no client may send, were added on the way.
    """
    added: list[_Wire] = []
    contents: list[_Wire] = []
    for index, message in enumerate(messages):
        parts = write_parts(message.blocks, draft, f"messages[{index}].blocks")
        if message.role in _SYSTEM_ROLES:
            if contents:
                contents.append({"role": "user", "parts": [_tagged(part) for part in parts]})
            else:
                added += parts
            continue
        out: _Wire = {}
        if message.form != "bare":
            out["role"] = message.form or _ROLES.get(message.role, "user")
        out["parts"] = parts
        if message.extra is not None:
            restore(out, message.extra, draft.report, f"messages[{index}]")
        contents.append(out)
    return added, contents


def write_parts(blocks: tuple[ir.Block, ...], draft: Draft, where: str) -> list[_Wire]:
    """Several blocks, in order."""
    parts = []
    for index, block in enumerate(blocks):
        part = bare_text(block) or encode_part(block, draft, f"{where}[{index}]")
        if part is not None:
            parts.append(part)
    return parts


def _tagged(part: _Wire) -> _Wire:
    return {**part, "text": f"<system>\n{part['text']}\n</system>"} if "text" in part else part


# --- Another dialect's ---------------------------------------------------------------------------


def _is_medium(block: ir.Block) -> bool:
    """Whether a block is a medium, and no document that is given as text."""
    return isinstance(block, ir.Media) and block.text is None and block.blocks is None


class _Pending(msgspec.Struct):
    """A call of the last model turn. parts: its result, once it is there, with the media that follow it."""

    stated: str | None
    name: str
    parts: list[_Wire] | None = None


class _Turn:
    """One content. calls: those of the turn before, whose results come before everything else."""

    __slots__ = ("calls", "parts", "role")

    def __init__(self, role: str, calls: list[_Pending]) -> None:
        self.role = role
        self.calls = calls
        self.parts: list[_Wire] = []

    def written(self) -> list[_Wire]:
        """Its parts."""
        if not self.calls:
            return self.parts
        return [part for call in self.calls for part in call.parts or ()] + self.parts


def foreign_contents(request: ir.Request, draft: Draft) -> tuple[list[_Wire], list[_Wire]]:
    """The parts of the system instruction, and the contents."""
    writer = _Writer(request.messages, draft)
    system = writer.opening(request.system)
    writer.rest()
    return system, writer.finished()


class _Writer:
    """pending: the calls of the last model turn, in order; waiting: those without a result."""

    def __init__(self, messages: tuple[ir.Message, ...], draft: Draft) -> None:
        self.messages = messages
        self.draft = draft
        self.report = draft.report
        self.next = 0
        self.turns: list[_Turn] = []
        self.turn = _Turn("", [])
        self.pending: list[_Pending] = []
        self.waiting: Waiting[_Pending] = Waiting()

    # --- System text -----------------------------------------------------------------------------

    def opening(self, top: tuple[ir.Block, ...]) -> list[_Wire]:
        """The dialect's own system field and the run of system messages that opens the history."""
        system = self._system_parts(top, "system") if top else []
        for message in self.messages:
            if message.role not in _SYSTEM_ROLES:
                break
            system += self._system_parts(message.blocks, f"messages[{self.next}].blocks")
            self._heading(message, self.next)
            self.next += 1
        return system

    def _system_parts(self, blocks: tuple[ir.Block, ...], where: str) -> list[_Wire]:
        parts: list[_Wire] = []
        for index, block in enumerate(blocks):
            if (bare := bare_text(block)) is not None:
                if bare["text"]:
                    parts.append(bare)
            elif not isinstance(block, ir.Text | ir.Refusal | ir.Json):
                self.report.lose(
                    f"{where}[{index}]", "the Gemini API accepts only text as system instruction", "meaning"
                )
            else:
                part = encode_part(block, self.draft, f"{where}[{index}]")
                if part is not None and part != _NO_WORDS:
                    parts.append(part)
        return parts

    def _system(self, index: int, message: ir.Message) -> None:
        """System text in the middle."""
        parts = self._system_parts(message.blocks, f"messages[{index}].blocks")
        self._heading(message, index)
        if not parts:
            return
        self._begin("user")
        self.turn.parts += map(_tagged, parts)
        self.report.change(
            f"messages[{index}]",
            "contents[].parts[].text",
            "the system message is sent as tagged text in a user message",
        )

    # --- Turns -----------------------------------------------------------------------------------

    def rest(self) -> None:
        """Everything after the opening."""
        for index in range(self.next, len(self.messages)):
            message = self.messages[index]
            if message.role in _SYSTEM_ROLES:
                self._system(index, message)
                continue
            role = _ROLES.get(message.role, "user")
            if self.turn.role != role:
                self._begin(role)
            parts = self.turn.parts
            for place, block in enumerate(message.blocks):
                if (bare := bare_text(block)) is not None:
                    if bare["text"]:
                        parts.append(bare)
                else:
                    self._block(block, f"messages[{index}].blocks[{place}]")
            self._heading(message, index)

    def _heading(self, message: ir.Message, index: int) -> None:
        """What a message carries beside its blocks."""
        if message.name is None and message.cache is None and message.extra is None:
            return
        where = f"messages[{index}]"
        if message.name is not None:
            self.report.lose(f"{where}.name", "the Gemini API has no author names", "hint")
        if message.cache is not None:
            self.report.lose(f"{where}.cache", "the Gemini API has no cache breakpoints", "hint")
            restore({}, message.cache.extra, self.report, f"{where}.cache")
        if message.extra is not None:
            restore({}, message.extra, self.report, where)

    def _begin(self, role: str) -> None:
        """A turn of this role, after the one before it."""
        if self.turn.role != role:
            if self.pending:
                self._settle()
            self._open(role)

    def _open(self, role: str) -> None:
        """A new content; that of a user begins with the results of the calls before it."""
        if role == "model":
            self._forget()
        self.turn = _Turn(role, self.pending if role == "user" else [])
        self.turns.append(self.turn)

    def _block(self, block: ir.Block, where: str) -> None:
        if isinstance(block, ir.ToolResult) and block.by == "client":
            self._result(block, where)
            return
        part = encode_part(block, self.draft, where)
        if part is None or part == _NO_WORDS:  # an empty text is refused, unless it is signed
            return
        self.turn.parts.append(part)
        if "functionCall" in part and isinstance(block, ir.ToolCall) and self.turn.role == "model":
            call = _Pending(block.id, block.name)
            self.pending.append(call)
            self.waiting.add(call, block.id, block.name)
            if block.id:
                self.draft.names[block.id] = block.name

    # --- Results ---------------------------------------------------------------------------------

    def _result(self, block: ir.ToolResult, where: str) -> None:
        media: list[_Wire] = []
        if self.draft.facts.media_results is False and any(map(_is_medium, block.content)):
            block, media = self._without_media(block, where)
        part = encode_part(block, self.draft, where)
        assert part is not None
        call = self.waiting.take(block.id or None, block.name) if self.turn.role == "user" else None
        if call is not None:
            part["functionResponse"]["name"] = call.name
            call.parts = [part, *media]
        else:
            self._orphan(part["functionResponse"], block, where)
            self.turn.parts += media

    def _without_media(self, block: ir.ToolResult, where: str) -> tuple[ir.ToolResult, list[_Wire]]:
        """A result without its media, which older models take beside it only."""
        media: list[_Wire] = []
        kept: list[ir.Block] = []
        for index, inside in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if not _is_medium(inside):
                kept.append(inside)
            elif (part := encode_part(inside, self.draft, place)) is not None:
                media.append(part)
                self.report.change(
                    place,
                    "contents[].parts[]",
                    "the Gemini API accepts media next to a tool result, not in it",
                )
        return msgspec.structs.replace(block, content=tuple(kept)), media

    def _orphan(self, result: _Wire, block: ir.ToolResult, where: str) -> None:
        """A result without its call is refused: its content stays as the user's words."""
        said = result["response"]
        text = next(iter(said.values()), "") if len(said) == 1 else said
        if not isinstance(text, str):
            text = msgspec.json.encode(text).decode()
        name = self.draft.names.get(block.id or "") or block.name or "a tool"
        self.turn.parts.append({"text": f"Result of {name}, called earlier:\n{text}"})
        self.turn.parts += result.get("parts", ())
        self.report.change(
            where, "contents[].parts[].text", "the tool result has no tool call: it is sent as text"
        )

    def _settle(self) -> None:
        """Leave a user's turn: what was called before it and is still unanswered gets an error result."""
        if self.turn.role != "user":
            return
        for call in self.waiting:
            result: _Wire = {"name": call.name, "response": {"error": CUT_OFF}}
            if call.stated is not None and self.draft.quirks.call_ids:
                result["id"] = call.stated
            call.parts = [{"functionResponse": result}]
            self.report.add(
                "contents[].parts[]", f"an error result for the tool call {call.name}, which has no result"
            )
        self._forget()

    def _forget(self) -> None:
        """Begin a new list of calls: the turn that answers the last one keeps it."""
        self.pending = []
        self.waiting.clear()

    # --- The end ---------------------------------------------------------------------------------

    def finished(self) -> list[_Wire]:
        """The contents."""
        if self.turn.role == "model" and self.pending:
            self._open("user")
        self._settle()
        if self.turn.role == "model" and self.turn.parts and self.draft.facts.prefill is False:
            self._open("user")
            self.turn.parts.append({"text": GO_ON})
            self.report.add("contents[-1]", "the model does not support assistant prefill")
            self.report.lose(
                f"messages[{len(self.messages) - 1}]",
                "the model does not support assistant "
                "prefill: it answers this message instead "
                "of continuing it",
                "quality",
            )
        contents: list[_Wire] = [
            {"role": turn.role, "parts": turn.written()} for turn in self.turns if turn.parts or turn.calls
        ]
        if not contents or (contents[0]["role"] == "model" and _calls(contents[0]["parts"])):
            contents.insert(0, {"role": "user", "parts": [{"text": BEGIN}]})
            self.report.add("contents[0]", "the first message must be a user message")
        return contents


def _calls(parts: list[_Wire]) -> bool:
    return any("functionCall" in part for part in parts)


# --- Signatures ----------------------------------------------------------------------------------


def sign_calls(contents: list[_Wire], draft: Draft) -> None:
    """Give the calls of the running turn what stands for a signature where theirs is not there.

    The running turn is everything after what the user said last; of each step in it only the first call is
    signed. Words beside results do not end it: agents remind their model of things there, and what is signed
    without need is taken, while what is not signed in need is refused.
    """
    first: tuple[int, _Wire] | None = None  # of the step, which may be several contents
    for place in range(len(contents) - 1, -1, -1):
        parts = contents[place]["parts"]
        if contents[place].get("role") == "model":
            call = next((part for part in parts if "functionCall" in part), None)
            first = first if call is None else (place, call)
            continue
        _sign(first, draft)
        first = None
        if not any("functionResponse" in part for part in parts):
            return
    _sign(first, draft)


def _sign(first: tuple[int, _Wire] | None, draft: Draft) -> None:
    if first is not None and "thoughtSignature" not in first[1]:
        first[1]["thoughtSignature"] = SKIP_SIGNATURE
        draft.report.add(
            f"contents[{first[0]}].parts[].thoughtSignature",
            "the model rejects tool calls without a thought signature",
        )
