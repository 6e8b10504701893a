"""Who may call: by a key, without one, or as the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.accounts.caller import ANYONE
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server.admission import Admission
from dragoman.server.app import App
from dragoman.server.endpoint import Door
from dragoman.upstreams import hops
from tests.unit.server.test_app import Own, Visit

KEY = "a-key-of-sixteen-1"
KEYED: dict[str, Any] = {"auth": {"keys": [{"key": KEY, "name": "ann"}]}}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/responses/resp_1"])
@pytest.mark.parametrize("own", [False, True])
async def test_two_keys_in_one_header_are_refused(path: str, own: bool) -> None:
    """Also where no key is needed: the client's own credential for a provider would be chosen in silence."""
    settings: dict[str, Any] = {"auth": {"keys": [{"key": "a-key-of-sixteen-1", "name": "ann"}]}}
    gateway = Gateway(settings if own else {}, upstreams={"own": Own()})
    one = (b"authorization", b"Bearer a-key-of-sixteen-1")
    visit = Visit(gateway.asgi(), path=path, headers=[one, (b"authorization", b"Basic YTpi")])
    await visit.task
    assert (visit.status, visit.error["code"], visit.error["param"]) == (
        400,
        "repeated_header",
        "authorization",
    )
    again = Visit(gateway.asgi(), path="/v1/models", headers=[one, one])
    await again.task
    assert again.status == 200
    await gateway.close()


async def test_the_refusal_of_two_keys_has_the_form_of_the_protocol() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    visit = Visit(gateway.asgi(), path="/v1/messages", headers=[(b"x-api-key", b"1"), (b"x-api-key", b"2")])
    await visit.task
    assert (visit.status, visit.error["type"]) == (400, "invalid_request_error")
    assert "x-api-key" in visit.error["message"]
    await gateway.close()


async def admitted(
    settings: Mapping[str, Any],
    path: str,
    *fields: tuple[bytes, bytes],
    door: Door = "public",
    query: Mapping[str, str] = {},
    times: int = 1,
) -> list[tuple[str | None, str | None]]:
    """(the caller, the name in the log) for a request that comes so many times with one head."""
    gateway = Gateway(settings, upstreams={"own": Own()})
    await gateway.start()
    try:
        head = App(gateway, door).read(
            "POST", path, b"", b"", [(b"host", b"localhost"), *fields], peer=("uid 7", 0)
        )
        found = []
        for _ in range(times):
            exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", path, 1.0, 1.0)
            caller = Admission(gateway, door).admit(head, query, exchange)
            found.append((None if caller is ANYONE else caller.name, exchange.client))
        return found
    finally:
        await gateway.close()


async def test_a_key_names_its_caller_each_time() -> None:
    field = (b"authorization", f"Bearer {KEY}".encode())
    assert await admitted(KEYED, "/v1/chat/completions", field, times=2) == [("ann", "ann")] * 2


async def test_a_key_may_stand_where_the_protocol_has_it() -> None:
    path = "/v1beta/models/x:generateContent"
    assert await admitted(KEYED, path, query={"key": KEY}) == [("ann", "ann")]
    with pytest.raises(RequestFailed) as failed:
        await admitted(KEYED, "/v1/chat/completions", query={"key": KEY})
    assert failed.value.fault.kind == "authentication"


async def test_who_comes_by_the_socket_is_the_operator() -> None:
    assert await admitted(KEYED, "/v1/chat/completions", door="socket") == [("uid 7", "uid 7")]


async def test_what_is_public_asks_for_no_key() -> None:
    assert await admitted(KEYED, "/health") == [(None, None)]


async def test_a_request_in_a_loop_ends() -> None:
    fields = ((b"authorization", f"Bearer {KEY}".encode()), (hops.HEADER.encode(), b"5"))
    with pytest.raises(RequestFailed) as failed:
        await admitted(KEYED, "/v1/chat/completions", *fields)
    assert failed.value.fault.code == "gateway_loop"
