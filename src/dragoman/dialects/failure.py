"""Reads a provider's error response for all dialects: message, codes, status and delay, without secrets.

A dialect adds its own codes and message patterns. Bodies of any form are read, because vendors do not keep to
one form. A long message is shortened, and all texts are cleaned of secrets, because clients may read them.
The module also says who is to blame for a failure, and writes the headers by which a client learns whether
and when to retry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final, Literal, get_args

import msgspec

from dragoman.ir import Fault, Kind
from dragoman.ir.credentials import redact
from dragoman.wire.json import UNDECODABLE, reworded

ENDED = "The provider's stream ended before the response was complete."
SILENT = "The provider's stream ended without a response."
STREAM_BROKEN = Fault("upstream", ENDED, code="stream_broken", blame="upstream")
"""The fault when a provider's stream ends before its terminal event."""
KIND_WORDS: Final[frozenset[str]] = frozenset(get_args(Kind))
"""The names of all kinds of faults."""
CODES_OF_KINDS: Final[dict[Kind, str]] = {
    "context_length": "context_length_exceeded",
    "authentication": "invalid_api_key",
    "quota": "insufficient_quota",
    "rate_limit": "rate_limit_exceeded",
    "overloaded": "server_is_overloaded",
    "model_not_found": "model_not_found",
}
"""Kind -> the code (one of OpenAI's) for a fault that was decoded from a protocol without codes."""
_MAX_TEXT = 500
"""The most characters that are kept of an error body that is not JSON."""
_MAX_MESSAGE = 4000
"""The most characters that are kept of the message in a JSON error body."""
_LONGEST_WAIT = 7 * 86_400
"""The most seconds in a `retry-after` header to a client. A provider may state a number of 300 digits."""
_MAX_READ = 64 * 1024
"""The most characters of a JSON error body that are cleaned of secrets; all further text is dropped."""
_BY_STATUS: dict[int, Kind] = {
    400: "invalid_request",
    401: "authentication",
    402: "quota",
    403: "permission",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "media_type",
    422: "invalid_request",
    425: "overloaded",
    429: "rate_limit",
    498: "overloaded",
    499: "cancelled",
    501: "not_implemented",
    503: "overloaded",
    504: "timeout",
    522: "timeout",
    524: "timeout",
    529: "overloaded",
}


def kind_of_status(status: int) -> Kind:
    """Return the kind of a failure that its HTTP status alone shows. A status that is not in `_BY_STATUS`
    means "upstream" from 500 on, otherwise "invalid_request".
    """
    return _BY_STATUS.get(status) or ("upstream" if status >= 500 else "invalid_request")


_GATEWAYS = frozenset({"authentication", "permission", "quota", "not_found", "model_not_found"})
"""Kinds of upstream failures for which the gateway's operator is to blame, because the account (its key,
rights or money), the address or the model's name is at fault."""
_UPSTREAMS = frozenset(
    {"rate_limit", "overloaded", "timeout", "upstream", "unavailable", "not_implemented", "internal"}
)


def blame_of(kind: Kind) -> Literal["client", "upstream", "gateway"]:
    """Return who is to blame for an upstream failure of this kind: the client, the provider ("upstream"), or
    the gateway's operator ("gateway").
    """
    return "gateway" if kind in _GATEWAYS else "upstream" if kind in _UPSTREAMS else "client"


class Body(msgspec.Struct, frozen=True):
    """The content of a provider's error body. Credentials and stack traces, as far as `redact` and `untraced`
    recognise them, are removed from all texts and member names.

    message: the shortened message; the fallback of `read_body` if the body states none. type, code: as the
    body states them. param: the request's member that is at fault. In type, code and param, an integer
    becomes text; None = the body states neither a text nor an integer there, or an empty text. rest: all
    other members of the error object. outer: the members beside the error object.

    If the body has no member `error` that is an object or a text, the body itself is the error object, and
    `outer` is empty. If `error` is a text, it is the message, `code` stands beside it, `type` and `param` are
    None, and `rest` is empty.
    """

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    rest: dict[str, Any] = {}
    outer: dict[str, Any] = {}


