"""Accounts for the replies of a realtime session, one by one.

For limits on requests, a session is one request. Each of its replies has its own usage record; its tokens and
cost are charged to the windows of limits in which the reply began. So a limit also applies within a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dragoman import ir
from dragoman.dialects.live import Heard, Message, Spoken, Used
from dragoman.engine.attempt import Attempt
from dragoman.engine.growth import Growth
from dragoman.engine.hearing import Hearing
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.reply import USUAL, Books, Reply, added, summed
from dragoman.errors import RequestFailed

_MOST_AT_ONCE: Final = 64
"""The most replies of one session that run at once. If a provider begins more, the oldest is accounted for as
if it had broken off, so that a provider that ends none cannot fill the memory.
"""
_SOUND: Final = 1000
"""Bytes. A longer message of a provider contains sound; a shorter one contains about one token of text."""


class Replies:
    """The replies of one session at one deployment; several may run at once, if the provider names them by
    ids. attempt: the session's attempt. transcribes: whether the session only transcribes. books: what all
    replies and transcripts have used.
    """

    def __init__(self, attempt: Attempt, *, transcribes: bool = False) -> None:
        self._attempt = attempt
        self.books = Books(attempt)
        self._hearing = Hearing(self.books, transcribes=transcribes)
        self._expected = USUAL
        self._running: dict[str | None, Reply] = {}
        """The running replies by the provider's ids, oldest first. None = a reply without an id."""
        self._owed: Reply | None = None
        """The reply that is over, and whose usage the provider may still state; None = there is none."""

    @property
    def running(self) -> bool:
        """Whether at least one reply has begun and has not ended. A reply that is over but whose usage is not
        stated yet has ended.
        """
        return bool(self._running)

    def runs(self, reply: str | None) -> bool:
        """Whether the reply with this id is running. None = the one reply without an id."""
        return reply in self._running

    async def probe(self, *, again: bool = False) -> None:
        """Find out whether a limit refuses a reply: reserve what a reply may use, and free it at once. Raises
        EndedByLimit if a limit refuses it. again: False = the check before the session begins. True = a later
        check, which does not count in the numbers of the replies' ids.
        """
        reply = self.books.made(self._attempt.deployment.name, counts=not again)
        await self.books.expect(reply, self._expected, self._attempt.deployment)
        self.books.forget(reply)

    def admit(self, model: str) -> None:
        """Check the price of a model that is about to transcribe the client's speech. Raises EndedByLimit if
        the price is not known and a limit refuses unknown prices. Reserves nothing. model: its name at the
        session's provider.
        """
        name = f"{self._attempt.deployment.provider}/{model}"
        reply = self.books.made(name, counts=False)
        try:
            if reply.meter is not None:
                reply.meter.refuse_unpriced(name)
        except RequestFailed as refused:
            raise EndedByLimit(refused.fault) from None
        finally:
            self.books.forget(reply)

    async def listen(self, spoken: Spoken, admit: Callable[[], None]) -> None:
        """Count the sound in a client's message, before the message is sent to the provider, and reserve more
        in limits if what is reserved for the sound does not suffice. spoken: the message and its sound.
        admit: called before more is reserved; it raises EndedByLimit if the client may not go on. Raises
        EndedByLimit also if a limit or a failing journal refuses the sound.
        """
        await self._hearing.listen(spoken, admit)

    async def begin(self, name: str | None = None) -> None:
        """Reserve in the limits what a reply may use, because the provider begins a reply. Before that, the
        reply whose usage was owed is accounted for, and so is the oldest running reply if 64 run. name: the
        provider's id of the reply, None = it has none. Does nothing if this reply is running. Raises
        EndedByLimit if a limit or a failing journal refuses the reply.
        """
        if name in self._running:
            return
        self._give_up()
        if len(self._running) >= _MOST_AT_ONCE:
            self._end(next(iter(self._running)))
        reply = self.books.made(self._attempt.deployment.name)
        await self.books.expect(reply, self._expected, self._attempt.deployment)
        self.books.opened(reply)
        if reply.meter is not None:
            reply.growth = Growth(reply.meter, self._attempt.deployment.name, lambda: reply.said, first=1.0)
        self._running[name] = reply

    async def heard(self, heard: Heard) -> None:
        """Account for what a message of the provider states.

        Its usage is added to the running reply that the message is a part of or, without such a reply, to the
        reply whose usage was owed, which is then accounted for. Usage of another model, of a transcript, and
        of no such reply is charged separately.

        A reply that the message ends is accounted for, unless a later message may state its usage
        (`heard.owed`); then the reply whose usage was owed before is accounted for. If a running reply is
        longer than was expected, more is reserved. Raises EndedByLimit if a limit or a failing journal
        refuses that.
        """
        name, message = self._part_of(heard), heard.message
        reply = self._running.get(name)
        if reply is not None:
            self._grow(reply, message)
        if heard.speech is not None:
            self._hearing.speech(heard.speech)
        whose = self._owed if reply is None else reply
        for used in heard.used:
            if used.transcript and await self._hearing.transcribed(used):
                continue
            if used.transcript or used.model is not None or whose is None:
                await self._beside(used, used.model or self._attempt.deployment.model)
                continue
            whose.record.usage = added(whose.record.usage, used.usage)
            whose.record.units = summed(whose.record.units or {}, used.units) or None
        if reply is None:
            if whose is not None and any(not used.transcript and used.model is None for used in heard.used):
                self._give_up()
            return
        if heard.ends:
            self._end(name)
        elif heard.owed:
            self._give_up()
            self._owed = self._running.pop(name)
        elif (growth := reply.growth) is not None and reply.said > growth.at:
            try:
                await growth.look(reply.said)
            except EndedByLimit:
                self.books.note_refusal(reply)
                raise

    def close(self) -> None:
        """Account for the replies that are still running, and for sound without a transcript, because the
        session ends: with an estimate, unless their usage was stated.
        """
        self._hearing.close()
        self._give_up()
        for name in [*self._running]:
            self._end(name)

    def _give_up(self) -> None:
        """Account for the reply whose usage was owed: with an estimate, unless its usage was stated."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self._finish(owed)

    def _part_of(self, heard: Heard) -> str | None:
        """Return the key in `_running` of the reply that a message is a part of: the reply that the message
        names, otherwise the reply without an id, otherwise the reply that began last; but a message that ends
        a reply and names an unknown one is a part of no other reply.
        """
        running, name = self._running, heard.reply
        if name in running or None in running or not running:
            return name if name in running else None
        return name if name is not None and heard.ends else next(reversed(running))

    def _grow(self, reply: Reply, message: Message) -> None:
        if len(message) > _SOUND:
            reply.size += len(message)
        else:
            reply.words += 1

    def _end(self, name: str | None) -> None:
        self._finish(self._running.pop(name))

    def _finish(self, reply: Reply) -> None:
        reply.growth, record = None, reply.record  # `growth` refers back to the reply
        if record.usage is not None and not record.usage.plausible():
            record.usage = None
        if record.usage is None and record.units is None:
            record.usage = ir.Usage(output=reply.said, estimated=True)
        usage = record.usage
        if usage is not None:
            taken, given = max(usage.input_total, 1), max(usage.output_total, 1)
            units = record.units or USUAL.units
            self._expected = USUAL._replace(input=taken, output=given, units=units)
        self.books.account(reply)

    async def _beside(self, used: Used, model: str) -> None:
        """Charge work that belongs to no running reply, such as a transcript of the client's speech, with a
        usage record of its own. Does nothing if `used` has no units and no usage, or only an estimate of 0
        output tokens. model: the name of the model that did the work, at the session's provider.
        """
        counted = used.usage is not None and (used.usage.output or not used.usage.estimated)
        if not (counted or used.units):
            return  # a transcript without sound, text and usage
        reply = self.books.made(f"{self._attempt.deployment.provider}/{model}")
        reply.record.usage, reply.record.units = used.usage, dict(used.units)
        try:
            if reply.meter is not None:
                await reply.meter.hold_reply(reply.record)
        finally:
            self.books.account(reply)
