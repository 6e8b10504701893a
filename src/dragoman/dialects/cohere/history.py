"""The messages of a request, decoded and encoded.

A `tool` message becomes a user's Message with one ToolResult. Message.form is "parts" for content that is a
list, None for content that is a string or missing. System messages may stand anywhere. Cohere requires a
result for each call: https://github.com/oracle/langchain-oracle/issues/10
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import TurnWriter, read_content, read_history, result_text
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.cohere.parts import decode_parts, encode_part, write_document
from dragoman.dialects.cohere.saying import CITATIONS, Saying, decode_saying
from dragoman.dialects.cohere.terms import NAME, PLAN, leftovers, narrower, restore
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import CUT_OFF, Rules, Why
from dragoman.dialects.repair.turn import Piece
from dragoman.errors import WireError

_PLAIN_ROLES: Final = frozenset({"user", "system"})
_PLAIN: Final = frozenset({"role", "content"})
_ASSISTANT: Final = frozenset({"role", "content", "tool_calls", PLAN, CITATIONS})
_TOOL: Final = frozenset({"role", "content", "tool_call_id"})


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """Decode the messages of a request, each into one ir.Message. Raises WireError for an unknown role, and
    for content or a call of an invalid form.
    """
    return read_history(messages, _PLAIN_ROLES, _message)


def _message(message: dict[str, Any], role: Any, where: str) -> ir.Message:
    form = "parts" if type(message.get("content")) is list else None
    if role in _PLAIN_ROLES:
        blocks = read_content(message.get("content"), where, decode_parts)
        return ir.Message(role, blocks, form=form, extra=leftovers(message, _PLAIN))
    if role == "assistant":
        said, left = decode_saying(message, where)
        extra = leftovers(message, _ASSISTANT)
        if left:
            extra = ir.merge(extra, {NAME: {CITATIONS: left}})
        return ir.Message("assistant", tuple(said), form=form, extra=extra)
    if role == "tool":
        content = read_content(message.get("content"), where, decode_parts)
        result = ir.ToolResult(message.get("tool_call_id"), content)
        return ir.Message("user", (result,), form=form, extra=leftovers(message, _TOOL))
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """Encode the system text and the messages of a request. A history of another dialect is repaired first.
    Raises WireError for a block that no message can hold and that may not be left out, such as a user's sound
    and, in a history of another dialect, a tool result without its call.
    """
    if draft.own:
        own = _OwnHistory(draft)
        if request.system:
            own.say("system", request.system, "system")
        own.write(request.messages)
        return own.out
    if (texts := only_texts(request)) is not None:
        return [{"role": role, "content": text} for role, text in texts]
    writer = _History(draft)
    for turn in repaired(request, _RULES):
        writer.write_turn(turn)
    return writer.out


class _OwnHistory:
    """Encodes messages that came in this dialect, without repairs, and appends them to `out`."""

    __slots__ = ("draft", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []

    def write(self, messages: Sequence[ir.Message]) -> None:
        for index, message in enumerate(messages):
            self._message(message, f"messages[{index}]")

    def _message(self, message: ir.Message, where: str) -> None:
        first = message.blocks[0] if message.blocks else None
        parts = message.form == "parts"
        if message.role == "assistant":
            saying = Saying(self.draft, lambda stated, _: stated, parts=parts)
            out = saying.write(message.blocks, where)
            self.out.append(out)
            self._restore_citations(out, message, where)
            return
        if isinstance(first, ir.ToolResult):
            self.say("tool", first.content, f"{where}.blocks[0].content", parts=parts)
            if first.id is not None:
                self.out[-1]["tool_call_id"] = first.id
        else:
            self.say(message.role, message.blocks, where + ".blocks", parts=parts)
        restore(self.out[-1], message.extra, self.draft.report, where)

    def _restore_citations(self, out: dict[str, Any], message: ir.Message, where: str) -> None:
        """Write the leftovers of an assistant message into `out`, the encoded message. Citations among the
        leftovers are put behind those that `out` has. where: the message's IR path.
        """
        told = out.get(CITATIONS, [])
        restore(out, message.extra, self.draft.report, where)
        if told and out[CITATIONS] is not told:
            out[CITATIONS] = [*told, *out[CITATIONS]]

    def say(self, role: str, blocks: Sequence[ir.Block], where: str, *, parts: bool = False) -> None:
        """Append a message with these blocks to `out`. parts: True = the content is always a list; False = a
        single text without leftovers is a string, and no content is null. where: the IR path of `blocks`.
        """
        self._put(role, [(block, f"{where}[{index}]") for index, block in enumerate(blocks)], parts=parts)

    def _put(self, role: str, blocks: Sequence[tuple[ir.Block, str]], *, parts: bool = False) -> None:
        written = [
            part for block, place in blocks if (part := encode_part(block, self.draft, place)) is not None
        ]
        lone = written[0] if len(written) == 1 and not parts else None
        content: Any = written
        if lone is not None and lone.keys() == {"type", "text"}:
            content = lone["text"]
        elif not (written or parts):
            content = None if self.draft.own else ""
        self.out.append({"role": role, "content": content})


_RULES: Final = Rules(
    dialect=NAME,
    order="messages",
    mint="call_{index}_{position}",
    ids="shared",
    absent=CUT_OFF,
    added=Why("messages[{at}]", "the Cohere API rejects a tool call without a result"),
    moves=lambda block, _: block.kind == "image" and (block.data is not None or block.url is not None),
    moved=Why("messages[{at}]", "the Cohere API accepts images only in a user message: moved there"),
    takes_out=lambda block: block.kind != "document" or block.text is None,
    opened=Why("messages[0]", "the Cohere API requires a user message"),
    asked=Why(
        "messages[{at}].role", "the request has no user message: the last system message is sent as one"
    ),
)


class _History(TurnWriter, _OwnHistory):
    """Encodes messages that came in another dialect, after their repair (`repaired`), and appends them to
    `out`.
    """

    __slots__ = ()
    narrower, saying = narrower, Saying

    def _plain(self, piece: Piece, role: str) -> None:
        narrower.tell_role(piece, self.draft, len(self.out))
        self._put("user" if role == "user" else "system", piece.placed())

    def _answer(self, piece: Piece) -> None:
        block, where = piece.blocks[0], piece.place(0)
        assert isinstance(block, ir.ToolResult)
        content = self._result_content(block, where)
        narrower.lose_mark(block.cache, self.draft, where)
        restore({}, block.extra, self.draft.report, where)
        self.out.append({"role": "tool", "tool_call_id": block.id, "content": content})

    def _result_content(self, block: ir.ToolResult, where: str) -> Any:
        """Return the content of a tool result's message: a string or, if the result has text documents, a
        list of one text part and the `document` parts. where: the IR path of `block`.
        """
        draft = self.draft
        texts: list[str] = []
        documents: list[dict[str, Any]] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media):
                part: dict[str, Any] | None = write_document(content, draft, place)
            elif isinstance(content, ir.Json):
                part = {"type": "text", "text": text_of(content.value)}
            else:
                part = encode_part(content, draft, place)
            if part is not None and part["type"] == "text":
                texts.append(part["text"])
            elif part is not None:
                documents.append(part)
        text = result_text(texts, block, draft, where)
        if not documents:
            return text
        return [{"type": "text", "text": text}, *documents] if text else documents
