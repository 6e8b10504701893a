"""The dialect's words, and what is done with members that no field carries. Knows no other protocol.

Specification: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.loss import Report
from dragoman.ir import Extra

NAME: Final = "openai_responses"
PATH: Final = "/responses"

ENCRYPTED: Final = "reasoning.encrypted_content"
"""The `include` word for thoughts that come back sealed."""
LOGPROBS: Final = "message.output_text.logprobs"
"""The `include` word for log probabilities."""


def leftovers(wire: Mapping[str, Any], known: frozenset[str], within: str = "") -> Extra:
    """The members of one wire object that no field carries, as `extra`. A null says nothing and is left out.

    within: the name of the member that holds the object, where it has no struct of its own (`text`).
    """
    if wire.keys() <= known:
        return None
    prefix = within + "." if within else ""
    rest = {prefix + key: value for key, value in wire.items() if key not in known and value is not None}
    return {NAME: rest} if rest else None


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
    """Put our own leftovers back in their places; name those of other dialects as lost."""
    for dialect, members in (extra or {}).items():
        for key, value in members.items():
            if dialect != NAME:
                if value is not None:
                    report.lose(f"{where}.{key}" if where else key, f"only {dialect} has this", "hint")
                continue
            holder, dot, member = key.partition(".")
            if dot and isinstance(inner := out.get(holder), dict):
                inner[member] = value
            elif dot:
                out[holder] = {member: value}
            else:
                out[key] = value
