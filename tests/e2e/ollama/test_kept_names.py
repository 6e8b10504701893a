"""Names that `ollama cp` and `create` make on a gateway with a database: all processes have them."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ollama
import pytest

from dragoman.testing.provider import FakeProvider
from tests.e2e.command import SECONDS, Serving, serving
from tests.e2e.stubs import Said, openai_chat

pytestmark = [
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="the names are kept in a database"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no several workers"),
]
SECRET = "sk-of-the-environment-0123"
REST = "-key-of-a-client-0123"
"""The end of each key, which begins with its name."""
WORKERS = 2
TRIES = 12
"""New connections, each of which any worker may take."""


class House:
    """Servers on one database, and a provider that keeps what it was sent."""

    def __init__(self, provider: FakeProvider, start: Callable[[str, int], Serving]) -> None:
        self.provider = provider
        self._start = start

    def start(self, folder: str = "one", workers: int = WORKERS) -> Serving:
        return self._start(folder, workers)

    @property
    def sent(self) -> dict[str, Any]:
        """The body of the latest request to the provider."""
        body: dict[str, Any] = json.loads(self.provider.seen[-1].raw)
        return body


class Speaker:
    """Ollama's client, with a new connection for each call."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {key}{REST}"}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            with ollama.Client(self._url, headers=self._headers, timeout=SECONDS) as speaker:
                return getattr(speaker, name)(*given, **named)

        return call


def client(server: Serving, key: str) -> Speaker:
    return Speaker(server.url, key)


def says(server: Serving, key: str, model: str) -> int:
    """The status of one short chat on a new connection."""
    try:
        client(server, key).chat(model, [{"role": "user", "content": "Hi"}])
    except ollama.ResponseError as error:
        return error.status_code
    return 200


def lists(server: Serving, key: str) -> set[str]:
    return {str(one.model).removesuffix(":latest") for one in client(server, key).list().models}


