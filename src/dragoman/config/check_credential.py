"""Checks keys, and that `credential` of a provider fits the provider and its other settings."""

from __future__ import annotations

from collections.abc import Container, Iterator

import msgspec

from dragoman.config.credential import Credential
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Provider
from dragoman.dialects.table import DIALECTS
from dragoman.providers.identity import MEMBERS


def credential_misfits(provider: Provider, dialect: str) -> Iterator[Misfit]:
    """Yield the mistakes in a provider's `credential`. Each `place` is relative to the provider. dialect: the
    provider's first protocol.
    """
    credential = provider.credential
    if credential is None:
        return
    yield from _foreign(credential)
    if credential.kind == "client":
        return  # `check_forwarding` looks at all providers together
    if provider.keys:
        yield Misfit("credential", "`keys` and `credential` are both set: keep one of them")
    signs = bool(DIALECTS[dialect].keys.signs)
    if credential.kind == "aws" and not signs:
        yield Misfit("credential", "only requests to `bedrock` are signed by an identity of AWS")
    elif credential.kind != "aws" and signs:
        yield Misfit("credential", f"an identity of {credential.kind} is nothing to AWS", "credential: aws")
    if credential.client_secret is not None:
        for name in ("tenant", "client_id"):
            if getattr(credential, name) is None:
                yield Misfit(f"credential.{name}", "is needed with `client_secret`")
        if credential.method != "default":
            yield Misfit("credential.method", "is another way than `client_secret`: keep one of them")
    if credential.external_id is not None and credential.role is None:
        yield Misfit("credential.external_id", "is of no use without `role`")


def key_misfits(text: str, earlier: Container[str]) -> Iterator[Misfit]:
    """Yield the first mistake that is found in a key; its `place` is "". text: the key. earlier: other keys
    of the same list.
    """
    if text.lower() in {"none", "null"}:
        yield Misfit("", f"`{text.lower()}` is not an API key", "write [] for no keys")
    elif text.lower().startswith("bearer "):
        yield Misfit("", "the key begins with `Bearer`", "remove the word `Bearer`")
    elif " " in text:
        yield Misfit("", "the key contains a blank")
    elif text in earlier:
        yield Misfit("", "the same key is listed twice")


def _foreign(credential: Credential) -> Iterator[Misfit]:
    """Yield a mistake for each setting of a `credential` that its `kind` does not have, unless the value is
    the setting's default.
    """
    own = {"kind"} if credential.kind == "client" else MEMBERS[credential.kind]
    for field in msgspec.structs.fields(Credential):
        if field.name not in own and getattr(credential, field.name) != field.default:
            kinds = " or ".join(kind for kind, members in MEMBERS.items() if field.name in members)
            yield Misfit(f"credential.{field.name}", f"belongs to `kind: {kinds}`")
