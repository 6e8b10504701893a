"""Authenticates clients by their keys, before the body of a request is read. A key is in a header, or in the
path or query of the URL. The known keys are those of the configuration and those of the database
(`accounts.directory`).

Keys are looked up by their SHA-256, so the time of a comparison reveals nothing about a key. If no key is
required, the Host header of a request without a known key must be missing, empty, an IP address or a name of
this gateway (`ClientKeys`), unless `auth.open` is set. Otherwise any web page could reach the gateway through
a name that resolves to 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import copy
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, Self

import msgspec

from dragoman import ir
from dragoman.accounts import minting
from dragoman.accounts.caller import ANYONE, EVERYBODY, Caller
from dragoman.accounts.directory import UNKNOWN, Directory
from dragoman.seams.clock import SYSTEM

OURS: Final = ("x-dragoman-key", "x-litellm-api-key", "x-portkey-api-key", "x-bf-vk")
"""The headers that hold a key of the gateway and nothing else: our own header, and those of LiteLLM, Portkey
and Bifrost. They are for clients whose other headers hold the client's own credential for a provider.
`Bearer` may stand before the key.
"""
_AZURES: Final = "api-key"
"""The header in which Azure's clients send their key in every protocol."""
_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]*))(?::\d*)?")


class Key(NamedTuple):
    """One client key of the configuration.

    secret: the key itself as text, or its SHA-256 as bytes. caller: the client that the key identifies, or
    the fault to answer with if the key or its owner is disabled. expires: the time from which the key is
    refused, in Unix seconds; None = never. If several entries have the same key, see `_ending`.
    """

    secret: str | bytes
    caller: Caller | ir.Fault
    expires: float | None = None


