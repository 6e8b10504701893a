"""Collects what a route's policy may know about a request: above all its digest, a short hash. Requests that
should go to the same prompt cache have the same digest, as a rule.

The digest is made from the first of these that a request has:

    1. the header `X-Session-Id`
    2. its key of the prompt cache (`prompt_cache_key`)
    3. the beginning of its prompt: system prompt, tools, and all messages up to and including the user's
       first one

The last two are used only for a chat and for the count of a chat's tokens.

The beginning stays the same in all turns of a conversation if its earlier messages and its tools stay the
same; earlier messages that the gateway has stored are part of the request by then. Cache marks, which clients
move from turn to turn, are left out.

The end user's id (`user`, `safety_identifier`) is not used. A service that sends the same id with all of its
requests would send them all to one deployment.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.routing.policy import Circumstances
from dragoman.routing.policy_affinity import DIGEST
from dragoman.routing.route import Route
from dragoman.seams.clock import Seams

_SESSION: Final = "x-session-id"
_encode: Final = msgspec.json.Encoder().encode


def circumstances(asked: Asked, route: Route, seams: Seams) -> Circumstances:
    """Return what the policy of this route may know about a request: the present time in Unix seconds, the
    digest (b"" unless the policy is `affinity`; see `digest_of`), whether the client wants a stream, and a
    source of random numbers. Raises RequestFailed if the digest needs a body that cannot be decoded.
    """
    sticks = route.spread is not None and route.spread.policy == "affinity"
    digest = digest_of(asked) if sticks else b""
    return Circumstances(seams.now(), digest, asked.streamed, seams.uniform)


def digest_of(asked: Asked) -> bytes:
    """Return the digest of a request (`DIGEST` bytes); b"" if it has no session header and is neither a chat
    nor the count of a chat's tokens. Raises RequestFailed if the body has to be decoded and cannot be.
    """
    if session := asked.inbound.headers.get(_SESSION):
        return _hashed(["session", session])
    if not asked.prompts:
        return b""
    request: ir.Request = asked.request
    if request.cache is not None and request.cache.key:
        return _hashed(["key", request.cache.key])
    return _hashed(["prompt", *_beginning(request)])


def _hashed(value: Any) -> bytes:
    return blake2b(_encode(value), digest_size=DIGEST).digest()


def _beginning(request: ir.Request) -> Iterable[Any]:
    """Yield the parts of the beginning of the prompt (see the module), as values that JSON can express."""
    yield [_said(block) for block in request.system]
    yield [_offered(tool) for tool in request.tools or ()]
    for message in request.messages:
        yield [message.role, [_said(block) for block in message.blocks]]
        if message.role == "user":
            return


def _offered(tool: ir.Tool) -> list[Any]:
    if isinstance(tool, ir.Function):
        return [tool.name, tool.description, tool.parameters or tool.format]
    return [tool.kind, tool.name]


def _said(block: ir.Block) -> list[Any]:
    """Return the kind and the content of a text or a medium, without cache marks; for any other block, a list
    with only the name of its type.
    """
    if isinstance(block, ir.Text):
        return ["text", block.text]
    if isinstance(block, ir.Media):
        return [block.kind, block.data or block.url or block.file or block.text or block.id]
    return [type(block).__name__]
