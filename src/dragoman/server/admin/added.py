"""The operations on the entries that operators have added to the configuration: the list of all added
entries; show, add, replace and remove one model or alias. The modules `providers`, `limits` and `prices` have
the operations on single entries of these kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.config.load import Loaded
from dragoman.config.show import masked, partly_masked
from dragoman.errors import RequestFailed
from dragoman.observe.timestamps import utc
from dragoman.providers.address import without_keys
from dragoman.server.admin import tags
from dragoman.server.admin.adding import Adding, Change, Do, Made
from dragoman.server.admin.audit import Author
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.price_jumps import refuse_jump_of_model
from dragoman.server.admin.problems import shown
from dragoman.state.added import AddedEntry, AddedKind

_LONGEST: Final = 200
"""The most characters of an entry's name."""


class AddedObject(msgspec.Struct):
    """An entry that an operator has added to the configuration. section: the settings as they were sent;
    texts that may be secrets are masked. version: the number of the change that wrote the entry. by, at: who
    made this change, and when (RFC 3339 in UTC). state: `used`; `shadowed` = not used, because the
    configuration or the program itself declares the same name; `unusable` = not used, because the entry has a
    mistake on this server; `pending` = the worker that answers has not loaded this version of the entry yet.
    problems: why the entry is not used. warnings: settings that are probably a mistake, although the entry is
    used.
    """

    kind: AddedKind
    name: str
    state: Literal["used", "shadowed", "unusable", "pending"]
    version: int
    by: str
    at: str
    section: Any
    problems: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    object: Literal["added"] = "added"


class AddedList(msgspec.Struct):
    """A page of the added entries, the earliest written first. version: the number of the latest change of
    added entries, also if it removed one.
    """

    data: list[AddedObject]
    has_more: bool
    version: int
    object: Literal["list"] = "list"


class Removed(msgspec.Struct):
    """An entry that was removed."""

    kind: AddedKind
    name: str
    deleted: Literal[True] = True
    object: Literal["added"] = "added"


def changes(kind: AddedKind, path: str, noun: str) -> tuple[Operation, ...]:
    """Return the operations that add, replace and remove entries of a kind; their names are `add_NOUN`,
    `replace_NOUN` and `remove_NOUN`. path: of one entry, with the placeholder `name`. noun: what one entry is
    called in names and descriptions (`"model"`).
    """
    about = f"As below `{kind}.NAME` in the configuration file: the same settings, the same checks."
    slashes = kind != "providers"
    return (
        Operation(
            *("POST", path, f"add_{noun}", f"Add this {noun}; 409 if one of this name was added before."),
            *(AddedObject, Any),
            about=about,
            tagged=True,
            slashes=slashes,
        ),
        Operation(
            *("PUT", path, f"replace_{noun}", f"Add this {noun}, or replace the one that was added."),
            *(AddedObject, Any),
            about=about,
            tagged=True,
            slashes=slashes,
        ),
        Operation(
            *("DELETE", path, f"remove_{noun}", f"Remove this {noun}, if it was added."),
            Removed,
            tagged=True,
            slashes=slashes,
        ),
    )


_LIST: Final = Operation(
    "GET", "/admin/added", "list_added", "What was added, and what became of it.", AddedList, query=Wanted
)
_MODEL: Final = "/admin/models/{name}"
_ALIAS: Final = "/admin/aliases/{name}"
OPERATIONS: Final = (
    _LIST,
    Operation(
        *("GET", _MODEL, "show_model", "One model that was added.", AddedObject), tagged=True, slashes=True
    ),
    *changes("models", _MODEL, "model"),
    Operation(
        *("GET", _ALIAS, "show_alias", "One alias that was added.", AddedObject), tagged=True, slashes=True
    ),
    *changes("aliases", _ALIAS, "alias"),
)


class Wish(NamedTuple):
    """A change that a request asks for. asked: the request; its path names the entry, its body is
    the new entry (not used for a removal). author: who asks; the entry states this name. (The audit
    gets the author from `asked.notes`.) tag: gets the version of an entry, and returns the ETag of
    that version. `If-Match` is compared with the ETag of the version that is in the database.
    approve: gets the configuration that contains the new entry, and raises RequestFailed if the
    entry must not be used; None = there is no such check. It is not called for a removal.
    """

    do: Do
    kind: AddedKind
    asked: Asked
    author: Author
    tag: Callable[[int], str]
    approve: Callable[[Loaded], None] | None = None