class ClientKeys:
    """The client keys of one gateway.

    keys: the keys of the configuration. required: True = a request needs a known key; False = it needs none;
    None = it needs one as soon as the directory has had a key (see the property). directory: the keys of the
    database; None = there is no database for keys. headers: names of headers, besides `authorization`,
    `api-key` and those in `OURS`, in which clients may send a key; see `presented`. hosts: names of this
    gateway, besides `localhost` and names that end in `.localhost`, that the Host header of a request without
    a known key may have. any_host: True = it may be any Host header, except for the method `keyless`. anyone:
    the caller of a request without a known key, if no key is required; EVERYBODY replaces it when the
    directory has had keys. keyless: {protocol: the caller that the method `keyless` returns}. now: returns
    the time in Unix seconds.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        *,
        required: bool | None,
        directory: Directory | None = None,
        headers: Iterable[str] = (),
        hosts: Iterable[str] = (),
        any_host: bool = False,
        anyone: Caller = ANYONE,
        keyless: Mapping[str, Caller] | None = None,
        now: Callable[[], float] = SYSTEM.now,
    ) -> None:
        self._headers = (*headers, _AZURES)
        self._holding = frozenset(name.encode() for name in (*OURS, "authorization", *self._headers))
        self._keyless = keyless or {}
        self._anyone = anyone
        self._any_host = any_host
        self._now = now
        self._callers: dict[bytes, Caller | ir.Fault] = {}
        self._directory = directory
        for secret, caller, expires in keys:
            digest = secret if isinstance(secret, bytes) else minting.digest(secret)
            self._callers[digest] = _ending(caller, expires, self._callers.get(digest))
        self._required = required
        self._hosts = {"localhost", *(name for host in hosts if (name := _read_host(host)[0]))}

    @property
    def required(self) -> bool:
        """Whether clients must send a key. If this depends on the directory (`required` is None): whether the
        directory has had a key; True also if it was not read since the start; False if there is no directory.
        """
        if self._required is not None or self._directory is None:
            return bool(self._required)
        return self._directory.has_keys or not self._directory.read

    @property
    def knows_nobody(self) -> bool:
        """Whether every request is refused for now, because a key is required, the configuration has none
        that may be used, and the keys of the database were not read since the start. Callers of a protocol
        without keys (`keyless`) do not count.
        """
        if self._directory is None or self._directory.read or not self.required:
            return False
        now = self._now()
        callers = (one for one in self._callers.values() if isinstance(one, Caller))
        return all(one.expires is not None and one.expires <= now for one in callers)

    def again(self) -> Self:
        """Return a copy of this object, with the same keys. If it replaces this object, the server looks up
        all callers again.
        """
        return copy.copy(self)

    @property
    def counts(self) -> dict[str, int]:
        """{name of a client: how many different keys the configuration has for it}, without keys that are
        disabled or whose owner is.
        """
        return dict(Counter(one.name for one in self._callers.values() if isinstance(one, Caller)))

    def knows(self, digest: bytes) -> bool:
        """Whether the configuration or the known rows of the database have a key with this SHA-256. It may be
        expired, disabled, revoked, or the key before the last rotation, but not removed.
        """
        return digest in self._callers or (self._directory is not None and self._directory.knows(digest))

    def authenticate(
        self, headers: Mapping[str, str], key: str | None = None, first: str | None = None
    ) -> Caller | ir.Fault:
        """Return the caller of a request, or the fault to answer with. There is a fault if the key may not be
        used (it has expired, or it or an owner of it is disabled, for example); if a key is required, and it
        is missing or unknown; while the database could not be read since the start, if it may have the key,
        or may make a key required; and if no key is required, but the Host header of a request without a
        known key is not allowed (`any_host`, `hosts`). If no key is required, an unknown key counts as no
        key.

        headers: by lower-case names. key: the gateway's key in the URL's query, None or "" = none. first: the
        gateway's key in the URL's path (`/key/KEY/…`), None or "" = none. Only one key is looked up: the one
        in the path, else the one in a header, else the one in the query.
        """
        key = first or self.presented(headers) or key
        if key and (known := self._known(key)) is not None:
            if isinstance(known, Caller):
                now = self._now()
                if known.expires is not None and now >= known.expires:
                    return _expired(known.expires)
                if self._directory is not None:
                    self._directory.used(known, now)
            return known
        if self.required:
            return self._refusal(key)
        if not self._any_host and not self._is_ours(headers.get("host", "")):
            return _FOREIGN_HOST
        return EVERYBODY if self._directory is not None and self._directory.has_keys else self._anyone

    def name_of(self, key: str) -> str | None:
        """Return the name of the client with this key; None = there is no such key, or it may not be used.
        The expiry is not checked. Looking up a name is no use of the key.
        """
        found = self._known(key)
        return found.name if isinstance(found, Caller) else None

    def _known(self, key: str) -> Caller | ir.Fault | None:
        digest = minting.digest(key)
        known = self._callers.get(digest)
        if known is None and self._directory is not None:
            return self._directory.find(digest)
        return known

    def _refusal(self, key: str | None) -> ir.Fault:
        """Return the fault for a request whose key is missing or not known. key: None or "" = the key is
        missing.
        """
        if key and minting.mistyped(key):
            return _MISTYPED
        unread = self._directory is not None and not self._directory.read
        if unread and (key or self._required is None):
            return UNREAD
        return UNKNOWN if key else _MISSING

    def keyless(self, face: str, headers: Mapping[str, str], peer: str) -> Caller | None:
        """Return the caller of a request that has no key in a header and comes from this machine; None = the
        protocol `face` of the path has no keyless caller, a header for keys was sent (`presented` does not
        return None), the request comes from another machine or through a proxy (`passed_on`), or its Host
        header is not allowed (`hosts`).

        headers: by lower-case names. peer: the address of the connection's other end.
        """
        caller = self._keyless.get(face)
        if caller is None or self.presented(headers) is not None or not is_loopback(peer):
            return None
        return caller if not passed_on(headers) and self._is_ours(headers.get("host", "")) else None

    def presented(self, headers: Mapping[str, str]) -> str | None:
        """Return the key that the client sent in a header, without a check. None or "" = no key. The key is
        in the first header of `OURS` that was sent, as `KEY` or `Bearer KEY`. Without such a header it is in
        `Authorization: Bearer KEY`; an Authorization header in another form has no key. Without an
        Authorization header, too, it is in the first header that is not empty of these: the `headers` of the
        constructor in their order, then `api-key`. headers: by lower-case names.
        """
        for name in OURS:
            if (ours := headers.get(name)) is not None:
                scheme, blank, token = ours.strip().partition(" ")
                return token.strip() if blank and scheme.lower() == "bearer" else ours.strip()
        authorization = headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
        return next((key for name in self._headers if (key := headers.get(name))), None)

    def contradicted(
        self, headers: Mapping[str, str], fields: Sequence[tuple[bytes, bytes]]
    ) -> ir.Fault | None:
        """Return the fault for a request in which a header that may hold a key comes several times, with
        different values; None = there is no such header. headers: by lower-case names. fields: the same
        headers as they came in, with lower-case names.
        """
        if len(fields) == len(headers):
            return None
        values: dict[bytes, bytes] = {}
        for name, value in fields:
            if name in self._holding and values.setdefault(name, value) != value:
                return _contradiction(name.decode())
        return None

    def _is_ours(self, host: str) -> bool:
        name, is_address = _read_host(host)
        return not host or is_address or name in self._hosts or name.endswith(".localhost")


def _ending(caller: Caller | ir.Fault, expires: float | None, earlier: object) -> Caller | ir.Fault:
    """Return the client of a key, with the key's time of expiry; a fault is returned unchanged. expires: as
    in `Key`. earlier: the client or fault that an earlier entry of the configuration has for the same key,
    None = there is no such entry. If both entries have a client, the later expiry counts; None = never.
    """
    if isinstance(caller, ir.Fault):
        return caller
    if isinstance(earlier, Caller) and expires is not None:
        expires = None if earlier.expires is None else max(expires, earlier.expires)
    return msgspec.structs.replace(caller, expires=expires)


@lru_cache(maxsize=64)  # the clients of one gateway send few different Host headers
def _read_host(host: str) -> tuple[str, bool]:
    """Read a Host header. Returns (the name in lower case, without the port and dots at its end; whether the
    name is an IP address). The name "" = the header is invalid or has no name.
    """
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
    """Return a name for a client whose key has no name in the configuration, for example "key 1f3a09cc". The
    name depends only on the key.
    """
    return f"key {minting.digest('name of ' + key).hex()[:8]}"


def passed_on(headers: Mapping[str, str]) -> bool:
    """Whether a request has a header that is known to come from proxies, such as `via`, `x-forwarded-for` or
    `x-real-ip`. headers: by lower-case names; the values do not matter.
    """
    return any(_FORWARDED.fullmatch(name) for name in headers)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's loopback: an IP address such as 127.0.0.1 or ::1, or the name
    `localhost`.
    """
    if host in ("localhost", ""):
        return host == "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket for IPv4 and IPv6 reports IPv4 addresses as IPv6 addresses (::ffff:127.0.0.1).
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _contradiction(header: str) -> ir.Fault:
    message = f"The header {header} comes more than once, with different values. Send it once."
    return ir.Fault("invalid_request", message, "repeated_header", header)


