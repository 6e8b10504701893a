"""Removes secrets from texts that are shown to people: known secrets, and texts that look like keys or
passwords.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from dragoman.ir.credentials import redact

REDACTED: Final = "[redacted]"
_SHORTEST: Final = 8
"""The least characters of a secret that is removed. A shorter value, such as "eu" in a header, is left,
because many words contain it.
"""
_SHORT: Final = 300
_MOST: Final = 10_000
"""The most results that are cached, for texts of up to `_SHORT` characters."""
_HARMLESS: Final = re.compile(r"(?:req|ex)_[0-9a-f]{32}(?:-\d+)?|\d{4}-\d\d-\d\dT[0-9:.]+Z")
"""Matches ids that the gateway has made, and times. They are not searched for secrets, because a list has a
thousand of them.
"""
_FORMS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:rk|nvapi|csk|tgp|ghp|gho|ghs|github_pat|glpat|xox[abp])[-_][\w-]{12,}",
    re.DOTALL,
)
"""Matches keys and tokens of other kinds than those of model providers, which `ir.credentials.redact`
finds.
"""
_NAMED: Final = re.compile(
    r"""((?:authorization|(?:api|access)[-_ ]?key|access[-_]?token|client[-_]?secret|passw(?:or)?d|secret)"""
    r"""\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic)\s+)?|\b(?:bearer|basic)\s+)"""
    r"""([^\s"'\\,;}&]{8,})"""
    r"""|(://[^/\s:@]*:)([^/\s@]+)(?=@)"""
    r"""|([?&](?:key|token|sig|signature)=)([^&\s"'\\]+)""",
    re.IGNORECASE,
)
"""Matches values after names that say that the value is a secret, and passwords in URLs."""


_PIECE: Final = 4000
"""The number of characters from which on a text is searched in pieces of about this size."""
_CUT: Final = re.compile(
    r"(?<=[\w.!?)}\]])(?<!bearer)(?<!basic)(?<!api)(?<!access)\s(?![:=\s])|(?<=\n)\n", re.IGNORECASE
)
"""Matches white space that hardly ever separates a name from its secret. Long texts are cut there."""


def _no_rest() -> None:
    """Do nothing, in place of a pause."""


class Redaction:
    """Removes secrets from texts. known: secrets that are removed wherever they occur, unless they have fewer
    than 8 characters. rest: called before each piece of a text is searched for what looks like a secret; it
    may pause the thread, so that other threads can run.
    """

    def __init__(self, known: Iterable[str] = (), rest: Callable[[], None] = _no_rest) -> None:
        self._rest = rest
        self._known = sorted({one for one in known if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._met: dict[str, str] = {}
        """{short text that was searched: the text without secrets}, because most texts in a list repeat."""

    def text(self, text: str) -> str:
        """Return the text with `[redacted]` in place of each known secret and of each value that looks like a
        secret. A text of fewer than 8 characters, and an id or a time of the gateway, is returned unchanged.
        """
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
        """Return a copy of a JSON value in which `text` was applied to each string, but not to the names of
        fields. A tuple becomes a list.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of about `_PIECE` characters. A piece is longer where the text cannot be cut
    without separating a name from its secret.
    """
    begin = 0
    while len(text) - begin > _PIECE and (cut := _CUT.search(text, begin + _PIECE)) is not None:
        yield text[begin : cut.end()]
        begin = cut.end()
    yield text[begin:]


def _hide(found: re.Match[str]) -> str:
    return (found[1] or found[3] or found[5]) + REDACTED
