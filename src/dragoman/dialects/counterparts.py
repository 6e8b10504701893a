"""The loss reasons for members of a request that are not translated, with advice on how to set them.

If the member belongs to the request itself, and the target's protocol has a top-level member of the same
name, or a similar one, the reason says so: a client of any protocol can send it under the target's name
(`addressed`). Otherwise the reason says that the target has no such parameter, that the member is unknown, or
only that the member is not translated.
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
    ("cohere", "safety_mode"): {**_SAFETY, "mistral": "safe_prompt"},
    ("openai_chat", "guardrails"): _SAFETY,
    ("openai_chat", "safe_prompt"): _SAFETY,
    ("openai_chat", "safety_mode"): {**_SAFETY, "mistral": "safe_prompt"},
    ("openai_chat", "models"): {"anthropic": "fallbacks"},
    ("openai_chat", "stream_options.include_obfuscation"): {"openai_responses": "stream_options"},
    ("openai_responses", "stream_options"): {"openai_chat": "stream_options"},
    ("openai_responses", "context_management"): {"ollama": "shift"},
    ("anthropic", "context_management"): {"ollama": "shift"},
}
"""Similar members with other names: (dialect, member) -> {target's protocol: the name of its similar member}.
"""
_ELSEWHERE: Final = {
    "ollama": frozenset({"template", "context", "raw", "suffix", "system", "prompt", "images"}),
}
"""Protocol -> the entries of its `severity.MEMBERS` that its chat endpoint does not accept."""
_WIDENED: Final = frozenset({"openai_chat"})
"""The protocols with members that only some vendors support. For these protocols, the advice says `some
servers`."""


def why_lost(dialect: str, member: str, target: str, *, top: bool) -> str:
    """Return the loss reason, a text for the client, for a member of a `dialect` request that is not sent to
    a server of the protocol `target`. member: the member's name, or its path inside the body
    (`stream_options.include_obfuscation`). top: True = it is a leftover of the request itself, not of a
    message, a tool or another value in it; only then the reason gives advice.
    """
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
    """Return the loss reason, a text for the client, for a block that only its own protocol can express.
    dialect: the protocol that the block comes from. kind: the block's type in that protocol. Nothing is
    checked: the caller has found that the target's protocol cannot express the block.
    """
    return f"a {kind} of {dialect} cannot be expressed in this protocol"
