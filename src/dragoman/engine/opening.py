"""Holds a provider's stream back until its first content, and ends it if it is silent for too long
afterwards.
"""

from __future__ import annotations

from functools import partial

from dragoman.engine.client import Headers
from dragoman.engine.delivery import Delivery
from dragoman.errors import RequestFailed
from dragoman.upstreams.answers import AnswerLimits, silent, without_content
from dragoman.upstreams.upstream import Call


class Opening:
    """Holds a stream back until its first content, which makes the attempt final. Afterwards it watches for
    silence: data, but no content. It reads the clock only when such data comes. passed: the upstream's
    headers for the client. limits: how many bytes may be held, and how long a silence may last. name: the
    provider's name in errors.
    """

    __slots__ = ("_begin", "_delivery", "_held", "_limits", "_name", "silent_since")

    def __init__(
        self, delivery: Delivery, call: Call, passed: Headers, *, limits: AnswerLimits, name: str
    ) -> None:
        self._delivery = delivery
        self._begin = partial(delivery.begin, call, passed)
        self._limits = limits
        self._name = name
        self._held = bytearray()  # grows without copying the held bytes
        self.silent_since: float | None = None
        """When the silence began, in monotonic seconds; None = content has come since. The caller sets None
        when content comes.
        """

    async def add(self, data: bytes, *, content: bool) -> bytes:
        """Return the bytes to send now. Before the first content, the bytes are held and b"" is returned.
        With the first content, the stream's headers are sent, and all held bytes are returned. Later, `data`
        is returned. content: True = `data` includes content. Raises RequestFailed if too many bytes are held
        before the first content, or if data without content comes for too long after it.
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
