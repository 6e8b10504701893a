"""What is sent to a provider as its client has written it: with whose credential, and the body piece by
piece, without being held.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.engine.idempotency import key_of
from dragoman.errors import RequestFailed
from dragoman.net.client import Flow
from dragoman.routing.attempts import NOBODY
from dragoman.server.bodies import stated_size
from dragoman.server.client import ClientGone
from dragoman.server.endpoint import HttpRequest
from dragoman.upstreams.passage import Passage


def with_credential(gateway: Core, passage: Passage, request: HttpRequest) -> Passage:
    """The passage with the credential for this client: its tenant's, its own if the provider gets such, or
    the gateway's. Raises RequestFailed if there is none, or if an operator has disabled the provider or the
    gateway's key for it.
    """
    if (own := gateway.own_keys.passage(request.caller, passage)) is not None:
        return own
    lent = gateway.lent.passage(passage, request.headers)
    health = gateway.providers_health
    if passage.name in health.disabled if lent is not None else health.shut(passage.name):
        raise RequestFailed(NOBODY)
    return lent or passage


def with_own_key(sent: dict[str, str], caller: Caller) -> dict[str, str]:
    """The headers for a provider, in which a client's Idempotency-Key is none of another client."""
    stated = sent.get(_ONCE)
    return sent if stated is None else {**sent, _ONCE: key_of(caller, stated)}


_ONCE: Final = "idempotency-key"


class ClientBody:
    """A client's body on its way to the provider. flow: the bytes to send; None = the endpoint takes no body.
    failure: the error by which the client's sending broke off; None = it did not. whole: what is sent in its
    place; None = the client's body, as it comes in.
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
"""The most bytes of the head of a form's field that are searched together."""


async def without_field(parts: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    """Yield a form as it comes in. Raises RequestFailed (400) if it has a field of this name: the ids in
    forms are not translated.
    """
    field = re.compile(rb"content-disposition[^\r\n]{0,500}" + re.escape(name.encode()), re.IGNORECASE)
    before = b""
    async for part in parts:
        if field.search(before + part) is not None:
            text = (
                f"A form here can only upload a file. Send {name!r} as JSON (content-type: application/json)."
            )
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_request", name))
        before = (before + part)[-_HEAD:]
        yield part
