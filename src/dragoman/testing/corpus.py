"""Recorded exchanges between clients and providers, read lazily from a folder.

An exchange is one JSON object: a line of `<api>.jsonl` or `<api>.samples.jsonl` (samples have no request), or
the content of a `*.json` file, in the folder or in a folder inside it:

{"id", "provider", "api", "model", "features": [...], "note", "request": null or {"method", "url", "headers",
"body"}, "response": null or {"status", "headers", and one of "body", "sse", "ndjson", "events", "body_text",
"binary_b64", "ws"}}

`api` names the vendor and the wire format (`openai.chat`, `groq.chat`). `sse` and `ndjson` are the raw text
of a stream, `events` its JSON values without framing. `note` gives the reason for a hand-written case. Other
keys are ignored.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE


class Request(msgspec.Struct, frozen=True):
    """The client's request. headers: by lower-case name. body: the JSON value, None = null or no JSON."""

    method: str | None = "POST"
    url: str | None = None
    headers: dict[str, str] = {}
    body: Any = None


class Response(msgspec.Struct, frozen=True):
    """The provider's answer. At most one of body, sse, ndjson, events, body_text and binary_b64 (bytes in
    base64) is set. eventstream: the decoded messages of the AWS event stream in binary_b64; None = the bytes
    are not such a stream. ws: the frames of a WebSocket in their order; None = there was no WebSocket.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: Any = None
    sse: str | None = None
    ndjson: str | None = None
    events: tuple[Any, ...] | None = None
    body_text: str | None = None
    binary_b64: str | None = None
    eventstream: tuple[Any, ...] | None = None
    ws: tuple[dict[str, Any], ...] | None = None

    @property
    def stream(self) -> bytes | None:
        """The raw bytes of a stream: `sse` or `ndjson`, or `binary_b64` if that is an AWS event stream. None
        = the answer is not a stream, or its values were recorded as `events` or as a list in `body`.
        """
        if self.eventstream is not None and self.binary_b64 is not None:
            return base64.b64decode(self.binary_b64)
        text = self.sse if self.sse is not None else self.ndjson
        return None if text is None else text.encode()

    @property
    def raw(self) -> bytes:
        """The body of an answer that is not a stream, as bytes; a JSON body is encoded anew. b"" = it has no
        body, or a binary one, or it is a stream.
        """
        if self.body_text is not None:
            return self.body_text.encode()
        return b"" if self.body is None else msgspec.json.encode(self.body)


class Exchange(msgspec.Struct, frozen=True):
    """One request and its answer; either may be missing. api: the vendor and the wire format
    ("openai.chat"). features: the names of API features that occur in it. note: the reason for a hand-written
    case.
    """

    id: str
    api: str
    provider: str = ""
    model: str | None = None
    features: frozenset[str] = frozenset()
    request: Request | None = None
    response: Response | None = None
    note: str | None = None


_decode = msgspec.json.Decoder(Exchange).decode


def read(folder: Path, *apis: str) -> Iterator[Exchange]:
    """Yield the exchanges in `folder` and the folders inside it, in the order of path and line. Blank lines
    are skipped.

    apis: patterns (`openai.chat`, `*.chat`), one of which must match the exchange's api; a `.jsonl` file is
    read only if one also matches its name, without `.samples`. No patterns = all exchanges. While it yields,
    it raises WireError with the file's path and the line for an invalid exchange, and FileNotFoundError if
    `folder` is not a folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    for path in sorted(path for path in folder.rglob("*.json*") if path.suffix in {".json", ".jsonl"}):
        whole = path.suffix == ".json"
        if not whole and not _matches(path.stem.removesuffix(".samples"), apis):
            continue
        lines = [path.read_bytes()] if whole else path.read_bytes().splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                exchange = _decode(line)
            except UNDECODABLE as error:
                raise WireError(f"no exchange: {error}", f"{path}:{number}") from None
            if _matches(exchange.api, apis):
                yield exchange


def _matches(api: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(api, pattern) for pattern in patterns)
