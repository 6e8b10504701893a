"""Encodes requests for the clouds that host Claude, Amazon Bedrock and Vertex AI. The model's name goes into
the path and the API version into the body; at Amazon Bedrock the betas go into the body, too. Members and
betas that only Anthropic's own servers have are left out.

https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy,
https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai and the features of each cloud in
https://platform.claude.com/docs/en/build-with-claude/overview, read in 2026-11. The client `anthropic` 2.12.0
(`lib/bedrock`, `lib/vertex`) writes the same paths and betas. The clouds answer 400 ("Extra inputs are not
permitted", "invalid beta flag") to members and betas that they do not have. Neither has automatic caching,
which is a `cache_control` of the whole request (UKGovernmentBEIS/inspect_ai#3851, dust-tt/dust#27109), nor
the `scope` of a `cache_control` (BerriAI/litellm#22797).
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.anthropic.terms import BETA_HEADER, NAME
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.severity import of_member

_Wire = dict[str, Any]
VERTEX: Final = "vertex-2023-10-16"
_ELSEWHERE: Final[tuple[str, ...]] = (
    *("billing_policy", "container", "diagnostics", "fallback_credit_token", "fallbacks", "inference_geo"),
    *("mcp_servers", "speed", "thread", "workspace_id"),
)
"""Members that only Anthropic's own servers have."""
_BETA_MEMBERS: Final = {
    "context_management": ("context-management-", "compact-"),
    "compaction": ("compact-",),
}
"""Member -> the beginnings of the betas of which one must be stated with it."""
_BETA_TOOL_MEMBERS: Final = {"input_examples": "tool-examples-", "defer_loading": "tool-search-tool-"}
"""Member of a tool -> the beginning of the beta that must be stated with it."""
_WHY: Final = "this server does not have it"


def understood(betas: str, quirks: Quirks, report: Report) -> str:
    """Return the value of the header `anthropic-beta` with only the betas that a server knows; "" = it knows
    none of them, or none is stated. The other betas are reported as lost. betas: the value of the header that
    the client sent, names separated by commas. quirks: of the server's vendor.
    """
    stated = [one.strip() for one in betas.split(",") if one.strip()]
    known = [beta for beta in stated if quirks.knows_beta(beta)]
    for beta in stated:
        if beta not in known:
            report.lose(f"{BETA_HEADER}.{beta}", _WHY, "hint")
    return betas if known == stated else ",".join(known)


def hosted(path: str, body: _Wire, betas: str | None, target: Target) -> WireRequest:
    """Return the request for a cloud that hosts Claude: its path parameters name the model (if it is known),
    its body states the API version. At Vertex AI (`VERTEX`) the betas stay in their header; at any other
    cloud the body names them. Members that the cloud is known to refuse are left out and reported as lost.

    path: the path at Anthropic. body: the body for Anthropic; this function changes it. betas: the value of
    the header `anthropic-beta`; None = there is no such header.
    """
    quirks, report = target.quirks, target.report
    model = body.pop("model", None)
    if not quirks.stream_member:
        body.pop("stream", None)
    if body.pop("service_tier", None) is not None:
        report.lose("tier", "Claude has no service tiers at this cloud")
    known = list(dict.fromkeys(one.strip() for one in (betas or "").split(",") if one.strip()))
    _leave_out(body, known, report)
    params = {} if model is None else {"model": model}
    version = quirks.body_version
    if version == VERTEX:
        headers = {BETA_HEADER: betas} if betas else {}
        return WireRequest(
            "chat", {"anthropic_version": version, **body}, path=path, params=params, headers=headers
        )
    whole = {"anthropic_version": version, **({"anthropic_beta": known} if known else {}), **body}
    return WireRequest("chat", whole, path=path, params=params)


def _leave_out(body: _Wire, betas: list[str], report: Report) -> None:
    missing = [member for member in _ELSEWHERE if member in body]
    missing += [
        member
        for member, starts in _BETA_MEMBERS.items()
        if member in body and not any(beta.startswith(starts) for beta in betas)
    ]
    for member in missing:
        del body[member]
        report.lose(member, _WHY, of_member(NAME, member))
    config = body.get("output_config")
    if type(config) is dict and "task_budget" in config:
        rest = {key: value for key, value in config.items() if key != "task_budget"}
        body["output_config"] = rest
        report.lose("output_config.task_budget", _WHY, of_member(NAME, "task_budget"))
        if not rest:
            del body["output_config"]
    tools = body.get("tools") or []
    for index, tool in enumerate(tools):
        odd = {"allowed_callers"} & tool.keys()
        odd |= {
            member
            for member, start in _BETA_TOOL_MEMBERS.items()
            if member in tool and not any(beta.startswith(start) for beta in betas)
        }
        for member in sorted(odd):
            report.lose("tools", f"`{member}` of the tool {tool.get('name')}: {_WHY}", "hint")
        if odd:
            tools[index] = {key: value for key, value in tool.items() if key not in odd}
    _unscope_all(body, report)
    if (mark := body.pop("cache_control", None)) is not None:
        _place_mark(body, mark, report)


