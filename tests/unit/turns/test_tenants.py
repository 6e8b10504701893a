"""State belongs to the owner of a key: for everybody else it does not exist, whatever else is configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.wire.json import encode
from tests.unit.turns.asking import Answer, Asker, Paced

_OWN, _OTHER = "own-key-0123456789", "other-key-0123456789"


def gateway(folder: Path, keys: list[Any]) -> Asker:
    """A gateway over the folder's database, for these keys."""
    settings = {"stores": {"sql": f"sqlite:///{folder}/state.db"}, "auth": {"keys": keys}}
    return Asker(Paced("Hi.", "end", "Hi.", "end"), folder, encode(settings).decode())


async def ask(asker: Asker, key: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One request under a key."""
    return await asker.ask(method, path, body, authorization=f"Bearer {key}", **headers)


class Made:
    """What one owner has made: a gateway that knows both, and the ids."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.response = self.conversation = self.item = ""

    async def make(self) -> None:
        """Make one of each kind."""
        ours = {"model": "own/m", "input": "a"}
        answered = (await ask(self.asker, _OWN, "POST", "/v1/responses", ours)).body
        self.response = answered["id"]
        items = [{"role": "user", "content": "b"}]
        made = await ask(self.asker, _OWN, "POST", "/v1/conversations", {"items": items})
        self.conversation = made.body["id"]
        listed = await ask(self.asker, _OWN, "GET", f"/v1/conversations/{self.conversation}/items")
        self.item = listed.body["data"][0]["id"]
        chat = {"model": "own/m", "messages": [{"role": "user", "content": "c"}]}
        assert (await ask(self.asker, _OWN, "POST", "/chat", chat, x_session_id="s")).status == 200


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Made]:
    made = Made(gateway(tmp_path, [{"key": _OWN, "scopes": ["inference", "admin"]}, _OTHER]))
    await made.make()
    yield made
    await made.asker.close()


async def test_anothers_ids_do_not_exist(made: Made) -> None:
    response, conversation = f"/v1/responses/{made.response}", f"/v1/conversations/{made.conversation}"
    asked: dict[str, Any] = {"model": "own/m", "input": "x"}
    tries: list[tuple[str, str, Any]] = [
        ("GET", response, None),
        ("GET", f"{response}?stream=true", None),
        ("GET", f"{response}/input_items", None),
        ("POST", f"{response}/cancel", None),
        ("DELETE", response, None),
        ("POST", "/v1/responses", {**asked, "previous_response_id": made.response}),
        ("POST", "/v1/responses", {**asked, "conversation": made.conversation}),
        ("POST", "/v1/responses", {**asked, "conversation": made.conversation, "background": True}),
        ("POST", "/v1/responses", {**asked, "input": [{"type": "item_reference", "id": made.item}]}),
        ("POST", "/v1/responses/input_tokens", {**asked, "previous_response_id": made.response}),
        ("POST", "/v1/responses/compact", {**asked, "previous_response_id": made.response}),
        ("GET", conversation, None),
        ("POST", conversation, {"metadata": {}}),
        ("GET", f"{conversation}/items", None),
        ("POST", f"{conversation}/items", {"items": [{"role": "user", "content": "x"}]}),
        ("GET", f"{conversation}/items/{made.item}", None),
        ("DELETE", f"{conversation}/items/{made.item}", None),
        ("DELETE", conversation, None),
    ]
    for method, path, body in tries:
        assert (await ask(made.asker, _OTHER, method, path, body)).status == 404, (method, path, body)
    for method, path in (
        ("GET", "/admin/sessions"),
        ("GET", "/admin/sessions/s"),
        ("DELETE", "/admin/sessions/s"),
    ):
        assert (await ask(made.asker, _OTHER, method, path)).status == 403
    for path in (response, conversation, f"{conversation}/items/{made.item}", "/admin/sessions/s"):
        assert (await ask(made.asker, _OWN, "GET", path)).status == 200, path


@pytest.mark.parametrize("keys", [[_OTHER], [{"key": _OTHER, "name": "key 1"}]])
async def test_whoever_takes_anothers_place_finds_nothing_of_theirs(
    made: Made, tmp_path: Path, keys: list[Any]
) -> None:
    later = gateway(tmp_path, keys)
    assert (await ask(later, _OTHER, "GET", f"/v1/responses/{made.response}")).status == 404
    await later.close()


async def test_a_new_key_under_the_old_name_finds_what_was_made(tmp_path: Path) -> None:
    before = Made(gateway(tmp_path, [{"key": _OWN, "name": "ann"}]))
    await before.make()
    await before.asker.close()
    after = gateway(tmp_path, [{"key": _OTHER, "name": "ann"}])
    assert (await ask(after, _OTHER, "GET", f"/v1/responses/{before.response}")).status == 200
    await after.close()
