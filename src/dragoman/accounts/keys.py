"""Who is calling: static client keys, judged from the headers before a body is read.

Keys are looked up by their SHA-256, so the comparison tells nothing about a key by its timing. Without
keys the gateway is open, which is allowed on loopback only; there the Host header must name this
machine, or any web page could reach it through a name that resolves to 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.seams.clock import SYSTEM

_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]*))(?::\d*)?")


Scope: TypeAlias = Literal["inference", "admin"]
"""What a path is for: models and what belongs to them, or the administration of the gateway."""

INFERENCE: Final[frozenset[Scope]] = frozenset({"inference"})


class Caller(msgspec.Struct, frozen=True):
    """An authenticated client. name: for logs, and whose state it finds. models: the names it may use, None =
    all. scopes: the kinds of paths that it may call.
    """

    name: str
    models: Grants | None = None
    scopes: frozenset[Scope] = INFERENCE

    def may_use(self, model: str) -> bool:
        """Whether the key is granted this model name."""
        return self.models is None or model in self.models

    def barred(self, scope: Scope) -> ir.Fault | None:
        """Why a path of this scope may not be called; None = it may."""
        return None if scope in self.scopes else _BARRED[scope]


ANYONE = Caller("anyone", scopes=frozenset({"inference", "admin"}))
"""Whoever reaches a gateway that is open on its own machine."""
EVERYBODY = Caller("anyone")
"""Whoever reaches a gateway that is open to other machines: a stranger, perhaps, who administers nothing."""


class Key(NamedTuple):
    """One client key.

    secret: the key itself. expires: Unix seconds from which on it is refused, None = never.
    """

    secret: str
    caller: Caller
    expires: float | None = None


class ClientKeys:
    """The keys of one configuration. required: whether a request needs one; a known one is believed anyhow.

    keys: who presents which secret, and until when. hosts: further Host names that are ours. any_host: every
    name is, because the operator says that something else stands in front. anyone: who calls without a known
    key. keyless: who calls from this machine without any, by the face whose clients send none. now: Unix
    seconds.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        *,
        required: bool,
        hosts: Iterable[str] = (),
        any_host: bool = False,
        anyone: Caller = ANYONE,
        keyless: Mapping[str, Caller] | None = None,
        now: Callable[[], float] = SYSTEM.now,
    ) -> None:
        self._keyless = keyless or {}
        self._anyone = anyone
        self._any_host = any_host
        self._now = now
        self._callers: dict[bytes, Caller] = {}
        self._ends: dict[bytes, float] = {}
        for secret, caller, expires in keys:
            digest = _digest(secret)
            known = digest in self._callers
            self._callers[digest] = caller
            if expires is None or (known and digest not in self._ends):
                self._ends.pop(digest, None)  # of one value that is stated twice, the longer life counts
            else:
                self._ends[digest] = max(expires, self._ends.get(digest, expires))
        self.required = required
        self._hosts = {"localhost", *(name for host in hosts if (name := _read_host(host)[0]))}

    @property
    def counts(self) -> dict[str, int]:
        """How many keys each client has, by its name."""
        return dict(Counter(caller.name for caller in self._callers.values()))

    def authenticate(
        self, headers: Mapping[str, str], key: str | None = None, first: str | None = None
    ) -> Caller | ir.Fault:
        """The caller, or the fault to answer with. headers: lower-case names. key: what the request's address
        holds, where its protocol puts it there; a header is believed before it. first: what the path begins
        with, which is believed before all: such a client may have to send some key besides.
        """
        key = first or presented(headers) or key
        if key and (known := self._callers.get(digest := _digest(key))) is not None:
            if self._ends and (ends := self._ends.get(digest)) is not None and self._now() >= ends:
                return _expired(ends)
            return known
        if self.required:
            return _WRONG if key else _MISSING
        return self._anyone if self._any_host or self._is_ours(headers.get("host", "")) else _FOREIGN_HOST

    def keyless(self, face: str, headers: Mapping[str, str], peer: str) -> Caller | None:
        """Who calls a face without any key, from this machine itself; None = a key is needed. peer: the
        address at the other end of the connection.
        """
        caller = self._keyless.get(face)
        if caller is None or presented(headers) is not None or not is_loopback(peer):
            return None
        passed_on = any(_FORWARDED.fullmatch(name) for name in headers)
        return caller if not passed_on and self._is_ours(headers.get("host", "")) else None

    def _is_ours(self, host: str) -> bool:
        name, is_address = _read_host(host)
        return not host or is_address or name in self._hosts or name.endswith(".localhost")


@lru_cache(maxsize=64)  # clients of one gateway spell it in few ways
def _read_host(host: str) -> tuple[str, bool]:
    """The name in a Host header without its port, "" where there is none; and whether it is an IP address."""
    found = _HOST.fullmatch(host)
    if found is None:
        return "", False
    name = (found[1] or found[2]).lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name, False
    return name, True


def unnamed(key: str) -> str:
    """What the owner of a key is called whom nobody has named: the same wherever the key stands in a list,
    so that no owner finds another's state once a key is added or removed.
    """
    return f"key {_digest('name of ' + key).hex()[:8]}"


def presented(headers: Mapping[str, str]) -> str | None:
    """The key in the headers: `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or Azure's `api-key`."""
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("api-key")


def is_loopback(host: str) -> bool:
    """Whether a bind address reaches this machine only."""
    if host in ("localhost", ""):
        return host == "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket for both versions of the protocol tells addresses of the older one in the newer's form.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _expired(ends: float) -> ir.Fault:
    moment = datetime.fromtimestamp(ends, UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    message = f"The key expired on {moment} UTC. Ask whoever gave it to you for its successor."
    return ir.Fault("authentication", message, code="expired_api_key")


_FORWARDED: Final = re.compile(
    r"via|cdn-loop|(?:x-)?(?:original-)?forwarded(?:-.+)?|(?:cf|x-envoy|x-arr|x-amzn|x-azure|tailscale)-.+"
    r"|.*(?:client|real|remote|user)-?(?:ip|addr)"
)
"""Names of headers of a proxy, whose own connection comes from this machine whoever calls it."""
_MISSING = ir.Fault(
    "authentication",
    "This gateway needs a key: send it as 'Authorization: Bearer KEY'.",
    code="invalid_api_key",
)
_WRONG = ir.Fault("authentication", "The key is not known to this gateway.", code="invalid_api_key")
_BARRED: Final[dict[Scope, ir.Fault]] = {
    scope: ir.Fault(
        "permission",
        f"This path needs a key with the scope {scope!r} (auth.keys[].scopes).",
        code="insufficient_scope",
    )
    for scope in ("inference", "admin")
}
_FOREIGN_HOST = ir.Fault(
    "permission",
    "The Host header names another machine. An open gateway answers to localhost and IP addresses only:"
    " behind a proxy or another name it needs client keys (auth.keys), or the operator's word (auth.open).",
    code="foreign_host",
)