def administer(server: Serving, method: str, alias: str, section: Any = None) -> tuple[int, Any]:
    """The status and the answer of an operation on one added alias."""
    headers = {"authorization": f"Bearer boss{REST}", "content-type": "application/json"}
    body = None if section is None else json.dumps(section).encode()
    request = urllib.request.Request(f"{server.url}/admin/aliases/{alias}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ollama.ResponseError) as raised:
        call()
    return raised.value.status_code, raised.value.error


@pytest.fixture
async def house(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[House]:
    environment["UP_KEY"] = SECRET

    def key(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "key": f"{name}{REST}", **more}

    async with FakeProvider(openai_chat(Said("Hello there!"))) as provider:
        configuration = {
            "auth": {
                "keys": [
                    *(key("whole"), key("other"), key("boss", scopes=["inference", "admin"])),
                    key("small", models=["mine-*"]),
                    *(key("ann", tenant="acme"), key("amy", tenant="acme"), key("bob", tenant="beta")),
                ]
            },
            "tenants": {"acme": {}, "beta": {}},
            "aliases": {"mine-declared": {"route": "up/m", "defaults": {"max_tokens": 9, "seed": 3}}},
            "providers": {"up": {"dialect": "openai_chat", "base_url": provider.url, "keys": "${UP_KEY}"}},
        }
        with ExitStack() as stack:

            def start(folder: str, workers: int) -> Serving:
                place = tmp_path / folder
                place.mkdir(exist_ok=True)
                (place / "dragoman.yaml").write_text(json.dumps(configuration))
                return stack.enter_context(serving(environment, place, "--workers", str(workers)))

            yield House(provider, start)


async def on_all(server: Serving, key: str, model: str) -> set[int]:
    return {await asyncio.to_thread(says, server, key, model) for _ in range(TRIES)}


async def until(status: int, server: Serving, key: str, model: str) -> None:
    async with asyncio.timeout(SECONDS):
        while await asyncio.to_thread(says, server, key, model) != status:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def test_a_copy_is_everywhere_and_survives_a_restart(house: House) -> None:
    one, two = house.start(), house.start("two")
    whole = client(one, "whole")
    await asyncio.to_thread(whole.copy, "up/m", "gpt-3.5-turbo")
    assert await on_all(one, "whole", "gpt-3.5-turbo") == {200}  # at once
    assert house.sent["model"] == "m"
    await until(200, two, "whole", "GPT-3.5-Turbo:latest")
    assert "gpt-3.5-turbo" in await asyncio.to_thread(lists, two, "other")
    # A copy of a copy does not need the first one. The second server has it, the first one learns of it.
    await asyncio.to_thread(client(two, "other").copy, "gpt-3.5-turbo", "second")
    await until(200, one, "whole", "second")
    await asyncio.to_thread(whole.delete, "gpt-3.5-turbo")
    assert await on_all(one, "whole", "gpt-3.5-turbo") == {404}
    await until(404, two, "whole", "gpt-3.5-turbo")
    assert one.stop()[0] == 0
    again = house.start(workers=1)
    assert await on_all(again, "whole", "second") == {200}
    foreign = await asyncio.to_thread(refusal, lambda: client(again, "whole").delete("second"))
    assert foreign[0] == 403
    await asyncio.to_thread(client(again, "other").delete, "second")
    assert await on_all(again, "whole", "second") == {404}


async def test_what_is_created_is_sent_and_no_variable_is_replaced(house: House) -> None:
    server = house.start()
    whole = client(server, "whole")
    await asyncio.to_thread(
        lambda: whole.create(
            "polite",
            from_="mine-declared",
            system="The key is ${UP_KEY}, $${UP_KEY} and ${",
            parameters={"temperature": 0.5, "num_predict": -1, "stop": ["${UP_KEY}"]},
            messages=[{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}],
        )
    )
    assert await on_all(server, "other", "polite") == {200}
    sent = house.sent
    assert SECRET not in json.dumps(sent)
    assert [(one["role"], one["content"]) for one in sent["messages"]] == [
        ("system", "The key is ${UP_KEY}, $${UP_KEY} and ${"),
        ("user", "2+2"),
        ("assistant", "4"),
        ("user", "Hi"),
    ]
    assert (sent["temperature"], sent["seed"], sent["stop"]) == (0.5, 3, ["${UP_KEY}"])
    assert not {"max_tokens", "max_completion_tokens"} & set(sent)  # num_predict -1: no limit
    # Created again from itself: what was there stays, unless it is stated anew.
    await asyncio.to_thread(
        lambda: whole.create("polite", from_="polite", parameters={"temperature": 1, "num_ctx": 4096})
    )
    await asyncio.to_thread(says, server, "whole", "polite")
    assert (house.sent["temperature"], house.sent["seed"]) == (1, 3)
    assert house.sent["messages"][0]["content"] == sent["messages"][0]["content"]
    shown = await asyncio.to_thread(client(server, "boss").show, "polite")
    assert "num_ctx" in str(shown.parameters)
    lost = [{"role": "assistant", "content": "x", "thinking": "secretly"}]
    refused = await asyncio.to_thread(refusal, lambda: whole.create("odd", from_="up/m", messages=lost))
    assert refused[0] == 400


async def test_tenants_do_not_see_names_of_others(house: House) -> None:
    server = house.start()
    ann, bob = client(server, "ann"), client(server, "bob")
    await asyncio.to_thread(ann.copy, "up/m", "secret-plan")
    assert await on_all(server, "amy", "secret-plan") == {200}
    assert await on_all(server, "bob", "secret-plan") == {404}
    assert await on_all(server, "whole", "secret-plan") == {404}
    assert await on_all(server, "boss", "secret-plan") == {200}
    for key, seen in (("amy", True), ("bob", False), ("whole", False), ("boss", True)):
        assert ("secret-plan" in await asyncio.to_thread(lists, server, key)) is seen
    for call in (
        lambda: bob.delete("secret-plan"),
        lambda: bob.copy("secret-plan", "mine"),
        lambda: bob.show("secret-plan"),
        lambda: bob.show("Secret-Plan:latest"),
    ):
        assert (await asyncio.to_thread(refusal, call))[0] == 404
    near = await asyncio.to_thread(
        refusal, lambda: bob.chat("secret-pla", [{"role": "user", "content": "x"}])
    )
    assert "secret-plan" not in near[1]
    status, said = await asyncio.to_thread(refusal, lambda: bob.copy("up/m", "Secret-Plan"))
    assert (status, "in use" in said, "ann" in said) == (403, True, False)
    # A key of the tenant may use it, but it belongs to the key that made it.
    assert (await asyncio.to_thread(refusal, lambda: client(server, "amy").delete("secret-plan")))[0] == 403
    await asyncio.to_thread(ann.delete, "secret-plan")
    assert await on_all(server, "amy", "secret-plan") == {404}


async def test_a_copy_widens_no_grant_and_hides_nothing_declared(house: House) -> None:
    server = house.start()
    whole = client(server, "whole")
    await asyncio.to_thread(whole.copy, "up/m", "mine-too")
    await asyncio.to_thread(whole.copy, "mine-declared", "mine-three")
    # The key `small` may use names that begin with `mine-`, but not up/m.
    assert await on_all(server, "small", "mine-too") == {404}
    assert await on_all(server, "small", "mine-three") == {200}
    assert await asyncio.to_thread(lists, server, "small") == {"mine-declared", "mine-three"}
    restricted = await asyncio.to_thread(
        refusal, lambda: client(server, "small").copy("mine-three", "mine-x")
    )
    assert restricted[0] == 403
    for name in ("mine-declared", "Mine-Declared:latest", "up/m"):
        status, said = await asyncio.to_thread(refusal, partial(whole.copy, "up/m", name))
        assert (status, "configuration" in said) == (400, True), name
    assert (await asyncio.to_thread(refusal, lambda: whole.delete("mine-declared")))[0] == 400
    assert (await asyncio.to_thread(refusal, lambda: whole.delete("none")))[0] == 404


async def test_names_of_operators_are_theirs(house: House) -> None:
    server = house.start()
    status, _ = await asyncio.to_thread(administer, server, "PUT", "official", "up/m")
    assert status == 200
    whole = client(server, "whole")
    for call in (lambda: whole.copy("up/m", "official"), lambda: whole.delete("official")):
        assert (await asyncio.to_thread(refusal, call))[0] == 400
    await asyncio.to_thread(whole.copy, "official", "mine")
    status, told = await asyncio.to_thread(administer, server, "GET", "mine")
    assert (status, told["by"], told["section"]) == (200, "whole", {"route": "official", "owner": "whole"})
    # The operator's alias cannot go while the copy needs it, which the answer names.
    status, told = await asyncio.to_thread(administer, server, "DELETE", "official")
    assert (status, "aliases.mine" in told["error"]["message"]) == (409, True)
    status, _ = await asyncio.to_thread(administer, server, "DELETE", "mine")
    assert (status, await on_all(server, "whole", "mine")) == (200, {404})
