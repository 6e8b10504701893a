"""Accounts for the sound of a client that a model transcribes within a realtime session.

The sound is reserved in limits before it is sent to the provider, and charged with what the provider states
for its transcript. If the provider states nothing, the length of the sound is charged, as an estimate. So is
sound of which the provider has begun a transcript, or was asked for one, if the session ends before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from dragoman import ir
from dragoman.dialects.live import Spoken, Used
from dragoman.engine.accounting import Expected
from dragoman.engine.measures import heard
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.reply import Books, Reply
from dragoman.providers.rates import EVERYTHING, Rates
from dragoman.routing.route import Deployment

_STEP: Final = 10_000.0
"""Milliseconds of sound that are reserved at once, at least. If half of what was reserved before, or what the
sound has beyond it, is more, that is reserved.
"""
_NEAR: Final = 0.8
"""The fraction of the reserved sound from which on more is reserved."""
_LEAD: Final = 10_000.0
"""Milliseconds. If a provider tells when it hears the client speak, the sound before counts up to here: the
rest was silence, which providers do not bill. (They tell it about a second late.)
"""


class Sent:
    """The sound since the last transcript, in milliseconds. whole: True = all of it counts, also if the
    provider hears nobody speak. heard: whether the provider has heard the client speak, or was told to
    transcribe.
    """

    __slots__ = ("_silent", "heard", "total", "whole")

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.heard = False
        self.total = self._silent = 0.0

    @property
    def length(self) -> float:
        """The milliseconds that count if the sound is transcribed."""
        return self.total - self._silent

    @property
    def sure(self) -> float:
        """The milliseconds that count in any case: as `length`, but at most 10,000 while the provider has
        heard nobody speak and was not told to transcribe, unless `whole` is True.
        """
        return self.length if self.whole or self.heard else min(self.total, _LEAD)

    def speech(self) -> None:
        """Note that the provider hears the client speak. The first call says that the sound so far was
        silence except for its last 10 seconds, so that only these count; but not if `whole` is True. Without
        any sound so far, this changes nothing.
        """
        if not (self.heard or self.whole):
            self._silent = max(0.0, self.total - _LEAD)
        self.heard = self.total > 0

    def commit(self) -> None:
        """Note that the client wants all of the sound so far to be transcribed, so that all of it counts."""
        self.heard, self._silent = True, 0.0


class Hearing:
    """The sound of one session. books: of the session. transcribes: True = the session only transcribes; so
    all of its sound counts, unless the provider states usage.
    """

    def __init__(self, books: Books, *, transcribes: bool) -> None:
        self._books = books
        self._transcribes = transcribes
        self._states = False
        """Whether the provider has stated usage for a transcript."""
        self._sent = self._none_sent()
        self._reply: Reply | None = None
        """The next transcript; None = no sound has come for it."""
        self._reserved = 0.0
        """The milliseconds that are reserved for it."""
        self._noted = False
        """Whether the journal was told of it."""
        self._turn = asyncio.Lock()
        """The client and the provider speak at the same time, and reserving may wait."""

    async def listen(self, spoken: Spoken, admit: Callable[[], None]) -> None:
        """Count the sound in a client's message, and reserve more if the sound has reached 80% of what is
        reserved. If another model transcribes than before, the earlier sound is accounted for first. spoken:
        the message and its sound. admit: called before more is reserved; it raises EndedByLimit if the client
        may not go on. Raises EndedByLimit also if a limit or a failing journal refuses the sound; then it
        counts as not sent.
        """
        async with self._turn:
            deployment = self._deployment(spoken.by)
            if self._reply is not None and self._reply.record.deployment != deployment.name:
                self.close()
            sent = self._sent
            sent.total += spoken.sound
            if spoken.commits:
                sent.commit()
            if not sent.total or (self._reply is not None and sent.sure <= _NEAR * self._reserved):
                return
            try:
                admit()
                await self._reserve(deployment)
            except EndedByLimit:
                sent.total -= spoken.sound
                raise

    def speech(self, kind: str) -> None:
        """Note that the provider hears the client speak ("heard"), or that a transcript has failed, for which
        nothing is charged ("failed").
        """
        if kind == "heard":
            self._sent.speech()
        else:
            self._sent = self._none_sent()

    async def transcribed(self, used: Used) -> bool:
        """Account for the sound since the last transcript, because its transcript has come. used: what the
        provider states for it, or the estimated tokens of the text; with an estimate, the length of the sound
        is charged, too. Returns True; returns False, and does nothing, if nothing is reserved for any sound.
        """
        async with self._turn:
            if (reply := self._reply) is None:
                return False
            if used.usage is not None and used.usage.estimated:
                self._estimate(reply, self._sent.length, used.usage.output or 0)
            else:
                self._states = True
                reply.record.usage, reply.record.units = used.usage, dict(used.units)
            self._end(reply)
            return True

    def close(self) -> None:
        """Account for the sound of which no transcript has come, because the session ends or another model
        transcribes from now on. Its length is charged, as an estimate, if the provider has heard the client
        speak, if the client has asked for the transcript, or if all sound of the session counts; otherwise
        nothing is charged.
        """
        reply, sent = self._reply, self._sent
        if reply is None:
            return
        if sent.length and (sent.whole or sent.heard):
            self._estimate(reply, sent.length, None)
        elif self._noted:
            reply.record.units = {}  # the journal waits for a record
        else:
            self._reply, self._sent = None, self._none_sent()
            self._books.forget(reply)
            return
        self._end(reply)

    def _end(self, reply: Reply) -> None:
        self._reply, self._sent = None, self._none_sent()
        self._books.account(reply)

    def _none_sent(self) -> Sent:
        return Sent(whole=self._transcribes and not self._states)

    def _deployment(self, model: str | None) -> Deployment:
        own = self._books.attempt.deployment
        return own if model is None else Deployment(own.provider, model)

    async def _reserve(self, deployment: Deployment) -> None:
        books, sure, name = self._books, self._sent.sure, deployment.name
        if (reply := self._reply) is None:
            reply, length = books.made(name), max(_STEP, sure)
            await books.expect(reply, _expected(length, _rates(reply)), deployment)
            if not self._states:  # otherwise the rest of a session may be silence, and leave no record
                books.opened(reply)
            self._reply, self._reserved, self._noted = reply, length, not self._states
            return
        more = max(_STEP, self._reserved / 2, sure - self._reserved)
        try:
            if reply.meter is not None:
                await reply.meter.extend(_expected(more, _rates(reply)), name)
        except EndedByLimit:
            books.note_refusal(reply)
            raise
        self._reserved += more

    def _estimate(self, reply: Reply, length: float, written: int | None) -> None:
        """Write the estimated amounts of a transcript into its record. length: of the sound, in milliseconds.
        written: the tokens of the text; None = it is not known.
        """
        rates, record = _rates(reply), reply.record
        units = heard(length / 1000, most=False)
        output = units["output"] if written is None else written
        record.units, record.guessed = {"input_audio_ms": round(length)}, True
        if _by_time(rates):
            record.usage = ir.Usage(output=output, estimated=True)
            return
        taken = units["input_audio"]
        kinds = {"input_audio": taken} if rates is not None and rates.prices("input_audio") else None
        record.usage = ir.Usage(taken, output=output, detail=kinds, estimated=True)


def _rates(reply: Reply) -> Rates | None:
    return None if reply.meter is None else reply.meter.rates(reply.record.deployment)


def _by_time(rates: Rates | None) -> bool:
    """Whether a model bills the length of sound. If it does not, or its prices are not known, limits count
    the tokens of the sound.
    """
    return rates is not None and rates.prices("input_audio_ms")


def _expected(length: float, rates: Rates | None) -> Expected:
    """Return the most that the transcript of a sound may use. length: of the sound, in milliseconds. rates:
    decide whether the tokens of the sound count: they do not if the model bills the length of sound
    (`_by_time`). None = prices are not known, and the tokens count.
    """
    units = heard(length / 1000, most=True)
    taken = 0 if _by_time(rates) else units["input_audio"]
    time = {"input_audio_ms": round(length)}
    return Expected(taken, units["output"], units=time, kinds=EVERYTHING)
