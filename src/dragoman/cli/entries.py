"""Reads and changes the keys, tenants, teams and users of a running gateway for the commands, and prints
single entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from dragoman.cli.asked import Asked, from_gateway, nobody, tagged
from dragoman.cli.terminal import Terminal, clean

_HOLDERS: Final = ("tenant", "team", "user")
_DEEP: Final = 3
"""The most members of `path` for an entry or an action on it; a longer one leads to a part with its own list.
"""
_NOT_LISTED: Final = frozenset({"name", "state", "object", "warnings"})
"""Members that the first line or a note has, or that say nothing to a person."""


def ask(asked: Asked, *path: str, method: str = "GET", body: Any = None, tag: str | None = None) -> Any:
    """Send a request, and return the body of the gateway's answer, which is decoded JSON. path: the path of a
    list ("/admin/keys"), then the names of further segments. body: the JSON value to send, None = no body.
    tag: the request is refused unless the object to change still has this ETag; None = no condition. Raises
    Failure if no gateway answers, or if it answers with an error.
    """
    return seen(asked, *path, method=method, body=body, tag=tag)[0]


def seen(
    asked: Asked, *path: str, method: str = "GET", body: Any = None, tag: str | None = None
) -> tuple[Any, str | None]:
    """Send a request, and return (the body of the gateway's answer, its ETag; None = it has none). The
    arguments and the errors are those of `ask`. If the gateway answers with 404, usually because the list
    does not have the name in `path`, raises NothingThere, a Failure whose hint is the command that shows the
    list.
    """
    from dragoman.cli.operator import NothingThere

    try:
        found = tagged(asked, *path, method=method, body=body, tag=tag)
    except NothingThere as error:
        listed = path[2] if len(path) > _DEEP else path[0].removeprefix("/admin/")
        hint = f"dragoman {listed} list"
        raise NothingThere(error.code, error.message, hint=hint) from None
    if found is None:
        raise nobody()
    return found.body, found.tag


def every(asked: Asked, path: str) -> Iterator[dict[str, Any]]:
    """Yield all entries of a list, which the gateway sends in pages. path: the list's path ("/admin/keys").
    Raises Failure if no gateway answers, or if it answers with an error.
    """
    more, after = True, ""
    while more:
        query = "?limit=1000" + (f"&after={quote(after, safe='')}" if after else "")
        page = from_gateway(asked, path + query)
        if page is None:
            raise nobody()
        yield from page["data"]
        more, after = page["has_more"], page["data"][-1]["name"] if page["data"] else ""


def belongs(entry: Mapping[str, Any]) -> str | None:
    """Return the tenant, team and user that an entry belongs to, as text for people ("team web, user ann");
    None = it belongs to none of them.
    """
    found = [f"{kind} {clean(entry[kind])}" for kind in _HOLDERS if entry.get(kind) is not None]
    return ", ".join(found) or None


def tell(terminal: Terminal, entry: Mapping[str, Any], first: str) -> None:
    """Print an entry: the line `first`, then a line for each member, then its warnings (`warn`). Left out are
    `name`, `state` and `object`, and members whose value is null, false, 0, [] or {}. With `--json`, print
    only the entry as JSON.
    """
    if terminal.as_json:
        terminal.result(entry)
        return
    terminal.result(first)
    for setting, value in entry.items():
        if setting not in _NOT_LISTED and value not in (None, [], {}, False):
            terminal.result(f"  {setting}: {clean(_in_words(value))}")
    warn(terminal, entry)


def warn(terminal: Terminal, entry: Mapping[str, Any]) -> None:
    """Print the entry's `warnings` to stderr, each with its hint if it has one. With `--json` or `--quiet`,
    print nothing.
    """
    for one in entry.get("warnings", ()):
        terminal.note("warn", clean(one["message"]) + (f" ({clean(one['hint'])})" if "hint" in one else ""))


def _in_words(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if isinstance(value, str | int):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
