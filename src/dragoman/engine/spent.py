"""Estimates what an attempt has used, from its request, if the provider has not stated it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.engine.measures import MEASURED, billable, measures
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.ir.units import is_made, measured, units_of
from dragoman.providers.rates import Rates
from dragoman.tokens import count, count_most
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN
from dragoman.upstreams.several import added

log = logging.getLogger("dragoman.engine.spent")

_UNANSWERED: Final = frozenset({"timeout", "upstream"})
"""The kinds of faults after which a provider may have worked on the request. All other kinds count as a
refusal of the request.
"""


_READ: Final = frozenset({"embed", "rerank"})
"""The operations that use only the tokens of the request's texts."""


def was_sent(record: AttemptRecord) -> bool:
    """Whether the provider may have worked on the request of an attempt: the request was sent, no status of
    400 or more came, and the attempt has no fault, or one of the kind `timeout` or `upstream`.
    """
    if record.sent is None or (record.status is not None and record.status >= 400):
        return False
    return record.fault is None or record.fault.kind in _UNANSWERED


def note_asked(asked: Asked, record: AttemptRecord, rates: Rates | None) -> None:
    """Estimate what an attempt without an answer has used, and set it in its record: in `units` if
    `note_measures` finds amounts, otherwise the tokens of the prompt in `usage`. rates: the prices of the
    deployment; None = unknown.
    """
    if not asked.prompts:
        note_measures(asked, record, rates)
    if not record.units:
        record.usage = ir.Usage(input=prompt_tokens(asked, record.deployment), estimated=True)


async def note_unanswered(
    asked: Asked,
    record: AttemptRecord,
    cost: Callable[[], ir.Usage | None] | None,
    rates: Callable[[str], Rates | None],
) -> None:
    """Set in its record what an attempt without a complete answer has used. An error is only logged, because
    it must not hide the one that ended the attempt.

    cost: returns the usage up to now, as stated or estimated; it replaces the usage in the record. None = no
    answer has begun; then the usage is estimated from the request (`note_asked`), unless the record has one
    already. rates: returns the prices of a deployment; None = unknown.
    """
    try:
        if cost is not None:
            record.usage = cost() if asked.light else await asked.step(cost)
        elif record.usage is None:
            await asked.step(note_asked, asked, record, rates(record.deployment))
    except Exception:
        log.exception("exchange %s: its usage could not be estimated", asked.exchange.id)


def used(asked: Asked, stated: ir.Usage | None, rates: Rates | None) -> ir.Usage | None:
    """Return the usage of an answer of an operation other than chat: `stated`, the usage in the answer (None
    = there is none). If it states nothing, and the operation is embeddings, or reranking that is not billed
    by searches, return an estimate from the request's size. rates: the prices of the deployment; None =
    unknown.
    """
    operation = asked.inbound.operation
    if operation not in _READ or is_stated(stated):
        return stated
    if operation == "rerank" and rates is not None and rates.prices("search_units"):
        return stated
    return by_size(asked)


def is_stated(usage: ir.Usage | None) -> bool:
    """Whether a usage states tokens (0 counts as stated), or amounts of other units. False for None."""
    return usage is not None and (usage.stated or bool(units_of(usage)))


def note_measures(asked: Asked, record: AttemptRecord, rates: Rates | None, *, made: bool = False) -> None:
    """Set `units` of an attempt's record to the pictures, characters, … that the request asks for, in the
    units by which its deployment bills (None = there are none), and `guessed` to whether there are any. Does
    nothing for an operation that has no such amounts, or if the request cannot be decoded. What a provider
    makes (pictures, sound) is included only if an answer has come, or if `made` is True: an answer is about
    to begin. rates: the prices of the deployment; None = unknown.
    """
    if asked.inbound.operation not in MEASURED:
        return
    try:
        request = asked.request
    except RequestFailed:
        return  # the request was relayed, but it cannot be decoded
    units = measures(request, most=False)
    if record.first is None and not made:
        units = {unit: amount for unit, amount in units.items() if not is_made(unit)}
    record.units = billable(units, rates) or None
    record.guessed = record.units is not None


def note_answer(request: Any, response: Any, record: AttemptRecord, rates: Rates | None) -> None:
    """Set `units` of an attempt's record to the pictures, characters, … that can be measured in its answer;
    None = nothing can. If the answer states no usage, and the deployment has no price for these amounts, they
    may be replaced by the amounts that the request asks for (`billable`): if the deployment has a price for
    those, or if nothing was measured. `guessed` tells whether this was done. request, response: of the same
    operation other than chat, in the IR. rates: the prices of the deployment; None = unknown.
    """
    found = measured(request, response)
    record.units, record.guessed = found or None, False
    if is_stated(response.usage) or _is_priced(found, rates):
        return
    asked = billable(measures(request, most=False), rates)
    if asked and (not found or _is_priced(asked, rates)):
        record.units, record.guessed = asked, True


def note_parts(asked: Asked, record: AttemptRecord, answers: Sequence[Any], parts: int) -> None:
    """Set `usage` of an attempt's record to what the answered parts of a request have used, if the provider
    has refused a later part: as stated or, for operations that only read texts, estimated. Does nothing if no
    part was answered or none was refused. answers: to the first parts. parts: the number of all parts.
    """
    if not answers or record.status is None or record.status < 400:
        return
    stated = [one.usage for one in answers if is_stated(one.usage)]
    if stated:
        record.usage = added(stated)
    elif asked.inbound.operation in _READ:
        record.usage = ir.Usage(input=-(-_weighed(asked) * len(answers) // parts), estimated=True)


def _is_priced(units: Mapping[str, int], rates: Rates | None) -> bool:
    return rates is not None and any(map(rates.prices, units))


def prompt_tokens(asked: Asked, deployment: str) -> int:
    """Return the tokens of the request's prompt: counted for a chat (or the count of its tokens) that can be
    decoded, otherwise estimated from the request's size. deployment: `provider/model`; the tokens are counted
    for this model.
    """
    if asked.prompts:
        try:
            return count(asked.request, deployment.partition("/")[2]).tokens
        except RequestFailed:
            pass  # the request is relayed, but it cannot be decoded
    return _weighed(asked)


def prompt_most(asked: Asked, deployment: str) -> int:
    """Return the tokens to reserve for the request's prompt: as `prompt_tokens` does, but a picture without
    `detail: low` is counted as a large one. The real number may be larger. deployment: `provider/model`.
    """
    if asked.prompts:
        try:
            return count_most(asked.request, deployment.partition("/")[2])
        except RequestFailed:
            pass
    return _weighed(asked)


def by_size(asked: Asked) -> ir.Usage:
    """Return a usage that has only input tokens, estimated from the size of the request."""
    return ir.Usage(input=_weighed(asked), estimated=True)


def _weighed(asked: Asked) -> int:
    return -(-asked.weight // BYTES_PER_TOKEN)