def _expired(ends: float) -> ir.Fault:
    moment = datetime.fromtimestamp(ends, UTC).isoformat(" ", "minutes").removesuffix("+00:00")
    message = f"The key expired on {moment} UTC. Ask whoever gave it to you for its successor."
    return ir.Fault("authentication", message, code="expired_api_key")


_FORWARDED: Final = re.compile(
    r"via|cdn-loop|(?:x-)?(?:original-)?forwarded(?:-.+)?|(?:cf|x-envoy|x-arr|x-amzn|x-azure|tailscale)-.+"
    r"|.*(?:client|real|remote|user)-?(?:ip|addr)"
)
"""Matches the names of many headers that proxies add. A proxy's own connection may come from this machine,
wherever the proxy's client is.
"""
_MISSING = ir.Fault(
    "authentication",
    "This gateway needs a key: send it as 'Authorization: Bearer KEY'.",
    code="invalid_api_key",
)
_MISTYPED: Final = ir.Fault(
    "authentication",
    "The key is not complete, or mistyped: its last six characters do not fit the others.",
    code="invalid_api_key",
)
UNREAD: Final = ir.Fault(
    "unavailable",
    "The gateway could not read its keys since it started, so it cannot know this one yet. Try again.",
    code="keys_unavailable",
    retry_after=5.0,
    blame="gateway",
)
_FOREIGN_HOST = ir.Fault(
    "permission",
    "The Host header names another machine. An open gateway answers to localhost and IP addresses only:"
    " behind a proxy or another name it needs client keys (auth.keys), or the operator's word (auth.open).",
    code="foreign_host",
)
