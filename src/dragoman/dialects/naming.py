"""Gives a client's tools names that are valid in the target's protocol.

A tool is identified by a namespace and a name. If the target has no namespaces, the two are joined to one
name. If a name does not match the target's pattern, a similar valid name is made. The new names depend only
on the tools in the same request. So they stay the same during a conversation, and the provider's prompt cache
can be used. Pure; no dialect's name occurs here.

Namespaces: https://developers.openai.com/api/docs/guides/tools-tool-search
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.restore import Named

replace = msgspec.structs.replace

Names: TypeAlias = Mapping[Named, Named]
"""The client's (namespace, name) of a tool -> the tool's (namespace, name) at the target."""


def named(tool: ir.Function) -> Named:
    """Return the pair (namespace, name) by which the client knows a tool. The namespace is None if the tool
    has none.
    """
    return (None if tool.namespace is None else tool.namespace.name, tool.name)


VENDORS: Final = "type:"
"""The beginning of `ToolCall.form` for a call of a vendor's own type, whose tool keeps its name."""


class Tools:
    """The pairs (namespace, name) of all tools in one request that the client runs. The object is false if
    there is no such tool.

    declared: the tools that the request offers, in order. called: the tools that the request's history calls,
    in order, without calls of a vendor's own type (`VENDORS`). free: the declared or called tools that take
    free text instead of JSON arguments.
    """

    __slots__ = ("_spaces", "called", "declared", "free")

    def __init__(self, request: ir.Request) -> None:
        self.declared: dict[Named, None] = {}
        self.called: dict[Named, None] = {}
        self.free: set[Named] = set()
        self._spaces: dict[str, list[Named]] = {}  # the tools in namespaces, by their name alone
        for tool in request.tools or ():
            if isinstance(tool, ir.Function):
                self._declare(tool)
        for message in request.messages:
            if message.role == "assistant":
                for block in message.blocks:
                    if isinstance(block, ir.ToolCall) and block.by == "client":
                        self._call(block)

    def _declare(self, tool: ir.Function) -> None:
        ours = named(tool)
        if ours[0] is not None and ours not in self.declared:
            self._spaces.setdefault(tool.name, []).append(ours)
        self.declared[ours] = None
        if tool.kind == "custom":
            self.free.add(ours)

    def _call(self, call: ir.ToolCall) -> None:
        if (call.form or "").startswith(VENDORS):  # the vendor has named this tool
            return
        ours = (call.namespace, call.name)
        self.called[ours] = None
        if call.kind == "custom":
            self.free.add(ours)

    def __bool__(self) -> bool:
        return bool(self.declared or self.called)

    def meant(self, said: Named) -> Named:
        """Return the pair of the tool that a call or a tool choice means by the pair `said`.

        A declared pair is returned unchanged. A pair without a namespace means the tool of this name in a
        namespace, if only one namespace has such a tool. A pair whose namespace equals its name means the
        name without a namespace, because a tool that was found by search is called in this way. Any other
        pair is returned unchanged.
        """
        space, name = said
        if said in self.declared:
            return said
        if space is None:
            found = self._spaces.get(name, ())
            return found[0] if len(found) == 1 else said
        return (None, name) if space == name else said

    def names(self, pattern: str, *, grouped: bool) -> dict[Named, Named]:
        """Return a table for every tool, declared or called: the client's (namespace, name) -> the
        (namespace, name) at the target. grouped: True = the target has namespaces.

        A name that is valid at the target stays, except if the target has no namespaces and the pair has one
        or means a tool in one (`meant`). At such a target, pairs that mean the same tool become one pair.
        pattern: the regular expression that a whole name must match at the target. Raises ValueError if no
        name that is tried matches it.
        """
        legal = compiled(pattern)
        every = {**self.declared, **self.called}
        names: dict[Named, Named] = {}
        taken: set[str] = set()
        for said in every:
            space, name = said
            kept = grouped or (space is None and self.meant(said) == said)
            if kept and legal.fullmatch(name):
                names[said] = said
                taken.add(name)
        for said in every:
            if said in names:
                continue
            meant = said if grouped else self.meant(said)
            if meant not in names:
                space, name = meant
                near = legal_name(name if grouped else flat(space, name), pattern, taken)
                taken.add(near)
                names[meant] = (space if grouped else None, near)
            names[said] = names[meant]
        return names


def flat(space: str | None, name: str) -> str:
    """Return a namespace and a name joined by "__". A namespace that already ends with "__" gets no second
    "__": some clients write `mcp__docs`, others `mcp__docs__`. space: None = only the name is returned.
    """
    if space is None:
        return name
    return f"{space}{name}" if space.endswith("__") else f"{space}__{name}"


