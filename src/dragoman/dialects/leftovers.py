"""Leftovers: members of a wire object for which the IR has no field. A decoder puts them into the field
`extra` of an IR value, under the name of its dialect.

The name of a leftover tells where it stood: `a` in the value's own object, `function.a` in the member
`function` of that object. A member whose own name has a dot gets one more dot before its name (`named`):
`.a.b`, `function..a.b`. Otherwise a client's member `a.b` would be written into the member `a`.

An encoder of the same dialect writes them back, except where it has already written a value that they may not
replace (`_put`). An encoder of a related dialect writes a few of them (`SHARED`). Leftovers that an encoder
does not write are reported as lost, up to a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from dragoman.dialects.counterparts import why_lost
from dragoman.dialects.loss import MOST, Report
from dragoman.dialects.severity import of_member
from dragoman.ir import Block, Citation, Extra, Item, Logprob, Media, ProviderTool, Request, Response


class Leftovers:
    """Collects and writes back the leftover members of one dialect.

    dialect: the dialect's name. nulls: True = members whose value is null are collected, too. whole: decides
    how a leftover `function.a` is written if the encoder has not written the object `function`: True = as
    `{"function": {"a": …}}`, False = as `{"function.a": …}`.
    """

    __slots__ = ("_dialect", "_nulls", "_whole")

    def __init__(self, dialect: str, *, nulls: bool = False, whole: bool = False) -> None:
        self._dialect = dialect
        self._nulls = nulls
        self._whole = whole

    def of(self, wire: Mapping[str, Any], known: frozenset[str], within: str = "") -> Extra:
        """Return the members of the object `wire` that are not in `known`, in the form of an IR value's
        `extra`: `{dialect: {member: value}}`; None = no member is left. A member that is null is left out,
        unless this `Leftovers` was made with `nulls`.

        within: "" = `wire` is the IR value's own object. Otherwise `wire` is a member of that object, and
        `within` is the member's name, such as "function".
        """
        if wire.keys() <= known:
            return None
        before = within + "." if within else ""
        nulls = self._nulls
        rest = {
            before + (key if "." not in key else "." + key): value
            for key, value in wire.items()
            if key not in known and (nulls or value is not None)
        }
        return {self._dialect: rest} if rest else None

    def restore(self, out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
        """Write leftovers (`extra`) into the encoded object `out`: the leftovers of this dialect and, if
        `where` is not a path in a block, the `SHARED` members of a related dialect (`KIN`). All other
        leftovers of other dialects are reported as lost (`lose_members`), unless they are null. A leftover of
        this dialect is reported as lost if `out` has a value in its place that it may not replace (`_put`).

        where: the IR path of the value that has this `extra`; "" = the request or the response itself.
        """
        for dialect, members in (extra or {}).items():
            if dialect != self._dialect:
                same = self._same(dialect, members) if ".blocks[" not in where else {}
                out.update(same)
                rest = {key: value for key, value in members.items() if key not in same} if same else members
                lose_members(rest, report, where, dialect)
                continue
            for key, value in members.items():
                if "." not in key:
                    _put(out, key, value, report, f"{where}.{key}" if where else key)
                else:
                    self._restore_placed(out, key, value, report, where)

    def _restore_placed(self, out: dict[str, Any], key: str, value: Any, report: Report, where: str) -> None:
        """Write a leftover whose name (`key`) has a dot. where: the IR path of the value that has it."""
        holder, member = placed_at(key)
        place = f"{where}.{shown(key)}" if where else shown(key)
        if holder and isinstance(inner := out.get(holder), dict):
            _put(inner, member, value, report, place)
        elif holder and self._whole:
            out[holder] = {member: value}
        else:
            _put(out, shown(key), value, report, place)

    def _same(self, dialect: str, members: Mapping[str, Any]) -> dict[str, Any]:
        if KIN.get(self._dialect) != dialect:
            return {}
        return {key: value for key, value in members.items() if key in SHARED}


def odd_citation(value: Any, dialect: str) -> Citation:
    """Return a citation that only keeps `value`: a value that is not an object, in a list where the dialect
    has citations. An encoder of the same dialect finds the value again with `stated_oddly`, and writes it.
    """
    return Citation(ODD, extra={dialect: {ODD: value}}, form=ODD)


def stated_oddly(citation: Citation, dialect: str) -> Any:
    """Return the value from which `odd_citation` made the citation for this dialect; UNSET = it is another
    citation. The value can be None, because a list of citations can contain null.
    """
    if citation.form != ODD:
        return msgspec.UNSET
    return (citation.extra or {}).get(dialect, {}).get(ODD, msgspec.UNSET)


def named(member: str) -> str:
    """Return the name of the leftover for a member of the value's own object: `member` itself, or with one
    more dot before it if it has a dot (`.a.b`).
    """
    return member if "." not in member else "." + member


def placed_at(key: str) -> tuple[str, str]:
    """Return (where a leftover stood, the name that it had there). The first is the name of a member of the
    value's own object, "" = the leftover stood in the object itself. key: the leftover's name (`function.a`).
    """
    holder, dot, member = key.partition(".")
    if not dot:
        return "", key
    return holder, member.removeprefix(".") if holder else member


def shown(key: str) -> str:
    """Return the path of a leftover in the value's own object, as clients read it: `function.a`, or `a.b` for
    the leftover `.a.b`. key: the leftover's name.
    """
    holder, member = placed_at(key)
    return f"{holder}.{member}" if holder else member


def lose_settings(tool: ProviderTool, report: Report, where: str) -> None:
    """Report as lost (severity "quality") the settings of a provider's tool that `ProviderTool.options` does
    not have: they are in the tool's `extra`. Called by encoders that write their own dialect's tool of the
    same kind in place of this tool. where: the IR path of the tool.
    """
    for members in (tool.extra or {}).values():
        for key in islice(members, 2 * MOST):
            report.lose(f"{where}.{shown(key)}", "this setting of the tool is not translated", "quality")


def lose_items(request: Request, report: Report) -> None:
    """Report as lost the phase and the leftovers of each item (`ir.Item`) in which the blocks of a request's
    messages stand. Nothing is reported for a request that is not in OpenAI's Responses API. Called by
    encoders of a protocol without items.
    """
    if request.dialect != _ITEMS:
        return
    for index, message in enumerate(request.messages):
        for number, block in enumerate(message.blocks):
            lose_item(block, report, f"messages[{index}].blocks[{number}]")


def lose_items_of(response: Response, report: Report) -> None:
    """Report as lost the phase and the leftovers of each item (`ir.Item`) in which the blocks of a response
    stand. Nothing is reported for a response that is not in OpenAI's Responses API. Called by encoders of a
    protocol without items.
    """
    if response.dialect != _ITEMS:
        return
    for candidate in response.candidates:
        for number, block in enumerate(candidate.blocks):
            lose_item(block, report, f"candidates[{candidate.index}].blocks[{number}]")


def lose_item(block: Block, report: Report, where: str) -> None:
    """Report as lost the phase and the leftovers (`lose_members`) of the item that contains the block. If
    there is no item, nothing is reported. where: the block's IR path.
    """
    item: Item | None = getattr(block, "item", None)
    if item is None:
        return
    if item.phase is not None:
        report.lose(f"{where}.item.phase", "this protocol has no message phase", "hint")
    for dialect, members in (item.extra or {}).items():
        lose_members(members, report, f"{where}.item", dialect)


def lose_about(media: Media, report: Report, where: str) -> None:
    """Report as lost the name of a medium, its context, and whether it may be cited; a field that is None is
    not reported. Called by encoders that write only the medium. where: the block's IR path.
    """
    for field in ("name", "context", "citable"):
        if getattr(media, field) is not None:
            report.lose(f"{where}.{field}", f"{_A_MEDIUM[media.kind]} has no `{field}` here", "hint")


def lose_of_token(token: Logprob, report: Report, where: str, *fields: Literal["id", "bytes"]) -> None:
    """Report as lost those of `fields` that a token's log probability states. Called by encoders whose
    protocol lacks these fields. The bytes are reported only if they are not the UTF-8 bytes of the token's
    text: otherwise the text says the same. where: the IR path of the log probabilities.
    """
    if token.id is not None and "id" in fields:
        report.lose(f"{where}.id", "this protocol has no ids of tokens", "hint")
    spelled = token.bytes
    if spelled is not None and "bytes" in fields and spelled != tuple(token.token.encode(errors="replace")):
        report.lose(f"{where}.bytes", "this protocol does not state the bytes of a token", "hint")


_A_MEDIUM: Final = {"image": "an image", "audio": "audio", "video": "a video", "document": "a document"}
_ITEMS: Final = "openai_responses"
"""The only dialect whose blocks stand in items."""
KIN: Final = {"openai_chat": "openai_completions", "openai_completions": "openai_chat"}
"""Dialect -> the related dialect whose responses also have the `SHARED` members."""
SHARED: Final = frozenset({"system_fingerprint", "prompt_filter_results", "content_filter_results"})
"""The members of responses that related dialects have in common. They are OpenAI's and Azure's."""


def _put(out: dict[str, Any], key: str, value: Any, report: Report, place: str) -> None:
    """Write the leftover member `key` into `out`. place: the leftover's IR path, for the report.

    If `out` has another value under this name already, the leftover replaces it if that value is null or "",
    if both values have the same type (integers and floats count as one type), or if the member is in
    `_FILLED`. Otherwise the leftover is reported as lost.
    """
    written = out.get(key)
    kinds = {type(written), type(value)}
    if written is None or written == "" or len(kinds) == 1 or kinds == _NUMBERS or key in _FILLED:
        out[key] = value
    else:
        report.lose(place, "its value has the wrong type", "hint")


ODD: Final = "odd"
"""The `ir.Citation.form` of a citation that is not an object, and the name of the leftover with its value."""
_NUMBERS: Final = {int, float}
_FILLED: Final = frozenset(
    {"id", "model", "created", "created_at", "responseId", "modelVersion", "createTime"}
)
"""Members that an encoder of responses fills in itself. A leftover of any type replaces the encoder's
value."""


def lose_members(members: Mapping[str, Any], report: Report, where: str, dialect: str) -> None:
    """Report leftovers as lost, except leftovers that are null. At most the first 2 * `MOST` leftovers are
    looked at. dialect: the dialect whose leftovers they are.

    members: name of the leftover -> value. where: the IR path of the value that has these leftovers; "" = the
    request or the response itself. A loss in a request has the severity of the member
    (`severity.of_member`). A loss in a response has the severity "hint".
    """
    asked = report.direction == "request"
    for key, value in islice(members.items(), 2 * MOST):  # a report lists no more
        if value is not None:
            place = f"{where}.{shown(key)}" if where else shown(key)
            if asked:
                reason = why_lost(dialect, key, report.dialect, top=not where)
                report.lose(place, reason, of_member(dialect, key))
            else:
                report.lose(place, f"this field of {dialect} responses is not translated", "hint")
