"""The webhook of an alert: its body, and its signature as "Standard Webhooks" states it, so that receivers
can use the libraries for that.

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
"""What secrets begin with that are random bytes in base64."""


def key_of(secret: str) -> bytes:
    """The bytes with which to sign. secret: `whsec_` and base64, or any other text, which is used as it is.
    Raises ValueError if `whsec_` is followed by something else.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("expected base64 after `whsec_`") from None


def body(alert: Alert) -> bytes:
    """The JSON of an alert."""
    told = msgspec.to_builtins(alert)
    kind, at = told.pop("type"), told.pop("at")
    stated = {name: value for name, value in told.items() if value not in {None, ""}}
    return msgspec.json.encode({"type": kind, "timestamp": _date(at), "data": stated})


def _date(seconds: float) -> str:
    """Unix seconds in the form of RFC 3339, in UTC."""
    moment = dt.datetime.fromtimestamp(round(seconds, 3), dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def headers(id_: str, at: float, payload: bytes, key: bytes) -> dict[str, str]:
    """The headers of one delivery. id_: the same for each try. at: Unix seconds of this try."""
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
