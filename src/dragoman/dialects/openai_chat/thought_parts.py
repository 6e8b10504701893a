"""Reasoning as a part of an assistant message's content, decoded and encoded. There are three forms; the name
of the form is the value of `Thinking.form`:

thinking_part   {"type": "thinking", "thinking": [{"type": "text", "text": "…"}]}: Mistral's models, if the
                server passes on their form
thinking_text   {"type": "thinking", "thinking": "…"}: some servers write a text in place of the list
reasoning_part  {"type": "reasoning", "summary": [{"type": "summary_text", "text": "…", "signature": "…"}]}:
                Claude at Databricks
                (https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models, read
                in 2026-11)

Canonical form: the texts of one `thinking` part are joined. A part of another form, such as a `reasoning`
part with two summaries, stays an `ir.Native`.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.openai.terms import NAME, leftovers, restore

_PART: Final = "thinking_part"
_TEXT: Final = "thinking_text"
_SUMMARY: Final = "reasoning_part"
FORMS: Final = frozenset({_PART, _TEXT, _SUMMARY})
"""The forms of thinking that stands in the content."""
_THINKING: Final = frozenset({"type", "thinking"})
_REASONING: Final = frozenset({"type", "summary"})
_SPOKEN: Final = frozenset({"type", "text", "signature"})
FRAMES: Final[dict[str, tuple[bytes, bytes]]] = {
    _PART: (b'{"content":[{"type":"thinking","thinking":[{"type":"text","text":', b"}]}]}"),
    _TEXT: (b'{"content":[{"type":"thinking","thinking":', b"}]}"),
    _SUMMARY: (b'{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":', b"}]}]}"),
}
"""Form of thinking -> the JSON before and after its text in the delta of a stream."""


def decode_thought(part: dict[str, Any]) -> ir.Thinking | None:
    """Return the thinking that a content part holds; None = the part does not have one of the three forms."""
    if part.get("type") == "thinking":
        return _decode_thinking(part)
    return _decode_reasoning(part) if part.get("type") == "reasoning" else None


def _decode_thinking(part: dict[str, Any]) -> ir.Thinking | None:
    told, extra = part.get("thinking"), leftovers(part, _THINKING)
    if type(told) is str:
        return ir.Thinking(told, extra=extra, form=_TEXT)
    if type(told) is not list or not all(map(_is_text, told)):
        return None
    return ir.Thinking("".join([piece["text"] for piece in told]), extra=extra, form=_PART)


def _is_text(piece: Any) -> bool:
    return type(piece) is dict and piece.keys() == {"type", "text"} and type(piece["text"]) is str


def _decode_reasoning(part: dict[str, Any]) -> ir.Thinking | None:
    told = part.get("summary")
    if type(told) is not list or len(told) != 1 or type(spoken := told[0]) is not dict:
        return None
    text, seal = spoken.get("text", ""), spoken.get("signature")
    if not spoken.keys() <= _SPOKEN or type(text) is not str or not isinstance(seal, str | None):
        return None
    sealed = ir.Sealed(NAME, seal) if seal else None
    return ir.Thinking(text, sealed=sealed, extra=leftovers(part, _REASONING), form=_SUMMARY)


def encode_thought(block: ir.Thinking, draft: Draft, where: str) -> dict[str, Any]:
    """Return the content part for a thinking block, in the form that its `form` names (one of `FORMS`). A
    seal is written only in the form "reasoning_part". Leftovers of another dialect that are not null are
    reported as lost. where: the block's IR path.
    """
    if block.form == _SUMMARY:
        spoken = {"type": "summary_text", "text": block.text}
        if block.sealed is not None:
            spoken["signature"] = block.sealed.data
        part: dict[str, Any] = {"type": "reasoning", "summary": [spoken]}
    elif block.form == _TEXT:
        part = {"type": "thinking", "thinking": block.text}
    else:
        part = {"type": "thinking", "thinking": [{"type": "text", "text": block.text}]}
    restore(part, block.extra, draft.report, where)
    return part
