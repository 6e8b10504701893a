"""A client's mistakes, each with its place; what is no mistake."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dragoman.dialects.ollama.check import check
from dragoman.errors import WireError
from tests.unit.dialects.ollama.speaking import PNG, USER, asked, wire


def refused(body: dict[str, Any]) -> WireError:
    with pytest.raises(WireError) as caught:
        check(wire(body))
    return caught.value


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"format": "", "think": "", "keep_alive": "", "options": {}, "tools": [], "stream": None},
        {"format": "json", "think": "max", "stream": False, "truncate": True, "shift": False},
        {"format": {"type": "object"}, "think": True, "logprobs": True, "top_logprobs": 20},
        {
            "options": {
                "temperature": 1,
                "top_k": 40.0,
                "seed": None,
                "stop": [],
                "use_mmap": False,
                "odd": [],
            }
        },
        {"unknown": {"any": "thing"}},
    ],
)
def test_what_the_server_takes(members: dict[str, Any]) -> None:
    check(wire(asked(**members)))


@pytest.mark.parametrize(
    "value", [0, -1, 2.5, "0", "0s", "5m", "1h30m", "-1m", "1.5h", "300ms", "5m0s", ".5s"]
)
def test_times_to_live(value: Any) -> None:
    check(wire(asked(keep_alive=value)))


@pytest.mark.parametrize("value", ["5", "5 m", "m", "forever", True, [], "1d"])
def test_what_is_no_time_to_live(value: Any) -> None:
    error = refused(asked(keep_alive=value))
    assert (error.path, "invalid duration" in str(error)) == ("keep_alive", True)


def test_roles_in_any_case() -> None:
    check(wire(asked({"role": "SYSTEM", "content": "s"}, {"role": "User", "content": "u"})))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("temperature", "hot", 'option "temperature" must be of type float32'),
        ("repeat_penalty", True, 'option "repeat_penalty" must be of type float32'),
        ("num_ctx", "4096", 'option "num_ctx" must be of type integer'),
        ("seed", False, 'option "seed" must be of type integer'),
        ("use_mmap", 1, 'option "use_mmap" must be of type boolean'),
        ("stop", "END", 'option "stop" must be of type array'),
        ("stop", ["END", 1], 'option "stop" must be of an array of strings'),
    ],
)
def test_options_in_the_servers_words(option: str, value: Any, words: str) -> None:
    error = refused(asked(options={option: value}))
    assert error.path == f"options.{option}"
    assert words in str(error)


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"model": 1}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"format": "xml"}, "format"),
        ({"format": ["json"]}, "format"),
        (
            {"format": {"type": "object", "properties": {"a": {"minimum": "0"}}}},
            "format.properties.a.minimum",
        ),
        ({"think": "hard"}, "think"),
        ({"think": 1}, "think"),
        ({"options": []}, "options"),
        ({"truncate": 1}, "truncate"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "developer", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"messages": [{**USER, "images": [PNG, "no base64!"]}]}, "messages[0].images[1]"),
        ({"messages": [{**USER, "images": PNG}]}, "messages[0].images"),
        ({"messages": [USER, {"role": "assistant", "thinking": 1}]}, "messages[1].thinking"),
        (
            {"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]},
            "messages[1].tool_calls[0].function",
        ),
    ],
)
def test_a_mistake_and_its_place(members: dict[str, Any], path: str) -> None:
    assert refused({**asked(), **members}).path == path


def test_arguments_are_an_object() -> None:
    call = {"function": {"name": "f", "arguments": '{"a":1}'}}
    error = refused(asked(USER, {"role": "assistant", "tool_calls": [call]}))
    assert error.path == "messages[1].tool_calls[0].function.arguments"


def test_a_long_duration_is_read_once() -> None:
    """Eight thousand digits took a second, and four times as many sixteen."""
    began = time.process_time()
    refused(asked(keep_alive="0" * 1_000_000))
    refused(asked(keep_alive="1.5h" * 100_000 + "!"))
    assert time.process_time() - began < 2
