"""Encodes requests for the clouds that host Claude, Amazon Bedrock and Vertex AI. The path and the body state
what Anthropic's own servers read from headers and the body. Members and betas that only Anthropic's own
servers have are left out.

https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy,
https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai and the features of each cloud in
https://platform.claude.com/docs/en/build-with-claude/overview, read in 2026-11. The client `anthropic` 2.12.0
(`lib/bedrock`, `lib/vertex`) writes the same paths and betas. The clouds answer 400 ("Extra inputs are not
permitted", "invalid beta flag") to members and betas that they do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    none of them. The other betas are reported as lost. betas: the header's value, names separated by commas.
    quirks: of the server's vendor.
    """
    stated = [one.strip() for one in betas.split(",") if one.strip()]
    known = [beta for beta in stated if quirks.knows_beta(beta)]
    for beta in stated:
        if beta not in known:
            report.lose(f"{BETA_HEADER}.{beta}", _WHY, "hint")
    return betas if known == stated else ",".join(known)


def hosted(path: str, body: _Wire, betas: str | None, target: Target) -> WireRequest:
    """Return the request for a cloud that hosts Claude. The parameters of the path have the model's name, and
    the body states the API version. At Vertex AI (`VERTEX`) the betas stay in their header; at any other
    cloud the body names them. Members that the cloud refuses are left out and reported as lost. `stream` is
    left out without a report if the path states it.

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
    for block in _marked(body):
        mark = block["cache_control"]
        if "scope" in mark:
            # The mark may be the client's own object, which the next attempt needs as it is.
            block["cache_control"] = {key: value for key, value in mark.items() if key != "scope"}
            if mark["scope"] is not None:
                report.lose("cache_control.scope", _WHY, "hint")


def _marked(body: _Wire) -> Iterator[_Wire]:
    """Yield each system block, tool and content block that has a `cache_control` object."""
    for whole in (body.get("system"), body.get("tools"), *(one.get("content") for one in body["messages"])):
        for block in whole if type(whole) is list else ():
            if type(block.get("cache_control")) is dict:
                yield block
