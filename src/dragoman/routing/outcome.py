"""What a failed attempt means for the next attempt, by the kind of its fault and the providers' documented
errors; and which fault the client gets for it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Literal, TypeAlias

from dragoman import ir

POOL_EXHAUSTED = "pool_exhausted"
"""The fault's code if a request waited in vain for a connection of the gateway's own pool."""


class Outcome(Enum):
    """The cause of a failure, as far as it matters for the next attempt. The values are texts for people."""

    KEY_PERMANENT = "the API key will not work again: it was refused, or its quota is used up"
    KEY_TRANSIENT = "the API key is rate limited"
    KEY_MODEL = "the API key may not use this model"
    DEPLOYMENT = "this deployment cannot serve the request: unknown model, or misconfigured"
    SERVER = "the provider failed or could not be reached"
    CROWDED = "all of the gateway's connections to the provider were busy for too long"
    CALLER = "the request itself is invalid; it would fail at every provider"


_BY_KIND: dict[ir.Kind, Outcome] = {
    "authentication": Outcome.KEY_PERMANENT,
    "quota": Outcome.KEY_PERMANENT,
    "permission": Outcome.KEY_MODEL,
    "model_not_found": Outcome.DEPLOYMENT,
    "not_found": Outcome.DEPLOYMENT,
    "method_not_allowed": Outcome.DEPLOYMENT,
    "not_implemented": Outcome.DEPLOYMENT,
    "untranslatable": Outcome.DEPLOYMENT,
    "rate_limit": Outcome.KEY_TRANSIENT,
    "overloaded": Outcome.SERVER,
    "timeout": Outcome.SERVER,
    "upstream": Outcome.SERVER,
    "unavailable": Outcome.SERVER,
    "internal": Outcome.SERVER,
}


def classify(fault: ir.Fault) -> Outcome:
    """Return the outcome of a fault, by its kind. A kind that `_BY_KIND` lacks counts as the caller's fault,
    for example `invalid_request`, `context_length`, `content_policy` and `cancelled`. A fault of the gateway
    with the code `POOL_EXHAUSTED` is CROWDED, whatever its kind.
    """
    if fault.code == POOL_EXHAUSTED and fault.blame == "gateway":
        return Outcome.CROWDED
    return _BY_KIND.get(fault.kind, Outcome.CALLER)


_SEAL = re.compile(
    r"invalid_encrypted_content|encrypted content .{0,200}could not be verified"
    r"|(?:corrupted|invalid|malformed) thought.?signature|thought.?signature is (?:not valid|invalid)"
    r"|invalid [`'\"]?signature[`'\"]? in [`'\"]?(?:redacted_)?thinking",
    re.IGNORECASE | re.DOTALL,
)


def refuses_seals(fault: ir.Fault) -> bool:
    """Whether the provider refused the request because it cannot read a seal in it (a signature, encrypted
    thinking). Without the seals the request may succeed. Known words of providers decide (`_SEAL`), in the
    code and the first 2,000 characters of the message of a fault of the kind `invalid_request` or
    `unsupported`.
    """
    if fault.kind not in {"invalid_request", "unsupported"}:
        return False
    return _SEAL.search(f"{fault.code or ''} {fault.message[:2000]}") is not None


def refuses_sealing(fault: ir.Fault) -> bool:
    """Whether the provider refused the request because its model cannot return encrypted thinking: it
    answered 400, with OpenAI's words for this.
    """
    return fault.status == 400 and "encrypted content is not supported" in fault.message.lower()


_ABSENT = frozenset({"not_found", "model_not_found", "method_not_allowed", "not_implemented"})


def is_absent(fault: ir.Fault) -> bool:
    """Whether a fault says that the requested object, model, endpoint or method does not exist, or is not
    implemented.
    """
    return fault.kind in _ABSENT


UNREADABLE: Final = ir.Fault(
    "unavailable",
    "The API key that your tenant has brought for this provider cannot be decrypted by the gateway.",
    code="own_key_unreadable",
    blame="gateway",
)
"""The fault if a key that a tenant has brought cannot be decrypted. No other key is used instead: neither the
operator's nor another tenant's.
"""


def own_refused(provider: str, status: int | None = None) -> ir.Fault:
    """Return the fault for a provider's refusal of a key that a tenant has brought: kind `upstream` (a 502),
    code `own_key_refused`, and the client is blamed. status: the status of the provider's answer, None =
    unknown.
    """
    return ir.Fault(
        "upstream",
        f"The provider {provider!r} refused the API key that your tenant has brought for it.",
        code="own_key_refused",
        status=status,
        blame="client",
    )


Whose: TypeAlias = Literal["gateway", "tenant", "client"]
"""Whose credential was used: the operator's, one that the client's tenant has brought, or the client's
own.
"""


def for_client(
    fault: ir.Fault, provider: str = "", *, named_by_client: bool = False, whose: Whose = "gateway"
) -> ir.Fault:
    """Return the fault as the client may see it.

    If the provider refused the credential (authentication, permission), it depends on `whose` credential it
    was. The client's own: the refusal stays and blames the client. The tenant's: a 502 that blames the client
    (`own_refused`). The gateway's: a 502 that blames the gateway. If the provider does not know the model or
    the method, the client gets a 404 if it named the deployment itself (named_by_client), else a 502 that
    blames the gateway. Every other fault is returned unchanged, and so is one of these kinds that already
    blames the client, or a `not_found` whose `param` is another thing than the model.

    provider: the name for the text, "" = the text names no provider.
    """
    who = f"The provider {provider!r}" if provider else "The provider"
    refused = fault.kind in {"authentication", "permission"} and fault.blame != "client"
    if refused and whose == "client":
        return fault.changed(blame="client")
    if refused and whose == "tenant":
        return own_refused(provider, fault.status)
    if refused:
        return ir.Fault(
            "upstream",
            f"{who} refused the gateway's API key for this model.",
            code="upstream_credential_refused",
            status=fault.status,
            blame="gateway",
        )
    if fault.kind == "not_found" and fault.param not in {None, "model"}:
        return fault
    if fault.kind in {"not_found", "model_not_found", "method_not_allowed"} and fault.blame != "client":
        if named_by_client:
            return ir.Fault("model_not_found", fault.message, "model_not_found", "model", status=fault.status)
        return ir.Fault(
            "upstream",
            f"{who} does not serve this model as configured: {fault.message}",
            code="upstream_model_not_found",
            status=fault.status,
            blame="gateway",
        )
    return fault