def ways_back(names: Names) -> dict[Named, Named]:
    """Return the reverse of `names`: the target's (namespace, name) -> the client's. If several of the
    client's pairs have the same pair at the target, the first one counts. A pair that is the same on both
    sides is left out.
    """
    back: dict[Named, Named] = {}
    for ours, theirs in names.items():
        back.setdefault(theirs, ours)  # declared tools come first and win over other names for them
    return {theirs: ours for theirs, ours in back.items() if theirs != ours}


def legal_name(name: str, pattern: str, taken: Collection[str]) -> str:
    """Return a name that matches the pattern as a whole and is not in `taken`: `name` itself, if it fits, or
    a similar name. Raises ValueError if no name that is tried fits.
    """
    legal = compiled(pattern)
    plain = _ILLEGAL.sub("_", name[:_LONGEST])
    for near in (name, plain, f"_{plain}"):
        if near not in taken and len(name) <= _LONGEST and legal.fullmatch(near):
            return near
    mark = hashlib.blake2s(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    for length in range(len(plain), -1, -1):
        for near in (f"{plain[:length]}_{mark}", f"t{plain[:length]}_{mark}"):
            if near not in taken and legal.fullmatch(near):
                return near
    raise ValueError(f"no valid name for {pattern!r}")


_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST: Final = 256
"""The most characters of a tool's name in any protocol. The limit also bounds the search for a shorter
name."""


@lru_cache(maxsize=64)
def compiled(text: str) -> re.Pattern[str]:
    """Return the compiled regular expression `text`, from a cache if it was compiled before."""
    return re.compile(text)


# --- Writing the names --------------------------------------------------------------------------------


def renamed(block: ir.Block, names: Names) -> ir.Block:
    """Return the block. A call or a result of a tool that the client runs gets the tool's name at the target;
    other blocks stay unchanged. A tool that `names` does not have keeps its name. A result names its tool
    without a namespace.
    """
    if isinstance(block, ir.ToolCall) and block.by == "client":
        said = (block.namespace, block.name)
        theirs = names.get(said, said)
        return block if theirs == said else replace(block, namespace=theirs[0], name=theirs[1])
    if isinstance(block, ir.ToolResult) and block.by == "client" and block.name is not None:
        name = names.get((None, block.name), (None, block.name))[1]
        return block if name == block.name else replace(block, name=name)
    return block


def renamed_tools(tools: Iterable[ir.Tool], names: Names, report: Report) -> tuple[ir.Tool, ...]:
    """Return the tools with their names at the target; an ir.ProviderTool stays unchanged. names: has all
    functions among the tools. report: gets a change for each new name.
    """
    out: list[ir.Tool] = []
    for index, tool in enumerate(tools):
        if isinstance(tool, ir.Function):
            ours = named(tool)
            theirs = names[ours]
            where = f"tools[{index}].name"
            if theirs[0] != ours[0]:
                report.change(
                    where, where, f"the target protocol has no namespaces; the name is {theirs[1]!r}"
                )
                tool = replace(tool, name=theirs[1], namespace=None)  # noqa: PLW2901
            elif theirs != ours:
                report.change(
                    where, where, f"the name is not valid in the target protocol; it is sent as {theirs[1]!r}"
                )
                tool = replace(tool, name=theirs[1])  # noqa: PLW2901
        out.append(tool)
    return tuple(out)


def renamed_choice(choice: ir.ToolChoice, tools: Tools, names: Names) -> ir.ToolChoice:
    """Return the tool choice with the tools' names at the target; a name that means none of the tools stays.
    tools, names: of the request with this choice.
    """
    spaces = choice.namespaces or (None,) * len(choice.names)
    theirs = [
        names.get(said) or names.get(tools.meant(said), said)
        for said in zip(spaces, choice.names, strict=True)
    ]
    chosen = tuple([name for _, name in theirs])
    kept = tuple([space for space, _ in theirs])
    return replace(choice, names=chosen, namespaces=kept if any(kept) else ())


def described(tools: Iterable[ir.Tool], report: Report) -> str | None:
    """Return a system text with the descriptions of the tools' namespaces, for a target protocol without
    namespaces; None = no namespace has a description.

    report: gets a change for each description, and a loss for the leftover members of a namespace
    (`lose_members`). Of tools in the same namespace, only the first one is read for this.
    """
    told: dict[str, str] = {}
    for index, tool in enumerate(tools):
        space = tool.namespace if isinstance(tool, ir.Function) else None
        if space is not None and space.name not in told:
            told[space.name] = space.description or ""
            if space.description:
                where = f"tools[{index}].namespace.description"
                report.change(
                    where,
                    "system",
                    "the target protocol has no namespaces; the description of the namespace is moved there",
                )
            for dialect, members in (space.extra or {}).items():
                lose_members(members, report, f"tools[{index}].namespace", dialect)
    lines = [
        f"Tools whose names begin with `{_ILLEGAL.sub('_', flat(name, ''))}`: {about}"
        for name, about in told.items()
        if about
    ]
    return "\n".join(lines) or None
