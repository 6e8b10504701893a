"""Decodes and encodes the messages of a request.

Ollama's messages have the roles system, user, assistant and tool, in any order. The content of a message is
one text; images and audio are in the member `images`. In the IR, a message with the role "tool" is an
ir.Message with the role "user" and one ir.ToolResult.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.documents import document_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import TurnWriter, result_text
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.linking import linked
from dragoman.dialects.ollama import pictures
from dragoman.dialects.ollama.saying import SENT, Saying, decode_images, decode_saying, shed, words
from dragoman.dialects.ollama.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import Rules, Why
from dragoman.dialects.repair.turn import Piece
from dragoman.errors import WireError

ROLES: Final = ("system", "user", "assistant", "tool")
_PLAIN_ROLES: Final[dict[str, ir.Role]] = {"system": "system", "user": "user"}
_PLAIN: Final = frozenset({"role", "content", "images"})
_ASSISTANT: Final = _PLAIN | {"thinking", "tool_calls"}
_TOOL: Final = _PLAIN | {"tool_name", "tool_call_id"}


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """Return one ir.Message for each wire message, in order. Unknown members become leftovers. A call without
    an id gets the id that its result states (`linked`). Images in the assistant's text, as Markdown with data
    URLs, become image blocks.

    messages: should have passed `check`. Raises WireError for a message of unknown form.
    """
    return linked([_message(message, f"messages[{index}]") for index, message in enumerate(messages)])


def _message(message: Any, where: str) -> ir.Message:
    if type(message) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    role = str(message.get("role")).lower()
    if role == "assistant":
        told = [
            part
            for block in decode_saying(message)
            for part in (pictures.read(block.text) if type(block) is ir.Text else (block,))
        ]
        return ir.Message("assistant", tuple(told), extra=leftovers(message, _ASSISTANT))
    said: list[ir.Block] = [ir.Text(content)] if (content := message.get("content")) else []
    said.extend(decode_images(message))
    if role == "tool":
        result = ir.ToolResult(
            message.get("tool_call_id") or None, tuple(said), message.get("tool_name") or None
        )
        return ir.Message("user", (result,), extra=leftovers(message, _TOOL))
    if role in _PLAIN_ROLES:
        return ir.Message(_PLAIN_ROLES[role], tuple(said), extra=leftovers(message, _PLAIN))
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """Return the request's messages in this dialect, after a message with its top-level system text, if it
    has one. A history of another dialect is first repaired (`repair`), so that one message may become
    several. Losses and changes are reported to `draft.report`.

    Raises WireError for calls of free-text tools and, except in a message of the assistant, for a video, for
    an image or audio without data, and for a document without text (a PDF). An image or audio of the
    assistant that has only a URL raises it, too, if the repair moves it to the user.
    """
    if not draft.own and (texts := only_texts(request)) is not None:
        return [{"role": role, "content": text} for role, text in texts]
    writer = _History(draft)
    if draft.own:
        if request.system:
            writer.say("system", [(block, f"system[{index}]") for index, block in enumerate(request.system)])
        writer.write_own(request.messages)
    else:
        for turn in repaired(request, _RULES):
            writer.write_turn(turn)
    return writer.out


_RULES: Final = Rules(
    dialect=NAME,
    order="messages",
    mint="call_{index}_{position}",
    patient=True,
    named="missing",
    orphans="kept",
    moves=lambda block, _: block.kind in SENT and (block.data is not None or block.url is not None),
    moved=Why("messages[{at}].images", "the Ollama API accepts media only in a user message: moved there"),
    takes_out=lambda block: block.kind in SENT,
    asked=Why(
        "messages[{at}].role", "the request has no user message: the last system message is sent as one"
    ),
)


class _History(TurnWriter):
    __slots__ = ("draft", "out")
    narrower, saying = narrower, Saying

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []

    def write_own(self, messages: Sequence[ir.Message]) -> None:
        """Append the messages of a history that came in this dialect, without repairs. Their leftovers are
        written back.
        """
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            first = message.blocks[0] if message.blocks else None
            if message.role == "assistant":
                saying = Saying(self.draft, lambda stated, _: stated)
                saying.add(message.blocks, where)
                self.out.append(saying.done())
            elif isinstance(first, ir.ToolResult):
                self._own_result(first, f"{where}.blocks[0]")
            else:
                self.say(
                    message.role, [(block, f"{where}.blocks[{i}]") for i, block in enumerate(message.blocks)]
                )
            restore(self.out[-1], message.extra, self.draft.report, where)

    def _own_result(self, block: ir.ToolResult, where: str) -> None:
        self.say("tool", [(inner, f"{where}.content[{i}]") for i, inner in enumerate(block.content)])
        for member, value in (("tool_name", block.name), ("tool_call_id", block.id)):
            if value is not None:
                self.out[-1][member] = value

    def _plain(self, piece: Piece, role: str) -> None:
        narrower.tell_role(piece, self.draft, len(self.out))
        self.say("user" if role == "user" else "system", piece.placed())

    def _answer(self, piece: Piece) -> None:
        block, where = piece.blocks[0], piece.place(0)
        assert isinstance(block, ir.ToolResult)
        out: dict[str, Any] = {"role": "tool", "content": self._result(block, where)}
        if block.name is not None:
            out["tool_name"] = block.name
        out["tool_call_id"] = block.id
        shed(block, self.draft, where)
        self.out.append(out)

    def _result(self, block: ir.ToolResult, where: str) -> str:
        draft = self.draft
        texts: list[str] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media):
                texts.append(_document(content, draft, place))
            elif isinstance(content, ir.Text | ir.Json | ir.Refusal):
                texts.append(words(content, draft, place))
            else:
                draft.report.lose(place, f"a tool result cannot contain a {type(content).__name__}")
        return result_text(texts, block, draft, where)

    def say(self, role: str, blocks: Sequence[tuple[ir.Block, str]]) -> None:
        """Append a message with the text and the media of these blocks. Texts, refusals, JSON and documents
        become its `content`, joined by line breaks; images and audio become its `images`. Other blocks are
        reported as lost.

        role: "system", "user" or "tool". blocks: (block, its IR path). Raises WireError for a video, for an
        image or audio without data, and for a document without text.
        """
        draft = self.draft
        texts: list[str] = []
        images: list[str] = []
        for block, place in blocks:
            if isinstance(block, ir.Text | ir.Json | ir.Refusal):
                if images and not draft.own:
                    draft.report.change(
                        place,
                        "messages[].content",
                        "the Ollama API has images next to the text, not inside it",
                    )
                texts.append(words(block, draft, place))
            elif isinstance(block, ir.Media) and block.kind in SENT:
                images.append(_data(block, draft, place))
            elif isinstance(block, ir.Media):
                texts.append(_document(block, draft, place))
            elif isinstance(block, ir.Native):
                draft.report.lose(place, no_form(block.dialect, block.kind))
            else:
                draft.report.lose(place, f"this message cannot contain a {type(block).__name__} block")
        out: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
        if images:
            out["images"] = images
        self.out.append(out)


def _data(block: ir.Media, draft: Draft, where: str) -> str:
    """Return the base64 of an image or audio for `images`. Its detail (except "auto"), name and transcript
    are reported as lost. Raises WireError for a medium without data. where: the block's IR path.
    """
    if block.data is None:
        what = "an address" if block.url is not None else "a file id"
        raise WireError(
            f"the Ollama API does not accept {what}: send the data itself", where, "unsupported_value"
        )
    if block.detail is not None and block.detail != "auto":
        draft.report.lose(where + ".detail", "the Ollama API has no image detail", "quality")
    if block.kind == "audio" and not draft.own:
        draft.report.change(where, "messages[].images", "the Ollama API accepts audio only in `images`")
    _lose_title(block, draft, where)
    return block.data


def _document(block: ir.Media, draft: Draft, where: str) -> str:
    """Return the text of a document, in tags (`document_text`). Raises WireError for a medium without text,
    such as a video or a PDF. where: the block's IR path.
    """
    if block.text is None and block.blocks is None:
        raise WireError(f"the Ollama API does not accept {block.kind}", where, "unsupported_modality")
    text = document_text(block, draft, where)
    _lose_title(block, draft, where)
    return text


def reads(_: ir.Media) -> bool:
    """Return False for every medium: Ollama downloads nothing, so it cannot read a medium by its URL."""
    return False


def _lose_title(block: ir.Media, draft: Draft, where: str) -> None:
    for field in ("context", "citable", "transcript") if block.kind == "document" else ("name", "transcript"):
        if getattr(block, field):
            draft.report.lose(f"{where}.{field}", f"media in the Ollama API have no `{field}`", "hint")
    shed(block, draft, where)
