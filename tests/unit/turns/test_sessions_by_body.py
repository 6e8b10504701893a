"""3.5: sessions that a request's body names, where the configuration lets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.wire.json import encode
from tests.unit.turns.asking import Asker, Paced

ANN, BEN = "ann-key-0123456789", "ben-key-0123456789"


def asker(folder: Path, by: list[str], upstream: Paced, **sessions: Any) -> Asker:
    keys = [{"name": "ann", "key": ANN, "scopes": ["inference", "admin"]}, {"name": "ben", "key": BEN}]
    settings = {"sessions": {"by": by, **sessions}, "auth": {"keys": keys}}
    return Asker(upstream, folder, encode(settings).decode())


def texts(upstream: Paced) -> list[str]:
    """What the model was told the last time."""
    blocks = [block for message in upstream.asked[-1].messages for block in message.blocks]
    return [block.text for block in blocks if isinstance(block, ir.Text)]


async def say(asker: Asker, text: str, key: str = ANN, path: str = "/chat", **fields: Any) -> Any:
    said = {"messages": [{"role": "user", "content": text}]} if path != "/v1/responses" else {"input": text}
    more = {"max_tokens": 9} if path == "/v1/messages" else {}
    body = {"model": "own/m", **said, **more, **fields}
    return await asker.ask("POST", path, body, authorization=f"Bearer {key}")


@pytest.mark.parametrize("path", ["/chat", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("member", ["session_id", "user"])
async def test_the_body_names_a_session(tmp_path: Path, member: str, path: str) -> None:
    upstream = Paced(*["Hi.", "end"] * 4)
    asking = asker(tmp_path, [member], upstream)
    named = {member: "ann@example.org" if member == "user" else "s1"}
    assert (await say(asking, "My name is Ann.", path=path, **named)).status == 200
    assert (await say(asking, "What is my name?", path=path, **named)).status == 200
    assert texts(upstream) == ["My name is Ann.", "Hi.", "What is my name?"]
    assert "session_id" not in str(upstream.asked[-1].extra)
    await say(asking, "And mine?", BEN, path=path, **named)
    assert texts(upstream) == ["And mine?"]
    await say(asking, "Alone.", path=path)
    assert texts(upstream) == ["Alone."]
    await asking.close()


async def test_the_first_that_is_stated_counts_and_the_header_before_all(tmp_path: Path) -> None:
    upstream = Paced(*["Hi.", "end"] * 3)
    asking = asker(tmp_path, ["session_id", "user"], upstream)
    await say(asking, "a", session_id="s1", user="u")
    body = {"model": "own/m", "messages": [{"role": "user", "content": "b"}], "session_id": "s1"}
    told = await asking.ask("POST", "/chat", body, authorization=f"Bearer {ANN}", x_session_id="s2")
    assert told.status == 200
    listed = await asking.ask("GET", "/admin/sessions", None, authorization=f"Bearer {ANN}")
    assert {one["id"] for one in listed.body["data"]} == {"s1", "s2"}
    await asking.close()


async def test_without_the_setting_a_body_names_nothing(tmp_path: Path) -> None:
    upstream = Paced(*["Hi.", "end"] * 2)
    asking = asker(tmp_path, [], upstream)
    for text in ("a", "b"):
        await say(asking, text, user="u", session_id="s")
    assert texts(upstream) == ["b"]
    await asking.close()


async def test_odd_ids_are_refused_and_a_user_may_be_anything(tmp_path: Path) -> None:
    upstream = Paced("Hi.", "end")
    asking = asker(tmp_path, ["session_id", "user"], upstream)
    refused = await say(asking, "a", session_id="two words")
    assert (refused.status, refused.error["param"]) == (400, "session_id")
    assert not upstream.asked
    assert (await say(asking, "a", user="zwei Wörter")).status == 200
    await asking.close()


async def test_what_a_request_continues_itself_counts_more_than_its_user(tmp_path: Path) -> None:
    upstream = Paced(*["Hi.", "end"] * 4)
    asking = asker(tmp_path, ["session_id", "user"], upstream)
    first = await say(asking, "a", path="/v1/responses", user="u")
    again = {"path": "/v1/responses", "previous_response_id": first.body["id"]}
    assert (await say(asking, "b", user="u", **again)).status == 200
    assert texts(upstream) == ["a", "Hi.", "b"]
    refused = await say(asking, "b", session_id="s", **again)
    assert (refused.status, refused.error["param"]) == (400, "session_id")
    await asking.close()


async def test_a_gateway_without_sessions_says_so(tmp_path: Path) -> None:
    asking = asker(tmp_path, ["session_id"], Paced("Hi.", "end"), ttl=0)
    refused = await say(asking, "a", session_id="s")
    assert (refused.status, refused.error["param"]) == (400, "session_id")
    assert (await say(asking, "a")).status == 200
    await asking.close()


async def test_what_a_session_adds_takes_memory_too(tmp_path: Path) -> None:
    """Many small requests that continue long sessions fill it as well as many large ones."""
    file = {"sessions": {"by": ["session_id"]}, "server": {"body_space": "100kB"}}
    upstream = Paced("Hi.", "end")
    asking = Asker(upstream, tmp_path, encode(file).decode())

    def body(text: str) -> dict[str, Any]:
        return {"model": "own/m", "session_id": "s", "messages": [{"role": "user", "content": text}]}

    assert (await asking.ask("POST", "/chat", body("x" * 80_000))).status == 200
    upstream.begun.clear()
    first = asking.talk("POST", "/chat", body("And now?"))
    await upstream.begun.wait()
    refused = await asking.ask("POST", "/chat", body("And now?"))
    assert (refused.status, refused.error["code"]) == (503, "bodies_too_large_together")
    upstream.words.put_nowait("end")
    assert (await first.answer()).status == 200
    await asking.close()


async def test_a_result_without_its_call_is_refused_where_no_session_goes_before_it(tmp_path: Path) -> None:
    """The setting alone does not mean that there is a session; one that is named may hold the call."""
    asking = asker(tmp_path, ["session_id", "user", "history"], Paced(*["Hi.", "end"] * 3))
    result = {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."}
    asked = {"model": "own/m", "input": [result]}
    ann = {"authorization": f"Bearer {ANN}"}
    refused = await asking.ask("POST", "/v1/responses", asked, **ann)
    assert (refused.status, refused.body["error"]["param"]) == (400, "input[0].call_id")
    for name in ({"session_id": "s"}, {"user": "ann"}):
        assert (await asking.ask("POST", "/v1/responses", {**asked, **name}, **ann)).status == 200
    assert (await asking.ask("POST", "/v1/responses", asked, x_session_id="s2", **ann)).status == 200
    await asking.close()
