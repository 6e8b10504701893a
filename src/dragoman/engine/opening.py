"""Holds a stream back until its first content."""

from __future__ import annotations

from functools import partial

from dragoman.engine.client import Headers
from dragoman.engine.delivery import Delivery
from dragoman.errors import RequestFailed
from dragoman.upstreams.answers import AnswerLimits, silent, without_content
from dragoman.upstreams.upstream import Call


class Opening:
    """Holds a stream until its first content, which makes the attempt final. Afterwards it measures silence:
    data without content. It reads the clock only for such data. passed: the upstream's headers for the
    client. name: the provider's name in errors.
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
        """When the silence began. The caller sets None again when content comes."""

    async def add(self, data: bytes, *, content: bool) -> bytes:
        """Returns the bytes to send now: with the first content, all that were held. content: True = `data`
        includes content. Raises RequestFailed if too many bytes are held, or if the silence is too long.
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
