"""What is known while one request is being written."""

from __future__ import annotations

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Reply


def is_enveloped(reply: Reply) -> bool:
    """Whether the client of an answer reads calls of free-text tools as functions (`Request.forms`)."""
    return (reply.request.forms or {}).get("custom") == "function"


class Draft:
    """The report, the vendor's quirks, the model's facts, and whose request it is.

    own: the request came in this dialect, so that its client's own spelling goes out again. answer: an
    answer is written, not a request. chunked: its messages may be chunks of one
    (`repair.messages.CHUNKED`). enveloped: its client reads calls of free-text tools as functions whose
    arguments are the text.
    """

    __slots__ = ("answer", "chunked", "enveloped", "facts", "own", "quirks", "report")

    def __init__(
        self,
        report: Report,
        quirks: Quirks = STANDARD,
        facts: Facts = UNKNOWN,
        *,
        own: bool = False,
        answer: bool = False,
        chunked: bool = False,
        enveloped: bool = False,
    ) -> None:
        self.report = report
        self.quirks = quirks
        self.facts = facts
        self.own = own
        self.answer = answer
        self.chunked = chunked
        self.enveloped = enveloped

    def leave_seal(self, where: str) -> None:
        """Name a seal that is not written. In an answer that is no loss: the gateway keeps it for its origin.

        where: what is sealed, in IR terms.
        """
        if self.answer:
            self.report.change(
                where + ".sealed",
                "",
                "encrypted reasoning is not sent to the client, but stored by the gateway for the next turn",
            )
        else:
            self.report.lose(
                where + ".sealed", "encrypted reasoning can only be read by its own provider", "quality"
            )
