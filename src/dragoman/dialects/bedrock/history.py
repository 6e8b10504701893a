"""Decodes and encodes messages, and encodes `system`. Messages of another dialect are put into the order that
the API requires.

The user speaks first, and user and assistant alternate. Tool results are the first content of the user
message that follows their calls.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html, read in 2026-11.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_blocks
from dragoman.dialects.bedrock.block_encoder import Scope, encode_block, encode_blocks, encode_mark
from dragoman.dialects.bedrock.terms import API, NAME, leftovers, restore
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import CUT_OFF, Rules, Why
from dragoman.dialects.repair.turn import Piece, Turn, has_heading, tagged
from dragoman.dialects.request import Target
from dragoman.errors import WireError

_Wire = dict[str, Any]
_ROLES: Final = frozenset({"user", "assistant", "system"})
_SYSTEM: Final = frozenset({"system", "developer"})
_MESSAGE: Final = frozenset({"role", "content"})
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_LONGEST_ID: Final = 64
_COMPANION: Final = "See the attached document."
"""The text that is added to a document in a message without text, because the API refuses a document alone.
"""


def safe_id(stated: str) -> str:
    """Return the id of a call in the form that the API accepts: 1 to 64 ASCII letters, digits, `_`, `.`, `:`
    and `-`. An accepted id is returned unchanged; any other id is changed, and ends with a hash of the whole
    id. The same id always gives the same result.
    """
    if _ID.fullmatch(stated):
        return stated
    digest = hashlib.blake2b(stated.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{_UNSAFE.sub('_', stated)[: _LONGEST_ID - 13]}_{digest}"


def decode_messages(values: Any) -> tuple[ir.Message, ...]:
    """Decode `messages`, the list of a request; None gives (). Raises WireError for an unknown role, and for
    a message or block that is not an object.
    """
    return tuple([_message(value, f"messages[{index}]") for index, value in enumerate(values or ())])


def _message(value: Any, where: str) -> ir.Message:
    if type(value) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    role = value.get("role")
    if role not in _ROLES:
        raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")
    blocks = decode_blocks(value.get("content") or (), f"{where}.content")
    return ir.Message(role, blocks, extra=leftovers(value, _MESSAGE))


def _says(block: ir.Block) -> bool:
    """Whether a user or assistant message can hold a block of a history that came in another dialect. True
    also for media, which an assistant message cannot hold.
    """
    if isinstance(block, ir.Text | ir.Refusal):
        return bool(block.text.strip())
    if isinstance(block, ir.Thinking):
        return block.sealed is not None and block.sealed.origin == NAME
    if isinstance(block, ir.ToolCall | ir.ToolResult):
        return block.by == "client"
    return not isinstance(block, ir.Native) or block.dialect == NAME


_RULES: Final = Rules(
    dialect=NAME,
    order="turns",
    says=_says,
    fit=safe_id,
    mint="call_{known}",
    ids="unique",
    renamed=Why("messages[].content[].toolUse.toolUseId", "written as"),
    absent=CUT_OFF,
    added=Why("messages[].content[]", "an error result for the tool call {id}, which has no result"),
    orphans="words",
    words="Result of {name}, called earlier:",
    orphaned=Why("messages[].content[].text", "the tool result has no tool call: it is sent as text"),
    moves=lambda block, _: block.data is not None or block.url is not None or block.text is not None,
    moved=Why("messages[].content[]", f"{API} accepts media only in a user message: moved there"),
    takes_out=lambda block: block.kind == "audio",
    taken_out=Why("messages[].content[]", f"{API} accepts no audio in results: moved to the user message"),
    transcribed=Why("messages[].content[].text", "the audio is sent as its transcript"),
    tagged=Why("messages[].content[].text", "the system message is sent as tagged text in a user message"),
    opened=Why("messages[0]", "the first message must be a user message"),
    opens="assistant",
    continued=Why("messages[-1]", "the model does not support assistant prefill"),
)


def encode_own(request: ir.Request, scope: Scope, body: _Wire) -> None:
    """Write `system` and `messages` of a request that came in this dialect into `body`. The order of the
    messages stays as it is, but the content of system messages at the front goes into `system`. Raises
    WireError for a block that `encode_block` cannot write, for example a medium without content.
    """
    added: list[_Wire] = []
    messages: list[_Wire] = []
    for index, message in enumerate(request.messages):
        content = encode_blocks(_placed(message.blocks, f"messages[{index}].blocks"), scope)
        if not messages and message.role in _SYSTEM:
            added += content
            continue
        out: _Wire = {"role": "system" if message.role in _SYSTEM else message.role, "content": content}
        restore(out, message.extra, scope.report, f"messages[{index}]")
        messages.append(out)
    stated = (request.forms or {}).get("system") == "empty"
    if added or request.system or stated:
        body["system"] = added + encode_blocks(_placed(request.system, "system"), scope)
    body["messages"] = messages


def encode_history(request: ir.Request, target: Target, scope: Scope, body: _Wire) -> None:
    """Write `system` (if there is system text) and `messages` of a request that came in another dialect into
    `body`; report repairs, changes and losses. Raises WireError for a block that `encode_block` cannot write,
    for example a medium without content in a user message.
    """
    system: list[_Wire] = []
    messages: list[_Wire] = []
    if (texts := only_texts(request)) is not None:
        led = texts[0][0] == "system"
        system = [{"text": texts[0][1]}] if led else []
        messages = [{"role": role, "content": [{"text": text}]} for role, text in texts[led:]]
    else:
        writer = _Writer(scope, system, messages)
        for turn in repaired(request, _RULES, target.facts):
            writer.write(turn)
        if target.facts.prefill is not False:
            _trim(messages, scope, len(request.messages) - 1)
    if system:
        body["system"] = system
    body["messages"] = messages


def _placed(blocks: tuple[ir.Block, ...], where: str) -> list[tuple[ir.Block, str]]:
    return [(block, f"{where}[{at}]") for at, block in enumerate(blocks)]


class _Writer:
    """Writes turns: the turns of system text at the beginning into `system`, all other turns into `messages`.
    Two turns of the same role become one message if nothing was written for the turns between them.
    """

    __slots__ = ("_led", "_messages", "_report", "_scope", "_system")

    def __init__(self, scope: Scope, system: list[_Wire], messages: list[_Wire]) -> None:
        self._scope = scope
        self._report = scope.report
        self._system = system
        self._messages = messages
        self._led = False  # True = the first system text has ended

    def write(self, turn: Turn) -> None:
        if not self._led and turn.role in _SYSTEM:
            self._pieces(turn, self._system)
            return
        self._led = True
        continues = bool(self._messages) and self._messages[-1]["role"] == turn.role
        content: list[_Wire] = self._messages[-1]["content"] if continues else []
        self._pieces(turn, content)
        turn.tell(self._report)
        if any("document" in block for block in content) and not any("text" in block for block in content):
            content.append({"text": _COMPANION})
            self._report.add("messages[].content[].text", f"{API} requires a text beside a document")
        if content and not continues:
            self._messages.append({"role": turn.role, "content": content})

    def _pieces(self, turn: Turn, content: list[_Wire]) -> None:
        for piece in turn.pieces:
            before = len(content)
            if piece.tagged or turn.role in _SYSTEM:
                self._instruct(piece, content)
            else:
                content += encode_blocks(self._sayable(piece, turn.role), self._scope)
            if piece.message is not None and has_heading(piece.message):
                self._heading(piece.message, f"messages[{piece.index}]", content, before)
            if piece.tagged:
                for wire in content[before:]:
                    if "text" in wire:
                        wire["text"] = tagged(wire["text"])

    def _sayable(self, piece: Piece, role: str) -> list[tuple[ir.Block, str]]:
        placed: list[tuple[ir.Block, str]] = []
        for block, where in piece.placed():
            if role == "assistant" and isinstance(block, ir.Media):
                why = f"an assistant message of {API} cannot contain {block.kind}"
                self._report.lose(where, why, "meaning")
            else:
                placed.append((block, where))
        return placed

    def _instruct(self, piece: Piece, out: list[_Wire]) -> None:
        for block, where in piece.placed():
            if not isinstance(block, ir.Text | ir.Refusal | ir.Json):
                self._report.lose(where, f"{API} accepts only text as system prompt", "meaning")
                continue
            if (wire := encode_block(block, self._scope, where)) is not None:
                out.append(wire)
            mark = getattr(block, "cache", None)
            if mark is not None:
                out += encode_mark(mark, self._scope, where, after=bool(out))

    def _heading(self, message: ir.Message, where: str, content: list[_Wire], before: int) -> None:
        if message.name is not None:
            self._report.lose(f"{where}.name", f"{API} has no author names", "hint")
        if message.cache is not None and len(content) > before:
            content += encode_mark(message.cache, self._scope, where)
        restore({}, message.extra, self._report, where)


def _trim(messages: list[_Wire], scope: Scope, last: int) -> None:
    """Remove the white space at the end of the last message if it is the assistant's and its last
    block is a text, because Claude refuses such white space. This is reported as a change. last:
    the index of the last message in the IR, for the report.
    """
    if not messages or messages[-1]["role"] != "assistant":
        return
    block = messages[-1]["content"][-1]
    text = block.get("text", "")
    if text != text.rstrip():
        block["text"] = text.rstrip()
        why = "white space at the end of the assistant's last message is refused"
        scope.report.change(f"messages[{last}]", "messages[-1].content", why)
