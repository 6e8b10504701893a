"""The context in which the chat family's encoders write one request or response (`Draft`)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.repair.messages import CHUNKED
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target
from dragoman.ir import Request


def is_enveloped(reply: Reply) -> bool:
    """Whether the client receives calls of free-text tools as function calls: `Request.forms` of the client's
    request has "custom": "function".
    """
    return (reply.request.forms or {}).get("custom") == "function"


@dataclass(slots=True)
class Draft:
    """The context for writing one request or response. report: gets the losses and changes. quirks: the
    vendor's deviations. facts: those about the model.

    own: True = the content came in this dialect, so its original spelling is kept. answer: True = a response
    is written, False = a request. chunked: True = several messages may be one answer, because clients of the
    request's dialect may send each chunk as a message (`repair.messages.CHUNKED`). enveloped: True = the
    client receives calls of free-text tools as functions, with the free text itself as `arguments`.
    """

    report: Report
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN
    _: KW_ONLY
    own: bool = False
    answer: bool = False
    chunked: bool = False
    enveloped: bool = False

    @classmethod
    def of(cls, request: Request, target: Target, dialect: str) -> Draft:
        own, chunked = request.dialect == dialect, request.dialect in CHUNKED
        return cls(target.report, target.quirks, target.facts, own=own, chunked=chunked)

    def leave_seal(self, where: str) -> None:
        """Report that a block's seal (a signature or encrypted reasoning) is not written. In a request this
        is a loss. In a response it is only a change, because the gateway stores the seal. where: the block's
        IR path.
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
