"""Functions that several protocols share to decode and encode the token counts (`usage`) of a response."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.loss import Report

_NOTHING: Final = ir.Usage()
_ABSENT: Final = object()


def vendor_usage(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """Return the `usage` object that some vendors send, without being asked, at another place than the
    chunk's own `usage`: in `x_groq` (Groq) or, if the chunk has no `x_groq`, in the first choice (Moonshot).
    None = the chunk has no such object there. chunk: one event of a stream, decoded.
    """
    holder = chunk.get("x_groq")
    if holder is None and (choices := chunk.get("choices")):
        holder = choices[0]
    usage = holder.get("usage") if isinstance(holder, dict) else None
    return usage if isinstance(usage, dict) else None


def is_blank(usage: Mapping[str, Any]) -> bool:
    """Whether a usage object counts nothing: `prompt_tokens`, `completion_tokens`, `total_tokens` are 0 or
    missing.
    """
    return not (usage.get("prompt_tokens") or usage.get("completion_tokens") or usage.get("total_tokens"))


def rest_of(wire: Mapping[str, Any], written: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return the leftovers of a usage object: the members of `wire` that `written` lacks or has with another
    value. Null members are left out. If both have an object under the same name, the members of this object
    are compared one by one, and get dotted names: `prompt_tokens_details.NAME`. Objects inside such an object
    are compared as a whole.

    wire: the object that a provider sent. written: the object that the encoder makes of the decoded counts.
    within: put before each name; callers leave it empty.
    """
    rest: dict[str, Any] = {}
    for key, value in wire.items():
        mine = written.get(key, _ABSENT)
        if value is None or mine == value:
            continue
        if isinstance(value, dict) and isinstance(mine, dict) and not within:
            rest.update(rest_of(value, mine, key + "."))
        else:
            rest[within + key] = value
    return rest


def total_up(out: dict[str, Any], usage: ir.Usage, report: Report) -> None:
    """Complete the usage object `out`: a missing `prompt_tokens` or `completion_tokens` becomes 0, and
    `total_tokens` becomes the sum of the two. The zeros are reported as additions only if `usage`, from which
    `out` was made, states nothing at all (it equals `ir.Usage()`).
    """
    for member in ("prompt_tokens", "completion_tokens"):
        if out.setdefault(member, 0) == 0 and usage == _NOTHING:
            report.add(f"usage.{member}", "clients require a number")
    out["total_tokens"] = out["prompt_tokens"] + out["completion_tokens"]


def lose_counts(
    usage: ir.Usage, report: Report, included: Iterable[str], known: Collection[str], api: str
) -> None:
    """Report as lost the counts that the client's protocol cannot state, unless they are 0, and the usages of
    other models (`Usage.others`).

    included: fields of ir.Usage whose tokens the protocol states only as part of a larger count. known: the
    keys of `Usage.detail` that the protocol states, so that they are not lost. api: the protocol's name in
    the report.
    """
    for field in included:
        if getattr(usage, field):
            report.lose(f"usage.{field}", "included in a larger token count", "hint")
    for key, value in (usage.detail or {}).items():
        if value and key not in known:
            report.lose(f"usage.detail.{key}", f"{api} has no such token count", "hint")
    for index in range(len(usage.others)):
        report.lose(f"usage.others[{index}]", f"{api} does not report the tokens of other models", "hint")
