"""Providers' keys in files that may be replaced at any time, for example by a secrets manager.

If the last check of a file was a second ago or longer, the next request starts another check, and itself
still uses the earlier key. If the provider refuses the key, the file is checked at once. If the file has no
usable key, the earlier key stays in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from dragoman.assembly.signing import flaw_of_key
from dragoman.config import secret_file
from dragoman.config.decode import flaw_of
from dragoman.providers.provider import Provider
from dragoman.seams.clock import Seams
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Credential, Lease, NotRenewed, Refreshing

_EVERY: Final = 1.0
"""Seconds after a check of a file from which the next request starts another one. If the provider refuses the
key, the file is checked earlier.
"""


def credentials_of(provider: Provider, seams: Seams) -> list[Credential | None]:
    """Return one item for each key of a provider: the `Credential` that reads the key's file again; None =
    the key is not in a file.
    """
    return [
        None
        if one.secret.file is None
        else Refreshing(
            f"{provider.name}[{index}]",
            provider.name,
            Lease(one.secret),
            KeyFile(one.secret.file, partial(flaw_of_key, provider)).fetch,
            seams.now,
            every=_EVERY,
        )
        for index, one in enumerate(provider.credentials)
    ]


class KeyFile:
    """A file with one key. flaw: returns why the provider cannot use a key, as the rest of a sentence; None =
    the provider can use it.
    """

    def __init__(self, file: Path, flaw: Callable[[str], str | None] = lambda _: None) -> None:
        self._file = file
        self._flaw = flaw
        self._seen: tuple[int, ...] | None = None

    async def fetch(self, lease: Lease) -> Lease:
        """Read the file, if its inode, time or size has changed since the last read that succeeded. Returns a
        lease with the key that is in the file now. Returns `lease` itself if the file has not changed, or if
        the key is the same. Raises NotRenewed if the file cannot be read or has no usable key.
        """
        return await asyncio.to_thread(self._fetch, lease)

    def _fetch(self, lease: Lease) -> Lease:
        try:
            about = self._file.stat()
            mark = (about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size)
            if mark == self._seen:
                return lease
            text = secret_file.read(self._file)
        except (OSError, secret_file.Unreadable) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            raise NotRenewed(f"{self._file.name} cannot be used: {told}") from None
        if (flaw := flaw_of(text)) is not None:
            raise NotRenewed(f"{self._file.name} {flaw}")
        if (flaw := self._flaw(text)) is not None:
            raise NotRenewed(f"the key in {self._file.name} {flaw}")
        self._seen = mark
        if lease.secret is not None and lease.secret.matches(text):
            return lease
        return Lease(Secret(text, self._file))
