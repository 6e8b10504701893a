"""Settings for alerts: webhooks that tell other systems what an operator should know soon."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from dragoman.config.scalars import Duration
from dragoman.config.section import Section, about
from dragoman.seams.secret import Secret

_BASE64: Final = "whsec_"
"""The prefix of webhooks' secrets that are bytes in base64."""
_SHORTEST_SECRET: Final = 16
AlertType: TypeAlias = Literal[
    "key_refused",
    "keys_exhausted",
    "outage",
    "recovery",
    "usage_waiting",
    "limit_warning",
    "limit_reached",
]


class Alert(Section, frozen=True):
    """One receiver of alerts."""

    url: Secret
    """The URL to which alerts are sent by POST. At most its last four characters are shown, because such URLs
    often hold a token."""
    secret: Secret
    """The secret with which alerts are signed, as Standard Webhooks defines it: `whsec_` and base64, or any
    other text."""
    events: Annotated[tuple[AlertType, ...], about(default="all")] = get_args(AlertType)
    """Which alerts are sent. `key_refused`: a provider refuses a key, or its quota is used up.
    `keys_exhausted`: no key of a provider can be asked for a model. `outage`: a deployment has failed so
    often that it is asked last, or a provider did not answer a background check. `recovery`: it answers
    again. `usage_waiting`: for a minute, usage could not be stored in the database or the journal.
    `limit_warning`: so much of a limit is used as its `warn_at` says. `limit_reached`: it is used up. Of each
    limit once in each of its windows of time."""
    every: Duration = Duration(600)
    """How long the same alert about the same subject is not sent again. It does not hold back the recovery
    from an outage that was sent."""


def require_receiver(url: str) -> None:
    """Raise ValueError if this is not a valid http or https URL of visible ASCII characters, or if it
    contains a user name. The error does not quote the URL, which may contain a token.
    """
    named = False
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        named = "@" in parts.netloc
    except ValueError:  # its text is not shown: it contains the address, which may contain a token
        usable = False
    if not usable or not all("!" <= character <= "~" for character in url):
        raise ValueError("expected http://host/path or https://host/path")
    if named:
        raise ValueError("a user name in the URL is not used; receivers check the signature instead")


def require_signing(secret: str) -> None:
    """Raise ValueError if this secret has fewer than 16 characters (`whsec_` included), or begins with
    `whsec_` without valid base64 behind it.
    """
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"the secret needs at least {_SHORTEST_SECRET} characters")
    if secret.startswith(_BASE64):
        try:
            base64.b64decode(secret.removeprefix(_BASE64), validate=True)
        except binascii.Error:
            raise ValueError(f"expected base64 after `{_BASE64}`") from None
