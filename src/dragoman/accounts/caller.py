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
    """What a client may use, in addition to the models that it is granted. Each field has the allowed names;
    None = all.

    faces: the protocols of the paths. operations: as in `dialects.request.Operation`. providers: the
    providers that may be called for the client; they must be in the allowed regions, too. regions: the
    allowed regions. otherwise: the fault if no allowed provider has the model; None = `NO_PROVIDER`.
    """

    faces: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    providers: Grants | None = None
    regions: frozenset[str] | None = None
    otherwise: ir.Fault | None = None

    def bars(self, operation: str) -> ir.Fault | None:
        """The fault to answer with if this operation may not be asked for; None = it may."""
        if self.operations is None or operation in self.operations:
            return None
        if operation == "count" and "chat" in self.operations:
            return None
        text = (
            f"This API key may not be used for {operation}. It may be used for: {_listed(self.operations)}."
        )
        return ir.Fault("permission", text, "operation_not_granted")


ANYTHING: Final = Permits()


class Caller(msgspec.Struct, frozen=True):
    """An authenticated client.

    name: the name of its key in logs. What the gateway stores for the client belongs to this name. So a new
    key with the name of an old key finds what was stored for the old key. models: the model names that the
    client may use, None = all. scopes: the kinds of paths that the client may call. key: the key's id, None =
    the client has no key. tenant, team, user: the names of the tenant, the team and the user that the key
    belongs to; None = it belongs to none. may: what else the client may use. tags: those that all its
    requests get. limits: those of the key itself, its user, its team and its tenant; the gateway's own limits
    come in addition. expires: from when the key is refused, in Unix seconds; None = never.
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
    expires: float | None = None

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models

    def may_speak(self, face: str) -> ir.Fault | None:
        """The fault to answer with if the client may not use paths of this protocol; None = it may."""
        faces = self.may.faces
        if faces is None or face in faces:
            return None
        text = f"This API key may not use the protocol {face}. It may use: {_listed(faces)}."
        return ir.Fault("permission", text, "protocol_not_granted")

    def barred(self, scope: Scope, face: str | None = None) -> ir.Fault | None:
        """The fault to answer with if the client may not call paths of this scope; None = the client may.
        face: the protocol of the path, for paths with the scope `inference`; None = it does not matter.
        """
        if scope not in self.scopes:
            return _BARRED[scope]
        return None if face is None or scope != "inference" else self.may_speak(face)


ANYONE: Final = Caller("anyone", scopes=frozenset({"inference", "read", "admin"}))
"""The caller without a key if only this machine can connect (it may also administer), or at a public path."""
EVERYBODY: Final = Caller("anyone")
"""The caller without a key, if the gateway is open to other machines: a stranger may not administer it."""

KEYLESS: Final = "keyless "
"""What stands before the name of a protocol in the name of its clients without a key."""
OPERATOR: Final = "uid "
"""What stands before the number of a user of this machine who administers over the Unix socket."""


def is_reserved(name: str) -> bool:
    """Whether clients without a key have this name, and what they have stored; or an operator in the audit.
    No key can be made with it.
    """
    return name == EVERYBODY.name or name.startswith((KEYLESS, OPERATOR))


NO_PROVIDER: Final = ir.Fault(
    "permission",
    "This API key may not use any provider of this model (by their names or regions).",
    "provider_not_granted",
    "model",
)
"""No deployment is left for the client."""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


_BARRED: Final[dict[Scope, ir.Fault]] = {
    scope: ir.Fault(
        "permission",
        f"This path needs a key with the scope {scope!r} (auth.keys[].scopes).",
        code="insufficient_scope",
    )
    for scope in ("inference", "read", "admin")
}
