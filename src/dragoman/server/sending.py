"""Functions for requests that are passed on to a provider without being decoded. They choose the credential,
leave out what holds a key of this gateway, replace the header Idempotency-Key, pass the body on piece by
piece, and refuse a form that has a certain field.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import parse_qsl

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.held import holds_key
from dragoman.assembly.core import Core
from dragoman.engine.idempotency import key_of
from dragoman.errors import RequestFailed
from dragoman.net.client import Flow
from dragoman.providers.paths import may_be_credential
from dragoman.routing.attempts import NOBODY
from dragoman.server.bodies import stated_size
from dragoman.server.client import ClientGone
from dragoman.server.endpoint import HttpRequest
from dragoman.upstreams.passage import Passage


def with_credential(gateway: Core, passage: Passage, request: HttpRequest) -> Passage:
    """Return the passage with the credential for this client: the key that the client's tenant has brought
    for the provider; else, if the provider is configured for clients' credentials, the one that the client
    has sent; else the gateway's.

    Raises RequestFailed if an operator has disabled the provider, or its first key and the gateway's
    credential would be used; if the tenant's key cannot be decrypted; or if the provider needs the client's
    credential and it is missing (401).
    """
    if (own := gateway.own_keys.passage(request.caller, passage)) is not None:
        return own
    lent = gateway.lent.passage(passage, request.headers)
    health = gateway.providers_health
    if passage.name in health.disabled if lent is not None else health.shut(passage.name):
        raise RequestFailed(NOBODY)
    return lent or passage


def sent_on(gateway: Core, stated: Mapping[str, str], caller: Caller) -> dict[str, str]:
    """Return those of the client's headers that are sent to a provider, as a new dict: without headers that
    hold a key of this gateway (`accounts.held`), and with a value of Idempotency-Key that depends on the
    client (`with_own_key`). stated: the headers that may be passed on, by lower-case name.
    """
    knows = gateway.client_keys.knows
    return with_own_key({name: one for name, one in stated.items() if not holds_key(one, knows)}, caller)


def with_own_key(sent: dict[str, str], caller: Caller) -> dict[str, str]:
    """Return the headers for a provider. If there is an Idempotency-Key and the client has a key of this
    gateway, the value of that header is replaced (`key_of`), so that two clients with the same value do not
    collide at the provider. sent: the headers, by lower-case name; this dict is not changed.
    """
    stated = sent.get(_ONCE)
    return sent if stated is None else {**sent, _ONCE: key_of(caller, stated)}


_ONCE: Final = "idempotency-key"


def pairs_of(gateway: Core, request: HttpRequest) -> list[tuple[str, str]]:
    """Return the fields of a request's query as decoded pairs of name and value. Left out are fields whose
    name says that they may contain a credential, and fields that hold a key of this gateway.
    """
    knows = gateway.client_keys.knows
    return [
        (name, value)
        for name, value in parse_qsl(request.search, keep_blank_values=True)
        if not may_be_credential(name) and not holds_key(f"{name}={value}", knows)
    ]


class ClientBody:
    """The body of a request to a provider.

    whole: bytes to send in place of the client's body; None = the client's body is sent as it comes in. flow:
    the body for `Passage.send`: `whole`, or a Flow of the client's body; b"" = the client's body is empty;
    None = no body is sent, because the endpoint takes none. failure: the RequestFailed or ClientGone that
    ended the reading of the client's body; None = there was none.
    """

    def __init__(self, request: HttpRequest, whole: bytes | None = None) -> None:
        self.failure: Exception | None = None
        self.flow: bytes | Flow | None = whole
        if whole is None and request.parts is not None:
            length = request.headers.get("content-length", "0")
            chunked = "transfer-encoding" in request.headers
            if chunked or length != "0":
                size = None if chunked else stated_size(length)
                self.flow = Flow(self._watched(request.parts), size)
            else:
                self.flow = b""

    async def _watched(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                yield part
        except (RequestFailed, ClientGone) as failed:
            self.failure = failed
            raise


_HEAD: Final = 1_000
"""How many bytes before a piece are searched together with the piece, because the line that names a field may
begin in them.
"""


async def without_field(parts: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    """Yield the pieces of a form unchanged. Raises RequestFailed (400) at the piece in which a field of this
    name is found, because the ids in forms are not translated. The check is rough: the name may also be a
    part of a longer name, and a line `content-disposition` in the content of a file counts, too. parts: the
    pieces. name: the field's name.
    """
    field = re.compile(
        rb"content-disposition[^\r\n]{0,500}[\s;]name\*?\s*=[^\r\n;]{0,500}" + re.escape(name.encode()),
        re.IGNORECASE,
    )
    before = b""
    async for part in parts:
        if field.search(before + part) is not None:
            text = (
                f"A form here can only upload a file. Send {name!r} as JSON (content-type: application/json)."
            )
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_request", name))
        before = (before + part)[-_HEAD:]
        yield part
