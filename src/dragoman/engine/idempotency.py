"""Which attempts carry the client's `Idempotency-Key`, by which a provider recognises a request it has had.

All attempts at one deployment send the same request, so they have the same key. Another model of the same
provider is another request: the provider would refuse it under this key, or repeat the first answer. Keys of
two providers are strangers to each other.
"""

from __future__ import annotations

from dragoman.engine.asked import Asked


def key_for(asked: Asked, deployment: str) -> str | None:
    """The client's key for the next attempt, which is made at this deployment (`provider/model`). None = the
    client sent no key, or the key was already used for another model of the same provider.
    """
    provider = _provider(deployment)
    earlier = [one.deployment for one in asked.exchange.attempts if _provider(one.deployment) == provider]
    return asked.wished.once if not earlier or earlier[0] == deployment else None


def _provider(deployment: str) -> str:
    return deployment.partition("/")[0]
