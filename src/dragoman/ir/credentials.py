"""Recognises credentials in the texts of failures by their form, so that nobody is shown one. Pure."""

from __future__ import annotations

import re

_CREDENTIAL = re.compile(
    r"""
    \bAIza[\w-]{20,}
    | (?<=\bBearer\ )[\w.~+/*-]{8,}=*
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}
    | \b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b                           # long and random
    | \borg-[A-Za-z0-9]{8,}\b
    | (?<=\borg:\ )[0-9a-f-]{36}
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """Return the text with "[redacted]" in place of API keys, tokens and account ids. They are
    recognised only by their form, for example by the prefix `sk-`. A text that was redacted before
    does not change, unless it has two credentials with nothing between them.
    """
    if _PREFIX.search(text) is not None:
        text = _WORDS.sub(_without_key, text)
    if "eyJ" in text:
        text = _TOKENS.sub(_without_token, text)
    return _CREDENTIAL.sub(_REDACTED, text)


_REDACTED = "[redacted]"
# Errors quote what clients write, up to megabytes. So each word is checked once as a whole, and not from each
# position at which a key might begin.
_WORDS = re.compile(r"(?<![\w.*-])[\w.*-]{9,}")
_PREFIX = re.compile(r"\b(?:sk-|sk_|pk_|gsk_|xai-|dgm_|pplx-|hf_|r8_|ya29\.)")
_SHORTEST = 6
_TOKENS = re.compile(r"(?<![\w-])[\w-]{13,}+\.[\w-]+(?:\.[\w-]*)?")
_TOKEN = re.compile(r"\beyJ[\w-]{10}")


def _without_key(word: re.Match[str]) -> str:
    """Return the word with "[redacted]" in place of an API key in it; unchanged if there is no key. A key is
    a known prefix such as `sk-` and the rest of the word, if the rest has at least `_SHORTEST` characters,
    one of them a digit or "*".
    """
    text = word[0]
    found = _PREFIX.search(text)
    if found is None or len(text) - found.end() < _SHORTEST or not _DIGIT.search(text, found.end()):
        return text
    return text[: found.start()] + _REDACTED


_DIGIT = re.compile(r"[\d*]")


def _without_token(word: re.Match[str]) -> str:
    found = _TOKEN.search(word[0])
    return word[0] if found is None else word[0][: found.start()] + _REDACTED
