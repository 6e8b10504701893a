"""Formats times for the log, the traces and `/health`."""

from __future__ import annotations

import time
from functools import lru_cache
from math import floor

_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))


def utc(seconds: float) -> str:
    """Return Unix seconds in the format of RFC 3339, in UTC, with milliseconds (rounded down)."""
    whole = floor(seconds)
    return _date(whole) + _MILLISECONDS[int((seconds - whole) * 1000)]


def local(seconds: float) -> str:
    """Return Unix seconds as date and time in the time zone of this machine, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    """Return Unix seconds as date and time in UTC, without fractions. Cached, because most log lines have the
    same second as the line before.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
