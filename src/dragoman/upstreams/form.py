"""Decides by the status and the content type what a provider's answer is: a success, a stream and its
framing, a web page. Makes the errors for answers that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.reply import Framing
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.answers import LIMITED
from dragoman.wire.eventstream import MIME, EventStreamSplitter
from dragoman.wire.jsonarray import JSONArraySplitter
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter


class Splitter(Protocol):
    """Splits a stream's bytes into frames. A frame contains one event of the stream. A chunk of bytes may end
    anywhere in a frame. A text that stands in place of the framing, such as an error, may be returned as an
    `ErrorFrame`. Both methods may raise WireError: for a frame that is too large, and for other bytes that
    are not valid in the framing.
    """

    def feed(self, chunk: bytes, /) -> Iterable[bytes]:
        """Return the frames that this chunk completes. A splitter may yield the frames one by one; then it
        yields the frames before a mistake, and raises WireError after them.
        """

    def close(self) -> list[bytes]:
        """Return the frames that the end of the stream completes."""


SPLITTERS: Mapping[str, Callable[[int], Splitter]] = {
    "sse": SSESplitter,
    "json_array": JSONArraySplitter,
    "ndjson": NDJSONSplitter,
    "eventstream": EventStreamSplitter,
}
"""The splitter for each framing of a stream. Its argument is the most bytes of one frame."""


_STREAMS = ("text/event-stream", "application/x-ndjson", MIME)
PAGE: Final = "text/html"
"""The content type of the web pages that some proxies send in place of a stream. Any other content type may
be a wrong label of a stream, so it is not refused.
"""


def is_success(answer: Answer) -> bool:
    """Return whether the answer's status is 200 to 299."""
    return 200 <= answer.status < 300


def streams(answer: Answer) -> bool:
    """Return whether the answer's content type is that of server-sent events, of NDJSON, or of AWS's event
    stream.
    """
    return answer.headers.get("content-type", "").startswith(_STREAMS)


def framing_of(dialect: Dialect, answer: Answer) -> Framing:
    """Return the framing of a streamed answer: AWS's event stream if the content type says so, else the
    framing that the dialect uses. Bedrock sends the events of Claude's protocol in AWS's framing.
    """
    kind = answer.headers.get("content-type", "")
    return "eventstream" if kind.startswith(MIME) else dialect.stream.framing


def page(name: str) -> RequestFailed:
    """Return (not raise) the error for a web page that was sent in place of a stream. name: the provider's
    name.
    """
    return unreadable(name, WireError("it is a web page"))


def unreadable(name: str, error: WireError) -> RequestFailed:
    """Return (not raise) the error for an answer that does not fit the provider's dialect, or exceeds a
    limit. name: the provider's name. error: what is wrong with the answer. The fault has the error's code if
    the answer is too large (`LIMITED`), otherwise the code `unreadable`.
    """
    message = f"{name} sent a response that cannot be parsed: {error}"
    return RequestFailed(
        ir.Fault("upstream", message, error.code if error.code in LIMITED else "unreadable", blame="upstream")
    )
