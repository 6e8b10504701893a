"""What operators have added to the configuration: the list of it, models and aliases. The paths of providers
are in `providers`, with everything else about them.
"""

from __future__ import annotations

from collections.abc import Callable
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
from dragoman.server.admin.audit import Audit, Author
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.problems import shown
from dragoman.state.added import AddedEntry, AddedKind

_LONGEST: Final = 200
"""The most characters of a name."""


class AddedObject(msgspec.Struct):
    """One entry that was added. section: as it was sent; texts that may be secrets are masked. version: the
    number of the change that wrote it; by, at: who made this change, and when. state: `used`; `shadowed`: the
    configuration declares the same name, which wins; `unusable`: it has a mistake here; `pending`: the worker
    that answers has not read it yet. problems: why it is not used. warnings: what is probably not meant in
    it, although it is used.
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
    """Everything that was added, in the order of the changes. version: the number of the latest change."""

    data: list[AddedObject]
    has_more: bool
    version: int
    object: Literal["list"] = "list"


class Removed(msgspec.Struct):
    """An entry that is no longer there."""

    kind: AddedKind
    name: str
    deleted: Literal[True] = True
    object: Literal["added"] = "added"


def changes(kind: AddedKind, path: str, noun: str) -> tuple[Operation, ...]:
    """The operations that add, replace and remove entries of a kind. path: with the placeholder `name`. noun:
    the kind in the words of the descriptions (`"model"`).
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
    """What a request wants to change. tag: makes an ETag from a version number. The version of the entry that
    is in force gives the ETag that `If-Match` is compared with. approve: as in `Change`.
    """

    do: Do
    kind: AddedKind
    asked: Asked
    author: Author
    tag: Callable[[int], str]
    approve: Callable[[Loaded], None] | None = None


class AddedApi:
    """The operations on what was added to one gateway's configuration."""

    def __init__(self, gateway: Core, audit: Audit) -> None:
        self.adding = Adding(gateway)
        self._audit = audit

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
        """The entry of this kind that the path names. Raises RequestFailed (404) if none was added."""
        name = asked.params["name"]
        kept = await self.adding.entries()
        for entry in kept.entries:
            if entry.place == (kind, name):
                return Told(self.told(entry), _tag(entry.version))
        raise RequestFailed(missing(kind, name))

    async def answer(self, do: Do, kind: AddedKind, asked: Asked) -> Told:
        """Make the change of an entry of this kind that a request asks for. Raises what `change` raises."""
        made = await self.change(Wish(do, kind, asked, author(asked), _tag))
        if made.after is None:
            return Told(Removed(kind, asked.params["name"]))
        return Told(self.told(made.after), _tag(made.after.version))

    async def change(self, wish: Wish) -> Made:
        """Make a change, and note it in the audit. Raises RequestFailed: what `Adding.make` raises, 400 for
        an invalid name, 404 if there is nothing of this name to remove, 409 if an entry of this name was
        added before, 412 if `If-Match` does not name the entry.
        """
        name, headers = wish.asked.params["name"], wish.asked.request.headers
        if len(name) > _LONGEST or not name.isprintable():
            text = f"name: at most {_LONGEST} characters, all of them printable."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "name"))

        def require(before: AddedEntry | None) -> None:
            if before is None and wish.do == "remove":
                raise RequestFailed(missing(wish.kind, name))
            if before is None and "if-match" in headers:
                raise RequestFailed(_NOTHING)
            if before is not None:
                tags.require(headers, wish.tag(before.version))
                if wish.do == "add":
                    raise RequestFailed(_already(wish.kind, name))

        def note(made: Made) -> None:
            before, after = _noted(made.before), _noted(made.after)
            self._audit.note(wish.author, wish.do, f"{wish.kind}/{name}", before=before, after=after)

        return await self.adding.make(
            Change(wish.do, wish.kind, name, wish.asked.body, wish.author.who, require, note, wish.approve)
        )

    def told(self, entry: AddedEntry) -> AddedObject:
        """An entry in the form in which clients read it."""
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
    """The error where nothing of this name was added."""
    text = f"Nothing named {name[:128]!r} was added to `{kind}`; what files declare is changed in the files."
    return ir.Fault("not_found", text, "not_added", "name")


def _already(kind: AddedKind, name: str) -> ir.Fault:
    text = f"{name[:128]!r} was added to `{kind}` before: PUT replaces it."
    return ir.Fault("conflict", text, "already_added", "name")


_NOTHING: Final = ir.Fault(
    "conflict",
    "Nothing of this name was added, so no ETag of it holds.",
    "precondition_failed",
    "If-Match",
    status=412,
)


def _tag(version: int) -> str:
    return tags.etag({"version": version})


def _noted(entry: AddedEntry | None) -> Any:
    """An entry in the form in which the audit shows it; None = there is no entry."""
    return None if entry is None else {"version": entry.version, "section": _section(entry)}


def _section(entry: AddedEntry) -> Any:
    """An entry's settings as they were sent. Values that may be secrets are masked; a reference to a secret
    (such as the name of an environment variable) is shown.
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
