"""Decodes a whole response object to ir.Response, and encodes it back.

Some members of a response object repeat the request. In an answer of this dialect, `Response.echo` holds
these members. In an answer of another dialect, they are taken from the client's request (`Reply.echo`); a
member that the request lacks gets the specification's default, because clients require every member.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.errors import failure_member, fault_of
from dragoman.dialects.openai_responses.items import decode_item, encode_items
from dragoman.dialects.openai_responses.terms import ID_PREFIX, NAME, SHOWN, TIERS, restore
from dragoman.dialects.openai_responses.tool_uses import report_uses, with_tools
from dragoman.dialects.openai_responses.usage import decode_usage, encode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.typed import Typed, sound
from dragoman.errors import RequestFailed, WireError

_KNOWN: Final = frozenset(
    {
        *("id", "object", "created_at", "model", "status", "incomplete_details", "error", "output", "usage"),
        "service_tier",
    }
)
HEAD: Final = Typed(
    NAME,
    id=str,
    model=str,
    created_at=(int, float, str),
    service_tier=str,
    status=str,
    usage=dict,
    incomplete_details=dict,
)
DEFAULTS: Final[dict[str, Any]] = {
    "completed_at": None,
    "previous_response_id": None,
    "instructions": None,
    "tools": [],
    "tool_choice": "auto",
    "truncation": "disabled",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "temperature": 1.0,
    "reasoning": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "store": True,
    "background": False,
    "metadata": {},
    "safety_identifier": None,
    "prompt_cache_key": None,
}
"""Member that every answer must have -> the specification's value if the request does not state the
member."""
_ECHO: Final = DEFAULTS.keys() | {
    "user",
    "prompt",
    "conversation",
    "prompt_cache_retention",
    "prompt_cache_options",
    "billing",
}

_STOPS: Final[dict[str, ir.Stop]] = {
    "max_output_tokens": ir.Stop("length"),
    "content_filter": ir.Stop("filter"),
}
_REASONS: Final = {"length": "max_output_tokens", "context": "max_output_tokens", "filter": "content_filter"}
_LOST: Final = {
    "context": "a full context window is reported as max_output_tokens",
    "sequence": "a stop sequence is reported as completed",
    "pause": "a pause is reported as completed: send the conversation again to continue",
    "compaction": "a compaction is reported as completed",
    "broken": "malformed output is reported as completed",
    "error": "an unknown error is reported as completed",
    "other": "an unknown finish reason is reported as completed",
}


# --- Decoding ------------------------------------------------------------------------------------


def decode_response(body: dict[str, Any], _quirks: Quirks) -> ir.Response:
    """Decode a response object. An answer that failed after its first output is decoded, too; its fault is in
    `error`. Raises RequestFailed for an answer that failed without output, and for an error in place of an
    answer; WireError for a malformed answer. The second parameter is not used.
    """
    output = body.get("output")
    if type(output) is not list:
        if body.get("error") or body.get("type") == "error":
            raise RequestFailed(fault_of(body))
        raise WireError("the response must have `output`, an array", "output")
    try:
        response = sound(read_response(body, output_blocks(output)))
    except (KeyError, TypeError, AttributeError):
        raise WireError("the response has an unknown format") from None
    if response.error is not None and not response.candidates:
        raise RequestFailed(response.error, response.usage)
    return response


def output_blocks(output: Sequence[Any]) -> tuple[ir.Block, ...]:
    """Decode the blocks of all items of an `output`, in order. Raises WireError if an item, or a part of a
    message or of a call's output, is not an object.
    """
    return tuple(
        block for index, item in enumerate(output) for block in decode_item(item, f"output[{index}]")[1]
    )


def read_response(body: dict[str, Any], blocks: tuple[ir.Block, ...]) -> ir.Response:
    """Decode a response object whose `output` has already been decoded to `blocks`. The fault of a failed
    response is in `error`, and is not raised; a failed response without blocks has no candidate. Raises
    KeyError, TypeError or AttributeError for members of an unknown form.
    """
    body, odd = HEAD.sort(body)
    usage, error, status = body.get("usage"), body.get("error"), body.get("status")
    failed = status == "failed" or bool(error)
    return ir.Response(
        NAME,
        body.get("id"),
        body.get("model") or None,
        body.get("created_at"),
        () if failed and not blocks else (ir.Candidate(blocks, decode_stop(body, blocks)),),
        with_tools(decode_usage(usage), body) if usage else None,
        None if status in _SETTLED else status,
        body.get("service_tier"),
        fault_of({"error": error or {}}) if failed else None,
        ir.merge(decode_extra(body), odd),
        decode_echo(body),
    )


_SETTLED: Final = frozenset({"completed", "incomplete", None})
"""Statuses that follow from the stop reason; only other statuses are put into `Response.status`."""


def decode_extra(body: Mapping[str, Any]) -> ir.Extra:
    """Return the leftovers of a response object: its members without an IR field. Null members, and members
    that repeat the request, are left out. None = there are no leftovers.
    """
    kept = {
        key: value
        for key, value in body.items()
        if key not in _KNOWN and key not in _ECHO and value is not None
    }
    return {NAME: kept} if kept else None


def decode_echo(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the members of a response object that repeat the request, null members included; None = all are
    null or absent.
    """
    echo = {key: value for key, value in body.items() if key in _ECHO}
    return echo if any(value is not None for value in echo.values()) else None


