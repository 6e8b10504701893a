"""Describes who calls: the client that a key identifies, and what this client may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.accounts.limits import Limit, Subject

Scope: TypeAlias = Literal["inference", "read", "admin"]
"""The purpose of a path: to use models and the objects that clients store (`inference`), to look at the
gateway's state (`read`), or to administer the gateway (`admin`).
"""

INFERENCE: Final[frozenset[Scope]] = frozenset({"inference"})


class Permits(msgspec.Struct, frozen=True):
    """What a client may use; for models see `Caller.models`. Each field except `otherwise` has the allowed
    names; None = all names are allowed.

    faces: the protocols whose paths of the scope `inference` the client may call, such as "openai_chat".
    operations: what the client may ask for, such as "chat" or "embed" (`dialects.request.Operation`); see
    `bars`. providers: the providers that may be called for the client. regions: the regions in which these
    providers must be; `rights.within_regions` removes providers elsewhere from `providers`. otherwise: the
    fault if no allowed provider has the model; None = `NO_PROVIDER`.
    """

    faces: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    providers: Grants | None = None
    regions: frozenset[str] | None = None
    otherwise: ir.Fault | None = None

    def bars(self, operation: str) -> ir.Fault | None:
        """Return the fault to answer with if the client may not ask for this operation ("chat", "embed", …);
        None = the client may. Whoever may ask for "chat" may also ask for "count", which counts tokens.
        """
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

    name: the name of the client's key, which logs show; a client without a key has a reserved name
    (`is_reserved`), except the operator `operator` (see `OPERATOR`). The gateway stores the client's data
    under this name, so a new key with the name of an old one finds that one's data. models: the model names
    that the client may use, None = all. scopes: the kinds of paths that the client may call.
    scopes_in_tenant: of "read" and "admin", those that the client has only for its own tenant (`scopes_of`);
    `scopes` does not contain them. key: the id of a key that the database keeps; None = the key is stated in
    the configuration, or the client has no key. tenant, team, user: the names of those that the key belongs
    to; None = it belongs to none. may: what else the client may use. tags: the tags that each request of the
    client gets. limits: the limits of the key, its user, its team and its tenant; the configuration's general
    limits apply in addition. expires: the time from which the key is refused, in Unix seconds; None = never.
    counted: the names under which limits count the tenant, the team and the user, by kind of subject; a
    missing one is counted under its own name (`Directory.again`).
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
    scopes_in_tenant: frozenset[Scope] = frozenset()
    counted: Mapping[Subject, str] = {}

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models

    def may_speak(self, face: str) -> ir.Fault | None:
        """Return the fault to answer with if the client may not use paths of this protocol; None = the client
        may.
        """
        faces = self.may.faces
        if faces is None or face in faces:
            return None
        text = f"This API key may not use the protocol {face}. It may use: {_listed(faces)}."
        return ir.Fault("permission", text, "protocol_not_granted")

    def barred(self, scope: Scope, face: str | None = None) -> ir.Fault | None:
        """Return the fault to answer with if the client may not call paths of this scope; None = the client
        may. A scope in `scopes_in_tenant` is refused here. face: the protocol of the path. It is checked only
        for the scope `inference`; None = the protocol is not checked.
        """
        if scope not in self.scopes:
            return _BARRED_IN_TENANT if scope in self.scopes_in_tenant else _BARRED[scope]
        return None if face is None or scope != "inference" else self.may_speak(face)


def scopes_of(stated: Iterable[str], tenant: str | None) -> tuple[frozenset[Scope], frozenset[Scope]]:
    """Return (`Caller.scopes`, `Caller.scopes_in_tenant`) for a key. stated: the scopes of the key; a word
    that is no scope is ignored. tenant: the name of the key's tenant. None = the key belongs to no tenant:
    all its scopes are in the first set. Otherwise `read` and `admin` are in the second.
    """
    named = frozenset(stated)
    scopes = frozenset(scope for scope in _BARRED if scope in named)
    return (scopes, frozenset()) if tenant is None else (scopes & INFERENCE, scopes - INFERENCE)


ANYONE: Final = Caller("anyone", scopes=frozenset({"inference", "read", "admin"}))
"""The caller without a key, if the gateway listens to this machine only, requires no key, has no keys in the
configuration, knows of none that the database has had, and `auth.open` is not set: it may also administer the
gateway. Also the caller at public paths, and the default where no caller is known.
"""
EVERYBODY: Final = Caller("anyone")
"""The caller without a key in the other cases in which no key is required, except at public paths and at the
Unix socket: it has the scope `inference` only, so it may not administer the gateway.
"""

KEYLESS: Final = "keyless "
"""The prefix of the names of clients that need no key at paths of their protocol (`server.keyless_faces`);
the name of the protocol follows.
"""
OPERATOR: Final = "uid "
"""The prefix of the name of an operator who uses the Unix socket; the number of the operator's user on this
machine follows. On systems other than Linux, the name is `operator`, without this prefix.
"""


def is_reserved(name: str) -> bool:
    """Whether a name is `anyone`, or begins with `KEYLESS` or `OPERATOR`. A key that is made at run time
    cannot get such a name.
    """
    return name == EVERYBODY.name or name.startswith((KEYLESS, OPERATOR))


NO_PROVIDER: Final = ir.Fault(
    "permission",
    "This API key may not use any provider of this model (by their names or regions).",
    "provider_not_granted",
    "model",
)
"""The fault if the client may use none of the providers that have the model, unless `Permits.otherwise`
states another.
"""


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
_BARRED_IN_TENANT: Final = ir.Fault(
    "permission",
    "This path is about the whole gateway. A key that belongs to a tenant reads and administers only what "
    "belongs to its tenant.",
    code="insufficient_scope",
)
