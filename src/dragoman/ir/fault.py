"""A failure as a value that belongs to no protocol."""

from __future__ import annotations

import re
from copy import copy
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.credentials import redact

Kind: TypeAlias = Literal[
    "invalid_request",
    "unsupported",
    "untranslatable",
    "context_length",
    "content_policy",
    "authentication",
    "permission",
    "quota",
    "not_found",
    "model_not_found",
    "method_not_allowed",
    "conflict",
    "too_large",
    "media_type",
    "rate_limit",
    "overloaded",
    "timeout",
    "cancelled",
    "upstream",
    "unavailable",
    "not_implemented",
    "internal",
]

STATUS: dict[Kind, int] = {
    "invalid_request": 400,
    "unsupported": 400,
    "untranslatable": 400,
    "context_length": 400,
    "content_policy": 400,
    "authentication": 401,
    "permission": 403,
    "quota": 429,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "media_type": 415,
    "rate_limit": 429,
    "overloaded": 503,
    "timeout": 504,
    "cancelled": 499,
    "upstream": 502,
    "unavailable": 503,
    "not_implemented": 501,
    "internal": 500,
}
"""The HTTP status that the client gets for each kind of fault, unless its dialect defines another one."""


LONGEST: Final = 8_000
"""The most characters of a fault's message, and of its `param`. A message may quote a value of the request,
which may have megabytes."""
_TEXTS: Final = ("message", "param")


class Fault(Value, frozen=True):
    """One failure. Credentials in `message` and `param` are replaced by "[redacted]" when a fault is made, as
    far as their form shows them (`credentials.redact`). So no way to a client, a log or a hook can show them,
    and no encoder of errors has to think of it. Both texts are cut after LONGEST characters. Whoever decodes
    an upstream's error does the same with the other texts.

    kind: what went wrong; the client's HTTP status follows from it (`STATUS`), unless the client's dialect
    defines another one. message: text for a person. code: the machine-readable code, where possible OpenAI's;
    None = there is none. param: the field of the request that is wrong (`messages[0].content`).
    type: the upstream's own error type, as the upstream stated it. status: the upstream's HTTP status, or the
    status in an error of its stream; None = neither. retry_after: seconds to wait before the next attempt,
    None = not stated. blame: who has to change something so that the request works. extra: the other fields
    of the upstream's error object, by dialect. error_id: the id of the request, by which the gateway's log
    and traces find this failure. It is set just before the failure is sent to a client; None = not set.
    """

    kind: Kind
    message: str
    code: str | None = None
    param: str | None = None
    type: str | None = None
    status: int | None = None
    retry_after: float | None = None
    blame: Literal["client", "upstream", "gateway"] = "client"
    extra: Extra = None
    error_id: str | None = None

    def __post_init__(self) -> None:
        self._redact(*_TEXTS)

    def changed(self, **fields: Any) -> Self:
        """Return a copy with these fields changed. It is as safe as `msgspec.structs.replace`, but looks for
        credentials only in a `message` and a `param` that are new.
        """
        made = copy(self)
        for name, value in fields.items():
            msgspec.structs.force_setattr(made, name, value)
        made._redact(*(name for name in _TEXTS if getattr(made, name) != getattr(self, name)))
        return made

    def known_as(self, id_: str | None) -> Self:
        """Return the same fault with `error_id` set to `id_`. If `id_` is None or "" (the request has no id),
        return the fault unchanged.
        """
        return self.changed(error_id=id_) if id_ else self

    def _redact(self, *names: str) -> None:
        """Replace the values of these fields, of `message` and `param`, by what may be shown of them."""
        for name in names:
            value = getattr(self, name)
            if (value is not None or name == "message") and (shown := _shown(value)) is not value:
                msgspec.structs.force_setattr(self, name, shown)

    @property
    def http_status(self) -> int:
        """The HTTP status for this kind of fault. The client's protocol may define another status, which the
        client then gets instead.
        """
        return STATUS[self.kind]


def _shown(value: Any) -> str:
    """Return the text without credentials, cut after LONGEST characters. value: a text; a hook may have given
    another object, such as an exception, whose `str` is used.
    """
    text = value if isinstance(value, str) else str(value)
    shown = redact(text[: 2 * LONGEST])  # before it is cut, because a part of a key is not recognised as one
    if len(text) > 2 * LONGEST and (last := _LAST_WORD.search(shown)) is not None:
        # For the same reason the last word is left out; but not all of one that is too long to be a key.
        shown = shown[: max(last.start(), len(shown) - LONGEST)]
    elif len(shown) <= LONGEST:
        return shown
    return f"{shown[:LONGEST]}…"


_LAST_WORD: Final = re.compile(r"(?<![\w.~+/*=-])[\w.~+/*=-]++\Z")
"""Matches the characters of a key at the end of a text."""
STOPPING: Final = Fault(
    "unavailable",
    "The gateway is shutting down. Send the request again to another instance, or later.",
    "gateway_stopping",
    blame="gateway",
)
"""The fault of a request that is still running when the gateway has to stop."""
INTERNAL: Final = Fault(
    "internal", "The gateway failed to handle this request.", code="internal_error", blame="gateway"
)
"""The fault that a client gets for a mistake in our own code."""