def read_body(body: bytes | dict[str, Any], fallback: str = "The provider gave no reason.") -> Body:
    """Return the content of an error body of any vendor: JSON (bytes or already decoded), HTML or plain text.
    Never raises. If the JSON is a list with entries, its first entry is read. fallback: the message if the
    body states none.
    """
    if isinstance(body, bytes):
        try:
            told: Any = msgspec.json.decode(body)
        except UNDECODABLE:
            return Body(_text(body.decode(errors="replace"), fallback, _MAX_TEXT))
    else:
        told = body
    value = reworded(told, _cleaner())  # clients or logs may show any member
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Body(_text(value if isinstance(value, str) else "", fallback))
    error = value.get("error")
    if isinstance(error, str):
        return Body(
            _text(error, fallback), None, _word(value.get("code")), None, {}, _without(value, "error")
        )
    inner = error if isinstance(error, dict) else value
    outer = _without(value, "error") if isinstance(error, dict) else {}
    return Body(
        _text(_message(inner), fallback),
        _word(inner.get("type")),
        _word(inner.get("code")),
        _word(inner.get("param")),
        _without(inner, "message", "type", "code", "param"),
        outer,
    )


def only_tells(body: Mapping[str, Any], answer: str) -> bool:
    """Whether a decoded JSON body without a member `error` is an error: it has a message, it has no member
    `usage`, and the member that `answer` names is missing or null. answer: the name of the member in which
    the protocol's responses have their content (`choices`). Zhipu answers `code`, `msg` and `success` with
    status 200 at a wrong path.
    """
    return "usage" not in body and body.get(answer) is None and bool(_message(body))


_STATUS = re.compile("[45][0-9]{2}")


def stated_status(said: Body) -> int | None:
    """Return the HTTP status (400 to 599) that a provider's error body (`said`) states in its code or in a
    member for the status; None = the body states none. The code counts first.
    """
    rest, outer = said.rest.get, said.outer.get
    stated = (
        *(said.code, rest("status_code"), rest("status"), rest("http_status_code")),
        *(outer("status_code"), outer("status"), outer("StatusCode")),
    )
    return next((int(text) for value in stated if _STATUS.fullmatch(text := str(value)[:4])), None)


def _without(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: kept for key, kept in value.items() if key not in keys}


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _message(value: Mapping[str, Any]) -> str:
    """Return the message of an error object, or its validation errors joined to one text. The first of the
    members below that says something (a text, an object with a message, a list) decides; "" = none does.
    """
    for key in ("message", "detail", "Message", "msg", "errors"):
        said = value.get(key)
        if isinstance(said, dict):
            said = _message(said)
        elif isinstance(said, list):
            said = "; ".join(filter(None, (one if isinstance(one, str) else _detail(one) for one in said)))
        if isinstance(said, str) and said:
            return said
    return ""


def _detail(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    place = value.get("loc")
    place = ".".join(map(str, place)) if isinstance(place, list) else ""
    said = str(value.get("msg") or value.get("message") or "")
    return f"{place}: {said}" if place else said


_TAG = re.compile(r"<(script|style)?\b", re.IGNORECASE)
_ENDS = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in ("script", "style")}


def _untagged(text: str) -> str:
    """Return the readable text of HTML, without tags, and without scripts and styles that have an end tag;
    their places become spaces. Each `<` counts as the beginning of a tag, which ends at the next `>`. The
    time is proportional to the length of the HTML, even if no tag is closed.
    """
    pieces: list[str] = []
    at = 0
    unended: set[str] = set()
    while (start := text.find("<", at)) >= 0:
        pieces.append(text[at:start])
        found = _TAG.match(text, start)
        name = (found[1] or "").lower() if found else ""
        end = None if not name or name in unended else _ENDS[name].search(text, start)
        if name and end is None:
            unended.add(name)
        at = text.find(">", start) + 1 if end is None else end.end()
        if not at:
            return " ".join([*pieces, text[start:]])
    return " ".join([*pieces, text[at:]])


def _cleaner() -> Callable[[str], str]:
    """Make a function that removes credentials and stack traces from the texts of one body, one text in each
    call. After `_MAX_READ` characters, counted over all calls, it drops all further text.
    """
    left = _MAX_READ

    def clean(text: str) -> str:
        nonlocal left
        text = text[:left]
        left -= len(text)
        return untraced(redact(text))

    return clean


def _text(text: str, fallback: str, limit: int = _MAX_MESSAGE) -> str:
    text = text[: 4 * _MAX_READ]
    if text.lstrip()[:1] == "<":
        text = _untagged(text)
        text = " ".join(text.split())
    text = untraced(redact(text[: 4 * limit])).strip()
    if len(text) > limit:
        text = text[: limit - 2] + " …"
    return text or fallback


