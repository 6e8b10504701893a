"""Finds the end user of a request: the person for whom the client sends it, as the request names this person.
Used for limits and reports. Pure.

Sources: https://platform.openai.com/docs/api-reference/chat/create (`safety_identifier`, and `user` before
it), https://platform.claude.com/docs/en/api/messages (`metadata.user_id`),
https://docs.litellm.ai/docs/proxy/customers (`user`, `litellm_metadata.user`, headers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.wire.json import UNDECODABLE

HEADERS: Final = ("x-dragoman-end-user", "x-litellm-end-user-id", "x-litellm-customer-id")
"""The request headers in which clients name the end user. The first one in this order that names
somebody counts."""
LONGEST: Final = 128
"""The most characters of an end user's name. A longer name is cut off."""
_MEMBERS: Final = ("safety_identifier", "user")
_OBJECTS: Final = ("metadata", "litellm_metadata")
_IN_OBJECTS: Final = ("user_id", "user", "end_user")
MEMBERS: Final = frozenset({*_MEMBERS, *_OBJECTS})
"""The members of a body in which an end user may be named."""
_SESSION: Final = re.compile(r"(user_\w+?)_session_[\w-]+")
"""The name that Claude Code sends. Its end differs for each session of the same user, so only the first part
is used."""
_PERSONS: Final = ("account_uuid", "device_id")
"""The members that name a person in the JSON text that Claude Code sends since version 2.1. The first one
whose value is a non-empty text counts."""


def of_headers(headers: Mapping[str, str]) -> str | None:
    """Return the end user that the headers name (see `_name`); None = no header names one. If several headers
    name one, the first of `HEADERS` counts. headers: with lower-case names.
    """
    return next((found for name in HEADERS if (found := _name(headers.get(name)))), None)


def of_body(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """Return the end user that a request's decoded body names; None = neither the body nor `metadata` names
    one. The first of these that names one counts: `safety_identifier`, `user`, and then `user_id`, `user` and
    `end_user` in the objects `metadata` and `litellm_metadata` of the body (see `_name`). metadata: the
    metadata that the gateway has removed from the body; the same three members are searched in it last.
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
    """Return an end user's name as the gateway records it. Of a name that Claude Code makes, only the part
    for the person is returned, not the part for the session. The name is cut after `LONGEST` characters. None
    = `value` is not a text, is empty or blank, or what is left of it has characters that cannot be printed.
    """
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
    except UNDECODABLE:  # too deep; half of a surrogate pair
        return value
    named = (told.get(name) for name in _PERSONS) if isinstance(told, dict) else ()
    return next((name for name in named if isinstance(name, str) and name), value)
