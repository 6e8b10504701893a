"""A stream up to its first content."""

from __future__ import annotations

from functools import partial

from dragoman.engine.client import Headers
from dragoman.engine.delivery import Delivery
from dragoman.errors import RequestFailed
from dragoman.upstreams.answers import AnswerLimits, silent, without_content
from dragoman.upstreams.upstream import Call


class Opening:
    """Holds a stream until its first content, which commits the answer to its attempt.

    After that it notes how long the stream says nothing, although something comes; it looks at the clock
    only when something came that says nothing. passed: as for `Delivery.begin`. name: what errors call the
    provider.
    """

    __slots__ = ("_begin", "_delivery", "_held", "_limits", "_name", "silent_since")

    def __init__(
        self, delivery: Delivery, call: Call, passed: Headers, *, limits: AnswerLimits, name: str
    ) -> None:
        self._delivery = delivery
        self._begin = partial(delivery.begin, call, passed)
        self._limits = limits
        self._name = name
        self._held = bytearray()  # adding to it costs what is added, not what is held
        self.silent_since: float | None = None
        """To be None again when the stream that has begun says something."""

    async def add(self, data: bytes, *, content: bool) -> bytes:
        """The bytes to send now. content: whether there is some among them. Raises RequestFailed for more
        than may be held, and for a silence that is too long.

        Such an attempt fails instead of being committed to: as nothing of the answer is there, the next
        candidate may still give one.
        """
        if self._delivery.committed:
            if not content:
                self._stay_silent()
            return data
        self._held += data
        if content:
            await self._begin()
            data, self._held = bytes(self._held), bytearray()
            return data
        if len(self._held) > self._limits.opening:
            raise RequestFailed(without_content(self._name, self._limits.opening))
        return b""

    def _stay_silent(self) -> None:
        now, most = self._delivery.now(), self._limits.silence
        if self.silent_since is None:
            self.silent_since = now
        elif most is not None and now - self.silent_since > most:
            raise RequestFailed(silent(self._name, most))
