"""The banner that `dragoman serve` prints when the gateway is ready: its address, its providers, example
commands.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from dragoman.cli.terminal import Channel, clean
from dragoman.observe.lines import begun
from dragoman.version import __version__

if TYPE_CHECKING:
    from dragoman.stores.address import Location

Access: TypeAlias = Literal["open here", "open to all", "key"]

_EVERY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - not bound here, only shown

_NAMES: Final = 10
_GAP: Final = "   "
_MOST_CLIENTS: Final = 5
"""How many clients are named, if there are at least two more."""
_FEW_CONNECTIONS: Final = 1000
"""The banner shows the limit of client connections only if it is smaller than this."""


class Ready(NamedTuple):
    """The facts about a gateway that is ready.

    host, port: the address on which it listens. base: the URL for clients, base path included. providers: a
    short description of each provider. models: the number of model names. model: one model for the examples,
    None = there is none. file: the configuration file, None = no file. access: who may call the gateway:
    "key" = only clients with a key; "open here" = every client on this machine; "open to all" = everybody who
    reaches the address. made: the client key if it was created at this start, else None. kept: the file with
    a client key that this start or an earlier one created, None = there is no such file. store: the place of
    the database, None = memory. seconds: the time since the command began. workers: the number of worker
    processes. connections: the limit of client connections in each worker, None = not shown. descriptors: how
    many files and sockets a process may open, None = unknown. nearby: a description of each model server on
    this machine that is not used. clients: by client's name, the number of its keys. admin: the URL of the
    separate port for operators, None = there is none.
    """

    host: str
    port: int
    base: str
    providers: Sequence[str]
    models: int
    model: str | None
    file: Path | None
    access: Access
    made: str | None
    kept: Path | None
    store: Location | None
    seconds: float
    workers: int = 1
    connections: int | None = None
    descriptors: int | None = None
    nearby: Sequence[str] = ()
    clients: Mapping[str, int] = MappingProxyType({})
    admin: str | None = None

    @property
    def paste(self) -> dict[str, str]:
        """Shell commands to try the gateway, by a short name: `curl`, `python` (runs a program with OpenAI's
        client) and `list` (lists the models). If `model` is None, there is only `list`. If the gateway needs
        a key, they contain it if it was created at this start, otherwise the word KEY. If it needs none,
        `curl` and `list` send none, and the program states "any", because OpenAI's client requires a key.
        """
        key = self.made or ("KEY" if self.access == "key" else None)
        bearer = f"-H 'authorization: Bearer {key}' " if key else ""
        lines = {}
        if self.model is not None:
            question = [{"role": "user", "content": "Hi"}]
            body = json.dumps({"model": self.model, "messages": question}, separators=(",", ":"))
            lines["curl"] = f"curl {bearer}--json {shlex.quote(body)} {self.base}/v1/chat/completions"
            program = (
                "from openai import OpenAI; "
                f'print(OpenAI(base_url="{self.base}/v1", api_key="{key or "any"}")'
                f".chat.completions.create(model={json.dumps(self.model)}, messages={json.dumps(question)})"
                ".choices[0].message.content)"
            )
            lines["python"] = f"python -c {shlex.quote(program)}"
        lines["list"] = f"curl {bearer}{self.base}/v1/models"
        return lines


def address(host: str, port: int, path: str = "") -> str:
    """Return the URL at which clients on this machine reach the server. host: the address on which it
    listens; if that means every address (0.0.0.0, ::), the URL has 127.0.0.1. path: the path of the URL.
    """
    if host in _EVERY:
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def for_people(ready: Ready, channel: Channel) -> Iterator[str]:
    """Yield the lines of the banner for a terminal, without line ends. channel: where they will be printed;
    it decides the colours, the signs, and how many providers stand in one line.
    """

    def row(name: str, text: str) -> str:
        return f"  {channel.styled(f'{name:<{_NAMES}}', 'off')} {text}"

    many = f" · {ready.workers} workers" if ready.workers > 1 else ""
    every = " and at every address of this machine" if ready.host in _EVERY else ""
    yield f"dragoman {__version__} · {ready.base}{every}{many} · ready in {ready.seconds:.2f} s"
    listed = _lines([f"● {clean(words)}" for words in ready.providers], channel.width - _NAMES - 3)
    for number, line in enumerate(listed):
        yield row("" if number else "providers", line.replace("●", channel.mark("ok")))
    example = f", for example {clean(ready.model)}" if ready.model is not None else ""
    origin = clean(str(ready.file)) if ready.file else "none, from the environment"
    yield row("models", f"{ready.models}{example} · config: {origin}")
    yield row("access", _access(ready, channel))
    if ready.clients and ready.kept is None and ready.made is None:
        yield row("clients", _clients(ready.clients))
    if ready.admin is not None:
        yield row("admin", f"{ready.admin}/admin, with a key of the scope admin")
    yield row("store", clean(str(ready.store)) if ready.store else "memory, until this process ends")
    if ready.connections is not None and ready.connections < _FEW_CONNECTIONS:
        yield row(
            "limit",
            f"{channel.mark('warn')} {ready.connections} connections, as the system allows "
            f"{ready.descriptors} open files; ulimit -n raises that",
        )
    for words in ready.nearby:
        yield row("nearby", f"{clean(words)} · use it: DRAGOMAN_DISCOVER=true")
    for name, line in ready.paste.items():
        yield row(name, clean(line))
    yield "Ctrl-C finishes what runs, Ctrl-C again stops now."


def for_programs(ready: Ready) -> dict[str, Any]:
    """Return the banner for programs, as a JSON object. A client key that was created at this start is its
    member `client_key`; the example commands contain the word KEY instead.
    """
    event: dict[str, Any] = {
        **begun("ready"),
        "version": __version__,
        "url": ready.base,
        "host": ready.host,
        "port": ready.port,
        "workers": ready.workers,
        "connections": ready.connections,
        "descriptors": ready.descriptors,
        "seconds": round(ready.seconds, 3),
        "config": str(ready.file) if ready.file else None,
        "providers": list(ready.providers),
        "models": ready.models,
        "access": ready.access,
        "clients": dict(ready.clients),
        "store": str(ready.store) if ready.store else "memory",
        "paste": ready._replace(made=None).paste,
    }
    if ready.admin is not None:
        event["admin"] = ready.admin
    if ready.nearby:
        event["nearby"] = list(ready.nearby)
    if ready.made is not None:
        event["client_key"] = ready.made
    return event


def _lines(words: Iterable[str], room: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(_GAP) + len(word) <= room:
            lines[-1] += _GAP + word
        else:
            lines.append(word)
    return lines or [""]


def _clients(clients: Mapping[str, int]) -> str:
    total = sum(clients.values())
    named = [clean(name) + (f" ({count})" if count > 1 else "") for name, count in clients.items()]
    shown = named if len(named) <= _MOST_CLIENTS + 1 else named[:_MOST_CLIENTS]
    more = f" and {len(named) - len(shown)} more" if len(shown) < len(named) else ""
    return f"{total} key{'s' * (total != 1)}: {', '.join(shown)}{more}"


def _access(ready: Ready, channel: Channel) -> str:
    match ready.access:
        case "open here":
            return "open on this machine · close it: set DRAGOMAN_API_KEY, or --require-auth"
        case "open to all":
            return f"{channel.mark('warn')} open to everybody who reaches {ready.host}:{ready.port}"
        case "key" if ready.made is not None:
            place = (
                f"kept in {clean(str(ready.kept))}" if ready.kept else "kept nowhere: set DRAGOMAN_API_KEY"
            )
            return f"this key, shown only now: {channel.styled(ready.made, 'command')} · {place}"
        case "key":
            return "with a key" + (f" · it is in {clean(str(ready.kept))}" if ready.kept else "")
