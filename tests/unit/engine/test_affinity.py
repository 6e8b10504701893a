"""The digest of a request: what stays the same over a conversation, and what tells two of them apart."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.capacity.heavy import HeavySteps, Steps
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.engine.affinity import digest_of
from dragoman.engine.asked import Asked, Inbound, Said, wishes
from dragoman.exchange import Exchange
from dragoman.routing.policy_affinity import DIGEST

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SYSTEM = {"role": "system", "content": "Be brief."}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def digest(
    *messages: Any, face: str = "openai_chat", headers: dict[str, str] | None = None, **members: Any
) -> bytes:
    """The digest of a chat. members: of its body."""
    dialect = DIALECTS[face]
    body = {"model": "m", **({"messages": list(messages)} if messages else {}), **members}
    exchange = Exchange("ex_0f", "req_1", face, "POST", "/", began=0.0, created=7.5)
    inbound = Inbound(dialect, b"{}", headers or {})
    said = Said(WireRequest("chat", body), {}, b"{}")
    steps = Steps(HeavySteps(), "team")
    asked = Asked(
        exchange,
        inbound,
        wishes({}, dialect),
        dialect,
        said,
        steps,
        2,
        2,
        light=True,
        turn=None,
        prompts=True,
    )
    return digest_of(asked)


def test_later_turns_have_the_digest_of_the_first() -> None:
    first = digest(SYSTEM, user(), tools=[TOOL])
    assert len(first) == DIGEST
    later = [SYSTEM, user(), {"role": "assistant", "content": "Yes?"}, user("Go on.")]
    assert digest(*later, tools=[TOOL], temperature=0.5, stream=True) == first


@pytest.mark.parametrize(
    ("messages", "members"),
    [
        ([SYSTEM, user("Ho")], {"tools": [TOOL]}),
        ([user()], {"tools": [TOOL]}),
        ([SYSTEM, user()], {}),
        ([{**SYSTEM, "role": "developer"}, user()], {"tools": [TOOL]}),
        ([SYSTEM, user([{"type": "text", "text": "Hi"}, IMAGE])], {"tools": [TOOL]}),
        ([SYSTEM, user()], {"tools": [{**TOOL, "function": {**TOOL["function"], "name": "see"}}]}),  # type: ignore[dict-item]
    ],
)
def test_another_beginning_is_another_digest(messages: list[Any], members: dict[str, Any]) -> None:
    assert digest(*messages, **members) != digest(SYSTEM, user(), tools=[TOOL])


def test_marks_for_caching_change_nothing() -> None:
    marked = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    plain = [{"type": "text", "text": "Hi"}]
    assert digest(user(marked), face="anthropic", max_tokens=9) == digest(
        user(plain), face="anthropic", max_tokens=9
    )


def test_every_protocol_gives_the_same_digest() -> None:
    chat = digest(user())
    assert digest(user(), face="anthropic", max_tokens=9) == chat
    assert digest(face="openai_responses", input="Hi") == chat
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    assert digest(face="openai_responses", input=[item]) == chat  # as a stored turn is put before a request
    assert digest(face="gemini", contents=[{"role": "user", "parts": [{"text": "Hi"}]}]) == chat


def test_a_session_goes_before_a_key_of_the_cache_and_that_before_the_prompt() -> None:
    session = digest(user(), headers={"x-session-id": "s-1"})
    assert digest(user("Ho"), headers={"x-session-id": "s-1"}, prompt_cache_key="k") == session
    assert digest(user(), headers={"x-session-id": "s-2"}) != session
    key = digest(user(), prompt_cache_key="k")
    assert digest(user("Ho"), prompt_cache_key="k") == key
    assert len({session, key, digest(user()), digest(user(), prompt_cache_key="s-1")}) == 4


def test_who_asks_does_not_matter() -> None:
    assert digest(user(), user="somebody", safety_identifier="x") == digest(user())


def test_what_has_no_prompt_shares_nothing() -> None:
    dialect = DIALECTS["openai_chat"]
    exchange = Exchange("ex_0f", "req_1", "openai_chat", "POST", "/", began=0.0, created=7.5)
    said = Said(WireRequest("embed", {"input": "Hi"}), {}, b"{}")
    steps = Steps(HeavySteps(), "team")
    named = Inbound(dialect, b"{}", {"x-session-id": "s-1"})
    for inbound, length in ((Inbound(dialect, b"{}", {}), 0), (named, DIGEST)):
        asked = Asked(
            exchange,
            inbound,
            wishes({}, dialect),
            dialect,
            said,
            steps,
            2,
            2,
            light=True,
            turn=None,
            prompts=False,
        )
        assert len(digest_of(asked)) == length
