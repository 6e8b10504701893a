"""Who calls: the client that a key identifies, and what it may do."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.accounts.limits import Limit

Scope: TypeAlias = Literal["inference", "read", "admin"]
"""The purpose of a path: to use models and their objects, to look at the gateway, or to administer it."""

INFERENCE: Final[frozenset[Scope]] = frozenset({"inference"})


class Permits(msgspec.Struct, frozen=True):
    """What a client may use besides the models that it is granted. Each field: the allowed names; None = all.

    faces: the protocols of the paths. operations: as in `dialects.request.Operation`. providers: the names of
    the providers that may be called for it. regions: those of the providers that may be called for it.
    """

    faces: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    providers: Grants | None = None
    regions: frozenset[str] | None = None


ANYTHING: Final = Permits()


class Caller(msgspec.Struct, frozen=True):
    """An authenticated client.

    name: the name of its key in logs. What the gateway stores for the client belongs to this name, so a new
    key with the name of an old one finds what that has stored. models: the model names that the client may
    use, None = all. scopes: the kinds of paths that the client may call. key: the key's id, None = the client
    has no key. tenant, team, user: the names of whom the key belongs to, None = nobody. may: what it may use
    besides. tags: of all its requests. limits: those of the key itself, its user, its team and its tenant;
    the gateway's own limits come in addition.
    """

    name: str
    models: Grants | None = None
    scopes: frozenset[Scope] = INFERENCE
    key: str | None = None
    tenant: str | None = None
    team: str | None = None
    user: str | None = None
    may: Permits = ANYTHING
    tags: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models

    def barred(self, scope: Scope) -> ir.Fault | None:
        """The fault to answer with if the client may not call paths of this scope; None = the client may."""
        return None if scope in self.scopes else _BARRED[scope]


ANYONE: Final = Caller("anyone", scopes=frozenset({"inference", "read", "admin"}))
"""The caller without a key if only this machine can connect (it may also administer), or at a public path."""
EVERYBODY: Final = Caller("anyone")
"""The caller without a key, if the gateway is open to other machines: a stranger may not administer it."""

_BARRED: Final[dict[Scope, ir.Fault]] = {
    scope: ir.Fault(
        "permission",
        f"This path needs a key with the scope {scope!r} (auth.keys[].scopes).",
        code="insufficient_scope",
    )
    for scope in ("inference", "read", "admin")
}
