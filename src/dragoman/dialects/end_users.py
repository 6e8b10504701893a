"""Whom a client names as the person on whose behalf it asks: the end user, for limits and reports. Pure.

Sources: https://platform.openai.com/docs/api-reference/chat/create (`safety_identifier`, and `user` before
it), https://platform.claude.com/docs/en/api/messages (`metadata.user_id`),
https://docs.litellm.ai/docs/proxy/customers (`user`, `litellm_metadata.user`, headers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

HEADERS: Final = ("x-dragoman-end-user", "x-litellm-end-user-id", "x-litellm-customer-id")
"""The request headers in which clients name the end user, the first one first."""
LONGEST: Final = 128
"""The most characters of a name that is kept. The rest of a longer name is cut off."""
_MEMBERS: Final = ("safety_identifier", "user")
_OBJECTS: Final = ("metadata", "litellm_metadata")
_IN_OBJECTS: Final = ("user_id", "user", "end_user")
MEMBERS: Final = frozenset({*_MEMBERS, *_OBJECTS})
"""The members of a body in which an end user may be named."""
_SESSION: Final = re.compile(r"(user_\w+?)_session_[\w-]+")
"""The name that Claude Code sends; its end differs for each session of the same user."""
_PERSONS: Final = ("account_uuid", "device_id")
"""The members that name a person in the JSON text that Claude Code sends since version 2.1."""


def of_headers(headers: Mapping[str, str]) -> str | None:
    """The end user that the headers (lower-case names) name; None = they name none."""
    return next((found for name in HEADERS if (found := _name(headers.get(name)))), None)


def of_body(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """The end user that a decoded body names; None = it names none. metadata: what was taken out of the body
    for the gateway.
    """
    for name in _MEMBERS:
        if found := _name(body.get(name)):
            return found
    for one in (*(body.get(name) for name in _OBJECTS), metadata):
        if isinstance(one, Mapping):
            for name in _IN_OBJECTS:
                if found := _name(one.get(name)):
                    return found
    return None


def _name(value: Any) -> str | None:
    """A name as it is kept; None = there is none, or it cannot be printed."""
    if not isinstance(value, str):
        return None
    if value.startswith("{"):
        value = _person(value)
    elif (session := _SESSION.fullmatch(value)) is not None:
        value = session[1]
    value = value.strip()[:LONGEST]
    return value if value and value.isprintable() else None


def _person(value: str) -> str:
    try:
        told = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    named = (told.get(name) for name in _PERSONS) if isinstance(told, dict) else ()
    return next((name for name in named if isinstance(name, str) and name), value)