_TRACE = re.compile(
    r"""
    Traceback\ \(most\ recent | \bFile\ "[^"\n]{1,300}",\ line\ \d                 # Python
    | ^[\ \t]{1,16}at\ \S | \bat\ [\w.$<>]{1,120}\ ?\([^()\n]{1,300}:\d{1,7}\)       # JavaScript, Java, C#
    | ^Caused\ by:\  | \bgoroutine\ \d{1,9}\ \[ | \bpanicked\ at\ | \bstack\ ?trace:  # Java, Go, Rust
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_PATH = re.compile(
    r"""
    (?<![\w:/.])/(?:usr|home|opt|app|var|root|srv|tmp|mnt|etc|workspace|private|Users|lib|build)/[\w./@+-]{1,300}
    | \b[A-Z]:\\[\w.\\@+-]{1,300}
    | (?<![\w./\\-])[\w./\\-]{1,300}\.(?:py|m?js|ts|go|rs|java|rb|php|cs|cc|cpp|kt)(?::\d{1,7}){1,2}
    """,
    re.VERBOSE,
)
_SENTENCE = re.compile(r"[^\n]*?[.!?](?=\s|$)|[^\n]+")
_THREAD = re.compile(r"thread '[^'\n]{0,80}'\Z")
_RAISED = re.compile(r"(?:[A-Za-z_$][\w$]{0,80}\.){0,12}[A-Z]\w{0,80}(?:Error|Exception)(?::\s*|$)")


def untraced(text: str) -> str:
    """Return a text without stack traces and paths of the provider's machine. A text in which neither is
    found is returned unchanged.

    Otherwise only one sentence (at most one line) is returned: the first of the text or, if the text begins
    with a trace, of the error message inside the trace. A path becomes "[path]". "" = there is no such
    sentence.
    """
    trace = _TRACE.search(text)
    if trace is None and not _PATH.search(text):
        return text
    said = text.replace("\\n", "\n")  # the trace may be quoted inside the text
    if (trace := _TRACE.search(said)) is not None:
        before = _THREAD.sub("", said[: trace.start()].strip(" \t\r\n:-("))
        said = _RAISED.sub("", before or _last_words(said[trace.end() :]), count=1).strip()
    found = _SENTENCE.search(said)
    return _PATH.sub("[path]", found[0]).strip() if found else ""


def _last_words(trace: str) -> str:
    """Return the error message inside a stack trace: the trace's last line without indentation; "" = there is
    none.
    """
    lines = [line for line in trace.splitlines()[1:] if line[:1].strip() and not _TRACE.search(line)]
    return lines[-1] if lines else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that a response states. `retry-after-ms` (milliseconds) counts first, then
    `retry-after` (seconds); a header that is not a finite number of at least 0 is ignored. None = neither
    header states such a number. A date is ignored, because a codec has no clock.
    """
    stated = {
        name.lower(): value for name, value in headers.items() if name.lower().startswith("retry-after")
    }
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(stated[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None


_SOON: Final = 1.0
"""Seconds. A budget that is free again so soon is only held by running requests."""
_LASTING: Final = frozenset({"upstream_credential_refused", "upstream_model_not_found"})
"""The gateway's own fault codes for failures that only the gateway's operator can repair, so a retry does not
help."""


def _whole_seconds(wait: float) -> int:
    """Return a time to wait (`wait`, in seconds) as whole seconds for a header: rounded to microseconds, then
    rounded up, so that no client retries too early; at least 1, at most `_LONGEST_WAIT`.
    """
    return max(1, ceil(round(min(wait, _LONGEST_WAIT), 6)))


def retry_headers(fault: Fault) -> dict[str, str]:
    """Return the response headers that tell a client whether and when to retry after this fault; {} = there
    are none.

    `retry-after`: the seconds to wait, if the fault states them. `x-should-retry: false`: for the fault codes
    in `_LASTING`, and for a used-up quota, unless the fault states that it is free again within `_SOON`
    seconds.
    """
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["retry-after"] = str(_whole_seconds(fault.retry_after))
    spent = fault.kind == "quota" and (fault.retry_after is None or fault.retry_after > _SOON)
    if spent or fault.code in _LASTING:
        headers["x-should-retry"] = "false"  # without it, clients retry every 429 and every 502
    return headers
