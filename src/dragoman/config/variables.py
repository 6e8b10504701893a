"""Environment variables in a setting's text: `${NAME}`, `${NAME:-default}`, and `$${` for the characters
`${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?", re.ASCII)


class Trouble(NamedTuple):
    """Why a variable could not be replaced, and how to correct it."""

    message: str
    hint: str


class Filled(NamedTuple):
    """A text with its variables replaced. variables: the names of all variables in it, as often as they stand
    there. troubles: one for each variable that is not set and has no default, and for each `${` that does not
    begin a complete `${NAME}`; both become "" in the text.
    """

    text: str
    variables: tuple[str, ...]
    troubles: tuple[Trouble, ...]


def has_variables(text: str) -> bool:
    """Whether the text contains `${`."""
    return "${" in text


def fill(text: str, environ: Mapping[str, str]) -> Filled:
    """Return a text with its variables replaced by their values in `environ`; those that are unset or empty,
    by their defaults, or else by "". `$${` becomes `${`. What adds a trouble: see `Filled`.
    """
    names: list[str] = []
    troubles: list[Trouble] = []

    def value(match: re.Match[str]) -> str:
        whole, name, default = match[0], match[1], match[2]
        if whole == "$${":
            return "${"
        if name is None:
            hint = "write ${NAME} or ${NAME:-default}; write $${ for the characters ${"
            troubles.append(Trouble("`${` is not followed by a variable name", hint))
            return ""
        names.append(name)
        found = environ.get(name)
        if found is None and default is None:
            hint = f"set it, or give a default: ${{{name}:-default}}"
            troubles.append(Trouble(f"the environment variable {name} is not set", hint))
        return found or default or ""

    return Filled(_VARIABLE.sub(value, text), tuple(names), tuple(troubles))
