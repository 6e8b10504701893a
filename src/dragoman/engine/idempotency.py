"""Decides which attempts carry the client's `Idempotency-Key`, by which a provider recognises a request that
it has already had.

Attempts at one deployment send the same request, as a rule, so they have the same key. An attempt with
another model of the same provider sends another request: with this key, the provider would refuse it, or
repeat the first answer. Two providers may get the same key.

Clients may share the gateway's account at a provider. If two of them sent the same `Idempotency-Key`, one
would get the other's answer, or an error. So the gateway replaces it by one that differs for each client.
Clients without a name of their own (all are `anyone`) count as one client, and what they send is not
replaced.
"""

from __future__ import annotations

import hashlib

import msgspec

from dragoman.accounts.caller import EVERYBODY, Caller
from dragoman.engine.asked import Asked


def key_for(asked: Asked, deployment: str) -> str | None:
    """Return the `Idempotency-Key` of the next attempt, which is made at this deployment (`provider/model`).
    None = the client sent none, or the first attempt at this provider was made with another model.
    """
    provider = _provider(deployment)
    earlier = [one.deployment for one in asked.exchange.attempts if _provider(one.deployment) == provider]
    stated = asked.wished.once
    if stated is None or (earlier and earlier[0] != deployment):
        return None
    return key_of(asked.exchange.caller, stated)


def key_of(caller: Caller | None, stated: str) -> str:
    """Return the `Idempotency-Key` that a provider gets in place of `stated`, which a client has sent: 64
    hexadecimal digits, the same for all requests of this client with the same `stated`, and others for
    another client. caller: the client; if it is None or named as `EVERYBODY`, the client has no API key of
    this gateway, and `stated` is returned unchanged.
    """
    if caller is None or caller.name == EVERYBODY.name:
        return stated
    return hashlib.sha256(msgspec.json.encode([caller.name, stated])).hexdigest()


def _provider(deployment: str) -> str:
    return deployment.partition("/")[0]
