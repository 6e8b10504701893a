"""Encodes the history of another dialect as `system` and `messages`, in the order that the API requires.

It also has two repairs for the messages of this dialect's own clients: `plain_ids` and `without_pictures`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.block_encoder import Scope, bare_text, encode_block, encode_mark
from dragoman.dialects.anthropic.terms import NAME, restore
from dragoman.dialects.loss import Report
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import CUT_OFF, Rules, Why
from dragoman.dialects.repair.turn import Piece, Turn, has_heading, tagged
from dragoman.dialects.request import Target

_Wire = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9_-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_SYSTEM_ROLES = frozenset({"system", "developer"})
_SHOWN = frozenset({"image", "document"})


def safe_id(stated: str) -> str:
    """Return the id of a call in a form that the API accepts. In an id with refused characters, `_` replaces
    them, a hash of the whole id is added at the end, and all `_` at the beginning are removed. An empty id
    becomes a hash. Any other id is returned unchanged.
    """
    if _ID.fullmatch(stated):
        return stated
    digest = hashlib.blake2b(stated.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{_UNSAFE.sub('_', stated)}_{digest}".lstrip("_")


def plain_ids(content: list[_Wire], where: str, report: Report) -> None:
    """Rewrite, in place, ids of calls that the API refuses. A call and its result get the same new id, also
    if they stand in different messages. Each rewritten call is reported as a change. content: the encoded
    blocks of one message. where: the IR path of these blocks.
    """
    for at, block in enumerate(content):
        for member in ("id", "tool_use_id"):
            stated = block.get(member)
            if type(stated) is str and (chosen := safe_id(stated)) != stated:
                block[member] = chosen
                if member == "id":
                    report.change(f"{where}[{at}].id", "messages[].content[].id", f"written as {chosen}")


def without_pictures(messages: list[_Wire], report: Report) -> list[_Wire]:
    """Return the encoded messages, with the images of assistant messages moved to the next user message,
    after the tool results at its beginning; a new user message is added at the end for images that no user
    message follows. An assistant message that had only images is left out. Each move is reported as a change.
    """
    if not any(_images_of(message) for message in messages):
        return messages
    out: list[_Wire] = []
    moved: list[_Wire] = []
    for index, message in enumerate(messages):
        if drawn := _images_of(message):
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


def _images_of(message: _Wire) -> list[_Wire]:
    content = message.get("content")
    if message["role"] != "assistant" or type(content) is not list:
        return []
    return [block for block in content if block.get("type") == "image"]


def _after_results(content: str | list[_Wire], moved: list[_Wire]) -> list[_Wire]:
    if isinstance(content, str):
        return [*moved, {"type": "text", "text": content}]
    results = next(
        (at for at, block in enumerate(content) if block.get("type") != "tool_result"), len(content)
    )
    return [*content[:results], *moved, *content[results:]]


def _is_written(block: ir.Block) -> bool:
    """Whether the repair assumes that a block will be in the request, for a server that accepts only thinking
    with a signature.
    """
    if type(block) is ir.Thinking:
        return block.sealed is not None and block.sealed.origin == NAME
    return _is_written_unsigned(block)


def _is_written_unsigned(block: ir.Block) -> bool:
    """Whether the repair assumes that a block will be in the request, for a server that accepts thinking
    without a signature.
    """
    if type(block) is ir.Text:
        return bool(block.text) and not block.text.isspace()
    if type(block) is ir.Thinking:
        return not block.redacted or (block.sealed is not None and block.sealed.origin == NAME)
    if isinstance(block, ir.ToolCall | ir.ToolResult):
        return block.by == "client"
    if isinstance(block, ir.Media):
        return block.kind in _SHOWN
    return not isinstance(block, ir.Native) or block.dialect == NAME


_RULES = Rules(
    dialect=NAME,
    order="turns",
    says=_is_written,
    fit=safe_id,
    mint="call_{known}",
    ids="unique",
    renamed=Why("messages[].content[].id", "written as"),
    absent=CUT_OFF,
    added=Why("messages[].content[]", "an error result for the tool call {id}, which has no result"),
    orphans="words",
    words="Result of {name}, called earlier:",
    orphaned=Why("messages[].content[].text", "the tool result has no tool call: it is sent as text"),
    moves=lambda block, _: block.kind in _SHOWN,
    moved=Why("messages[].content[]", "the Messages API accepts media only in a user message: moved there"),
    transcribed=Why("messages[].content[].text", "the audio is sent as its transcript"),
    tagged=Why("messages[].content[].text", "the system message is sent as tagged text in a user message"),
    between=True,
    opened=Why("messages[0]", "the first message must be a user message"),
    opens="assistant",
    continued=Why("messages[-1]", "the model does not support assistant prefill"),
)
_UNSIGNED_RULES = msgspec.structs.replace(_RULES, says=_is_written_unsigned)


def encode_history(
    request: ir.Request, target: Target, scope: Scope
) -> tuple[list[_Wire], list[_Wire], list[str]]:
    """Encode the history of another dialect in the order that the API requires. Returns (the blocks of
    `system`, the messages, the IR paths of the thinking blocks in these messages). Losses and changes are
    reported. Raises WireError for a block that `encode_block` refuses; media of the assistant, and media,
    calls and the like in system messages, are reported as lost instead.
    """
    if (texts := only_texts(request)) is not None:
        led = texts[0][0] == "system"
        system = [{"type": "text", "text": texts[0][1]}] if led else []
        return system, [{"role": role, "content": text} for role, text in texts[led:]], []
    writer = _Writer(target.report, scope)
    rules = _RULES if scope.signatures else _UNSIGNED_RULES
    for turn in repaired(request, rules, target.facts):
        writer.write(turn)
    if target.facts.prefill is not False:
        writer.trim(len(request.messages) - 1)
    return writer.system, writer.messages, writer.thoughts


class _Writer(msgspec.Struct):
    report: Report
    scope: Scope
    system: list[_Wire] = []
    messages: list[_Wire] = []
    thoughts: list[str] = []
    led: bool = False  # True = the first system text has ended

    def write(self, turn: Turn) -> None:
        if not self.led and turn.role in _SYSTEM_ROLES:
            self._pieces(turn, self.system)
            return
        self.led = True
        content: list[_Wire] = []
        self._pieces(turn, content)
        if turn.notes:
            turn.tell(self.report)
        if len(content) == 1 and len(content[0]) == 2 and content[0]["type"] == "text":
            self.messages.append({"role": turn.role, "content": content[0]["text"]})
        elif content:
            self.messages.append({"role": turn.role, "content": content})

    def _pieces(self, turn: Turn, content: list[_Wire]) -> None:
        role = turn.role
        for piece in turn.pieces:
            before = len(content)
            if piece.tagged or role in _SYSTEM_ROLES:
                self._instruct(piece, content)
            else:
                for at, block in enumerate(piece.blocks):
                    wire = bare_text(block) or self._block(block, role, piece.place(at))
                    if wire is not None:
                        content.append(wire)
            if piece.message is not None and has_heading(piece.message):
                self._heading(piece.message, f"messages[{piece.index}]", content[before:])
            if piece.tagged:
                for wire in content[before:]:
                    wire["text"] = tagged(wire["text"])

    def _instruct(self, piece: Piece, out: list[_Wire]) -> None:
        for at, block in enumerate(piece.blocks):
            if (bare := bare_text(block)) is not None:
                out.append(bare)
            elif not isinstance(block, (ir.Text, ir.Refusal, ir.Json)):
                why = "the Messages API accepts only text as system prompt"
                self.report.lose(piece.place(at), why, "meaning")
            elif (wire := encode_block(block, self.scope, piece.place(at))) is not None:
                out.append(wire)

    def _block(self, block: ir.Block, role: str, where: str) -> _Wire | None:
        if role == "assistant" and isinstance(block, ir.Media):
            why = f"an assistant message of the Messages API cannot contain {block.kind}"
            self.report.lose(where, why, "meaning")
            return None
        wire = encode_block(block, self.scope, where)
        if wire is not None and role == "assistant" and isinstance(block, ir.Thinking):
            self.thoughts.append(where)
        return wire

    def _heading(self, message: ir.Message, where: str, written: list[_Wire]) -> None:
        if message.name is not None:
            self.report.lose(f"{where}.name", "the Messages API has no author names", "hint")
        if message.cache is not None and written:
            written[-1]["cache_control"] = encode_mark(message.cache, self.report, f"{where}.cache")
        restore({}, message.extra, self.report, where)

    def trim(self, last: int) -> None:
        """Remove white space at the end of the last message if it is the assistant's and ends with text.
        last: the index of the last message in the IR, for the report.
        """
        if not self.messages or self.messages[-1]["role"] != "assistant":
            return
        message = self.messages[-1]
        content = message["content"]
        holder, key = (message, "content") if isinstance(content, str) else (content[-1], "text")
        text = holder.get(key, "")
        if text != text.rstrip():
            holder[key] = text.rstrip()
            self.report.change(
                f"messages[{last}]",
                "messages[-1].content",
                "the Messages API rejects trailing white space here",
            )
