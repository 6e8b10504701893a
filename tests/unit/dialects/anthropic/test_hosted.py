"""Requests of Anthropic's clients for clouds that host Claude: what goes along, and what stays behind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.anthropic.hosted import understood
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.providers.catalog import CATALOG

BODY: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
EDITS = {"edits": [{"type": "clear_tool_uses_20250919"}]}
FUNCTION = {"name": "f", "input_schema": {"type": "object"}}
CLOUDS = ("bedrock", "vertex")


def sent(cloud: str, body: dict[str, Any], betas: str = "") -> tuple[WireRequest, Report]:
    """What a cloud gets of a request, and what was lost."""
    headers = {"anthropic-beta": betas} if betas else {}
    request = DIALECT.request.decode(WireRequest("chat", {**BODY, **body}, headers=headers))
    report = Report("anthropic")
    quirks = CATALOG[cloud].also["anthropic"].quirks
    return DIALECT.request.encode(request, Target(report, "claude", quirks)), report


def betas_of(wire: WireRequest) -> list[str]:
    """The betas that the cloud is told of."""
    stated = wire.headers.get("anthropic-beta")
    return wire.body.get("anthropic_beta", []) if stated is None else stated.split(",")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_betas_that_the_cloud_knows_go_along_and_the_others_are_lost(cloud: str) -> None:
    wire, report = sent(cloud, {}, "context-1m-2025-08-07, claude-code-20250219,context-1m-2025-08-07")
    assert set(betas_of(wire)) == {"context-1m-2025-08-07"}
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        ("anthropic-beta.claude-code-20250219", "hint")
    ]


def test_the_clouds_know_different_betas() -> None:
    for cloud, known in (("bedrock", True), ("vertex", False)):
        wire, report = sent(cloud, {}, "fine-grained-tool-streaming-2025-05-14")
        assert (bool(betas_of(wire)), bool(report.losses)) == (known, not known)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(
    ("member", "value", "severity"),
    [
        ("container", "c", "meaning"),
        ("mcp_servers", [{"type": "url", "url": "https://a.example", "name": "n"}], "meaning"),
        ("inference_geo", "us", "meaning"),
        ("context_management", EDITS, "meaning"),
        ("speed", "fast", "hint"),
        ("fallbacks", [], "hint"),
    ],
)
def test_members_that_the_cloud_refuses_stay_behind(
    cloud: str, member: str, value: Any, severity: str
) -> None:
    wire, report = sent(cloud, {member: value})
    assert member not in wire.body
    assert [(loss.path, loss.severity) for loss in report.losses] == [(member, severity)]


@pytest.mark.parametrize("beta", ["context-management-2025-06-27", "compact-2026-01-12"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_member_goes_along_with_its_beta(cloud: str, beta: str) -> None:
    wire, report = sent(cloud, {"context_management": EDITS}, beta)
    assert wire.body["context_management"] == EDITS
    assert betas_of(wire) == [beta]
    assert not report.losses


def test_members_of_tools_and_marks() -> None:
    odd = {"allowed_callers": ["direct"], "defer_loading": True, "input_examples": [{}]}
    mark = {"type": "ephemeral", "scope": "global"}
    body = {"tools": [{**FUNCTION, **odd}], "system": [{"type": "text", "text": "a", "cache_control": mark}]}
    wire, report = sent("vertex", body)
    assert wire.body["tools"] == [FUNCTION]
    assert wire.body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert [loss.path for loss in report.losses] == ["tools", "tools", "tools", "system[0].cache.scope"]
    assert "`allowed_callers` of the tool f" in report.losses[0].reason
    wire, _ = sent("bedrock", body, "tool-search-tool-2025-10-19,tool-examples-2025-10-29")
    assert wire.body["tools"] == [{**FUNCTION, "defer_loading": True, "input_examples": [{}]}]


def test_a_task_budget_stays_behind() -> None:
    wire, report = sent("vertex", {"output_config": {"task_budget": {"type": "tokens", "total": 9}}})
    assert "output_config" not in wire.body
    assert [loss.path for loss in report.losses] == ["output_config.task_budget"]


def test_servers_that_know_all_betas_get_the_header_as_it_is() -> None:
    report = Report("anthropic")
    assert understood("a, b,a", STANDARD, report) == "a, b,a"
    assert understood("a, b", Quirks(server_tools=False), report) == ""
    assert [loss.path for loss in report.losses] == ["anthropic-beta.a", "anthropic-beta.b"]


def test_the_clients_own_request_stays_as_it_was() -> None:
    mark = {"type": "ephemeral", "scope": "global"}
    body = {
        "tools": [{"type": "bash_20250124", "name": "bash", "cache_control": mark}],
        "messages": [{"role": "user", "content": [{"type": "new_block", "cache_control": mark}]}],
    }
    for _ in range(2):  # as for the attempts at two deployments
        wire, report = sent("bedrock", body)
        assert [loss.path for loss in report.losses] == [
            "tools[0].cache.scope",
            "messages[0].blocks[0].cache.scope",
        ]
        assert wire.body["tools"][0]["cache_control"] == {"type": "ephemeral"}
        assert wire.body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert mark == {"type": "ephemeral", "scope": "global"}


MARK = {"type": "ephemeral"}
SCOPED = {"type": "ephemeral", "scope": "global"}


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]},
            "content[0]",
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
            "source.content[0]",
        ),
        (
            {
                "type": "new_tool_result",
                "tool_use_id": "a",
                "content": {"type": "x", "content": [{"type": "y"}]},
            },
            "content.content[0]",
        ),
    ],
)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_scope_inside_a_block_is_left_out(cloud: str, block: dict[str, Any], place: str) -> None:
    marked: Any = copy.deepcopy(block)
    inner = marked.get("source", marked)["content"]
    (inner if type(inner) is list else inner["content"])[0]["cache_control"] = SCOPED
    messages = [{"role": "user", "content": [marked]}]
    for _ in range(2):
        wire, report = sent(cloud, {"messages": messages})
        assert "scope" not in str(wire.body)
        (loss,) = report.losses
        assert loss.path == f"messages[0].blocks[0].{place}.cache.scope"
        where = DIALECT.request.located(WireRequest("chat", {**BODY, "messages": messages}), loss.path)
        assert where == f"$.messages[0].content[0].{place}.cache_control.scope"


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Hi", [{"type": "text", "text": "Hi", "cache_control": MARK}]),
        (
            [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}],
            [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you", "cache_control": MARK}],
        ),
        (
            [{"type": "text", "text": "Hi"}, {"type": "thinking", "thinking": "Hm", "signature": "s"}],
            [
                {"type": "text", "text": "Hi", "cache_control": MARK},
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
            ],
        ),
        (
            [{"type": "text", "text": "Hi", "cache_control": {**MARK, "ttl": "1h"}}],
            [{"type": "text", "text": "Hi", "cache_control": {**MARK, "ttl": "1h"}}],
        ),
    ],
)
def test_the_breakpoint_of_the_whole_request_becomes_that_of_a_block(
    cloud: str, content: Any, expected: Any
) -> None:
    body = {"cache_control": SCOPED, "messages": [{"role": "user", "content": content}]}
    wire, report = sent(cloud, body)
    assert "cache_control" not in wire.body
    assert wire.body["messages"] == [{"role": "user", "content": expected}]
    assert [(loss.path, loss.severity) for loss in report.losses] == [("cache.mark.scope", "hint")]
    assert DIALECT.request.locate("cache.mark.scope") == "$.cache_control.scope"
    assert [change.path for change in report.changes] == ["cache.mark"]


def test_a_breakpoint_without_a_block_for_it_is_named() -> None:
    thought = {"type": "redacted_thinking", "data": "d"}
    wire, report = sent(
        "vertex", {"cache_control": MARK, "messages": [{"role": "user", "content": [thought]}]}
    )
    assert "cache_control" not in str(wire.body)
    assert [(loss.path, loss.severity) for loss in report.losses] == [("cache.mark", "hint")]
    four = [{"type": "text", "text": "a", "cache_control": MARK}] * 4
    told = {"cache_control": MARK, "system": four}
    wire, report = sent("bedrock", told)
    assert wire.body["messages"] == BODY["messages"]
    assert [(loss.path, loss.severity) for loss in report.losses] == [("cache.mark", "hint")]


def test_other_servers_choose_the_breakpoint_themselves() -> None:
    request = DIALECT.request.decode(WireRequest("chat", {**BODY, "cache_control": SCOPED}))
    wire = DIALECT.request.encode(request, Target(Report("anthropic")))
    assert wire.body["cache_control"] == SCOPED
    assert wire.body["messages"] == BODY["messages"]
