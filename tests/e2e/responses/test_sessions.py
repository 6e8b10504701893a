"""Sessions by `X-Session-Id`, in chat and in plain completions (row 3.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openai
import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Provide, up
from tests.e2e.responses.conftest import Gate
from tests.e2e.responses.speaking import DIALECTS, MODELS, Models, speaking, told
from tests.e2e.sent import Sent

Served = Callable[..., Awaitable[Gate]]
SESSION = {"X-Session-Id": "session-1"}
EVERY = pytest.mark.parametrize("dialect", list(DIALECTS))


async def say(gate: Gate, text: str, client: Any = None, **fields: Any) -> Any:
    """One turn of chat, of which only what is new is sent."""
    return await (client or gate.client).chat.completions.create(
        **{
            "model": gate.models.text,
            "messages": [{"role": "user", "content": text}],
            "extra_headers": SESSION,
            **fields,
        }
    )


async def read(gate: Gate, text: str, *, stream: bool) -> None:
    """One turn of chat, read to its end."""
    answer = await say(gate, text, stream=stream)
    if stream:
        async for _ in answer:
            pass


async def gate_before(
    served: Served, provide: Provide, dialect: str = "openai_chat", **more: Any
) -> tuple[Gate, FakeProvider]:
    provider = await provide(speaking(dialect))
    config = {**up(provider.url, dialect), **more}
    return await served(config, Models(MODELS[dialect]), provider, dialect), provider


def heard(gate: Gate) -> list[str]:
    """What the provider was sent last."""
    assert gate.dialect is not None
    return told(Sent(gate.dialect, gate.provider.last))


@EVERY
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_second_turn_brings_the_first(
    served: Served, provide: Provide, dialect: str, stream: bool
) -> None:
    gate, _ = await gate_before(served, provide, dialect)
    system = {"role": "system", "content": "Be brief."}
    for text in ("One.", "Two."):
        messages = [system, {"role": "user", "content": text}]
        answer = await say(gate, text, messages=messages, stream=stream)
        if stream:
            said = [c.choices[0].delta.content or "" async for c in answer if c.choices]
            assert "".join(said) == text
        else:
            assert answer.choices[0].message.content == text
    assert [one for one in heard(gate) if "brief" not in one] == [
        "user: One.",
        "assistant: One.",
        "user: Two.",
    ]
    sent = Sent(dialect, gate.provider.last)
    assert sent.system == ["Be brief."], "the opening is the request's own"


async def test_plain_completions_have_them_too(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide)
    for text in ("One.", "Two."):
        answer = await gate.client.completions.create(
            model=gate.models.text, prompt=text, extra_headers=SESSION
        )
        assert answer.choices[0].text == text
    await say(gate, "Three.")
    said = ["user: One.", "assistant: One.", "user: Two.", "assistant: Two.", "user: Three."]
    assert heard(gate) == said, "and a session may go on in another protocol"


async def test_tools_stay_whole(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide, "anthropic")
    tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": tool}]
    first = await say(gate, "Weather in Paris?", tools=tools)
    (call,) = first.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    second = await say(gate, "", messages=[result], tools=tools)
    assert second.choices[0].message.content == "It is sunny."
    assert Sent("anthropic", gate.provider.last).results == 1


async def test_the_same_id_of_another_key_is_another_session(served: Served, provide: Provide) -> None:
    keys = ["the-first-client-key", "the-second-client-key"]
    gate, _ = await gate_before(served, provide, auth={"keys": keys})
    mine, yours = (gate.client.with_options(api_key=key) for key in keys)
    await say(gate, "My secret.", mine)
    await say(gate, "Yours.", yours)
    assert heard(gate) == ["user: Yours."]
    await say(gate, "Mine.", mine)
    assert heard(gate) == ["user: My secret.", "assistant: My secret.", "user: Mine."]


async def test_a_request_without_it_stands_for_itself(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide)
    await say(gate, "One.")
    await say(gate, "Two.", extra_headers={})
    assert heard(gate) == ["user: Two."]
    await say(gate, "Three.", extra_headers={"X-Session-Id": "b"})
    assert heard(gate) == ["user: Three."]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_turn_that_failed_is_not_kept(served: Served, provide: Provide, stream: bool) -> None:
    gate, provider = await gate_before(served, provide)
    await say(gate, "One.")
    good = provider.answers[0]
    provider.answers.clear()
    broken = stubs.openai_chat(stubs.Said("breaks", die=True))
    provider.answers.append(broken if stream else stubs.refusal("openai_chat", 500, "server_error", "No."))
    with pytest.raises(openai.APIError):
        await read(gate, "Broken.", stream=stream)
    with pytest.raises(openai.BadRequestError):
        await say(gate, "Refused.", temperature=9)
    provider.answers.clear()
    provider.answers.append(good)
    await say(gate, "Two.")
    assert heard(gate) == ["user: One.", "assistant: One.", "user: Two."]


async def test_a_client_that_left_has_no_turn(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide)
    stream = await say(gate, "slow: many words to be said", stream=True)
    async for _ in stream:
        break
    await stream.close()
    await asyncio.sleep(0.2)
    await say(gate, "Two.")
    assert heard(gate) == ["user: Two."]


async def test_turns_at_the_same_time_are_kept_in_one_order(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide)
    await asyncio.gather(*(say(gate, f"{number}.") for number in range(6)))
    await say(gate, "And?")
    first = heard(gate)
    assert sorted(first[:-1:2]) == [f"user: {number}." for number in range(6)]
    assert [one.replace("assistant", "user") for one in first[1:-1:2]] == first[:-1:2], "each with its answer"
    await say(gate, "Still?")
    assert heard(gate)[: len(first)] == first


@pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="a database is shared: extra `sql`")
async def test_two_servers_keep_one_order(served: Served, provide: Provide, tmp_path: Path) -> None:
    database: dict[str, Any] = {"stores": {"sql": f"sqlite:///{tmp_path}/shared.db"}}
    one, _ = await gate_before(served, provide, **database)
    other, _ = await gate_before(served, provide, "anthropic", **database)
    await asyncio.gather(*(say(gate, f"{n}.") for n in range(3) for gate in (one, other)))
    await say(one, "And?")
    await say(other, "And?")
    shared = heard(one)[:-1]
    assert len(shared) == 12
    assert heard(other)[:12] == shared


async def test_switched_off_and_odd_ids(served: Served, provide: Provide) -> None:
    off, provider = await gate_before(served, provide, sessions={"ttl": "0"})
    with pytest.raises(openai.BadRequestError) as refused:
        await say(off, "One.")
    assert refused.value.param == "X-Session-Id"
    assert provider.seen == []
    gate, _ = await gate_before(served, provide)
    for id_ in ("x" * 129, "two words"):
        with pytest.raises(openai.BadRequestError) as refused:
            await say(gate, "One.", extra_headers={"X-Session-Id": id_})
        assert refused.value.param == "X-Session-Id"


async def test_a_session_ends_after_its_time(served: Served, provide: Provide) -> None:
    gate, _ = await gate_before(served, provide, sessions={"ttl": "1s"})
    await say(gate, "One.")
    await asyncio.sleep(1.2)
    await say(gate, "Two.")
    assert heard(gate) == ["user: Two."]


async def test_a_client_that_only_names_its_conversation_keeps_its_own_history(
    served: Served, provide: Provide
) -> None:
    """As opencode does; what it asks besides (a title) is no turn of the conversation."""
    gate, _ = await gate_before(served, provide)
    named = {**SESSION, "x-session-affinity": "session-1"}
    for text in ("A title.", "One."):
        await say(gate, text, extra_headers=named)
        assert heard(gate) == [f"user: {text}"]
    await say(gate, "Two.")
    assert heard(gate) == ["user: Two."], "nothing was kept"
