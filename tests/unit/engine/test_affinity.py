"""The digest of a request: what stays the same over a conversation, and what tells two of them apart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.capacity.heavy import HeavySteps, Steps
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.engine.affinity import circumstances, digest_of
from dragoman.engine.asked import Asked, Inbound, Said, wishes
from dragoman.exchange import Exchange
from dragoman.routing.policy_affinity import DIGEST
from dragoman.routing.route import Deployment, Route
from dragoman.routing.spread import PolicyName, Spread
from dragoman.seams.clock import Seams

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SYSTEM = {"role": "system", "content": "Be brief."}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def asked(
    *messages: Any,
    face: str = "openai_chat",
    headers: dict[str, str] | None = None,
    streamed: bool = False,
    **members: Any,
) -> Asked:
    """A chat. members: of its body."""
    dialect = DIALECTS[face]
    body = {"model": "m", **({"messages": list(messages)} if messages else {}), **members}
    exchange = Exchange("ex_0f", "req_1", face, "POST", "/", began=0.0, created=7.5)
    inbound = Inbound(dialect, b"{}", headers or {})
    said = Said(WireRequest("chat", body), {}, b"{}")
    steps = Steps(HeavySteps(), "team")
    known = wishes({}, dialect)
    return Asked(
        exchange, inbound, known, dialect, said, steps, 2, 2, light=True, turn=None, streamed=streamed
    )


def digest(*messages: Any, **chat: Any) -> bytes:
    """The digest of a chat."""
    return digest_of(asked(*messages, **chat))


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
    embedding = msgspec.structs.replace(asked(input="Hi"), prompts=False)
    assert digest_of(embedding) == b""
    named = msgspec.structs.replace(asked(headers={"x-session-id": "s-1"}), prompts=False)
    assert len(digest_of(named)) == DIGEST


@pytest.mark.parametrize(("policy", "length"), [("affinity", DIGEST), ("latency", 0), (None, 0)])
def test_only_affinity_needs_a_digest(policy: PolicyName | None, length: int) -> None:
    spread = None if policy is None else Spread("m", policy)
    route = Route("m", (Deployment("one", "m"),), spread=spread)
    seams = Seams(now=lambda: 7.0, uniform=lambda: 0.25)
    found = circumstances(asked(user(), streamed=True), route, seams)
    assert (found.wall, len(found.digest), found.streamed, found.uniform()) == (7.0, length, True, 0.25)
