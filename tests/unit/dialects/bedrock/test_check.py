"""Checks: the first mistake is named with its place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.bedrock.check import check
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError

HELLO: dict[str, Any] = {"role": "user", "content": [{"text": "Hi"}]}


def asked(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [content]}]}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": {}}, "messages"),
        ({"messages": ["a"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (asked({"text": 1}), "messages[0].content[0].text"),
        (asked({"image": {"format": "png"}}), "messages[0].content[0].image.source"),
        (asked({"image": {"source": {"bytes": "?"}}}), "messages[0].content[0].image.source.bytes"),
        (asked({"image": {"source": {}}}), "messages[0].content[0].image.source"),
        (asked({"toolUse": {"name": "f"}}), "messages[0].content[0].toolUse.toolUseId"),
        (
            asked({"toolResult": {"toolUseId": "1", "content": [], "status": "odd"}}),
            "messages[0].content[0].toolResult.status",
        ),
        ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
        ({"toolConfig": {}}, "toolConfig.tools"),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}},
            "toolConfig.tools[0].toolSpec.inputSchema",
        ),
        ({"toolConfig": {"tools": [], "toolChoice": {"any": {}, "auto": {}}}}, "toolConfig.toolChoice"),
        ({"toolConfig": {"tools": [], "toolChoice": {"tool": {}}}}, "toolConfig.toolChoice.tool.name"),
        ({"requestMetadata": {"a": 1}}, "requestMetadata.a"),
        ({"serviceTier": {}}, "serviceTier.type"),
        ({"outputConfig": {"textFormat": 1}}, "outputConfig.textFormat"),
    ],
)
def test_mistakes(body: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as caught:
        check(WireRequest("chat", {"messages": [HELLO], **body}))
    assert caught.value.path == path


def test_what_is_new_passes() -> None:
    check(WireRequest("chat", {"messages": [HELLO], "newMember": 1}))
    check(WireRequest("chat", asked({"newBlock": 1})))


@pytest.mark.parametrize("member", ["name", "description", "schema"])
def test_a_schema_of_wrong_types(member: str) -> None:
    form = {"type": "json_schema", "structure": {"jsonSchema": {member: 1}}}
    body = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "outputConfig": {"textFormat": form}}
    with pytest.raises(WireError) as refused:
        check(WireRequest("chat", body))
    assert refused.value.path == f"outputConfig.textFormat.structure.jsonSchema.{member}"
