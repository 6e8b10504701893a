"""Members for one provider: taken out of the request, and added to the body of this provider alone."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.addressed import added, addressed
from dragoman.dialects.gemini.terms import SPELLING
from dragoman.dialects.loss import Report
from dragoman.errors import WireError


def asked(**extra: Any) -> ir.Request:
    return ir.Request("openai_chat", "m", extra={"openai_chat": extra})


def test_the_providers_own_are_told_and_those_of_others_are_lost() -> None:
    request = asked(mistral={"safe_prompt": True}, gemini={"a": 1}, unknown=2)
    report = Report("mistral")
    rest, told = addressed(request, ["mistral"], ["gemini"], report)
    assert told == {"mistral": {"safe_prompt": True}}
    assert rest.extra == {"openai_chat": {"unknown": 2}}
    assert [(loss.path, loss.severity) for loss in report.losses] == [("gemini", "hint")]


def test_a_request_without_any_stays_itself() -> None:
    request = asked(mistral="no object")
    assert addressed(request, ["mistral"], [], Report("mistral"))[0].extra == request.extra
    plain = asked(a=1)
    assert addressed(plain, ["mistral"], ["gemini"], Report("mistral")) == (plain, {})


def test_members_are_added_to_the_body_and_to_objects_in_it() -> None:
    body = {"a": {"b": 1}}
    told = {"up": {"a": {"c": 2}, "d": 3}}
    assert added(body, told, [], client=[], configured={}) == {"a": {"b": 1, "c": 2}, "d": 3}
    assert body == {"a": {"b": 1}}


def test_what_the_encoder_has_added_of_itself_may_be_replaced() -> None:
    told, unasked = {"up": {"kind": "query"}}, {"kind"}
    body = {"kind": "document", "a": 1}
    assert added(body, told, [], client=[], configured={}, unasked=unasked) == {"a": 1, "kind": "query"}
    for configured, may_be in (({"kind": "document"}, unasked), ({}, ())):
        with pytest.raises(WireError):
            added(body, told, [], client=[], configured=configured, unasked=may_be)


@pytest.mark.parametrize(
    ("members", "path", "told"),
    [
        ({"model": "x"}, "up.model", "must be set by the parameters"),
        ({"temperature": 1}, "up.temperature", "must be set by the parameters"),
        ({"a": {"b": 2}}, "up.a.b", "must be set by the parameters"),
        ({"fixed": 2}, "up.fixed", "is set for all requests by the gateway's configuration"),
    ],
)
def test_nothing_is_replaced(members: dict[str, Any], path: str, told: str) -> None:
    body = {"a": {"b": 1}, "fixed": 1}
    with pytest.raises(WireError, match=told) as refused:
        added(body, {"up": members}, ["temperature"], client=["temperature"], configured={"fixed": 1})
    assert refused.value.path == path


def test_members_get_the_spelling_of_the_body() -> None:
    told = {"gemini": {"generation_config": {"top_k": 2}, "cached_content": "c"}}
    body = {"generationConfig": {"topP": 1}}
    assert added(body, told, [], client=[], configured={}, spelling=SPELLING) == {
        "generationConfig": {"topP": 1, "top_k": 2},
        "cached_content": "c",
    }
    configured = {"generation_config": {"top_p": 1}}
    told = {"gemini": {"generation_config": {"top_p": 2}}}
    with pytest.raises(WireError, match="configuration") as caught:
        added(body, told, [], client=[], configured=configured, spelling=SPELLING)
    assert caught.value.path == "gemini.generationConfig.topP"
