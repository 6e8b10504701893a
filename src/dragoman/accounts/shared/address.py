"""Parses the setting `stores.valkey`: the address of a Valkey or Redis server."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from dragoman.seams.secret import Secret

Kind: TypeAlias = Literal["tcp", "tls", "unix", "sentinel", "sentinel+tls"]

HINT: Final = (
    "for example redis://valkey:6379, rediss://…, unix:///run/valkey.sock or sentinel+redis://a,b/main"
)
_KINDS: Final[dict[str, Kind]] = {
    "redis": "tcp",
    "valkey": "tcp",
    "rediss": "tls",
    "valkeys": "tls",
    "unix": "unix",
    "sentinel+redis": "sentinel",
    "sentinel+valkey": "sentinel",
    "sentinel+rediss": "sentinel+tls",
    "sentinel+valkeys": "sentinel+tls",
}
_PORTS: Final = {"tcp": 6379, "tls": 6379, "sentinel": 26379, "sentinel+tls": 26379}


class Address(NamedTuple):
    """The address of a server. kind: how the server is reached; with `sentinel` and `sentinel+tls`, Sentinels
    (servers that watch it) are asked for its address. hosts: (name, port) of the server, or of each Sentinel;
    empty for a Unix socket. path: the path of the Unix socket, "" = there is none. master: the name by which
    the Sentinels know the server; "" = there are no Sentinels. database: the number of the database on the
    server. user, password: "" = not stated in the address.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    database: int = 0
    user: str = ""
    password: str = ""

    def shown(self) -> str:
        """Return the address as a URL without user and password, for people. Except for a Unix socket, the
        scheme is that of Redis (`redis`, `rediss`, `sentinel+redis`, …), also if `valkey` was stated, and the
        port is shown.
        """
        if self.kind == "unix":
            return f"unix://{self.path}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        scheme = next(scheme for scheme, kind in _KINDS.items() if kind == self.kind)
        tail = f"/{self.master}" if self.master else ""
        return f"{scheme}://{hosts}{tail}" + (f"/{self.database}" if self.database else "")


class Embedded(NamedTuple):
    """The Valkey server that the gateway has started for its own workers. url: its address, in the form of
    the setting `stores.valkey`. password: as the setting `stores.valkey_password`.
    """

    url: str
    password: Secret


def parsed(stated: str) -> Address:
    """Return the address that the URL in `stores.valkey` states. The default port is 6379, of Sentinels
    26379; the default database is 0. A query (`?…`) is ignored. Raises ValueError if the URL cannot be used;
    its text is the rest of a sentence that begins with the name of the setting, and does not contain the
    password.
    """
    scheme, found, _ = stated.partition("://")
    kind = _KINDS.get(scheme.lower())
    if not found or kind is None:
        raise ValueError("must be a redis, rediss, valkey, unix or sentinel URL")
    try:
        parts = urlsplit(stated)
    except ValueError:
        raise ValueError("is not a valid URL") from None
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    user, password = unquote(user), unquote(password)
    if kind == "unix":
        if not parts.path or hosts:
            raise ValueError("must name the path of a socket: unix:///run/valkey.sock")
        return Address(kind, path=unquote(parts.path), user=user, password=password)
    named = tuple(_host(one, _PORTS[kind]) for one in hosts.split(","))
    segments = [unquote(one) for one in parts.path.split("/") if one]
    master = ""
    if kind.startswith("sentinel"):
        if not segments:
            raise ValueError("must end in the name by which the Sentinels know the server: …/mymaster")
        master = segments.pop(0)
    elif len(named) > 1:
        raise ValueError(
            "names several servers; only Sentinels may be several (sentinel+redis://a,b/mymaster)"
        )
    if len(segments) > 1 or (segments and not segments[0].isdecimal()):
        raise ValueError("may end in the number of a database only")
    return Address(kind, named, "", master, int(segments[0]) if segments else 0, user, password)


def _host(stated: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{stated}")
        found = parts.port
    except ValueError:
        raise ValueError("has a wrong port") from None
    if not parts.hostname:
        raise ValueError("must name a host")
    return parts.hostname, port if found is None else found
