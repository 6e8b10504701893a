"""Which attempts carry the client's `Idempotency-Key`, by which a provider recognises a request it has had.

All attempts at one deployment send the same request, so they have the same key. Another model of the same
provider is another request: the provider would refuse it under this key, or repeat the first answer. Keys of
two providers are strangers to each other.

All clients share the gateway's account at a provider, which knows nothing of them. If two of them sent the
same key, one would get the other's answer, or an error. So the provider gets another key for each client.
"""

from __future__ import annotations

import hashlib

import msgspec

from dragoman.accounts.caller import EVERYBODY, Caller
from dragoman.engine.asked import Asked


def key_for(asked: Asked, deployment: str) -> str | None:
    """The key of the next attempt, which is made at this deployment (`provider/model`). None = the client
    sent no key, or the key was already used for another model of the same provider.
    """
    provider = _provider(deployment)
    earlier = [one.deployment for one in asked.exchange.attempts if _provider(one.deployment) == provider]
    stated = asked.wished.once
    if stated is None or (earlier and earlier[0] != deployment):
        return None
    return key_of(asked.exchange.caller, stated)


def key_of(caller: Caller | None, stated: str) -> str:
    """The key that a provider gets for the key that a client has stated: the same for all requests of this
    client, another one for each client. Clients without a key of this gateway are one client; their key stays
    as it is. caller: None = such a client.
    """
    if caller is None or caller.name == EVERYBODY.name:
        return stated
    return hashlib.sha256(msgspec.json.encode([caller.name, stated])).hexdigest()


def _provider(deployment: str) -> str:
    return deployment.partition("/")[0]
