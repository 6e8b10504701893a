"""Requests of Anthropic's clients for clouds that host Claude: what goes along, and what stays behind."""

from __future__ import annotations

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
    assert [loss.path for loss in report.losses] == ["tools", "tools", "tools", "cache_control.scope"]
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
        assert [loss.path for loss in report.losses] == ["cache_control.scope"]
        assert wire.body["tools"][0]["cache_control"] == {"type": "ephemeral"}
        assert wire.body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert mark == {"type": "ephemeral", "scope": "global"}
