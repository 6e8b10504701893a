"""Decodes and encodes the finish reasons of the chat family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.loss import Report
from dragoman.ir import Stop
from dragoman.ir.response import Reason

STOPS: Final[dict[str, Stop]] = {
    "stop": Stop("end"),
    "length": Stop("length"),
    "tool_calls": Stop("tool"),
    "content_filter": Stop("filter"),
    "function_call": Stop("tool", raw="function_call"),
}
_OF_VENDORS: Final[dict[Reason, tuple[str, ...]]] = {
    "end": ("eos", "eos_token", "end_turn", "stop_token"),
    "sequence": ("stop_sequence",),
    "tool": ("tool_use", "tool_call"),
    "length": ("max_tokens", "max_output_tokens", "time_limit"),
    "context": ("model_length", "model_context_window_exceeded"),
    "filter": ("sensitive", "safety", "recitation"),
    "broken": ("repetition",),
    "error": ("error", "abort", "cancelled", "network_error", "insufficient_system_resource"),
}
"""IR reason -> the finish reasons of vendors that mean it: Together (eos), TGI (eos_token, stop_sequence),
xAI and gateways in front of Claude (end_turn, tool_use, max_tokens), watsonx (time_limit, cancelled), Mistral
(model_length), Z.ai (sensitive, network_error, model_context_window_exceeded), vLLM (abort, repetition),
OpenRouter (error), DeepSeek (insufficient_system_resource), gateways in front of Gemini (safety, recitation).
"""
STOPS.update({word: Stop(reason, raw=word) for reason, words in _OF_VENDORS.items() for word in words})
STOP_WORDS: Final[dict[str, str]] = {
    "end": "stop",
    "tool": "tool_calls",
    "length": "length",
    "context": "length",
    "sequence": "stop",
    "filter": "content_filter",
    "pause": "stop",
    "compaction": "stop",
    "broken": "stop",
    "error": "stop",
    "other": "stop",
}
"""IR reason -> the finish reason for the client. For the reasons in `STOPS_LOST` it is less precise."""
STOPS_LOST: Final[dict[str, str]] = {
    "context": "a full context window is reported as `length`",
    "sequence": "a stop sequence is reported as `stop`, without the sequence",
    "pause": "a pause is reported as `stop`: send the conversation again to continue",
    "compaction": "a compaction is reported as `stop`",
    "broken": "malformed output is reported as `stop`",
    "error": "an error of the model is reported as `stop`",
    "other": "an unknown finish reason is reported as `stop`",
}


def decode_stop(word: str | None, sequence: str | None = None, *, called: bool) -> ir.Stop | None:
    """Return the stop for a finish reason of the wire (`word`); None if `word` is None. "" counts as a normal
    end; an unknown word gives the reason "other". `Stop.raw` keeps the word if the stop alone does not show
    it.

    sequence: the stop sequence that was found; with it, the reason is "sequence", whatever `word` says
    (unless that is None or empty). called: True = the answer has tool calls; then a normal end gets the
    reason "tool".
    """
    if not word:
        return None if word is None else ir.Stop("tool" if called else "end", raw=word)
    if sequence is not None:
        return ir.Stop("sequence", raw=word, sequence=sequence)
    if (stop := STOPS.get(word)) is None:
        known = STOPS.get(word.lower())  # some gateways write capitals
        stop = ir.Stop("other" if known is None else known.reason, raw=word)
    return ir.Stop("tool", raw=word) if called and stop.reason == "end" else stop


def encode_stop(
    stop: ir.Stop | None,
    draft: Draft,
    where: str,
    *,
    called: bool,
    legacy: bool = False,
    words: Mapping[str, str] = STOP_WORDS,
    losses: Mapping[str, str] = STOPS_LOST,
) -> str | None:
    """Return the finish reason for the client; None if `stop` is None. If the answer came in the client's
    dialect (`draft.own`), no loss is reported, and a finish reason that the decoder saved in `Stop.raw` is
    written unchanged.

    where: the candidate's IR path. called: True = the client gets tool calls, so a normal end becomes
    "tool_calls". legacy: True = the client gets the older form of a call, so a call or a normal end becomes
    "function_call". words: IR reason -> finish reason. losses: IR reason -> the text to report, for each
    reason whose finish reason is less precise.
    """
    if stop is None:
        return None
    if draft.own and stop.raw is not None:
        return stop.raw
    if not draft.own:
        lose_stop(stop, draft.report, where + ".stop", losses)
    if legacy and stop.reason in {"tool", "end"}:
        return "function_call"
    if called and stop.reason == "end":
        draft.report.change(
            f"{where}.stop.reason", "choices[].finish_reason", "the response ended with a tool call"
        )
        return "tool_calls"
    return words[stop.reason]


def lose_stop(stop: ir.Stop, report: Report, where: str, losses: Mapping[str, str]) -> None:
    """Report as lost the facts about a stop that the finish reason for the client does not express: a more
    precise reason, the stop sequence, and the details. where: the stop's IR path. losses: IR reason -> the
    text to report, for each reason whose finish reason is less precise.
    """
    if (lost := losses.get(stop.reason)) is not None:
        report.lose(where + ".reason", lost, "quality")
    if stop.sequence is not None:
        report.lose(where + ".sequence", "this protocol does not report the stop sequence", "hint")
    for key, value in (stop.detail or {}).items():
        if value:
            report.lose(f"{where}.detail.{key}", "this protocol has no details of a finish reason", "hint")
