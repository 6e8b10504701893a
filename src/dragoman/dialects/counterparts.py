"""Why another protocol is not told a member: what is true of that protocol, and how it could be told.

A member that no field of the IR carries is never guessed at. The target may have one of the same name, or
one that is much like it, and a client of any protocol can send that by the name of its target (`addressed`);
or it may have none. Where nobody here knows the member, no more is said than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.dialects.severity import MEMBERS

_SAFETY: Final = {"gemini": "safetySettings"}
_NEAR: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("gemini", "safetySettings"): {"mistral": "guardrails"},
    ("gemini", "modelArmorConfig"): {"mistral": "guardrails"},
    ("mistral", "guardrails"): _SAFETY,
    ("mistral", "safe_prompt"): _SAFETY,
    ("openai_chat", "guardrails"): _SAFETY,
    ("openai_chat", "safe_prompt"): _SAFETY,
    ("openai_chat", "safety_mode"): {**_SAFETY, "mistral": "safe_prompt"},
    ("openai_chat", "models"): {"anthropic": "fallbacks"},
    ("openai_chat", "stream_options.include_obfuscation"): {"openai_responses": "stream_options"},
    ("openai_responses", "stream_options"): {"openai_chat": "stream_options"},
    ("openai_responses", "context_management"): {"ollama": "shift"},
    ("anthropic", "context_management"): {"ollama": "shift"},
}
"""What does much the same as a member of a protocol, by the protocol that has it under another name."""
_ELSEWHERE: Final = {
    "ollama": frozenset({"template", "context", "raw", "suffix", "system", "prompt", "images"}),
}
"""Members of a protocol's other operations, which its chat does not take."""
_WIDENED: Final = frozenset({"openai_chat"})
"""Protocols some of whose members are those of single servers."""


def why_lost(dialect: str, member: str, target: str, *, top: bool) -> str:
    """Why `target` is not told a member of a request in `dialect`. top: it stands in the request itself."""
    same = member in MEMBERS.get(target, ()) and member not in _ELSEWHERE.get(target, ())
    near = _NEAR.get((dialect, member), {}).get(target)
    if top and same:
        has = f"some servers of {target} support" if target in _WIDENED else f"{target} has"
        return f"{has} a parameter `{member}`: to set it, send `{target}.{member}`"
    if top and near is not None:
        return f"{target} has the similar parameter `{near}`: to set it, send `{target}.{near}`"
    known = member in MEMBERS.get(dialect, ())
    if top and known and target in MEMBERS:
        return f"{target} has no such parameter"
    if top and not known and "." not in member:
        return f"it is not a known parameter of {dialect}, so it is not translated"
    return f"this field of {dialect} requests is not translated"


def no_form(dialect: str, kind: str) -> str:
    """Why a block of `dialect` that no other protocol has in common is not told."""
    return f"a {kind} of {dialect} cannot be expressed in this protocol"
