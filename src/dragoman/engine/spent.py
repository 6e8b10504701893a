"""Estimates what an attempt has used, from its request, when the provider has not stated it."""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.ir.units import picture, units_of
from dragoman.tokens import count, count_most
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN

_UNANSWERED: Final = frozenset({"timeout", "upstream"})
"""The kinds of failures after which a provider may have worked on the request. All other kinds mean that it
has refused the request.
"""


_MEASURED: Final = frozenset({"image", "speech"})
"""The operations whose requests say how much is asked for, in other units than tokens."""
_READ: Final = frozenset({"embed", "rerank"})
"""The operations that use the tokens of the request's texts, and no others."""


def was_sent(record: AttemptRecord) -> bool:
    """Whether the request of an attempt has reached the provider, and was not refused."""
    if record.sent is None or (record.status is not None and record.status >= 400):
        return False
    return record.fault is None or record.fault.kind in _UNANSWERED


def note_asked(asked: Asked, record: AttemptRecord) -> None:
    """Note in the record of an attempt that got no answer an estimate of what its request has used."""
    if not asked.prompts:
        note_measures(asked, record)
    if not record.units:
        record.usage = ir.Usage(input=prompt_tokens(asked, record.deployment), estimated=True)


def used(asked: Asked, stated: ir.Usage | None) -> ir.Usage | None:
    """The usage of an answer beside chat: what it states; if it states nothing, an estimate of the texts that
    the request has; None = it has none.
    """
    if asked.inbound.operation not in _READ or is_stated(stated):
        return stated
    return by_size(asked)


def is_stated(usage: ir.Usage | None) -> bool:
    """Whether a usage states tokens, also none (0), or amounts of other units."""
    return usage is not None and (usage.stated or bool(units_of(usage)))


def note_measures(asked: Asked, record: AttemptRecord) -> None:
    """Note how many pictures or characters the request asks for, if its operation is measured in these. If
    the attempt has no answer, its pictures are not counted.
    """
    if asked.inbound.operation not in _MEASURED:
        return
    try:
        request = asked.request
    except RequestFailed:
        return  # the request was relayed, but it cannot be decoded
    if isinstance(request, ir.ImageRequest) and record.first is not None:
        record.units = {picture(request.quality, request.size): request.count or 1}
    elif isinstance(request, ir.SpeechRequest) and request.text:
        record.units = {"characters": len(request.text)}
    record.guessed = bool(record.units)


def prompt_tokens(asked: Asked, deployment: str) -> int:
    """The tokens of the request's prompt: counted if it is a chat that can be read, else estimated from its
    bytes. deployment: `provider/model`.
    """
    if asked.prompts:
        try:
            return count(asked.request, deployment.partition("/")[2]).tokens
        except RequestFailed:
            pass  # the request is relayed, but it cannot be decoded
    return _weighed(asked)


def prompt_most(asked: Asked, deployment: str) -> int:
    """As `prompt_tokens`, but with pictures as large as they usually can be. So much is reserved for a
    prompt.
    """
    if asked.prompts:
        try:
            return count_most(asked.request, deployment.partition("/")[2])
        except RequestFailed:
            pass
    return _weighed(asked)


def by_size(asked: Asked) -> ir.Usage:
    """The tokens of a prompt, estimated from its bytes alone."""
    return ir.Usage(input=_weighed(asked), estimated=True)


def _weighed(asked: Asked) -> int:
    return -(-asked.weight // BYTES_PER_TOKEN)
