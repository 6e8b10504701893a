"""A token of an identity in a cloud, and the sign-in that fetches the token. Each sign-in calls the cloud's
library in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final, NamedTuple, TypeAlias

from dragoman.config.decode import flaw_of
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Lease, NotRenewed

PATIENCE: Final = 30.0
"""Seconds after which a sign-in counts as failed."""
EARLY: Final = 240.0
"""In this number of seconds before a token expires, a request starts to fetch the next token. Until it has
come, requests use the present token.

This is less than five minutes, because the metadata servers of Google and AWS and the library azure-identity
1.27.0 (`DEFAULT_REFRESH_OFFSET`) return the old token again until five minutes before it expires.
"""
_MOST: Final = 8
"""The most sign-ins that run at the same time. A library that hangs keeps its thread until the library gives
up.
"""
_LONGEST: Final = 300
"""The most characters of a library's error that are shown."""


class Token(NamedTuple):
    """A token, or an access key. text: the value that is sent, or that signs requests. expires: Unix seconds,
    None = unknown or never.
    """

    text: str
    expires: float | None


Obtain: TypeAlias = Callable[[], Token]
"""Returns a new token, and blocks until it has come. Raises NotRenewed."""


class SignIn:
    """Gets the tokens of one identity. Each token is fetched in its own thread."""

    running = 0
    """The number of sign-ins of all identities that run now, including those that nobody waits for
    any more.
    """

    def __init__(self, obtain: Obtain) -> None:
        self._obtain = obtain

    async def fetch(self, lease: Lease) -> Lease:
        """Return a lease with the token that the cloud returns now; `lease` itself if the token and its
        expiry are the same as before. lease: the present lease. Raises NotRenewed if the library fails, if no
        token has come after 30 seconds (`PATIENCE`), if 8 sign-ins of all identities are still running
        (`_MOST`), and for a token that no header can hold.
        """
        if SignIn.running >= _MOST:
            raise NotRenewed("too many sign-ins to clouds hang")
        try:
            async with asyncio.timeout(PATIENCE):
                token = await self._in_thread()
        except TimeoutError:
            raise NotRenewed(f"no token came within {PATIENCE:.0f} seconds") from None
        if (flaw := flaw_of(token.text)) is not None:
            raise NotRenewed(f"the token {flaw}")
        same = lease.secret is not None and lease.secret.matches(token.text)
        if same and token.expires == lease.expires:
            return lease
        return Lease(Secret(token.text), token.expires)

    async def _in_thread(self) -> Token:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Token] = loop.create_future()

        def tell(token: Token | None, error: Exception | None) -> None:
            SignIn.running -= 1
            if future.done():  # nobody waits any more
                return
            if token is not None:
                future.set_result(token)
            else:
                assert error is not None
                future.set_exception(error)

        def run() -> None:
            token, failed = None, None
            try:
                token = self._obtain()
            except Exception as error:  # noqa: BLE001 - a library's mistakes are told like its failures
                failed = error if isinstance(error, NotRenewed) else NotRenewed(told(error))
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell, token, failed)

        SignIn.running += 1
        Thread(target=run, name="dragoman-sign-in", daemon=True).start()  # the exit does not wait for it
        return await future


def told(error: Exception) -> str:
    """Return the text of a library's error in one line; the name of its class if it has no text. A text of
    more than 300 characters is cut, and ends in "…".
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
