"""The client key that `dragoman serve` creates if a gateway needs one and none is configured.

A gateway without configured keys needs a client key if `auth.required` is true, or if that is not set and
other machines can reach the gateway's address; never if `auth.open` is set (`assembly.keys.needs_key`). The
key is kept in a file in Dragoman's folder, and read again at the next start that needs it. If the file cannot
be written, the key is valid until the process ends.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from dragoman.cli.terminal import CONFIGURATION, Failure
from dragoman.seams.clock import SYSTEM

FILE: Final = "client-key"
"""The name of the file in Dragoman's folder that contains the created client key."""
_KEY: Final = re.compile(r"dgm_[0-9A-Za-z]{32,}")


class ClientKey(NamedTuple):
    """A client key. file: the file that contains it, None = no file could be written. made: True = the key is
    new, False = it was read from the file.
    """

    key: str
    file: Path | None
    made: bool


def fresh() -> str:
    """Return a new random client key. It is not stored."""
    return f"dgm_{SYSTEM.random_id()}{SYSTEM.random_id()}"


def kept_or_made(home: Path) -> ClientKey:
    """Return the client key in the file `FILE` in the folder `home`. If there is no such file, create a key,
    and write it and the missing folder if possible. Raises Failure if the file is there but cannot be read or
    contains anything else than one key that begins with `dgm_`, or if `home` is a file.
    """
    file = home / FILE
    key = fresh()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return ClientKey(_read(file), file, made=False)
    except OSError:
        return ClientKey(key, None, made=True)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(key + "\n")
    except OSError:  # the disk is full; an empty file would be refused at the next start
        with contextlib.suppress(OSError):
            file.unlink()
        return ClientKey(key, None, made=True)
    return ClientKey(key, file, made=True)


def kept(home: Path) -> str | None:
    """Return the client key in the file `FILE` in the folder `home`; None = there is no such file. Raises
    Failure if the file cannot be read or contains anything else than one key that begins with `dgm_`.
    """
    file = home / FILE
    return _read(file) if file.exists() else None


def _read(file: Path) -> str:
    try:
        key = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise Failure(
            CONFIGURATION, f"{file} cannot be read: {error.strerror}", hint="set DRAGOMAN_API_KEY instead"
        ) from None
    except UnicodeDecodeError:
        key = ""
    if not _KEY.fullmatch(key):
        raise Failure(
            CONFIGURATION,
            f"{file} contains no key",
            hint=f"delete it with `rm {file}`: a new key is then created",
        )
    return key
