"""The members of a large object as they were written."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire import outline as module
from dragoman.wire.json import decode_counted, head_of
from dragoman.wire.outline import outline

MESSAGES = '[{"role": "user", "content": "a \\"model\\": [], \\\\"}, {"role": "assistant"}]'


def members(body: str) -> dict[str, bytes]:
    """What `outline` finds in a body, with values as bytes."""
    data = body.encode()
    value, count = decode_counted(data, 128)
    return {name: bytes(raw).strip() for name, raw in outline(data, value, count).items()}


def read(body: str) -> dict[str, bytes]:
    """What a second reading of the whole finds."""
    return {name: bytes(raw) for name, raw in head_of(body.encode()).items()}


FOUND = [
    '{"messages":%s}',
    '{"messages":%s,"model":"m"}',
    '{"model":"m","messages":%s}',
    '{"model":"m","messages":%s,"tools":[{"a":1}],"stream":true}',
    '{"model": "m", "messages": %s, "tools": [{"a": 1}]} \n',
    '{\n    "model" : "m",\n    "messages":  %s,\n    "stop" : ["a", "b", "c"]\n}',
    '{"messages":%s,"model":{"messages":[{}]}}',
    '{"stop":"messages","messages":%s,"user":"stop"}',
    '{"messages":%s                    ,"model":"m"}',
]
"""Bodies whose longest member is found without a second reading."""
ODD = [
    '{"messages":%s,"messages":[],"model":"m"}',
    '{"messages":%s,"model":"m","messages":[{"role":"user"}]}',
    '{"messages":%s,"model":"m","model":"n"}',
    '{"messages":%s,"mod\\u0065l":"m","model":"n"}',
    '{"messages":%s,"mod\\u0065l":"m"}',
    '{"m\\u0065ssages":%s,"model":"m"}',
    '{"messages" :%s,"model":"m"}',
    '{"metadata":{"messages":1},"messages":%s,"model":"m"}',
    '{"messages":%s,"model":"m","metadata":{"model":1}}',
    '{"messages":%s,                    "model":"m"}',
    '{"messages":%s,":[1],\\"x":{"y":"z"},"model":"m"}',
    '{"a-b":%s,"model":"m"}',
    '{"input":"text","n":1}',
    "{}",
]
"""Bodies that are read again."""


@pytest.mark.parametrize("body", FOUND + ODD)
def test_members_are_those_of_a_second_reading(body: str) -> None:
    body = body.replace("%s", MESSAGES)
    assert members(body) == read(body)
    assert [*members(body)] == [*read(body)]


@pytest.mark.parametrize("body", FOUND)
def test_a_usual_body_is_not_read_again(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "head_of", lambda _: pytest.fail("the body is read again"))
    assert json.loads(members(body.replace("%s", MESSAGES))["messages"])


@pytest.mark.parametrize("body", ODD)
def test_an_odd_body_is_read_again(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[bytes] = []

    def noted(data: bytes) -> dict[str, msgspec.Raw]:
        again.append(data)
        return head_of(data)

    monkeypatch.setattr(module, "head_of", noted)
    members(body.replace("%s", MESSAGES))
    assert len(again) == 1


def test_a_body_is_read_again_if_its_members_were_not_counted_or_taken_out() -> None:
    body = b'{"messages":[{}],"tags":[],"model":"m"}'
    value: dict[str, Any] = json.loads(body)
    assert outline(body, value, 0) == head_of(body)
    del value["tags"]
    assert [*outline(body, value, 3)] == ["messages", "tags", "model"]


NAMES = st.sampled_from(["messages", "model", "tools", "a", 'm"', "m\\", ":1,", "", "é", "messages:"])
TEXTS = st.sampled_from(['"messages":', '{"model":1}', ',"model":"x"', "}", "]}", "\\", '"', "é", ""])
VALUES = st.recursive(
    st.one_of(st.integers(0, 9), st.none(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=7), st.booleans(), st.sampled_from([None, 1]))
def test_members_of_any_object_are_those_of_a_second_reading(
    stated: list[tuple[str, Any]], ascii_only: bool, indent: int | None
) -> None:
    body = ",".join(
        f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=ascii_only, indent=indent)}"
        for name, value in stated
    )
    assert members("{" + body + "}") == read("{" + body + "}")
