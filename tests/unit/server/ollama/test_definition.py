"""What `/api/create` defines: as a route in memory, and as an alias of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.assembly.names import opening_of
from dragoman.errors import WireError
from dragoman.routing.route import Deployment, Route
from dragoman.server.ollama.definition import Definition, chat_messages, definition_of

ROUTE = Route(
    "m", (Deployment("up", "m"),), {"max_tokens": 9, "seed": 3}, system_prompt="Be brief.", stands_for="m"
)


def test_parameters_replace_defaults_or_take_them_away() -> None:
    stated = {"temperature": 0.5, "num_predict": -1, "top_k": 4, "num_ctx": 100, "mirostat": 1, "seed": None}
    defined = definition_of({"parameters": stated}, "")
    assert defined.defaults == {"temperature": 0.5, "max_tokens": None, "top_k": 4}
    assert ("mirostat" in defined.notes[0], len(defined.notes)) == (True, 1)
    route = defined.on(ROUTE)
    assert route.defaults == {"seed": 3, "temperature": 0.5, "top_k": 4}
    assert (route.deployments[0].window, route.system_prompt) == (100, "Be brief.")
    assert defined.settings() == {"defaults": defined.defaults, "context_window": 100}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"parameters": {"num_ctx": 0}}, "parameters.num_ctx"),
        ({"parameters": {"temperature": "warm"}}, "parameters.temperature"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
    ],
)
def test_a_mistake_is_told_at_its_place(body: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as raised:
        definition_of(body, "")
    assert raised.value.path == path


def test_messages_are_kept_in_the_form_of_chat() -> None:
    told = [
        {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "content": "A dot."},
        {"role": "user", "content": "Do it."},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "done", "tool_name": "f"},
    ]
    defined = definition_of({"messages": told}, "Be kind.")
    settings = defined.settings()
    assert settings["system_prompt"] == "Be kind."
    image, answer, _, call, result = settings["messages"]
    assert image["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert answer == {"role": "assistant", "content": "A dot."}
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    read = opening_of(settings["messages"])
    assert [message.role for message in read] == [message.role for message in defined.opening]
    assert read[0].blocks == defined.opening[0].blocks


def test_what_chat_cannot_express_is_refused() -> None:
    thought = ir.Message("assistant", (ir.Thinking("hm"), ir.Text("b")))
    with pytest.raises(WireError) as raised:
        chat_messages((ir.Message("user", (ir.Text("a"),)), thought))
    assert raised.value.path == "messages[1]"


def test_nothing_defined_is_no_setting() -> None:
    assert Definition().settings() == {}
    assert Definition().on(ROUTE) == ROUTE