# --- Cache breakpoints ---------------------------------------------------------------------------

_MOST_MARKS: Final = 4
"""The most cache breakpoints of one request. Anthropic's servers count the automatic one, too."""
_UNMARKED: Final = frozenset({"thinking", "redacted_thinking"})
"""Types of blocks that cannot be cache breakpoints."""


def _unscope_all(body: _Wire, report: Report) -> None:
    """Remove `scope` from each cache breakpoint: of the request, of its tools and of its blocks. Each removed
    value is reported as lost, unless it is null. `body` itself is changed. Any other object that changes is
    copied, because it may be the client's own, which the next attempt needs as it is.
    """
    body.update(_unscoped(body, "cache.mark", report))
    for member in ("system", "tools"):
        if type(body.get(member)) is list:
            body[member] = _unscoped_list(body[member], member, report)
    body["messages"] = [
        {**message, "content": _unscoped_list(content, f"messages[{index}].blocks", report)}
        if type(content := message.get("content")) is list
        else message
        for index, message in enumerate(body["messages"])
    ]


def _unscoped_list(blocks: list[Any], where: str, report: Report) -> list[Any]:
    return [
        _unscoped_block(block, f"{where}[{index}]", report) if type(block) is dict else block
        for index, block in enumerate(blocks)
    ]


def _unscoped_block(block: _Wire, where: str, report: Report) -> _Wire:
    """Return a block or a tool without the scopes of its own cache breakpoint and of those inside it, at any
    depth. Each removed scope is reported as lost, unless it is null. Objects that change are copied; the
    argument stays as it is. where: the IR path of the block.
    """
    block = _unscoped(block, f"{where}.cache", report)
    inner = block.get("content")
    if type(inner) is list:
        return {**block, "content": _unscoped_list(inner, f"{where}.content", report)}
    for member in ("content", "source"):
        if type(inner := block.get(member)) is dict:
            block = {**block, member: _unscoped_block(inner, f"{where}.{member}", report)}
    return block


def _unscoped(marked: _Wire, where: str, report: Report) -> _Wire:
    """Return an object without the scope of its own `cache_control`: a copy, or the object itself if there is
    no scope. The scope is reported as lost, unless it is null. where: the IR path of the breakpoint.
    """
    mark = marked.get("cache_control")
    if type(mark) is not dict or "scope" not in mark:
        return marked
    if mark["scope"] is not None:
        report.lose(f"{where}.scope", _WHY, "hint")
    return {**marked, "cache_control": {key: value for key, value in mark.items() if key != "scope"}}


def _place_mark(body: _Wire, mark: Any, report: Report) -> None:
    """Move the cache breakpoint of the whole request to the last block of the messages that can be a
    breakpoint, as Anthropic's servers do, and report this as a change. If this block has a breakpoint
    already, that breakpoint stays. The breakpoint of the request is reported as lost if no block of the
    messages can be one, or if the request has `_MOST_MARKS` breakpoints already.
    """
    marked = [
        body.get("system"),
        body.get("tools"),
        *(message.get("content") for message in body["messages"]),
    ]
    if sum(map(_marks, marked)) >= _MOST_MARKS:
        report.lose("cache.mark", f"the request has {_MOST_MARKS} other cache breakpoints", "hint")
        return
    for index in reversed(range(len(body["messages"]))):
        content = _blocks_of(body["messages"][index])
        for number in reversed(range(len(content))):
            block = content[number]
            if block.get("type") in _UNMARKED or block.get("text") == "":
                continue
            place = f"messages[{index}].content[{number}].cache_control"
            report.change("cache.mark", place, "this server does not choose the breakpoint itself")
            if block.get("cache_control") is None:
                content = [*content[:number], {**block, "cache_control": mark}, *content[number + 1 :]]
                body["messages"][index] = {**body["messages"][index], "content": content}
            return
    report.lose("cache.mark", "no message can be a cache breakpoint", "hint")


def _blocks_of(message: _Wire) -> list[_Wire]:
    content = message.get("content")
    if type(content) is list:
        return content
    return [{"type": "text", "text": content}] if content else []


def _marks(value: Any) -> int:
    """Return the number of cache breakpoints in a block or a tool, or in a list of them, and in the blocks
    inside. Any other value has none.
    """
    if type(value) is list:
        return sum(map(_marks, value))
    if type(value) is not dict:
        return 0
    own = value.get("cache_control") is not None
    return own + _marks(value.get("content")) + _marks(value.get("source"))
