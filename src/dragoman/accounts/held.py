"""Finds out whether a text that a client has sent holds a key of this gateway. Pure.

Such a text is not sent to a provider: whoever reads it there could call the gateway in the client's name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Final

from dragoman.accounts import minting

_MINTED: Final = re.compile(rf"(?<![0-9A-Za-z]){minting.PREFIX}")
"""Matches the beginning of a key that the gateway makes, unless an ASCII letter or digit stands before it."""
_BASIC: Final = re.compile(r"(?<![0-9A-Za-z])basic\s+([^\s,;\"']+)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[\s,;]+")
_LONGEST: Final = 8_000
"""The most characters of a text in which keys of operators are looked for: many servers refuse longer
headers.
"""


def holds_key(text: str, knows: Callable[[bytes], bool]) -> bool:
    """Whether a text (the value of a header, a field of a query) holds a key of this gateway. True if the
    beginning of the keys that the gateway makes (`dgm_`) is in it without an ASCII letter or digit before it,
    even if the gateway has no such key.

    Also True if a key that the gateway has is in the first 8,000 characters as a part by itself: the whole
    text, all after the first word (`Bearer KEY`), a word, or the name or value of a parameter
    (`token="KEY"`). Both rules are also used for the decoded text of `Basic`, and for its user name and
    password. knows: returns whether the gateway has a client key with this SHA-256.
    """
    texts = [text, *_basic(text)]
    if any(_MINTED.search(one) for one in texts):
        return True
    return any(knows(minting.digest(one)) for one in dict.fromkeys(_parts(texts)))


def _parts(texts: list[str]) -> Iterator[str]:
    """Yield the parts of texts that may be keys."""
    for text in texts:
        short = text.strip()[:_LONGEST]
        yield short
        yield from short.split(None, 1)[1:]
        for word in _BETWEEN.split(short):
            yield word
            name, _, value = word.partition("=")
            yield value.strip("\"'")
            yield name


def _basic(text: str) -> list[str]:
    """Return what a text says in the scheme `Basic`, as in a header Authorization: user name and password
    together, and each of them. What cannot be decoded as Base64 is left out.
    """
    found: list[str] = []
    for coded in _BASIC.findall(text[:_LONGEST]):
        try:
            both = base64.b64decode(coded.rstrip("=") + "==").decode("utf-8", "surrogateescape")
        except ValueError:  # it is no base64: the text itself is looked at
            continue
        found += [both, *both.partition(":")[::2], both.rpartition(":")[0]]  # a key may have colons itself
    return found