def decode_stop(body: Mapping[str, Any], blocks: Sequence[ir.Block]) -> ir.Stop | None:
    """Return the reason why an answer with these blocks stopped. body: the response object. A completed
    answer, and one without a status, has "tool" if a block is a call for the client, else "end". None = its
    status is none of `completed`, `incomplete`, `failed` and `cancelled`.
    """
    status = body.get("status")
    if status == "incomplete":
        details = body.get("incomplete_details") or {}
        reason = details.get("reason")
        stop = _STOPS.get(str(reason)) or ir.Stop("other", None if reason is None else str(reason))
        rest = {key: value for key, value in details.items() if key != "reason"}
        return ir.Stop(stop.reason, stop.raw, None, rest) if rest else stop
    if status in ("failed", "cancelled"):
        return ir.Stop("error", status)
    if status is not None and status != "completed":
        return None
    called = any(isinstance(block, ir.ToolCall) and block.by == "client" for block in blocks)
    return ir.Stop("tool" if called else "end")


# --- Encoding ------------------------------------------------------------------------------------


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode a response object, and report losses. Only the first candidate is written. An answer without a
    candidate gets an empty output. An error beside a candidate is written into the object. Raises
    RequestFailed for an answer with an error and without a candidate.
    """
    if response.error is not None and not response.candidates:
        raise RequestFailed(response.error)
    report = reply.report
    for place in range(1, len(response.candidates)):
        report.lose(f"candidates[{place}]", "the Responses API returns only one candidate", "meaning")
    candidate = response.candidates[0] if response.candidates else ir.Candidate()
    own = response.dialect == NAME
    draft = Draft(
        report,
        own=own,
        answer=True,
        mint=None if own else Mint(reply.id),
        summarised=not own and asks_for_summary(reply),
    )
    blocks: Sequence[ir.Block | None] = candidate.blocks
    where = "candidates[0].blocks"
    if not own:
        told = [shown(block, report, f"{where}[{at}]") for at, block in enumerate(candidate.blocks)]
        blocks = _with_words(told, draft, where)
    output = encode_items(blocks, draft, where)
    if not own and output and incomplete(candidate.stop):
        leave_incomplete(output[-1])
    return response_object(response, reply, output)


def asks_for_summary(reply: Reply) -> bool:
    """Whether the client's request asks for a summary of the reasoning. Such clients display only the
    summary, so the thinking of other dialects is then written as a summary.
    """
    wish = reply.request.reasoning
    return wish is not None and wish.summary is not None


class Mint:
    """Makes the ids of items without an id. The same calls give the same ids, if the answer has the same id.
    answer: the id of the answer.
    """

    def __init__(self, answer: str) -> None:
        self._root = answer.removeprefix(ID_PREFIX)
        self._count = 0

    def __call__(self, prefix: str) -> str:
        """Return a new id: `prefix`, the answer's id without "resp_", and a number, joined by "_"."""
        self._count += 1
        return f"{prefix}_{self._root}_{self._count}"


