"""Which bodies in a vendor's own protocol pass as they are, by the quirks of this vendor."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.quirks import AUTHOR, STANDARD, Quirks

ODD = {"type": "tool_use", "id": "functions.look:0", "name": "look", "input": {}}
CALL = {"id": "1", "function": {"name": "a"}}
RETURNS = Quirks(reasoning_field="reasoning_details", reasoning_replay="tool_turns")


def said(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", **members}]}


def shown(part: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [part]}]}


def asked(part: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [part]}]}


RESULT = {
    "type": "tool_result",
    "tool_use_id": "toolu_1",
    "content": [{"type": "image", "source": {"type": "url", "url": "https://a"}}],
}


@pytest.mark.parametrize(
    ("quirks", "body", "relays"),
    [
        (STANDARD, said(content="a"), True),
        (AUTHOR, said(content="a"), True),
        (Quirks(refuses=frozenset({"n"})), {"n": 2}, False),
        (Quirks(refuses=frozenset({"n"})), {"m": 2}, True),
        (Quirks(required_word="any"), {"tool_choice": "required"}, False),
        (Quirks(required_word="any"), {"tools": []}, True),
        (Quirks(forced_calls=False), {"tool_choice": "required"}, False),
        (Quirks(forced_calls=False), {"tools": []}, True),
        (STANDARD, {"thinking": {"type": "enabled"}}, True),
        (Quirks(reasoning_request="reasoning"), {"thinking": {"type": "enabled"}}, False),
        (Quirks(reasoning_request="reasoning"), {"enable_thinking": True}, False),
        (Quirks(reasoning_request="reasoning"), {"thinking_budget": 9}, False),
        (Quirks(reasoning_request="reasoning"), {"reasoning": {"effort": "low"}}, True),
        (Quirks(reasoning_request="thinking"), {"thinking": {"type": "enabled"}}, True),
        (Quirks(json_schema=False), {"output_config": {"format": {}}}, False),
        (Quirks(json_schema=False), {"text": {"format": {}}}, False),
        (Quirks(json_schema=False), {"tools": []}, True),
        (
            Quirks(media_urls=False),
            shown({"type": "image", "source": {"type": "url", "url": "https://a"}}),
            False,
        ),
        (Quirks(media_urls=False), shown({"type": "image", "source": {"type": "base64", "data": ""}}), True),
        (Quirks(media_urls=False), shown(RESULT), False),
        (Quirks(media_urls=False), shown({"type": "image_url", "image_url": {"url": "https://a"}}), False),
        (Quirks(media_urls=False), shown({"type": "image_url", "image_url": {"url": "data:,a"}}), True),
        (Quirks(media_urls=False), asked({"type": "input_image", "image_url": "https://a"}), False),
        (Quirks(media_urls=False), asked({"type": "input_image", "image_url": "data:,a"}), True),
        (Quirks(media_urls=False), asked({"type": "input_file", "file_url": "https://a"}), False),
        (Quirks(media_urls=False), {"input": [{"output": [{"image_url": "https://a"}]}]}, False),
        (Quirks(media_urls=False), {"input": "https://a"}, True),
        (Quirks(media_urls=False), {"messages": ["odd", None, {"content": ["odd", None]}]}, True),
        (Quirks(functions=False), {"functions": []}, False),
        (Quirks(functions=False), said(function_call={}), False),
        (Quirks(functions=False), {"messages": [{"role": "function"}]}, False),
        (Quirks(call_signatures=False), said(tool_calls=[{**CALL, "extra_content": {}}]), False),
        (Quirks(call_signatures=False), said(tool_calls=[CALL]), True),
        (Quirks(reasoning_field="reasoning", reasoning_replay="always"), said(content="a"), False),
        (Quirks(reasoning_field="reasoning"), said(content="a", reasoning="b"), True),
        (Quirks(reasoning_field="reasoning"), said(content="a", reasoning_content="b"), False),
        (Quirks(refuses=frozenset({"reasoning_content"})), said(reasoning_content="b"), False),
        (Quirks(refuses=frozenset({"reasoning_content"})), said(reasoning="b"), True),
        (RETURNS, said(content="a"), True),
        (RETURNS, said(content="a", reasoning="b", reasoning_details=[]), True),
        (RETURNS, said(content="a", reasoning_content="b"), False),
        (RETURNS, said(tool_calls=[CALL]), False),
        (RETURNS, {"tools": []}, False),
        (Quirks(answer_images=False), said(images=[]), False),
        (Quirks(answer_images=False), said(content=[{"type": "image"}]), False),
        (Quirks(strange_items=False), {"input": [{"type": "reasoning"}]}, False),
        (Quirks(strange_items=False), {"input": "a"}, True),
        (Quirks(numbered_events=False), {"input": "a", "stream": True}, False),
        (Quirks(numbered_events=False), {"input": "a"}, True),
        (STANDARD, {"messages": ["odd", None]}, True),
        (STANDARD, said(content=[ODD]), True),
        (Quirks(odd_call_ids=False), said(content=[ODD]), False),
        (Quirks(odd_call_ids=False), said(content=[{**ODD, "id": "toolu_1-a"}]), True),
        (Quirks(odd_call_ids=False), said(content=[{**ODD, "type": "server_tool_use"}]), True),
    ],
)
def test_a_body_is_relayed_unless_a_quirk_would_rewrite_it(
    quirks: Quirks, body: dict[str, Any], relays: bool
) -> None:
    assert quirks.relays(body) is relays
