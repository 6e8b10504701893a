"""3.5: sessions of clients that send their whole history, found by the hash of its earlier messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.wire.json import encode
from tests.unit.turns.asking import Asker, Paced

ANN, BEN = "ann-key-0123456789", "ben-key-0123456789"
U1, A1 = {"role": "user", "content": "My name is Ann."}, {"role": "assistant", "content": "Hi."}
U2 = {"role": "user", "content": "What is my name?"}


@pytest.fixture(params=["memory", "sqlite"])
async def asker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asker]:
    sql = "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"
    keys = [{"name": "ann", "key": ANN, "scopes": ["inference", "admin"]}, {"name": "ben", "key": BEN}]
    settings = {"sessions": {"by": ["history"]}, "auth": {"keys": keys}, "stores": {"sql": sql}}
    asker = Asker(Paced(*["Hi.", "end"] * 6), tmp_path, encode(settings).decode())
    yield asker
    await asker.close()


async def say(asker: Asker, *messages: dict[str, str], key: str = ANN, **more: Any) -> None:
    body = {"model": "own/m", "messages": list(messages), **more}
    told = await asker.ask("POST", "/v1/chat/completions", body, authorization=f"Bearer {key}")
    assert told.status == 200


async def sessions(asker: Asker) -> list[tuple[str, int]]:
    listed = await asker.ask("GET", "/admin/sessions", None, authorization=f"Bearer {ANN}")
    return sorted((one["client"], one["turns"]) for one in listed.body["data"])


def texts(asker: Asker) -> list[str]:
    asked: ir.Request = asker.upstream.asked[-1]
    return [block.text for one in asked.messages for block in one.blocks if isinstance(block, ir.Text)]


async def test_a_history_goes_on_in_its_session(asker: Asker) -> None:
    """Nothing is said twice, and all turns are one session's."""
    await say(asker, U1)
    await say(asker, U1, A1, U2)
    assert texts(asker) == ["My name is Ann.", "Hi.", "What is my name?"]
    assert await sessions(asker) == [("ann", 2)]
    await say(asker, {"role": "system", "content": "Be brief."}, U1, A1, U2, A1, U1)
    assert texts(asker) == [
        "Be brief.",
        "My name is Ann.",
        "Hi.",
        "What is my name?",
        "Hi.",
        "My name is Ann.",
    ]
    assert await sessions(asker) == [("ann", 3)]


async def test_no_other_key_finds_it(asker: Asker) -> None:
    await say(asker, U1)
    await say(asker, U1, A1, U2, key=BEN)
    assert await sessions(asker) == [("ann", 1), ("ben", 1)]


async def test_another_history_is_another_session(asker: Asker) -> None:
    """Also one that branches off where the session has gone on since."""
    await say(asker, U1)
    await say(asker, U1, {"role": "assistant", "content": "Hello."}, U2)
    assert await sessions(asker) == [("ann", 1), ("ann", 1)]
    await say(asker, U1, A1, U2)
    await say(asker, U1, A1, U1)
    assert texts(asker) == ["My name is Ann.", "Hi.", "My name is Ann."]
    assert await sessions(asker) == [("ann", 1), ("ann", 1), ("ann", 2)]


async def test_the_same_words_again_are_not_added_to_what_they_said_before(asker: Asker) -> None:
    """One session has one conversation, and it is still found."""
    await say(asker, U1)
    await say(asker, U1)
    assert await sessions(asker) == [("ann", 1)]
    await say(asker, U1, A1, U2)
    assert await sessions(asker) == [("ann", 2)]


async def test_what_was_kept_stands_in_for_the_clients_copy(asker: Asker) -> None:
    """White space at the ends of a text is what clients lose on the way."""
    await say(asker, U1)
    await say(asker, U1, {"role": "assistant", "content": " Hi.\n"}, U2)
    assert texts(asker)[1] == "Hi."
