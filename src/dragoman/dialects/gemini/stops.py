"""Decodes and encodes stop reasons: https://ai.google.dev/api/generate-content#FinishReason

`STOP` is also the stop reason of answers with tool calls. If Google refuses a prompt, the answer has no
candidate. In the IR, such an answer has one candidate, whose stop holds the whole `promptFeedback` as a
detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import ir
from dragoman.dialects.loss import Report

_FILTERS = (
    *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION"),
)
_BROKEN = (
    *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
    *("MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "IMAGE_OTHER", "OTHER"),
)
BROKEN = frozenset({*_BROKEN, 5})
"""The values of `finishReason` that mean that the model failed."""
UNFINISHED = frozenset({"FINISH_REASON_UNSPECIFIED", 0})
"""The values of `finishReason` that do not end a candidate."""

STOPS: dict[Any, ir.Stop] = {
    "STOP": ir.Stop("end"),
    "MAX_TOKENS": ir.Stop("length"),
    "CONTINUATION": ir.Stop("pause"),
    **{word: ir.Stop("filter", word) for word in _FILTERS},
    **{word: ir.Stop("broken", word) for word in _BROKEN},
    # Clients of the binary protocol write numbers. Both APIs use the same ones.
    1: ir.Stop("end", "1"),
    2: ir.Stop("length", "2"),
    3: ir.Stop("filter", "3"),
    4: ir.Stop("filter", "4"),
    5: ir.Stop("broken", "5"),
}
STOP_WORDS: dict[str, str] = {
    "end": "STOP",
    "tool": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "sequence": "STOP",
    "filter": "SAFETY",
    "pause": "CONTINUATION",
    "compaction": "STOP",
    "broken": "MALFORMED_RESPONSE",
    "error": "OTHER",
    "other": "OTHER",
}
"""Stop reason of the IR -> `finishReason`. For the reasons in `_LOST`, the word is less precise, which is
reported."""
_LOST = {
    "context": "a full context window is reported as MAX_TOKENS",
    "sequence": "a stop sequence is reported as STOP, without the sequence",
    "compaction": "a compaction is reported as STOP",
    "error": "an error of the model is reported as OTHER",
    "other": "an unknown finish reason is reported as OTHER",
}
_FEEDBACK = "promptFeedback"
_MESSAGE = "finishMessage"
_TO = "candidates[].finishMessage"
_EXPLANATION = "explanation"
"""The key in `Stop.detail` whose text becomes `finishMessage` in answers of other dialects."""


def decode_stop(candidate: Mapping[str, Any], *, called: bool) -> ir.Stop | None:
    """Return the stop of a candidate; None = the candidate states no `finishReason`. An unknown
    `finishReason` gives the reason "other". A `finishMessage` becomes a detail of the stop. candidate: the
    object as Google wrote it. called: True = the candidate calls a tool that the client runs, so its normal
    end gives the reason "tool".
    """
    word = candidate.get("finishReason")
    if word is None:
        return None
    stop = STOPS.get(word) or ir.Stop("other", str(word))
    if called and stop.reason == "end":
        stop = ir.Stop("tool", stop.raw)
    message = candidate.get(_MESSAGE)
    return stop if message is None else ir.Stop(stop.reason, stop.raw, None, {_MESSAGE: message})


UNANSWERED = ir.Stop("other", "")
"""The stop of an answer that states its usage, but has neither a candidate nor `promptFeedback`."""


def unanswered(body: Mapping[str, Any]) -> ir.Stop | None:
    """Return the stop of an answer, or of a chunk, without candidates (`body`). With a `promptFeedback` that
    is an object and not empty, the reason is "filter", and the feedback is a detail. With only a usage, the
    stop is `UNANSWERED`; with neither, None.
    """
    feedback = body.get(_FEEDBACK)
    if (stop := refused(feedback)) is not None:
        return stop
    if feedback and isinstance(feedback, dict):  # a prompt that was answered has no other feedback
        return ir.Stop("filter", "", None, {_FEEDBACK: feedback})
    counts = body.get("usageMetadata")
    return UNANSWERED if counts and isinstance(counts, dict) else None


def refused(feedback: Any) -> ir.Stop | None:
    """Return the stop of a prompt that Google refused; None = `feedback`, the value of `promptFeedback`,
    states no `blockReason`, or is not an object.
    """
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return None if reason is None else ir.Stop("filter", str(reason), None, {_FEEDBACK: feedback})


def weightier(stop: ir.Stop | None, other: ir.Stop | None) -> ir.Stop | None:
    """Return the stop that states more, of the stops of two chunks without candidates. A detail and the
    provider's word (`raw`) count equally; None states least. If both state equally much, `stop` is returned.
    """
    return max(
        stop, other, key=lambda one: 0 if one is None else 1 + (one.detail is not None) + bool(one.raw)
    )


def feedback_of(stop: ir.Stop | None) -> dict[str, Any] | None:
    """Return the `promptFeedback` that the stop of a refused prompt holds; None for any other stop, and for
    None.
    """
    feedback = (stop.detail or {}).get(_FEEDBACK) if stop is not None else None
    return feedback if isinstance(feedback, dict) else None


def broken_off(stop: ir.Stop | None) -> ir.Fault | None:
    """Return the fault (of the kind "upstream") for a stop with the reason "broken", which means that the
    model failed; None for any other stop, and for None. The text is Google's `finishMessage`, if there is
    one.
    """
    if stop is None or stop.reason != "broken":
        return None
    word = stop.raw or "OTHER"
    said = (stop.detail or {}).get(_MESSAGE)
    text = said if isinstance(said, str) and said else f"The model returned no usable response ({word})."
    return ir.Fault("upstream", text, code=word.lower(), type=word, blame="upstream")


def encode_stop(
    stop: ir.Stop | None, report: Report, where: str, *, own: bool, called: bool
) -> dict[str, Any]:
    """Return the members `finishReason` and, if there is one, `finishMessage` of a candidate; {} if `stop` is
    None. Losses are reported.

    where: the candidate's IR path. called: True = the candidate has calls of tools that the client runs; it
    decides only what is reported. own: True = the answer comes from this dialect, so the provider's own words
    are written, if the stop has them.
    """
    if stop is None:
        return {}
    out: dict[str, Any] = {"finishReason": STOP_WORDS[stop.reason]}
    if own and stop.raw is not None:
        out["finishReason"] = _word(stop.raw)
    elif not own:
        _lose(stop, report, where + ".stop", called=called)
    for key, value in (stop.detail or {}).items():
        if own and key == _MESSAGE:
            out[_MESSAGE] = value
        elif key == _EXPLANATION and isinstance(value, str):
            out[_MESSAGE] = value
            report.change(f"{where}.stop.detail.{key}", _TO, "written as the finish reason of the Gemini API")
        elif value and not (own and key == _FEEDBACK):
            report.lose(
                f"{where}.stop.detail.{key}", "the Gemini API has no such detail of a finish reason", "hint"
            )
    return out


def _word(raw: str) -> str | int:
    """Return a `finishReason` as the provider wrote it. raw: the provider's word in the IR, always a text; a
    text of at most `_DIGITS` digits stands for a number.
    """
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= _DIGITS else raw


_DIGITS = 6


def _lose(stop: ir.Stop, report: Report, where: str, *, called: bool) -> None:
    if (lost := _LOST.get(stop.reason)) is not None:
        report.lose(f"{where}.reason", lost, "quality")
    elif stop.reason == "end" and called:
        said = "the tool call itself shows that the response ended with it"
        report.change(f"{where}.reason", "candidates[].finishReason", said)
    elif stop.reason == "tool" and not called:
        report.lose(f"{where}.reason", "without a tool call it is reported as STOP", "hint")
    if stop.sequence is not None:
        report.lose(f"{where}.sequence", "the Gemini API does not report the stop sequence", "hint")