def shown(block: ir.Block, report: Report, where: str) -> ir.Block:
    """Return a block in a form that an item of an answer can hold. A medium other than an image becomes its
    transcript, else its text, else an empty text; each of these is reported as a loss. JSON becomes text,
    which is reported as a change. Any other block is unchanged. where: the block's IR path.
    """
    if isinstance(block, ir.Media) and block.kind != "image":
        report.lose(
            where,
            f"a response of the Responses API cannot contain {block.kind}; its transcript is returned",
            "meaning",
        )
        return ir.Text(block.transcript or block.text or "")
    if isinstance(block, ir.Json):
        report.change(where, "output", "the structured value is written as JSON text")
        return ir.Text(text_of(block.value))
    return block


def wordless(block: ir.Block) -> bool:
    """Whether a block is a Text with an empty text and no citations. Clients would display it as an empty
    line.
    """
    return isinstance(block, ir.Text) and not (block.text or block.citations)


def _with_words(blocks: Sequence[ir.Block], draft: Draft, where: str) -> list[ir.Block | None]:
    """Return the blocks, with None in place of each empty text (`wordless`) that follows a text, a refusal or
    another replaced text, and of reasoning that has nothing to show. What a replaced block has besides is
    reported. where: the IR path of the list of blocks.
    """
    kept: list[ir.Block | None] = []
    last: ir.Block | None = None
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Thinking) and not (block.text or block.summary or block.sealed):
            draft.report.lose(f"{where}[{index}]", "the reasoning has no text to show", "hint")
            restore({}, block.extra, draft.report, f"{where}[{index}]")
            kept.append(None)
            continue
        if isinstance(last, ir.Text | ir.Refusal) and wordless(block):
            kept.append(None)
            if isinstance(block, ir.Text):
                if block.sealed is not None:
                    draft.leave_seal(f"{where}[{index}]")
                restore({}, block.extra, draft.report, f"{where}[{index}]")
            continue
        kept.append(block)
        last = block
    return kept


def incomplete(stop: ir.Stop | None) -> bool:
    """Whether an answer of another dialect with this stop gets the status `incomplete`. True for the reasons
    "length", "context" and "filter"; False for all others and for None.
    """
    return stop is not None and stop.reason in _REASONS


def leave_incomplete(item: dict[str, Any]) -> None:
    """Set the status of `item`, the last item of an incomplete answer, to `incomplete`, if `item` is a
    message or a function call. Any other item is unchanged.
    """
    if item["type"] in {"message", "function_call"}:
        item["status"] = "incomplete"


def response_object(
    response: ir.Response, reply: Reply, output: list[dict[str, Any]], *, running: bool = False
) -> dict[str, Any]:
    """Return the response object for the client; losses are reported to `reply.report`. Only the first
    candidate counts. output: its encoded items. running: True = the stream has not ended yet; the status is
    "in_progress", and the usage is null.
    """
    report, own = reply.report, response.dialect == NAME
    candidate = response.candidates[0] if response.candidates else ir.Candidate()
    created = response.created
    out: dict[str, Any] = {
        "id": answer_id(response.id, reply),
        "object": "response",
        "created_at": created if own and created is not None else _seconds(created, reply),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": reply.model or response.model or reply.request.model or "",
        "output": output,
    }
    if not running:
        _settle(out, response, candidate.stop, report, own=own)
    out.update(_echo(response.echo, reply, own=own))
    if out["status"] == "completed" and reply.now is not None and out.get("completed_at") is None:
        out["completed_at"] = int(reply.now())
    if (tier := _tier(response.tier, report, own=own)) is not None:
        out["service_tier"] = tier
    out["usage"] = None if running else encode_usage(response.usage, report, own=own)
    if candidate.extra is not None:
        restore(out, candidate.extra, report, "candidates[0]")
    if response.extra is not None:
        restore(out, response.extra, report, "")
    if own and response.usage is not None and not running:
        report_uses(response.usage, out, report)
    return out


