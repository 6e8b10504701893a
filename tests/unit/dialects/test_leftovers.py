"""Members that no field carries: kept, put back where they were, and lost by name elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS

KNOWN = frozenset({"a"})
OWN = Leftovers("own")


def restored(
    extra: ir.Extra, out: dict[str, Any], leftovers: Leftovers = OWN
) -> tuple[dict[str, Any], Report]:
    report = Report("own")
    leftovers.restore(out, extra, report, "messages[0]")
    return out, report


def test_what_is_known_leaves_nothing() -> None:
    assert OWN.of({"a": 1}, KNOWN) is None
    assert OWN.of({}, KNOWN) is None


def test_what_is_not_known_is_kept_under_the_dialects_name() -> None:
    assert OWN.of({"a": 1, "b": 2}, KNOWN) == {"own": {"b": 2}}
    assert OWN.of({"a": 1, "b": 2}, KNOWN, "function") == {"own": {"function.b": 2}}


def test_a_null_says_something_only_where_it_does() -> None:
    assert OWN.of({"b": None}, KNOWN) is None
    assert Leftovers("own", nulls=True).of({"b": None}, KNOWN) == {"own": {"b": None}}


def test_what_was_left_over_stands_again_where_it_stood() -> None:
    out, report = restored({"own": {"b": 2, "inner.c": 3}}, {"a": 1, "inner": {}})
    assert out == {"a": 1, "b": 2, "inner": {"c": 3}}
    assert not report.losses


@pytest.mark.parametrize(("whole", "out"), [(True, {"inner": {"c": 3}}), (False, {"inner.c": 3})])
def test_an_object_of_which_nothing_else_is_left(whole: bool, out: dict[str, Any]) -> None:
    assert restored({"own": {"inner.c": 3}}, {}, Leftovers("own", whole=whole))[0] == out


def test_what_belongs_to_another_dialect_is_lost_by_name() -> None:
    out, report = restored({"other": {"b": 2, "c": None}}, {})
    assert out == {}
    [loss] = report.losses
    assert (loss.path, loss.reason, loss.severity) == (
        "messages[0].b",
        "this field of other requests is not translated",
        "hint",
    )
    top = Report("own")
    OWN.restore({}, {"other": {"b": 2}}, top, "")
    assert [loss.path for loss in top.losses] == ["b"]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_responses", {"input": "a", "store": False, "text": {"theirs": 1}}),
        ("openai_responses", {"input": "a", "store": False, "reasoning": {"theirs": 1}}),
        ("anthropic", {"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "theirs": None}),
        ("openai_chat", {"messages": [{"role": "user", "content": "a"}], "theirs": {"deep": [1]}}),
    ],
)
def test_a_request_of_the_own_dialect_keeps_what_nobody_knows(dialect: str, body: dict[str, Any]) -> None:
    codec = DIALECTS[dialect]
    request = codec.request.decode(WireRequest("chat", {"model": "m", **body}))
    assert codec.request.encode(request, Target(Report(dialect), "m")).body.items() >= body.items()