class AddedApi:
    """The operations on the entries that were added to one gateway's configuration."""

    def __init__(self, gateway: Core) -> None:
        self.adding = Adding(gateway)
        self._gateway = gateway

    async def list_added(self, asked: Asked) -> Told:
        kept = await self.adding.entries()
        entries, more = page(list(kept.entries), asked.query, lambda one: f"{one.kind}/{one.name}")
        return Told(AddedList([self.told(entry) for entry in entries], more, kept.version))

    async def show_model(self, asked: Asked) -> Told:
        return await self.show("models", asked)

    async def add_model(self, asked: Asked) -> Told:
        return await self.answer("add", "models", asked)

    async def replace_model(self, asked: Asked) -> Told:
        return await self.answer("replace", "models", asked)

    async def remove_model(self, asked: Asked) -> Told:
        return await self.answer("remove", "models", asked)

    async def show_alias(self, asked: Asked) -> Told:
        return await self.show("aliases", asked)

    async def add_alias(self, asked: Asked) -> Told:
        return await self.answer("add", "aliases", asked)

    async def replace_alias(self, asked: Asked) -> Told:
        return await self.answer("replace", "aliases", asked)

    async def remove_alias(self, asked: Asked) -> Told:
        return await self.answer("remove", "aliases", asked)

    async def show(self, kind: AddedKind, asked: Asked) -> Told:
        """Return the added entry of this kind that the path names, with its ETag. Raises RequestFailed: 404
        if no such entry was added, 501 without a database, 503 if the database fails.
        """
        name = asked.params["name"]
        kept = await self.adding.entries()
        for entry in kept.entries:
            if entry.place == (kind, name):
                return Told(self.told(entry), _tag(entry.version))
        raise RequestFailed(missing(kind, name))

    async def answer(self, do: Do, kind: AddedKind, asked: Asked) -> Told:
        """Add, replace or remove the entry of this kind that the path names. Return the written entry with
        its ETag; for a removal, `Removed`. Raises RequestFailed if the change is refused or fails (`change`;
        409 also for a model whose stated price is far from the price until now: `refuse_jump_of_model`).
        """
        approve: Callable[[Loaded], None] | None = None
        if kind == "models":
            known, now = self._gateway.loaded, self._gateway.seams.now()
            approve = partial(refuse_jump_of_model, asked.params["name"], known, now=now)
        made = await self.change(Wish(do, kind, asked, author(asked.exchange), _tag, approve))
        if made.after is None:
            return Told(Removed(kind, asked.params["name"]))
        return Told(self.told(made.after), _tag(made.after.version))

    async def change(self, wish: Wish) -> Made:
        """Make a change, and record it in the audit. Raises RequestFailed: 400 for a name of more than 200
        characters or with an unprintable one; 404 if the entry to remove was not added; 412 if the request
        has `If-Match` and the entry was not added or has another ETag; 409 if the entry to add was added
        before; and what `Adding.make` raises. The 404 wins over the 412, and that over the 409.
        """
        name, headers = wish.asked.params["name"], wish.asked.request.headers
        if len(name) > _LONGEST or not name.isprintable():
            text = f"name: at most {_LONGEST} characters, all of them printable."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "name"))

        def require(before: AddedEntry | None) -> None:
            if before is None and wish.do == "remove":
                raise RequestFailed(missing(wish.kind, name))
            if before is None and "if-match" in headers:
                raise RequestFailed(tags.NOTHING)
            if before is not None:
                tags.require(headers, wish.tag(before.version))
                if wish.do == "add":
                    raise RequestFailed(_already(wish.kind, name))

        def note(made: Made) -> None:
            before, after = _noted(made.before), _noted(made.after)
            wish.asked.notes.add(wish.do, f"{wish.kind}/{name}", before=before, after=after)

        return await self.adding.make(
            Change(wish.do, wish.kind, name, wish.asked.body, wish.author.who, require, note, wish.approve)
        )

    def told(self, entry: AddedEntry) -> AddedObject:
        """Return an entry in the form for clients."""
        state = self.adding.state(entry)
        return AddedObject(
            entry.kind,
            entry.name,
            "pending" if state is None else state.state,
            entry.version,
            entry.author,
            utc(entry.at),
            _section(entry),
            [] if state is None else [shown(problem) for problem in state.problems],
            [] if state is None else [shown(one) for one in self.adding.warnings(entry)],
        )


def missing(kind: AddedKind, name: str) -> ir.Fault:
    """Return the error (404) for a name under which nothing was added to this part of the configuration."""
    text = f"Nothing named {name[:128]!r} was added to `{kind}`; what files declare is changed in the files."
    return ir.Fault("not_found", text, "not_added", "name")


def _already(kind: AddedKind, name: str) -> ir.Fault:
    text = f"{name[:128]!r} was added to `{kind}` before: PUT replaces it."
    return ir.Fault("conflict", text, "already_added", "name")


def _tag(version: int) -> str:
    return tags.etag({"version": version})


def _noted(entry: AddedEntry | None) -> Any:
    """Return an entry in the form for the audit; None = there is no entry."""
    return None if entry is None else {"version": entry.version, "section": _section(entry)}


def _section(entry: AddedEntry) -> Any:
    """Return an entry's settings as they were sent, but with texts masked that may be secrets: every text in
    `body`, secrets in `base_url`, and texts below suspicious names in `defaults` ("api_key"). All other texts
    stay; secrets among them are only references, such as `${NAME}`, because `Adding` refuses others.
    """
    stated = msgspec.json.decode(entry.text)
    if not isinstance(stated, dict):
        return stated
    for name, value in stated.items():
        if name == "body":
            stated[name] = masked(value)
        elif name == "base_url" and isinstance(value, str):
            stated[name] = without_keys(value)
        elif name == "defaults":
            stated[name] = partly_masked(value)
    return stated
