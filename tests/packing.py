"""Bodies packed as clients pack them."""

from __future__ import annotations

import sys
import zlib
from importlib import import_module

import brotli

_zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def packed(data: bytes, *applied: str, level: int | None = None) -> bytes:
    """The body in these codings, the first of them applied first. `raw` is deflate without zlib's head."""
    for name in applied:
        if name == "zstd":
            data = _zstd.compress(data, level=3 if level is None else level)
        elif name == "br":
            data = brotli.compress(data, quality=5 if level is None else level)
        else:
            bits = {"gzip": 31, "x-gzip": 31, "deflate": 15, "raw": -15}[name]
            data = zlib.compress(data, 6 if level is None else level, bits)
    return data


def zstd_window(data: bytes, bits: int) -> bytes:
    """Zstandard that looks back as far as this."""
    return bytes(_zstd.compress(data, options={_zstd.CompressionParameter.window_log: bits}))
