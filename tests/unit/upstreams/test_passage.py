"""Requests that pass to a provider as they are: their headers, and errors without our secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from dragoman.assembly.signing import FixedCredential
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.routing.route import Timers
from dragoman.seams.secret import Secret
from dragoman.upstreams.account import Account, Renewal
from dragoman.upstreams.credential import Lease
from dragoman.upstreams.passage import Passage
from dragoman.wire.json import encode

ACCOUNT = Account({"authorization": "Bearer our-secret"}, "cret", ("our-secret",))


class Transport:
    """Keeps what it is to send."""

    sent: tuple[str, str, Mapping[str, str]]

    async def send(self, head: Head, body: Any, timers: Timers) -> None:
        self.sent = (head.method, str(head.url), head.headers)


class Answer:
    """An answer of a provider, with its body in one piece."""

    headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self._rest = encode(body)

    async def chunk(self) -> bytes:
        data, self._rest = self._rest, b""
        return data


def passage(transport: Any = None, **more: Any) -> Passage:
    return Passage(
        "up",
        DIALECTS["openai_chat"],
        transport,
        base_url="https://up.example/v1",
        account=ACCOUNT,
        timers=Timers(),
        resources=(),
        **more,
    )


async def test_a_key_that_signs_cannot_pass_anything() -> None:
    lease = Lease(Secret("AKIAEXAMPLE"), sign=lambda _: {})
    renewal = Renewal(FixedCredential("id", lease), lease, lambda _: ACCOUNT)
    one = passage(Transport()).using(msgspec.structs.replace(ACCOUNT, renewal=renewal))
    with pytest.raises(RequestFailed, match="signs whole bodies") as refused:
        await one.send("GET", "/files", {}, None)
    assert refused.value.fault.kind == "not_implemented"


async def test_our_credential_replaces_the_clients_and_its_other_headers_pass() -> None:
    transport = Transport()
    given = {"authorization": "Bearer theirs", "accept": "text/plain", "openai-beta": "v2"}
    await passage(transport).send("GET", "/files?a=%2F", given, None)
    method, url, headers = transport.sent
    assert (method, url) == ("GET", "https://up.example/v1/files?a=%2F")
    assert headers["authorization"] == "Bearer our-secret"
    assert (headers["accept"], headers["openai-beta"]) == ("text/plain", "v2")


async def test_a_header_that_yields_is_the_clients() -> None:
    transport = Transport()
    await passage(transport, yields=["authorization"]).send("GET", "/", {"authorization": "theirs"}, None)
    assert transport.sent[2]["authorization"] == "theirs"


@pytest.mark.parametrize(
    ("status", "message", "blame"),
    [
        (404, "[redacted] sees no such file.", "gateway"),
        (401, "The provider refused the gateway's API key for this request.", "gateway"),
        (302, "", "upstream"),
    ],
)
async def test_an_error_is_told_without_our_secrets(status: int, message: str, blame: str) -> None:
    answer: Any = Answer(status, {"error": {"message": "our-secret sees no such file."}})
    fault = (await passage().refused(answer)).fault
    assert message in fault.message
    assert fault.blame == blame
    assert "our-secret" not in fault.message


@pytest.mark.parametrize("before", range(3991, 4000))
async def test_a_message_that_is_shortened_shows_no_part_of_a_secret(before: int) -> None:
    message = "x" * before + "our-secret" + "y" * 100
    answer: Any = Answer(404, {"error": {"message": message}})
    assert "o" not in (await passage().refused(answer)).fault.message


async def test_a_renewed_credential_still_hides_the_old_one() -> None:
    one = passage()
    one.renew(Account({"authorization": "Bearer new-secret"}, "cret", ("new-secret",)))
    answer: Any = Answer(404, {"error": {"message": "our-secret new-secret"}})
    assert (await one.refused(answer)).fault.message == "[redacted] [redacted]"


@pytest.mark.parametrize(
    ("target", "search"),
    [("/files", "api-version=1"), ("/files?limit=2", "limit=2&api-version=1")],
)
async def test_the_version_of_the_api_stands_behind_the_clients_query(target: str, search: str) -> None:
    transport = Transport()
    await passage(transport, query="?api-version=1").send("GET", target, {}, None)
    assert transport.sent[1] == f"https://up.example/v1/files?{search}"
