"""What an attempt has cost whose provider has not said it, as far as the request shows it."""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.ir.units import picture
from dragoman.tokens import count, count_most
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN

_UNANSWERED: Final = frozenset({"timeout", "upstream"})
"""The kinds of failures after which a provider may have worked on the request. It refuses with the others."""


_MEASURED: Final = frozenset({"image", "speech"})
"""The operations whose requests say how much is asked for, in other units than tokens."""


def was_sent(record: AttemptRecord) -> bool:
    """Whether the request of an attempt has reached the provider, and was not refused."""
    if record.sent is None or (record.status is not None and record.status >= 400):
        return False
    return record.fault is None or record.fault.kind in _UNANSWERED


def note_asked(asked: Asked, record: AttemptRecord) -> None:
    """Note in the record of an attempt without an answer what its request has cost, by estimate."""
    if not asked.prompts:
        note_measures(asked, record)
    if not record.units:
        record.usage = ir.Usage(input=prompt_tokens(asked, record.deployment), estimated=True)


def note_measures(asked: Asked, record: AttemptRecord) -> None:
    """Note how many pictures or characters the request asks for, if it does. If the attempt has no answer,
    its pictures are not counted.
    """
    if asked.inbound.operation not in _MEASURED:
        return
    try:
        request = asked.request
    except RequestFailed:
        return  # it could be relayed, but nobody here can read it
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
            pass  # it can be relayed, but nobody here can read it
    return _weighed(asked)


def prompt_most(asked: Asked, deployment: str) -> int:
    """As `prompt_tokens`, with pictures as large as they usually can be: what is reserved for a prompt."""
    if asked.prompts:
        try:
            return count_most(asked.request, deployment.partition("/")[2])
        except RequestFailed:
            pass
    return _weighed(asked)


def by_size(asked: Asked) -> ir.Usage:
    """What a prompt costs, estimated from its bytes alone."""
    return ir.Usage(input=_weighed(asked), estimated=True)


def _weighed(asked: Asked) -> int:
    return -(-asked.weight // BYTES_PER_TOKEN)
