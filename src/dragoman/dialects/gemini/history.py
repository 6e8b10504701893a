"""Encodes histories as `contents` and `systemInstruction`, and adds placeholders for missing signatures of
calls (`sign_calls`). A history of another dialect is repaired first, because the API requires a certain
order.

https://ai.google.dev/gemini-api/docs/function-calling,
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.draft import Draft, lose_cache
from dragoman.dialects.gemini.part_decoder import SKIP_SIGNATURE
from dragoman.dialects.gemini.part_encoder import bare_text, encode_part
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.loss import Report
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import CUT_OFF, Rules, Why
from dragoman.dialects.repair.turn import Turn, has_heading, tagged

_Wire = dict[str, Any]
_SYSTEM_ROLES = frozenset({"system", "developer"})
_ROLES = {"assistant": "model"}
_NO_WORDS: _Wire = {"text": ""}


# --- A history of this dialect -------------------------------------------------------------------


def own_contents(messages: tuple[ir.Message, ...], draft: Draft) -> tuple[list[_Wire], list[_Wire]]:
    """Encode a history of this dialect. Returns (parts that go before the client's own parts of the system
    instruction, contents).

    System and developer messages at the front of such a history come from the gateway, and become these
    parts. A later message of these roles becomes a user content with tagged text.
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
        restore(out, message.extra, draft.report, f"messages[{index}]")
        contents.append(out)
    return added, contents


def write_parts(blocks: tuple[ir.Block, ...], draft: Draft, where: str) -> list[_Wire]:
    """Return the parts of these blocks, in order. A block for which `encode_part` returns None has no part.
    where: the IR path of the blocks.
    """
    parts = []
    for index, block in enumerate(blocks):
        part = bare_text(block) or encode_part(block, draft, f"{where}[{index}]")
        if part is not None:
            parts.append(part)
    return parts


def _tagged(part: _Wire) -> _Wire:
    return {**part, "text": tagged(part["text"])} if "text" in part else part


# --- A history of another dialect ----------------------------------------------------------------


def _is_written(block: ir.Block) -> bool:
    """Whether a block of another dialect counts as content when the history is repaired. These do not count:
    an empty text without a seal, thinking without a signature of Google's (its text may still be sent), calls
    and results of tools that the client does not run, and native blocks of other dialects. All other blocks
    count.
    """
    if type(block) is ir.Text:
        return block.text != "" or block.sealed is not None
    if type(block) is ir.Thinking:
        return block.sealed is not None and block.sealed.origin == NAME
    if isinstance(block, ir.ToolCall | ir.ToolResult):
        return block.by == "client"
    return not isinstance(block, ir.Native) or block.dialect == NAME


def _is_medium(block: ir.Media) -> bool:
    return block.text is None and block.blocks is None


_RULES = Rules(
    dialect=NAME,
    order="turns",
    says=_is_written,
    named="always",
    in_order=True,
    absent=CUT_OFF,
    added=Why("contents[].parts[]", "an error result for the tool call {name}, which has no result"),
    orphans="words",
    words="Result of {name}, called earlier:\n{text}",
    orphaned=Why("contents[].parts[].text", "the tool result has no tool call: it is sent as text"),
    taken_out=Why("contents[].parts[]", "the Gemini API accepts media next to a tool result, not in it"),
    tagged=Why("contents[].parts[].text", "the system message is sent as tagged text in a user message"),
    opened=Why("contents[0]", "the first message must be a user message"),
    opens="calls",
    continued=Why("contents[-1]", "the model does not support assistant prefill"),
)
_RULES_OF_OLDER_MODELS = msgspec.structs.replace(_RULES, takes_out=_is_medium)


def foreign_contents(request: ir.Request, draft: Draft) -> tuple[list[_Wire], list[_Wire]]:
    """Encode a history of another dialect, repaired to the order that the API requires. Returns (parts of the
    system instruction, contents). Losses and changes are reported to `draft.report`. Raises WireError for
    media that cannot be sent to Google, and for calls of free-text tools.
    """
    if (texts := only_texts(request)) is not None:
        led = texts[0][0] == "system"
        said = [{"role": _ROLES.get(role, role), "parts": [{"text": text}]} for role, text in texts[led:]]
        return ([{"text": texts[0][1]}] if led else []), said
    rules = _RULES_OF_OLDER_MODELS if draft.facts.media_results is False else _RULES
    system: list[_Wire] = []
    contents: list[_Wire] = []
    led = False  # True = the first system text has ended
    for turn in repaired(request, rules, draft.facts):
        if turn.role == "system" and not led:
            _write(turn, draft, system)
            continue
        led = True
        parts: list[_Wire] = []
        _write(turn, draft, parts)
        if parts:
            contents.append({"role": _ROLES.get(turn.role, "user"), "parts": parts})
        turn.tell(draft.report)
    return system, contents


def _write(turn: Turn, draft: Draft, parts: list[_Wire]) -> None:
    for piece in turn.pieces:
        instructs = piece.tagged or turn.role == "system"
        for at, block in enumerate(piece.blocks):
            if instructs and not isinstance(block, ir.Text | ir.Refusal | ir.Json):
                why = "the Gemini API accepts only text as system instruction"
                draft.report.lose(piece.place(at), why, "meaning")
                continue
            part = bare_text(block) or encode_part(block, draft, piece.place(at))
            if part is not None and part != _NO_WORDS:  # the API refuses an empty text without a signature
                parts.append(_tagged(part) if piece.tagged else part)
        if piece.message is not None and has_heading(piece.message):
            _heading(piece.message, piece.index, draft.report)


def _heading(message: ir.Message, index: int, report: Report) -> None:
    where = f"messages[{index}]"
    if message.name is not None:
        report.lose(f"{where}.name", "the Gemini API has no author names", "hint")
    if message.cache is not None:
        lose_cache(message.cache, report, where)
    restore({}, message.extra, report, where)


# --- Signatures ----------------------------------------------------------------------------------


def sign_calls(contents: list[_Wire], draft: Draft) -> None:
    """Write the placeholder `SKIP_SIGNATURE` as the signature of each call of the current turn that needs a
    signature and has none, and report it. The contents are changed in place.

    The current turn is everything after the last user content without tool results. Only the first call needs
    a signature among the calls of model contents that follow each other directly.
    """
    first: tuple[int, _Wire] | None = None  # of the step, which may have several contents
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
