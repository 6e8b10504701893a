"""Writes the webhook of an alert: its body and its headers with the signature. The signature follows
"Standard Webhooks". Receivers can check it with the libraries for that if the secret is `whsec_` and base64.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from typing import Final

import msgspec

from dragoman.alerts.alert import Alert
from dragoman.version import __version__

_PREFIX: Final = "whsec_"
"""The prefix of secrets that are random bytes in base64."""


def key_of(secret: str) -> bytes:
    """Return the bytes with which to sign. secret: if it begins with `whsec_`, the rest is base64 and is
    decoded; of any other text, the UTF-8 bytes are used. Raises ValueError if the rest is not base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("expected base64 after `whsec_`") from None


def body(alert: Alert) -> bytes:
    """Return the body of the request for an alert, as JSON: `type`, `timestamp` (when the alert arose, RFC
    3339), and `data` with the alert's other fields. Fields that are None or "" are left out of `data`.
    """
    told = msgspec.to_builtins(alert)
    kind, at = told.pop("type"), told.pop("at")
    stated = {name: value for name, value in told.items() if value not in {None, ""}}
    return msgspec.json.encode({"type": kind, "timestamp": _date(at), "data": stated})


def _date(seconds: float) -> str:
    """Format Unix seconds as `2026-01-31T09:30:00.000Z` (RFC 3339)."""
    moment = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def headers(id_: str, at: float, payload: bytes, key: bytes) -> dict[str, str]:
    """Return the headers of one try to deliver an alert. id_: the id of the delivery, equal for all its
    tries. at: Unix seconds of this try; the header has whole seconds. payload: the body. key: signs the id,
    the time and the body with HMAC-SHA256.
    """
    timestamp = str(int(at))
    signed = b".".join((id_.encode(), timestamp.encode(), payload))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "user-agent": f"dragoman/{__version__}",
        "webhook-id": id_,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