def answer_id(stated: str | None, reply: Reply) -> str:
    """Return the response id for the client: the gateway's id (`reply.id`) if it begins with "resp_", or if
    the provider stated no id; otherwise the provider's id (`stated`). If the gateway's id replaces another
    one, a change is reported.
    """
    if stated is None:
        return reply.id
    if reply.id.startswith(ID_PREFIX) and reply.id != stated:
        reply.report.change("id", "id", "created by the gateway; it can be used as previous_response_id")
        return reply.id
    return stated


def _seconds(created: float | str | None, reply: Reply) -> int:
    return reply.created if created is None or isinstance(created, str) else int(created)


def _tier(tier: str | None, report: Report, *, own: bool) -> str | None:
    if own or tier in TIERS:
        return tier
    if tier is not None:
        report.lose("tier", f"the Responses API has no service tier {tier}", "hint")
    return "default"


def _lose_stop(stop: ir.Stop, report: Report, *, called: bool) -> None:
    """Report, as losses or changes, the facts about a stop that the status of a response does not express.
    called: True = the response has a call of a function or of a custom tool, which shows that the response
    ended with a call.
    """
    where = "candidates[0].stop"
    if stop.reason in _LOST:
        report.lose(where, _LOST[stop.reason], "quality")
        return
    if called and stop.reason == "end":
        report.change(
            f"{where}.reason", "status", "the tool call itself shows that the response ended with it"
        )
    elif stop.reason == "tool" and not called:
        report.lose(
            f"{where}.reason", "only the tool call itself shows that the response ended with it", "hint"
        )
    if stop.sequence is not None:
        report.lose(f"{where}.sequence", "this protocol does not report the stop sequence", "hint")
    if stop.detail:
        report.lose(f"{where}.detail", "the Responses API has no such field", "hint")


def _settle(
    out: dict[str, Any], response: ir.Response, stop: ir.Stop | None, report: Report, *, own: bool
) -> None:
    """Write `status`, `incomplete_details` and `error` of a finished answer into the response object `out`.
    stop: why the answer stopped; None = not stated: an answer of another dialect is then "completed". own:
    True = the answer came in this dialect.
    """
    if response.error is not None:
        out["status"], out["error"] = "failed", failure_member(response.error)
        return
    raw = None if stop is None else stop.raw
    if own and response.status is not None:
        out["status"] = response.status
    elif stop is not None:
        reason = raw if own and stop.reason == "other" else _REASONS.get(stop.reason)
        untold = own and stop.reason == "other"  # the provider stated no reason
        out["status"] = "completed" if reason is None and not untold else "incomplete"
        if reason is not None:
            out["incomplete_details"] = {"reason": reason, **((stop.detail or {}) if own else {})}
        if not own:
            called = any(item["type"] in {"function_call", "custom_tool_call"} for item in out["output"])
            _lose_stop(stop, report, called=called)
    elif not own:
        out["status"] = "completed"
    if not own and response.status is not None:
        report.lose("status", "the Responses API has no such field", "hint")


def _echo(stated: Mapping[str, Any] | None, reply: Reply, *, own: bool) -> dict[str, Any]:
    """Return the members of a response object that repeat the request. own: True = the answer came in this
    dialect, so they are as the provider stated them (`stated`), but those in `SHOWN` as the client wrote
    them. False = they are as the client wrote them, with missing fields added (`_COMPLETE`); the others come
    from `DEFAULTS`.
    """
    asked = reply.echo
    mine = {key: asked[key] for key in SHOWN if asked.get(key) is not None}
    if own:
        return {**(stated or {}), **mine}
    said = {key: value for key, value in asked.items() if key in _ECHO and value is not None}
    said |= {key: complete(said[key]) for key, complete in _COMPLETE.items() if key in said}
    return {**DEFAULTS, **said}


def _text(value: dict[str, Any]) -> dict[str, Any]:
    form = value.get("format") or {"type": "text"}
    if form.get("type") == "json_schema":
        form = {"description": None, "strict": False, **form}
    return {**value, "format": form}


def _reasoning(value: dict[str, Any]) -> dict[str, Any]:
    return {"effort": None, "summary": None, **value}


def _tools(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    whole = {"description": None, "parameters": None, "strict": True}
    return [{**whole, **tool} if tool.get("type") == "function" else tool for tool in value]


_COMPLETE: Final[dict[str, Any]] = {"text": _text, "reasoning": _reasoning, "tools": _tools}
