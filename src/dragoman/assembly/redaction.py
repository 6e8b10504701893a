"""Removes secrets from texts that are shown to people: the known ones, and whatever has the form of a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from dragoman.dialects.failure import redact

REDACTED: Final = "[redacted]"
_SHORTEST: Final = 8
"""Characters. A shorter secret, as of a header ("eu"), is not hidden, because many words contain it."""
_SHORT: Final = 300
_MOST: Final = 10_000
"""Of texts up to `_SHORT` characters, so many are remembered."""
_HARMLESS: Final = re.compile(r"(?:req|ex)_[0-9a-f]{32}(?:-\d+)?|\d{4}-\d\d-\d\dT[0-9:.]+Z")
"""Matches ids that the gateway has made, and times: a list has a thousand of them."""
_FORMS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:rk|nvapi|csk|tgp|ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][\w-]{12,}",
    re.DOTALL,
)
"""Matches keys and tokens beyond those of model providers, which `dialects.failure.redact` finds."""
_NAMED: Final = re.compile(
    r"""((?:authorization|(?:api|access)[-_ ]?key|access[-_]?token|client[-_]?secret|passw(?:or)?d|secret)"""
    r"""\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic)\s+)?|\b(?:bearer|basic)\s+)"""
    r"""([^\s"'\\,;}&]{8,})"""
    r"""|(://[^/\s:@]*:)([^/\s@]+)(?=@)"""
    r"""|([?&](?:key|token|sig|signature)=)([^&\s"'\\]+)""",
    re.IGNORECASE,
)
"""Matches values beside names that say that they are secrets, and passwords in URLs."""


_PIECE: Final = 4000
"""Characters. A longer text is searched in pieces of about this size."""
_CUT: Final = re.compile(
    r"(?<=[\w.!?)}\]])(?<!bearer)(?<!basic)(?<!api)(?<!access)\s(?![:=\s])|(?<=\n)\n", re.IGNORECASE
)
"""Matches white space that cannot stand between a name and its secret: there, a long text is cut."""


def _no_rest() -> None:
    """Do not rest."""


class Redaction:
    """Removes secrets. known: secrets that are removed wherever they stand, unless they are very short. rest:
    called again and again while a long text is searched. A search of 64 kB takes 50 ms, in which no other
    thread could run if it was done at once.
    """

    def __init__(self, known: Iterable[str] = (), rest: Callable[[], None] = _no_rest) -> None:
        self._rest = rest
        self._known = sorted({one for one in known if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._met: dict[str, str] = {}
        """What became of short texts: in a list most of them repeat."""

    def text(self, text: str) -> str:
        """The text with `[redacted]` in place of each secret."""
        if len(text) < _SHORTEST or _HARMLESS.fullmatch(text):
            return text
        if (met := self._met.get(text)) is not None:
            return met
        shown = text
        for secret in self._known:
            if secret in shown:
                shown = shown.replace(secret, REDACTED)
        shown = _FORMS.sub(REDACTED, shown)
        shown = "".join([self._searched(piece) for piece in _pieces(shown)])
        if len(text) <= _SHORT and len(self._met) < _MOST:
            self._met[text] = shown
        return shown

    def _searched(self, piece: str) -> str:
        self._rest()
        return _NAMED.sub(_hide, redact(piece))

    def value(self, value: Any) -> Any:
        """A copy of a JSON value in which `text` was applied to each text. Names of members are kept."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces. A piece is longer than `_PIECE` if the text cannot be cut there."""
    begin = 0
    while len(text) - begin > _PIECE and (cut := _CUT.search(text, begin + _PIECE)) is not None:
        yield text[begin : cut.end()]
        begin = cut.end()
    yield text[begin:]


def _hide(found: re.Match[str]) -> str:
    return (found[1] or found[3] or found[5]) + REDACTED
