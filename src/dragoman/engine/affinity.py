"""What the policy of a route may know of a request. Above all this is the digest of the request: requests
that should go to the same prompt cache have the same digest.

The digest is made of the first of these that a request has:

    1. the header `X-Session-Id`
    2. its key of the prompt cache (`prompt_cache_key`)
    3. the beginning of its prompt: system prompt, tools, and all messages up to the first one of the user

The beginning stays the same over the turns of a conversation, also where a turn continues a stored response,
conversation or session: the earlier messages have been put before it. It is read from the IR, so it does not
depend on the client's protocol, nor on marks for caching, which clients move from turn to turn.

The end user's id (`user`, `safety_identifier`) is not used. It says who asks, not what: a service that sends
one id with all of its requests would send them all to one deployment.
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
    """What the policy of this route may know of a request. The digest is b"" unless the policy is `affinity`.
    That policy may need the decoded request, so RequestFailed is raised if the body is invalid.
    """
    sticks = route.spread is not None and route.spread.policy == "affinity"
    digest = digest_of(asked) if sticks else b""
    return Circumstances(seams.now(), digest, asked.streamed, seams.uniform)


def digest_of(asked: Asked) -> bytes:
    """The digest of a request; b"" if it has no prompt. Raises RequestFailed if its body is invalid."""
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
    """The beginning of the prompt, in JSON's types."""
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
    """What a block says, without marks, ids and spellings, which may change from turn to turn."""
    if isinstance(block, ir.Text):
        return ["text", block.text]
    if isinstance(block, ir.Media):
        return [block.kind, block.data or block.url or block.file or block.text or block.id]
    return [type(block).__name__]
